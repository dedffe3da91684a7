/*---
title: Queue lengths
kind: rollup
table: applications
reads: [metrics]
example:
  given:
    new_metrics:
      - {time: "1970-01-01T00:00:01Z", service_name: jobs, name: rabbitmq.message.current, value: 3}
      - {time: "1970-01-01T00:00:02Z", service_name: jobs, name: rabbitmq.message.current, value: 8}
      - {time: "1970-01-01T00:00:02Z", service_name: jobs, name: other, value: 99}
  expect:
    - {window_start: "1970-01-01T00:00:00Z", service_name: jobs, queue_length_max: 8}
---
The longest queue that a service or a broker receiver reports, for all metric names listed below. */
SELECT
  date_bin(INTERVAL '10 seconds', time) AS window_start,
  service_name,
  CAST(NULL AS BIGINT) AS calls,
  CAST(NULL AS BIGINT) AS errors,
  CAST(NULL AS BYTEA) AS users_sketch,
  CAST(NULL AS BYTEA) AS sessions_sketch,
  max(value) AS queue_length_max
FROM new_metrics
WHERE coalesce(abs(value) < 1e300, true) AND name IN (
  'rabbitmq.message.current', 'kafka.consumer_group.lag', 'activemq.message.current', 'messaging.queue.length',
  'queue.length', 'queue.size', 'queue.depth', 'job.queue.length', 'executor.queued'
)
GROUP BY 1, 2
