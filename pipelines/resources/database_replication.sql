/*---
title: Database replication lag
kind: finding
counted: measurements
window: 5m
key: [service_name, name, database]
direction: above
alerting: database.replication
alerting_only: true
samples_min: 1
unit: "s"
message: "{service_name} {database}: {name} is {value}, over {limit}"
examples:
  - name: highest lag in the window
    now_ms: 600000
    alerting: {warning: 5, critical: 30}
    given:
      databases:
        - {window_start: "1970-01-01T00:06:00Z", service_name: db, database: a, measure: replication_lag, name: mysql.replica.time_behind_source, value_max: 9, samples: 1}
        - {window_start: "1970-01-01T00:06:00Z", service_name: db, database: b, measure: replication_lag, name: postgresql.wal.lag, value_max: 0.2, samples: 1}
    expect:
      - {service_name: db, name: mysql.replica.time_behind_source, database: a, state: firing, severity: warning, value: 9}
      - {service_name: db, name: postgresql.wal.lag, database: b, state: ok, value: 0.2}
  - name: not judged without user limits
    now_ms: 600000
    given:
      databases:
        - {window_start: "1970-01-01T00:06:00Z", service_name: db, database: a, measure: replication_lag, name: n, value_max: 1000, samples: 1}
    expect: []
---
A replica lags further behind than `alerting.database.replication` allows. Check its load and its connection to the primary.

The value comes from the database receivers of a Collector. */
SELECT
  service_name,
  name,
  database,
  max(value_max) AS value,
  sum(samples) AS samples
FROM databases
WHERE window_start >= $window_start AND window_start < $window_end AND measure = 'replication_lag'
GROUP BY 1, 2, 3
