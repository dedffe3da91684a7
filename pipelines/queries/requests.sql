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
      - {start_time: "1970-01-01T00:00:09Z", service_name: shop, operation: GET /a, kind: SERVER, duration_ms: 700, error: true, sampled_weight: 4, http_response_status_code: 503, trace_id: t2}
      - {start_time: "1970-01-01T00:00:11Z", service_name: shop, operation: GET /a, kind: SERVER, duration_ms: 900, error: false, sampled_weight: 1, http_response_status_code: 200, trace_id: t3}
      - {start_time: "1970-01-01T00:00:02Z", service_name: shop, operation: SELECT, kind: CLIENT, duration_ms: 5, error: false, sampled_weight: 1}
  expect:
    - {window_start: "1970-01-01T00:00:00Z", service_name: shop, operation: GET /a, calls: 2, calls_estimated: 5, errors: 1, server_errors: 1, apdex_satisfied: 1, apdex_tolerating: 0, duration_sum_ms: 800, duration_max_ms: 700}
    - {window_start: "1970-01-01T00:00:10Z", service_name: shop, operation: GET /a, calls: 1, calls_estimated: 1, errors: 0, status_calls: 1, server_errors: 0, slow_calls: 0, apdex_satisfied: 0, apdex_tolerating: 1, duration_sum_ms: 900, duration_max_ms: 900}
- name: slow ones, and the codes of gRPC that the server is to blame for
  given:
    spans:
      - {start_time: "1970-01-01T00:00:01Z", service_name: pay, operation: a.B/C, kind: SERVER, duration_ms: 1000, error: false, sampled_weight: 1, rpc_response_status_code: "0"}
      - {start_time: "1970-01-01T00:00:01Z", service_name: pay, operation: a.B/C, kind: SERVER, duration_ms: 1001, error: true, sampled_weight: 1, rpc_response_status_code: "5"}
      - {start_time: "1970-01-01T00:00:01Z", service_name: pay, operation: a.B/C, kind: SERVER, duration_ms: 2000, error: true, sampled_weight: 1, rpc_response_status_code: "14"}
      - {start_time: "1970-01-01T00:00:01Z", service_name: pay, operation: a.B/C, kind: SERVER, duration_ms: 1, error: true, sampled_weight: 1, rpc_response_status_code: UNAVAILABLE}
      - {start_time: "1970-01-01T00:00:01Z", service_name: pay, operation: jobs, kind: CONSUMER, duration_ms: 9000, error: true, sampled_weight: 1}
  expect:
    - {service_name: pay, operation: a.B/C, kind: SERVER, calls: 4, errors: 3, status_calls: 4, server_errors: 2, slow_calls: 2}
    - {service_name: pay, operation: jobs, kind: CONSUMER, calls: 1, errors: 1, status_calls: 0, server_errors: 0, slow_calls: 1}
---
Every request that a service answered, counted once in the window in which it started. A span that comes late adds a
partial row to its window, so counts only grow. Apdex: satisfied within T, tolerating within 4 T, neither with an error.

A server's errors are 5xx and, where an answer has no HTTP status, gRPC's UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED,
INTERNAL, UNAVAILABLE and DATA_LOSS. */
SELECT
  date_bin(INTERVAL '10 seconds', start_time) AS window_start,
  service_name,
  operation,
  kind,
  count(*) AS calls,
  sum(sampled_weight) AS calls_estimated,
  sum(CASE WHEN error THEN 1 ELSE 0 END) AS errors,
  sum(CASE WHEN http_response_status_code IS NULL AND rpc_response_status_code IS NULL THEN 0 ELSE 1 END) AS status_calls,
  sum(CASE
    WHEN http_response_status_code >= 500 THEN 1
    WHEN http_response_status_code IS NULL AND rpc_response_status_code IN (
      '2', '4', '12', '13', '14', '15',
      'UNKNOWN', 'DEADLINE_EXCEEDED', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS'
    ) THEN 1
    ELSE 0 END) AS server_errors,
  sum(CASE WHEN duration_ms > $slow_ms THEN 1 ELSE 0 END) AS slow_calls,
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
