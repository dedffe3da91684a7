/*---
title: Pending requests of a connection pool
kind: finding
counted: measurements
window: 5m
no_data: resolve
key: [service_name, pool]
direction: at_least
warning: 1
unit: "{request}"
message: "{service_name}: {value} requests pending for a connection of pool {pool}"
example:
  now_ms: 600000
  given:
    pools:
      - {window_start: "1970-01-01T00:06:00Z", service_name: shop, pool: bad, waiting_max: 3}
      - {window_start: "1970-01-01T00:06:00Z", service_name: shop, pool: good, waiting_max: 0}
      - {window_start: "1970-01-01T00:06:00Z", service_name: shop, pool: measured, waiting_max: 4}
      - {window_start: "1970-01-01T00:06:10Z", service_name: shop, pool: measured, waiting_max: 0, wait_count: 50, wait_sum_ms: 50}
  expect:
    - {service_name: shop, pool: bad, state: firing, value: 3}
    - {service_name: shop, pool: good, state: ok}
    - {service_name: shop, pool: measured, state: ok, value: 0}
---
Requests wait for a free connection. Look for slow statements and open transactions before you enlarge the pool.

This covers pools that do not report wait times. `pool_wait` judges pools that do; they count as 0 here. */
SELECT
  service_name,
  pool,
  CASE WHEN coalesce(sum(wait_count), 0.0) > 0 THEN 0.0 ELSE max(waiting_max) END AS value,
  count(waiting_max) AS samples,
  max(used_max) AS used_max,
  max(idle_max) AS idle_max,
  max(connections_max) AS connections_max,
  max(waiting_max) AS waiting_max,
  sum(timeouts) AS timeouts
FROM pools
WHERE window_start >= $window_start AND window_start < $window_end
GROUP BY 1, 2
HAVING count(waiting_max) > 0
