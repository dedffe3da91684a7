/*---
title: Database replication lag
kind: finding
window: 5m
key: [service_name, name, database]
direction: above
alerting: database.replication
alerting_only: true
samples_min: 1
unit: "s"
scan: true
message: "{service_name} {database}: {name} is {value}, over {limit}"
example:
  now_ms: 600000
  given:
    metrics: []
  expect: []
---
A replica is further behind than `alerting.database.replication` allows. The figures come from the database receivers of a Collector. */
SELECT
  service_name,
  name,
  coalesce(resource_attributes['postgresql.database.name'], attributes['database'], resource_attributes['server.address'], '') AS database,
  max(value) AS value,
  count(*) AS samples
FROM metrics
WHERE time >= $window_start AND time < $window_end AND name IN ('postgresql.replication.lag', 'postgresql.wal.lag', 'mysql.replica.time_behind_source', 'mongodb.replication.lag')
GROUP BY 1, 2, 3
