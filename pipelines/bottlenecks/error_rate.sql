/*---
title: Error rate has gone up
kind: finding
counted: requests
window: 5m
key: [service_name, operation]
direction: at_least
samples_min: 50
unit: "%"
params: {times: 3.0, percent_min: 1.0}
message: "{service_name} {operation}: {value} of {samples} requests fail, {before_percent} in the hour before"
examples:
  - name: three times the hour before
    now_ms: 7200000
    given:
      requests:
        - {window_start: "1970-01-01T01:55:00Z", service_name: shop, operation: up, kind: SERVER, calls: 100, errors: 6}
        - {window_start: "1970-01-01T01:30:00Z", service_name: shop, operation: up, kind: SERVER, calls: 100, errors: 2}
        - {window_start: "1970-01-01T01:55:00Z", service_name: shop, operation: same, kind: SERVER, calls: 100, errors: 6}
        - {window_start: "1970-01-01T01:30:00Z", service_name: shop, operation: same, kind: SERVER, calls: 100, errors: 6}
        - {window_start: "1970-01-01T01:55:00Z", service_name: shop, operation: new, kind: SERVER, calls: 50, errors: 5}
        - {window_start: "1970-01-01T01:55:00Z", service_name: shop, operation: few, kind: SERVER, calls: 49, errors: 49}
    expect:
      - {service_name: shop, operation: up, state: firing, value: 6}
      - {service_name: shop, operation: same, state: ok, value: 6}
      - {service_name: shop, operation: new, state: firing, value: 10}
      - {service_name: shop, operation: few, state: no_data}
---
Requests that used to work begin to fail. Look at what was deployed or changed when it began; the traces are requests that
failed.

Fires at three times the rate of the hour before, at one percent at least. An operation without an hour before is held
against none failing. */
WITH now_seen AS (
  SELECT service_name, operation, sum(calls) AS calls, sum(errors) AS errors, exemplars_merge(error_exemplars) AS exemplars
  FROM requests
  WHERE window_start >= $window_start AND window_start < $window_end
  GROUP BY 1, 2
), before_seen AS (
  SELECT service_name, operation, 100.0 * sum(errors) / sum(calls) AS percent
  FROM requests
  WHERE window_start >= $window_start - INTERVAL '1 hour' AND window_start < $window_start
  GROUP BY 1, 2
)
SELECT
  n.service_name,
  n.operation,
  100.0 * n.errors / n.calls AS value,
  n.calls AS samples,
  greatest($percent_min, $times * coalesce(b.percent, 0.0)) AS warning,
  concat(CAST(round(coalesce(b.percent, 0.0), 2) AS TEXT), ' %') AS before_percent,
  n.errors,
  exemplar_trace_ids(n.exemplars) AS trace_ids
FROM now_seen n
LEFT JOIN before_seen b ON b.service_name = n.service_name AND b.operation = n.operation
