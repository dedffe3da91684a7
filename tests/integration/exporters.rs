//! What an operator sees of exporters: a row per signal, findings, own metrics, and what survives a restart.

use crate::support::config::Setup;
use crate::support::otlp::{post, route_span, send, traces};
use crate::support::server::Server;
use crate::support::{now_unix_nano, serve, until};
use axum::Router;
use axum::http::{StatusCode, Uri};
use serde_json::{Value, json};
use std::time::Duration;

/// Number of log records, all of which the target rejects.
const RECORDS: u64 = 3;

/// Answers traces with a retryable error, rejects logs and accepts metrics.
async fn answer(uri: Uri) -> (StatusCode, &'static str) {
    match uri.path() {
        "/v1/traces" => (StatusCode::SERVICE_UNAVAILABLE, "not now"),
        "/v1/logs" => (StatusCode::BAD_REQUEST, "no such thing"),
        _ => (StatusCode::OK, ""),
    }
}

async fn send_json(server: &Server, path: &str, body: Value) {
    let answer = post(&server.http_url(path), &[("content-type", "application/json")], body.to_string()).await;
    assert_eq!(answer.expect("an answer").status, 200);
}

/// Sends a span, a data point and a few log records.
async fn send_all(server: &Server) {
    send(&server.http_url("/v1/traces"), &traces("shop", vec![route_span(1, "GET", "/a", 1.0)])).await;
    let now = now_unix_nano().to_string();
    let points = json!([{"timeUnixNano": now, "asInt": "1"}]);
    let metric = json!({"name": "queue_length", "gauge": {"dataPoints": points}});
    send_json(server, "/v1/metrics", json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]})).await;
    let records: Vec<Value> =
        (0..RECORDS).map(|_| json!({"timeUnixNano": now, "body": {"stringValue": "x"}})).collect();
    send_json(server, "/v1/logs", json!({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]})).await;
}

/// Returns for each signal: state, sent and refused items, whether it is failing, and its dead letters.
async fn rows(server: &Server) -> Result<Value, String> {
    let query = "SELECT signal, state, sent_items, refused_items, failing_since IS NOT NULL AS failing, \
                 last_refused IS NOT NULL AS refused, dead_letters FROM exporters WHERE exporter = 'otlp_http' ORDER BY signal";
    server.try_sql(query).await.map(Value::from)
}

fn row(signal: &str, state: &str, sent: u64, refused: u64, letters: u64) -> Value {
    json!({"signal": signal, "state": state, "sent_items": sent, "refused_items": refused, "failing": state != "ok",
        "refused": refused > 0, "dead_letters": letters})
}

async fn until_rows(server: &Server, expected: Value) {
    until(&format!("the rows {expected}"), Duration::from_secs(30), || async {
        let found = rows(server).await?;
        if found == expected { Ok(()) } else { Err(found.to_string()) }
    })
    .await;
}

/// Returns state and text of a pipeline's finding for a signal.
async fn finding(server: &Server, pipeline: &str, signal: &str) -> Result<(String, String), String> {
    let findings = server.findings().await?;
    let is_it = |finding: &&Value| finding["pipeline"] == pipeline && finding["key"]["signal"] == signal;
    let found = findings.iter().find(is_it).ok_or_else(|| format!("none of {pipeline} in {findings:?}"))?;
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    Ok((text("state"), text("title")))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_signal_of_an_exporter_stands_for_itself() {
    let target = serve(Router::new().fallback(answer)).await;
    let settings = format!(
        "endpoint: \"{target}\", retry_on_failure: {{initial_interval: 100ms, max_interval: 200ms}}, \
         sending_queue: {{batch: {{flush_timeout: 20ms}}}}"
    );
    let setup = Setup::default()
        .exporter("otlp_http", &settings)
        .performance("findings: {exporter_down: {warning: 2s, critical: 1h}}")
        .telemetry("logs: {level: info, store: false}, traces: {level: none}");
    let mut server = Server::start(setup).await;
    send_all(&server).await;
    let all = |refused| {
        json!([row("logs", "ok", 0, refused, 1), row("metrics", "ok", 1, 0, 0), row("traces", "retrying", 0, 0, 0)])
    };
    until_rows(&server, all(RECORDS)).await;

    for (pipeline, signal, said) in
        [("exporter_down", "traces", "has delivered no traces"), ("exporter_refuses", "logs", "3")]
    {
        until(&format!("{pipeline} of {signal} to fire"), Duration::from_secs(30), || async {
            let (state, title) = finding(&server, pipeline, signal).await?;
            if state == "firing" && title.contains("otlp_http") && title.contains(said) {
                return Ok(());
            }
            Err(format!("{state}: {title}"))
        })
        .await;
        let (state, _) = finding(&server, pipeline, "metrics").await.expect("a finding of metrics");
        assert_eq!(state, "ok", "{pipeline}");
    }

    let of = "service_name = 'spanwise' AND attributes['exporter'] = 'otlp_http'";
    let metric = |name: &str, signal: &str| {
        format!(
            "SELECT max(value) FROM metrics WHERE {of} AND name = 'spanwise.exporter.{name}' AND attributes['signal'] = '{signal}'"
        )
    };
    server.until_number(&metric("items.sent", "metrics"), 1.0).await;
    server.until_number(&metric("items.refused", "logs"), 3.0).await;
    server.until_number(&metric("dead_letters", "logs"), 1.0).await;
    for name in ["lag.frames", "lag.size", "failing"] {
        assert!(server.number(&metric(name, "traces")).await > 0.5, "{name}");
    }
    until("the scrape to show them, too", Duration::from_secs(30), || async {
        let scrape = server.scrape().await;
        let is_it = |line: &&str| {
            line.starts_with("spanwise_exporter_items_refused_total{")
                && line.contains("exporter=\"otlp_http\"")
                && line.contains("signal=\"logs\"")
        };
        match scrape.lines().find(is_it) {
            Some(line) if line.ends_with(" 3") => Ok(()),
            found => Err(found.unwrap_or("nothing").to_owned()),
        }
    })
    .await;

    // Counters start at 0 after a restart; dead letters are kept.
    server.kill9();
    server.start_again().await;
    let again = json!([row("logs", "ok", 0, 0, 1), row("metrics", "ok", 0, 0, 0), row("traces", "retrying", 0, 0, 0)]);
    until_rows(&server, again).await;
}
