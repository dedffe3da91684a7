/*---
title: Connection pools out of gauges and counters
kind: rollup
table: pools
reads: [metrics]
example:
  name: today's names and HikariCP's
  given:
    new_metrics:
      - {time: "1970-01-01T00:00:01Z", service_name: shop, name: db.client.connection.count, attributes: {db.client.connection.pool.name: main, db.client.connection.state: used}, value: 7}
      - {time: "1970-01-01T00:00:01Z", service_name: shop, name: db.client.connection.pending_requests, attributes: {db.client.connection.pool.name: main}, value: 2}
      - {time: "1970-01-01T00:00:01Z", service_name: java, name: hikaricp.connections.active, attributes: {pool: h}, value: 4}
  expect:
    - {service_name: shop, pool: main, used_max: 7, waiting_max: 2}
    - {service_name: java, pool: h, used_max: 4}
---
Connections used and idle, requests that wait, timeouts: under the names of the semantic conventions, today's and the
older ones, and HikariCP's as Micrometer sends them. */
WITH points AS (
  SELECT
    date_bin(INTERVAL '10 seconds', time) AS window_start,
    service_name,
    name,
    coalesce(attributes['db.client.connection.pool.name'], attributes['pool.name'], attributes['pool'], 'default') AS pool,
    coalesce(attributes['db.client.connection.state'], attributes['state']) AS state,
    value,
    delta
  FROM new_metrics
  WHERE coalesce(abs(value) < 1e300, true) AND (
    name LIKE 'db.client.connection.%' OR name LIKE 'db.client.connections.%' OR name LIKE 'hikaricp.connections%'
  )
)
SELECT
  window_start,
  service_name,
  pool,
  max(CASE
    WHEN name IN ('db.client.connection.count', 'db.client.connections.usage') AND state = 'used' THEN value
    WHEN name = 'hikaricp.connections.active' THEN value END) AS used_max,
  max(CASE
    WHEN name IN ('db.client.connection.count', 'db.client.connections.usage') AND state = 'idle' THEN value
    WHEN name = 'hikaricp.connections.idle' THEN value END) AS idle_max,
  max(CASE
    WHEN name IN ('db.client.connection.pending_requests', 'db.client.connections.pending_requests', 'hikaricp.connections.pending')
    THEN value END) AS waiting_max,
  max(CASE
    WHEN name IN ('db.client.connection.max', 'db.client.connections.max', 'hikaricp.connections.max')
    THEN value END) AS connections_max,
  sum(CASE
    WHEN name IN ('db.client.connection.timeouts', 'db.client.connections.timeouts', 'hikaricp.connections.timeout')
    THEN coalesce(delta, 0.0) END) AS timeouts,
  CAST(NULL AS DOUBLE) AS wait_count,
  CAST(NULL AS DOUBLE) AS wait_sum_ms
FROM points
GROUP BY 1, 2, 3
