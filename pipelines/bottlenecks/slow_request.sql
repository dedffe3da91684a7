/*---
title: Slow requests
kind: finding
counted: requests
window: 5m
key: [service_name, operation]
direction: above
warning: 1000
samples_min: 1
unit: ms
message: "{service_name} {operation}: {slow_calls} of {samples} requests took longer than 1 s, the slowest {max_ms}"
examples:
  - name: a single slow one, a job of a consumer, and none
    now_ms: 600000
    given:
      requests:
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, operation: GET /slow, kind: SERVER, calls: 4, errors: 0, slow_calls: 1, duration_sum_ms: 1530, duration_max_ms: 1500, duration_sketch: [10, 10, 10, 1500]}
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, operation: jobs, kind: CONSUMER, calls: 1, errors: 0, slow_calls: 1, duration_sum_ms: 5000, duration_max_ms: 5000, duration_sketch: [5000]}
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, operation: GET /fast, kind: SERVER, calls: 5, errors: 0, slow_calls: 0, duration_sum_ms: 50, duration_max_ms: 10, duration_sketch: [10, 10, 10, 10, 10]}
    expect:
      - {service_name: shop, operation: GET /slow, state: firing, value: 1500}
      - {service_name: shop, operation: jobs, state: firing, value: 5000}
      - {service_name: shop, operation: GET /fast, state: ok, value: 10}
---
Requests take longer than a second, whatever their budget. The traces are the slowest ones: the span with the most time
of its own is what to mend.

Judged is the 99.9th percentile, which is the slowest of all where there are fewer than a thousand. Of more, one in a
thousand may be slow without an alert; the title counts it all the same. */
SELECT
  service_name,
  operation,
  quantile(duration_sketch, 0.999) AS value,
  sum(calls) AS samples,
  sum(slow_calls) AS slow_calls,
  sum(duration_sum_ms) AS total_ms,
  max(duration_max_ms) AS max_ms,
  exemplar_trace_ids(exemplars_merge(exemplars)) AS trace_ids
FROM requests
WHERE window_start >= $window_start AND window_start < $window_end
GROUP BY 1, 2
