/*---
title: Page-load budget
kind: finding
window: 5m
key: [budget, service_name]
direction: above
samples_min: 5
unit: ms
scan: true
message: "{service_name}: {budget} is {value} at p75, over the budget of {limit}"
example:
  now_ms: 600000
  given:
    budgets:
      - {kind: page_load, name: firstContentfulPaint, operation_match: "*", service_match: "*", percentile: 75, limit_value: 1800, unit: ms, below: false}
      - {kind: page_load, name: timeToInteractive, operation_match: "*", service_match: "*", percentile: 75, limit_value: 1800, unit: ms, below: false}
    logs:
      - {time: "1970-01-01T00:06:00Z", service_name: web, event_name: browser.web_vital, attributes: {browser.web_vital.name: fcp, browser.web_vital.value: "2500"}}
      - {time: "1970-01-01T00:06:01Z", service_name: web, event_name: browser.web_vital, attributes: {browser.web_vital.name: fcp, browser.web_vital.value: "2500"}}
      - {time: "1970-01-01T00:06:02Z", service_name: web, event_name: browser.web_vital, attributes: {browser.web_vital.name: fcp, browser.web_vital.value: "2500"}}
      - {time: "1970-01-01T00:06:03Z", service_name: web, event_name: browser.web_vital, attributes: {browser.web_vital.name: fcp, browser.web_vital.value: "2500"}}
      - {time: "1970-01-01T00:06:04Z", service_name: web, event_name: browser.web_vital, attributes: {browser.web_vital.name: fcp, browser.web_vital.value: "2500"}}
  expect:
    - {budget: firstContentfulPaint, service_name: web, state: firing, value: 2500}
    - {budget: timeToInteractive, service_name: "", state: no_data}
---
Three of four page loads should be within the budget. A late first paint is mostly a render-blocking script or style, or a
slow answer of the server.

First contentful paint comes from web vitals that browsers send as log events; the full load from `documentLoad` spans.
What no page sends has no data. */
WITH timings AS (
  SELECT 'firstContentfulPaint' AS timing, service_name, attr_double(attributes, 'browser.web_vital.value') AS ms
  FROM logs
  WHERE time >= $window_start AND time < $window_end AND event_name = 'browser.web_vital'
    AND lower(attributes['browser.web_vital.name']) = 'fcp'
  UNION ALL
  SELECT 'fullyLoaded' AS timing, service_name, duration_ms AS ms
  FROM spans
  WHERE start_time >= $window_start AND start_time < $window_end AND name = 'documentLoad'
), seen AS (
  SELECT timing, service_name, sketch(ms) AS ms_sketch, count(ms) AS loads FROM timings GROUP BY 1, 2
)
SELECT
  b.name AS budget,
  s.service_name,
  quantile(s.ms_sketch, b.percentile / 100.0) AS value,
  coalesce(sum(s.loads), 0) AS samples,
  max(b.limit_value) AS critical
FROM budgets b
LEFT JOIN seen s ON b.name = s.timing
WHERE b.kind = 'page_load'
GROUP BY b.name, b.percentile, s.service_name
