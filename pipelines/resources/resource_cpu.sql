/*---
title: CPU usage
kind: finding
counted: measurements
window: 5m
key: [service_name, host]
direction: above
alerting: resources.cpu
alerting_only: true
samples_min: 1
unit: "%"
message: "{service_name} {host}: CPU is at {value}, over {limit}"
examples:
  - name: average over all CPUs and the window, not the peak of one CPU
    now_ms: 600000
    alerting: {warning: 70, critical: 90}
    given:
      resources:
        - {window_start: "1970-01-01T00:06:00Z", service_name: h, host: peak, resource: cpu, device: cpu0, unit: "%", value_max: 99, share_used: 0.99, share_total: 1, samples: 1}
        - {window_start: "1970-01-01T00:06:00Z", service_name: h, host: peak, resource: cpu, device: cpu1, unit: "%", value_max: 1, share_used: 0.01, share_total: 1, samples: 1}
        - {window_start: "1970-01-01T00:06:00Z", service_name: h, host: busy, resource: cpu, device: cpu0, unit: "%", share_used: 9.5, share_total: 10, samples: 2}
        - {window_start: "1970-01-01T00:06:10Z", service_name: h, host: busy, resource: cpu, device: cpu0, unit: "%", share_used: 9.3, share_total: 10, samples: 2}
        - {window_start: "1970-01-01T00:06:00Z", service_name: h, host: idle, resource: cpu, device: cpu0, unit: "%", share_used: 0, share_total: 0, samples: 2}
    expect:
      - {service_name: h, host: peak, state: ok, value: 50}
      - {service_name: h, host: busy, state: firing, severity: critical, value: 94}
      - {service_name: h, host: idle, state: no_data}
  - name: not judged without user limits
    now_ms: 600000
    given:
      resources:
        - {window_start: "1970-01-01T00:06:00Z", service_name: h, host: a, resource: cpu, device: d, unit: "%", share_used: 99, share_total: 100, samples: 1}
    expect: []
---
The CPU usage of a host exceeds `alerting.resources.cpu`. Look for the process that uses most.

The value is the average over all CPUs and the window, from `system.cpu.utilization` or `system.cpu.time`. */
SELECT
  service_name,
  host,
  100.0 * sum(share_used) / nullif(sum(share_total), 0.0) AS value,
  sum(samples) AS samples
FROM resources
WHERE window_start >= $window_start AND window_start < $window_end AND resource = 'cpu'
GROUP BY 1, 2
