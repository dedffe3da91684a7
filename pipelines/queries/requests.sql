/*---
title: Requests by service and operation
kind: rollup
table: requests
reads: [spans]
params: {apdex_t_ms: 500.0, slow_ms: 1000.0}
examples:
- name: two windows, an error, and a client span that is not a request
  given:
    spans:
      - {start_time: "1970-01-01T00:00:01Z", service_name: shop, operation: GET /a, kind: SERVER, duration_ms: 100, error: false, sampled_weight: 1, http_response_status_code: 200, trace_id: t1}
      - {start_time: "1970-01-01T00:00:09Z", service_name: shop, operation: GET /a, kind: SERVER, duration_ms: 700, error: true, server_error: true, sampled_weight: 4, http_response_status_code: 503, trace_id: t2}
      - {start_time: "1970-01-01T00:00:11Z", service_name: shop, operation: GET /a, kind: SERVER, duration_ms: 900, error: false, sampled_weight: 1, http_response_status_code: 200, trace_id: t3}
      - {start_time: "1970-01-01T00:00:02Z", service_name: shop, operation: SELECT, kind: CLIENT, duration_ms: 5, error: false, sampled_weight: 1}
  expect:
    - {window_start: "1970-01-01T00:00:00Z", service_name: shop, operation: GET /a, calls: 2, calls_estimated: 5, errors: 1, server_errors: 1, apdex_satisfied: 1, apdex_tolerating: 0, duration_sum_ms: 800, duration_max_ms: 700}
    - {window_start: "1970-01-01T00:00:10Z", service_name: shop, operation: GET /a, calls: 1, calls_estimated: 1, errors: 0, status_calls: 1, server_errors: 0, slow_calls: 0, apdex_satisfied: 0, apdex_tolerating: 1, duration_sum_ms: 900, duration_max_ms: 900}
- name: a sampled request counts with its weight, also in quantiles
  given:
    spans:
      - {start_time: "1970-01-01T00:00:01Z", service_name: shop, operation: GET /a, kind: SERVER, duration_ms: 100, error: false, sampled_weight: 16, http_response_status_code: 200, trace_id: t1}
      - {start_time: "1970-01-01T00:00:01Z", service_name: shop, operation: GET /a, kind: SERVER, duration_ms: 600, error: false, sampled_weight: 3, http_response_status_code: 200, trace_id: t2}
      - {start_time: "1970-01-01T00:00:01Z", service_name: shop, operation: GET /a, kind: SERVER, duration_ms: 3000, error: true, server_error: true, http_response_status_code: 503, trace_id: t3}
      - {start_time: "1970-01-01T00:00:01Z", service_name: shop, operation: jobs, kind: CONSUMER, duration_ms: 10, error: false, sampled_weight: 1.25, trace_id: t4}
  expect:
    - {operation: GET /a, calls: 3, calls_estimated: 20, errors: 1, errors_estimated: 1, status_calls_estimated: 20, server_errors_estimated: 1, slow_calls: 1, slow_calls_estimated: 1, apdex_satisfied: 1, apdex_satisfied_estimated: 16, apdex_tolerating: 1, apdex_tolerating_estimated: 3, duration_sum_ms: 3700, duration_sum_estimated_ms: 6400, duration_max_ms: 3000}
    - {operation: jobs, calls: 1, calls_estimated: 1.25, errors_estimated: 0, status_calls_estimated: 0, duration_sum_ms: 10, duration_sum_estimated_ms: 12.5}
- name: slow requests, and the gRPC codes of server errors
  given:
    spans:
      - {start_time: "1970-01-01T00:00:01Z", service_name: pay, operation: a.B/C, kind: SERVER, duration_ms: 1000, error: false, sampled_weight: 1, rpc_response_status_code: "0"}
      - {start_time: "1970-01-01T00:00:01Z", service_name: pay, operation: a.B/C, kind: SERVER, duration_ms: 1001, error: true, sampled_weight: 1, rpc_response_status_code: "5"}
      - {start_time: "1970-01-01T00:00:01Z", service_name: pay, operation: a.B/C, kind: SERVER, duration_ms: 2000, error: true, server_error: true, sampled_weight: 1, rpc_response_status_code: "14"}
      - {start_time: "1970-01-01T00:00:01Z", service_name: pay, operation: a.B/C, kind: SERVER, duration_ms: 1, error: true, server_error: true, sampled_weight: 1, rpc_response_status_code: UNAVAILABLE}
      - {start_time: "1970-01-01T00:00:01Z", service_name: pay, operation: jobs, kind: CONSUMER, duration_ms: 9000, error: true, sampled_weight: 1}
  expect:
    - {service_name: pay, operation: a.B/C, kind: SERVER, calls: 4, errors: 3, status_calls: 4, server_errors: 2, slow_calls: 2}
    - {service_name: pay, operation: jobs, kind: CONSUMER, calls: 1, errors: 1, status_calls: 0, server_errors: 0, slow_calls: 1}
---
Every request that a service answered, counted once in the window in which it started. A late span adds a partial row to its
window, so counts only increase. Apdex: satisfied within T, tolerating within 4 T, failed requests count as neither.

Server errors are 5xx and the gRPC codes UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE and DATA_LOSS,
unless the status of the span is OK.

With upstream sampling that is recorded in the tracestate, `estimated` columns and quantiles weight each request by its
sampled_weight; the other columns count the requests seen. */
WITH said AS (
  SELECT
    *,
    coalesce(sampled_weight, 1.0) AS weight,
    http_response_status_code IS NOT NULL OR rpc_response_status_code IS NOT NULL AS has_status,
    CASE
      WHEN error THEN 0
      WHEN duration_ms <= $apdex_t_ms THEN 2
      WHEN duration_ms <= 4 * $apdex_t_ms THEN 1
      ELSE 0
    END AS apdex
  FROM new_spans
  WHERE kind IN ('SERVER', 'CONSUMER')
)
SELECT
  date_bin(INTERVAL '10 seconds', start_time) AS window_start,
  service_name,
  operation,
  kind,
  count(*) AS calls,
  sum(weight) AS calls_estimated,
  sum(CASE WHEN error THEN 1 ELSE 0 END) AS errors,
  sum(CASE WHEN error THEN weight ELSE 0.0 END) AS errors_estimated,
  sum(CASE WHEN has_status THEN 1 ELSE 0 END) AS status_calls,
  sum(CASE WHEN has_status THEN weight ELSE 0.0 END) AS status_calls_estimated,
  sum(CASE WHEN server_error THEN 1 ELSE 0 END) AS server_errors,
  sum(CASE WHEN server_error THEN weight ELSE 0.0 END) AS server_errors_estimated,
  sum(CASE WHEN duration_ms > $slow_ms THEN 1 ELSE 0 END) AS slow_calls,
  sum(CASE WHEN duration_ms > $slow_ms THEN weight ELSE 0.0 END) AS slow_calls_estimated,
  sum(CASE WHEN apdex = 2 THEN 1 ELSE 0 END) AS apdex_satisfied,
  sum(CASE WHEN apdex = 2 THEN weight ELSE 0.0 END) AS apdex_satisfied_estimated,
  sum(CASE WHEN apdex = 1 THEN 1 ELSE 0 END) AS apdex_tolerating,
  sum(CASE WHEN apdex = 1 THEN weight ELSE 0.0 END) AS apdex_tolerating_estimated,
  sum(duration_ms) AS duration_sum_ms,
  sum(duration_ms * weight) AS duration_sum_estimated_ms,
  max(duration_ms) AS duration_max_ms,
  sketch(duration_ms, sampled_count(weight, trace_id, span_id)) AS duration_sketch,
  exemplars(trace_id, duration_ms) AS exemplars,
  exemplars(CASE WHEN error THEN trace_id END, duration_ms) AS error_exemplars
FROM said
GROUP BY 1, 2, 3, 4
