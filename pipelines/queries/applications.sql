/*---
title: Whole services
kind: rollup
table: applications
reads: [spans]
example:
  given:
    spans:
      - {start_time: "1970-01-01T00:00:01Z", service_name: shop, kind: SERVER, error: false, user_id: anna}
      - {start_time: "1970-01-01T00:00:02Z", service_name: shop, kind: SERVER, error: true, user_id: anna}
      - {start_time: "1970-01-01T00:00:03Z", service_name: shop, kind: INTERNAL, error: true}
  expect:
    - {window_start: "1970-01-01T00:00:00Z", service_name: shop, calls: 2, errors: 1}
---
Load, errors and distinct users of each service. Users are counted where senders set `user.id` or `enduser.id`, sessions
where they set `session.id`. */
SELECT
  date_bin(INTERVAL '10 seconds', start_time) AS window_start,
  service_name,
  count(*) AS calls,
  sum(CASE WHEN error THEN 1 ELSE 0 END) AS errors,
  distinct_sketch(user_id) AS users_sketch,
  distinct_sketch(session_id) AS sessions_sketch,
  CAST(NULL AS DOUBLE) AS queue_length_max
FROM new_spans
WHERE kind IN ('SERVER', 'CONSUMER')
GROUP BY 1, 2
