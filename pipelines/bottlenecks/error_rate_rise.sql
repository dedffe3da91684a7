/*---
title: Error rate increase
kind: finding
counted: requests
window: 5m
key: [service_name, operation]
direction: at_least
samples_min: 50
for: 1m
no_data: resolve
unit: "%"
params: {times: 3.0, percent_min: 1.0, before_calls_min: 50}
message: "{service_name} {operation}: {value} of {samples} requests fail, {before_percent} in the previous hour"
examples:
  - name: 3 times the previous hour
    now_ms: 7200000
    given:
      requests:
        - {window_start: "1970-01-01T01:55:00Z", service_name: shop, operation: up, kind: SERVER, calls: 100, errors: 4}
        - {window_start: "1970-01-01T01:30:00Z", service_name: shop, operation: up, kind: SERVER, calls: 100, errors: 1}
        - {window_start: "1970-01-01T01:55:00Z", service_name: shop, operation: same, kind: SERVER, calls: 100, errors: 4}
        - {window_start: "1970-01-01T01:30:00Z", service_name: shop, operation: same, kind: SERVER, calls: 100, errors: 4}
        - {window_start: "1970-01-01T01:55:00Z", service_name: shop, operation: new, kind: SERVER, calls: 50, errors: 2}
        - {window_start: "1970-01-01T01:55:00Z", service_name: shop, operation: new again, kind: SERVER, calls: 50, errors: 2}
        - {window_start: "1970-01-01T01:30:00Z", service_name: shop, operation: new again, kind: SERVER, calls: 49, errors: 0}
        - {window_start: "1970-01-01T01:55:00Z", service_name: shop, operation: few, kind: SERVER, calls: 49, errors: 2}
        - {window_start: "1970-01-01T01:30:00Z", service_name: shop, operation: few, kind: SERVER, calls: 100, errors: 0}
    expect:
      - {service_name: shop, operation: up, state: pending, value: 4, limit: 3}
      - {service_name: shop, operation: same, state: ok, value: 4, limit: 12}
      - {service_name: shop, operation: few, state: no_data}
  - name: a limit that can be reached even if most requests failed before
    now_ms: 7200000
    given:
      requests:
        - {window_start: "1970-01-01T01:55:00Z", service_name: shop, operation: worse, kind: SERVER, calls: 100, errors: 97}
        - {window_start: "1970-01-01T01:30:00Z", service_name: shop, operation: worse, kind: SERVER, calls: 100, errors: 70}
        - {window_start: "1970-01-01T01:55:00Z", service_name: shop, operation: all, kind: SERVER, calls: 100, errors: 100}
        - {window_start: "1970-01-01T01:30:00Z", service_name: shop, operation: all, kind: SERVER, calls: 100, errors: 100}
    expect:
      - {service_name: shop, operation: worse, state: pending, value: 97, limit: 90}
      - {service_name: shop, operation: all, state: ok, value: 100}
  - name: the previous hour excludes the time in which error_rate or error_rate_rise fired
    now_ms: 7200000
    given:
      firings:
        - {pipeline: error_rate, key: {service_name: shop, operation: was down}, from_time: "1970-01-01T01:20:00Z", started: "1970-01-01T01:25:00Z", ended: "1970-01-01T01:45:00Z", worst: 100}
        - {pipeline: error_rate_rise, key: {service_name: shop, operation: was up}, from_time: "1970-01-01T01:20:00Z", started: "1970-01-01T01:25:00Z", ended: "1970-01-01T01:45:00Z", worst: 4}
        - {pipeline: error_rate, key: {service_name: shop, operation: down all hour}, from_time: "1970-01-01T00:20:00Z", started: "1970-01-01T00:25:00Z", ended: "1970-01-01T01:54:00Z", worst: 100}
        - {pipeline: error_rate, key: {service_name: shop, operation: other}, from_time: "1970-01-01T01:20:00Z", started: "1970-01-01T01:25:00Z", ended: "1970-01-01T01:45:00Z", worst: 100}
      requests:
        - {window_start: "1970-01-01T01:55:00Z", service_name: shop, operation: was down, kind: SERVER, calls: 100, errors: 4}
        - {window_start: "1970-01-01T01:30:00Z", service_name: shop, operation: was down, kind: SERVER, calls: 100, errors: 100}
        - {window_start: "1970-01-01T01:10:00Z", service_name: shop, operation: was down, kind: SERVER, calls: 100, errors: 1}
        - {window_start: "1970-01-01T01:55:00Z", service_name: shop, operation: was up, kind: SERVER, calls: 100, errors: 4}
        - {window_start: "1970-01-01T01:30:00Z", service_name: shop, operation: was up, kind: SERVER, calls: 100, errors: 4}
        - {window_start: "1970-01-01T01:50:00Z", service_name: shop, operation: was up, kind: SERVER, calls: 100, errors: 1}
        - {window_start: "1970-01-01T01:55:00Z", service_name: shop, operation: down all hour, kind: SERVER, calls: 100, errors: 4}
        - {window_start: "1970-01-01T01:30:00Z", service_name: shop, operation: down all hour, kind: SERVER, calls: 100, errors: 100}
    expect:
      - {service_name: shop, operation: was down, state: pending, value: 4, before_percent: "1.0 %"}
      - {service_name: shop, operation: was up, state: pending, value: 4, before_percent: "1.0 %"}
  - name: does not start firing while error_rate fires, and keeps its initial limit while it fires
    now_ms: 7200000
    given:
      firings:
        - {pipeline: error_rate, key: {service_name: shop, operation: down}, from_time: "1970-01-01T01:50:00Z", started: "1970-01-01T01:56:00Z", worst: 100}
        - {pipeline: error_rate, key: {service_name: shop, operation: just over}, from_time: "1970-01-01T01:40:00Z", started: "1970-01-01T01:46:00Z", ended: "1970-01-01T01:57:00Z", worst: 100}
        - {pipeline: error_rate_rise, key: {service_name: shop, operation: up for long}, from_time: "1970-01-01T00:20:00Z", started: "1970-01-01T00:25:00Z", worst: 4, limit_value: 3, evidence: '{"before_percent":"1 %"}'}
        - {pipeline: error_rate_rise, key: {service_name: shop, operation: well again}, from_time: "1970-01-01T00:20:00Z", started: "1970-01-01T00:25:00Z", worst: 4, limit_value: 3, evidence: '{"before_percent":"1 %"}'}
      requests:
        - {window_start: "1970-01-01T01:55:00Z", service_name: shop, operation: down, kind: SERVER, calls: 100, errors: 100}
        - {window_start: "1970-01-01T01:30:00Z", service_name: shop, operation: down, kind: SERVER, calls: 100, errors: 1}
        - {window_start: "1970-01-01T01:55:00Z", service_name: shop, operation: just over, kind: SERVER, calls: 100, errors: 4}
        - {window_start: "1970-01-01T01:30:00Z", service_name: shop, operation: just over, kind: SERVER, calls: 100, errors: 1}
        - {window_start: "1970-01-01T01:55:00Z", service_name: shop, operation: up for long, kind: SERVER, calls: 100, errors: 3}
        - {window_start: "1970-01-01T01:30:00Z", service_name: shop, operation: up for long, kind: SERVER, calls: 100, errors: 4}
        - {window_start: "1970-01-01T01:55:00Z", service_name: shop, operation: well again, kind: SERVER, calls: 100, errors: 2}
    expect:
      - {service_name: shop, operation: down, state: ok, value: 100, explained_by: error_rate}
      - {service_name: shop, operation: just over, state: ok, value: 4, explained_by: error_rate}
      - {service_name: shop, operation: up for long, state: pending, value: 3, limit: 3, before_percent: "1 %"}
      - {service_name: shop, operation: well again, state: ok, value: 2, limit: 3}
  - name: explained by error_rate or a budget that starts firing, even if it fired first
    now_ms: 7200000
    given:
      firings:
        - {pipeline: error_rate_rise, key: {service_name: shop, operation: worse}, from_time: "1970-01-01T01:50:00Z", started: "1970-01-01T01:51:00Z", worst: 4, limit_value: 3, evidence: '{"before_percent":"1 %"}'}
        - {pipeline: error_rate, key: {service_name: shop, operation: worse}, from_time: "1970-01-01T01:52:00Z", started: "1970-01-01T01:56:00Z", worst: 6}
        - {pipeline: error_rate_rise, key: {service_name: shop, operation: budgeted}, from_time: "1970-01-01T01:50:00Z", started: "1970-01-01T01:51:00Z", worst: 4, limit_value: 3, evidence: '{"before_percent":"1 %"}'}
        - {pipeline: error_rate_rise, key: {service_name: shop, operation: other}, from_time: "1970-01-01T01:50:00Z", started: "1970-01-01T01:51:00Z", worst: 4, limit_value: 3, evidence: '{"before_percent":"1 %"}'}
        - {pipeline: error_rate_budget, key: {budget: errorRate, service_name: shop}, severity: warning, from_time: "1970-01-01T01:52:00Z", started: "1970-01-01T01:56:00Z", evidence: '{"operations":"budgeted"}'}
      requests:
        - {window_start: "1970-01-01T01:55:00Z", service_name: shop, operation: worse, kind: SERVER, calls: 100, errors: 6}
        - {window_start: "1970-01-01T01:55:00Z", service_name: shop, operation: budgeted, kind: SERVER, calls: 100, errors: 4}
        - {window_start: "1970-01-01T01:55:00Z", service_name: shop, operation: other, kind: SERVER, calls: 100, errors: 4}
    expect:
      - {service_name: shop, operation: worse, state: ok, value: 6, explained_by: error_rate}
      - {service_name: shop, operation: budgeted, state: ok, value: 4, explained_by: error_rate_budget}
      - {service_name: shop, operation: other, state: pending, value: 4}
---
The error rate of this operation increased. Check what was deployed or changed when it began; the traces show failed
requests.

Fires at 3 times the error rate of the previous hour, but not below 1 %. If most requests failed before, it fires when the
success rate falls to a third. The previous hour excludes the time in which the operation fired here or in `error_rate`.
Operations with fewer than 50 requests left in it are not judged. While it fires, the limit keeps its initial value. If
`error_rate` fires, or an error-rate budget that names the operation, only that one reports it. */
WITH budgeted AS (
  SELECT key['service_name'] AS service_name, concat(', ', json_text(evidence, 'operations'), ', ') AS operations
  FROM firings
  WHERE pipeline = 'error_rate_budget' AND ended IS NULL
), fired AS (
  SELECT
    pipeline,
    key['service_name'] AS service_name,
    key['operation'] AS operation,
    from_time,
    coalesce(ended, $window_end) AS to_time,
    ended IS NULL AS fires,
    limit_value,
    json_text(evidence, 'before_percent') AS before_percent
  FROM firings
  WHERE pipeline IN ('error_rate', 'error_rate_rise')
), own AS (
  SELECT service_name, operation, max(limit_value) AS limit_value, max(before_percent) AS before_percent
  FROM fired
  WHERE pipeline = 'error_rate_rise' AND fires
  GROUP BY 1, 2
), failing AS (
  -- Includes firings that just ended while their requests are still in the window.
  SELECT service_name, operation, bool_or(fires) AS fires
  FROM fired
  WHERE pipeline = 'error_rate' AND to_time > $window_start
  GROUP BY 1, 2
), now_seen AS (
  SELECT
    service_name,
    operation,
    sum(calls) AS calls,
    sum(errors) AS errors,
    100.0 * sum(errors_estimated) / sum(calls_estimated) AS percent,
    exemplars_merge(error_exemplars) AS exemplars
  FROM requests
  WHERE window_start >= $window_start AND window_start < $window_end AND kind = 'SERVER'
  GROUP BY 1, 2
), before_seen AS (
  SELECT r.service_name, r.operation, sum(r.calls) AS calls, 100.0 * sum(r.errors_estimated) / sum(r.calls_estimated) AS percent
  FROM requests r
  LEFT JOIN fired f
    ON f.service_name = r.service_name AND f.operation = r.operation
    AND r.window_start >= f.from_time AND r.window_start < f.to_time
  WHERE r.window_start >= $window_start - INTERVAL '1 hour' AND r.window_start < $window_start
    AND r.kind = 'SERVER' AND f.service_name IS NULL
  GROUP BY 1, 2
), failed AS (
  SELECT service_name, operation, error_summary(error_type, errors_estimated, exemplars) AS exceptions
  FROM failures
  WHERE window_start >= $window_start AND window_start < $window_end AND what = 'request'
  GROUP BY 1, 2
)
SELECT
  n.service_name,
  n.operation,
  n.percent AS value,
  n.calls AS samples,
  CASE
    WHEN o.limit_value IS NOT NULL THEN o.limit_value
    WHEN b.percent < 100.0
    THEN greatest($percent_min, least($times * b.percent, 100.0 - (100.0 - b.percent) / $times))
  END AS warning,
  coalesce(o.before_percent, concat(CAST(round(b.percent, 2) AS TEXT), ' %')) AS before_percent,
  n.errors,
  x.exceptions,
  CASE
    WHEN f.fires OR o.service_name IS NULL AND f.service_name IS NOT NULL THEN 'error_rate'
    WHEN t.service_name IS NOT NULL THEN 'error_rate_budget'
  END AS explained_by,
  true AS explained_at_once,
  exemplar_trace_ids(n.exemplars) AS trace_ids
FROM now_seen n
LEFT JOIN before_seen b ON b.service_name = n.service_name AND b.operation = n.operation
LEFT JOIN own o ON o.service_name = n.service_name AND o.operation = n.operation
LEFT JOIN failing f ON f.service_name = n.service_name AND f.operation = n.operation
LEFT JOIN failed x ON x.service_name = n.service_name AND x.operation = n.operation
LEFT JOIN budgeted t ON t.service_name = n.service_name AND strpos(t.operations, concat(', ', n.operation, ', ')) > 0
WHERE o.service_name IS NOT NULL OR b.calls >= $before_calls_min
