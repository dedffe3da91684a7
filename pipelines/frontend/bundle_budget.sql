/*---
title: Bundle budget
kind: finding
window: 5m
key: [budget, service_name]
direction: above
unit: By
scan: true
message: "{service_name}: {budget} weighs {value}, over the budget of {limit}"
example:
  now_ms: 600000
  given:
    budgets:
      - {kind: bundle, name: javascript, operation_match: "*", service_match: "*", limit_value: 500000, unit: By, below: false}
      - {kind: bundle, name: css, operation_match: "*", service_match: "*", limit_value: 500000, unit: By, below: false}
    logs:
      - {time: "1970-01-01T00:06:00Z", service_name: web, event_name: browser.resource_timing, attributes: {url.full: "https://a/x.js", browser.resource_timing.initiator_type: script, browser.resource_timing.encoded_body_size: "400000"}}
      - {time: "1970-01-01T00:06:00Z", service_name: web, event_name: browser.resource_timing, attributes: {url.full: "https://a/y.js", browser.resource_timing.initiator_type: script, browser.resource_timing.encoded_body_size: "200000"}}
      - {time: "1970-01-01T00:06:01Z", service_name: web, event_name: browser.resource_timing, attributes: {url.full: "https://a/y.js", browser.resource_timing.initiator_type: script, browser.resource_timing.encoded_body_size: "0"}}
  expect:
    - {budget: javascript, service_name: web, state: firing, value: 600000}
    - {budget: css, service_name: "", state: no_data}
---
What pages load of one kind weighs more than its budget. Split what is not needed at first, and serve it compressed.

Counted is each address once, with the greatest size that a browser reported for it: later loads come from its cache and
report nothing. */
WITH assets AS (
  SELECT
    service_name,
    CASE
      WHEN attributes['browser.resource_timing.initiator_type'] = 'script' THEN 'javascript'
      WHEN attributes['browser.resource_timing.initiator_type'] IN ('css', 'link') THEN 'css'
      WHEN attributes['browser.resource_timing.initiator_type'] IN ('img', 'image') THEN 'images'
    END AS kind,
    coalesce(attributes['url.full'], attributes['browser.resource_timing.name'], '') AS url,
    max(coalesce(
      attr_double(attributes, 'browser.resource_timing.encoded_body_size'),
      attr_double(attributes, 'browser.resource_timing.transfer_size')
    )) AS bytes
  FROM logs
  WHERE time >= $window_start AND time < $window_end AND event_name = 'browser.resource_timing'
  GROUP BY 1, 2, 3
), seen AS (
  SELECT service_name, kind, sum(bytes) AS bytes, count(*) AS files FROM assets WHERE kind IS NOT NULL GROUP BY 1, 2
)
SELECT b.name AS budget, s.service_name, s.bytes AS value, coalesce(s.files, 0) AS samples, b.limit_value AS critical
FROM budgets b
LEFT JOIN seen s ON b.name = s.kind
WHERE b.kind = 'bundle'
