/*---
title: Slow database statement
kind: finding
counted: calls
window: 5m
key: [service_name, db_system_name, db_namespace, db_fingerprint]
direction: above
warning: 100
critical: 1000
samples_min: 20
no_data: resolve
unit: ms
params: {limit: 50}
scan: true
message: "{service_name}: p95 {value} over {samples} calls of {db_fingerprint}"
examples:
  - name: slow, fast, and too few calls
    now_ms: 600000
    given:
      queries:
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, db_system_name: mysql, db_namespace: main, db_fingerprint: SELECT slow, calls: 20, errors: 0, duration_sum_ms: 4000, duration_max_ms: 200, duration_sketch: [200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200, 200]}
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, db_system_name: postgresql, db_namespace: main, db_fingerprint: SELECT slow, calls: 20, errors: 0, duration_sum_ms: 20, duration_max_ms: 1, duration_sketch: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, db_system_name: mysql, db_namespace: main, db_fingerprint: SELECT fast, calls: 20, errors: 0, duration_sum_ms: 40, duration_max_ms: 2, duration_sketch: [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]}
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, db_system_name: mysql, db_namespace: main, db_fingerprint: SELECT seldom, calls: 19, errors: 0, duration_sum_ms: 17100, duration_max_ms: 900, duration_sketch: [900, 900, 900, 900, 900, 900, 900, 900, 900, 900, 900, 900, 900, 900, 900, 900, 900, 900, 900]}
      spans: []
    expect:
      - {service_name: shop, db_system_name: mysql, db_namespace: main, db_fingerprint: SELECT slow, state: firing, severity: warning, value: 200, samples: 20}
      - {service_name: shop, db_system_name: postgresql, db_namespace: main, db_fingerprint: SELECT slow, state: ok, value: 1}
      - {service_name: shop, db_system_name: mysql, db_namespace: main, db_fingerprint: SELECT fast, state: ok}
      - {service_name: shop, db_system_name: mysql, db_namespace: main, db_fingerprint: SELECT seldom, state: no_data}
  - name: called_by lists all callers within the service, also for fast statements
    now_ms: 600000
    given:
      queries:
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, db_system_name: mysql, db_namespace: main, db_fingerprint: "SELECT a FROM t WHERE b = ?", calls: 20, errors: 0, duration_sum_ms: 400, duration_max_ms: 20, duration_sketch: [20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20]}
      spans:
        - {start_time: "1970-01-01T00:06:00Z", service_name: edge, trace_id: t1, span_id: edge, kind: SERVER, operation: GET /edge}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: r, parent_span_id: edge, kind: SERVER, operation: GET /1}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: in, parent_span_id: r, kind: INTERNAL, operation: work}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: q, parent_span_id: in, kind: CLIENT, operation: SELECT, db_system_name: mysql, db_namespace: main, db_query_text: "SELECT a FROM t WHERE b = 1", duration_ms: 20}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: other, parent_span_id: r, kind: CLIENT, operation: GET}
        - {start_time: "1970-01-01T00:06:00Z", service_name: callee, trace_id: t1, span_id: callee, parent_span_id: other, kind: SERVER, operation: GET /callee}
        - {start_time: "1970-01-01T00:06:00Z", service_name: edge, trace_id: t2, span_id: edge, kind: SERVER, operation: GET /edge}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t2, span_id: r, parent_span_id: edge, kind: SERVER, operation: GET /2}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t2, span_id: in, parent_span_id: r, kind: INTERNAL, operation: work}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t2, span_id: q, parent_span_id: in, kind: CLIENT, operation: SELECT, db_system_name: mysql, db_namespace: main, db_query_text: "SELECT a FROM t WHERE b = 2", duration_ms: 20}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t2, span_id: other, parent_span_id: r, kind: CLIENT, operation: GET}
        - {start_time: "1970-01-01T00:06:00Z", service_name: callee, trace_id: t2, span_id: callee, parent_span_id: other, kind: SERVER, operation: GET /callee}
        - {start_time: "1970-01-01T00:06:00Z", service_name: edge, trace_id: t3, span_id: edge, kind: SERVER, operation: GET /edge}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t3, span_id: r, parent_span_id: edge, kind: CONSUMER, operation: jobs}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t3, span_id: in, parent_span_id: r, kind: INTERNAL, operation: work}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t3, span_id: q, parent_span_id: in, kind: CLIENT, operation: SELECT, db_system_name: mysql, db_namespace: main, db_query_text: "SELECT a FROM t WHERE b = 3", duration_ms: 20}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t3, span_id: other, parent_span_id: r, kind: CLIENT, operation: GET}
        - {start_time: "1970-01-01T00:06:00Z", service_name: callee, trace_id: t3, span_id: callee, parent_span_id: other, kind: SERVER, operation: GET /callee}
        - {start_time: "1970-01-01T00:06:00Z", service_name: edge, trace_id: t4, span_id: edge, kind: SERVER, operation: GET /edge}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t4, span_id: r, parent_span_id: edge, kind: SERVER, operation: GET /4}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t4, span_id: in, parent_span_id: r, kind: INTERNAL, operation: work}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t4, span_id: q, parent_span_id: in, kind: CLIENT, operation: SELECT, db_system_name: mysql, db_namespace: main, db_query_text: "SELECT a FROM t WHERE b = 4", duration_ms: 20}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t4, span_id: other, parent_span_id: r, kind: CLIENT, operation: GET}
        - {start_time: "1970-01-01T00:06:00Z", service_name: callee, trace_id: t4, span_id: callee, parent_span_id: other, kind: SERVER, operation: GET /callee}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t5, span_id: r, kind: INTERNAL, operation: nightly}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t5, span_id: q, parent_span_id: r, kind: CLIENT, operation: SELECT, db_system_name: mysql, db_namespace: main, db_query_text: "SELECT a FROM t WHERE b = 5", duration_ms: 20}
    expect:
      - {service_name: shop, db_fingerprint: "SELECT a FROM t WHERE b = ?", state: ok, value: 20, called_by: "shop GET /1, shop GET /2, shop GET /4, shop jobs, shop nightly"}
---
A database statement is slow. Check its plan: a scan over a large table needs an index on the filtered columns, and many
returned rows need a limit or fewer columns.

Statements that differ only in literals are one statement. All are judged; the `limit` of each state with the highest total
time are shown. `called_by` lists the requests, messages and jobs of the same service that ran the statement in the window,
for the `limit` slowest statements and the `limit` with the highest total time. */
WITH RECURSIVE seen AS (
  SELECT
    service_name,
    db_system_name,
    db_namespace,
    db_fingerprint,
    quantile(duration_sketch, 0.95) AS value,
    sum(calls) AS samples,
    sum(errors) AS errors,
    sum(duration_sum_ms) AS total_ms,
    sum(duration_sum_estimated_ms) AS total_estimated_ms,
    max(duration_max_ms) AS max_ms,
    sum(rows_returned) AS rows_returned,
    exemplar_trace_ids(exemplars_merge(exemplars)) AS trace_ids
  FROM queries
  WHERE window_start >= $window_start AND window_start < $window_end
  GROUP BY 1, 2, 3, 4
), ranked AS (
  -- The order is total: a statement has the same number wherever this is evaluated.
  SELECT
    *,
    row_number() OVER (ORDER BY value DESC NULLS LAST, service_name, db_system_name, db_namespace, db_fingerprint) AS number,
    row_number() OVER (ORDER BY total_estimated_ms DESC, service_name, db_system_name, db_namespace, db_fingerprint) AS by_total
  FROM seen
), climbed AS (
  -- Walk from each call up to its caller, as far as spans have arrived.
  SELECT DISTINCT
    r.number, s.service_name, s.trace_id, s.parent_span_id AS span_id, CAST(NULL AS TEXT) AS operation, 0 AS steps
  FROM spans s
  JOIN ranked r
    ON r.service_name = s.service_name
    AND r.db_fingerprint = s.db_fingerprint
    AND (r.db_system_name IS NOT DISTINCT FROM s.db_system_name)
    AND (r.db_namespace IS NOT DISTINCT FROM s.db_namespace)
  WHERE (r.number <= $limit OR r.by_total <= $limit)
    AND s.start_time >= $window_start AND s.start_time < $window_end AND s.parent_span_id IS NOT NULL
  UNION ALL
  SELECT
    c.number,
    c.service_name,
    c.trace_id,
    s.parent_span_id AS span_id,
    CASE WHEN s.kind IN ('SERVER', 'CONSUMER') OR s.parent_span_id IS NULL THEN s.operation END AS operation,
    c.steps + 1 AS steps
  FROM climbed c
  JOIN spans s ON s.trace_id = c.trace_id AND s.span_id = c.span_id AND s.service_name = c.service_name
  WHERE c.operation IS NULL AND c.steps < 64 AND s.start_time >= $window_start - INTERVAL '1 minute'
), callers AS (
  SELECT number, string_agg(caller, ', ' ORDER BY caller) AS called_by
  FROM (
    SELECT DISTINCT number, concat(service_name, ' ', operation) AS caller FROM climbed WHERE operation IS NOT NULL
  )
  GROUP BY 1
)
SELECT
  r.service_name,
  r.db_system_name,
  r.db_namespace,
  r.db_fingerprint,
  r.value,
  r.samples,
  r.errors,
  r.total_ms,
  r.total_ms / r.samples AS avg_ms,
  r.max_ms,
  r.rows_returned,
  c.called_by,
  CAST($limit AS BIGINT) AS shown_max,
  r.trace_ids
FROM ranked r
LEFT JOIN callers c ON c.number = r.number
ORDER BY r.total_estimated_ms DESC
