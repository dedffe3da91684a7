/*---
title: Connection pools from gauges and counters
kind: rollup
table: pools
reads: [metrics]
counters: [
  db.client.connection.timeouts, db.client.connections.timeouts, db.client.connection.npgsql.timeouts,
  hikaricp.connections.timeout,
  db.sql.connection.wait, db.sql.connection.wait_duration, db.sql.connections.wait_count, db.sql.connections.wait_duration,
  go.sql.connections_wait_count, go.sql.connections_wait_duration, go.sql/connections/wait_count, go.sql/connections/wait_duration,
  go_sql_wait_count, go_sql_wait_duration_seconds, go_sql_stats_connections_waited_for, go_sql_stats_connections_blocked_seconds,
  gorm_dbstats_wait_count, gorm_dbstats_wait_duration, pgxpool.empty_acquire, pgxpool.empty_acquire_wait_time
]
examples:
  - name: current names, and older names from the Java agent, SQLAlchemy, MySqlConnector and Npgsql 8
    given:
      new_metrics:
        - {time: "1970-01-01T00:00:01Z", service_name: shop, name: db.client.connection.count, attributes: {db.client.connection.pool.name: main, db.client.connection.state: used}, kind: sum, temporality: cumulative, value: 7}
        - {time: "1970-01-01T00:00:01Z", service_name: shop, name: db.client.connection.count, attributes: {db.client.connection.pool.name: main, db.client.connection.state: idle}, kind: sum, temporality: cumulative, value: 3}
        - {time: "1970-01-01T00:00:01Z", service_name: shop, name: db.client.connection.max, attributes: {db.client.connection.pool.name: main}, value: 10}
        - {time: "1970-01-01T00:00:01Z", service_name: shop, name: db.client.connection.idle.max, attributes: {db.client.connection.pool.name: main}, value: 99}
        - {time: "1970-01-01T00:00:01Z", service_name: shop, name: db.client.connection.pending_requests, attributes: {db.client.connection.pool.name: main}, value: 2}
        - {time: "1970-01-01T00:00:01Z", service_name: shop, name: db.client.connection.timeouts, attributes: {db.client.connection.pool.name: main}, kind: sum, delta: 1}
        - {time: "1970-01-01T00:00:01Z", service_name: py, name: db.client.connections.usage, attributes: {pool.name: "postgresql://db/shop", state: used}, kind: sum, temporality: cumulative, value: 4}
        - {time: "1970-01-01T00:00:01Z", service_name: py, name: db.client.connections.usage, attributes: {pool.name: "postgresql://db/shop", state: idle}, kind: sum, temporality: cumulative, value: 1}
        - {time: "1970-01-01T00:00:01Z", service_name: py, name: db.client.connections.usage, attributes: {pool.name: "postgresql://db/shop", state: used}, kind: sum, temporality: delta, value: 9}
        - {time: "1970-01-01T00:00:01Z", service_name: prom, name: db_client_connections_usage, attributes: {pool_name: p, state: used}, value: 6}
        - {time: "1970-01-01T00:00:01Z", service_name: prom, name: db_client_connections_pending_requests, attributes: {pool_name: p}, value: 5}
        - {time: "1970-01-01T00:00:01Z", service_name: prom, name: db_client_connections_timeouts_total, attributes: {pool_name: p}, kind: sum, delta: 2}
    expect:
      - {service_name: shop, pool: main, used_max: 7, idle_max: 3, connections_max: 10, waiting_max: 2, timeouts: 1}
      - {service_name: py, pool: "postgresql://db/shop", used_max: 4, idle_max: 1}
      - {service_name: prom, pool: p, used_max: 6, waiting_max: 5, timeouts: 2}
  - name: Npgsql 9 and later
    given:
      new_metrics:
        - {time: "1970-01-01T00:00:01Z", service_name: net, name: db.client.connection.count, attributes: {db.client.connection.pool.name: main, state: used}, kind: sum, temporality: cumulative, value: 5}
        - {time: "1970-01-01T00:00:01Z", service_name: net, name: db.client.connection.max, attributes: {db.client.connection.pool.name: main}, value: 100}
        - {time: "1970-01-01T00:00:01Z", service_name: net, name: db.client.connection.npgsql.pending_requests, attributes: {db.client.connection.pool.name: main}, kind: sum, temporality: cumulative, value: 3}
        - {time: "1970-01-01T00:00:01Z", service_name: net, name: db.client.connection.npgsql.timeouts, attributes: {db.client.connection.pool.name: main}, kind: sum, delta: 1}
    expect:
      - {service_name: net, pool: main, used_max: 5, connections_max: 100, waiting_max: 3, timeouts: 1}
  - name: Go's database/sql with otelsql (XSAM, nhatthm, uptrace), ocsql, client_golang, sqlstats and gorm, and pgxpool
    given:
      new_metrics:
        - {time: "1970-01-01T00:00:01Z", service_name: xsam, name: db.sql.connection.max_open, attributes: {db.system: mysql}, kind: gauge, value: 20}
        - {time: "1970-01-01T00:00:01Z", service_name: xsam, name: db.sql.connection.open, attributes: {db.system: mysql, status: inuse}, kind: gauge, value: 12}
        - {time: "1970-01-01T00:00:01Z", service_name: xsam, name: db.sql.connection.open, attributes: {db.system: mysql, status: idle}, kind: gauge, value: 8}
        - {time: "1970-01-01T00:00:01Z", service_name: xsam, name: db.sql.connection.wait, attributes: {db.system: mysql}, kind: sum, delta: 4}
        - {time: "1970-01-01T00:00:01Z", service_name: xsam, name: db.sql.connection.wait_duration, unit: ms, attributes: {db.system: mysql}, kind: sum, delta: 200}
        - {time: "1970-01-01T00:00:01Z", service_name: xprom, name: db_sql_connection_open, attributes: {db_system: mysql, status: inuse}, kind: gauge, value: 12}
        - {time: "1970-01-01T00:00:01Z", service_name: xprom, name: db_sql_connection_wait_total, attributes: {db_system: mysql}, kind: sum, delta: 4}
        - {time: "1970-01-01T00:00:01Z", service_name: xprom, name: db_sql_connection_wait_duration_milliseconds_total, attributes: {db_system: mysql}, kind: sum, delta: 200}
        - {time: "1970-01-01T00:00:01Z", service_name: nhat, name: db.sql.connections.open, unit: "1", attributes: {db.instance: orders}, kind: gauge, value: 9}
        - {time: "1970-01-01T00:00:01Z", service_name: nhat, name: db.sql.connections.active, unit: "1", attributes: {db.instance: orders}, kind: gauge, value: 6}
        - {time: "1970-01-01T00:00:01Z", service_name: nhat, name: db.sql.connections.idle, unit: "1", attributes: {db.instance: orders}, kind: gauge, value: 3}
        - {time: "1970-01-01T00:00:01Z", service_name: nhat, name: db.sql.connections.wait_count, unit: "1", attributes: {db.instance: orders}, kind: gauge, value: 44, delta: 4}
        - {time: "1970-01-01T00:00:01Z", service_name: nhat, name: db.sql.connections.wait_duration, unit: ms, attributes: {db.instance: orders}, kind: gauge, value: 900, delta: 200}
        - {time: "1970-01-01T00:00:01Z", service_name: uptrace, name: go.sql.connections_max_open, attributes: {}, kind: gauge, value: 0}
        - {time: "1970-01-01T00:00:01Z", service_name: uptrace, name: go.sql.connections_in_use, attributes: {}, kind: gauge, value: 5}
        - {time: "1970-01-01T00:00:01Z", service_name: uptrace, name: go.sql.connections_wait_count, attributes: {}, kind: sum, delta: 4}
        - {time: "1970-01-01T00:00:01Z", service_name: uptrace, name: go.sql.connections_wait_duration, unit: nanoseconds, attributes: {}, kind: sum, delta: 200000000}
        - {time: "1970-01-01T00:00:01Z", service_name: oc, name: go.sql/connections/active, attributes: {}, kind: gauge, value: 3}
        - {time: "1970-01-01T00:00:01Z", service_name: oc, name: go.sql/connections/wait_duration, unit: ms, attributes: {}, kind: gauge, delta: 20}
        - {time: "1970-01-01T00:00:01Z", service_name: prom, name: go_sql_in_use_connections, attributes: {db_name: shop}, kind: gauge, value: 5}
        - {time: "1970-01-01T00:00:01Z", service_name: prom, name: go_sql_idle_connections, attributes: {db_name: shop}, kind: gauge, value: 2}
        - {time: "1970-01-01T00:00:01Z", service_name: prom, name: go_sql_max_open_connections, attributes: {db_name: shop}, kind: gauge, value: 25}
        - {time: "1970-01-01T00:00:01Z", service_name: prom, name: go_sql_wait_count_total, attributes: {db_name: shop}, kind: sum, delta: 4}
        - {time: "1970-01-01T00:00:01Z", service_name: prom, name: go_sql_wait_duration_seconds_total, attributes: {db_name: shop}, kind: sum, delta: 0.2}
        - {time: "1970-01-01T00:00:01Z", service_name: stats, name: go_sql_stats_connections_in_use, attributes: {db_name: shop}, kind: gauge, value: 5}
        - {time: "1970-01-01T00:00:01Z", service_name: stats, name: go_sql_stats_connections_waited_for, attributes: {db_name: shop}, kind: sum, delta: 4}
        - {time: "1970-01-01T00:00:01Z", service_name: stats, name: go_sql_stats_connections_blocked_seconds, attributes: {db_name: shop}, kind: sum, delta: 0.2}
        - {time: "1970-01-01T00:00:01Z", service_name: gorm, name: gorm_dbstats_in_use, attributes: {db_name: shop}, kind: gauge, value: 5}
        - {time: "1970-01-01T00:00:01Z", service_name: gorm, name: gorm_dbstats_max_open_connections, attributes: {db_name: shop}, kind: gauge, value: 25}
        - {time: "1970-01-01T00:00:01Z", service_name: gorm, name: gorm_dbstats_wait_count, attributes: {db_name: shop}, kind: gauge, delta: 4}
        - {time: "1970-01-01T00:00:01Z", service_name: gorm, name: gorm_dbstats_wait_duration, attributes: {db_name: shop}, kind: gauge, delta: 200000000}
        - {time: "1970-01-01T00:00:01Z", service_name: pgx, name: pgxpool.acquired_connections, attributes: {}, kind: sum, temporality: cumulative, value: 5}
        - {time: "1970-01-01T00:00:01Z", service_name: pgx, name: pgxpool.max_connections, attributes: {}, kind: gauge, value: 17}
        - {time: "1970-01-01T00:00:01Z", service_name: pgx, name: pgxpool.empty_acquire, attributes: {}, kind: sum, delta: 4}
        - {time: "1970-01-01T00:00:01Z", service_name: pgx, name: pgxpool.empty_acquire_wait_time, unit: ns, attributes: {}, kind: sum, delta: 200000000}
    expect:
      - {service_name: xsam, pool: mysql, used_max: 12, idle_max: 8, connections_max: 20, wait_count: 4, wait_sum_ms: 200}
      - {service_name: xprom, pool: mysql, used_max: 12, wait_count: 4, wait_sum_ms: 200}
      - {service_name: nhat, pool: orders, used_max: 6, idle_max: 3, wait_count: 4, wait_sum_ms: 200}
      - {service_name: uptrace, pool: default, used_max: 5, connections_max: null, wait_count: 4, wait_sum_ms: 200}
      - {service_name: oc, pool: default, used_max: 3, wait_sum_ms: 20}
      - {service_name: prom, pool: shop, used_max: 5, idle_max: 2, connections_max: 25, wait_count: 4, wait_sum_ms: 200}
      - {service_name: stats, pool: shop, used_max: 5, wait_count: 4, wait_sum_ms: 200}
      - {service_name: gorm, pool: shop, used_max: 5, connections_max: 25, wait_count: 4, wait_sum_ms: 200}
      - {service_name: pgx, pool: default, used_max: 5, connections_max: 17, wait_count: 4, wait_sum_ms: 200}
  - name: Micrometer's pools, with dots and in Prometheus spelling
    given:
      new_metrics:
        - {time: "1970-01-01T00:00:01Z", service_name: java, name: hikaricp.connections.active, attributes: {pool: h}, value: 4}
        - {time: "1970-01-01T00:00:01Z", service_name: java, name: hikaricp.connections.idle, attributes: {pool: h}, value: 6}
        - {time: "1970-01-01T00:00:01Z", service_name: java, name: hikaricp.connections.pending, attributes: {pool: h}, value: 2}
        - {time: "1970-01-01T00:00:01Z", service_name: java, name: hikaricp.connections.max, attributes: {pool: h}, value: 10}
        - {time: "1970-01-01T00:00:01Z", service_name: java, name: hikaricp.connections, attributes: {pool: h}, value: 99}
        - {time: "1970-01-01T00:00:01Z", service_name: java, name: hikaricp.connections.timeout, attributes: {pool: h}, kind: sum, delta: 3}
        - {time: "1970-01-01T00:00:01Z", service_name: prom, name: hikaricp_connections_active, attributes: {pool: h}, kind: gauge, value: 4}
        - {time: "1970-01-01T00:00:01Z", service_name: prom, name: hikaricp_connections_pending, attributes: {pool: h}, kind: gauge, value: 2}
        - {time: "1970-01-01T00:00:01Z", service_name: prom, name: hikaricp_connections_timeout_total, attributes: {pool: h}, kind: sum, delta: 3}
        - {time: "1970-01-01T00:00:01Z", service_name: tomcat, name: jdbc.connections.active, attributes: {name: dataSource}, value: 4}
        - {time: "1970-01-01T00:00:01Z", service_name: tomcat, name: jdbc_connections_max, attributes: {name: dataSource}, value: 8}
        - {time: "1970-01-01T00:00:01Z", service_name: dbcp, name: commons.pool2.num.active, attributes: {name: pool}, value: 4}
        - {time: "1970-01-01T00:00:01Z", service_name: dbcp, name: commons_pool2_num_waiters_threads, attributes: {name: pool}, value: 2}
        - {time: "1970-01-01T00:00:01Z", service_name: r2dbc, name: r2dbc.pool.acquired, unit: connections, attributes: {name: connectionFactory}, value: 4}
        - {time: "1970-01-01T00:00:01Z", service_name: r2dbc, name: r2dbc_pool_pending_connections, attributes: {name: connectionFactory}, value: 2}
        - {time: "1970-01-01T00:00:01Z", service_name: r2dbc, name: r2dbc_pool_max_allocated_connections, attributes: {name: connectionFactory}, value: 10}
        - {time: "1970-01-01T00:00:01Z", service_name: r2dbc, name: r2dbc_pool_max_pending_connections, attributes: {name: connectionFactory}, value: 77}
        - {time: "1970-01-01T00:00:01Z", service_name: vertx, name: vertx_pool_in_use, attributes: {pool_type: sql, pool_name: pg-pool}, value: 4}
        - {time: "1970-01-01T00:00:01Z", service_name: vertx, name: vertx.pool.queue.pending, attributes: {pool.type: sql, pool.name: pg-pool}, value: 2}
        - {time: "1970-01-01T00:00:01Z", service_name: vertx, name: vertx_pool_queue_pending, attributes: {pool_type: worker, pool_name: vert.x-worker-thread}, value: 50}
        - {time: "1970-01-01T00:00:01Z", service_name: quarkus, name: agroal.active.count, attributes: {datasource: default}, value: 4}
        - {time: "1970-01-01T00:00:01Z", service_name: quarkus, name: agroal_awaiting_count, attributes: {datasource: default}, value: 2}
        - {time: "1970-01-01T00:00:01Z", service_name: mongo, name: mongodb.driver.pool.checkedout, attributes: {server.address: "db:27017"}, value: 4}
        - {time: "1970-01-01T00:00:01Z", service_name: mongo, name: mongodb_driver_pool_waitqueuesize, attributes: {server_address: "db:27017"}, value: 2}
    expect:
      - {service_name: java, pool: h, used_max: 4, idle_max: 6, waiting_max: 2, connections_max: 10, timeouts: 3}
      - {service_name: prom, pool: h, used_max: 4, waiting_max: 2, timeouts: 3}
      - {service_name: tomcat, pool: dataSource, used_max: 4, connections_max: 8}
      - {service_name: dbcp, pool: pool, used_max: 4, waiting_max: 2}
      - {service_name: r2dbc, pool: connectionFactory, used_max: 4, waiting_max: 2, connections_max: 10}
      - {service_name: vertx, pool: pg-pool, used_max: 4, waiting_max: 2}
      - {service_name: quarkus, pool: default, used_max: 4, waiting_max: 2}
      - {service_name: mongo, pool: "db:27017", used_max: 4, waiting_max: 2}
---
Used and idle connections, pending requests, timeouts, and wait times that are counters. The table below lists the metrics of
pools. It matches by `metric_key`, so names with dots and in Prometheus spelling are equivalent: current and older semantic
conventions (Java agent, SQLAlchemy, MySqlConnector, Npgsql, node-postgres), the public variants of Go's `database/sql` and
pgxpool, and HikariCP, Tomcat JDBC, DBCP2, R2DBC, Vert.x, Agroal and MongoDB from Micrometer. If `what` is `state`, an
attribute distinguishes used from idle connections. */
WITH known AS (
  SELECT * FROM (VALUES
    -- key, what it measures, milliseconds per unit if it is a time without a unit
    ('db_client_connection_count', 'state', NULL),
    ('db_client_connections_usage', 'state', NULL),
    ('db_client_connection_max', 'max', NULL),
    ('db_client_connections_max', 'max', NULL),
    ('db_client_connection_pending_requests', 'waiting', NULL),
    ('db_client_connections_pending_requests', 'waiting', NULL),
    ('db_client_connection_npgsql_pending_requests', 'waiting', NULL),
    ('db_client_connection_timeouts', 'timeouts', NULL),
    ('db_client_connections_timeouts', 'timeouts', NULL),
    ('db_client_connection_npgsql_timeouts', 'timeouts', NULL),
    ('db_sql_connection_open', 'state', NULL),
    ('db_sql_connection_max_open', 'max', NULL),
    ('db_sql_connection_wait', 'waits', NULL),
    ('db_sql_connection_wait_duration', 'wait time', 1.0),
    ('db_sql_connections_active', 'used', NULL),
    ('db_sql_connections_idle', 'idle', NULL),
    ('db_sql_connections_wait_count', 'waits', NULL),
    ('db_sql_connections_wait_duration', 'wait time', 1.0),
    ('go_sql_connections_in_use', 'used', NULL),
    ('go_sql_connections_active', 'used', NULL),
    ('go_sql_connections_idle', 'idle', NULL),
    ('go_sql_connections_max_open', 'max', NULL),
    ('go_sql_connections_wait_count', 'waits', NULL),
    ('go_sql_connections_wait_duration', 'wait time', 0.000001),
    ('go_sql_in_use', 'used', NULL),
    ('go_sql_idle', 'idle', NULL),
    ('go_sql_max_open', 'max', NULL),
    ('go_sql_wait_count', 'waits', NULL),
    ('go_sql_wait_duration', 'wait time', 1000.0),
    ('go_sql_stats_connections_in_use', 'used', NULL),
    ('go_sql_stats_connections_idle', 'idle', NULL),
    ('go_sql_stats_connections_max_open', 'max', NULL),
    ('go_sql_stats_connections_waited_for', 'waits', NULL),
    ('go_sql_stats_connections_blocked', 'wait time', 1000.0),
    ('gorm_dbstats_in_use', 'used', NULL),
    ('gorm_dbstats_idle', 'idle', NULL),
    ('gorm_dbstats_max_open', 'max', NULL),
    ('gorm_dbstats_wait_count', 'waits', NULL),
    ('gorm_dbstats_wait_duration', 'wait time', 0.000001),
    ('pgxpool_acquired', 'used', NULL),
    ('pgxpool_idle', 'idle', NULL),
    ('pgxpool_max', 'max', NULL),
    ('pgxpool_empty_acquire', 'waits', NULL),
    ('pgxpool_empty_acquire_wait_time', 'wait time', 0.000001),
    ('hikaricp_connections_active', 'used', NULL),
    ('hikaricp_connections_idle', 'idle', NULL),
    ('hikaricp_connections_pending', 'waiting', NULL),
    ('hikaricp_connections_max', 'max', NULL),
    ('hikaricp_connections_timeout', 'timeouts', NULL),
    ('jdbc_connections_active', 'used', NULL),
    ('jdbc_connections_idle', 'idle', NULL),
    ('jdbc_connections_max', 'max', NULL),
    ('commons_pool2_num_active', 'used', NULL),
    ('commons_pool2_num_idle', 'idle', NULL),
    ('commons_pool2_num_waiters', 'waiting', NULL),
    ('r2dbc_pool_acquired', 'used', NULL),
    ('r2dbc_pool_idle', 'idle', NULL),
    ('r2dbc_pool_pending', 'waiting', NULL),
    ('r2dbc_pool_max_allocated', 'max', NULL),
    ('vertx_pool_in_use', 'used', NULL),
    ('vertx_pool_queue_pending', 'waiting', NULL),
    ('vertx_pool_queue_size', 'waiting', NULL),
    ('agroal_active_count', 'used', NULL),
    ('agroal_available_count', 'idle', NULL),
    ('agroal_awaiting_count', 'waiting', NULL),
    ('mongodb_driver_pool_checkedout', 'used', NULL),
    ('mongodb_driver_pool_waitqueuesize', 'waiting', NULL)
  ) AS k(key, what, unit_ms)
), points AS (
  SELECT
    date_bin(INTERVAL '10 seconds', time) AS window_start,
    service_name,
    metric_key(name) AS key,
    coalesce(
      attributes['db.client.connection.pool.name'], attributes['db_client_connection_pool_name'], attributes['pool.name'],
      attributes['pool_name'], attributes['pool'], attributes['datasource'], attributes['name'], attributes['db.instance'],
      attributes['db_instance'], attributes['db_name'], attributes['db.name'], attributes['server.address'],
      attributes['server_address'], attributes['db.system.name'], attributes['db_system_name'], attributes['db.system'],
      attributes['db_system'], 'default'
    ) AS pool,
    coalesce(attributes['pool.type'], attributes['pool_type'], '') AS pool_type,
    lower(coalesce(
      attributes['db.client.connection.state'], attributes['db_client_connection_state'], attributes['state'], attributes['status']
    )) AS state,
    CASE
      WHEN unit IN ('s', 'seconds') OR name LIKE '%\_seconds%' THEN 1000.0
      WHEN unit IN ('ms', 'milliseconds') OR name LIKE '%\_milliseconds%' THEN 1.0
      WHEN unit IN ('us', 'µs', 'microseconds') OR name LIKE '%\_microseconds%' THEN 0.001
      WHEN unit IN ('ns', 'nanoseconds') OR name LIKE '%\_nanoseconds%' THEN 0.000001
    END AS unit_ms,
    -- A delta of an up-down counter is not a number of connections.
    CASE WHEN kind = 'sum' AND temporality = 'delta' THEN NULL ELSE value END AS value,
    delta
  FROM new_metrics
  WHERE (name LIKE '%connection%' OR name LIKE '%pool%' OR name LIKE 'go_sql%' OR name LIKE 'gorm%' OR name LIKE 'agroal%')
    AND coalesce(abs(value) < 1e300, true)
), said AS (
  SELECT
    p.window_start,
    p.service_name,
    p.pool,
    CASE
      WHEN k.what <> 'state' THEN k.what
      WHEN p.state IN ('used', 'inuse', 'in_use', 'active') THEN 'used'
      WHEN p.state IN ('idle', 'available', 'free') THEN 'idle'
    END AS what,
    p.value,
    p.delta,
    coalesce(p.unit_ms, k.unit_ms, 1.0) AS unit_ms
  FROM points p
  JOIN known k ON k.key = p.key
  -- Vert.x also has thread pools.
  WHERE p.pool_type <> 'worker'
)
SELECT
  window_start,
  service_name,
  pool,
  max(CASE WHEN what = 'used' THEN value END) AS used_max,
  max(CASE WHEN what = 'idle' THEN value END) AS idle_max,
  max(CASE WHEN what = 'waiting' THEN value END) AS waiting_max,
  -- Go reports 0 if there is no limit.
  max(CASE WHEN what = 'max' AND value > 0 THEN value END) AS connections_max,
  sum(CASE WHEN what = 'timeouts' THEN coalesce(delta, 0.0) END) AS timeouts,
  sum(CASE WHEN what = 'waits' THEN delta END) AS wait_count,
  sum(CASE WHEN what = 'wait time' THEN delta * unit_ms END) AS wait_sum_ms
FROM said
WHERE what IS NOT NULL
GROUP BY 1, 2, 3
