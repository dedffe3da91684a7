/*---
title: Cache hit rate
kind: finding
counted: lookups
window: 5m
key: [layer, cache, service_name]
direction: below
warning: 85
samples_min: 100
no_data: resolve
unit: "%"
message: "{service_name}: cache {cache} ({layer}) hits {value} of {samples} lookups, below {limit}"
examples:
  - name: below, above, and too few lookups
    now_ms: 600000
    given:
      caches:
        - {window_start: "1970-01-01T00:06:00Z", layer: memory, cache: bad, service_name: shop, hits: 50, misses: 50, evictions: 0}
        - {window_start: "1970-01-01T00:06:00Z", layer: memory, cache: good, service_name: shop, hits: 85, misses: 15, evictions: 0}
        - {window_start: "1970-01-01T00:06:00Z", layer: redis, cache: idle, service_name: shop, hits: 1, misses: 9, evictions: 0}
    expect:
      - {layer: memory, cache: bad, service_name: shop, state: firing, value: 50}
      - {layer: memory, cache: good, service_name: shop, state: ok, value: 85}
      - {layer: redis, cache: idle, service_name: shop, state: no_data}
---
The cache hit rate is too low. Many misses right after writes mean that the TTL is too short; many evictions mean too little
memory. Otherwise the cache does not hold the entries that are requested. */
SELECT
  layer,
  cache,
  service_name,
  100.0 * sum(hits_estimated) / (sum(hits_estimated) + sum(misses_estimated)) AS value,
  CAST(sum(hits) + sum(misses) AS BIGINT) AS samples,
  sum(misses_estimated) AS misses,
  sum(evictions) AS evictions
FROM caches
WHERE window_start >= $window_start AND window_start < $window_end
GROUP BY 1, 2, 3
HAVING sum(hits_estimated) + sum(misses_estimated) > 0
