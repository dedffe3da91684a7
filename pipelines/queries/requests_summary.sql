/*---
title: Requests per minute by service and operation
kind: view
example:
  given:
    requests:
      - {window_start: "1970-01-01T00:00:10Z", service_name: shop, operation: GET /a, calls: 2, errors: 1, duration_sum_ms: 30, duration_max_ms: 20, duration_sketch: [10, 20]}
      - {window_start: "1970-01-01T00:00:50Z", service_name: shop, operation: GET /a, calls: 1, errors: 0, duration_sum_ms: 60, duration_max_ms: 60, duration_sketch: [60]}
      - {window_start: "2200-01-01T00:00:00Z", service_name: shop, operation: GET /a, calls: 3, calls_estimated: 6, errors: 1, errors_estimated: 3, duration_sum_ms: 60, duration_sum_estimated_ms: 240, duration_max_ms: 60, duration_sketch: [60]}
  expect:
    - {window_start: "2200-01-01T00:00:00Z", service_name: shop, calls: 3, calls_estimated: 6, calls_per_s: 0.6, error_percent: 50, avg_ms: 40}
    - {window_start: "1970-01-01T00:00:00Z", service_name: shop, calls: 3, calls_per_s: 0.05, errors: 1, avg_ms: 30, p99_ms: 60, max_ms: 60}
---
Rate, errors and durations of each operation, one row per minute. The rate of the current minute covers the time elapsed so
far. `calls` and `errors` count the requests seen; with upstream sampling, the other columns are estimates for all requests.
Example: `SELECT * FROM requests_summary WHERE window_start > now() - INTERVAL '15 minutes' ORDER BY p95_ms DESC`. */
SELECT
  date_bin(INTERVAL '1 minute', window_start) AS window_start,
  service_name,
  operation,
  sum(calls) AS calls,
  sum(calls_estimated) AS calls_estimated,
  sum(calls_estimated) / greatest(
    least(
      CAST(greatest(max(resolution), 60) AS DOUBLE),
      date_part('epoch', now()) - date_part('epoch', date_bin(INTERVAL '1 minute', min(window_start)))
    ),
    10.0
  ) AS calls_per_s,
  sum(errors) AS errors,
  100.0 * sum(errors_estimated) / sum(calls_estimated) AS error_percent,
  sum(duration_sum_estimated_ms) / sum(calls_estimated) AS avg_ms,
  quantile(duration_sketch, 0.5) AS p50_ms,
  quantile(duration_sketch, 0.95) AS p95_ms,
  quantile(duration_sketch, 0.99) AS p99_ms,
  max(duration_max_ms) AS max_ms
FROM requests
GROUP BY 1, 2, 3
