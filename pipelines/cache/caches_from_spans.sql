/*---
title: Cache lookups out of spans
kind: rollup
table: caches
reads: [spans]
example:
  name: a library's cache spans and a CDN
  given:
    spans:
      - {start_time: "1970-01-01T00:00:01Z", service_name: shop, attributes: {cache.hit: "true"}, name: cache.get, db_system_name: redis}
      - {start_time: "1970-01-01T00:00:02Z", service_name: shop, attributes: {cache.hit: "false"}, name: cache.get, db_system_name: redis}
      - {start_time: "1970-01-01T00:00:03Z", service_name: web, attributes: {http.response.header.x-cache: '["Hit from cloudfront"]'}, name: GET, server_address: cdn.test}
      - {start_time: "1970-01-01T00:00:03Z", service_name: web, attributes: {other: x}, name: GET}
  expect:
    - {layer: redis, cache: cache.get, service_name: shop, hits: 1, misses: 1}
    - {layer: cdn, cache: cdn.test, service_name: web, hits: 1, misses: 0}
---
Spans that say of themselves whether a cache held what was asked for: `cache.hit` as Sentry's and other SDKs set it, and
the answers' `x-cache` and `cf-cache-status` headers of a CDN. */
WITH lookups AS (
  SELECT
    date_bin(INTERVAL '10 seconds', start_time) AS window_start,
    service_name,
    name,
    db_system_name,
    server_address,
    attributes['cache.name'] AS cache_name,
    attributes['cache.system'] AS cache_system,
    attributes['cache.hit'] AS hit,
    lower(coalesce(attributes['http.response.header.cf-cache-status'], attributes['http.response.header.x-cache'])) AS cdn
  FROM new_spans
)
SELECT
  window_start,
  CASE WHEN hit IS NULL THEN 'cdn' ELSE coalesce(db_system_name, cache_system, 'memory') END AS layer,
  CASE WHEN hit IS NULL THEN coalesce(server_address, 'cdn') ELSE coalesce(cache_name, name) END AS cache,
  service_name,
  sum(CASE WHEN hit = 'true' OR (hit IS NULL AND cdn LIKE '%hit%') THEN 1.0 ELSE 0.0 END) AS hits,
  sum(CASE WHEN hit = 'true' OR (hit IS NULL AND cdn LIKE '%hit%') THEN 0.0 ELSE 1.0 END) AS misses,
  0.0 AS evictions
FROM lookups
WHERE hit IN ('true', 'false') OR cdn LIKE '%hit%' OR cdn LIKE '%miss%' OR cdn LIKE '%expired%'
GROUP BY 1, 2, 3, 4
