/*---
title: Exporters under their former name
kind: view
example:
  given:
    exporters:
      - {exporter: otlp_http/backup, signal: traces, sent_items: 12, state: ok}
  expect:
    - {sink: otlp_http/backup, signal: traces, sent_items: 12, state: ok}
---
The table `exporters` was called `sinks`, and its column `exporter` was `sink`. Use `exporters` in new queries. */
SELECT
  exporter AS sink, signal, position, lag_frames, lag_bytes, sent_items, refused_items, last_refused, dead_letters,
  dropped_items, last_dropped, state, failing_since, last_error
FROM exporters
