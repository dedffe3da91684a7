/*---
title: Users and sessions from logs
kind: rollup
table: applications
reads: [logs]
example:
  given:
    logs:
      - {time: "1970-01-01T00:00:01Z", service_name: web, attributes: {session.id: s1, user.id: anna}}
      - {time: "1970-01-01T00:00:02Z", service_name: web, attributes: {session.id: s2}}
      - {time: "1970-01-01T00:00:02Z", service_name: other, attributes: {}}
  expect:
    - {window_start: "1970-01-01T00:00:00Z", service_name: web}
---
Browsers and phones send many events as logs. Users and sessions in logs count like those in spans. */
SELECT
  date_bin(INTERVAL '10 seconds', time) AS window_start,
  service_name,
  CAST(NULL AS BIGINT) AS calls,
  CAST(NULL AS BIGINT) AS errors,
  distinct_sketch(coalesce(attributes['user.id'], attributes['enduser.id'])) AS users_sketch,
  distinct_sketch(attributes['session.id']) AS sessions_sketch,
  CAST(NULL AS DOUBLE) AS queue_length_max
FROM new_logs
WHERE coalesce(attributes['user.id'], attributes['enduser.id'], attributes['session.id']) IS NOT NULL
GROUP BY 1, 2
