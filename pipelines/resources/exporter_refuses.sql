/*---
title: Items of an exporter are lost
kind: finding
window: 5m
key: [exporter, signal]
direction: above
warning: 0
unit: "{item}"
no_data: ok
message: "{exporter} leaves out {signal}: {value} items since the start are dead letters"
example:
  now_ms: 600000
  given:
    exporters:
      - {exporter: otlp_http/strict, signal: logs, refused_items: 12, last_refused: "1970-01-01T00:08:00Z"}
      - {exporter: otlp_http/strict, signal: traces, refused_items: 0}
      - {exporter: otlp_http/mended, signal: logs, refused_items: 3, last_refused: "1970-01-01T00:01:00Z"}
      - {exporter: slack, signal: alerts, refused_items: 1, last_refused: "1970-01-01T00:08:00Z"}
  expect:
    - {exporter: otlp_http/strict, signal: logs, state: firing, value: 12}
    - {exporter: otlp_http/strict, signal: traces, state: ok, value: 0}
    - {exporter: otlp_http/mended, signal: logs, state: ok, value: 0}
---
The target of an exporter will never take some of what is sent, or has no word for it, so that it is not even sent: a value
that does not fit its mapping or is no number, a name that it does not allow, an item that is too large. The table
`dead_letters` has the reason and the place of each. What a channel for alerts refuses is tried again, and stands in the table `alerts`. */
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
