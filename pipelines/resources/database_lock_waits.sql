/*---
title: Database lock waits
kind: finding
window: 5m
key: [service_name, name, database]
direction: above
alerting: database.lockWaits
alerting_only: true
samples_min: 1
unit: "{lock}"
scan: true
message: "{service_name} {database}: {name} is {value}, over {limit}"
example:
  now_ms: 600000
  given:
    metrics: []
  expect: []
---
More locks are held or waited for than `alerting.database.lockWaits` allows: look for long transactions. The figures come from the database receivers of a Collector. */
SELECT
  service_name,
  name,
  coalesce(resource_attributes['postgresql.database.name'], attributes['database'], resource_attributes['server.address'], '') AS database,
  max(value) AS value,
  count(*) AS samples
FROM metrics
WHERE time >= $window_start AND time < $window_end AND name IN ('postgresql.database.locks', 'mysql.locks', 'mysql.row_locks', 'sqlserver.lock.wait.rate', 'oracledb.enqueue_locks.usage')
GROUP BY 1, 2, 3
