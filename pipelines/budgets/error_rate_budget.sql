/*---
title: Error-rate budget
kind: finding
counted: requests
window: 5m
key: [budget, service_name]
direction: above
samples_min: 20
no_data: resolve
unit: "%"
message: "{service_name}: {value} of requests fail, over the {budget_word} of {warning}"
examples:
  - name: over the budget, over twice the budget, and within it
    now_ms: 600000
    given:
      budgets:
        - {kind: metrics, name: errorRate, operation_match: "*", service_match: "*", limit_value: 2, critical_value: 4, unit: "%", below: false}
      requests:
        - {window_start: "1970-01-01T00:06:00Z", service_name: bad, operation: a, kind: SERVER, calls: 50, errors: 5, server_errors: 5, apdex_satisfied: 95, apdex_tolerating: 0}
        - {window_start: "1970-01-01T00:06:00Z", service_name: bad, operation: b, kind: SERVER, calls: 50, errors: 1}
        - {window_start: "1970-01-01T00:06:00Z", service_name: worn, operation: a, kind: SERVER, calls: 100, errors: 3, server_errors: 3, apdex_satisfied: 97, apdex_tolerating: 0}
        - {window_start: "1970-01-01T00:06:00Z", service_name: good, operation: a, kind: SERVER, calls: 100, errors: 0, server_errors: 0, apdex_satisfied: 100, apdex_tolerating: 0}
    expect:
      - {budget: errorRate, service_name: bad, state: firing, severity: critical, value: 6, operations: a}
      - {budget: errorRate, service_name: worn, state: firing, severity: warning, value: 3, operations: a}
      - {budget: errorRate, service_name: good, state: ok, value: 0, operations: null}
  - name: explained by operations that fire with the same severity and without which the budget would be met
    now_ms: 600000
    given:
      budgets:
        - {kind: metrics, name: errorRate, operation_match: "*", service_match: "*", limit_value: 10, critical_value: 60, unit: "%", below: false}
      firings:
        - {pipeline: error_rate, key: {service_name: named, operation: a}, severity: critical, from_time: "1970-01-01T00:05:00Z", started: "1970-01-01T00:06:00Z"}
        - {pipeline: error_rate, key: {service_name: milder, operation: a}, severity: warning, from_time: "1970-01-01T00:05:00Z", started: "1970-01-01T00:06:00Z"}
        - {pipeline: error_rate, key: {service_name: others, operation: a}, severity: critical, from_time: "1970-01-01T00:05:00Z", started: "1970-01-01T00:06:00Z"}
        - {pipeline: error_rate, key: {service_name: over, operation: a}, severity: critical, from_time: "1970-01-01T00:01:00Z", started: "1970-01-01T00:02:00Z", ended: "1970-01-01T00:04:00Z"}
        - {pipeline: error_share, key: {service_name: shared}, severity: critical, from_time: "1970-01-01T00:05:00Z", started: "1970-01-01T00:06:00Z"}
      requests:
        - {window_start: "1970-01-01T00:06:00Z", service_name: named, operation: a, kind: SERVER, calls: 20, errors: 20}
        - {window_start: "1970-01-01T00:06:00Z", service_name: named, operation: b, kind: SERVER, calls: 80, errors: 1}
        - {window_start: "1970-01-01T00:06:00Z", service_name: milder, operation: a, kind: SERVER, calls: 20, errors: 20}
        - {window_start: "1970-01-01T00:06:00Z", service_name: others, operation: a, kind: SERVER, calls: 20, errors: 20}
        - {window_start: "1970-01-01T00:06:00Z", service_name: others, operation: b, kind: SERVER, calls: 80, errors: 11}
        - {window_start: "1970-01-01T00:06:00Z", service_name: over, operation: a, kind: SERVER, calls: 20, errors: 4}
        - {window_start: "1970-01-01T00:06:00Z", service_name: shared, operation: a, kind: SERVER, calls: 20, errors: 4}
    expect:
      - {service_name: named, state: ok, value: 21, explained_by: error_rate}
      - {service_name: milder, state: firing, severity: critical, value: 100}
      - {service_name: others, state: firing, severity: warning, value: 31}
      - {service_name: over, state: firing, severity: warning, value: 20}
      - {service_name: shared, state: ok, value: 20, explained_by: error_share}
  - name: operations stay the same from one minute after it started firing
    now_ms: 600000
    given:
      budgets:
        - {kind: metrics, name: errorRate, operation_match: "*", service_match: "*", limit_value: 2, critical_value: 4, unit: "%", below: false}
      firings:
        - {pipeline: error_rate_budget, key: {budget: errorRate, service_name: settled}, severity: critical, from_time: "1970-01-01T00:03:00Z", started: "1970-01-01T00:08:00Z", evidence: '{"operations":"a"}'}
        - {pipeline: error_rate_budget, key: {budget: errorRate, service_name: begun}, severity: critical, from_time: "1970-01-01T00:04:30Z", started: "1970-01-01T00:09:30Z", evidence: '{"operations":"a"}'}
      requests:
        - {window_start: "1970-01-01T00:09:00Z", service_name: settled, operation: a, kind: SERVER, calls: 20, errors: 10}
        - {window_start: "1970-01-01T00:09:00Z", service_name: settled, operation: b, kind: SERVER, calls: 20, errors: 20}
        - {window_start: "1970-01-01T00:09:00Z", service_name: begun, operation: a, kind: SERVER, calls: 20, errors: 10}
        - {window_start: "1970-01-01T00:09:00Z", service_name: begun, operation: b, kind: SERVER, calls: 20, errors: 20}
    expect:
      - {service_name: settled, state: firing, operations: a}
      - {service_name: begun, state: firing, operations: "b, a"}
---
More requests of a service fail than its budget allows. Start with the first operation in `operations`; the traces show
failed requests.

`operations` lists the operations over the budget when it began to fire, most failures first. Critical at twice the budget.

One failure sends one alert. If the budget fires with at least the same severity, `error_rate` and `error_rate_rise` do not
fire for its `operations`; an operation that starts to fail later still does. If `error_rate` is more severe or fired first,
and the budget would be met without the operations it fires for, only `error_rate` fires. */
WITH fires AS (
  SELECT
    pipeline,
    key['service_name'] AS service_name,
    key['operation'] AS operation,
    key['budget'] AS budget,
    severity,
    started,
    json_text(evidence, 'operations') AS operations
  FROM firings
  WHERE pipeline IN ('error_rate', 'error_share', 'error_rate_budget') AND ended IS NULL
), by_operation AS (
  SELECT
    service_name,
    operation,
    sum(calls) AS calls,
    sum(calls_estimated) AS calls_estimated,
    sum(errors) AS errors,
    sum(errors_estimated) AS errors_estimated,
    sum(server_errors) AS server_errors,
    exemplars_merge(error_exemplars) AS exemplars
  FROM requests
  WHERE window_start >= $window_start AND window_start < $window_end AND kind = 'SERVER'
  GROUP BY 1, 2
), seen AS (
  SELECT
    o.service_name,
    sum(o.calls) AS calls,
    sum(o.errors) AS errors,
    100.0 * sum(o.errors_estimated) / sum(o.calls_estimated) AS failed_percent,
    -- Excludes the operations for which error_rate fires.
    100.0 * sum(CASE WHEN f.operation IS NULL THEN o.errors_estimated ELSE 0.0 END) / sum(o.calls_estimated) AS other_percent,
    -- The most severe one: 'critical' sorts before 'warning'.
    min(f.severity) AS severity,
    sum(o.server_errors) AS server_errors,
    exemplars_merge(o.exemplars) AS exemplars
  FROM by_operation o
  LEFT JOIN fires f ON f.pipeline = 'error_rate' AND f.service_name = o.service_name AND f.operation = o.operation
  GROUP BY 1
), past AS (
  SELECT
    b.name,
    o.service_name,
    o.operation,
    o.errors,
    row_number() OVER (PARTITION BY b.name, o.service_name ORDER BY o.errors DESC, o.operation) AS number
  FROM budgets b
  JOIN by_operation o ON glob(b.service_match, o.service_name)
  WHERE b.kind = 'metrics' AND b.name = 'errorRate' AND 100.0 * o.errors_estimated > b.limit_value * o.calls_estimated
), named AS (
  SELECT name, service_name, string_agg(operation, ', ' ORDER BY number) AS operations
  FROM past
  WHERE number <= 100
  GROUP BY 1, 2
), failed AS (
  SELECT service_name, error_summary(error_type, errors_estimated, exemplars) AS exceptions
  FROM failures
  WHERE window_start >= $window_start AND window_start < $window_end AND what = 'request'
  GROUP BY 1
)
SELECT
  b.name AS budget,
  s.service_name,
  s.failed_percent AS value,
  coalesce(s.calls, 0) AS samples,
  b.limit_value AS warning,
  b.critical_value AS critical,
  CASE WHEN b.is_default THEN 'default budget' ELSE 'budget' END AS budget_word,
  s.errors,
  s.server_errors,
  CASE WHEN w.started < $window_end - INTERVAL '1 minute' THEN w.operations ELSE n.operations END AS operations,
  x.exceptions,
  CASE
    WHEN s.severity IS NOT NULL AND s.other_percent <= b.limit_value THEN 'error_rate'
    WHEN h.severity IS NOT NULL THEN 'error_share'
  END AS explained_by,
  CASE WHEN s.severity IS NOT NULL AND s.other_percent <= b.limit_value THEN s.severity ELSE h.severity END AS explained_severity,
  true AS explained_at_once,
  exemplar_trace_ids(s.exemplars) AS trace_ids
FROM budgets b
LEFT JOIN seen s ON glob(b.service_match, s.service_name)
LEFT JOIN named n ON n.name = b.name AND n.service_name = s.service_name
LEFT JOIN fires w ON w.pipeline = 'error_rate_budget' AND w.budget = b.name AND w.service_name = s.service_name
LEFT JOIN fires h ON h.pipeline = 'error_share' AND h.service_name = s.service_name
LEFT JOIN failed x ON x.service_name = s.service_name
WHERE b.kind = 'metrics' AND b.name = 'errorRate'
