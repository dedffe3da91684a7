/*---
title: Failed jobs
kind: finding
counted: runs
window: 5m
key: [service_name, operation]
direction: above
warning: 5
unit: "%"
keep_firing_for: 5m
no_data: ok
params: {runs_min: 20, in_a_row: 3}
message: "{service_name}: {operation} fails ({runs_said})"
examples:
  - name: many runs are judged by their error rate, few by the newest run
    now_ms: 7200000
    given:
      jobs:
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: mails, kind: CONSUMER, runs: 40, errors: 3}
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: bills, kind: CONSUMER, runs: 40, errors: 20}
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: works, kind: CONSUMER, runs: 40, errors: 2}
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: tick, kind: INTERNAL, runs: 1, errors: 0}
      jobs_1m:
        - {window_start: "1970-01-01T01:40:00Z", service_name: shop, operation: hourly, kind: INTERNAL, runs: 1, errors: 0, last_good_time: "1970-01-01T01:40:01Z"}
        - {window_start: "1970-01-01T01:41:00Z", service_name: shop, operation: hourly, kind: INTERNAL, runs: 1, errors: 1, last_failed_time: "1970-01-01T01:41:01Z"}
        - {window_start: "1970-01-01T01:42:00Z", service_name: shop, operation: hourly, kind: INTERNAL, runs: 1, errors: 1, last_failed_time: "1970-01-01T01:42:01Z"}
        - {window_start: "1970-01-01T01:43:00Z", service_name: shop, operation: hourly, kind: INTERNAL, runs: 1, errors: 1, last_failed_time: "1970-01-01T01:43:01Z"}
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: tick, kind: INTERNAL, runs: 1, errors: 0, last_good_time: "1970-01-01T01:56:01Z"}
      jobs_1h:
        - {window_start: "1970-01-01T01:00:00Z", service_name: shop, operation: mails, kind: CONSUMER, runs: 40, errors: 3, last_failed_time: "1970-01-01T01:56:01Z", last_good_time: "1970-01-01T01:56:00Z"}
        - {window_start: "1970-01-01T01:00:00Z", service_name: shop, operation: bills, kind: CONSUMER, runs: 40, errors: 20, last_failed_time: "1970-01-01T01:56:01Z", last_good_time: "1970-01-01T01:56:02Z"}
        - {window_start: "1970-01-01T01:00:00Z", service_name: shop, operation: works, kind: CONSUMER, runs: 40, errors: 2, last_failed_time: "1970-01-01T01:56:01Z", last_good_time: "1970-01-01T01:56:00Z"}
        - {window_start: "1970-01-01T00:00:00Z", service_name: shop, operation: nightly, kind: INTERNAL, runs: 1, errors: 1, last_failed_time: "1970-01-01T00:10:00Z"}
        - {window_start: "1970-01-01T00:00:00Z", service_name: shop, operation: tick, kind: INTERNAL, runs: 9, errors: 9, last_failed_time: "1970-01-01T00:59:00Z"}
        - {window_start: "1970-01-01T01:00:00Z", service_name: shop, operation: tick, kind: INTERNAL, runs: 1, errors: 0, last_good_time: "1970-01-01T01:56:01Z"}
        - {window_start: "1970-01-01T01:00:00Z", service_name: shop, operation: hourly, kind: INTERNAL, runs: 4, errors: 3, last_failed_time: "1970-01-01T01:43:01Z", last_good_time: "1970-01-01T01:40:01Z"}
        - {window_start: "1970-01-01T00:00:00Z", service_name: shop, operation: old message, kind: CONSUMER, runs: 1, errors: 1, last_failed_time: "1970-01-01T00:10:00Z"}
      failures:
        - {window_start: "1970-01-01T01:41:00Z", service_name: shop, what: job, operation: hourly, error_type: DiskFull, errors: 3, exemplars: '[{"trace_id":"t1","value":1.0,"text":"no space left"}]'}
        - {window_start: "1970-01-01T01:39:00Z", service_name: shop, what: job, operation: hourly, error_type: Before, errors: 9}
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, what: message, operation: bills, error_type: KeyError, errors: 20}
    expect:
      - {service_name: shop, operation: mails, state: firing, severity: warning, value: 7.5, runs_said: "3 of 40 runs in 5 min"}
      - {service_name: shop, operation: bills, state: firing, severity: critical, value: 50, exceptions: "20x KeyError"}
      - {service_name: shop, operation: works, state: ok, value: 5}
      - {service_name: shop, operation: nightly, state: firing, severity: warning, value: 100, runs_said: "its last run"}
      - {service_name: shop, operation: tick, state: ok, value: 0}
      - {service_name: shop, operation: hourly, state: firing, severity: critical, value: 100, runs_said: "its last 3 runs", exceptions: "3x DiskFull: no space left"}
  - name: the exception of a run that just ended, and of one that is only in hourly rows
    now_ms: 7200000
    given:
      jobs:
        - {window_start: "1970-01-01T01:56:00Z", service_name: shop, operation: often, kind: CONSUMER, runs: 20, errors: 20}
      jobs_1h:
        - {window_start: "1970-01-01T02:00:00Z", service_name: shop, operation: just now, kind: INTERNAL, runs: 1, errors: 1, last_failed_time: "1970-01-01T02:00:05Z"}
        - {window_start: "1970-01-01T00:00:00Z", service_name: shop, operation: nightly, kind: INTERNAL, runs: 2, errors: 1, last_good_time: "1970-01-01T00:05:00Z", last_failed_time: "1970-01-01T00:40:00Z"}
        - {window_start: "1970-01-01T01:00:00Z", service_name: shop, operation: often, kind: CONSUMER, runs: 20, errors: 20, last_failed_time: "1970-01-01T01:56:01Z"}
      failures:
        - {window_start: "1970-01-01T02:00:00Z", resolution: 10, service_name: shop, what: job, operation: just now, error_type: DiskFull, errors: 1}
        - {window_start: "1970-01-01T00:00:00Z", resolution: 3600, service_name: shop, what: job, operation: nightly, error_type: Locked, errors: 1}
        - {window_start: "1970-01-01T01:56:00Z", resolution: 10, service_name: shop, what: message, operation: often, error_type: KeyError, errors: 20}
        - {window_start: "1970-01-01T02:00:00Z", resolution: 10, service_name: shop, what: message, operation: often, error_type: TooLate, errors: 20}
        - {window_start: "1970-01-01T01:50:00Z", resolution: 10, service_name: shop, what: message, operation: often, error_type: TooEarly, errors: 20}
    expect:
      - {service_name: shop, operation: just now, state: firing, exceptions: "1x DiskFull"}
      - {service_name: shop, operation: nightly, state: firing, exceptions: "1x Locked"}
      - {service_name: shop, operation: often, state: firing, exceptions: "20x KeyError"}
---
A job or a message consumer fails. Check the exception, then run the failed work again: no user retries it.

With at least `runs_min` runs in five minutes it fires if more than 5 % fail, critical above 25 %. With fewer runs the newest
run decides: one failed run is a warning, `in_a_row` consecutive failures are critical, and a successful run resolves it. For
this a job is remembered for eight days, a message for one hour. */
WITH recent AS (
  SELECT
    service_name,
    operation,
    sum(runs) AS runs,
    sum(errors) AS errors,
    100.0 * sum(errors_estimated) / sum(runs_estimated) AS failed_percent,
    sum(duration_sum_ms) AS total_ms
  FROM jobs
  WHERE window_start >= $window_start AND window_start < $window_end
  GROUP BY 1, 2
), newest AS (
  SELECT
    service_name,
    operation,
    max(last_failed_time) AS failed_time,
    max(last_good_time) AS good_time
  FROM jobs_1h
  WHERE window_start >= $window_end - INTERVAL '8 days'
    AND (kind = 'INTERNAL' OR greatest(last_failed_time, last_good_time) >= $window_end - INTERVAL '1 hour')
  GROUP BY 1, 2
), failing AS (
  -- Failed, and no success since.
  SELECT service_name, operation, coalesce(good_time, failed_time - INTERVAL '8 days') AS since_time
  FROM newest
  WHERE failed_time IS NOT NULL AND coalesce(failed_time > good_time, true)
), in_a_row AS (
  -- Rows per minute are more precise about failures after the last success, but are kept for one day only.
  SELECT
    f.service_name,
    f.operation,
    greatest(
      coalesce(sum(CASE WHEN j.by_minute AND j.window_start >= date_bin(INTERVAL '1 minute', f.since_time) THEN j.errors END), 0),
      coalesce(sum(CASE WHEN NOT j.by_minute AND j.window_start >= f.since_time THEN j.errors END), 0)
    ) AS errors
  FROM failing f
  JOIN (
    SELECT service_name, operation, true AS by_minute, window_start, errors FROM jobs_1m
    UNION ALL
    SELECT service_name, operation, false AS by_minute, window_start, errors FROM jobs_1h
  ) j ON j.service_name = f.service_name AND j.operation = f.operation
  GROUP BY 1, 2
), judged AS (
  SELECT
    n.service_name,
    n.operation,
    coalesce(r.runs, 0) >= $runs_min AS is_frequent,
    coalesce(r.runs, 0) AS runs,
    CASE
      WHEN coalesce(r.runs, 0) >= $runs_min THEN r.errors
      WHEN f.service_name IS NOT NULL THEN greatest(coalesce(i.errors, 1), 1)
      ELSE 0
    END AS errors,
    r.failed_percent,
    r.total_ms,
    f.since_time
  FROM newest n
  LEFT JOIN recent r ON r.service_name = n.service_name AND r.operation = n.operation
  LEFT JOIN failing f ON f.service_name = n.service_name AND f.operation = n.operation
  LEFT JOIN in_a_row i ON i.service_name = n.service_name AND i.operation = n.operation
), failed AS (
  -- Failures of the same runs: in the window if the error rate is judged, else all since the last success.
  SELECT
    f.service_name,
    f.operation,
    error_summary(f.error_type, f.errors_estimated, f.exemplars) AS exceptions,
    exemplar_trace_ids(exemplars_merge(f.exemplars)) AS trace_ids
  FROM failures f
  JOIN judged j ON j.service_name = f.service_name AND j.operation = f.operation
  WHERE f.what IN ('job', 'message')
    AND CASE
      WHEN j.is_frequent THEN f.window_start >= $window_start AND f.window_start < $window_end
      -- An hourly row covers the whole hour.
      ELSE date_part('epoch', f.window_start) + coalesce(f.resolution, 10) > date_part('epoch', j.since_time)
    END
  GROUP BY 1, 2
)
SELECT
  j.service_name,
  j.operation,
  CASE WHEN j.is_frequent THEN j.failed_percent WHEN j.errors > 0 THEN 100.0 ELSE 0.0 END AS value,
  CASE WHEN j.is_frequent THEN j.runs ELSE greatest(j.errors, j.runs, 1) END AS samples,
  CASE WHEN j.is_frequent OR j.errors >= $in_a_row THEN 25.0 END AS critical,
  CASE
    WHEN j.is_frequent THEN concat(CAST(j.errors AS TEXT), ' of ', CAST(j.runs AS TEXT), ' runs in 5 min')
    WHEN j.errors = 1 THEN 'its last run'
    WHEN j.errors > 1 THEN concat('its last ', CAST(j.errors AS TEXT), ' runs')
  END AS runs_said,
  j.errors,
  j.total_ms,
  CASE WHEN j.errors > 0 THEN f.exceptions END AS exceptions,
  CASE WHEN j.errors > 0 THEN f.trace_ids END AS trace_ids
FROM judged j
LEFT JOIN failed f ON f.service_name = j.service_name AND f.operation = j.operation
