//! A real Prometheus scrapes Spanwise; its query results equal what was sent.

use crate::corpus::{Generator, Shape};
use crate::support::config::Setup;
use crate::support::otlp::{post, send};
use crate::support::peers::Prometheus;
use crate::support::server::Server;
use crate::support::{assert_near, metrics, now_unix_nano, until};
use serde_json::json;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

const REQUESTS: u64 = 4;

/// Sends a gauge, a counter and a histogram of an application.
async fn application_metrics(server: &Server) {
    let now = now_unix_nano();
    let (start, now) = ((now - 60_000_000_000).to_string(), now.to_string());
    let label = |value: &str| json!([{"key": "queue.name", "value": {"stringValue": value}}]);
    let metrics = json!([
        {"name": "queue.length", "unit": "{message}", "description": "Messages that wait.", "gauge": {"dataPoints": [
            {"timeUnixNano": now, "asInt": "7", "attributes": label("mail")},
            {"timeUnixNano": now, "asDouble": 2.5, "attributes": label("a \"quoted\"\nname\\")}]}},
        {"name": "orders.placed", "unit": "1", "sum": {"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [
            {"startTimeUnixNano": start, "timeUnixNano": now, "asInt": "41"}]}},
        {"name": "http.server.request.duration", "unit": "s", "histogram": {"aggregationTemporality": 2, "dataPoints": [
            {"startTimeUnixNano": start, "timeUnixNano": now, "count": "6", "sum": 1.5, "explicitBounds": [0.1, 0.5],
             "bucketCounts": ["3", "2", "1"]}]}},
    ]);
    let resource = json!({"attributes": [
        {"key": "service.name", "value": {"stringValue": "meters"}},
        {"key": "service.instance.id", "value": {"stringValue": "meters-1"}},
        {"key": "host.name", "value": {"stringValue": "here"}}]});
    let body = json!({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": metrics}]}]});
    let answer = post(&server.http_url("/v1/metrics"), &[("content-type", "application/json")], body.to_string()).await;
    let answer = answer.expect("an answer");
    assert_eq!((answer.status, answer.text().as_str()), (200, "{}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_finds_what_was_sent() {
    let server = Server::start(Setup::default().performance("budgets: {api: {search: 200ms}}")).await;
    let shape = Shape {
        seed: 3,
        spans_a_request: 250,
        end_unix_nano: now_unix_nano(),
        spans_a_second: 1000,
        requests: REQUESTS,
        variants: 1,
    };
    let mut generator = Generator::new(shape);
    for request in generator.by_ref() {
        send(&server.http_url("/v1/traces"), &request).await;
    }
    application_metrics(&server).await;
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let spans = generator.truth().spans as f64;
    let prometheus = Prometheus::scraping(server.ports.scrape).await;
    let reaches = |query: &'static str, expected: f64| {
        let prometheus = &prometheus;
        until(query, Duration::from_secs(30), move || async move {
            let found = prometheus.value(query).await?;
            if (found - expected).abs() < 1e-6 { Ok(()) } else { Err(format!("{found}, expected {expected}")) }
        })
    };
    reaches("up{job=\"spanwise\"}", 1.0).await;
    reaches("sum(traces_span_metrics_calls_total)", spans).await;
    reaches("sum(traces_span_metrics_duration_milliseconds_count)", spans).await;
    reaches("sum(traces_span_metrics_duration_milliseconds_bucket{le=\"+Inf\"})", spans).await;
    println!("prometheus: sent {spans} spans, its API finds {spans}");
    for ((service, operation), truth) in &generator.truth().operations {
        let query = format!(
            "sum(traces_span_metrics_calls_total{{service_name={service:?}, span_name={operation:?}, span_kind=\"SPAN_KIND_SERVER\"}})"
        );
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        let calls = truth.durations_ms.len() as f64;
        assert_near(&query, prometheus.value(&query).await.expect("a series"), calls, 0.0);
    }
    reaches("sum(queue_length{job=\"meters\", instance=\"meters-1\"})", 9.5).await;
    reaches("queue_length{queue_name=\"a \\\"quoted\\\"\\nname\\\\\"}", 2.5).await;
    reaches("orders_placed_total{job=\"meters\"}", 41.0).await;
    reaches("http_server_request_duration_seconds_bucket{le=\"0.5\"}", 5.0).await;
    reaches("http_server_request_duration_seconds_sum", 1.5).await;
    reaches("count(target_info{job=\"meters\", instance=\"meters-1\", host_name=\"here\"})", 1.0).await;
    reaches("count(spanwise_budget_limit)", 1.0).await;

    let text = server.scrape().await;
    assert!(metrics::sum(&metrics::lines(&text), "traces_span_metrics_calls_total") >= spans);
    promtool_is_content(&text);
}

/// Checks the format with promtool. It may dislike names of applications, which are not ours to change, but not our own.
fn promtool_is_content(text: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool of Debian's package prometheus: run tests/run");
    promtool.stdin.take().expect("piped").write_all(text.as_bytes()).expect("written");
    let output = promtool.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    // 3 means valid, but with names that violate its style guide.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{}: {told}", output.status);
    let own = told.lines().filter(|line| line.contains("spanwise_")).collect::<Vec<_>>();
    assert!(own.is_empty(), "promtool dislikes names that are ours: {own:?}");
    println!("promtool check metrics: {}; {} remarks", output.status, told.lines().count());
}
