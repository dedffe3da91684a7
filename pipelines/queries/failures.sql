/*---
title: Failures by error type
kind: rollup
table: failures
reads: [spans]
examples:
- name: each kind of work, with its exception and masked literals
  given:
    spans:
      - {start_time: "1970-01-01T00:00:01Z", service_name: shop, kind: SERVER, operation: GET /a, error: true, duration_ms: 5, trace_id: t1, exception_type: ValueError, exception_message: "order 4711 of 'anna'"}
      - {start_time: "1970-01-01T00:00:02Z", service_name: shop, kind: SERVER, operation: GET /a, error: true, duration_ms: 3, trace_id: t2, sampled_weight: 8, exception_type: ValueError, exception_message: "order 1 of 'otto'"}
      - {start_time: "1970-01-01T00:00:02Z", service_name: shop, kind: SERVER, operation: GET /a, error: false, duration_ms: 3, trace_id: t2, exception_type: Handled}
      - {start_time: "1970-01-01T00:00:02Z", end_time_unix_nano: 35000000000, service_name: shop, kind: CONSUMER, operation: orders, error: true, duration_ms: 33000, trace_id: t3, exception_type: KeyError, exception_message: "'id'"}
      - {start_time: "1970-01-01T00:00:02Z", service_name: shop, kind: CLIENT, operation: SELECT, error: true, duration_ms: 3, trace_id: t4, db_system_name: postgresql, db_namespace: main, db_query_text: "SELECT 1", exception_type: UndefinedTable, exception_message: "relation \"nope\" does not exist"}
      - {start_time: "1970-01-01T00:00:02Z", service_name: shop, kind: CLIENT, operation: GET, error: true, duration_ms: 3, trace_id: t5, server_address: pay, attributes: {error.type: ConnectionError, error.message: "refused by 10.0.0.1"}}
      - {start_time: "1970-01-01T00:00:12Z", end_time_unix_nano: 15000000000, service_name: shop, kind: INTERNAL, operation: nightly, error: true, duration_ms: 3000, trace_id: t6, status_message: "no space left"}
      - {start_time: "1970-01-01T00:00:02Z", service_name: shop, kind: INTERNAL, operation: step, parent_span_id: p, error: true, duration_ms: 3, trace_id: t7}
      - {start_time: "1970-01-01T00:00:02Z", service_name: spanwise, scope_name: spanwise, kind: INTERNAL, operation: flush, error: true, duration_ms: 3, trace_id: t8}
  expect:
    - {window_start: "1970-01-01T00:00:00Z", service_name: shop, what: request, operation: GET /a, error_type: ValueError, errors: 2, errors_estimated: 9, exemplars: "[{\"trace_id\":\"t1\",\"value\":5.0,\"text\":\"order ? of ?\"},{\"trace_id\":\"t2\",\"value\":3.0,\"text\":\"order ? of ?\"}]"}
    - {window_start: "1970-01-01T00:00:30Z", service_name: shop, what: message, operation: orders, error_type: KeyError, errors: 1}
    - {service_name: shop, what: statement, peer: postgresql/main, operation: "SELECT ?", error_type: UndefinedTable, errors: 1, exemplars: "[{\"trace_id\":\"t4\",\"value\":3.0,\"text\":\"relation \\\"nope\\\" does not exist\"}]"}
    - {service_name: shop, what: call, peer: pay, operation: GET, error_type: ConnectionError, errors: 1, exemplars: "[{\"trace_id\":\"t5\",\"value\":3.0,\"text\":\"refused by ?\"}]"}
    - {window_start: "1970-01-01T00:00:10Z", service_name: shop, what: job, operation: nightly, error_type: "(none given)", errors: 1, exemplars: "[{\"trace_id\":\"t6\",\"value\":3000.0,\"text\":\"no space left\"}]"}
- name: without an exception the response status is used
  given:
    spans:
      - {start_time: "1970-01-01T00:00:01Z", service_name: a, kind: SERVER, operation: GET /a, error: true, duration_ms: 5, http_response_status_code: 503, attributes: {error.type: "503"}}
      - {start_time: "1970-01-01T00:00:01Z", service_name: b, kind: SERVER, operation: a.B/C, error: true, duration_ms: 5, rpc_response_status_code: "14"}
      - {start_time: "1970-01-01T00:00:01Z", service_name: c, kind: CLIENT, operation: SELECT, error: true, duration_ms: 5, db_query_text: SELECT 1, db_response_status_code: "23505", attributes: {error.type: "23505"}}
      - {start_time: "1970-01-01T00:00:01Z", service_name: d, kind: CLIENT, operation: GET, error: false, duration_ms: 5, status_code: UNSET, http_response_status_code: 500, server_address: pay}
      - {start_time: "1970-01-01T00:00:01Z", service_name: e, kind: CLIENT, operation: GET, error: true, duration_ms: 5, server_address: pay, http_response_status_code: 404}
  expect:
    - {service_name: a, what: request, error_type: HTTP 503}
    - {service_name: b, what: request, error_type: RPC 14}
    - {service_name: c, what: statement, error_type: database 23505}
    - {service_name: d, what: call, error_type: HTTP 500}
    - {service_name: e, what: call, error_type: HTTP 404}
---
Failures and their error type: the exception that the span recorded, else its `error.type`, else the response status.
Messages are cut to one line, and possible values in them are replaced by `?`. */
WITH failed AS (
  SELECT
    *,
    CASE
      WHEN kind = 'SERVER' THEN 'request'
      WHEN kind = 'CONSUMER' THEN 'message'
      WHEN db_fingerprint IS NOT NULL THEN 'statement'
      WHEN kind IN ('CLIENT', 'PRODUCER') THEN 'call'
      WHEN parent_span_id IS NULL THEN 'job'
    END AS what
  FROM new_spans
  WHERE (error OR kind IN ('CLIENT', 'PRODUCER') AND http_response_status_code >= 500 AND status_code <> 'OK')
    -- Spanwise's own spans have separate findings.
    AND scope_name IS DISTINCT FROM 'spanwise'
), said AS (
  SELECT
    date_bin(
      INTERVAL '10 seconds',
      CASE
        -- As in `jobs`: a run belongs to the window in which it ended.
        WHEN what IN ('job', 'message') THEN arrow_cast(end_time_unix_nano / 1000, 'Timestamp(Microsecond, Some("UTC"))')
        ELSE start_time
      END
    ) AS window_start,
    service_name,
    what,
    CASE
      WHEN what = 'statement' THEN concat_ws('/', db_system_name, db_namespace)
      WHEN what = 'call' THEN coalesce(
        attributes['peer.service'],
        attributes['service.peer.name'],
        CASE WHEN kind = 'PRODUCER' THEN messaging_system END,
        server_address || CASE
          WHEN coalesce(attributes['server.port'], attributes['net.peer.port']) NOT IN ('80', '443')
            THEN ':' || coalesce(attributes['server.port'], attributes['net.peer.port'])
          ELSE ''
        END,
        nullif(split_part(split_part(split_part(coalesce(attributes['url.full'], attributes['http.url']), '/', 3), '?', 1), '@', -1), ''),
        rpc_service,
        messaging_system,
        db_system_name,
        '(unknown)'
      )
    END AS peer,
    CASE
      WHEN what = 'statement' THEN db_fingerprint
      ELSE operation
    END AS operation,
    coalesce(
      error_type(exception_type),
      -- If it only repeats the response status, the status below is more specific.
      error_type(CASE WHEN attributes['error.type'] NOT IN (
        coalesce(CAST(http_response_status_code AS TEXT), ''), coalesce(rpc_response_status_code, ''),
        coalesce(db_response_status_code, '')
      ) THEN attributes['error.type'] END),
      CASE
        WHEN http_response_status_code >= 400 THEN concat('HTTP ', CAST(http_response_status_code AS TEXT))
        WHEN rpc_response_status_code <> '0' AND rpc_response_status_code <> 'OK'
          THEN concat('RPC ', error_type(rpc_response_status_code))
        WHEN db_response_status_code IS NOT NULL THEN concat('database ', error_type(db_response_status_code))
      END,
      '(none given)'
    ) AS error_type,
    coalesce(sampled_weight, 1.0) AS weight,
    masked(coalesce(exception_message, attributes['error.message'], status_message)) AS message,
    duration_ms,
    trace_id
  FROM failed
  WHERE what IS NOT NULL
)
SELECT
  window_start,
  service_name,
  what,
  peer,
  operation,
  error_type,
  count(*) AS errors,
  sum(weight) AS errors_estimated,
  exemplars_with(trace_id, duration_ms, message) AS exemplars
FROM said
WHERE operation IS NOT NULL
GROUP BY 1, 2, 3, 4, 5, 6
