/*---
title: Database lock waits
kind: finding
counted: measurements
window: 5m
key: [service_name, name, database]
direction: above
alerting: database.lockWaits
alerting_only: true
samples_min: 1
unit: "{wait}"
message: "{service_name} {database}: {value} lock waits ({name}), over {limit}"
examples:
  - name: the increase of counters in the window, and the highest value of a rate
    now_ms: 600000
    alerting: {warning: 5, critical: 20}
    given:
      databases:
        - {window_start: "1970-01-01T00:06:00Z", service_name: db, database: a, measure: lock_waits, name: mysql.row_locks, increase: 4, samples: 1}
        - {window_start: "1970-01-01T00:06:10Z", service_name: db, database: a, measure: lock_waits, name: mysql.row_locks, increase: 3, samples: 1}
        - {window_start: "1970-01-01T00:06:00Z", service_name: db, database: b, measure: lock_waits, name: sqlserver.lock.wait.rate, value_max: 21, samples: 1}
        - {window_start: "1970-01-01T00:06:00Z", service_name: db, database: c, measure: lock_waits, name: mysql.locks, increase: 5, samples: 1}
    expect:
      - {service_name: db, name: mysql.row_locks, database: a, state: firing, severity: warning, value: 7}
      - {service_name: db, name: sqlserver.lock.wait.rate, database: b, state: firing, severity: critical, value: 21}
      - {service_name: db, name: mysql.locks, database: c, state: ok, value: 5}
  - name: not judged without user limits
    now_ms: 600000
    given:
      databases:
        - {window_start: "1970-01-01T00:06:00Z", service_name: db, database: a, measure: lock_waits, name: n, value_max: 1000, samples: 1}
    expect: []
---
Statements waited for locks more often than `alerting.database.lockWaits` allows. Look for long transactions.

The value comes from the database receivers of a Collector. The PostgreSQL receiver reports only held locks. */
SELECT
  service_name,
  name,
  database,
  coalesce(sum(increase), max(value_max)) AS value,
  sum(samples) AS samples
FROM databases
WHERE window_start >= $window_start AND window_start < $window_end AND measure = 'lock_waits'
GROUP BY 1, 2, 3
