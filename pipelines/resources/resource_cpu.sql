/*---
title: Use of cpu
kind: finding
window: 5m
key: [service_name, host, device]
direction: above
alerting: resources.cpu
alerting_only: true
samples_min: 1
unit: "%"
message: "{service_name} {host}: cpu {device} is at {value}, over {limit}"
example:
  now_ms: 600000
  given:
    resources:
      - {window_start: "1970-01-01T00:06:00Z", service_name: h, host: a, resource: cpu, device: d, unit: "%", value_max: 99, value_sum: 99, samples: 1}
  expect: []
---
The cpu of a host is used beyond `alerting.resources.cpu`. Shares come from `system.cpu.utilization`. */
SELECT
  service_name,
  host,
  device,
  max(value_max) AS value,
  sum(samples) AS samples
FROM resources
WHERE window_start >= $window_start AND window_start < $window_end AND resource = 'cpu'
GROUP BY 1, 2, 3
