/*---
title: An exporter goes on without items
kind: finding
window: 5m
key: [exporter, signal]
direction: above
warning: 0
unit: "{item}"
no_data: ok
message: "{exporter} is too far behind with {signal}: {value} items were dropped for it since the start"
example:
  now_ms: 600000
  given:
    exporters:
      - {exporter: otlp_http/slow, signal: logs, dropped_items: 300, last_dropped: "1970-01-01T00:08:00Z"}
      - {exporter: otlp_http/mended, signal: logs, dropped_items: 20, last_dropped: "1970-01-01T00:01:00Z"}
      - {exporter: otlp_http/good, signal: logs, dropped_items: 0}
  expect:
    - {exporter: otlp_http/slow, signal: logs, state: firing, value: 300}
    - {exporter: otlp_http/mended, signal: logs, state: ok, value: 0}
    - {exporter: otlp_http/good, signal: logs, state: ok, value: 0}
---
The target of an exporter takes less than comes in, or nothing at all, and its `sending_queue` says `on_overflow:
drop_oldest`: what lies past `queue_size` or `age_max` is left out for it, and for it alone. The other exporters and the
tables have everything. The table `exporters` shows the target's last error and how far behind the exporter is. */
SELECT
  exporter,
  signal,
  CASE WHEN last_dropped >= $window_start THEN CAST(dropped_items AS DOUBLE) ELSE 0.0 END AS value,
  1 AS samples,
  dropped_items,
  last_dropped,
  lag_bytes,
  last_error
FROM exporters
