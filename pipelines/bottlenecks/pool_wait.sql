/*---
title: Connection pool wait time
kind: finding
counted: waits
window: 5m
no_data: resolve
key: [service_name, pool]
direction: above
warning: 5
samples_min: 20
unit: "ms"
message: "{service_name}: requests wait {value} for a connection of pool {pool}"
example:
  now_ms: 600000
  given:
    pools:
      - {window_start: "1970-01-01T00:06:00Z", service_name: shop, pool: bad, wait_count: 100, wait_sum_ms: 2000, used_max: 1, connections_max: 1}
      - {window_start: "1970-01-01T00:06:00Z", service_name: shop, pool: good, wait_count: 100, wait_sum_ms: 20}
      - {window_start: "1970-01-01T00:06:00Z", service_name: shop, pool: few, wait_count: 19, wait_sum_ms: 19000}
  expect:
    - {service_name: shop, pool: bad, state: firing, value: 20}
    - {service_name: shop, pool: good, state: ok}
    - {service_name: shop, pool: few, state: no_data}
---
Requests wait for a connection before their first statement. Look for what holds connections for long, such as slow
statements or work inside a transaction. Enlarge the pool last: a database serves few connections better than many. */
SELECT
  service_name,
  pool,
  sum(wait_sum_ms) / sum(wait_count) AS value,
  CAST(sum(wait_count) AS BIGINT) AS samples,
  max(used_max) AS used_max,
  max(idle_max) AS idle_max,
  max(connections_max) AS connections_max,
  max(waiting_max) AS waiting_max,
  sum(timeouts) AS timeouts
FROM pools
WHERE window_start >= $window_start AND window_start < $window_end
GROUP BY 1, 2
HAVING sum(wait_count) > 0
