/*---
title: Cache lookups from metrics
kind: rollup
table: caches
reads: [metrics]
counters: [
  redis.keyspace.hits, redis.keyspace.misses, redis.keys.evicted, redis.evicted.keys, memcached.operations,
  memcached.get_hits, memcached.get_misses, memcached.evictions, memcached.commands, memcached.items.evicted,
  redis.client.csc.requests, redis.client.csc.evictions, rueidis_do_cache_hits, rueidis_do_cache_miss,
  cache.gets, cache.requests, cache.evictions, cache.hits, cache.misses, dotnet.cache.requests, dotnet.cache.evictions,
  caffeine_cache_hit, caffeine_cache_miss, caffeine_cache_eviction, guava_cache_hit, guava_cache_miss, guava_cache_eviction,
  hibernate.second.level.cache.requests, django_cache_get_hits, django_cache_get_misses, django_cache_hits, django_cache_misses
]
examples:
  - name: counters of Micrometer and the Redis receiver
    given:
      new_metrics:
        - {time: "1970-01-01T00:00:01Z", service_name: shop, name: cache.gets, attributes: {cache: products, result: hit}, delta: 90}
        - {time: "1970-01-01T00:00:01Z", service_name: shop, name: cache.gets, attributes: {cache: products, result: miss}, delta: 10}
        - {time: "1970-01-01T00:00:01Z", service_name: redis, name: redis.keyspace.hits, attributes: {}, delta: 7}
        - {time: "1970-01-01T00:00:01Z", service_name: redis, name: redis.keys.evicted, attributes: {}, delta: 2}
    expect:
      - {layer: memory, cache: products, service_name: shop, hits: 90, misses: 10}
      - {layer: redis, cache: redis, service_name: redis, hits: 7, misses: 0, evictions: 2}
  - name: the same in Prometheus spelling, from Micrometer, redis_exporter, memcached_exporter and others
    given:
      new_metrics:
        - {time: "1970-01-01T00:00:01Z", service_name: shop, name: cache_gets_total, attributes: {cache: products, cache_manager: redisCacheManager, name: products, result: hit}, kind: sum, delta: 90}
        - {time: "1970-01-01T00:00:01Z", service_name: shop, name: cache_gets_total, attributes: {cache: products, cache_manager: redisCacheManager, name: products, result: miss}, kind: sum, delta: 10}
        - {time: "1970-01-01T00:00:01Z", service_name: shop, name: cache_gets_total, attributes: {cache: products, cache_manager: redisCacheManager, name: products, result: pending}, kind: sum, delta: 3}
        - {time: "1970-01-01T00:00:01Z", service_name: shop, name: cache_evictions_total, attributes: {cache: products, cache_manager: redisCacheManager, name: products}, kind: sum, delta: 4}
        - {time: "1970-01-01T00:00:01Z", service_name: r, name: redis_keyspace_hits_total, attributes: {}, kind: sum, delta: 7}
        - {time: "1970-01-01T00:00:01Z", service_name: r, name: redis_keyspace_misses_total, attributes: {}, kind: sum, delta: 3}
        - {time: "1970-01-01T00:00:01Z", service_name: r, name: redis_evicted_keys_total, attributes: {}, kind: sum, delta: 2}
        - {time: "1970-01-01T00:00:01Z", service_name: m, name: memcached_commands_total, attributes: {command: get, status: hit}, kind: sum, delta: 8}
        - {time: "1970-01-01T00:00:01Z", service_name: m, name: memcached_commands_total, attributes: {command: get, status: miss}, kind: sum, delta: 2}
        - {time: "1970-01-01T00:00:01Z", service_name: m, name: memcached_commands_total, attributes: {command: set, status: hit}, kind: sum, delta: 50}
        - {time: "1970-01-01T00:00:01Z", service_name: m, name: memcached_items_evicted_total, attributes: {}, kind: sum, delta: 1}
        - {time: "1970-01-01T00:00:01Z", service_name: ru, name: rueidis_do_cache_hits_total, attributes: {}, kind: sum, delta: 5}
        - {time: "1970-01-01T00:00:01Z", service_name: ru, name: rueidis_do_cache_miss_total, attributes: {}, kind: sum, delta: 1}
        - {time: "1970-01-01T00:00:01Z", service_name: py, name: redis_client_csc_requests_total, attributes: {redis_client_csc_result: hit}, kind: sum, delta: 5}
        - {time: "1970-01-01T00:00:01Z", service_name: py, name: redis_client_csc_requests_total, attributes: {redis_client_csc_result: miss}, kind: sum, delta: 2}
        - {time: "1970-01-01T00:00:01Z", service_name: dj, name: django_cache_get_hits_total, attributes: {backend: default}, kind: sum, delta: 6}
        - {time: "1970-01-01T00:00:01Z", service_name: dj, name: django_cache_get_misses_total, attributes: {backend: default}, kind: sum, delta: 4}
    expect:
      - {layer: redis, cache: products, service_name: shop, hits: 90, misses: 10, evictions: 4}
      - {layer: redis, cache: redis, service_name: r, hits: 7, misses: 3, evictions: 2}
      - {layer: memcached, cache: get, service_name: m, hits: 8, misses: 2, evictions: 1}
      - {layer: memory, cache: rueidis, service_name: ru, hits: 5, misses: 1}
      - {layer: memory, cache: client side, service_name: py, hits: 5, misses: 2}
      - {layer: memory, cache: default, service_name: dj, hits: 6, misses: 4}
  - name: .NET's MemoryCache with both names of its attribute, the Caffeine and Guava collectors, and Hibernate
    given:
      new_metrics:
        - {time: "1970-01-01T00:00:01Z", service_name: net, name: dotnet.cache.requests, attributes: {dotnet.cache.name: Default, dotnet.cache.request.type: hit}, kind: sum, delta: 9}
        - {time: "1970-01-01T00:00:01Z", service_name: net, name: dotnet.cache.requests, attributes: {dotnet.cache.name: Default, dotnet.cache.request.result: miss}, kind: sum, delta: 1}
        - {time: "1970-01-01T00:00:01Z", service_name: net, name: dotnet.cache.evictions, attributes: {dotnet.cache.name: Default}, kind: sum, delta: 3}
        - {time: "1970-01-01T00:00:01Z", service_name: net, name: dotnet.cache.entries, attributes: {dotnet.cache.name: Default}, kind: sum, delta: 3}
        - {time: "1970-01-01T00:00:01Z", service_name: prom, name: dotnet_cache_requests_total, attributes: {dotnet_cache_request_result: hit}, kind: sum, delta: 4}
        - {time: "1970-01-01T00:00:01Z", service_name: caf, name: caffeine_cache_hit_total, attributes: {cache: users}, kind: sum, delta: 10}
        - {time: "1970-01-01T00:00:01Z", service_name: caf, name: caffeine_cache_miss_total, attributes: {cache: users}, kind: sum, delta: 3}
        - {time: "1970-01-01T00:00:01Z", service_name: caf, name: caffeine_cache_requests_total, attributes: {cache: users}, kind: sum, delta: 13}
        - {time: "1970-01-01T00:00:01Z", service_name: caf, name: caffeine_cache_eviction_total, attributes: {cache: users}, kind: sum, delta: 1}
        - {time: "1970-01-01T00:00:01Z", service_name: hib, name: hibernate.second.level.cache.requests, attributes: {region: carts, result: hit}, kind: sum, delta: 2}
    expect:
      - {layer: memory, cache: Default, service_name: net, hits: 9, misses: 1, evictions: 3}
      - {layer: memory, cache: default, service_name: prom, hits: 4, misses: 0}
      - {layer: memory, cache: users, service_name: caf, hits: 10, misses: 3, evictions: 1}
      - {layer: memory, cache: carts, service_name: hib, hits: 2}
  - name: a first point without a known increase
    given:
      new_metrics:
        - {time: "1970-01-01T00:00:01Z", service_name: shop, name: cache.hits, attributes: {cache: c}, kind: gauge, value: 90}
    expect: []
  - name: a ratio next to its counts is ignored
    given:
      new_metrics:
        - {time: "1970-01-01T00:00:01Z", service_name: m, name: memcached.operations, attributes: {operation: get, type: hit}, value: 900, delta: 90}
        - {time: "1970-01-01T00:00:01Z", service_name: m, name: memcached.operations, attributes: {operation: get, type: miss}, value: 100, delta: 10}
        - {time: "1970-01-01T00:00:01Z", service_name: m, name: memcached.operation_hit_ratio, attributes: {operation: get}, unit: "%", value: 90}
        - {time: "1970-01-01T00:00:01Z", service_name: first, name: memcached.operations, attributes: {operation: get, type: hit}, value: 900}
        - {time: "1970-01-01T00:00:01Z", service_name: first, name: memcached.operation_hit_ratio, attributes: {operation: get}, unit: "%", value: 90}
    expect:
      - {layer: memcached, cache: get, service_name: m, hits: 90, misses: 10}
  - name: a ratio alone counts as 100 lookups
    given:
      new_metrics:
        - {time: "1970-01-01T00:00:01Z", service_name: m, name: memcached.operation_hit_ratio, attributes: {operation: get}, unit: "%", value: 80}
    expect:
      - {layer: memcached, cache: get, service_name: m, hits: 80, misses: 20}
---
Cache hits and misses from metrics. There is no semantic convention for caches. The table below lists the metrics of the
Redis and memcached receivers, redis_exporter and memcached_exporter, redis-py, rueidis, Micrometer, .NET's `MemoryCache`,
the Caffeine and Guava collectors, Hibernate and Django. It matches by `metric_key`, so names with dots and in Prometheus
spelling are equivalent. Values count by their increase, as cumulative or delta counters or as gauges. If `what` is null, an
attribute distinguishes hits from misses. A hit ratio counts as 100 lookups if the service does not also send the counts. */
WITH known AS (
  SELECT * FROM (VALUES
    -- key, what it counts, layer, cache name if no attribute sets it
    ('redis_keyspace_hits', 'hit', 'redis', 'redis'),
    ('redis_keyspace_misses', 'miss', 'redis', 'redis'),
    ('redis_keys_evicted', 'evicted', 'redis', 'redis'),
    ('redis_evicted_keys', 'evicted', 'redis', 'redis'),
    ('memcached_operations', NULL, 'memcached', 'get'),
    ('memcached_operation_hit_ratio', 'ratio', 'memcached', 'get'),
    ('memcached_commands', NULL, 'memcached', 'get'),
    ('memcached_get_hits', 'hit', 'memcached', 'get'),
    ('memcached_get_misses', 'miss', 'memcached', 'get'),
    ('memcached_evictions', 'evicted', 'memcached', 'get'),
    ('memcached_items_evicted', 'evicted', 'memcached', 'get'),
    ('redis_client_csc_requests', NULL, 'memory', 'client side'),
    ('redis_client_csc_evictions', 'evicted', 'memory', 'client side'),
    ('rueidis_do_cache_hits', 'hit', 'memory', 'rueidis'),
    ('rueidis_do_cache_miss', 'miss', 'memory', 'rueidis'),
    ('cache_gets', NULL, NULL, 'default'),
    ('cache_requests', NULL, NULL, 'default'),
    ('cache_hits', 'hit', NULL, 'default'),
    ('cache_misses', 'miss', NULL, 'default'),
    ('cache_evictions', 'evicted', NULL, 'default'),
    ('dotnet_cache_requests', NULL, 'memory', 'default'),
    ('dotnet_cache_evictions', 'evicted', 'memory', 'default'),
    ('caffeine_cache_hit', 'hit', 'memory', 'default'),
    ('caffeine_cache_miss', 'miss', 'memory', 'default'),
    ('caffeine_cache_eviction', 'evicted', 'memory', 'default'),
    ('guava_cache_hit', 'hit', 'memory', 'default'),
    ('guava_cache_miss', 'miss', 'memory', 'default'),
    ('guava_cache_eviction', 'evicted', 'memory', 'default'),
    ('hibernate_second_level_cache_requests', NULL, NULL, 'default'),
    ('django_cache_get_hits', 'hit', NULL, 'default'),
    ('django_cache_get_misses', 'miss', NULL, 'default'),
    ('django_cache_hits', 'hit', NULL, 'default'),
    ('django_cache_misses', 'miss', NULL, 'default')
  ) AS k(key, what, layer, cache)
), points AS (
  SELECT
    date_bin(INTERVAL '10 seconds', time) AS window_start,
    service_name,
    metric_key(name) AS key,
    lower(coalesce(
      attributes['result'], attributes['type'], attributes['status'],
      attributes['redis.client.csc.result'], attributes['redis_client_csc_result'],
      attributes['dotnet.cache.request.result'], attributes['dotnet_cache_request_result'],
      attributes['dotnet.cache.request.type'], attributes['dotnet_cache_request_type'],
      attributes['cache.result'], attributes['cache_result'], attributes['cache.request.type'], attributes['cache_request_type']
    )) AS result,
    coalesce(
      attributes['cache'], attributes['cache.name'], attributes['cache_name'], attributes['dotnet.cache.name'],
      attributes['dotnet_cache_name'], attributes['name'], attributes['backend'], attributes['region'], attributes['operation']
    ) AS cache,
    attributes['command'] AS command,
    lower(coalesce(attributes['cacheManager'], attributes['cache.manager'], attributes['cache_manager'], '')) AS manager,
    unit,
    value,
    delta
  FROM new_metrics
  WHERE (name LIKE '%cache%' OR name LIKE 'redis%')
    AND coalesce(abs(value) < 1e300, true)
), counted AS (
  SELECT
    p.window_start,
    p.service_name,
    CASE
      WHEN k.layer IS NOT NULL THEN k.layer
      WHEN p.manager LIKE '%redis%' OR lower(p.cache) LIKE '%redis%' THEN 'redis'
      WHEN lower(p.cache) LIKE '%memcached%' THEN 'memcached'
      ELSE 'memory'
    END AS layer,
    coalesce(p.cache, k.cache) AS cache,
    coalesce(k.what, CASE WHEN p.result IN ('hit', 'miss') THEN p.result END) AS what,
    p.delta AS n,
    CASE
      WHEN max(CASE WHEN p.key = 'memcached_operations' THEN 1 ELSE 0 END) OVER (PARTITION BY p.service_name) = 1 THEN NULL
      WHEN p.unit = '%' OR p.value > 1 THEN p.value
      ELSE 100 * p.value
    END AS ratio
  FROM points p
  JOIN known k ON k.key = p.key
  -- The receiver also reports 0 if there were no lookups.
  WHERE NOT (coalesce(k.what, '') = 'ratio' AND p.value = 0)
    -- Of the memcached commands only `get` is a lookup.
    AND (p.key <> 'memcached_commands' OR p.command = 'get')
)
SELECT
  window_start,
  layer,
  cache,
  service_name,
  sum(CASE what WHEN 'hit' THEN n WHEN 'ratio' THEN ratio ELSE 0.0 END) AS hits,
  sum(CASE what WHEN 'miss' THEN n WHEN 'ratio' THEN 100 - ratio ELSE 0.0 END) AS misses,
  sum(CASE what WHEN 'evicted' THEN n ELSE 0.0 END) AS evictions
FROM counted
WHERE what IS NOT NULL AND CASE WHEN what = 'ratio' THEN ratio ELSE n END IS NOT NULL
GROUP BY 1, 2, 3, 4
