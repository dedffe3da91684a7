/*---
title: Slow requests
kind: finding
window: 5m
key: [service_name, operation]
direction: above
warning: 1000
samples_min: 5
unit: ms
message: "{service_name} {operation}: p99 is {value}, over {limit}"
example:
  now_ms: 600000
  given:
    requests:
      - {window_start: "1970-01-01T00:06:00Z", service_name: shop, operation: GET /slow, kind: SERVER, calls: 5, errors: 0, duration_sum_ms: 7500, duration_max_ms: 1500, duration_sketch: [1500, 1500, 1500, 1500, 1500]}
      - {window_start: "1970-01-01T00:06:00Z", service_name: shop, operation: GET /fast, kind: SERVER, calls: 5, errors: 0, duration_sum_ms: 50, duration_max_ms: 10, duration_sketch: [10, 10, 10, 10, 10]}
  expect:
    - {service_name: shop, operation: GET /slow, state: firing, value: 1500}
    - {service_name: shop, operation: GET /fast, state: ok}
---
Requests take longer than a second, whatever their budget. The traces are the slowest ones: the span with the most time
of its own is what to mend. */
SELECT
  service_name,
  operation,
  quantile(duration_sketch, 0.99) AS value,
  sum(calls) AS samples,
  sum(duration_sum_ms) AS total_ms,
  max(duration_max_ms) AS max_ms,
  exemplar_trace_ids(exemplars_merge(exemplars)) AS trace_ids
FROM requests
WHERE window_start >= $window_start AND window_start < $window_end AND kind = 'SERVER'
GROUP BY 1, 2
