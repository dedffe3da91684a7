/*---
title: Use of disk
kind: finding
window: 5m
key: [service_name, host, device]
direction: above
alerting: resources.disk
alerting_only: true
samples_min: 1
unit: "%"
message: "{service_name} {host}: disk {device} is at {value}, over {limit}"
example:
  now_ms: 600000
  given:
    resources:
      - {window_start: "1970-01-01T00:06:00Z", service_name: h, host: a, resource: disk, device: d, unit: "%", value_max: 99, value_sum: 99, samples: 1}
  expect: []
---
The disk of a host is used beyond `alerting.resources.disk`. Shares come from `system.filesystem.utilization`. */
SELECT
  service_name,
  host,
  device,
  max(value_max) AS value,
  sum(samples) AS samples
FROM resources
WHERE window_start >= $window_start AND window_start < $window_end AND resource = 'disk'
GROUP BY 1, 2, 3
