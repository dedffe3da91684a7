/*---
title: Apdex budget
kind: finding
counted: requests
window: 5m
key: [budget, service_name]
direction: below
samples_min: 20
no_data: resolve
unit: "1"
message: "{service_name}: apdex is {value}, below the {budget_word} of {warning}"
example:
  now_ms: 600000
  given:
    budgets:
      - {kind: metrics, name: apdex, operation_match: "*", service_match: "*", limit_value: 0.9, critical_value: 0.8, unit: "1", below: true}
    requests:
      - {window_start: "1970-01-01T00:06:00Z", service_name: bad, operation: a, kind: SERVER, calls: 100, errors: 0, server_errors: 0, apdex_satisfied: 50, apdex_tolerating: 20}
      - {window_start: "1970-01-01T00:06:00Z", service_name: worn, operation: a, kind: SERVER, calls: 100, errors: 0, server_errors: 0, apdex_satisfied: 80, apdex_tolerating: 10}
      - {window_start: "1970-01-01T00:06:00Z", service_name: good, operation: a, kind: SERVER, calls: 100, errors: 0, server_errors: 0, apdex_satisfied: 100, apdex_tolerating: 0}
  expect:
    - {budget: apdex, service_name: bad, state: firing, severity: critical, value: 0.6}
    - {budget: apdex, service_name: worn, state: firing, severity: warning, value: 0.85}
    - {budget: apdex, service_name: good, state: ok, value: 1}
---
Too many requests are slow or fail. Many slightly slow requests lower Apdex without changing a percentile: look for the
operations with the most requests above T (500 ms).

Apdex is the share of requests within T. Requests within 4 T count half, failed requests count zero. Critical if the distance
to 1 is twice what the budget allows. */
WITH seen AS (
  SELECT
    service_name,
    sum(calls) AS calls,
    sum(errors) AS errors,
    sum(server_errors) AS server_errors,
    (sum(apdex_satisfied_estimated) + sum(apdex_tolerating_estimated) / 2.0) / sum(calls_estimated) AS apdex,
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
  s.apdex AS value,
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
WHERE b.kind = 'metrics' AND b.name = 'apdex'
