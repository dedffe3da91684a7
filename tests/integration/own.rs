//! Spanwise's own telemetry: stored in its own tables and exported, at a constant rate, without effects on users' data.

use crate::support::config::Setup;
use crate::support::otlp::{route_span, send, traces};
use crate::support::peers::Collector;
use crate::support::server::Server;
use crate::support::{free_port, heavy, until};
use serde_json::Value;
use std::time::Duration;

/// Duration of each of the two observations of an idle server.
const WATCHED: Duration = Duration::from_secs(15);
/// A user's spans, which a pipeline exports.
const SPANS: u64 = 10;

/// Returns a `service.telemetry` that exports everything quickly.
fn telemetry(port: u16) -> String {
    let exporter = format!("exporter: {{otlp: {{protocol: grpc, endpoint: 'http://127.0.0.1:{port}'}}}}");
    format!(
        "logs: {{processors: [{{batch: {{schedule_delay: 300, {exporter}}}}}]}}, \
         metrics: {{readers: [{{periodic: {{interval: 1000, {exporter}}}}}]}}, \
         traces: {{processors: [{{batch: {{schedule_delay: 300, {exporter}}}}}]}}, resource: {{team: web}}"
    )
}

/// Starts a Collector that forwards to a Spanwise.
async fn collector(to: u16) -> Collector {
    Collector::start(|place| {
        format!(
            "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{}'}}}}}}}}\n\
             exporters: {{otlp_grpc: {{endpoint: '127.0.0.1:{to}', tls: {{insecure: true}}}}}}\n\
             extensions: {{health_check: {{endpoint: '127.0.0.1:{}'}}}}\nservice:\n  extensions: [health_check]\n  \
             telemetry: {{metrics: {{level: none}}}}\n  pipelines:\n    \
             traces: {{receivers: [otlp], exporters: [otlp_grpc]}}\n    \
             metrics: {{receivers: [otlp], exporters: [otlp_grpc]}}\n    \
             logs: {{receivers: [otlp], exporters: [otlp_grpc]}}\n",
            place.grpc, place.health
        )
    })
    .await
}

/// Waits until the server's tables contain its own metrics, logs and traces.
async fn has_own(server: &Server) {
    let own = "service_name = 'spanwise'";
    let present = [
        format!("SELECT count(*) FROM metrics WHERE {own} AND name = 'spanwise.receiver.requests'"),
        format!("SELECT count(*) FROM logs WHERE {own} AND body = 'ready' AND severity_text = 'INFO'"),
        format!("SELECT count(*) FROM logs WHERE {own} AND scope_name = 'spanwise::app::server'"),
        format!("SELECT count(*) FROM spans WHERE {own} AND name = 'evaluate' AND kind = 'INTERNAL'"),
        format!("SELECT count(*) FROM spans WHERE {own} AND name = 'flush' AND attr_int(attributes, 'rows') > 0"),
        format!("SELECT count(*) FROM spans WHERE {own} AND name = 'deliver' AND attributes['outcome'] = 'delivered'"),
        format!("SELECT count(*) FROM spans WHERE {own} AND resource_attributes['team'] = 'web'"),
        format!(
            "SELECT count(*) FROM spans WHERE {own} AND name = 'query' AND attributes['statement'] = 'SELECT ? AS asked' \
             AND attr_int(attributes, 'rows') = 1 AND attributes['outcome'] = 'answered'"
        ),
        format!(
            "SELECT count(*) FROM spans WHERE {own} AND name = 'query' AND status_code = 'ERROR' \
             AND attributes['outcome'] = 'invalid'"
        ),
    ];
    for query in present {
        until(&query, Duration::from_secs(40), || async {
            let found = server.try_number(&query).await?;
            if found >= 1.0 { Ok(()) } else { Err("nothing".to_owned()) }
        })
        .await;
    }
}

