/*---
title: Database statements by fingerprint
kind: rollup
table: queries
reads: [spans]
examples:
- name: statements that differ only in literals are one
  given:
    spans:
      - {start_time: "1970-01-01T00:00:01Z", service_name: shop, kind: CLIENT, db_system_name: postgresql, db_namespace: main, db_query_text: "select * from t where id = 1", duration_ms: 3, error: false, db_response_returned_rows: 1, trace_id: t1}
      - {start_time: "1970-01-01T00:00:02Z", service_name: shop, kind: CLIENT, db_system_name: postgresql, db_namespace: main, db_query_text: "SELECT * FROM t WHERE id = 2", duration_ms: 5, error: true, db_response_returned_rows: 2, trace_id: t2}
      - {start_time: "1970-01-01T00:00:02Z", service_name: shop, kind: CLIENT, duration_ms: 5, error: true}
  expect:
    - {window_start: "1970-01-01T00:00:00Z", service_name: shop, db_system_name: postgresql, db_namespace: main, db_fingerprint: "SELECT * FROM t WHERE id = ?", calls: 2, errors: 1, duration_sum_ms: 8, duration_max_ms: 5, rows_returned: 3}
- name: a sampled call counts with its weight
  given:
    spans:
      - {start_time: "1970-01-01T00:00:01Z", service_name: shop, kind: CLIENT, db_query_text: "SELECT 1", duration_ms: 3, error: false, db_response_returned_rows: 5, sampled_weight: 4, trace_id: t1}
      - {start_time: "1970-01-01T00:00:01Z", service_name: shop, kind: CLIENT, db_query_text: "SELECT 2", duration_ms: 5, error: true, sampled_weight: 2, trace_id: t2}
  expect:
    - {db_fingerprint: "SELECT ?", calls: 2, calls_estimated: 6, errors: 1, errors_estimated: 2, duration_sum_ms: 8, duration_sum_estimated_ms: 22, rows_returned: 5, rows_returned_estimated: 20}
- name: fallbacks without statement text, and a text without a database system
  given:
    spans:
      - {start_time: "1970-01-01T00:00:01Z", service_name: shop, kind: CLIENT, db_system_name: postgresql, db_query_text: "", db_query_summary: SELECT t, duration_ms: 3, error: false, trace_id: t1}
      - {start_time: "1970-01-01T00:00:01Z", service_name: shop, kind: CLIENT, db_system_name: mongodb, db_query_text: '{"_id":"?"}', db_operation_name: find, db_collection_name: users, duration_ms: 3, error: false, trace_id: t1}
      - {start_time: "1970-01-01T00:00:01Z", service_name: shop, kind: CLIENT, db_system_name: mongodb, db_query_text: '{"_id":"?"}', db_operation_name: delete, db_collection_name: orders, duration_ms: 3, error: false, trace_id: t1}
      - {start_time: "1970-01-01T00:00:01Z", service_name: shop, kind: CLIENT, db_query_text: "SELECT 1", duration_ms: 3, error: false, trace_id: t1}
      - {start_time: "1970-01-01T00:00:01Z", service_name: shop, kind: CLIENT, db_system_name: cassandra, db_collection_name: carts, duration_ms: 3, error: false, trace_id: t1}
      - {start_time: "1970-01-01T00:00:01Z", service_name: shop, kind: CLIENT, db_system_name: redis, db_query_text: "", duration_ms: 3, error: false, trace_id: t1}
      - {start_time: "1970-01-01T00:00:01Z", service_name: shop, kind: CLIENT, db_system_name: mysql, db_query_text: "/* ping */", db_operation_name: PING, duration_ms: 3, error: false, trace_id: t1}
  expect:
    - {db_system_name: postgresql, db_fingerprint: SELECT t, calls: 1}
    - {db_system_name: mongodb, db_fingerprint: 'find users {"_id":"?"}', calls: 1}
    - {db_system_name: mongodb, db_fingerprint: 'delete orders {"_id":"?"}', calls: 1}
    - {db_fingerprint: "SELECT ?", calls: 1}
    - {db_system_name: cassandra, db_fingerprint: carts, calls: 1}
    - {db_system_name: mysql, db_fingerprint: PING, calls: 1}
---
Database statements without literals. If a sender provides no statement text, or only a comment, the summary is used, else
the operation and collection. If the text of a document store contains neither, they are prepended. */
WITH called AS (
  SELECT *, coalesce(sampled_weight, 1.0) AS weight FROM new_spans WHERE db_fingerprint IS NOT NULL
)
SELECT
  date_bin(INTERVAL '10 seconds', start_time) AS window_start,
  service_name,
  db_system_name,
  db_namespace,
  db_fingerprint,
  count(*) AS calls,
  sum(weight) AS calls_estimated,
  sum(CASE WHEN error THEN 1 ELSE 0 END) AS errors,
  sum(CASE WHEN error THEN weight ELSE 0.0 END) AS errors_estimated,
  sum(duration_ms) AS duration_sum_ms,
  sum(duration_ms * weight) AS duration_sum_estimated_ms,
  max(duration_ms) AS duration_max_ms,
  sketch(duration_ms, sampled_count(weight, trace_id, span_id)) AS duration_sketch,
  sum(db_response_returned_rows) AS rows_returned,
  sum(db_response_returned_rows * weight) AS rows_returned_estimated,
  exemplars(trace_id, duration_ms) AS exemplars
FROM called
GROUP BY 1, 2, 3, 4, 5
