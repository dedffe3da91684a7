/*---
title: N+1 queries
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
message: "{service_name} {operation}: up to {value} calls in one request: {db_fingerprint}"
examples:
  - name: five calls under one parent, 50 ms in total
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
  - name: reports the operation of the request at any distance
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
  - name: waits for the span of a request, but not forever
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
  - name: counts per request across spans in between, and ignores the operations of other services
    now_ms: 600000
    given:
      spans:
        - {start_time: "1970-01-01T00:06:00Z", service_name: edge, trace_id: t1, span_id: e, operation: GET /edge, kind: SERVER, duration_ms: 90}
        - {start_time: "1970-01-01T00:06:00Z", service_name: edge, trace_id: t1, span_id: ec, parent_span_id: e, operation: GET, kind: CLIENT, duration_ms: 80}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: r, parent_span_id: ec, operation: GET /orders, kind: SERVER, duration_ms: 70}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: w0, parent_span_id: r, operation: resolve 0, kind: INTERNAL, duration_ms: 11}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: v0, parent_span_id: w0, operation: load, kind: INTERNAL, duration_ms: 11}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: q0, parent_span_id: v0, db_system_name: sqlite, db_query_text: "SELECT a FROM b WHERE c = 0", duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: d0, parent_span_id: q0, db_system_name: sqlite, db_query_text: "SELECT a FROM b WHERE c = 0", duration_ms: 9}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: w1, parent_span_id: r, operation: resolve 1, kind: INTERNAL, duration_ms: 11}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: v1, parent_span_id: w1, operation: load, kind: INTERNAL, duration_ms: 11}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: q1, parent_span_id: v1, db_system_name: sqlite, db_query_text: "SELECT a FROM b WHERE c = 1", duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: d1, parent_span_id: q1, db_system_name: sqlite, db_query_text: "SELECT a FROM b WHERE c = 1", duration_ms: 9}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: w2, parent_span_id: r, operation: resolve 2, kind: INTERNAL, duration_ms: 11}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: v2, parent_span_id: w2, operation: load, kind: INTERNAL, duration_ms: 11}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: q2, parent_span_id: v2, db_system_name: sqlite, db_query_text: "SELECT a FROM b WHERE c = 2", duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: d2, parent_span_id: q2, db_system_name: sqlite, db_query_text: "SELECT a FROM b WHERE c = 2", duration_ms: 9}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: w3, parent_span_id: r, operation: resolve 3, kind: INTERNAL, duration_ms: 11}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: v3, parent_span_id: w3, operation: load, kind: INTERNAL, duration_ms: 11}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: q3, parent_span_id: v3, db_system_name: sqlite, db_query_text: "SELECT a FROM b WHERE c = 3", duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: d3, parent_span_id: q3, db_system_name: sqlite, db_query_text: "SELECT a FROM b WHERE c = 3", duration_ms: 9}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: w4, parent_span_id: r, operation: resolve 4, kind: INTERNAL, duration_ms: 11}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: v4, parent_span_id: w4, operation: load, kind: INTERNAL, duration_ms: 11}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: q4, parent_span_id: v4, db_system_name: sqlite, db_query_text: "SELECT a FROM b WHERE c = 4", duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t1, span_id: d4, parent_span_id: q4, db_system_name: sqlite, db_query_text: "SELECT a FROM b WHERE c = 4", duration_ms: 9}
        - {start_time: "1970-01-01T00:06:00Z", service_name: edge, trace_id: t2, span_id: e, operation: GET /edge, kind: SERVER, duration_ms: 90}
        - {start_time: "1970-01-01T00:06:00Z", service_name: edge, trace_id: t2, span_id: ec, parent_span_id: e, operation: GET, kind: CLIENT, duration_ms: 80}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t2, span_id: l, parent_span_id: ec, operation: handle, kind: INTERNAL, duration_ms: 70}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t2, span_id: s0, parent_span_id: l, db_system_name: mysql, db_query_summary: SELECT lines, duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t2, span_id: s1, parent_span_id: l, db_system_name: mysql, db_query_summary: SELECT lines, duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t2, span_id: s2, parent_span_id: l, db_system_name: mysql, db_query_summary: SELECT lines, duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t2, span_id: s3, parent_span_id: l, db_system_name: mysql, db_query_summary: SELECT lines, duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t2, span_id: s4, parent_span_id: l, db_system_name: mysql, db_query_summary: SELECT lines, duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: shop, trace_id: t2, span_id: s5, parent_span_id: l, db_system_name: mysql, db_query_summary: SELECT lines, duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: edge, trace_id: t3, span_id: ec, operation: GET /edge, kind: SERVER, duration_ms: 80}
        - {start_time: "1970-01-01T00:06:00Z", service_name: proxy, trace_id: t3, span_id: p0, parent_span_id: ec, db_system_name: mysql, db_query_text: "SELECT x FROM y WHERE z = 0", duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: proxy, trace_id: t3, span_id: p1, parent_span_id: ec, db_system_name: mysql, db_query_text: "SELECT x FROM y WHERE z = 1", duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: proxy, trace_id: t3, span_id: p2, parent_span_id: ec, db_system_name: mysql, db_query_text: "SELECT x FROM y WHERE z = 2", duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: proxy, trace_id: t3, span_id: p3, parent_span_id: ec, db_system_name: mysql, db_query_text: "SELECT x FROM y WHERE z = 3", duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: proxy, trace_id: t3, span_id: p4, parent_span_id: ec, db_system_name: mysql, db_query_text: "SELECT x FROM y WHERE z = 4", duration_ms: 10}
        - {start_time: "1970-01-01T00:06:00Z", service_name: twice, trace_id: t4, span_id: a, parent_span_id: root, operation: GET /part, kind: SERVER, duration_ms: 70}
        - {start_time: "1970-01-01T00:06:00Z", service_name: twice, trace_id: t4, span_id: a0, parent_span_id: a, db_system_name: mysql, db_query_text: SELECT part, duration_ms: 20}
        - {start_time: "1970-01-01T00:06:00Z", service_name: twice, trace_id: t4, span_id: a1, parent_span_id: a, db_system_name: mysql, db_query_text: SELECT part, duration_ms: 20}
        - {start_time: "1970-01-01T00:06:00Z", service_name: twice, trace_id: t4, span_id: b, parent_span_id: root, operation: GET /part, kind: SERVER, duration_ms: 70}
        - {start_time: "1970-01-01T00:06:00Z", service_name: twice, trace_id: t4, span_id: b0, parent_span_id: b, db_system_name: mysql, db_query_text: SELECT part, duration_ms: 20}
        - {start_time: "1970-01-01T00:06:00Z", service_name: twice, trace_id: t4, span_id: b1, parent_span_id: b, db_system_name: mysql, db_query_text: SELECT part, duration_ms: 20}
        - {start_time: "1970-01-01T00:06:00Z", service_name: twice, trace_id: t4, span_id: b2, parent_span_id: b, db_system_name: mysql, db_query_text: SELECT part, duration_ms: 20}
    expect:
      - {service_name: shop, operation: GET /orders, db_fingerprint: "SELECT a FROM b WHERE c = ?", state: firing, value: 5, samples: 1, total_ms: 50}
      - {service_name: shop, operation: handle, db_fingerprint: SELECT lines, state: firing, value: 6}
      - {service_name: proxy, operation: (no request), db_fingerprint: "SELECT x FROM y WHERE z = ?", state: firing, value: 5}
      - {service_name: twice, operation: GET /part, db_fingerprint: SELECT part, state: ok, value: 3}
---
One request runs the same statement many times with different values, usually to load the items of a list one by one. Load
them with one statement: `WHERE id IN (…)`, a join, or the data loader of your framework.

Counts the calls of one statement in one request. The request is the nearest SERVER, CONSUMER or root span above the call in
the same service, across all spans in between. Fires at five calls that take 50 ms in total. If a library and its driver
both report a statement, it counts once. Requests whose trace calls the statement once are not counted. If the span of the
request has not arrived yet, the calls are judged up to four minutes later. */
WITH RECURSIVE repeated AS (
  -- A request repeats a statement only if its trace does. In most traces most statements are called once.
  SELECT trace_id, db_fingerprint
  FROM spans
  WHERE start_time >= $window_start AND start_time < $window_end AND parent_span_id IS NOT NULL
    AND coalesce(nullif(db_query_text, ''), nullif(db_query_summary, '')) IS NOT NULL
    -- Implied by the line above, in a form by which rows are skipped without reading them.
    AND db_fingerprint IS NOT NULL AND (db_query_text IS NOT NULL OR db_query_summary IS NOT NULL)
  GROUP BY 1, 2
  HAVING count(*) > 1
), climbed AS (
  -- Walk from each parent up to the request, as far as spans have arrived. A span of another service ends the walk.
  SELECT
    s.service_name,
    s.trace_id,
    s.parent_span_id,
    s.db_fingerprint,
    count(*) AS calls,
    sum(s.duration_ms) AS total_ms,
    max(s.start_time) AS last_time,
    s.parent_span_id AS next_span_id,
    CAST(NULL AS TEXT) AS request_span_id,
    CAST(NULL AS TEXT) AS operation,
    false AS is_done,
    false AS is_nested,
    0 AS steps
  FROM repeated r
  JOIN spans s ON s.trace_id = r.trace_id AND s.db_fingerprint = r.db_fingerprint
  WHERE s.start_time >= $window_start AND s.start_time < $window_end AND s.parent_span_id IS NOT NULL
    AND coalesce(nullif(s.db_query_text, ''), nullif(s.db_query_summary, '')) IS NOT NULL
    AND s.db_fingerprint IS NOT NULL AND (s.db_query_text IS NOT NULL OR s.db_query_summary IS NOT NULL)
  GROUP BY 1, 2, 3, 4
  UNION ALL
  -- A span that was sent twice must not duplicate the paths.
  SELECT DISTINCT
    c.service_name,
    c.trace_id,
    c.parent_span_id,
    c.db_fingerprint,
    c.calls,
    c.total_ms,
    c.last_time,
    CASE WHEN s.service_name = c.service_name THEN s.parent_span_id ELSE s.span_id END AS next_span_id,
    CASE WHEN s.service_name = c.service_name THEN s.span_id ELSE c.request_span_id END AS request_span_id,
    CASE WHEN s.service_name = c.service_name THEN s.operation ELSE c.operation END AS operation,
    s.service_name <> c.service_name OR s.kind IN ('SERVER', 'CONSUMER') OR s.parent_span_id IS NULL AS is_done,
    s.service_name = c.service_name AND coalesce(c.db_fingerprint = s.db_fingerprint, false) AS is_nested,
    c.steps + 1 AS steps
  FROM climbed c
  JOIN spans s ON s.trace_id = c.trace_id AND s.span_id = c.next_span_id
  WHERE NOT c.is_done AND NOT c.is_nested AND c.steps < 64 AND s.start_time >= $window_start - INTERVAL '5 minutes'
), statements AS (
  SELECT
    service_name,
    trace_id,
    parent_span_id,
    db_fingerprint,
    max(calls) AS calls,
    max(total_ms) AS total_ms,
    max(last_time) AS last_time,
    first_value(request_span_id ORDER BY steps DESC) AS request_span_id,
    first_value(operation ORDER BY steps DESC) AS operation,
    first_value(next_span_id ORDER BY steps DESC) AS next_span_id,
    bool_or(is_done) AS is_done,
    bool_or(is_nested) AS is_nested
  FROM climbed
  GROUP BY 1, 2, 3, 4
), by_request AS (
  SELECT
    service_name,
    coalesce(operation, CASE WHEN is_done THEN '(no request)' ELSE '(parent not seen)' END) AS operation,
    db_fingerprint,
    trace_id,
    sum(calls) AS calls,
    sum(total_ms) AS total_ms
  FROM statements
  -- The span of a request arrives after those of its statements. Until then the operation is unknown.
  WHERE NOT is_nested AND (is_done OR last_time < $window_start + INTERVAL '1 minute')
  -- Statements below the same missing span belong to the same request.
  GROUP BY 1, 2, 3, 4, CASE WHEN is_done AND request_span_id IS NOT NULL THEN request_span_id ELSE next_span_id END
)
SELECT
  service_name,
  operation,
  db_fingerprint,
  max(CASE WHEN total_ms >= $total_ms_min THEN calls ELSE least(calls, 1) END) AS value,
  count(*) AS samples,
  sum(total_ms) AS total_ms,
  exemplar_trace_ids(exemplars(trace_id, CAST(calls AS DOUBLE))) AS trace_ids
FROM by_request
GROUP BY 1, 2, 3
