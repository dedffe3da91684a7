/*---
title: Service totals per minute
kind: view
example:
  given:
    applications:
      - {window_start: "1970-01-01T00:00:10Z", service_name: shop, calls: 30, errors: 3}
      - {window_start: "1970-01-01T00:00:20Z", service_name: shop, queue_length_max: 9}
      - {window_start: "2200-01-01T00:00:00Z", service_name: begun, calls: 30, calls_estimated: 60, errors: 3, errors_estimated: 3}
  expect:
    - {service_name: shop, calls_per_s: 0.5, error_percent: 10, active_users: 0, queue_length_max: 9}
    - {service_name: begun, calls_per_s: 6, error_percent: 5}
---
Requests per second, error rate, active users and sessions, and queue length of each service, one row per minute. With
upstream sampling, rates are estimates for all requests, not only those seen. */
SELECT
  date_bin(INTERVAL '1 minute', window_start) AS window_start,
  service_name,
  sum(calls_estimated) / greatest(
    least(
      CAST(greatest(max(resolution), 60) AS DOUBLE),
      date_part('epoch', now()) - date_part('epoch', date_bin(INTERVAL '1 minute', min(window_start)))
    ),
    10.0
  ) AS calls_per_s,
  CASE WHEN sum(calls_estimated) > 0 THEN 100.0 * sum(errors_estimated) / sum(calls_estimated) END AS error_percent,
  distinct_count(users_sketch) AS active_users,
  distinct_count(sessions_sketch) AS active_sessions,
  max(queue_length_max) AS queue_length_max
FROM applications
GROUP BY 1, 2
