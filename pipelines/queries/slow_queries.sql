/*---
title: Statements by total time
kind: view
example:
  given:
    queries:
      - {window_start: "1970-01-01T00:00:10Z", service_name: shop, db_fingerprint: SELECT ?, calls: 2, errors: 0, duration_sum_ms: 30, duration_max_ms: 20, duration_sketch: [10, 20]}
      - {window_start: "1970-01-01T00:00:20Z", service_name: shop, db_fingerprint: SELECT ?, calls: 2, errors: 1, duration_sum_ms: 10, duration_max_ms: 5, duration_sketch: [5, 5]}
  expect:
    - {db_fingerprint: SELECT ?, service_name: shop, calls: 4, errors: 1, total_ms: 40, avg_ms: 10, p95_ms: 20, max_ms: 20}
---
The 50 statements with the highest total time in all retained data, with calls, durations, rows and example traces. With
upstream sampling, times and `estimated` columns are estimates for all calls; `calls`, `errors` and `rows_returned` count
those seen. */
SELECT
  db_fingerprint,
  db_system_name,
  db_namespace,
  service_name,
  sum(calls) AS calls,
  sum(calls_estimated) AS calls_estimated,
  sum(errors) AS errors,
  sum(duration_sum_estimated_ms) AS total_ms,
  sum(duration_sum_estimated_ms) / sum(calls_estimated) AS avg_ms,
  quantile(duration_sketch, 0.95) AS p95_ms,
  max(duration_max_ms) AS max_ms,
  sum(rows_returned) AS rows_returned,
  sum(rows_returned_estimated) AS rows_returned_estimated,
  exemplar_trace_ids(exemplars_merge(exemplars)) AS trace_ids
FROM queries
GROUP BY 1, 2, 3, 4
ORDER BY total_ms DESC
LIMIT 50
