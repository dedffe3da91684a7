/*---
title: Service totals
kind: rollup
table: applications
reads: [spans]
example:
  name: users of servers, and of browsers without server spans
  given:
    spans:
      - {start_time: "1970-01-01T00:00:01Z", service_name: shop, kind: SERVER, error: false, user_id: anna}
      - {start_time: "1970-01-01T00:00:02Z", service_name: shop, kind: SERVER, error: true, user_id: anna, sampled_weight: 8}
      - {start_time: "1970-01-01T00:00:03Z", service_name: shop, kind: INTERNAL, error: true}
      - {start_time: "1970-01-01T00:00:03Z", service_name: web, kind: INTERNAL, error: false, session_id: s1}
  expect:
    - {window_start: "1970-01-01T00:00:00Z", service_name: web, calls: 0, errors: 0}
    - {window_start: "1970-01-01T00:00:00Z", service_name: shop, calls: 2, calls_estimated: 9, errors: 1, errors_estimated: 8}
---
Load, errors and distinct users of each service. Users are counted by `user.id` or `enduser.id`, sessions by `session.id`, on
spans of any kind because browsers send no server spans. */
SELECT
  date_bin(INTERVAL '10 seconds', start_time) AS window_start,
  service_name,
  sum(CASE WHEN kind IN ('SERVER', 'CONSUMER') THEN 1 ELSE 0 END) AS calls,
  sum(CASE WHEN kind IN ('SERVER', 'CONSUMER') THEN coalesce(sampled_weight, 1.0) ELSE 0.0 END) AS calls_estimated,
  sum(CASE WHEN kind IN ('SERVER', 'CONSUMER') AND error THEN 1 ELSE 0 END) AS errors,
  sum(CASE WHEN kind IN ('SERVER', 'CONSUMER') AND error THEN coalesce(sampled_weight, 1.0) ELSE 0.0 END) AS errors_estimated,
  distinct_sketch(user_id) AS users_sketch,
  distinct_sketch(session_id) AS sessions_sketch,
  CAST(NULL AS DOUBLE) AS queue_length_max
FROM new_spans
WHERE kind IN ('SERVER', 'CONSUMER') OR user_id IS NOT NULL OR session_id IS NOT NULL
GROUP BY 1, 2
