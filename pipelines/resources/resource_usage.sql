/*---
title: Resource usage per minute
kind: view
example:
  given:
    resources:
      - {window_start: "1970-01-01T00:00:10Z", service_name: h, host: a, resource: cpu, device: cpu0, unit: "%", value_max: 40, value_sum: 40, share_used: 0.4, share_total: 1}
      - {window_start: "1970-01-01T00:00:20Z", service_name: h, host: a, resource: cpu, device: cpu0, unit: "%", value_max: 60, value_sum: 60, share_used: 0.6, share_total: 1}
      - {window_start: "1970-01-01T00:00:20Z", service_name: h, host: a, resource: process_cpu, device: "", unit: s, value_max: 3, value_sum: 3, resolution: 10}
      - {window_start: "1970-01-01T00:00:20Z", service_name: h, host: a, resource: network_io, device: eth0, unit: By, value_max: 7, value_sum: 7}
  expect:
    - {resource: cpu, device: cpu0, percent: 50, value_max: 60}
    - {resource: process_cpu, unit: s, percent: 5, value_sum: 3}
    - {resource: network_io, percent: null, value_sum: 7}
---
Average usage in percent (of one CPU for processes), highest value, and sum of bytes and seconds, one row per minute. */
SELECT
  date_bin(INTERVAL '1 minute', window_start) AS window_start,
  service_name,
  host,
  resource,
  device,
  unit,
  CASE
    WHEN sum(share_total) > 0 THEN 100.0 * sum(share_used) / sum(share_total)
    WHEN unit = 's' THEN 100.0 * sum(value_sum) / CAST(greatest(max(resolution), 60) AS DOUBLE)
  END AS percent,
  max(value_max) AS value_max,
  sum(value_sum) AS value_sum
FROM resources
GROUP BY 1, 2, 3, 4, 5, 6
