/*---
title: Database connections
kind: finding
window: 5m
key: [service_name, name, database]
direction: above
alerting: database.connections
alerting_only: true
samples_min: 1
unit: "{connection}"
scan: true
message: "{service_name} {database}: {name} is {value}, over {limit}"
example:
  now_ms: 600000
  given:
    metrics: []
  expect: []
---
A database has more connections than `alerting.database.connections` allows. The figures come from the database receivers of a Collector. */
SELECT
  service_name,
  name,
  coalesce(resource_attributes['postgresql.database.name'], attributes['database'], resource_attributes['server.address'], '') AS database,
  max(value) AS value,
  count(*) AS samples
FROM metrics
WHERE time >= $window_start AND time < $window_end AND name IN ('postgresql.backends', 'mysql.threads', 'mysql.connection.count', 'sqlserver.user.connection.count', 'mongodb.connection.count')
GROUP BY 1, 2, 3
