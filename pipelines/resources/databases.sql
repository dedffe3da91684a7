/*---
title: Database connections, lock waits and replication lag
kind: rollup
table: databases
reads: [metrics]
example:
  name: used connections and lock waits, not free connections, held locks or totals since the start
  given:
    new_metrics:
      - {time: "1970-01-01T00:00:01Z", service_name: pg, name: postgresql.backends, kind: sum, is_monotonic: false, resource_attributes: {postgresql.database.name: shop}, value: 12}
      - {time: "1970-01-01T00:00:01Z", service_name: pg, name: postgresql.database.locks, kind: gauge, resource_attributes: {postgresql.database.name: shop}, value: 900}
      - {time: "1970-01-01T00:00:01Z", service_name: pg, name: postgresql.wal.lag, unit: s, kind: gauge, attributes: {operation: replay}, value: 7}
      - {time: "1970-01-01T00:00:01Z", service_name: pg, name: postgresql.wal.lag, unit: s, kind: gauge, attributes: {operation: write}, value: -1}
      - {time: "1970-01-01T00:00:01Z", service_name: mongo, name: mongodb.connection.count, kind: sum, is_monotonic: false, attributes: {type: available}, value: 838850}
      - {time: "1970-01-01T00:00:01Z", service_name: mongo, name: mongodb.connection.count, kind: sum, is_monotonic: false, attributes: {type: current}, value: 10}
      - {time: "1970-01-01T00:00:01Z", service_name: mysql, name: mysql.connection.count, kind: sum, is_monotonic: true, value: 50000, delta: 1}
      - {time: "1970-01-01T00:00:01Z", service_name: mysql, name: mysql.threads, kind: sum, is_monotonic: false, attributes: {kind: created}, value: 900}
      - {time: "1970-01-01T00:00:01Z", service_name: mysql, name: mysql.threads, kind: sum, is_monotonic: false, attributes: {kind: connected}, value: 5}
      - {time: "1970-01-01T00:00:01Z", service_name: mysql, name: mysql.locks, kind: sum, is_monotonic: true, attributes: {kind: immediate}, value: 100000, delta: 50}
      - {time: "1970-01-01T00:00:01Z", service_name: mysql, name: mysql.locks, kind: sum, is_monotonic: true, attributes: {kind: waited}, value: 4000, delta: 3}
      - {time: "1970-01-01T00:00:01Z", service_name: mysql, name: mysql.row_locks, kind: sum, is_monotonic: true, attributes: {kind: time}, value: 3000, delta: 300}
      - {time: "1970-01-01T00:00:01Z", service_name: mysql, name: mysql.row_locks, kind: sum, is_monotonic: true, attributes: {kind: waits}, value: 3000}
      - {time: "1970-01-01T00:00:01Z", service_name: mysql, name: mysql.replica.time_behind_source, unit: s, kind: sum, is_monotonic: false, resource_attributes: {mysql.instance.endpoint: "replica:3306"}, value: 9}
  expect:
    - {service_name: pg, database: shop, measure: connections, value_max: 12}
    - {service_name: pg, database: "", measure: replication_lag, value_max: 7, samples: 1}
    - {service_name: mongo, measure: connections, value_max: 10}
    - {service_name: mysql, measure: connections, name: mysql.threads, value_max: 5}
    - {service_name: mysql, measure: lock_waits, name: mysql.locks, value_max: null, increase: 3}
    - {service_name: mysql, database: "replica:3306", measure: replication_lag, value_max: 9}
---
Metrics of a Collector's database receivers for `alerting.database`: used connections, lock waits (not held locks, which is
all that the PostgreSQL receiver reports), and replication lag. */
WITH points AS (
  SELECT
    date_bin(INTERVAL '10 seconds', time) AS window_start,
    service_name,
    coalesce(
      resource_attributes['postgresql.database.name'], attributes['database'], resource_attributes['database'],
      resource_attributes['mysql.instance.endpoint'], resource_attributes['server.address'], ''
    ) AS database,
    name,
    coalesce(attributes['kind'], attributes['type'], '') AS state,
    coalesce(is_monotonic, false) AS grows,
    CASE WHEN unit = 'ms' THEN value / 1000 ELSE value END AS value,
    delta
  FROM new_metrics
  WHERE coalesce(abs(value) < 1e300, true) AND (
    name LIKE 'postgresql.%' OR name LIKE 'mysql.%' OR name LIKE 'sqlserver.%' OR name LIKE 'mongodb.%'
  )
), sorted AS (
  SELECT
    window_start, service_name, database, name,
    CASE
      WHEN name IN ('postgresql.backends', 'sqlserver.user.connection.count') AND NOT grows THEN 'connections'
      WHEN name = 'mysql.threads' AND NOT grows AND state IN ('connected', 'running') THEN 'connections'
      WHEN name = 'mongodb.connection.count' AND NOT grows AND state IN ('current', 'active') THEN 'connections'
      WHEN name = 'mysql.locks' AND grows AND state = 'waited' THEN 'lock_waits'
      WHEN name = 'mysql.row_locks' AND grows AND state = 'waits' THEN 'lock_waits'
      WHEN name = 'mongodb.lock.acquire.wait_count' AND grows THEN 'lock_waits'
      WHEN name = 'sqlserver.lock.wait.rate' AND NOT grows THEN 'lock_waits'
      WHEN name IN (
        'postgresql.replication.lag', 'postgresql.wal.lag', 'postgresql.wal.delay',
        'mysql.replica.time_behind_source', 'mongodb.replication.lag'
      ) AND NOT grows AND value >= 0 THEN 'replication_lag'
    END AS measure,
    CASE WHEN NOT grows THEN value END AS value,
    CASE WHEN grows THEN delta END AS increase
  FROM points
)
SELECT
  window_start, service_name, database, measure, name,
  max(value) AS value_max,
  sum(increase) AS increase,
  count(*) AS samples
FROM sorted
WHERE measure IS NOT NULL AND coalesce(value, increase) IS NOT NULL
GROUP BY 1, 2, 3, 4, 5
