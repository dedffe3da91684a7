/*---
title: Share of errors
kind: finding
window: 5m
key: [service_name]
direction: above
alerting: errorRate
alerting_only: true
samples_min: 20
unit: "%"
message: "{service_name}: {value} of requests fail, over {limit}"
example:
  name: without limits of the user's nothing is judged
  now_ms: 600000
  given:
    requests:
      - {window_start: "1970-01-01T00:06:00Z", service_name: shop, operation: a, kind: SERVER, calls: 20, errors: 10, duration_sum_ms: 18000, duration_max_ms: 900, duration_sketch: [900]}
  expect: []
---
More requests of a service fail than `alerting.errorRate` allows. */
SELECT
  service_name,
  100.0 * sum(errors) / sum(calls) AS value,
  sum(calls) AS samples,
  sum(errors) AS errors,
  exemplar_trace_ids(exemplars_merge(error_exemplars)) AS trace_ids
FROM requests
WHERE window_start >= $window_start AND window_start < $window_end AND kind = 'SERVER'
GROUP BY 1
