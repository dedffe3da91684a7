/*---
title: Requests by service and operation
kind: rollup
table: requests
reads: [spans]
params: {apdex_t_ms: 500.0}
example:
  name: two windows, an error, and a client span that is not a request
  given:
    spans:
      - {start_time: "1970-01-01T00:00:01Z", service_name: shop, operation: GET /a, kind: SERVER, duration_ms: 100, error: false, sampled_weight: 1, http_response_status_code: 200, trace_id: t1}
      - {start_time: "1970-01-01T00:00:09Z", service_name: shop, operation: GET /a, kind: SERVER, duration_ms: 700, error: true, sampled_weight: 4, http_response_status_code: 503, trace_id: t2}
      - {start_time: "1970-01-01T00:00:11Z", service_name: shop, operation: GET /a, kind: SERVER, duration_ms: 900, error: false, sampled_weight: 1, http_response_status_code: 200, trace_id: t3}
      - {start_time: "1970-01-01T00:00:02Z", service_name: shop, operation: SELECT, kind: CLIENT, duration_ms: 5, error: false, sampled_weight: 1}
  expect:
    - {window_start: "1970-01-01T00:00:00Z", service_name: shop, operation: GET /a, calls: 2, calls_estimated: 5, errors: 1, server_errors: 1, apdex_satisfied: 1, apdex_tolerating: 0, duration_sum_ms: 800, duration_max_ms: 700}
    - {window_start: "1970-01-01T00:00:10Z", service_name: shop, operation: GET /a, calls: 1, calls_estimated: 1, errors: 0, server_errors: 0, apdex_satisfied: 0, apdex_tolerating: 1, duration_sum_ms: 900, duration_max_ms: 900}
---
Every request that a service answered, counted once in the window in which it started. A span that comes late adds a
partial row to its window, so counts only grow. Apdex: satisfied within T, tolerating within 4 T, neither with an error. */
SELECT
  date_bin(INTERVAL '10 seconds', start_time) AS window_start,
  service_name,
  operation,
  kind,
  count(*) AS calls,
  sum(sampled_weight) AS calls_estimated,
  sum(CASE WHEN error THEN 1 ELSE 0 END) AS errors,
  sum(CASE WHEN http_response_status_code >= 500 THEN 1 ELSE 0 END) AS server_errors,
  sum(CASE WHEN NOT error AND duration_ms <= $apdex_t_ms THEN 1 ELSE 0 END) AS apdex_satisfied,
  sum(CASE WHEN NOT error AND duration_ms > $apdex_t_ms AND duration_ms <= 4 * $apdex_t_ms THEN 1 ELSE 0 END) AS apdex_tolerating,
  sum(duration_ms) AS duration_sum_ms,
  max(duration_ms) AS duration_max_ms,
  sketch(duration_ms) AS duration_sketch,
  exemplars(trace_id, duration_ms) AS exemplars,
  exemplars(CASE WHEN error THEN trace_id END, duration_ms) AS error_exemplars
FROM new_spans
WHERE kind IN ('SERVER', 'CONSUMER')
GROUP BY 1, 2, 3, 4
