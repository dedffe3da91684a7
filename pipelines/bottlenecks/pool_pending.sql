/*---
title: Requests queue for a connection
kind: finding
window: 5m
key: [service_name, pool]
direction: at_least
warning: 1
unit: "{request}"
message: "{service_name}: {value} wait at once for a connection of pool {pool}"
example:
  now_ms: 600000
  given:
    pools:
      - {window_start: "1970-01-01T00:06:00Z", service_name: shop, pool: bad, waiting_max: 3}
      - {window_start: "1970-01-01T00:06:00Z", service_name: shop, pool: good, waiting_max: 0}
  expect:
    - {service_name: shop, pool: bad, state: firing, value: 3}
    - {service_name: shop, pool: good, state: ok}
---
Requests stand in line for a connection of a pool that does not say how long they wait. See `pool_wait`, which judges
pools that do. */
SELECT
  service_name,
  pool,
  max(waiting_max) AS value,
  count(waiting_max) AS samples,
  max(used_max) AS used_max,
  max(idle_max) AS idle_max,
  max(connections_max) AS connections_max,
  max(waiting_max) AS waiting_max,
  sum(timeouts) AS timeouts
FROM pools
WHERE window_start >= $window_start AND window_start < $window_end
GROUP BY 1, 2
HAVING count(waiting_max) > 0 AND coalesce(sum(wait_count), 0) = 0
