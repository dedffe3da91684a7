/*---
title: Page-load budget
kind: finding
counted: page loads
window: 5m
key: [budget, service_name]
direction: above
samples_min: 5
no_data: resolve
unit: ms
scan: true
message: "{service_name}: {budget} is {value} at p75, over the {budget_word} of {warning}"
examples:
  - name: web vitals with fields in attributes
    now_ms: 600000
    given:
      budgets:
        - {kind: page_load, name: firstContentfulPaint, operation_match: "*", service_match: "*", percentile: 75, limit_value: 1800, unit: ms, below: false}
        - {kind: page_load, name: timeToInteractive, operation_match: "*", service_match: "*", percentile: 75, limit_value: 3800, unit: ms, below: false}
      logs:
        - {time: "1970-01-01T00:06:00Z", service_name: web, event_name: browser.web_vital, attributes: {browser.web_vital.name: fcp, browser.web_vital.value: "2500"}}
        - {time: "1970-01-01T00:06:01Z", service_name: web, event_name: browser.web_vital, attributes: {browser.web_vital.name: fcp, browser.web_vital.value: "2500"}}
        - {time: "1970-01-01T00:06:02Z", service_name: web, event_name: browser.web_vital, attributes: {browser.web_vital.name: fcp, browser.web_vital.value: "2500"}}
        - {time: "1970-01-01T00:06:03Z", service_name: web, event_name: browser.web_vital, attributes: {browser.web_vital.name: fcp, browser.web_vital.value: "2500"}}
        - {time: "1970-01-01T00:06:04Z", service_name: web, event_name: browser.web_vital, attributes: {browser.web_vital.name: fcp, browser.web_vital.value: "2500"}}
    expect:
      - {budget: firstContentfulPaint, service_name: web, state: firing, value: 2500}
      - {budget: timeToInteractive, service_name: "", state: no_data}
  - name: web vitals with fields in the body, and navigation timings
    now_ms: 600000
    given:
      budgets:
        - {kind: page_load, name: firstContentfulPaint, operation_match: "*", service_match: "*", percentile: 75, limit_value: 1800, unit: ms, below: false}
        - {kind: page_load, name: timeToInteractive, operation_match: "*", service_match: "*", percentile: 75, limit_value: 3800, unit: ms, below: false}
        - {kind: page_load, name: fullyLoaded, operation_match: "*", service_match: "*", percentile: 75, limit_value: 5000, unit: ms, below: false}
      logs:
        - {time: "1970-01-01T00:06:00Z", service_name: web, event_name: browser.web_vital, attributes: {}, body: '{"name":"FCP","value":2500.0,"delta":1.0}'}
        - {time: "1970-01-01T00:06:01Z", service_name: web, event_name: browser.web_vital, attributes: {}, body: '{"name":"FCP","value":2500.0,"delta":1.0}'}
        - {time: "1970-01-01T00:06:02Z", service_name: web, event_name: browser.web_vital, attributes: {}, body: '{"name":"FCP","value":2500.0,"delta":1.0}'}
        - {time: "1970-01-01T00:06:03Z", service_name: web, event_name: browser.web_vital, attributes: {}, body: '{"name":"FCP","value":2500.0,"delta":1.0}'}
        - {time: "1970-01-01T00:06:04Z", service_name: web, event_name: browser.web_vital, attributes: {}, body: '{"name":"FCP","value":2500.0,"delta":1.0}'}
        - {time: "1970-01-01T00:06:00Z", service_name: web, event_name: browser.navigation_timing, attributes: {browser.navigation_timing.dom_interactive: "4000", browser.navigation_timing.load_event_end: "5000", browser.resource_timing.fetch_start: "0"}}
        - {time: "1970-01-01T00:06:01Z", service_name: web, event_name: browser.navigation_timing, attributes: {browser.navigation_timing.dom_interactive: "4000", browser.navigation_timing.load_event_end: "5000", browser.resource_timing.fetch_start: "0"}}
        - {time: "1970-01-01T00:06:02Z", service_name: web, event_name: browser.navigation_timing, attributes: {browser.navigation_timing.dom_interactive: "4000", browser.navigation_timing.load_event_end: "5000", browser.resource_timing.fetch_start: "0"}}
        - {time: "1970-01-01T00:06:03Z", service_name: web, event_name: browser.navigation_timing, attributes: {browser.navigation_timing.dom_interactive: "4000", browser.navigation_timing.load_event_end: "5000", browser.resource_timing.fetch_start: "0"}}
        - {time: "1970-01-01T00:06:04Z", service_name: web, event_name: browser.navigation_timing, attributes: {browser.navigation_timing.dom_interactive: "4000", browser.navigation_timing.load_event_end: "5000", browser.resource_timing.fetch_start: "0"}}
    expect:
      - {budget: firstContentfulPaint, service_name: web, state: firing, value: 2500}
      - {budget: timeToInteractive, service_name: web, state: firing, value: 4000}
      - {budget: fullyLoaded, service_name: web, state: ok, value: 5000}
  - name: documentLoad spans with events
    now_ms: 600000
    given:
      budgets:
        - {kind: page_load, name: firstContentfulPaint, operation_match: "*", service_match: "*", percentile: 75, limit_value: 1800, unit: ms, below: false}
        - {kind: page_load, name: timeToInteractive, operation_match: "*", service_match: "*", percentile: 75, limit_value: 3800, unit: ms, below: false}
        - {kind: page_load, name: fullyLoaded, operation_match: "*", service_match: "*", percentile: 75, limit_value: 5000, unit: ms, below: false}
      spans:
        - {start_time: "1970-01-01T00:06:00Z", start_time_unix_nano: 360000000000, duration_ms: 3000, service_name: web, trace_id: t0, span_id: s0, name: documentLoad, kind: INTERNAL}
        - {start_time: "1970-01-01T00:06:00Z", start_time_unix_nano: 360000000000, duration_ms: 3000, service_name: web, trace_id: t1, span_id: s1, name: documentLoad, kind: INTERNAL}
        - {start_time: "1970-01-01T00:06:00Z", start_time_unix_nano: 360000000000, duration_ms: 3000, service_name: web, trace_id: t2, span_id: s2, name: documentLoad, kind: INTERNAL}
        - {start_time: "1970-01-01T00:06:00Z", start_time_unix_nano: 360000000000, duration_ms: 3000, service_name: web, trace_id: t3, span_id: s3, name: documentLoad, kind: INTERNAL}
        - {start_time: "1970-01-01T00:06:00Z", start_time_unix_nano: 360000000000, duration_ms: 3000, service_name: web, trace_id: t4, span_id: s4, name: documentLoad, kind: INTERNAL}
      span_events:
        - {time: "1970-01-01T00:06:02.5Z", time_unix_nano: 362500000000, service_name: web, trace_id: t0, span_id: s0, name: firstContentfulPaint}
        - {time: "1970-01-01T00:06:02Z", time_unix_nano: 362000000000, service_name: web, trace_id: t0, span_id: s0, name: domInteractive}
        - {time: "1970-01-01T00:06:02.5Z", time_unix_nano: 362500000000, service_name: web, trace_id: t1, span_id: s1, name: firstContentfulPaint}
        - {time: "1970-01-01T00:06:02Z", time_unix_nano: 362000000000, service_name: web, trace_id: t1, span_id: s1, name: domInteractive}
        - {time: "1970-01-01T00:06:02.5Z", time_unix_nano: 362500000000, service_name: web, trace_id: t2, span_id: s2, name: firstContentfulPaint}
        - {time: "1970-01-01T00:06:02Z", time_unix_nano: 362000000000, service_name: web, trace_id: t2, span_id: s2, name: domInteractive}
        - {time: "1970-01-01T00:06:02.5Z", time_unix_nano: 362500000000, service_name: web, trace_id: t3, span_id: s3, name: firstContentfulPaint}
        - {time: "1970-01-01T00:06:02Z", time_unix_nano: 362000000000, service_name: web, trace_id: t3, span_id: s3, name: domInteractive}
        - {time: "1970-01-01T00:06:02.5Z", time_unix_nano: 362500000000, service_name: web, trace_id: t4, span_id: s4, name: firstContentfulPaint}
        - {time: "1970-01-01T00:06:02Z", time_unix_nano: 362000000000, service_name: web, trace_id: t4, span_id: s4, name: domInteractive}
    expect:
      - {budget: firstContentfulPaint, service_name: web, state: firing, value: 2500}
      - {budget: timeToInteractive, service_name: web, state: ok, value: 2000}
      - {budget: fullyLoaded, service_name: web, state: ok, value: 3000}
  - name: a sampled page load counts with its weight
    now_ms: 600000
    given:
      budgets:
        - {kind: page_load, name: fullyLoaded, operation_match: "*", service_match: "*", percentile: 75, limit_value: 5000, unit: ms, below: false}
      spans:
        - {start_time: "1970-01-01T00:06:00Z", duration_ms: 9000, service_name: web, trace_id: t0, span_id: s0, name: documentLoad, kind: INTERNAL}
        - {start_time: "1970-01-01T00:06:00Z", duration_ms: 9000, service_name: web, trace_id: t1, span_id: s1, name: documentLoad, kind: INTERNAL}
        - {start_time: "1970-01-01T00:06:00Z", duration_ms: 9000, service_name: web, trace_id: t2, span_id: s2, name: documentLoad, kind: INTERNAL}
        - {start_time: "1970-01-01T00:06:00Z", duration_ms: 9000, service_name: web, trace_id: t3, span_id: s3, name: documentLoad, kind: INTERNAL}
        - {start_time: "1970-01-01T00:06:00Z", duration_ms: 1000, service_name: web, trace_id: t4, span_id: s4, name: documentLoad, kind: INTERNAL, sampled_weight: 16}
    expect:
      - {budget: fullyLoaded, service_name: web, state: ok, value: 1000, samples: 5}
---
Fewer than 75 % of page loads are within the budget. A late first paint is usually caused by a render-blocking script or
style, or by a slow server response.

First contentful paint comes from web vitals that browsers send as log events. Time to interactive (when the document became
interactive) and the full load come from navigation timings. `documentLoad` spans with their events provide all three; with
upstream sampling, each counts with its weight. Timings that no page sends have no data. */
WITH events AS (
  SELECT
    service_name,
    event_name,
    -- Older senders put the fields into the body.
    lower(coalesce(
      attributes['browser.web_vital.name'], json_text(body, 'browser.web_vital.name'), json_text(body, 'name')
    )) AS vital,
    coalesce(
      attributes['browser.web_vital.value'], json_text(body, 'browser.web_vital.value'), json_text(body, 'value')
    ) AS vital_value,
    coalesce(
      attributes['browser.navigation_timing.dom_interactive'],
      json_text(body, 'browser.navigation_timing.dom_interactive'), json_text(body, 'dom_interactive')
    ) AS interactive,
    coalesce(
      attributes['browser.navigation_timing.load_event_end'],
      json_text(body, 'browser.navigation_timing.load_event_end'), json_text(body, 'load_event_end')
    ) AS loaded
  FROM logs
  WHERE time >= $window_start AND time < $window_end
    AND event_name IN ('browser.web_vital', 'browser.navigation_timing')
), timings AS (
  SELECT 'firstContentfulPaint' AS timing, service_name, TRY_CAST(vital_value AS DOUBLE) AS ms, CAST(1 AS BIGINT) AS n
  FROM events WHERE event_name = 'browser.web_vital' AND vital = 'fcp'
  UNION ALL
  SELECT 'timeToInteractive' AS timing, service_name, TRY_CAST(interactive AS DOUBLE) AS ms, CAST(1 AS BIGINT) AS n
  FROM events WHERE event_name = 'browser.navigation_timing'
  UNION ALL
  SELECT 'fullyLoaded' AS timing, service_name, TRY_CAST(loaded AS DOUBLE) AS ms, CAST(1 AS BIGINT) AS n
  FROM events WHERE event_name = 'browser.navigation_timing'
  UNION ALL
  SELECT 'fullyLoaded' AS timing, service_name, duration_ms AS ms, sampled_count(sampled_weight, trace_id, span_id) AS n
  FROM spans
  WHERE start_time >= $window_start AND start_time < $window_end AND name = 'documentLoad'
  UNION ALL
  SELECT
    CASE e.name WHEN 'domInteractive' THEN 'timeToInteractive' ELSE 'firstContentfulPaint' END AS timing,
    s.service_name,
    CAST(e.time_unix_nano - s.start_time_unix_nano AS DOUBLE) / 1000000 AS ms,
    sampled_count(s.sampled_weight, s.trace_id, s.span_id) AS n
  FROM spans s
  JOIN span_events e ON e.trace_id = s.trace_id AND e.span_id = s.span_id
  WHERE s.start_time >= $window_start AND s.start_time < $window_end AND s.name = 'documentLoad'
    AND e.name IN ('domInteractive', 'firstContentfulPaint')
), seen AS (
  -- Browsers report 0 for events that have not happened yet.
  SELECT timing, service_name, sketch(ms, n) AS ms_sketch, count(ms) AS loads FROM timings WHERE ms > 0 GROUP BY 1, 2
)
SELECT
  b.name AS budget,
  s.service_name,
  quantile(s.ms_sketch, b.percentile / 100.0) AS value,
  coalesce(sum(s.loads), 0) AS samples,
  samples_for(b.percentile / 100.0) AS samples_min,
  max(b.limit_value) AS warning,
  max(b.critical_value) AS critical,
  max(CASE WHEN b.is_default THEN 'default budget' ELSE 'budget' END) AS budget_word
FROM budgets b
LEFT JOIN seen s ON b.name = s.timing
WHERE b.kind = 'page_load'
GROUP BY b.name, b.percentile, s.service_name
