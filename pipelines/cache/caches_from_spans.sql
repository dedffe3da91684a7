/*---
title: Cache lookups from spans
kind: rollup
table: caches
reads: [spans]
needs:
  - cache.hit
  - http.response.header.cache-status
  - http.response.header.cache_status
  - http.response.header.cf-cache-status
  - http.response.header.cf_cache_status
  - http.response.header.x-cache
  - http.response.header.x_cache
  - http.response.header.age
examples:
  - name: a sampled lookup counts with its weight
    given:
      spans:
        - {start_time: "1970-01-01T00:00:01Z", service_name: shop, attributes: {cache.hit: "true"}, name: cache.get, kind: CLIENT, db_system_name: redis, sampled_weight: 8}
        - {start_time: "1970-01-01T00:00:02Z", service_name: shop, attributes: {cache.hit: "false"}, name: cache.get, kind: CLIENT, db_system_name: redis, sampled_weight: 1.5}
        - {start_time: "1970-01-01T00:00:03Z", service_name: shop, attributes: {cache.hit: "false"}, name: cache.get, kind: CLIENT, db_system_name: redis}
    expect:
      - {layer: redis, cache: cache.get, service_name: shop, hits: 1, misses: 2, hits_estimated: 8, misses_estimated: 2.5}
  - name: cache spans of libraries
    given:
      spans:
        - {start_time: "1970-01-01T00:00:01Z", service_name: shop, attributes: {cache.hit: "true"}, name: cache.get, kind: CLIENT, db_system_name: redis}
        - {start_time: "1970-01-01T00:00:02Z", service_name: shop, attributes: {cache.hit: "false"}, name: cache.get, kind: CLIENT, db_system_name: redis}
        - {start_time: "1970-01-01T00:00:02Z", service_name: sentry, attributes: {cache.hit: "true", cache.key: '["user:1:profile"]', sentry.op: cache.get}, name: "user:1:profile", kind: CLIENT}
        - {start_time: "1970-01-01T00:00:02Z", service_name: sentry, attributes: {cache.hit: "false", cache.key: '["user:2:profile"]', sentry.op: cache.get}, name: "user:2:profile", kind: CLIENT}
        - {start_time: "1970-01-01T00:00:02Z", service_name: keyed, attributes: {cache.hit: "false", cache.key: k1}, name: "k1", kind: INTERNAL}
    expect:
      - {layer: redis, cache: cache.get, service_name: shop, hits: 1, misses: 1}
      - {layer: memory, cache: cache.get, service_name: sentry, hits: 1, misses: 1}
      - {layer: memory, cache: cache.get, service_name: keyed, hits: 0, misses: 1}
  - name: CDN headers, where the entry nearest to the client decides
    given:
      spans:
        - {start_time: "1970-01-01T00:00:03Z", service_name: web, kind: CLIENT, server_address: front, attributes: {http.response.header.x-cache: '["Hit from cloudfront"]'}, name: GET}
        - {start_time: "1970-01-01T00:00:03Z", service_name: web, kind: CLIENT, server_address: akamai, attributes: {http.response.header.x-cache: '["TCP_MISS from a1.whitehall.example (Akamai)"]'}, name: GET}
        - {start_time: "1970-01-01T00:00:03Z", service_name: web, kind: CLIENT, server_address: shield, attributes: {http.response.header.x_cache: '["HIT, MISS"]'}, name: GET}
        - {start_time: "1970-01-01T00:00:03Z", service_name: web, kind: CLIENT, server_address: shield, attributes: {http.response.header.x_cache: '["MISS","HIT"]'}, name: GET}
        - {start_time: "1970-01-01T00:00:03Z", service_name: web, kind: CLIENT, server_address: cf, attributes: {http.response.header.cf-cache-status: '["STALE"]'}, name: GET}
        - {start_time: "1970-01-01T00:00:03Z", service_name: web, kind: CLIENT, server_address: cf, attributes: {http.response.header.cf_cache_status: '["REVALIDATED"]'}, name: GET}
        - {start_time: "1970-01-01T00:00:03Z", service_name: web, kind: CLIENT, server_address: cf, attributes: {http.response.header.cf-cache-status: '["UPDATING"]'}, name: GET}
        - {start_time: "1970-01-01T00:00:03Z", service_name: web, kind: CLIENT, server_address: cf, attributes: {http.response.header.cf-cache-status: '["EXPIRED"]'}, name: GET}
        - {start_time: "1970-01-01T00:00:03Z", service_name: web, kind: CLIENT, server_address: cf, attributes: {http.response.header.cf-cache-status: '["DYNAMIC"]', http.response.header.age: '["9"]'}, name: GET}
        - {start_time: "1970-01-01T00:00:03Z", service_name: web, kind: CLIENT, server_address: aged, attributes: {http.response.header.age: '["120"]'}, name: GET}
        - {start_time: "1970-01-01T00:00:03Z", service_name: web, kind: CLIENT, server_address: aged, attributes: {http.response.header.age: '["0"]'}, name: GET}
        - {start_time: "1970-01-01T00:00:03Z", service_name: origin, kind: SERVER, attributes: {http.response.header.x-cache: '["HIT"]'}, name: GET}
        - {start_time: "1970-01-01T00:00:03Z", service_name: web, kind: CLIENT, attributes: {other: x}, name: GET}
    expect:
      - {layer: cdn, cache: front, service_name: web, hits: 1, misses: 0}
      - {layer: cdn, cache: akamai, service_name: web, hits: 0, misses: 1}
      - {layer: cdn, cache: shield, service_name: web, hits: 1, misses: 1}
      - {layer: cdn, cache: cf, service_name: web, hits: 3, misses: 1}
      - {layer: cdn, cache: aged, service_name: web, hits: 1, misses: 1}
  - name: Cache-Status, where the last member decides, and responses that are not lookups
    given:
      spans:
        - {start_time: "1970-01-01T00:00:03Z", service_name: web, kind: CLIENT, server_address: last, attributes: {http.response.header.cache-status: '["Origin; hit, CDN; fwd=uri-miss; stored"]'}, name: GET}
        - {start_time: "1970-01-01T00:00:03Z", service_name: web, kind: CLIENT, server_address: last, attributes: {http.response.header.cache-status: '["Origin; fwd=miss","CDN; hit; ttl=30"]'}, name: GET}
        - {start_time: "1970-01-01T00:00:03Z", service_name: web, kind: CLIENT, server_address: last, attributes: {http.response.header.cache_status: "CDN; fwd=stale"}, name: GET}
        - {start_time: "1970-01-01T00:00:03Z", service_name: web, kind: CLIENT, server_address: last, attributes: {http.response.header.cache-status: '["CDN; fwd=bypass"]', http.response.header.x-cache: '["MISS"]'}, name: GET}
        - {start_time: "1970-01-01T00:00:03Z", service_name: web, kind: CLIENT, server_address: last, attributes: {http.response.header.cache-status: '["CDN; fwd=method"]', http.response.header.age: '["9"]'}, name: GET}
        - {start_time: "1970-01-01T00:00:03Z", service_name: web, kind: CLIENT, server_address: plain, attributes: {http.response.header.cache-status: '["HIT"]', http.response.header.x-cache: '["MISS"]'}, name: GET}
    expect:
      - {layer: cdn, cache: last, service_name: web, hits: 1, misses: 2}
      - {layer: cdn, cache: plain, service_name: web, hits: 0, misses: 1}
---
Cache lookups from spans: `cache.hit`, as set by Sentry and other SDKs, and CDN response headers on client spans:
`cache-status` (RFC 9211), else `cf-cache-status`, else `x-cache`, else an `age` above 0. The cache name is the one that the
span sets, else the span name, unless that may be the cache key. */
WITH asked AS (
  SELECT
    date_bin(INTERVAL '10 seconds', start_time) AS window_start,
    service_name,
    db_system_name,
    server_address,
    attributes['cache.system'] AS cache_system,
    coalesce(
      attributes['cache.name'],
      attributes['sentry.op'],
      CASE WHEN attributes['cache.key'] IS NULL THEN name ELSE 'cache.get' END
    ) AS cache,
    attributes['cache.hit'] AS hit,
    coalesce(kind, 'CLIENT') = 'CLIENT' AS is_client,
    cache_status(coalesce(
      attributes['http.response.header.cache-status'], attributes['http.response.header.cache_status']
    )) AS cache_status,
    coalesce(
      attributes['http.response.header.cf-cache-status'], attributes['http.response.header.cf_cache_status'],
      attributes['http.response.header.x-cache'], attributes['http.response.header.x_cache']
    ) AS status,
    attributes['http.response.header.age'] AS age,
    coalesce(sampled_weight, 1.0) AS weight
  FROM new_spans
), lookups AS (
  SELECT
    window_start, service_name, db_system_name, server_address, cache_system, cache, hit, weight,
    CASE
      WHEN NOT is_client OR cache_status = 'none' THEN NULL
      WHEN cache_status IS NOT NULL THEN cache_status
      -- The status precedes ` from ` and its host; earlier list entries are from hosts nearer to the origin.
      WHEN status IS NOT NULL THEN lower(split_part(split_part(status, ',', -1), ' from ', 1))
      WHEN TRY_CAST(btrim(age, '[]" ') AS DOUBLE) > 0 THEN 'hit'
      WHEN age IS NOT NULL THEN 'miss'
    END AS cdn
  FROM asked
), answered AS (
  SELECT
    window_start, service_name, db_system_name, server_address, cache_system, cache, weight,
    hit IN ('true', 'false') AS is_own,
    CASE
      WHEN hit IN ('true', 'false') THEN hit = 'true'
      WHEN cdn LIKE '%hit%' OR cdn LIKE '%stale%' OR cdn LIKE '%revalidated%' OR cdn LIKE '%updating%' THEN true
      WHEN cdn LIKE '%miss%' OR cdn LIKE '%expired%' THEN false
    END AS is_hit
  FROM lookups
)
SELECT
  window_start,
  CASE WHEN is_own THEN coalesce(db_system_name, cache_system, 'memory') ELSE 'cdn' END AS layer,
  CASE WHEN is_own THEN cache ELSE coalesce(server_address, 'cdn') END AS cache,
  service_name,
  sum(CASE WHEN is_hit THEN 1.0 ELSE 0.0 END) AS hits,
  sum(CASE WHEN is_hit THEN 0.0 ELSE 1.0 END) AS misses,
  sum(CASE WHEN is_hit THEN weight ELSE 0.0 END) AS hits_estimated,
  sum(CASE WHEN is_hit THEN 0.0 ELSE weight END) AS misses_estimated,
  0.0 AS evictions
FROM answered
WHERE is_hit IS NOT NULL
GROUP BY 1, 2, 3, 4
