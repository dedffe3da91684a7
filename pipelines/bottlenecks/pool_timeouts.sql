/*---
title: Connection pool timeouts
kind: finding
window: 5m
no_data: resolve
key: [service_name, pool]
direction: at_least
warning: 1
unit: "{timeout}"
message: "{service_name}: {value} timeouts waiting for a connection of pool {pool}"
example:
  now_ms: 600000
  given:
    pools:
      - {window_start: "1970-01-01T00:06:00Z", service_name: shop, pool: bad, timeouts: 2}
      - {window_start: "1970-01-01T00:06:00Z", service_name: shop, pool: good, timeouts: 0}
  expect:
    - {service_name: shop, pool: bad, state: firing, value: 2}
    - {service_name: shop, pool: good, state: ok}
---
Requests failed because no connection became free before the timeout. All connections are in use: look for slow statements
and open transactions. */
SELECT
  service_name,
  pool,
  sum(timeouts) AS value,
  1 AS samples,
  max(used_max) AS used_max,
  max(idle_max) AS idle_max,
  max(connections_max) AS connections_max,
  max(waiting_max) AS waiting_max,
  sum(timeouts) AS timeouts
FROM pools
WHERE window_start >= $window_start AND window_start < $window_end
GROUP BY 1, 2
HAVING count(timeouts) > 0
