/*---
title: Rejected exporter items
kind: finding
window: 5m
key: [exporter, signal]
direction: above
warning: 0
unit: "{item}"
no_data: ok
message: "{exporter}: {value} items of {signal} rejected since the start, see dead_letters"
example:
  now_ms: 600000
  given:
    exporters:
      - {exporter: otlp_http/strict, signal: logs, refused_items: 12, last_refused: "1970-01-01T00:08:00Z"}
      - {exporter: otlp_http/strict, signal: traces, refused_items: 0}
      - {exporter: otlp_http/recovered, signal: logs, refused_items: 3, last_refused: "1970-01-01T00:01:00Z"}
      - {exporter: slack, signal: alerts, refused_items: 1, last_refused: "1970-01-01T00:08:00Z"}
  expect:
    - {exporter: otlp_http/strict, signal: logs, state: firing, value: 12}
    - {exporter: otlp_http/strict, signal: traces, state: ok, value: 0}
    - {exporter: otlp_http/recovered, signal: logs, state: ok, value: 0}
---
The target permanently rejects items, or its format cannot represent them: a value does not fit the mapping or is not a
number, a name is not allowed, or an item is too large. The table `dead_letters` shows the reason and log position of each.

Alerts that a channel rejects are retried and listed in the table `alerts`. */
SELECT
  exporter,
  signal,
  CASE WHEN last_refused >= $window_start THEN CAST(refused_items AS DOUBLE) ELSE 0.0 END AS value,
  1 AS samples,
  refused_items,
  last_refused,
  dead_letters,
  last_error
FROM exporters
WHERE signal <> 'alerts'
