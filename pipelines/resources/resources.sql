/*---
title: Use of cpu, memory, disk and network
kind: rollup
table: resources
reads: [metrics]
example:
  name: shares become percent, counters count by their increase
  given:
    new_metrics:
      - {time: "1970-01-01T00:00:01Z", service_name: host, name: system.cpu.utilization, attributes: {cpu: cpu0, state: idle}, value: 0.25}
      - {time: "1970-01-01T00:00:01Z", service_name: host, name: system.memory.utilization, attributes: {state: used}, value: 0.5}
      - {time: "1970-01-01T00:00:01Z", service_name: host, name: system.network.io, attributes: {device: eth0}, value: 5000, delta: 100}
  expect:
    - {resource: cpu, device: cpu0, unit: "%", value_max: 75}
    - {resource: memory, device: "", unit: "%", value_max: 50}
    - {resource: network_io, device: eth0, unit: By, value_sum: 100}
---
What hosts and processes use, as the host-metrics receiver and the SDKs' system instrumentations send it. Shares are in
percent; of a cpu the busy share, which is what is not idle. */
WITH points AS (
  SELECT
    date_bin(INTERVAL '10 seconds', time) AS window_start,
    service_name,
    coalesce(resource_attributes['host.name'], resource_attributes['service.instance.id'], '') AS host,
    name,
    coalesce(attributes['system.cpu.state'], attributes['cpu.mode'], attributes['state'], attributes['system.memory.state'], '') AS state,
    coalesce(
      attributes['mountpoint'], attributes['system.filesystem.mountpoint'], attributes['device'],
      attributes['system.device'], attributes['network.interface.name'], attributes['cpu'], attributes['cpu.logical_number'], ''
    ) AS device,
    value,
    delta
  FROM new_metrics
  WHERE coalesce(abs(value) < 1e300, true) AND (name LIKE 'system.%' OR name LIKE 'process.%')
), judged AS (
  SELECT
    window_start, service_name, host, device,
    CASE
      WHEN name = 'system.cpu.utilization' AND state IN ('idle', '') THEN 'cpu'
      WHEN name IN ('process.cpu.utilization', 'process.runtime.cpu.utilization') THEN 'process_cpu'
      WHEN name = 'system.memory.utilization' AND state IN ('used', '') THEN 'memory'
      WHEN name IN ('process.memory.usage', 'process.memory.physical_usage') THEN 'process_memory'
      WHEN name = 'system.filesystem.utilization' AND state IN ('used', '') THEN 'disk'
      WHEN name = 'system.network.io' THEN 'network_io'
      WHEN name = 'system.disk.io' THEN 'disk_io'
    END AS resource,
    CASE WHEN name LIKE '%utilization' THEN '%' ELSE 'By' END AS unit,
    CASE
      WHEN name = 'system.cpu.utilization' AND state = 'idle' THEN 100 * (1 - value)
      WHEN name LIKE '%utilization' THEN 100 * value
      ELSE value
    END AS value,
    delta
  FROM points
)
SELECT
  window_start, service_name, host, resource, device, unit,
  max(value) AS value_max,
  sum(coalesce(delta, value)) AS value_sum,
  count(*) AS samples
FROM judged
WHERE resource IS NOT NULL AND value IS NOT NULL
GROUP BY 1, 2, 3, 4, 5, 6
