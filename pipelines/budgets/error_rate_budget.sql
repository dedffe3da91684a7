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
message: "{service_name}: {value} of requests fail, over the {budget_word} of {limit}"
example:
  now_ms: 600000
  given:
    budgets:
      - {kind: metrics, name: errorRate, operation_match: "*", service_match: "*", limit_value: 2, critical_value: 4, unit: "%", below: false}
    requests:
      - {window_start: "1970-01-01T00:06:00Z", service_name: bad, operation: a, kind: SERVER, calls: 100, errors: 5, server_errors: 5, apdex_satisfied: 95, apdex_tolerating: 0}
      - {window_start: "1970-01-01T00:06:00Z", service_name: worn, operation: a, kind: SERVER, calls: 100, errors: 3, server_errors: 3, apdex_satisfied: 97, apdex_tolerating: 0}
      - {window_start: "1970-01-01T00:06:00Z", service_name: good, operation: a, kind: SERVER, calls: 100, errors: 0, server_errors: 0, apdex_satisfied: 100, apdex_tolerating: 0}
  expect:
    - {budget: errorRate, service_name: bad, state: firing, severity: critical, value: 5}
    - {budget: errorRate, service_name: worn, state: firing, severity: warning, value: 3}
    - {budget: errorRate, service_name: good, state: ok, value: 0}
---
More requests of a service fail than its budget allows. The traces are requests that failed; `error_rate` names the
operations, where one fails much. It is critical at twice the budget. */
WITH seen AS (
  SELECT
    service_name,
    sum(calls) AS calls,
    sum(errors) AS errors,
    100.0 * sum(errors_estimated) / sum(calls_estimated) AS failed_percent,
    sum(server_errors) AS server_errors,
    sum(apdex_satisfied) AS satisfied,
    sum(apdex_tolerating) AS tolerating,
    exemplars_merge(error_exemplars) AS exemplars
  FROM requests
  WHERE window_start >= $window_start AND window_start < $window_end AND kind = 'SERVER'
  GROUP BY 1
), failed AS (
  SELECT service_name, error_summary(error_type, errors, exemplars) AS exceptions
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
  x.exceptions,
  exemplar_trace_ids(s.exemplars) AS trace_ids
FROM budgets b
LEFT JOIN seen s ON glob(b.service_match, s.service_name)
LEFT JOIN failed x ON x.service_name = s.service_name
WHERE b.kind = 'metrics' AND b.name = 'errorRate'
