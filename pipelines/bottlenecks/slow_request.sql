/*---
title: Slow requests
kind: finding
counted: requests
window: 5m
key: [service_name, operation]
direction: above
no_data: resolve
unit: "%"
params: {threshold_ms: 1000.0, share_percent: 1.0, slow_min: 5}
message: "{service_name} {operation}: {slow_calls} of {samples} requests took longer than {threshold_ms}, the slowest {max_ms}"
examples:
  - name: a share, and at least five
    now_ms: 7200000
    given:
      requests:
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: GET /slow, kind: SERVER, calls: 100, errors: 0, slow_calls: 5, duration_sum_ms: 9500, duration_max_ms: 1500}
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: GET /four, kind: SERVER, calls: 100, errors: 0, slow_calls: 4, duration_sum_ms: 9500, duration_max_ms: 1500}
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: GET /many, kind: SERVER, calls: 600, errors: 0, slow_calls: 6, duration_sum_ms: 9500, duration_max_ms: 1500}
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: jobs, kind: CONSUMER, calls: 30, errors: 0, slow_calls: 30, duration_sum_ms: 150000, duration_max_ms: 5000}
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: GET /fast, kind: SERVER, calls: 50, errors: 0, slow_calls: 0, duration_sum_ms: 50, duration_max_ms: 10}
    expect:
      - {service_name: shop, operation: GET /slow, state: firing, severity: warning, value: 5, limit: 4}
      - {service_name: shop, operation: GET /four, state: ok, value: 4, limit: 4}
      - {service_name: shop, operation: GET /many, state: ok, value: 1, limit: 1}
      - {service_name: shop, operation: jobs, state: firing, severity: warning, value: 100}
      - {service_name: shop, operation: GET /fast, state: ok, value: 0}
  - name: with fewer than 20 requests the last hour is judged
    now_ms: 7200000
    given:
      requests:
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: GET /seldom, kind: SERVER, calls: 2, errors: 0, slow_calls: 1, duration_sum_ms: 2000, duration_max_ms: 1900}
        - {window_start: "1970-01-01T01:10:00Z", service_name: shop, operation: GET /seldom, kind: SERVER, calls: 38, errors: 0, slow_calls: 4, duration_sum_ms: 9000, duration_max_ms: 2500}
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: GET /well, kind: SERVER, calls: 19, errors: 0, slow_calls: 1, duration_sum_ms: 2000, duration_max_ms: 1900}
        - {window_start: "1970-01-01T01:10:00Z", service_name: shop, operation: GET /well, kind: SERVER, calls: 199, errors: 0, slow_calls: 0, duration_sum_ms: 9000, duration_max_ms: 500}
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: GET /busy, kind: SERVER, calls: 20, errors: 0, slow_calls: 0, duration_sum_ms: 200, duration_max_ms: 10}
        - {window_start: "1970-01-01T01:10:00Z", service_name: shop, operation: GET /busy, kind: SERVER, calls: 20, errors: 0, slow_calls: 20, duration_sum_ms: 90000, duration_max_ms: 5000}
        - {window_start: "1970-01-01T01:10:00Z", service_name: shop, operation: GET /gone, kind: SERVER, calls: 20, errors: 0, slow_calls: 20, duration_sum_ms: 90000, duration_max_ms: 5000}
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: GET /new, kind: SERVER, calls: 4, errors: 0, slow_calls: 4, duration_sum_ms: 6000, duration_max_ms: 1900}
    expect:
      - {service_name: shop, operation: GET /seldom, state: firing, value: 12.5, samples: 40, slow_calls: 5, max_ms: 2500}
      - {service_name: shop, operation: GET /well, state: ok, value: 0.4587, samples: 218}
      - {service_name: shop, operation: GET /busy, state: ok, value: 0, samples: 20}
      - {service_name: shop, operation: GET /new, state: no_data}
  - name: explained by a firing budget or statement
    now_ms: 7200000
    given:
      firings:
        - {pipeline: api_budget, key: {budget: all, service_name: shop, operation: GET /budget}, from_time: "1970-01-01T01:50:00Z", started: "1970-01-01T01:56:00Z"}
        - {pipeline: api_budget, key: {budget: all, service_name: shop, operation: GET /over}, from_time: "1970-01-01T01:30:00Z", started: "1970-01-01T01:36:00Z", ended: "1970-01-01T01:45:00Z"}
        - {pipeline: n_plus_one, key: {service_name: shop, operation: GET /list, db_fingerprint: SELECT ?}, from_time: "1970-01-01T01:50:00Z", started: "1970-01-01T01:56:00Z"}
        - {pipeline: slow_statement, key: {service_name: shop, db_fingerprint: SELECT ?}, from_time: "1970-01-01T01:50:00Z", started: "1970-01-01T01:56:00Z", evidence: '{"called_by":"shop GET /a, shop GET /statement","max_ms":1200}', trace_ids: [t7, t8]}
        - {pipeline: slow_statement, key: {service_name: shop, db_fingerprint: SELECT quick}, from_time: "1970-01-01T01:50:00Z", started: "1970-01-01T01:56:00Z", evidence: '{"called_by":"shop GET /quick","max_ms":150}', trace_ids: [t10]}
      requests:
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: GET /budget, kind: SERVER, calls: 100, errors: 0, slow_calls: 50, duration_sum_ms: 9500, duration_max_ms: 1500}
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: GET /over, kind: SERVER, calls: 100, errors: 0, slow_calls: 50, duration_sum_ms: 9500, duration_max_ms: 1500}
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: GET /list, kind: SERVER, calls: 100, errors: 0, slow_calls: 50, duration_sum_ms: 9500, duration_max_ms: 1500}
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: GET /statement, kind: SERVER, calls: 100, errors: 0, slow_calls: 50, duration_sum_ms: 9500, duration_max_ms: 1500}
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: GET /state, kind: SERVER, calls: 100, errors: 0, slow_calls: 50, duration_sum_ms: 9500, duration_max_ms: 1500}
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: GET /quick, kind: SERVER, calls: 100, errors: 0, slow_calls: 50, duration_sum_ms: 9500, duration_max_ms: 1500}
        - {window_start: "1970-01-01T01:56:00Z", service_name: edge, operation: GET /edge, kind: SERVER, calls: 100, errors: 0, slow_calls: 50, duration_sum_ms: 9500, duration_max_ms: 1500, exemplars: '[{"trace_id":"t8","value":1500},{"trace_id":"t9","value":1400}]'}
        - {window_start: "1970-01-01T01:56:00Z", service_name: edge, operation: GET /other, kind: SERVER, calls: 100, errors: 0, slow_calls: 50, duration_sum_ms: 9500, duration_max_ms: 1500, exemplars: '[{"trace_id":"t10","value":1500}]'}
    expect:
      - {service_name: shop, operation: GET /budget, state: ok, value: 50, explained_by: api_budget}
      - {service_name: shop, operation: GET /over, state: firing, value: 50}
      - {service_name: shop, operation: GET /list, state: ok, value: 50, explained_by: n_plus_one}
      - {service_name: shop, operation: GET /statement, state: ok, value: 50, explained_by: slow_statement}
      - {service_name: shop, operation: GET /state, state: firing, value: 50}
      - {service_name: shop, operation: GET /quick, state: firing, value: 50}
      - {service_name: edge, operation: GET /edge, state: ok, value: 50, explained_by: slow_statement}
      - {service_name: edge, operation: GET /other, state: firing, value: 50}
---
Many requests take longer than a second. Start with the span with the most self time in the traces, which show the slowest
requests.

Fires if more than 1 % and at least five of an operation's requests are slow. With fewer than 20 requests in the window, the
last hour is judged. `alerting.slowRequest` sets the duration of a slow request and the share; with a share of 0 every slow
request in the window fires.

Each cause is reported once. If `api_budget` or `n_plus_one` fires for the operation, or `slow_statement` for a statement
that it runs, only that finding fires. The same applies to a budget or a statement of another service in the same traces. A
call that never took half as long as a slow request is not a cause. */
WITH fired AS (
  SELECT
    pipeline,
    key['service_name'] AS service_name,
    key['operation'] AS operation,
    concat(', ', json_text(evidence, 'called_by'), ', ') AS called_by,
    trace_ids,
    coalesce(TRY_CAST(json_text(evidence, 'max_ms') AS DOUBLE), 0.0) >= $threshold_ms / 2.0 AS is_long
  FROM firings
  WHERE pipeline IN ('api_budget', 'n_plus_one', 'slow_statement') AND ended IS NULL
), seen AS (
  SELECT
    service_name,
    operation,
    window_start >= $window_start AS is_new,
    sum(calls) AS calls,
    sum(slow_calls) AS slow_calls,
    sum(calls_estimated) AS calls_estimated,
    sum(slow_calls_estimated) AS slow_estimated,
    sum(duration_sum_ms) AS total_ms,
    max(duration_max_ms) AS max_ms,
    -- Windows without slow requests need no traces.
    exemplars_merge(exemplars) FILTER (WHERE slow_calls > 0) AS exemplars
  FROM requests
  WHERE window_start >= least($window_start, $window_end - INTERVAL '1 hour') AND window_start < $window_end
  GROUP BY 1, 2, 3
), span AS (
  -- With a share of 0 each slow request fires while it is in the window.
  SELECT service_name, operation, calls < 20 AND $slow_min > 1 AS by_hour FROM seen WHERE is_new
), judged AS (
  SELECT
    s.service_name,
    s.operation,
    sum(s.calls) AS calls,
    sum(s.slow_calls) AS slow_calls,
    100.0 * sum(s.slow_estimated) / sum(s.calls_estimated) AS percent,
    sum(s.total_ms) AS total_ms,
    max(s.max_ms) AS max_ms,
    exemplar_trace_ids(exemplars_merge(s.exemplars)) AS trace_ids
  FROM seen s
  JOIN span p ON p.service_name = s.service_name AND p.operation = s.operation
  WHERE s.is_new OR p.by_hour
  GROUP BY 1, 2
), explained AS (
  SELECT j.service_name, j.operation, min(f.pipeline) AS pipeline
  FROM judged j
  JOIN fired f
    -- Skip operations without slow requests, because every pair is compared.
    ON j.slow_calls > 0 AND (
      (f.service_name = j.service_name AND f.operation = j.operation)
      OR (f.is_long AND strpos(f.called_by, concat(', ', j.service_name, ' ', j.operation, ', ')) > 0)
      OR (f.is_long AND array_has_any(string_to_array(j.trace_ids, ','), f.trace_ids))
    )
  GROUP BY 1, 2
)
SELECT
  j.service_name,
  j.operation,
  j.percent AS value,
  j.calls AS samples,
  CAST($slow_min AS BIGINT) AS samples_min,
  greatest(
    $share_percent,
    -- The share at which fewer than `slow_min` requests are slow.
    coalesce(j.percent * ($slow_min - 1) / nullif(j.slow_calls, 0), 100.0 * ($slow_min - 1) / j.calls)
  ) AS warning,
  j.slow_calls,
  $threshold_ms AS threshold_ms,
  j.total_ms,
  j.max_ms,
  e.pipeline AS explained_by,
  j.trace_ids
FROM judged j
LEFT JOIN explained e ON e.service_name = j.service_name AND e.operation = j.operation
