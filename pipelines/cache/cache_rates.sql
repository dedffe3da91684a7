/*---
title: Cache hit rates per minute
kind: view
example:
  given:
    caches:
      - {window_start: "1970-01-01T00:00:10Z", layer: memory, cache: c, service_name: shop, hits: 3, misses: 1, evictions: 0}
  expect:
    - {layer: memory, cache: c, hits: 3, misses: 1, hit_percent: 75}
---
Hits, misses and hit rate of each cache, one row per minute. With upstream sampling, they are estimates for all lookups. */
SELECT
  date_bin(INTERVAL '1 minute', window_start) AS window_start,
  layer,
  cache,
  service_name,
  sum(hits_estimated) AS hits,
  sum(misses_estimated) AS misses,
  CASE
    WHEN sum(hits_estimated) + sum(misses_estimated) > 0
      THEN 100.0 * sum(hits_estimated) / (sum(hits_estimated) + sum(misses_estimated))
  END AS hit_percent,
  sum(evictions) AS evictions
FROM caches
GROUP BY 1, 2, 3, 4
