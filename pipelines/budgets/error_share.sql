/*---
title: Service error rate
kind: finding
counted: requests
window: 5m
key: [service_name]
direction: above
alerting: errorRate
alerting_only: true
samples_min: 20
no_data: resolve
unit: "%"
message: "{service_name}: {value} of requests fail, over {limit}"
examples:
  - name: over the critical limit, and within the limits
    now_ms: 600000
    alerting: {warning: 1, critical: 5}
    given:
      requests:
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, operation: a, kind: SERVER, calls: 20, errors: 2, duration_sum_ms: 20, duration_max_ms: 1}
        - {window_start: "1970-01-01T00:06:00Z", service_name: good, operation: a, kind: SERVER, calls: 100, errors: 1, duration_sum_ms: 100, duration_max_ms: 1}
    expect:
      - {service_name: shop, state: firing, severity: critical, value: 10}
      - {service_name: good, state: ok, value: 1}
  - name: not judged without user limits
    now_ms: 600000
    given:
      requests:
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, operation: a, kind: SERVER, calls: 20, errors: 10, duration_sum_ms: 18000, duration_max_ms: 900, duration_sketch: [900]}
    expect: []
  - name: explained by operations that have most of the failures and fire with the same severity
    now_ms: 600000
    alerting: {warning: 1, critical: 5}
    given:
      firings:
        - {pipeline: error_rate, key: {service_name: named, operation: a}, severity: critical, from_time: "1970-01-01T00:05:00Z", started: "1970-01-01T00:06:00Z"}
        - {pipeline: error_rate, key: {service_name: milder, operation: a}, severity: warning, from_time: "1970-01-01T00:05:00Z", started: "1970-01-01T00:06:00Z"}
        - {pipeline: error_rate, key: {service_name: spread, operation: a}, severity: critical, from_time: "1970-01-01T00:05:00Z", started: "1970-01-01T00:06:00Z"}
        - {pipeline: error_rate_budget, key: {budget: errorRate, service_name: budgeted}, severity: critical, from_time: "1970-01-01T00:05:00Z", started: "1970-01-01T00:06:00Z"}
        - {pipeline: error_rate_budget, key: {budget: errorRate, service_name: worse}, severity: warning, from_time: "1970-01-01T00:05:00Z", started: "1970-01-01T00:06:00Z"}
        - {pipeline: error_rate, key: {service_name: over, operation: a}, from_time: "1970-01-01T00:01:00Z", started: "1970-01-01T00:02:00Z", ended: "1970-01-01T00:04:00Z"}
      requests:
        - {window_start: "1970-01-01T00:06:00Z", service_name: named, operation: a, kind: SERVER, calls: 20, errors: 20}
        - {window_start: "1970-01-01T00:06:00Z", service_name: named, operation: b, kind: SERVER, calls: 20, errors: 1}
        - {window_start: "1970-01-01T00:06:00Z", service_name: milder, operation: a, kind: SERVER, calls: 50, errors: 10}
        - {window_start: "1970-01-01T00:06:00Z", service_name: spread, operation: a, kind: SERVER, calls: 20, errors: 20}
        - {window_start: "1970-01-01T00:06:00Z", service_name: spread, operation: b, kind: SERVER, calls: 19, errors: 19}
        - {window_start: "1970-01-01T00:06:00Z", service_name: spread, operation: c, kind: SERVER, calls: 19, errors: 19}
        - {window_start: "1970-01-01T00:06:00Z", service_name: over, operation: a, kind: SERVER, calls: 20, errors: 20}
        - {window_start: "1970-01-01T00:06:00Z", service_name: budgeted, operation: a, kind: SERVER, calls: 20, errors: 20}
        - {window_start: "1970-01-01T00:06:00Z", service_name: worse, operation: a, kind: SERVER, calls: 20, errors: 20}
    expect:
      - {service_name: named, state: ok, value: 52.5, explained_by: error_rate}
      - {service_name: milder, state: firing, severity: critical, value: 20}
      - {service_name: spread, state: firing, severity: critical, value: 100}
      - {service_name: over, state: firing, severity: critical, value: 100}
      - {service_name: budgeted, state: ok, value: 100, explained_by: error_rate_budget}
      - {service_name: worse, state: firing, severity: critical, value: 100}
---
More requests of a service fail than `alerting.errorRate` allows, and no single operation causes most of the failures. Look
for what the failing operations have in common.

If `error_rate` fires for operations with at least half of the failures, and for one of them with the same severity, these
are reported instead of the service. The same applies if an error-rate budget of the service fires with the same severity. */
WITH budgeted AS (
  SELECT key['service_name'] AS service_name, min(severity) AS severity
  FROM firings
  WHERE pipeline = 'error_rate_budget' AND ended IS NULL
  GROUP BY 1
), fires AS (
  SELECT key['service_name'] AS service_name, key['operation'] AS operation, max(severity) AS severity
  FROM firings
  WHERE pipeline = 'error_rate' AND ended IS NULL
  GROUP BY 1, 2
), seen AS (
  SELECT
    r.service_name,
    sum(r.calls) AS calls,
    sum(r.errors) AS errors,
    100.0 * sum(r.errors_estimated) / sum(r.calls_estimated) AS percent,
    sum(CASE WHEN f.operation IS NOT NULL THEN r.errors ELSE 0 END) AS explained_errors,
    -- The most severe one: 'critical' sorts before 'warning'.
    min(f.severity) AS severity,
    exemplars_merge(r.error_exemplars) AS exemplars
  FROM requests r
  LEFT JOIN fires f ON f.service_name = r.service_name AND f.operation = r.operation
  WHERE r.window_start >= $window_start AND r.window_start < $window_end AND r.kind = 'SERVER'
  GROUP BY 1
), failed AS (
  SELECT service_name, error_summary(error_type, errors_estimated, exemplars) AS exceptions
  FROM failures
  WHERE window_start >= $window_start AND window_start < $window_end AND what = 'request'
  GROUP BY 1
)
SELECT
  s.service_name,
  s.percent AS value,
  s.calls AS samples,
  s.errors,
  x.exceptions,
  CASE
    WHEN b.severity IS NOT NULL AND (b.severity = 'critical' OR s.explained_errors = 0) THEN 'error_rate_budget'
    WHEN s.explained_errors > 0 AND 2 * s.explained_errors >= s.errors THEN 'error_rate'
    WHEN b.severity IS NOT NULL THEN 'error_rate_budget'
  END AS explained_by,
  CASE
    WHEN b.severity = 'critical' THEN 'critical'
    WHEN s.explained_errors > 0 AND 2 * s.explained_errors >= s.errors THEN s.severity
    ELSE b.severity
  END AS explained_severity,
  true AS explained_at_once,
  exemplar_trace_ids(s.exemplars) AS trace_ids
FROM seen s
LEFT JOIN failed x ON x.service_name = s.service_name
LEFT JOIN budgeted b ON b.service_name = s.service_name
