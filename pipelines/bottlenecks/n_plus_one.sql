/*---
title: One query for each row
kind: finding
counted: requests
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
  - name: named is the request, however far up it is
    now_ms: 600000
    given:
      spans:
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: r, operation: GET /orders, kind: SERVER, duration_ms: 70}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: q, parent_span_id: r, operation: handler, kind: INTERNAL, duration_ms: 70}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: p, parent_span_id: q, operation: render 17, kind: INTERNAL, duration_ms: 70}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: t1deep0, parent_span_id: p, db_system_name: sqlite, db_query_text: "SELECT deep FROM b WHERE c = 0", duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: t1deep1, parent_span_id: p, db_system_name: sqlite, db_query_text: "SELECT deep FROM b WHERE c = 1", duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: t1deep2, parent_span_id: p, db_system_name: sqlite, db_query_text: "SELECT deep FROM b WHERE c = 2", duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: t1deep3, parent_span_id: p, db_system_name: sqlite, db_query_text: "SELECT deep FROM b WHERE c = 3", duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: t1deep4, parent_span_id: p, db_system_name: sqlite, db_query_text: "SELECT deep FROM b WHERE c = 4", duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t2, span_id: j, operation: nightly, kind: INTERNAL, duration_ms: 70}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t2, span_id: t2job0, parent_span_id: j, db_system_name: sqlite, db_query_text: "SELECT job FROM b WHERE c = 0", duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t2, span_id: t2job1, parent_span_id: j, db_system_name: sqlite, db_query_text: "SELECT job FROM b WHERE c = 1", duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t2, span_id: t2job2, parent_span_id: j, db_system_name: sqlite, db_query_text: "SELECT job FROM b WHERE c = 2", duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t2, span_id: t2job3, parent_span_id: j, db_system_name: sqlite, db_query_text: "SELECT job FROM b WHERE c = 3", duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t2, span_id: t2job4, parent_span_id: j, db_system_name: sqlite, db_query_text: "SELECT job FROM b WHERE c = 4", duration_ms: 10}
    expect:
      - {service_name: shop, operation: GET /orders, db_fingerprint: "SELECT deep FROM b WHERE c = ?", state: firing, value: 5}
      - {service_name: shop, operation: nightly, db_fingerprint: "SELECT job FROM b WHERE c = ?", state: firing, value: 5}
  - name: a request that has not come in yet is waited for, but not for ever
    now_ms: 600000
    given:
      spans:
        - {start_time: "1970-01-01T00:09:50Z", service_name: shop, trace_id: t1, span_id: t1late0, parent_span_id: p, db_system_name: sqlite, db_query_text: "SELECT late FROM b WHERE c = 0", duration_ms: 10}
        - {start_time: "1970-01-01T00:09:50Z", service_name: shop, trace_id: t1, span_id: t1late1, parent_span_id: p, db_system_name: sqlite, db_query_text: "SELECT late FROM b WHERE c = 1", duration_ms: 10}
        - {start_time: "1970-01-01T00:09:50Z", service_name: shop, trace_id: t1, span_id: t1late2, parent_span_id: p, db_system_name: sqlite, db_query_text: "SELECT late FROM b WHERE c = 2", duration_ms: 10}
        - {start_time: "1970-01-01T00:09:50Z", service_name: shop, trace_id: t1, span_id: t1late3, parent_span_id: p, db_system_name: sqlite, db_query_text: "SELECT late FROM b WHERE c = 3", duration_ms: 10}
        - {start_time: "1970-01-01T00:09:50Z", service_name: shop, trace_id: t1, span_id: t1late4, parent_span_id: p, db_system_name: sqlite, db_query_text: "SELECT late FROM b WHERE c = 4", duration_ms: 10}
        - {start_time: "1970-01-01T00:09:50Z", service_name: shop, trace_id: t2, span_id: q, parent_span_id: r, operation: render 17, kind: INTERNAL, duration_ms: 70}
        - {start_time: "1970-01-01T00:09:50Z", service_name: shop, trace_id: t2, span_id: t2under0, parent_span_id: q, db_system_name: sqlite, db_query_text: "SELECT under FROM b WHERE c = 0", duration_ms: 10}
        - {start_time: "1970-01-01T00:09:50Z", service_name: shop, trace_id: t2, span_id: t2under1, parent_span_id: q, db_system_name: sqlite, db_query_text: "SELECT under FROM b WHERE c = 1", duration_ms: 10}
        - {start_time: "1970-01-01T00:09:50Z", service_name: shop, trace_id: t2, span_id: t2under2, parent_span_id: q, db_system_name: sqlite, db_query_text: "SELECT under FROM b WHERE c = 2", duration_ms: 10}
        - {start_time: "1970-01-01T00:09:50Z", service_name: shop, trace_id: t2, span_id: t2under3, parent_span_id: q, db_system_name: sqlite, db_query_text: "SELECT under FROM b WHERE c = 3", duration_ms: 10}
        - {start_time: "1970-01-01T00:09:50Z", service_name: shop, trace_id: t2, span_id: t2under4, parent_span_id: q, db_system_name: sqlite, db_query_text: "SELECT under FROM b WHERE c = 4", duration_ms: 10}
        - {start_time: "1970-01-01T00:05:30Z", service_name: shop, trace_id: t3, span_id: t3lost0, parent_span_id: p, db_system_name: sqlite, db_query_text: "SELECT lost FROM b WHERE c = 0", duration_ms: 10}
        - {start_time: "1970-01-01T00:05:30Z", service_name: shop, trace_id: t3, span_id: t3lost1, parent_span_id: p, db_system_name: sqlite, db_query_text: "SELECT lost FROM b WHERE c = 1", duration_ms: 10}
        - {start_time: "1970-01-01T00:05:30Z", service_name: shop, trace_id: t3, span_id: t3lost2, parent_span_id: p, db_system_name: sqlite, db_query_text: "SELECT lost FROM b WHERE c = 2", duration_ms: 10}
        - {start_time: "1970-01-01T00:05:30Z", service_name: shop, trace_id: t3, span_id: t3lost3, parent_span_id: p, db_system_name: sqlite, db_query_text: "SELECT lost FROM b WHERE c = 3", duration_ms: 10}
        - {start_time: "1970-01-01T00:05:30Z", service_name: shop, trace_id: t3, span_id: t3lost4, parent_span_id: p, db_system_name: sqlite, db_query_text: "SELECT lost FROM b WHERE c = 4", duration_ms: 10}
    expect:
      - {service_name: shop, operation: (parent not seen), db_fingerprint: "SELECT lost FROM b WHERE c = ?", state: firing, value: 5}
---
One request runs the same statement again and again, with another value each time: mostly a list whose items are fetched
one by one. Fetch them with one statement (`WHERE id IN (…)`, a join, or the data loader of your framework).

Fires at five calls of one statement under one parent that take fifty milliseconds in all. Named is the request, or the
job, above that parent, as soon as its span is there. */
WITH RECURSIVE statements AS (
  SELECT
    service_name,
    trace_id,
    parent_span_id,
    db_fingerprint(db_system_name, db_query_text) AS db_fingerprint,
    count(*) AS calls,
    sum(duration_ms) AS total_ms,
    max(start_time) AS last_time
  FROM spans
  WHERE start_time >= $window_start AND start_time < $window_end
    AND db_query_text IS NOT NULL AND parent_span_id IS NOT NULL
  GROUP BY 1, 2, 3, 4
), climbed AS (
  -- From each parent up to the request, as far as its spans have come in.
  SELECT DISTINCT
    trace_id,
    parent_span_id,
    parent_span_id AS span_id,
    CAST(NULL AS TEXT) AS operation,
    false AS is_request,
    0 AS steps
  FROM spans
  WHERE start_time >= $window_start AND start_time < $window_end
    AND db_query_text IS NOT NULL AND parent_span_id IS NOT NULL
  UNION ALL
  SELECT
    c.trace_id,
    c.parent_span_id,
    s.parent_span_id AS span_id,
    s.operation,
    s.kind IN ('SERVER', 'CONSUMER') OR s.parent_span_id IS NULL AS is_request,
    c.steps + 1 AS steps
  FROM climbed c
  JOIN spans s ON s.trace_id = c.trace_id AND s.span_id = c.span_id
  WHERE NOT c.is_request AND c.steps < 16 AND s.start_time >= $window_start - INTERVAL '1 minute'
), callers AS (
  SELECT
    trace_id,
    parent_span_id,
    first_value(operation ORDER BY steps DESC) AS operation,
    bool_or(is_request) AS is_request
  FROM climbed
  GROUP BY 1, 2
)
SELECT
  s.service_name,
  coalesce(c.operation, '(parent not seen)') AS operation,
  s.db_fingerprint,
  max(CASE WHEN s.total_ms >= $total_ms_min THEN s.calls ELSE least(s.calls, 1) END) AS value,
  count(*) AS samples,
  sum(s.total_ms) AS total_ms,
  exemplar_trace_ids(exemplars(s.trace_id, CAST(s.calls AS DOUBLE))) AS trace_ids
FROM statements s
JOIN callers c ON c.trace_id = s.trace_id AND c.parent_span_id = s.parent_span_id
-- A request's span comes after those of its statements. While it may still come, nobody can name it.
WHERE c.is_request OR s.last_time < $window_start + INTERVAL '1 minute'
GROUP BY 1, 2, 3
