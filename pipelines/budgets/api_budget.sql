/*---
title: API budget
kind: finding
counted: requests
window: 5m
key: [budget, service_name, operation]
direction: above
samples_min: 5
unit: ms
message: "{service_name} {operation}: p{percentile} is {value}, over the budget {budget} of {limit}"
examples:
  - name: over and within
    now_ms: 600000
    given:
      budgets:
        - {kind: api, name: search, operation_match: "GET *search*", service_match: "*", percentile: 95, limit_value: 200, unit: ms, below: false}
        - {kind: api, name: nobody, operation_match: "GET /nobody", service_match: "*", percentile: 95, limit_value: 200, unit: ms, below: false}
      requests:
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, operation: GET /search, kind: SERVER, calls: 5, duration_sum_ms: 1500, duration_max_ms: 300, duration_sketch: [300, 300, 300, 300, 300]}
        - {window_start: "1970-01-01T00:06:00Z", service_name: fast, operation: GET /search, kind: SERVER, calls: 5, duration_sum_ms: 50, duration_max_ms: 10, duration_sketch: [10, 10, 10, 10, 10]}
        - {window_start: "1970-01-01T00:01:00Z", service_name: past, operation: GET /search, kind: SERVER, calls: 5, duration_sum_ms: 50, duration_max_ms: 10, duration_sketch: [900, 900, 900, 900, 900]}
    expect:
      - {budget: search, service_name: shop, operation: GET /search, state: firing, severity: critical, value: 300}
      - {budget: search, service_name: fast, operation: GET /search, state: ok}
      - {budget: nobody, service_name: "", operation: "", state: no_data}
---
An operation takes longer than the budget that you set for it. Look at the slowest traces first: the span with the most
time of its own is what to mend.

The percentile is taken over the window's calls of the operation; a budget that no operation fits has no data, which is
not the same as being kept. */
WITH seen AS (
  SELECT
    service_name,
    operation,
    sketch_merge(duration_sketch) AS duration_sketch,
    sum(calls) AS calls,
    sum(duration_sum_ms) AS duration_sum_ms,
    max(duration_max_ms) AS duration_max_ms,
    exemplars_merge(exemplars) AS exemplars
  FROM requests
  WHERE window_start >= $window_start AND window_start < $window_end AND kind = 'SERVER'
  GROUP BY 1, 2
)
SELECT
  b.name AS budget,
  s.service_name,
  s.operation,
  quantile(s.duration_sketch, b.percentile / 100.0) AS value,
  coalesce(sum(s.calls), 0) AS samples,
  max(b.limit_value) AS critical,
  b.percentile,
  max(b.limit_value) - quantile(s.duration_sketch, b.percentile / 100.0) AS headroom_ms,
  max(s.duration_max_ms) AS max_ms,
  sum(s.duration_sum_ms) AS total_ms,
  exemplar_trace_ids(exemplars_merge(s.exemplars)) AS trace_ids
FROM budgets b
LEFT JOIN seen s ON glob(b.operation_match, s.operation) AND glob(b.service_match, s.service_name)
WHERE b.kind = 'api'
GROUP BY b.name, b.percentile, s.service_name, s.operation
