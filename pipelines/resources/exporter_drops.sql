/*---
title: Dropped exporter items
kind: finding
window: 5m
key: [exporter, signal]
direction: above
warning: 0
unit: "{item}"
no_data: ok
message: "{exporter} is too far behind: {value} items of {signal} dropped since the start"
example:
  now_ms: 600000
  given:
    exporters:
      - {exporter: otlp_http/slow, signal: logs, dropped_items: 300, last_dropped: "1970-01-01T00:08:00Z"}
      - {exporter: otlp_http/recovered, signal: logs, dropped_items: 20, last_dropped: "1970-01-01T00:01:00Z"}
      - {exporter: otlp_http/good, signal: logs, dropped_items: 0}
  expect:
    - {exporter: otlp_http/slow, signal: logs, state: firing, value: 300}
    - {exporter: otlp_http/recovered, signal: logs, state: ok, value: 0}
    - {exporter: otlp_http/good, signal: logs, state: ok, value: 0}
---
The target accepts less than comes in, so the `sending_queue` (`on_overflow: drop_oldest`) drops items beyond `queue_size` or
`age_max`. Other exporters and the tables keep all items. Check the last error of the target and the lag in the table
`exporters`. */
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
