/*---
title: Share of errors
kind: finding
counted: requests
window: 5m
key: [service_name]
direction: above
alerting: errorRate
alerting_only: true
samples_min: 20
unit: "%"
message: "{service_name}: {value} of requests fail, over {limit}"
examples:
  - name: over the critical limit, over none
    now_ms: 600000
    alerting: {warning: 1, critical: 5}
    given:
      requests:
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, operation: a, kind: SERVER, calls: 20, errors: 2, duration_sum_ms: 20, duration_max_ms: 1}
        - {window_start: "1970-01-01T00:06:00Z", service_name: good, operation: a, kind: SERVER, calls: 100, errors: 1, duration_sum_ms: 100, duration_max_ms: 1}
    expect:
      - {service_name: shop, state: firing, severity: critical, value: 10}
      - {service_name: good, state: ok, value: 1}
  - name: without limits of the user's nothing is judged
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
