/*---
title: Job runs
kind: rollup
table: jobs
reads: [spans]
example:
  name: a job counts when it ends; browser spans and single statements are not jobs
  given:
    spans:
      - {start_time: "1970-01-01T00:00:01Z", end_time_unix_nano: 25000000000, service_name: shop, kind: INTERNAL, operation: nightly, duration_ms: 24000, error: true, trace_id: t1, sampled_weight: 3}
      - {start_time: "1970-01-01T00:00:22Z", end_time_unix_nano: 23000000000, service_name: shop, kind: INTERNAL, operation: nightly, duration_ms: 1000, error: false, trace_id: t2}
      - {start_time: "1970-01-01T00:00:22Z", end_time_unix_nano: 23000000000, service_name: shop, kind: INTERNAL, operation: step, parent_span_id: p, duration_ms: 1000, error: true}
      - {start_time: "1970-01-01T00:00:22Z", end_time_unix_nano: 23000000000, service_name: shop, kind: CONSUMER, operation: orders, parent_span_id: p, duration_ms: 1000, error: false}
      - {start_time: "1970-01-01T00:00:22Z", end_time_unix_nano: 23000000000, service_name: web, kind: INTERNAL, operation: click, duration_ms: 1000, error: true, resource_attributes: {telemetry.sdk.language: webjs}}
      - {start_time: "1970-01-01T00:00:22Z", end_time_unix_nano: 23000000000, service_name: shop, kind: INTERNAL, operation: SELECT, db_query_text: SELECT 1, duration_ms: 1000, error: true}
      - {start_time: "1970-01-01T00:00:22Z", end_time_unix_nano: 23000000000, service_name: spanwise, scope_name: spanwise, kind: INTERNAL, operation: flush, duration_ms: 1, error: true}
  expect:
    - {window_start: "1970-01-01T00:00:20Z", service_name: shop, operation: nightly, kind: INTERNAL, runs: 2, runs_estimated: 4, errors: 1, errors_estimated: 3, duration_sum_ms: 25000, duration_sum_estimated_ms: 73000, duration_max_ms: 24000, last_failed_time: "1970-01-01T00:00:25Z", last_good_time: "1970-01-01T00:00:23Z"}
    - {window_start: "1970-01-01T00:00:20Z", service_name: shop, operation: orders, kind: CONSUMER, runs: 1, errors: 0, last_good_time: "1970-01-01T00:00:23Z"}
---
Background work: jobs, which are traces that start with an INTERNAL span, and messages processed by a consumer. A run belongs
to the window in which it ended, because some runs take hours. */
WITH ran AS (
  SELECT
    arrow_cast(end_time_unix_nano / 1000, 'Timestamp(Microsecond, Some("UTC"))') AS end_time,
    service_name, operation, kind, error, duration_ms, trace_id, span_id, coalesce(sampled_weight, 1.0) AS weight
  FROM new_spans
  WHERE kind = 'CONSUMER'
    OR kind = 'INTERNAL' AND parent_span_id IS NULL
      AND db_fingerprint IS NULL
      AND coalesce(resource_attributes['telemetry.sdk.language'], '') <> 'webjs'
      -- Spanwise's own spans have separate findings.
      AND scope_name IS DISTINCT FROM 'spanwise'
)
SELECT
  date_bin(INTERVAL '10 seconds', end_time) AS window_start,
  service_name,
  operation,
  kind,
  count(*) AS runs,
  sum(weight) AS runs_estimated,
  sum(CASE WHEN error THEN 1 ELSE 0 END) AS errors,
  sum(CASE WHEN error THEN weight ELSE 0.0 END) AS errors_estimated,
  sum(duration_ms) AS duration_sum_ms,
  sum(duration_ms * weight) AS duration_sum_estimated_ms,
  max(duration_ms) AS duration_max_ms,
  sketch(duration_ms, sampled_count(weight, trace_id, span_id)) AS duration_sketch,
  max(CASE WHEN error THEN end_time END) AS last_failed_time,
  max(CASE WHEN NOT error THEN end_time END) AS last_good_time,
  exemplars(trace_id, duration_ms) AS exemplars
FROM ran
GROUP BY 1, 2, 3, 4
