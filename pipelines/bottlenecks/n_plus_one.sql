/*---
title: One query for each row
kind: finding
window: 5m
key: [service_name, operation, db_fingerprint]
direction: at_least
warning: 5
unit: "{query}"
scan: true
no_data: ok
params: {total_ms_min: 50.0}
message: "{service_name} {operation}: up to {value} times in one request: {db_fingerprint}"
examples:
  - name: five under one parent, fifty milliseconds in all
    now_ms: 600000
    given:
      spans:
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: p, operation: GET /orders, kind: SERVER, duration_ms: 70}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: a, parent_span_id: p, db_system_name: sqlite, db_query_text: "SELECT a FROM b WHERE c = 1", duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: b, parent_span_id: p, db_system_name: sqlite, db_query_text: "SELECT a FROM b WHERE c = 2", duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: c, parent_span_id: p, db_system_name: sqlite, db_query_text: "SELECT a FROM b WHERE c = 3", duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: d, parent_span_id: p, db_system_name: sqlite, db_query_text: "SELECT a FROM b WHERE c = 4", duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: e, parent_span_id: p, db_system_name: sqlite, db_query_text: "SELECT a FROM b WHERE c = 5", duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: f, parent_span_id: p, db_system_name: sqlite, db_query_text: "SELECT other FROM b", duration_ms: 10}
    expect:
      - {service_name: shop, operation: GET /orders, db_fingerprint: "SELECT a FROM b WHERE c = ?", state: firing, value: 5}
      - {service_name: shop, operation: GET /orders, db_fingerprint: "SELECT other FROM b", state: ok, value: 1}
---
One request runs the same statement again and again, with another value each time: mostly a list whose items are fetched
one by one. Fetch them with one statement (`WHERE id IN (…)`, a join, or the data loader of your framework).

Fires at five calls of one statement under one parent that take fifty milliseconds in all. */
WITH repeated AS (
  SELECT
    service_name,
    trace_id,
    parent_span_id,
    db_fingerprint(db_system_name, db_query_text) AS db_fingerprint,
    count(*) AS calls,
    sum(duration_ms) AS total_ms
  FROM spans
  WHERE start_time >= $window_start AND start_time < $window_end
    AND db_query_text IS NOT NULL AND parent_span_id IS NOT NULL
  GROUP BY 1, 2, 3, 4
), parents AS (
  SELECT trace_id, span_id, max(operation) AS operation
  FROM spans
  WHERE start_time >= $window_start - INTERVAL '1 minute' AND start_time < $window_end
  GROUP BY 1, 2
)
SELECT
  r.service_name,
  coalesce(p.operation, '(parent not seen)') AS operation,
  r.db_fingerprint,
  max(CASE WHEN r.total_ms >= $total_ms_min THEN r.calls ELSE least(r.calls, 1) END) AS value,
  count(*) AS samples,
  sum(r.total_ms) AS total_ms,
  exemplar_trace_ids(exemplars(r.trace_id, CAST(r.calls AS DOUBLE))) AS trace_ids
FROM repeated r
LEFT JOIN parents p ON p.trace_id = r.trace_id AND p.span_id = r.parent_span_id
GROUP BY 1, 2, 3
