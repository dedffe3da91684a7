/*---
title: Failed database statements
kind: finding
counted: calls
window: 5m
key: [service_name, db_system_name, db_namespace, db_fingerprint]
direction: above
warning: 5
critical: 25
samples_min: 20
no_data: resolve
unit: "%"
params: {limit: 50}
message: "{service_name}: {value} of {samples} calls of {db_fingerprint} fail"
examples:
  - name: warning, critical, within the limits, and too few calls
    now_ms: 600000
    given:
      queries:
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, db_system_name: mysql, db_namespace: main, db_fingerprint: SELECT warns, calls: 100, errors: 6, duration_sum_ms: 100, duration_max_ms: 1}
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, db_system_name: mysql, db_namespace: main, db_fingerprint: SELECT fails, calls: 20, errors: 6, duration_sum_ms: 20, duration_max_ms: 1}
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, db_system_name: mysql, db_namespace: main, db_fingerprint: SELECT works, calls: 1000, errors: 50, duration_sum_ms: 1000, duration_max_ms: 1}
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, db_system_name: mysql, db_namespace: main, db_fingerprint: SELECT rare, calls: 19, errors: 19, duration_sum_ms: 19, duration_max_ms: 1}
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, db_fingerprint: SELECT plain, calls: 20, errors: 20, duration_sum_ms: 19, duration_max_ms: 1}
      failures:
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, what: statement, peer: mysql/main, operation: SELECT fails, error_type: DeadlockError, errors: 5, exemplars: '[{"trace_id":"t1","value":1.0,"text":"lock wait timeout"}]'}
        - {window_start: "1970-01-01T00:06:10Z", service_name: shop, what: statement, peer: mysql/main, operation: SELECT fails, error_type: Timeout, errors: 1, exemplars: '[{"trace_id":"t2","value":9.0}]'}
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, what: statement, peer: mysql/other, operation: SELECT fails, error_type: Other, errors: 9}
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, what: statement, peer: "", operation: SELECT plain, error_type: Plain, errors: 20}
    expect:
      - {service_name: shop, db_fingerprint: SELECT warns, state: firing, severity: warning, value: 6}
      - {service_name: shop, db_fingerprint: SELECT fails, state: firing, severity: critical, value: 30, exceptions: "5x DeadlockError: lock wait timeout; 1x Timeout"}
      - {service_name: shop, db_fingerprint: SELECT works, state: ok, value: 5}
      - {service_name: shop, db_fingerprint: SELECT rare, state: no_data}
      - {service_name: shop, db_fingerprint: SELECT plain, state: firing, severity: critical, exceptions: "20x Plain"}
---
A database statement fails. The exception shows the cause: a missing table or column (run the migration), a violated
constraint (fix the code that writes), a timeout or deadlock (fix the statement), or a refused connection (check the
database).

Fires above 5 % of at least 20 calls in five minutes, critical above 25 %, while calls fail. */
WITH seen AS (
  SELECT
    service_name,
    db_system_name,
    db_namespace,
    db_fingerprint,
    sum(calls) AS calls,
    sum(errors) AS errors,
    100.0 * sum(errors_estimated) / sum(calls_estimated) AS failed_percent,
    sum(duration_sum_ms) AS total_ms
  FROM queries
  WHERE window_start >= $window_start AND window_start < $window_end
  GROUP BY 1, 2, 3, 4
), failed AS (
  SELECT
    service_name,
    peer,
    operation,
    error_summary(error_type, errors_estimated, exemplars) AS exceptions,
    exemplar_trace_ids(exemplars_merge(exemplars)) AS trace_ids
  FROM failures
  WHERE window_start >= $window_start AND window_start < $window_end AND what = 'statement'
  GROUP BY 1, 2, 3
)
SELECT
  s.service_name,
  s.db_system_name,
  s.db_namespace,
  s.db_fingerprint,
  s.failed_percent AS value,
  s.calls AS samples,
  s.errors,
  s.total_ms,
  f.exceptions,
  CAST($limit AS BIGINT) AS shown_max,
  f.trace_ids
FROM seen s
LEFT JOIN failed f
  ON f.service_name = s.service_name
  AND f.operation = s.db_fingerprint
  AND f.peer = concat_ws('/', s.db_system_name, s.db_namespace)
