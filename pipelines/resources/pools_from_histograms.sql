/*---
title: Connection pool wait times
kind: rollup
table: pools
reads: [histograms]
examples:
- name: seconds, milliseconds of older senders, and other units
  given:
    new_histograms:
      - {time: "1970-01-01T00:00:01Z", service_name: shop, name: db.client.connection.wait_time, unit: s, attributes: {db.client.connection.pool.name: main}, delta_count: 4, delta_sum: 0.2}
      - {time: "1970-01-01T00:00:01Z", service_name: java, name: hikaricp.connections.acquire, unit: seconds, attributes: {pool: h}, delta_count: 4, delta_sum: 0.2}
      - {time: "1970-01-01T00:00:01Z", service_name: java2, name: hikaricp.connections.acquire, unit: milliseconds, attributes: {pool: h}, delta_count: 4, delta_sum: 200}
      - {time: "1970-01-01T00:00:01Z", service_name: fine, name: db.client.connection.wait_time, unit: us, attributes: {}, delta_count: 4, delta_sum: 200000}
      - {time: "1970-01-01T00:00:01Z", service_name: finest, name: db.client.connection.wait_time, unit: ns, attributes: {}, delta_count: 4, delta_sum: 200000000}
      - {time: "1970-01-01T00:00:01Z", service_name: unsaid, name: db.client.connection.wait_time, attributes: {}, delta_count: 4, delta_sum: 0.2}
      - {time: "1970-01-01T00:00:01Z", service_name: old, name: db.client.connections.wait_time, unit: ms, attributes: {pool.name: main}, delta_count: 4, delta_sum: 200}
  expect:
    - {service_name: shop, pool: main, wait_count: 4, wait_sum_ms: 200}
    - {service_name: java, pool: h, wait_count: 4, wait_sum_ms: 200}
    - {service_name: java2, pool: h, wait_count: 4, wait_sum_ms: 200}
    - {service_name: fine, pool: default, wait_count: 4, wait_sum_ms: 200}
    - {service_name: finest, pool: default, wait_count: 4, wait_sum_ms: 200}
    - {service_name: unsaid, pool: default, wait_count: 4, wait_sum_ms: 200}
    - {service_name: old, pool: main, wait_count: 4, wait_sum_ms: 200}
- name: Prometheus spelling with the unit in the name, MySqlConnector in seconds, and Vert.x
  given:
    new_histograms:
      - {time: "1970-01-01T00:00:01Z", service_name: prom, name: hikaricp_connections_acquire_seconds, kind: summary, attributes: {pool: h}, delta_count: 4, delta_sum: 0.2}
      - {time: "1970-01-01T00:00:01Z", service_name: sem, name: db_client_connections_wait_time_milliseconds, attributes: {pool_name: p}, delta_count: 4, delta_sum: 200}
      - {time: "1970-01-01T00:00:01Z", service_name: net, name: db.client.connections.wait_time, unit: s, attributes: {pool.name: p}, delta_count: 4, delta_sum: 0.2}
      - {time: "1970-01-01T00:00:01Z", service_name: vertx, name: vertx_pool_queue_time_seconds, attributes: {pool_type: sql, pool_name: pg-pool}, delta_count: 4, delta_sum: 0.2}
      - {time: "1970-01-01T00:00:01Z", service_name: vertx, name: vertx.pool.queue.time, unit: milliseconds, attributes: {pool.type: worker, pool.name: workers}, delta_count: 4, delta_sum: 200}
  expect:
    - {service_name: prom, pool: h, wait_count: 4, wait_sum_ms: 200}
    - {service_name: sem, pool: p, wait_count: 4, wait_sum_ms: 200}
    - {service_name: net, pool: p, wait_count: 4, wait_sum_ms: 200}
    - {service_name: vertx, pool: pg-pool, wait_count: 4, wait_sum_ms: 200}
---
Wait times for a connection, from the increase of the histograms and summaries that pools send. */
WITH waits AS (
  SELECT
    date_bin(INTERVAL '10 seconds', time) AS window_start,
    service_name,
    metric_key(name) AS key,
    coalesce(
      attributes['db.client.connection.pool.name'], attributes['db_client_connection_pool_name'], attributes['pool.name'],
      attributes['pool_name'], attributes['pool'], attributes['name'], 'default'
    ) AS pool,
    coalesce(attributes['pool.type'], attributes['pool_type'], '') AS pool_type,
    CASE
      WHEN unit IN ('s', 'seconds') OR name LIKE '%\_seconds' THEN 1000.0
      WHEN unit IN ('ms', 'milliseconds') OR name LIKE '%\_milliseconds' THEN 1.0
      WHEN unit IN ('us', 'µs', 'microseconds') OR name LIKE '%\_microseconds' THEN 0.001
      WHEN unit IN ('ns', 'nanoseconds') OR name LIKE '%\_nanoseconds' THEN 0.000001
      WHEN unit IS NULL AND metric_key(name) = 'db_client_connection_wait_time' THEN 1000.0
      ELSE 1.0
    END AS unit_ms,
    delta_count,
    delta_sum
  FROM new_histograms
  WHERE (name LIKE '%connection%' OR name LIKE '%pool%') AND delta_count IS NOT NULL
)
SELECT
  window_start,
  service_name,
  pool,
  CAST(NULL AS DOUBLE) AS used_max,
  CAST(NULL AS DOUBLE) AS idle_max,
  CAST(NULL AS DOUBLE) AS waiting_max,
  CAST(NULL AS DOUBLE) AS connections_max,
  CAST(NULL AS DOUBLE) AS timeouts,
  sum(CAST(delta_count AS DOUBLE)) AS wait_count,
  sum(delta_sum * unit_ms) AS wait_sum_ms
FROM waits
WHERE key IN (
    'db_client_connection_wait_time', 'db_client_connections_wait_time', 'hikaricp_connections_acquire',
    'vertx_pool_queue_time', 'vertx_pool_queue_delay'
  )
  AND pool_type <> 'worker'
GROUP BY 1, 2, 3
