/*---
title: Disk usage
kind: finding
counted: measurements
window: 5m
key: [service_name, host, device]
direction: above
alerting: resources.disk
alerting_only: true
samples_min: 1
unit: "%"
message: "{service_name} {host}: disk {device} is at {value}, over {limit}"
examples:
  - name: highest usage in the window
    now_ms: 600000
    alerting: {warning: 70, critical: 90}
    given:
      resources:
        - {window_start: "1970-01-01T00:06:00Z", service_name: h, host: full, resource: disk, device: /, unit: "%", share_used: 950, share_total: 1000, samples: 2}
        - {window_start: "1970-01-01T00:06:10Z", service_name: h, host: full, resource: disk, device: /, unit: "%", share_used: 400, share_total: 1000, samples: 2}
        - {window_start: "1970-01-01T00:06:00Z", service_name: h, host: filling, resource: disk, device: /, unit: "%", value_max: 80, share_used: 0.8, share_total: 1, samples: 1}
        - {window_start: "1970-01-01T00:06:00Z", service_name: h, host: free, resource: disk, device: /, unit: "%", value_max: 70, share_used: 0.7, share_total: 1, samples: 1}
        - {window_start: "1970-01-01T00:06:00Z", service_name: h, host: free, resource: cpu, device: cpu0, unit: "%", value_max: 99, share_used: 0.99, share_total: 1, samples: 1}
    expect:
      - {service_name: h, host: full, device: /, state: firing, severity: critical, value: 95}
      - {service_name: h, host: filling, device: /, state: firing, severity: warning, value: 80}
      - {service_name: h, host: free, device: /, state: ok, value: 70}
  - name: not judged without user limits
    now_ms: 600000
    given:
      resources:
        - {window_start: "1970-01-01T00:06:00Z", service_name: h, host: a, resource: disk, device: /, unit: "%", share_used: 99, share_total: 100, samples: 1}
    expect: []
---
The disk usage of a host exceeds `alerting.resources.disk`. Free space or enlarge the file system.

The value comes from `system.filesystem.utilization` or `system.filesystem.usage`. */
WITH windows AS (
  SELECT
    window_start,
    service_name,
    host,
    device,
    100.0 * sum(share_used) / nullif(sum(share_total), 0.0) AS percent,
    sum(samples) AS samples
  FROM resources
  WHERE window_start >= $window_start AND window_start < $window_end AND resource = 'disk'
  GROUP BY 1, 2, 3, 4
)
SELECT service_name, host, device, max(percent) AS value, sum(samples) AS samples
FROM windows
GROUP BY 1, 2, 3
