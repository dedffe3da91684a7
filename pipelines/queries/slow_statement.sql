/*---
title: Slow database statement
kind: finding
window: 5m
key: [service_name, db_namespace, db_fingerprint]
direction: above
warning: 100
critical: 1000
samples_min: 5
unit: ms
params: {limit: 50}
scan: true
message: "{service_name}: p95 {value} over {samples} calls of {db_fingerprint}"
examples:
  - name: slow, fast, and too few calls to judge
    now_ms: 600000
    given:
      queries:
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, db_namespace: main, db_fingerprint: SELECT slow, calls: 5, errors: 0, duration_sum_ms: 1000, duration_max_ms: 200, duration_sketch: [200, 200, 200, 200, 200]}
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, db_namespace: main, db_fingerprint: SELECT fast, calls: 5, errors: 0, duration_sum_ms: 10, duration_max_ms: 2, duration_sketch: [2, 2, 2, 2, 2]}
        - {window_start: "1970-01-01T00:06:00Z", service_name: shop, db_namespace: main, db_fingerprint: SELECT once, calls: 1, errors: 0, duration_sum_ms: 900, duration_max_ms: 900, duration_sketch: [900]}
      spans: []
    expect:
      - {service_name: shop, db_namespace: main, db_fingerprint: SELECT slow, state: firing, severity: warning, value: 200}
      - {service_name: shop, db_namespace: main, db_fingerprint: SELECT fast, state: ok}
      - {service_name: shop, db_namespace: main, db_fingerprint: SELECT once, state: no_data}
---
A statement is slow in itself. Look at its plan: a scan over a large table wants an index on the columns that it filters
by; many rows returned want a limit, or fewer columns.

Statements are one when they differ in literals alone. The operations named are those whose traces show the statement. */
WITH seen AS (
  SELECT
    service_name,
    db_namespace,
    db_fingerprint,
    quantile(duration_sketch, 0.95) AS value,
    sum(calls) AS samples,
    sum(errors) AS errors,
    sum(duration_sum_ms) AS total_ms,
    max(duration_max_ms) AS max_ms,
    sum(rows_returned) AS rows_returned,
    exemplar_trace_ids(exemplars_merge(exemplars)) AS trace_ids
  FROM queries
  WHERE window_start >= $window_start AND window_start < $window_end
  GROUP BY 1, 2, 3
), traces AS (
  SELECT service_name, db_namespace, db_fingerprint, unnest(string_to_array(trace_ids, ',')) AS trace_id
  FROM seen
  WHERE value > 100
), callers AS (
  SELECT
    t.service_name, t.db_namespace, t.db_fingerprint,
    string_agg(DISTINCT concat(s.service_name, ' ', s.operation), ', ') AS called_by
  FROM traces t
  JOIN spans s ON s.trace_id = t.trace_id
  WHERE s.kind IN ('SERVER', 'CONSUMER') AND s.start_time >= $window_start - INTERVAL '1 minute'
  GROUP BY 1, 2, 3
)
SELECT
  s.service_name, s.db_namespace, s.db_fingerprint, s.value, s.samples, s.errors, s.total_ms,
  s.total_ms / s.samples AS avg_ms, s.max_ms, s.rows_returned, c.called_by, s.trace_ids
FROM seen s
LEFT JOIN callers c
  ON c.service_name = s.service_name AND c.db_fingerprint = s.db_fingerprint
  AND c.db_namespace IS NOT DISTINCT FROM s.db_namespace
ORDER BY s.total_ms DESC