/// Returns the numbers of metric, log and span rows about the server itself.
async fn rows(server: &Server) -> [f64; 3] {
    let mut rows = [0.0; 3];
    for (table, rows) in ["metrics", "logs", "spans"].into_iter().zip(&mut rows) {
        *rows = server.number(&format!("SELECT count(*) FROM {table} WHERE service_name = 'spanwise'")).await;
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn own_telemetry_stands_in_the_own_tables_and_goes_outward() {
    let _turn = heavy().await;
    let behind = Server::start(Setup::default()).await;
    let between = collector(behind.ports.grpc).await;
    let passed_on = format!("endpoint: '127.0.0.1:{}', tls: {{insecure: true}}", between.grpc);
    let setup = Setup::default().exporter("otlp_grpc", &passed_on).exporter("debug", "verbosity: detailed");
    let server = Server::start(setup.telemetry(&telemetry(between.grpc))).await;

    let spans = (0..SPANS).map(|number| route_span(number, "GET", "/products/{id}", 3.0)).collect();
    send(&server.http_url("/v1/traces"), &traces("shop", spans)).await;
    server.number("SELECT 4711 AS asked").await;
    server.try_number("SELECT nothing_such FROM spans").await.expect_err("no such column");
    has_own(&server).await;
    has_own(&behind).await;

    is_nobody_elses_business(&server).await;
    stays_at_its_rate(&server).await;
    let sent = server.number("SELECT sum(sent_items) FROM exporters WHERE exporter = 'otlp_grpc'").await;
    #[expect(clippy::cast_precision_loss, reason = "ten")]
    let users = SPANS as f64;
    assert!((sent - users).abs() < 0.5, "pipelines pass on what users sent alone: {sent} of {users}");
    let printed = server.log().lines().filter(|line| line.contains("receiver=\"spanwise\"")).count();
    assert_eq!(printed, 0, "the debug exporter prints what users sent alone");
}

/// Own spans do not count as the user's requests, statements or applications, and cause no findings.
async fn is_nobody_elses_business(server: &Server) {
    for table in ["requests", "queries", "outgoing_calls", "jobs", "failures", "applications", "caches", "pools"] {
        let found = server.number(&format!("SELECT count(*) FROM {table} WHERE service_name = 'spanwise'")).await;
        assert!(found < 0.5, "{table}: {found} rows of Spanwise's own");
    }
    let findings = server.findings().await.expect("findings");
    let fired: Vec<&Value> = findings.iter().filter(|finding| finding["state"] == "firing").collect();
    assert!(fired.is_empty(), "{fired:?}");
    let scrape = server.scrape().await;
    let own = |line: &&str| line.starts_with("traces_span_metrics_") && line.contains("service_name=\"spanwise\"");
    assert_eq!(scrape.lines().find(own), None);
}

/// Without input, no logs are added, and metrics and spans grow at a constant rate.
async fn stays_at_its_rate(server: &Server) {
    let mut seen = vec![rows(server).await];
    for _ in 0..2 {
        tokio::time::sleep(WATCHED).await;
        seen.push(rows(server).await);
    }
    let grown = |table: usize| (seen[1][table] - seen[0][table], seen[2][table] - seen[1][table]);
    let (metrics, logs, spans) = (grown(0), grown(1), grown(2));
    println!("idle, rows added in {WATCHED:?} twice: metrics {metrics:?}, logs {logs:?}, spans {spans:?}");
    assert_eq!(logs, (0.0, 0.0), "own logs while nothing happens");
    // Tolerates a few evaluations and flushes, because exports happen every few seconds.
    assert!(spans.0 > 0.0 && spans.1 <= spans.0 * 1.3 + 8.0, "own spans: {spans:?}");
    assert!(spans.1 / WATCHED.as_secs_f64() < 4.0, "own spans: {spans:?}");
    assert!(metrics.1 <= metrics.0 * 2.0 + 50.0, "own metrics: {metrics:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_down_is_told_once_a_signal() {
    let server = Server::start(Setup::default().telemetry(&telemetry(free_port()))).await;
    let told = |signal: &str| {
        let line = format!("signal=\"{signal}\"");
        server.log().lines().filter(|said| said.contains("cannot export own telemetry") && said.contains(&line)).count()
    };
    let all = || ["metrics", "logs", "traces"].map(told);
    until("all three to be told", Duration::from_secs(30), || {
        let told = all();
        std::future::ready(if told.iter().all(|times| *times > 0) { Ok(()) } else { Err(format!("{told:?}")) })
    })
    .await;
    server.until_number("SELECT count(*) FROM logs WHERE body = 'ready'", 1.0).await;
    let before = rows(&server).await[1];
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(all(), [1, 1, 1], "{}", server.log());
    let after = rows(&server).await[1];
    assert!(after - before < 0.5, "own logs grew from {before} to {after} while a target is down");
    let loops = server.number("SELECT count(*) FROM logs WHERE body LIKE 'own telemetry%'").await;
    assert!(loops < 0.5, "own logs do not tell of their own way");
}

#[tokio::test(flavor = "multi_thread")]
async fn own_telemetry_can_be_off() {
    let server = Server::start(Setup::default()).await;
    server.number("SELECT 1").await;
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(rows(&server).await, [0.0, 0.0, 0.0]);
}
