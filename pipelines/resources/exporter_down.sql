/*---
title: Exporter outage
kind: finding
window: 5m
key: [exporter, signal]
direction: above
warning: 300
critical: 3600
unit: "s"
no_data: ok
message: "{exporter} has delivered no {signal} for {value}; pending items are kept"
examples:
  - name: time without a successful attempt while items are pending
    now_ms: 7200000
    given:
      exporters:
        - {exporter: otlp_http/down, signal: traces, failing_since: "1970-01-01T00:10:00Z", lag_frames: 7}
        - {exporter: otlp_http/down, signal: logs, lag_frames: 0}
        - {exporter: otlp_http/slow, signal: traces, failing_since: "1970-01-01T01:50:00Z", lag_frames: 1}
        - {exporter: otlp_http/short, signal: traces, failing_since: "1970-01-01T01:59:00Z", lag_frames: 1}
        - {exporter: otlp_http/done, signal: traces, failing_since: "1970-01-01T00:10:00Z", lag_frames: 0}
        - {exporter: slack, signal: alerts, failing_since: "1970-01-01T01:50:00Z"}
    expect:
      - {exporter: otlp_http/down, signal: traces, state: firing, severity: critical}
      - {exporter: otlp_http/down, signal: logs, state: ok, value: 0}
      - {exporter: otlp_http/slow, signal: traces, state: firing, severity: warning}
      - {exporter: otlp_http/short, signal: traces, state: ok}
      - {exporter: otlp_http/done, signal: traces, state: ok, value: 0}
      - {exporter: slack, signal: alerts, state: firing, severity: warning}
---
An exporter or an alert channel has delivered nothing for a while although items are pending. Check `last_error`: the target
is down or unreachable, or its address or key is wrong. No data is lost while the log has room; the exporter resumes where it
stopped. */
SELECT
  exporter,
  signal,
  CASE
    WHEN failing_since IS NOT NULL AND (lag_frames > 0 OR signal = 'alerts')
    THEN greatest(date_part('epoch', $window_end) - date_part('epoch', failing_since), 0.0)
    ELSE 0.0
  END AS value,
  1 AS samples,
  failing_since,
  lag_frames,
  lag_bytes,
  last_error
FROM exporters
