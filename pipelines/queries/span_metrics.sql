/*---
title: Span metrics, as counted by the Collector's span metrics connector
kind: rollup
table: span_metrics
reads: [spans]
examples:
- name: a sampled span counts with its weight, as a whole number
  given:
    spans:
      - {start_time: "1970-01-01T00:00:01Z", service_name: shop, name: GET /a, kind: SERVER, status_code: UNSET, duration_ms: 2, sampled_weight: 4, trace_id: t1, span_id: s1}
      - {start_time: "1970-01-01T00:00:01Z", service_name: shop, name: GET /a, kind: SERVER, status_code: UNSET, duration_ms: 3, sampled_weight: 1, trace_id: t1, span_id: s2}
      - {start_time: "1970-01-01T00:00:01Z", service_name: shop, name: GET /a, kind: SERVER, status_code: UNSET, duration_ms: 20000, sampled_weight: 256, trace_id: t1, span_id: s3}
  expect:
    - {service_name: shop, span_name: GET /a, calls: 3, calls_estimated: 261, duration_sum_ms: 5120011, duration_buckets: [4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 256]}
- name: each instance separately, without Spanwise's own spans
  given:
    spans:
      - {start_time: "1970-01-01T00:00:01Z", service_name: shop, name: GET /a, kind: SERVER, status_code: UNSET, duration_ms: 2}
      - {start_time: "1970-01-01T00:09:01Z", service_name: shop, name: GET /a, kind: SERVER, status_code: UNSET, duration_ms: 2.5}
      - {start_time: "1970-01-01T00:09:01Z", service_name: shop, name: GET /a, kind: SERVER, status_code: ERROR, duration_ms: 20000}
      - {start_time: "1970-01-01T00:09:01Z", service_name: shop, service_namespace: eu, service_instance_id: "1", name: GET /a, kind: SERVER, status_code: UNSET, duration_ms: 7}
      - {start_time: "1970-01-01T00:09:01Z", service_name: spanwise, scope_name: spanwise, name: evaluate, kind: INTERNAL, status_code: UNSET, duration_ms: 20}
  expect:
    - {service_name: shop, service_namespace: eu, service_instance_id: "1", span_name: GET /a, span_kind: SERVER, status_code: UNSET, calls: 1, duration_sum_ms: 7, duration_buckets: [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}
    - {service_name: shop, service_namespace: null, service_instance_id: null, span_name: GET /a, span_kind: SERVER, status_code: UNSET, calls: 2, duration_sum_ms: 4.5, duration_buckets: [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]}
    - {service_name: shop, span_name: GET /a, span_kind: SERVER, status_code: ERROR, calls: 1, duration_sum_ms: 20000, duration_buckets: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]}
---
Counters and histogram of all spans of every kind since the beginning, for dashboards of the Collector's span metrics
connector. As in the connector, each service instance counts separately, with job and instance from its resource. With
upstream sampling, `calls_estimated` and `duration_*` weight each span by its tracestate; a fractional weight is rounded up
for that fraction of spans. `calls` counts the spans seen. The bounds are the connector's defaults, in milliseconds.
Spanwise's own spans are not counted. */
SELECT
  arrow_cast(0, 'Timestamp(Microsecond, Some("UTC"))') AS window_start,
  service_name,
  service_namespace,
  service_instance_id,
  name AS span_name,
  kind AS span_kind,
  status_code,
  count(*) AS calls,
  sum(CAST(n AS DOUBLE)) AS calls_estimated,
  sum(duration_ms * n) AS duration_sum_ms,
  buckets(duration_ms, '2,4,6,8,10,50,100,200,400,800,1000,1400,2000,5000,10000,15000', n) AS duration_buckets,
  max(start_time) AS last_time
FROM (SELECT *, sampled_count(sampled_weight, trace_id, span_id) AS n FROM new_spans)
WHERE scope_name IS DISTINCT FROM 'spanwise'
GROUP BY 2, 3, 4, 5, 6, 7
