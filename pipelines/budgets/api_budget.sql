/*---
title: API budget
kind: finding
counted: requests
window: 5m
key: [budget, service_name, operation]
direction: above
samples_min: 5
no_data: resolve
unit: ms
message: "{service_name} {operation}: p{percentile} is {value}, over the {budget_word} {budget} of {warning}"
examples:
  - name: over the budget, over twice the budget, and within it
    now_ms: 600000
    given:
      budgets:
        - {kind: api, name: search, operation_match: "GET *search*", service_match: "*", percentile: 95, limit_value: 200, critical_value: 400, is_default: true, unit: ms, below: false}
        - {kind: api, name: nobody, operation_match: "GET /nobody", service_match: "*", percentile: 95, limit_value: 200, unit: ms, below: false}
      requests:
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, operation: GET /search, kind: SERVER, calls: 20, duration_sum_ms: 6000, duration_max_ms: 300, duration_sketch: [300, 300, 300, 300, 300, 300, 300, 300, 300, 300, 300, 300, 300, 300, 300, 300, 300, 300, 300, 300]}
        - {window_start: "1970-01-01T00:06:00Z", service_name: far, operation: GET /search, kind: SERVER, calls: 20, duration_sum_ms: 9000, duration_max_ms: 450, duration_sketch: [450, 450, 450, 450, 450, 450, 450, 450, 450, 450, 450, 450, 450, 450, 450, 450, 450, 450, 450, 450]}
        - {window_start: "1970-01-01T00:06:00Z", service_name: few, operation: GET /search, kind: SERVER, calls: 19, duration_sum_ms: 8550, duration_max_ms: 450, duration_sketch: [450, 450, 450, 450, 450, 450, 450, 450, 450, 450, 450, 450, 450, 450, 450, 450, 450, 450, 450]}
        - {window_start: "1970-01-01T00:06:00Z", service_name: fast, operation: GET /search, kind: SERVER, calls: 20, duration_sum_ms: 200, duration_max_ms: 10, duration_sketch: [10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10]}
        - {window_start: "1970-01-01T00:01:00Z", service_name: past, operation: GET /search, kind: SERVER, calls: 5, duration_sum_ms: 50, duration_max_ms: 10, duration_sketch: [900, 900, 900, 900, 900]}
    expect:
      - {budget: search, service_name: shop, operation: GET /search, state: firing, severity: warning, value: 300, budget_word: default budget}
      - {budget: search, service_name: far, operation: GET /search, state: firing, severity: critical, value: 450, limit: 400}
      - {budget: search, service_name: few, operation: GET /search, state: no_data}
      - {budget: search, service_name: fast, operation: GET /search, state: ok}
      - {budget: nobody, service_name: "", operation: "", state: no_data}
---
An operation takes longer than its budget. Start with the slowest traces, at the span with the most self time.

Warning above the budget, critical above twice the budget; `budgets.criticalMultiple` or `critical` of a budget overrides
this. The percentile covers the operation's calls in the window and requires a minimum: 20 calls for p95, 100 for p99. The
default budgets apply if you set none. A budget that matches no operation has no data, which is not the same as being met. */
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
  samples_for(b.percentile / 100.0) AS samples_min,
  max(b.limit_value) AS warning,
  max(b.critical_value) AS critical,
  max(CASE WHEN b.is_default THEN 'default budget' ELSE 'budget' END) AS budget_word,
  b.percentile,
  max(b.limit_value) - quantile(s.duration_sketch, b.percentile / 100.0) AS headroom_ms,
  max(s.duration_max_ms) AS max_ms,
  sum(s.duration_sum_ms) AS total_ms,
  exemplar_trace_ids(exemplars_merge(s.exemplars)) AS trace_ids
FROM budgets b
LEFT JOIN seen s ON glob(b.operation_match, s.operation) AND glob(b.service_match, s.service_name)
WHERE b.kind = 'api'
GROUP BY b.name, b.percentile, s.service_name, s.operation
