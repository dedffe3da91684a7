/*---
title: Database connections
kind: finding
counted: measurements
window: 5m
key: [service_name, name, database]
direction: above
alerting: database.connections
alerting_only: true
samples_min: 1
unit: "{connection}"
message: "{service_name} {database}: {name} is {value}, over {limit}"
examples:
  - name: highest value in the window
    now_ms: 600000
    alerting: {warning: 80, critical: 95}
    given:
      databases:
        - {window_start: "1970-01-01T00:06:00Z", service_name: db, database: shop, measure: connections, name: postgresql.backends, value_max: 96, samples: 1}
        - {window_start: "1970-01-01T00:06:10Z", service_name: db, database: shop, measure: connections, name: postgresql.backends, value_max: 20, samples: 1}
        - {window_start: "1970-01-01T00:06:00Z", service_name: db, database: other, measure: connections, name: postgresql.backends, value_max: 80, samples: 1}
        - {window_start: "1970-01-01T00:06:00Z", service_name: db, database: other, measure: replication_lag, name: postgresql.wal.lag, value_max: 500, samples: 1}
    expect:
      - {service_name: db, name: postgresql.backends, database: shop, state: firing, severity: critical, value: 96}
      - {service_name: db, name: postgresql.backends, database: other, state: ok, value: 80}
  - name: not judged without user limits
    now_ms: 600000
    given:
      databases:
        - {window_start: "1970-01-01T00:06:00Z", service_name: db, database: a, measure: connections, name: n, value_max: 1000, samples: 1}
    expect: []
---
A database has more connections than `alerting.database.connections` allows. Check the pool sizes of its clients.

The value comes from the database receivers of a Collector. */
SELECT
  service_name,
  name,
  database,
  max(value_max) AS value,
  sum(samples) AS samples
FROM databases
WHERE window_start >= $window_start AND window_start < $window_end AND measure = 'connections'
GROUP BY 1, 2, 3
