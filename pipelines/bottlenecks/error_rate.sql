/*---
title: Error rate
kind: finding
counted: requests
window: 5m
key: [service_name, operation]
direction: above
alerting: errorRate
warning: 5
critical: 25
samples_min: 20
no_data: resolve
unit: "%"
message: "{service_name} {operation}: {value} of {samples} requests fail"
examples:
  - name: warning above 5 %, critical above 25 %, and too few requests
    now_ms: 7200000
    given:
      requests:
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: down, kind: SERVER, calls: 20, errors: 20}
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: bad, kind: SERVER, calls: 20, errors: 2}
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: well, kind: SERVER, calls: 20, errors: 1}
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: few, kind: SERVER, calls: 19, errors: 19}
        - {window_start: "1970-01-01T01:30:00Z", service_name: shop, operation: few, kind: SERVER, calls: 100, errors: 100}
        - {window_start: "1970-01-01T01:30:00Z", service_name: shop, operation: over, kind: SERVER, calls: 100, errors: 100}
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: jobs, kind: CONSUMER, calls: 100, errors: 100}
      failures:
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, what: request, operation: down, error_type: ValueError, errors: 20, exemplars: '[{"trace_id":"t1","value":1.0,"text":"no such card"}]'}
        - {window_start: "1970-01-01T01:30:00Z", service_name: shop, what: request, operation: down, error_type: Before, errors: 90}
    expect:
      - {service_name: shop, operation: down, state: firing, severity: critical, value: 100, exceptions: "20x ValueError: no such card"}
      - {service_name: shop, operation: bad, state: firing, severity: warning, value: 10}
      - {service_name: shop, operation: well, state: ok, value: 5}
      - {service_name: shop, operation: few, state: no_data}
  - name: a sampler that keeps all failures and a tenth of the rest does not raise the rate
    now_ms: 7200000
    given:
      requests:
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: kept, kind: SERVER, calls: 25, calls_estimated: 205, errors: 5, errors_estimated: 5}
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: few, kind: SERVER, calls: 19, calls_estimated: 190, errors: 19, errors_estimated: 190}
    expect:
      - {service_name: shop, operation: kept, state: ok, value: 2.439, samples: 25}
      - {service_name: shop, operation: few, state: no_data}
  - name: user limits
    now_ms: 7200000
    alerting: {warning: 1, critical: 5}
    given:
      requests:
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: a, kind: SERVER, calls: 100, errors: 6}
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: b, kind: SERVER, calls: 100, errors: 2}
    expect:
      - {service_name: shop, operation: a, state: firing, severity: critical, value: 6}
      - {service_name: shop, operation: b, state: firing, severity: warning, value: 2}
  - name: with few requests it resolves if none failed and this is not by chance
    now_ms: 7200000
    given:
      firings:
        - {pipeline: error_rate, key: {service_name: shop, operation: again}, from_time: "1970-01-01T01:30:00Z", started: "1970-01-01T01:31:00Z", worst: 100}
        - {pipeline: error_rate, key: {service_name: shop, operation: chance}, from_time: "1970-01-01T01:30:00Z", started: "1970-01-01T01:31:00Z", worst: 30}
        - {pipeline: error_rate, key: {service_name: shop, operation: still}, from_time: "1970-01-01T01:30:00Z", started: "1970-01-01T01:31:00Z", worst: 100}
        - {pipeline: error_rate, key: {service_name: shop, operation: past}, from_time: "1970-01-01T01:00:00Z", started: "1970-01-01T01:01:00Z", ended: "1970-01-01T01:10:00Z", worst: 100}
      requests:
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: again, kind: SERVER, calls: 3, errors: 0}
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: chance, kind: SERVER, calls: 12, errors: 0}
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: still, kind: SERVER, calls: 12, errors: 1}
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: past, kind: SERVER, calls: 12, errors: 0}
    expect:
      - {service_name: shop, operation: again, state: ok, value: 0}
      - {service_name: shop, operation: chance, state: no_data}
      - {service_name: shop, operation: still, state: no_data}
      - {service_name: shop, operation: past, state: no_data}
  - name: explained by a user budget that fires with at least the same severity
    now_ms: 7200000
    given:
      firings:
        - {pipeline: error_rate_budget, key: {budget: errorRate, service_name: shop}, severity: critical, from_time: "1970-01-01T01:50:00Z", started: "1970-01-01T01:56:00Z", evidence: '{"operations":"GET /a, GET /b"}'}
        - {pipeline: error_rate_budget, key: {budget: errorRate, service_name: mild}, severity: warning, from_time: "1970-01-01T01:50:00Z", started: "1970-01-01T01:56:00Z", evidence: '{"operations":"GET /a, GET /warns"}'}
        - {pipeline: error_rate_budget, key: {budget: errorRate, service_name: over}, from_time: "1970-01-01T01:50:00Z", started: "1970-01-01T01:56:00Z", ended: "1970-01-01T01:57:00Z", evidence: '{"operations":"GET /a"}'}
      requests:
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: GET /a, kind: SERVER, calls: 100, errors: 100}
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: GET /b, kind: SERVER, calls: 100, errors: 10}
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: GET /later, kind: SERVER, calls: 100, errors: 100}
        - {window_start: "1970-01-01T01:56:00Z", service_name: mild, operation: GET /a, kind: SERVER, calls: 100, errors: 100}
        - {window_start: "1970-01-01T01:56:00Z", service_name: mild, operation: GET /warns, kind: SERVER, calls: 100, errors: 10}
        - {window_start: "1970-01-01T01:56:00Z", service_name: over, operation: GET /a, kind: SERVER, calls: 100, errors: 100}
    expect:
      - {service_name: shop, operation: GET /a, state: ok, value: 100, explained_by: error_rate_budget}
      - {service_name: shop, operation: GET /b, state: ok, value: 10, explained_by: error_rate_budget}
      - {service_name: shop, operation: GET /later, state: firing, severity: critical}
      - {service_name: mild, operation: GET /a, state: firing, severity: critical}
      - {service_name: mild, operation: GET /warns, state: ok, value: 10, explained_by: error_rate_budget}
      - {service_name: over, operation: GET /a, state: firing, severity: critical}
---
Requests of this operation fail. Compare the failed traces, and check what was deployed or changed when the failures began.

Fires while the error rate of an operation exceeds its limit. `alerting.errorRate` sets the limits. `error_rate_rise` reports
lower error rates that increased, `failing_job` reports messages and jobs.

Starts firing at 20 requests or more. With fewer requests in the window, a firing operation is judged over all requests since
the failures began, at most one hour. It resolves earlier if no request failed and the probability of that at its worst error
rate is below 1 %: 3 requests after all failed, 7 after half failed. It also resolves when requests stop.

Does not fire if an error-rate budget of the service fires with at least the same severity and names the operation. */
WITH budgeted AS (
  SELECT
    key['service_name'] AS service_name,
    concat(', ', json_text(evidence, 'operations'), ', ') AS operations,
    severity
  FROM firings
  WHERE pipeline = 'error_rate_budget' AND ended IS NULL
), fires AS (
  SELECT key['service_name'] AS service_name, key['operation'] AS operation, max(worst) AS worst
  FROM firings
  WHERE pipeline = 'error_rate' AND ended IS NULL
  GROUP BY 1, 2
), seen AS (
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
), failed AS (
  SELECT service_name, operation, error_summary(error_type, errors_estimated, exemplars) AS exceptions
  FROM failures
  WHERE window_start >= $window_start AND window_start < $window_end AND what = 'request'
  GROUP BY 1, 2
)
SELECT
  s.service_name,
  s.operation,
  s.percent AS value,
  s.calls AS samples,
  CASE
    WHEN f.service_name IS NULL THEN NULL
    WHEN s.errors = 0 AND s.calls >= ln(0.01) / ln(1.0 - least(coalesce(f.worst, 5.0), 80.0) / 100.0) THEN 1
    -- The window does not grow beyond one hour: judge what it contains.
    WHEN $window_start <= $window_end - INTERVAL '1 hour' THEN 1
  END AS samples_min,
  s.errors,
  x.exceptions,
  CASE WHEN t.service_name IS NOT NULL THEN 'error_rate_budget' END AS explained_by,
  t.severity AS explained_severity,
  true AS explained_at_once,
  exemplar_trace_ids(s.exemplars) AS trace_ids
FROM seen s
LEFT JOIN fires f ON f.service_name = s.service_name AND f.operation = s.operation
LEFT JOIN failed x ON x.service_name = s.service_name AND x.operation = s.operation
LEFT JOIN budgeted t ON t.service_name = s.service_name AND strpos(t.operations, concat(', ', s.operation, ', ')) > 0
