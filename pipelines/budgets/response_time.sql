/*---
title: Response time
kind: finding
counted: requests
window: 5m
key: [service_name]
direction: above
alerting: responseTime
alerting_only: true
samples_min: 20
no_data: resolve
unit: "ms"
message: "{service_name}: p95 is {value}, over {limit}"
examples:
  - name: over the warning limit, and within the limits
    now_ms: 600000
    alerting: {warning: 500, critical: 1000}
    given:
      requests:
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, operation: a, kind: SERVER, calls: 20, errors: 0, duration_sum_ms: 18000, duration_max_ms: 900, duration_sketch: [900, 900, 900, 900, 900, 900, 900, 900, 900, 900, 900, 900, 900, 900, 900, 900, 900, 900, 900, 900]}
        - {window_start: "1970-01-01T00:06:00Z", service_name: fast, operation: a, kind: SERVER, calls: 20, errors: 0, duration_sum_ms: 10000, duration_max_ms: 500, duration_sketch: [500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500, 500]}
    expect:
      - {service_name: shop, state: firing, severity: warning, value: 900}
      - {service_name: fast, state: ok, value: 500}
  - name: not judged without user limits
    now_ms: 600000
    given:
      requests:
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, operation: a, kind: SERVER, calls: 20, errors: 10, duration_sum_ms: 18000, duration_max_ms: 900, duration_sketch: [900]}
    expect: []
---
The p95 response time of a service exceeds `alerting.responseTime`. Look at `api_budget` and `slow_request` for the slow
operations. */
SELECT
  service_name,
  quantile(duration_sketch, 0.95) AS value,
  sum(calls) AS samples,
  max(duration_max_ms) AS max_ms,
  exemplar_trace_ids(exemplars_merge(exemplars)) AS trace_ids
FROM requests
WHERE window_start >= $window_start AND window_start < $window_end AND kind = 'SERVER'
GROUP BY 1
