/*---
title: CPU, memory, disk and network usage
kind: rollup
table: resources
reads: [metrics]
examples:
  - name: shares in percent for each CPU and mount point, in any unit
    given:
      new_metrics:
        - {time: "1970-01-01T00:00:01Z", service_name: host, name: system.cpu.utilization, unit: "1", kind: gauge, attributes: {cpu: cpu0, state: idle}, value: 0.25}
        - {time: "1970-01-01T00:00:01Z", service_name: host, name: system.cpu.utilization, unit: "1", kind: gauge, attributes: {cpu: cpu0, state: user}, value: 0.75}
        - {time: "1970-01-01T00:00:01Z", service_name: node, name: system.cpu.utilization, unit: "1", kind: gauge, attributes: {system.cpu.logical_number: "1", system.cpu.state: idle}, value: 0.9}
        - {time: "1970-01-01T00:00:01Z", service_name: host, name: system.memory.utilization, unit: "%", kind: gauge, attributes: {state: used}, value: 85}
        - {time: "1970-01-01T00:00:01Z", service_name: host, name: system.filesystem.utilization, unit: "1", kind: gauge, attributes: {system.filesystem.state: used, system.filesystem.mountpoint: /}, value: 0.2}
        - {time: "1970-01-01T00:00:01Z", service_name: host, name: system.filesystem.utilization, unit: "1", kind: gauge, attributes: {system.filesystem.state: free, system.filesystem.mountpoint: /}, value: 0.8}
        - {time: "1970-01-01T00:00:01Z", service_name: host, name: system.filesystem.utilization, unit: "1", kind: gauge, attributes: {mountpoint: /snap, mode: ro}, value: 1}
    expect:
      - {service_name: host, resource: cpu, device: cpu0, unit: "%", value_max: 75, share_used: 0.75, share_total: 1}
      - {service_name: node, resource: cpu, device: "1", unit: "%", value_max: 10}
      - {service_name: host, resource: memory, device: "", unit: "%", value_max: 85}
      - {service_name: host, resource: disk, device: /, unit: "%", value_max: 20}
  - name: shares from times and sizes, the default of the host metrics receiver
    given:
      new_metrics:
        - {time: "1970-01-01T00:00:01Z", service_name: host, name: system.cpu.time, unit: s, kind: sum, is_monotonic: true, attributes: {cpu: cpu0, state: idle}, value: 106, delta: 6}
        - {time: "1970-01-01T00:00:01Z", service_name: host, name: system.cpu.time, unit: s, kind: sum, is_monotonic: true, attributes: {cpu: cpu0, state: user}, value: 103, delta: 3}
        - {time: "1970-01-01T00:00:01Z", service_name: host, name: system.cpu.time, unit: s, kind: sum, is_monotonic: true, attributes: {cpu: cpu0, state: system}, value: 101, delta: 1}
        - {time: "1970-01-01T00:00:01Z", service_name: host, name: system.memory.usage, unit: By, kind: sum, is_monotonic: false, attributes: {state: used}, value: 200}
        - {time: "1970-01-01T00:00:01Z", service_name: host, name: system.memory.usage, unit: By, kind: sum, is_monotonic: false, attributes: {state: free}, value: 500}
        - {time: "1970-01-01T00:00:01Z", service_name: host, name: system.memory.usage, unit: By, kind: sum, is_monotonic: false, attributes: {state: cached}, value: 300}
        - {time: "1970-01-01T00:00:01Z", service_name: host, name: system.memory.usage, unit: By, kind: sum, is_monotonic: false, attributes: {state: slab_reclaimable}, value: 100}
        - {time: "1970-01-01T00:00:01Z", service_name: host, name: system.filesystem.usage, unit: By, kind: sum, is_monotonic: false, attributes: {state: used, mountpoint: /}, value: 900}
        - {time: "1970-01-01T00:00:01Z", service_name: host, name: system.filesystem.usage, unit: By, kind: sum, is_monotonic: false, attributes: {state: free, mountpoint: /}, value: 100}
    expect:
      - {resource: cpu, device: cpu0, unit: "%", value_max: null, share_used: 4, share_total: 10}
      - {resource: memory, device: "", unit: "%", share_used: 200, share_total: 1000}
      - {resource: disk, device: /, unit: "%", share_used: 900, share_total: 1000}
  - name: the states of a process are one share
    given:
      new_metrics:
        - {time: "1970-01-01T00:00:01Z", service_name: node, name: process.cpu.utilization, kind: gauge, attributes: {process.cpu.state: user}, value: 0.4}
        - {time: "1970-01-01T00:00:01Z", service_name: node, name: process.cpu.utilization, kind: gauge, attributes: {process.cpu.state: system}, value: 0.5}
        - {time: "1970-01-01T00:00:05Z", service_name: node, name: process.cpu.utilization, kind: gauge, attributes: {process.cpu.state: user}, value: 0.1}
        - {time: "1970-01-01T00:00:01Z", service_name: py, name: process.runtime.cpython.cpu.utilization, kind: gauge, attributes: {}, value: 0.4}
        - {time: "1970-01-01T00:00:01Z", service_name: go, name: process.cpu.time, unit: s, kind: sum, is_monotonic: true, attributes: {cpu.mode: user}, value: 100.5, delta: 0.5}
        - {time: "1970-01-01T00:00:01Z", service_name: go, name: process.network.io, unit: By, kind: sum, is_monotonic: true, attributes: {network.io.direction: transmit}, value: 1001000, delta: 1000}
        - {time: "1970-01-01T00:00:01Z", service_name: go, name: process.memory.usage, unit: By, kind: sum, is_monotonic: false, attributes: {}, value: 123456}
    expect:
      - {service_name: node, resource: process_cpu, device: "", unit: "%", value_max: 90, share_used: 1, share_total: 2}
      - {service_name: py, resource: process_cpu, unit: "%", value_max: 40}
      - {service_name: go, resource: process_cpu, unit: s, value_sum: 0.5}
      - {service_name: go, resource: process_network_io, unit: By, value_sum: 1000}
      - {service_name: go, resource: process_memory, unit: By, value_max: 123456}
  - name: counters count by their increase; a first point is ignored
    given:
      new_metrics:
        - {time: "1970-01-01T00:00:01Z", service_name: host, name: system.network.io, unit: By, kind: sum, is_monotonic: true, attributes: {device: eth0, direction: receive}, value: 5000, delta: 100}
        - {time: "1970-01-01T00:00:01Z", service_name: host, name: system.network.io, unit: By, kind: sum, is_monotonic: true, attributes: {device: eth0, direction: transmit}, value: 7000, delta: 20}
        - {time: "1970-01-01T00:00:01Z", service_name: host, name: system.disk.io, unit: By, kind: sum, is_monotonic: true, attributes: {device: sda}, value: 10000000}
    expect:
      - {resource: network_io, device: eth0, unit: By, value_max: 100, value_sum: 120}
---
Usage of hosts and processes, as sent by the host metrics receiver and the system instrumentations of SDKs.

A CPU is used when it is not idle. Memory usage is a share of all states that add up to the total. File system usage is a
share of used and free space, as in `df`. Read-only mounts are ignored because they are always full. */
WITH points AS (
  SELECT
    time,
    service_name,
    coalesce(resource_attributes['host.name'], resource_attributes['service.instance.id'], '') AS host,
    name,
    coalesce(
      attributes['system.cpu.state'], attributes['process.cpu.state'], attributes['cpu.mode'],
      attributes['system.memory.state'], attributes['system.filesystem.state'], attributes['state'], ''
    ) AS state,
    coalesce(
      attributes['mountpoint'], attributes['system.filesystem.mountpoint'], attributes['device'],
      attributes['system.device'], attributes['network.interface.name'], attributes['cpu'],
      attributes['cpu.logical_number'], attributes['system.cpu.logical_number'], ''
    ) AS device,
    unit,
    value / CASE WHEN unit = '%' THEN 100.0 ELSE 1.0 END AS share,
    -- The total of a counter is not the usage of this window.
    CASE WHEN is_monotonic THEN delta ELSE value END AS amount
  FROM new_metrics
  WHERE coalesce(abs(value) < 1e300, true) AND (name LIKE 'system.%' OR name LIKE 'process.%')
    AND coalesce(attributes['system.filesystem.mode'], attributes['mode'], '') <> 'ro'
), sorted AS (
  SELECT
    time, service_name, host, device, state, share, amount,
    CASE
      WHEN name = 'system.cpu.utilization' AND state IN ('idle', '') THEN 'cpu'
      WHEN name = 'system.cpu.time' AND state NOT IN ('', 'guest', 'guest_nice') THEN 'cpu'
      WHEN name = 'system.memory.utilization' AND state IN ('used', '') THEN 'memory'
      WHEN name = 'system.memory.usage'
        AND state IN ('used', 'free', 'cached', 'buffered', 'buffers', 'inactive') THEN 'memory'
      WHEN name = 'system.filesystem.utilization' AND state IN ('used', '') THEN 'disk'
      WHEN name = 'system.filesystem.usage' AND state IN ('used', 'free') THEN 'disk'
      WHEN name = 'system.network.io' THEN 'network_io'
      WHEN name = 'system.disk.io' THEN 'disk_io'
      WHEN name IN ('process.cpu.utilization', 'process.cpu.time') THEN 'process_cpu'
      WHEN name LIKE 'process.runtime.%cpu.utilization' AND name NOT LIKE '%.system.cpu.%' THEN 'process_cpu'
      WHEN name IN ('process.memory.usage', 'process.memory.physical_usage') THEN 'process_memory'
      WHEN name = 'process.network.io' THEN 'process_network_io'
      WHEN name = 'process.disk.io' THEN 'process_disk_io'
    END AS resource,
    CASE
      WHEN name LIKE '%utilization' THEN 'share'
      WHEN name IN ('system.cpu.time', 'system.memory.usage', 'system.filesystem.usage') THEN 'part'
      ELSE 'amount'
    END AS form,
    CASE WHEN name = 'process.cpu.time' THEN 's' ELSE 'By' END AS unit
  FROM points
), moments AS (
  -- The states of a process at one time add up to one share.
  SELECT
    date_bin(INTERVAL '10 seconds', time) AS window_start,
    time, service_name, host, resource, device, form,
    CASE WHEN form = 'amount' THEN unit ELSE '%' END AS unit,
    max(amount) AS amount_max,
    sum(amount) AS amount,
    sum(CASE WHEN resource = 'cpu' AND state = 'idle' THEN 1 - share ELSE share END) AS share,
    sum(CASE
      WHEN resource = 'cpu' AND state <> 'idle' THEN amount
      WHEN resource <> 'cpu' AND state = 'used' THEN amount
      ELSE 0.0 END) AS part,
    count(*) AS points
  FROM sorted
  WHERE resource IS NOT NULL AND CASE WHEN form = 'share' THEN share ELSE amount END IS NOT NULL
  GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
)
SELECT
  window_start, service_name, host, resource, device, unit,
  max(CASE form WHEN 'share' THEN 100 * share WHEN 'amount' THEN amount_max END) AS value_max,
  sum(CASE form WHEN 'share' THEN 100 * share WHEN 'amount' THEN amount END) AS value_sum,
  sum(CASE form WHEN 'share' THEN share WHEN 'part' THEN part END) AS share_used,
  sum(CASE form WHEN 'share' THEN 1.0 WHEN 'part' THEN amount END) AS share_total,
  CAST(sum(points) AS BIGINT) AS samples
FROM moments
GROUP BY 1, 2, 3, 4, 5, 6
