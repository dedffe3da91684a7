/*---
title: Bundle budget
kind: finding
counted: files
window: 5m
key: [budget, service_name]
direction: above
unit: By
scan: true
no_data: resolve
message: "{service_name}: {budget} of a page is {value}, over the {budget_word} of {warning}"
examples:
  - name: the sum of all scripts of a page, and files from the browser cache
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
  - name: the file extension decides, not the initiator
    now_ms: 600000
    given:
      budgets:
        - {kind: bundle, name: javascript, operation_match: "*", service_match: "*", limit_value: 500000, unit: By, below: false}
        - {kind: bundle, name: css, operation_match: "*", service_match: "*", limit_value: 500000, unit: By, below: false}
        - {kind: bundle, name: images, operation_match: "*", service_match: "*", limit_value: 500000, unit: By, below: false}
      logs:
        - {time: "1970-01-01T00:06:00Z", service_name: web, event_name: browser.resource_timing, attributes: {url.full: "https://a/app.js?v=1", browser.resource_timing.initiator_type: link, browser.resource_timing.encoded_body_size: "600000"}}
        - {time: "1970-01-01T00:06:00Z", service_name: web, event_name: browser.resource_timing, attributes: {url.full: "https://a/font.woff2", browser.resource_timing.initiator_type: css, browser.resource_timing.encoded_body_size: "900000"}}
        - {time: "1970-01-01T00:06:00Z", service_name: web, event_name: browser.resource_timing, attributes: {url.full: "https://a/back.PNG", browser.resource_timing.initiator_type: css, browser.resource_timing.encoded_body_size: "1000"}}
        - {time: "1970-01-01T00:06:00Z", service_name: web, event_name: browser.resource_timing, attributes: {url.full: "https://a/style.css#x", browser.resource_timing.initiator_type: link, browser.resource_timing.encoded_body_size: "50000"}}
        - {time: "1970-01-01T00:06:00Z", service_name: web, event_name: browser.resource_timing, attributes: {url.full: "https://fonts.example/css2?family=a", browser.resource_timing.initiator_type: link, browser.resource_timing.encoded_body_size: "2000"}}
    expect:
      - {budget: javascript, service_name: web, state: firing, value: 600000}
      - {budget: css, service_name: web, state: ok, value: 52000}
      - {budget: images, service_name: web, state: ok, value: 1000}
  - name: the heaviest page load, not the sum of all
    now_ms: 600000
    given:
      budgets:
        - {kind: bundle, name: javascript, operation_match: "*", service_match: "*", limit_value: 500000, unit: By, below: false}
      logs:
        - {time: "1970-01-01T00:06:00Z", service_name: web, event_name: browser.resource_timing, attributes: {url.full: "https://a/x.js", browser.resource_timing.initiator_type: script, browser.resource_timing.encoded_body_size: "400000", session.id: s1}}
        - {time: "1970-01-01T00:06:00Z", service_name: web, event_name: browser.resource_timing, attributes: {url.full: "https://a/y.js", browser.resource_timing.initiator_type: script, browser.resource_timing.encoded_body_size: "300000", session.id: s2}}
        - {time: "1970-01-01T00:06:01Z", service_name: web, event_name: browser.resource_timing, attributes: {url.full: "https://a/y.js", browser.resource_timing.initiator_type: script, browser.resource_timing.encoded_body_size: "0", session.id: s2}}
      spans:
        - {start_time: "1970-01-01T00:06:00Z", service_name: old, trace_id: t1, name: resourceFetch, kind: INTERNAL, attributes: {http.url: "https://a/a.js", http.response_content_length: "300000"}}
        - {start_time: "1970-01-01T00:06:00Z", service_name: old, trace_id: t1, name: resourceFetch, kind: INTERNAL, attributes: {http.url: "https://a/b.mjs", http.response_content_length: "250000"}}
        - {start_time: "1970-01-01T00:06:00Z", service_name: old, trace_id: t2, name: resourceFetch, kind: INTERNAL, attributes: {http.url: "https://a/c.js", http.response_content_length: "400000"}}
    expect:
      - {budget: javascript, service_name: web, state: ok, value: 400000}
      - {budget: javascript, service_name: old, state: firing, value: 550000}
---
The files of one kind that a page loads exceed their budget. Split off what is not needed at first, and serve files
compressed.

The heaviest page load is judged. A page load consists of the files with the same trace, session, instance and page, as far
as senders set these; if they set none, all files in the window are one page load. Each URL counts once per page load, with
the largest reported size, because files from the browser cache report no size. */
WITH fetched AS (
  SELECT
    service_name,
    concat_ws(
      ' ', trace_id, attributes['session.id'], resource_attributes['session.id'],
      resource_attributes['service.instance.id'],
      coalesce(
        attributes['browser.document.url.full'], attributes['browser.page.url'], attributes['page.url'],
        attributes['location.href'], attributes['page.id']
      )
    ) AS load,
    coalesce(
      attributes['url.full'], attributes['browser.resource_timing.name'],
      json_text(body, 'url.full'), json_text(body, 'name'), ''
    ) AS url,
    coalesce(
      attributes['browser.resource_timing.initiator_type'],
      json_text(body, 'browser.resource_timing.initiator_type'), json_text(body, 'initiator_type')
    ) AS initiator,
    TRY_CAST(coalesce(
      attributes['browser.resource_timing.encoded_body_size'],
      json_text(body, 'browser.resource_timing.encoded_body_size'), json_text(body, 'encoded_body_size'),
      attributes['browser.resource_timing.transfer_size'],
      json_text(body, 'browser.resource_timing.transfer_size'), json_text(body, 'transfer_size')
    ) AS DOUBLE) AS bytes
  FROM logs
  WHERE time >= $window_start AND time < $window_end AND event_name = 'browser.resource_timing'
  UNION ALL
  SELECT
    service_name,
    trace_id AS load,
    coalesce(attributes['url.full'], attributes['http.url'], '') AS url,
    CAST(NULL AS TEXT) AS initiator,
    coalesce(
      attr_double(attributes, 'http.response_content_length'), attr_double(attributes, 'http.response.body.size')
    ) AS bytes
  FROM spans
  WHERE start_time >= $window_start AND start_time < $window_end AND name = 'resourceFetch'
), named AS (
  SELECT
    service_name, load, url, initiator, bytes,
    lower(regexp_match(split_part(split_part(url, '#', 1), '?', 1), '[.]([A-Za-z0-9]+)$')[1]) AS extension
  FROM fetched
), assets AS (
  SELECT
    service_name,
    load,
    CASE
      WHEN extension IN ('js', 'mjs', 'cjs') THEN 'javascript'
      WHEN extension = 'css' THEN 'css'
      WHEN extension IN ('png', 'jpg', 'jpeg', 'gif', 'webp', 'avif', 'svg', 'ico', 'bmp') THEN 'images'
      WHEN extension IN ('woff', 'woff2', 'ttf', 'otf', 'eot', 'json', 'html', 'wasm', 'mp4', 'webm', 'mp3') THEN NULL
      WHEN initiator = 'script' THEN 'javascript'
      WHEN initiator = 'link' THEN 'css'
      WHEN initiator IN ('img', 'image') THEN 'images'
    END AS kind,
    url,
    max(bytes) AS bytes
  FROM named
  GROUP BY 1, 2, 3, 4
), loads AS (
  SELECT service_name, load, kind, sum(bytes) AS bytes, count(*) AS files
  FROM assets
  WHERE kind IS NOT NULL
  GROUP BY 1, 2, 3
), seen AS (
  SELECT service_name, kind, max(bytes) AS bytes, sum(files) AS files, count(*) AS loads FROM loads GROUP BY 1, 2
)
SELECT
  b.name AS budget,
  s.service_name,
  s.bytes AS value,
  coalesce(s.files, 0) AS samples,
  b.limit_value AS warning,
  b.critical_value AS critical,
  CASE WHEN b.is_default THEN 'default budget' ELSE 'budget' END AS budget_word,
  s.loads AS page_loads
FROM budgets b
LEFT JOIN seen s ON b.name = s.kind
WHERE b.kind = 'bundle'
