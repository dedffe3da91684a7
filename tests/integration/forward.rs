//! OTLP export to a real Collector that is down at first, killed midway, and restarted: everything arrives.

use crate::support::config::Setup;
use crate::support::otlp::{post, route_span, send, traces};
use crate::support::peers::Collector;
use crate::support::server::Server;
use crate::support::{free_port, heavy, now_unix_nano, until};
use serde_json::json;
use std::time::Duration;

/// Spans per request, and requests in each of the three parts of the test.
const SPANS: u64 = 10;
const REQUESTS: u64 = 60;
/// Items sent within the last second before a kill may be resent.
const CURSOR_SAVED_WITHIN: Duration = Duration::from_millis(1500);
/// Items per batch, which a kill may duplicate.
const BATCH: u64 = 100;

async fn send_part(server: &Server, part: u64) {
    for number in part * REQUESTS..(part + 1) * REQUESTS {
        let first = number * SPANS;
        let spans = (first..first + SPANS).map(|n| route_span(n, "GET", "/products/{id}", 3.0)).collect();
        send(&server.http_url("/v1/traces"), &traces("shop", spans)).await;
    }
}

/// Sends three data points and two log records per part.
async fn send_others(server: &Server, part: u64) {
    let now = now_unix_nano().to_string();
    let resource = json!({"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]});
    let point = |value: u64| json!({"timeUnixNano": now, "asInt": value.to_string()});
    let gauge =
        json!({"name": "queue.length", "gauge": {"dataPoints": [point(part), point(part + 1), point(part + 2)]}});
    let metrics = json!({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [gauge]}]}]});
    let record = |text: &str| json!({"timeUnixNano": now, "severityNumber": 9, "body": {"stringValue": format!("{text} {part}")}});
    let logs =
        json!({"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [record("a"), record("b")]}]}]});
    for (path, body) in [("/v1/metrics", metrics), ("/v1/logs", logs)] {
        let answer = post(&server.http_url(path), &[("content-type", "application/json")], body.to_string()).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

async fn arrived(collector: &Collector, server: &Server, spans: u64, others: u64) {
    until("everything to arrive", Duration::from_mins(1), || async {
        let (found, (_, points, records)) = (collector.spans().len() as u64, collector.counts());
        let wanted = (spans, 3 * others, 2 * others);
        if found >= spans && points >= wanted.1 && records >= wanted.2 {
            return Ok(());
        }
        let exporters = server.try_sql("SELECT * FROM exporters").await?;
        Err(format!("{found} spans, {points} points, {records} records of {wanted:?}; exporters: {exporters:?}"))
    })
    .await;
}

async fn forward(id: &str, protocol: &str, port: impl Fn(&Collector) -> u16) {
    let mut collector = Collector::writing_files();
    let endpoint = match protocol {
        "grpc" => format!("127.0.0.1:{}", port(&collector)),
        _ => format!("\"http://127.0.0.1:{}\"", port(&collector)),
    };
    let settings = format!(
        "endpoint: {endpoint}, tls: {{insecure: true}}, retry_on_failure: {{initial_interval: 100ms, max_interval: 500ms}}, \
         sending_queue: {{num_consumers: 1, batch: {{flush_timeout: 100ms, min_size: {BATCH}, max_size: {BATCH}}}}}"
    );
    let mut server = Server::start(Setup::default().exporter(id, &settings)).await;

    // The Collector is not running yet.
    send_part(&server, 0).await;
    send_others(&server, 0).await;
    collector.launch();
    collector.ready().await;
    arrived(&collector, &server, REQUESTS * SPANS, 1).await;
    let doubled = |collector: &Collector| collector.spans().values().map(|times| times - 1).sum::<u64>();
    assert_eq!(doubled(&collector), 0, "nothing comes twice without a kill");

    // Kills the Collector while it receives.
    let killing = async {
        until("a part to arrive", Duration::from_secs(30), || async {
            let found = collector.spans().len() as u64;
            if found > REQUESTS * SPANS { Ok(()) } else { Err(found.to_string()) }
        })
        .await;
        collector.kill9();
    };
    let sending = async {
        send_part(&server, 1).await;
        send_part(&server, 2).await;
    };
    tokio::join!(sending, killing);
    send_others(&server, 1).await;
    collector.launch();
    collector.ready().await;
    let sent = 3 * REQUESTS * SPANS;
    arrived(&collector, &server, sent, 2).await;
    let twice = doubled(&collector);
    assert!(twice <= BATCH, "at most one batch of {BATCH} comes twice after a kill, found {twice}");

    // Kills the sender; it saves its cursor to disk once a second.
    let twice_before = doubled(&collector);
    tokio::time::sleep(CURSOR_SAVED_WITHIN).await;
    server.kill9();
    server.start_again().await;
    send_part(&server, 3).await;
    send_others(&server, 2).await;
    let sent = sent + REQUESTS * SPANS;
    arrived(&collector, &server, sent, 3).await;
    let twice = doubled(&collector);
    assert!(
        twice - twice_before <= BATCH,
        "at most one batch comes twice after a kill, found {}",
        twice - twice_before
    );
    let found = collector.spans().len();
    let refused = server.number("SELECT sum(dead_letters) FROM exporters").await;
    assert!(
        refused.abs() < 0.5,
        "the Collector took everything, but {refused} frames are dead letters: {}",
        server.log()
    );
    println!("otlp forward ({protocol}): sent {sent} spans, found {found}, {twice} of them twice after two kills");
    assert_eq!(found as u64, sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_grpc_everything_arrives_at_a_collector_that_comes_and_goes() {
    let _turn = heavy().await;
    forward("otlp_grpc", "grpc", |collector| collector.grpc).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_http_everything_arrives_at_a_collector_that_comes_and_goes() {
    let _turn = heavy().await;
    forward("otlp_http", "http", |collector| collector.http).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_derived_goes_out_like_what_was_received_and_not_into_the_own_tables() {
    let behind = Server::start(Setup::default()).await;
    let exporter = format!("endpoint: \"{}\", retry_on_failure: {{initial_interval: 100ms}}", behind.http_url(""));
    let setup = Setup::default()
        .performance("metrics_flush_interval: 1s")
        .performance("budgets: {api: {slow: {match: \"GET *\", limit: 1ms}}}")
        .exporter_aside("otlp_http/derived", &exporter)
        .pipeline("metrics/derived", "receivers: [performance], exporters: [otlp_http/derived]")
        .pipeline("logs/derived", "receivers: [performance], exporters: [otlp_http/derived]");
    let server = Server::start(setup).await;
    let spans = (0..40).map(|number| route_span(number, "GET", "/products/{id}", 3.0)).collect();
    send(&server.http_url("/v1/traces"), &traces("shop", spans)).await;
    let calls = "SELECT max(value) FROM metrics WHERE name = 'traces.span.metrics.calls' AND service_name = 'shop' \
                 AND kind = 'sum' AND temporality = 'cumulative' AND is_monotonic";
    behind.until_number(calls, 40.0).await;
    let durations = "SELECT max(count) FROM histograms WHERE name = 'traces.span.metrics.duration'";
    behind.until_number(durations, 40.0).await;
    let told = "SELECT count(*) FROM logs WHERE event_name = 'spanwise.finding' AND severity_text IN ('WARN', 'ERROR') \
                AND attributes['spanwise.finding.pipeline'] = 'api_budget' AND service_name = 'shop'";
    behind.until_number(told, 1.0).await;
    let values = "SELECT count(*) > 0 AS there FROM metrics WHERE name = 'spanwise.finding.value'";
    assert_eq!(behind.sql(values).await, [json!({"there": true})]);
    for table in ["metrics", "histograms", "logs"] {
        assert!(server.number(&format!("SELECT count(*) FROM {table}")).await.abs() < 0.5, "{table} has none of it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exporter_gets_what_its_pipelines_receivers_take() {
    let behind = Server::start(Setup::default()).await;
    let edge = free_port();
    let setup = Setup::default()
        .receiver("otlp/edge", &format!("protocols: {{http: {{endpoint: 127.0.0.1:{edge}}}}}"))
        .exporter_aside("otlp_http/edge", &format!("endpoint: \"{}\"", behind.http_url("")))
        .pipeline("traces/edge", "receivers: [otlp/edge], exporters: [otlp_http/edge]");
    let server = Server::start(setup).await;
    let span = |number| vec![route_span(number, "GET", "/products/{id}", 3.0)];
    send(&server.http_url("/v1/traces"), &traces("inner", span(1))).await;
    send(&format!("http://127.0.0.1:{edge}/v1/traces"), &traces("edge", span(2))).await;
    let services = "SELECT service_name, count(*) AS spans FROM spans GROUP BY 1 ORDER BY 1";
    let row = |service: &str| json!({"service_name": service, "spans": 1});
    until("the edge's span to arrive", Duration::from_secs(30), || async {
        let found = behind.try_sql(services).await?;
        if found == [row("edge")] { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    // Items after the edge's span in the log would arrive with it, or within the second that a batch may wait.
    tokio::time::sleep(CURSOR_SAVED_WITHIN).await;
    assert_eq!(behind.sql(services).await, [row("edge")], "and nothing of the other receiver");
    assert_eq!(server.sql(services).await, [row("edge"), row("inner")], "what is received is stored in any case");
}
