/*---
title: Failed calls to another service
kind: finding
counted: calls
window: 5m
key: [service_name, peer, operation]
direction: above
warning: 5
critical: 25
samples_min: 20
no_data: resolve
unit: "%"
message: "{service_name}: {value} of {samples} calls to {peer} ({operation}) fail"
examples:
  - name: warning, critical, within the limits, too few calls, and refused calls
    now_ms: 600000
    given:
      outgoing_calls:
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, peer: pay, operation: POST, kind: CLIENT, calls: 100, errors: 6, refused: 0, duration_sum_ms: 100, duration_max_ms: 9}
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, peer: mail, operation: POST, kind: CLIENT, calls: 10, errors: 10, refused: 0, duration_sum_ms: 100, duration_max_ms: 9}
        - {window_start: "1970-01-01T00:06:10Z", service_name: shop, peer: mail, operation: POST, kind: CLIENT, calls: 10, errors: 10, refused: 0, duration_sum_ms: 100, duration_max_ms: 9}
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, peer: works, operation: GET, kind: CLIENT, calls: 100, errors: 5, refused: 0, duration_sum_ms: 100, duration_max_ms: 9}
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, peer: rare, operation: GET, kind: CLIENT, calls: 19, errors: 19, refused: 0, duration_sum_ms: 100, duration_max_ms: 9}
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, peer: avatars, operation: GET, kind: CLIENT, calls: 100, errors: 60, refused: 60, duration_sum_ms: 100, duration_max_ms: 9}
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, peer: kafka, operation: orders, kind: PRODUCER, calls: 20, errors: 20, refused: 0, duration_sum_ms: 100, duration_max_ms: 9}
        - {window_start: "1970-01-01T00:04:50Z", service_name: shop, peer: past, operation: GET, kind: CLIENT, calls: 100, errors: 100, refused: 0, duration_sum_ms: 100, duration_max_ms: 9}
      failures:
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, what: call, peer: mail, operation: POST, error_type: ConnectionError, errors: 20, exemplars: '[{"trace_id":"t1","value":1.0,"text":"connection refused"}]'}
    expect:
      - {service_name: shop, peer: pay, operation: POST, state: firing, severity: warning, value: 6}
      - {service_name: shop, peer: mail, operation: POST, state: firing, severity: critical, value: 100, exceptions: "20x ConnectionError: connection refused"}
      - {service_name: shop, peer: works, state: ok, value: 5}
      - {service_name: shop, peer: rare, state: no_data}
      - {service_name: shop, peer: avatars, state: ok, value: 0}
      - {service_name: shop, peer: kafka, operation: orders, state: firing, severity: critical, value: 100}
---
Calls to another service, a broker or a third party fail at the caller. If the peer sends telemetry, check its findings
first. If it reports no failures, check the path to it: DNS names, certificates, credentials, limits.

Fires above 5 % of at least 20 calls in five minutes, critical above 25 %, while calls fail. Responses for a missing resource
or a conflicting state (HTTP 404, 409, 410, 412 and the gRPC equivalents) count as `refused`, not as failures of the peer. */
WITH seen AS (
  SELECT
    service_name,
    peer,
    operation,
    sum(calls) AS calls,
    sum(errors) - sum(refused) AS failed,
    100.0 * (sum(errors_estimated) - sum(refused_estimated)) / sum(calls_estimated) AS failed_percent,
    sum(refused) AS refused,
    sum(duration_sum_ms) AS total_ms,
    max(duration_max_ms) AS max_ms
  FROM outgoing_calls
  WHERE window_start >= $window_start AND window_start < $window_end
  GROUP BY 1, 2, 3
), failed AS (
  SELECT
    service_name,
    peer,
    operation,
    error_summary(error_type, errors_estimated, exemplars) AS exceptions,
    exemplar_trace_ids(exemplars_merge(exemplars)) AS trace_ids
  FROM failures
  WHERE window_start >= $window_start AND window_start < $window_end AND what = 'call'
  GROUP BY 1, 2, 3
)
SELECT
  s.service_name,
  s.peer,
  s.operation,
  s.failed_percent AS value,
  s.calls AS samples,
  s.failed AS errors,
  s.refused,
  s.total_ms,
  s.max_ms,
  f.exceptions,
  f.trace_ids
FROM seen s
LEFT JOIN failed f ON f.service_name = s.service_name AND f.peer = s.peer AND f.operation = s.operation
