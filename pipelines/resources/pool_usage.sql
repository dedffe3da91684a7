/*---
title: Connection pools per minute
kind: view
example:
  given:
    pools:
      - {window_start: "1970-01-01T00:00:10Z", service_name: shop, pool: p, used_max: 3, wait_count: 4, wait_sum_ms: 20}
      - {window_start: "1970-01-01T00:00:20Z", service_name: shop, pool: p, used_max: 5, timeouts: 1}
  expect:
    - {service_name: shop, pool: p, used_max: 5, wait_avg_ms: 5, timeouts: 1}
---
Used and idle connections, pending requests, wait times and timeouts of each pool, one row per minute. */
SELECT
  date_bin(INTERVAL '1 minute', window_start) AS window_start,
  service_name,
  pool,
  max(used_max) AS used_max,
  max(idle_max) AS idle_max,
  max(connections_max) AS connections_max,
  max(waiting_max) AS waiting_max,
  CASE WHEN sum(wait_count) > 0 THEN sum(wait_sum_ms) / sum(wait_count) END AS wait_avg_ms,
  sum(timeouts) AS timeouts
FROM pools
GROUP BY 1, 2, 3
