/*---
title: Availability budget
kind: finding
counted: requests
window: 30d
key: [budget, service_name]
direction: below
samples_min: 20
unit: "%"
message: "{service_name}: availability is {value}, below the {budget_word} of {warning}"
example:
  now_ms: 600000
  given:
    budgets:
      - {kind: metrics, name: availability, operation_match: "*", service_match: "*", limit_value: 99.9, critical_value: 99.8, unit: "%", below: true}
    requests:
      - {window_start: "1970-01-01T00:06:00Z", service_name: bad, operation: a, kind: SERVER, calls: 200, errors: 5, status_calls: 100, server_errors: 5, apdex_satisfied: 95, apdex_tolerating: 0}
      - {window_start: "1970-01-01T00:06:00Z", service_name: worn, operation: a, kind: SERVER, calls: 2000, errors: 3, status_calls: 2000, server_errors: 3, apdex_satisfied: 1997, apdex_tolerating: 0}
      - {window_start: "1970-01-01T00:06:00Z", service_name: good, operation: a, kind: SERVER, calls: 100, errors: 0, status_calls: 100, server_errors: 0, apdex_satisfied: 100, apdex_tolerating: 0}
      - {window_start: "1970-01-01T00:06:00Z", service_name: unknown, operation: a, kind: SERVER, calls: 100, errors: 100, status_calls: 0, server_errors: 0, apdex_satisfied: 0, apdex_tolerating: 0}
  expect:
    - {budget: availability, service_name: bad, state: firing, severity: critical, value: 95}
    - {budget: availability, service_name: worn, state: firing, severity: warning, value: 99.85}
    - {budget: availability, service_name: good, state: ok, value: 100}
    - {budget: availability, service_name: unknown, state: no_data}
---
The service has used up its error budget of the last 30 days. Fix the operations with the most server errors first.

Availability is the share of requests over 30 days that were not answered with 5xx or a gRPC code for a server error.
Requests without a response status do not count. Critical at twice the failures that the budget allows: below 99.8% for
99.9%. */
WITH seen AS (
  SELECT
    service_name,
    sum(status_calls) AS calls,
    sum(errors) AS errors,
    sum(server_errors) AS server_errors,
    100.0 - 100.0 * sum(server_errors_estimated) / nullif(sum(status_calls_estimated), 0) AS available_percent,
    exemplars_merge(error_exemplars) AS exemplars
  FROM requests
  WHERE window_start >= $window_start AND window_start < $window_end AND kind = 'SERVER'
  GROUP BY 1
), failed AS (
  SELECT service_name, error_summary(error_type, errors_estimated, exemplars) AS exceptions
  FROM failures
  WHERE window_start >= $window_start AND window_start < $window_end AND what = 'request'
  GROUP BY 1
)
SELECT
  b.name AS budget,
  s.service_name,
  s.available_percent AS value,
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
WHERE b.kind = 'metrics' AND b.name = 'availability'
