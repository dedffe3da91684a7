/*---
title: Waits for a connection
kind: rollup
table: pools
reads: [histograms]
example:
  name: seconds today, milliseconds in older senders, and what else a sender may count in
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
---
How long requests waited for a connection, by the increase of the histograms that pools send. */
SELECT
  date_bin(INTERVAL '10 seconds', time) AS window_start,
  service_name,
  coalesce(attributes['db.client.connection.pool.name'], attributes['pool.name'], attributes['pool'], 'default') AS pool,
  CAST(NULL AS DOUBLE) AS used_max,
  CAST(NULL AS DOUBLE) AS idle_max,
  CAST(NULL AS DOUBLE) AS waiting_max,
  CAST(NULL AS DOUBLE) AS connections_max,
  CAST(NULL AS DOUBLE) AS timeouts,
  sum(CAST(delta_count AS DOUBLE)) AS wait_count,
  sum(delta_sum * CASE
    WHEN unit IN ('s', 'seconds') THEN 1000.0
    WHEN unit IN ('us', 'µs', 'microseconds') THEN 0.001
    WHEN unit IN ('ns', 'nanoseconds') THEN 0.000001
    WHEN unit IS NULL AND name = 'db.client.connection.wait_time' THEN 1000.0
    ELSE 1.0 END) AS wait_sum_ms
FROM new_histograms
WHERE name IN ('db.client.connection.wait_time', 'db.client.connections.wait_time', 'hikaricp.connections.acquire')
  AND delta_count IS NOT NULL
GROUP BY 1, 2, 3
