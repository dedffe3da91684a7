//! Applications instrumented with the Python and Node SDKs, with a real `PostgreSQL` and Redis: the tables contain exactly what
//! their exporters got acknowledged.

use crate::support::config::Setup;
use crate::support::peers::Redis;
use crate::support::postgres::Postgres;
use crate::support::process::run;
use crate::support::server::Server;
use crate::support::{assert_near, heavy, nearest_rank, peer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const REQUESTS: &str = "200";

/// The counts that an application printed when it ended.
struct Sent(Value);

impl Sent {
    fn count(&self, name: &str) -> f64 {
        self.0[name].as_f64().unwrap_or_else(|| panic!("no {name} in {}", self.0))
    }

    fn counts(&self, name: &str) -> BTreeMap<String, f64> {
        serde_json::from_value(self.0[name].clone()).unwrap_or_else(|error| panic!("{name}: {error}: {}", self.0))
    }

    fn durations(&self) -> BTreeMap<String, Vec<f64>> {
        serde_json::from_value(self.0["server_durations_ms"].clone()).expect("durations by operation")
    }
}

/// The databases that all applications share.
struct Databases {
    postgres: Postgres,
    redis: Redis,
}

impl Databases {
    /// Runs an application to its end and returns its counts.
    async fn serve(&self, name: &str, command: &mut Command, redis_database: u8, folder: &Path) -> Sent {
        command.args(["--postgres", &self.postgres.url(), "--redis", &self.redis.url(redis_database)]);
        command.args(["--requests", REQUESTS]);
        let text = run(name, command, folder, Duration::from_mins(2)).await;
        let line = text.lines().rfind(|line| line.starts_with('{')).unwrap_or_else(|| panic!("no counts: {text}"));
        let sent = Sent(serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")));
        assert!(sent.count("spans_failed").abs() < 0.5, "every span is acknowledged: {line}");
        sent
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn applications_of_both_sdks_arrive_whole() {
    let _turn = heavy().await;
    let databases = Databases { postgres: Postgres::start().await, redis: Redis::start().await };
    python(&databases, "grpc", 1).await;
    python(&databases, "http/protobuf", 2).await;
    node(&databases, 3).await;
}

async fn python(databases: &Databases, protocol: &str, redis_database: u8) {
    let server = Server::start(Setup::default()).await;
    let port = if protocol == "grpc" { server.ports.grpc } else { server.ports.http };
    let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apps/python/app.py");
    let mut command = Command::new(peer("SPANWISE_PYTHON"));
    command.arg(app).env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{port}"));
    let sent = databases.serve("python", &mut command, redis_database, server.folder()).await;

    spans(&server, &format!("python sdk ({protocol})"), "python-shop", &sent).await;
    server.until_number("SELECT count(*) FROM logs WHERE service_name = 'python-shop'", sent.count("logs")).await;
    let points = "SELECT (SELECT count(*) FROM metrics WHERE service_name = 'python-shop') \
                  + (SELECT count(*) FROM histograms WHERE service_name = 'python-shop')";
    server.until_number(points, sent.count("metric_points")).await;
    println!("python sdk ({protocol}): sent {} log records, found the same", sent.count("logs"));
    println!("python sdk ({protocol}): sent {} metric points, found the same", sent.count("metric_points"));
    errors(&server, "python-shop", sent.count("server_errors")).await;

    // Each order looks up three products by literal ids; all lookups have the same fingerprint.
    let orders = sent.counts("asked")["GET /orders/<int:order>"];
    statement(&server, "python-shop", "SELECT id FROM products WHERE id IN (?) ORDER BY id", orders).await;
    // The rest look up one product: for an order line, or after a cache miss.
    let by_id = "SELECT sum(calls) FROM queries WHERE service_name = 'python-shop' \
                 AND db_fingerprint LIKE 'SELECT name FROM products WHERE id = %'";
    let (postgres, searches) = (sent.counts("statements")["postgresql"], sent.counts("asked")["GET /search"]);
    server.until_number(by_id, postgres - orders - searches).await;
    let search =
        "SELECT sum(calls) FROM queries WHERE service_name = 'python-shop' AND db_fingerprint LIKE '%pg_sleep%'";
    server.until_number(search, searches).await;
    slow_search_is_found(&server).await;
}

async fn node(databases: &Databases, redis_database: u8) {
    let server = Server::start(Setup::default()).await;
    // Node resolves modules from the directory of the file and its parents.
    let app = server.folder().join("app.js");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apps/node/app.js");
    std::fs::copy(source, &app).expect("copied");
    std::os::unix::fs::symlink(peer("SPANWISE_NODE_MODULES"), server.folder().join("node_modules")).expect("linked");
    let mut command = Command::new("node");
    command.arg(&app).env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{}", server.ports.http));
    let sent = databases.serve("node", &mut command, redis_database, server.folder()).await;
    spans(&server, "node sdk", "node-shop", &sent).await;
    // Three per related page, and one per cache miss, which also causes a SET. Literals and parameters give the same
    // fingerprint.
    let asked = sent.counts("asked");
    let missed = sent.counts("statements")["redis"] - asked["GET /articles/:id"];
    let expected = 3.0 * asked["GET /related/:id"] + missed;
    statement(&server, "node-shop", "SELECT name FROM articles WHERE id = ?", expected).await;
    errors(&server, "node-shop", sent.counts("asked")["GET /broken"]).await;
}

/// Checks spans by kind and in total, requests and their quantiles, and statements by system.
async fn spans(server: &Server, who: &str, service: &str, sent: &Sent) {
    let count = format!("SELECT count(*) FROM spans WHERE service_name = '{service}'");
    server.until_number(&count, sent.count("spans")).await;
    println!("{who}: sent {} spans, found {}", sent.count("spans"), server.number(&count).await);
    let kinds = sent.counts("spans_by_kind");
    assert!(kinds.contains_key("SERVER") && kinds.contains_key("CLIENT"), "{kinds:?}");
    for (kind, expected) in kinds {
        let found = server.number(&format!("{count} AND kind = '{kind}'")).await;
        assert_near(&format!("{who}: spans of kind {kind}"), found, expected, 0.0);
    }
    for (system, expected) in sent.counts("statements") {
        let of = format!("WHERE service_name = '{service}' AND db_system_name = '{system}'");
        let found = server.number(&format!("SELECT count(*) FROM spans {of}")).await;
        assert_near(&format!("{who}: spans of {system}"), found, expected, 0.0);
        // Spans for connecting have no statement.
        let statements = server.number(&format!("SELECT count(*) FROM spans {of} AND db_query_text IS NOT NULL")).await;
        server.until_number(&format!("SELECT sum(calls) FROM queries {of}"), statements).await;
        println!("{who}: sent {expected} spans of {system}, found {found}; {statements} of them statements");
    }
    for (operation, durations) in sent.durations() {
        let of = format!("FROM requests WHERE service_name = '{service}' AND operation = '{operation}'");
        #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
        let calls = durations.len() as f64;
        server.until_number(&format!("SELECT sum(calls) {of}"), calls).await;
        for quantile in [0.5, 0.95, 0.99] {
            let found = server.number(&format!("SELECT quantile(duration_sketch, {quantile}) {of}")).await;
            let exact = nearest_rank(&durations, quantile);
            assert_near(&format!("{who}: quantile {quantile} of {operation}"), found, exact, 0.01);
            if quantile > 0.9 && quantile < 0.97 {
                println!("{who}: {operation}: {calls} calls, p95 {found:.3} ms, exact nearest rank {exact:.3} ms");
            }
        }
    }
}

async fn statement(server: &Server, service: &str, fingerprint: &str, expected: f64) {
    let calls =
        format!("SELECT sum(calls) FROM queries WHERE service_name = '{service}' AND db_fingerprint = '{fingerprint}'");
    let found = server.try_number(&calls).await;
    if found != Ok(expected) {
        let all = server.sql("SELECT db_fingerprint, sum(calls) AS calls FROM queries GROUP BY 1").await;
        panic!("{fingerprint}: found {found:?} calls, expected {expected}, among {all:#?}");
    }
}

async fn errors(server: &Server, service: &str, expected: f64) {
    server.until_number(&format!("SELECT sum(errors) FROM requests WHERE service_name = '{service}'"), expected).await;
}

/// Waits for the finding of the search, which sleeps in the database for 120 ms each time.
async fn slow_search_is_found(server: &Server) {
    crate::support::until("slow_statement to fire for the search", Duration::from_secs(30), || async {
        let findings = server.findings().await?;
        let of: Vec<&Value> = findings.iter().filter(|finding| finding["pipeline"] == "slow_statement").collect();
        let fires = |finding: &&&Value| finding["state"] == "firing" && finding["key"].to_string().contains("pg_sleep");
        let found = of.iter().find(fires).ok_or_else(|| format!("{of:?}"))?;
        let called_by = found["evidence"].to_string();
        if called_by.contains("GET /search") { Ok(()) } else { Err(format!("no caller in {called_by}")) }
    })
    .await;
}
