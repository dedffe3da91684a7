/*---
title: Use of resources by minute
kind: view
example:
  given:
    resources:
      - {window_start: "1970-01-01T00:00:10Z", service_name: h, host: a, resource: cpu, device: cpu0, unit: "%", value_max: 40, value_sum: 40}
      - {window_start: "1970-01-01T00:00:20Z", service_name: h, host: a, resource: cpu, device: cpu0, unit: "%", value_max: 60, value_sum: 60}
  expect:
    - {resource: cpu, device: cpu0, value_max: 60}
---
Greatest value of each resource, a row a minute. */
SELECT
  date_bin(INTERVAL '1 minute', window_start) AS window_start,
  service_name,
  host,
  resource,
  device,
  unit,
  max(value_max) AS value_max,
  sum(value_sum) AS value_sum
FROM resources
GROUP BY 1, 2, 3, 4, 5, 6
