/*---
title: Cache lookups out of metrics
kind: rollup
table: caches
reads: [metrics]
counters: [
  redis.keyspace.hits, redis.keyspace.misses, redis.keys.evicted, memcached.operations, memcached.get_hits,
  memcached.get_misses, memcached.evictions, redis.client.csc.requests, redis.client.csc.evictions,
  rueidis_do_cache_hits, rueidis_do_cache_miss, cache.gets, cache.evictions, cache.hits, cache.misses,
  django_cache_get_hits_total, django_cache_get_misses_total, django_cache_get_hits, django_cache_get_misses,
  django_cache_hits_total, django_cache_misses_total, django_cache_hits, django_cache_misses
]
examples:
  - name: Micrometer's counters and the Redis receiver's
    given:
      new_metrics:
        - {time: "1970-01-01T00:00:01Z", service_name: shop, name: cache.gets, attributes: {cache: products, result: hit}, delta: 90}
        - {time: "1970-01-01T00:00:01Z", service_name: shop, name: cache.gets, attributes: {cache: products, result: miss}, delta: 10}
        - {time: "1970-01-01T00:00:01Z", service_name: redis, name: redis.keyspace.hits, attributes: {}, delta: 7}
        - {time: "1970-01-01T00:00:01Z", service_name: redis, name: redis.keys.evicted, attributes: {}, delta: 2}
    expect:
      - {layer: memory, cache: products, service_name: shop, hits: 90, misses: 10}
      - {layer: redis, cache: redis, service_name: redis, hits: 7, misses: 0, evictions: 2}
  - name: a first point, of which no increase is known
    given:
      new_metrics:
        - {time: "1970-01-01T00:00:01Z", service_name: shop, name: cache.hits, attributes: {cache: c}, kind: gauge, value: 90}
    expect: []
  - name: a ratio beside the counts that it is made of
    given:
      new_metrics:
        - {time: "1970-01-01T00:00:01Z", service_name: m, name: memcached.operations, attributes: {operation: get, type: hit}, value: 900, delta: 90}
        - {time: "1970-01-01T00:00:01Z", service_name: m, name: memcached.operations, attributes: {operation: get, type: miss}, value: 100, delta: 10}
        - {time: "1970-01-01T00:00:01Z", service_name: m, name: memcached.operation_hit_ratio, attributes: {operation: get}, unit: "%", value: 90}
        - {time: "1970-01-01T00:00:01Z", service_name: first, name: memcached.operations, attributes: {operation: get, type: hit}, value: 900}
        - {time: "1970-01-01T00:00:01Z", service_name: first, name: memcached.operation_hit_ratio, attributes: {operation: get}, unit: "%", value: 90}
    expect:
      - {layer: memcached, cache: get, service_name: m, hits: 90, misses: 10}
  - name: a ratio alone counts as a hundred lookups
    given:
      new_metrics:
        - {time: "1970-01-01T00:00:01Z", service_name: m, name: memcached.operation_hit_ratio, attributes: {operation: get}, unit: "%", value: 80}
    expect:
      - {layer: memcached, cache: get, service_name: m, hits: 80, misses: 20}
---
Hits and misses as senders count them: there is no semantic convention for caches, so the names of the Redis and
memcached receivers, redis-py, rueidis, Micrometer and Django are all known here. They count by their increase, whether
they come as counters, cumulative or delta, or as gauges. A hit ratio stands for a hundred lookups, where the same service
does not send the counts, too. */
WITH counted AS (
  SELECT
    date_bin(INTERVAL '10 seconds', time) AS window_start,
    service_name,
    name,
    lower(coalesce(
      attributes['result'], attributes['type'], attributes['redis.client.csc.result'], attributes['cache.result']
    )) AS result,
    coalesce(
      attributes['cache'], attributes['cache.name'], attributes['name'], attributes['backend'], attributes['operation']
    ) AS cache,
    lower(coalesce(attributes['cacheManager'], attributes['cache.manager'], '')) AS manager,
    CASE WHEN name NOT LIKE '%ratio' THEN delta END AS n,
    CASE
      WHEN max(CASE WHEN name = 'memcached.operations' THEN 1 ELSE 0 END) OVER (PARTITION BY service_name) = 1 THEN NULL
      WHEN name NOT LIKE '%ratio' THEN NULL
      WHEN unit = '%' OR value > 1 THEN value
      ELSE 100 * value
    END AS ratio
  FROM new_metrics
  WHERE coalesce(abs(value) < 1e300, true)
    -- The receiver says 0 also where nothing was asked.
    AND NOT (name LIKE '%ratio' AND value = 0)
    AND name IN (
    'redis.keyspace.hits', 'redis.keyspace.misses', 'redis.keys.evicted',
    'memcached.operations', 'memcached.operation_hit_ratio', 'memcached.get_hits', 'memcached.get_misses', 'memcached.evictions',
    'redis.client.csc.requests', 'redis.client.csc.evictions', 'rueidis_do_cache_hits', 'rueidis_do_cache_miss',
    'cache.gets', 'cache.evictions', 'cache.hits', 'cache.misses',
    'django_cache_get_hits_total', 'django_cache_get_misses_total', 'django_cache_get_hits', 'django_cache_get_misses',
    'django_cache_hits_total', 'django_cache_misses_total', 'django_cache_hits', 'django_cache_misses'
  )
), sorted AS (
  SELECT
    window_start,
    service_name,
    CASE
      WHEN name LIKE 'redis.client%' OR name LIKE 'rueidis%' THEN 'memory'
      WHEN name LIKE 'redis%' OR manager LIKE '%redis%' OR lower(cache) LIKE '%redis%' THEN 'redis'
      WHEN name LIKE 'memcached%' OR lower(cache) LIKE '%memcached%' THEN 'memcached'
      ELSE 'memory'
    END AS layer,
    coalesce(cache, CASE
      WHEN name LIKE 'redis.client%' THEN 'client side'
      WHEN name LIKE 'rueidis%' THEN 'rueidis'
      WHEN name LIKE 'redis%' THEN 'redis'
      WHEN name LIKE 'memcached%' THEN 'get'
      ELSE 'default'
    END) AS cache,
    CASE
      WHEN ratio IS NOT NULL THEN 'ratio'
      WHEN name LIKE '%evict%' THEN 'evicted'
      WHEN result = 'hit' OR name LIKE '%hits%' THEN 'hit'
      WHEN result = 'miss' OR name LIKE '%miss%' THEN 'miss'
    END AS what,
    n,
    ratio
  FROM counted
)
SELECT
  window_start,
  layer,
  cache,
  service_name,
  sum(CASE what WHEN 'hit' THEN n WHEN 'ratio' THEN ratio ELSE 0.0 END) AS hits,
  sum(CASE what WHEN 'miss' THEN n WHEN 'ratio' THEN 100 - ratio ELSE 0.0 END) AS misses,
  sum(CASE what WHEN 'evicted' THEN n ELSE 0.0 END) AS evictions
FROM sorted
WHERE what IS NOT NULL AND coalesce(n, ratio) IS NOT NULL
GROUP BY 1, 2, 3, 4
