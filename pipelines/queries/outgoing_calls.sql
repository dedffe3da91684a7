/*---
title: Outgoing calls
kind: rollup
table: outgoing_calls
reads: [spans]
examples:
- name: refused calls are counted separately from failures of the peer
  given:
    spans:
      - {start_time: "1970-01-01T00:00:01Z", service_name: shop, kind: CLIENT, operation: GET, server_address: pay, duration_ms: 3, error: false, sampled_weight: 1, http_response_status_code: 200, trace_id: t1}
      - {start_time: "1970-01-01T00:00:02Z", service_name: shop, kind: CLIENT, operation: GET, server_address: pay, duration_ms: 5, error: true, sampled_weight: 4, http_response_status_code: 404, trace_id: t2}
      - {start_time: "1970-01-01T00:00:03Z", service_name: shop, kind: CLIENT, operation: GET, server_address: pay, duration_ms: 7, error: true, sampled_weight: 1, http_response_status_code: 503, trace_id: t3}
      - {start_time: "1970-01-01T00:00:03Z", service_name: shop, kind: CLIENT, operation: GET, server_address: pay, duration_ms: 9, error: true, sampled_weight: 1, trace_id: t4}
      - {start_time: "1970-01-01T00:00:04Z", service_name: shop, kind: CLIENT, operation: GET, server_address: pay, duration_ms: 1, error: false, sampled_weight: 1, status_code: UNSET, http_response_status_code: 500, trace_id: t5}
      - {start_time: "1970-01-01T00:00:04Z", service_name: shop, kind: CLIENT, operation: GET, server_address: pay, duration_ms: 1, error: false, sampled_weight: 1, status_code: OK, http_response_status_code: 500, trace_id: t6}
      - {start_time: "1970-01-01T00:00:04Z", service_name: shop, kind: CLIENT, operation: a.B/Get, server_address: rpc, duration_ms: 1, error: true, sampled_weight: 1, rpc_response_status_code: "5", trace_id: t7}
      - {start_time: "1970-01-01T00:00:04Z", service_name: shop, kind: CLIENT, operation: a.B/Get, server_address: rpc, duration_ms: 1, error: true, sampled_weight: 1, rpc_response_status_code: UNAVAILABLE, trace_id: t8}
      - {start_time: "1970-01-01T00:00:04Z", service_name: shop, kind: SERVER, operation: GET /a, duration_ms: 1, error: true, sampled_weight: 1}
      - {start_time: "1970-01-01T00:00:04Z", service_name: shop, kind: CLIENT, operation: SELECT, db_system_name: mysql, db_query_text: SELECT 1, duration_ms: 1, error: true, sampled_weight: 1}
  expect:
    - {window_start: "1970-01-01T00:00:00Z", service_name: shop, peer: pay, operation: GET, kind: CLIENT, calls: 6, calls_estimated: 9, errors: 4, errors_estimated: 7, refused: 1, refused_estimated: 4, duration_sum_ms: 26, duration_max_ms: 9}
    - {service_name: shop, peer: rpc, operation: a.B/Get, kind: CLIENT, calls: 2, errors: 2, refused: 1}
- name: peer names, and a database connect, which is not a statement
  given:
    spans:
      - {start_time: "1970-01-01T00:00:01Z", service_name: a, kind: CLIENT, operation: GET, server_address: 10.0.0.1, attributes: {peer.service: pay, server.port: "8080"}, duration_ms: 1, error: false, sampled_weight: 1}
      - {start_time: "1970-01-01T00:00:01Z", service_name: b, kind: CLIENT, operation: GET, attributes: {http.url: "https://anna:pw@pay.example.com:8443/x?y=z"}, duration_ms: 1, error: false, sampled_weight: 1}
      - {start_time: "1970-01-01T00:00:01Z", service_name: c, kind: CLIENT, operation: a.B/C, rpc_service: a.B, duration_ms: 1, error: false, sampled_weight: 1}
      - {start_time: "1970-01-01T00:00:01Z", service_name: d, kind: PRODUCER, operation: orders, messaging_system: kafka, server_address: broker-7, duration_ms: 1, error: false, sampled_weight: 1}
      - {start_time: "1970-01-01T00:00:01Z", service_name: e, kind: CLIENT, operation: connect, db_system_name: postgresql, server_address: db, attributes: {server.port: "5432"}, duration_ms: 1, error: true, sampled_weight: 1}
      - {start_time: "1970-01-01T00:00:01Z", service_name: f, kind: CLIENT, operation: work, duration_ms: 1, error: false, sampled_weight: 1}
  expect:
    - {service_name: a, peer: pay}
    - {service_name: b, peer: "pay.example.com:8443"}
    - {service_name: c, peer: a.B}
    - {service_name: d, peer: kafka, kind: PRODUCER}
    - {service_name: e, peer: "db:5432", operation: connect, errors: 1}
    - {service_name: f, peer: "(unknown)"}
---
Calls to other services, brokers and third parties, as seen by the caller, by peer and operation. Database statements are in
`queries`; database connects are counted here. */
WITH called AS (
  SELECT
    date_bin(INTERVAL '10 seconds', start_time) AS window_start,
    service_name,
    coalesce(
      attributes['peer.service'],
      attributes['service.peer.name'],
      CASE WHEN kind = 'PRODUCER' THEN messaging_system END,
      server_address || CASE
        WHEN coalesce(attributes['server.port'], attributes['net.peer.port']) NOT IN ('80', '443')
          THEN ':' || coalesce(attributes['server.port'], attributes['net.peer.port'])
        ELSE ''
      END,
      -- The host of a URL, without user information.
      nullif(split_part(split_part(split_part(coalesce(attributes['url.full'], attributes['http.url']), '/', 3), '?', 1), '@', -1), ''),
      rpc_service,
      messaging_system,
      db_system_name,
      '(unknown)'
    ) AS peer,
    operation,
    kind,
    coalesce(sampled_weight, 1.0) AS weight,
    span_id,
    error OR coalesce(http_response_status_code >= 500 AND status_code <> 'OK', false) AS failed,
    http_response_status_code IN (404, 409, 410, 412)
      OR http_response_status_code IS NULL AND rpc_response_status_code IN (
        '5', '6', '9', '10', 'NOT_FOUND', 'ALREADY_EXISTS', 'FAILED_PRECONDITION', 'ABORTED'
      ) AS is_refusal,
    duration_ms,
    trace_id
  FROM new_spans
  WHERE kind IN ('CLIENT', 'PRODUCER')
    AND db_fingerprint IS NULL
)
SELECT
  window_start,
  service_name,
  peer,
  operation,
  kind,
  count(*) AS calls,
  sum(weight) AS calls_estimated,
  sum(CASE WHEN failed THEN 1 ELSE 0 END) AS errors,
  sum(CASE WHEN failed THEN weight ELSE 0.0 END) AS errors_estimated,
  sum(CASE WHEN failed AND is_refusal THEN 1 ELSE 0 END) AS refused,
  sum(CASE WHEN failed AND is_refusal THEN weight ELSE 0.0 END) AS refused_estimated,
  sum(duration_ms) AS duration_sum_ms,
  sum(duration_ms * weight) AS duration_sum_estimated_ms,
  max(duration_ms) AS duration_max_ms,
  sketch(duration_ms, sampled_count(weight, trace_id, span_id)) AS duration_sketch,
  exemplars(trace_id, duration_ms) AS exemplars
FROM called
GROUP BY 1, 2, 3, 4, 5
