//! Applications instrumented with the OpenTelemetry SDKs for Python and Node, over real databases. What they say was
//! acknowledged is held against what the tables say.

use crate::support::peers::{Postgres, Redis, repository};
use crate::support::server::{Server, Setup};
use crate::support::{peer, stdout};
use serde_json::Value;
use std::process::Command;

async fn python(server: &Server, postgres: &Postgres, redis: &Redis, protocol: &str, requests: u64) -> Value {
    let port = if protocol == "grpc" { server.ports.grpc } else { server.ports.otlp_http };
    let mut command = Command::new(peer("SPANWISE_PYTHON"));
    command.arg(repository("tests/apps/python/app.py"));
    command.arg("--postgres").arg(format!("host=127.0.0.1 port={} user=shop dbname=postgres", postgres.port));
    command.arg("--redis").arg(format!("redis://127.0.0.1:{}/0", redis.port));
    command.args(["--requests", &requests.to_string()]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{port}"));
    command.env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol).env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
    command.env("OTEL_EXPORTER_OTLP_INSECURE", "true");
    let printed = stdout(command).await;
    serde_json::from_str(printed.lines().last().unwrap_or_default()).unwrap_or_else(|_| panic!("{printed}"))
}

async fn node(server: &Server, postgres: &Postgres, redis: &Redis, requests: u64) -> Value {
    let mut command = Command::new("node");
    command.arg(repository("tests/apps/node/app.js"));
    command.arg("--postgres").arg(format!("postgres://shop@127.0.0.1:{}/postgres", postgres.port));
    command.arg("--redis").arg(format!("redis://127.0.0.1:{}/1", redis.port));
    command.args(["--requests", &requests.to_string()]);
    command.env("NODE_PATH", peer("SPANWISE_NODE_MODULES"));
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{}", server.ports.otlp_http));
    command.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
    let printed = stdout(command).await;
    serde_json::from_str(printed.lines().last().unwrap_or_default()).unwrap_or_else(|_| panic!("{printed}"))
}

/// Counts, kinds, operations, quantiles and statements against what the application counted itself.
async fn holds(server: &Server, client: &str, service: &str, sent: &Value) {
    let total = sent["spans"].as_f64().unwrap();
    assert_eq!(sent["spans_failed"], 0, "{client}: {sent}");
    server.reaches(&format!("SELECT count(*) FROM spans WHERE service_name = '{service}'"), total).await;
    println!("{client}: sent {total} spans, found {total}");
    for (kind, count) in sent["spans_by_kind"].as_object().unwrap() {
        let sql = format!("SELECT count(*) FROM spans WHERE service_name = '{service}' AND kind = '{kind}'");
        assert_eq!(server.number(&sql).await, count.as_f64().unwrap(), "{client}: {kind}");
    }
    server.reaches(&format!("SELECT sum(calls) FROM span_metrics WHERE service_name = '{service}'"), total).await;
    for (operation, durations) in sent["server_durations_ms"].as_object().unwrap() {
        let mut exact: Vec<f64> = durations.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
        exact.sort_by(f64::total_cmp);
        let sql = format!(
            "SELECT sum(calls) AS calls, quantile(duration_sketch, 0.5) AS p50, quantile(duration_sketch, 0.95) AS p95, \
             quantile(duration_sketch, 0.99) AS p99 FROM requests WHERE service_name = '{service}' AND operation = '{operation}'"
        );
        let row = server.sql(&sql).await.remove(0);
        assert_eq!(row["calls"].as_u64().unwrap(), exact.len() as u64, "{client}: {operation}");
        for (name, quantile) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
            let rank = (quantile * exact.len() as f64).ceil() as usize;
            let (expected, found) = (exact[rank - 1], row[name].as_f64().unwrap());
            assert!(
                (found - expected).abs() <= expected * 0.01,
                "{client} {operation} {name}: {found}, exactly {expected}"
            );
        }
        println!("{client}: {operation}: sent {} calls, found {}, p95 within 1 %", exact.len(), row["calls"]);
    }
    for (system, count) in sent["statements"].as_object().unwrap() {
        let sql =
            format!("SELECT sum(calls) FROM queries WHERE service_name = '{service}' AND db_system_name = '{system}'");
        println!("{client}: {system}: sent {count} statements, found {}", server.number(&sql).await);
    }
}

#[tokio::test]
async fn python_sdk_with_flask_psycopg_and_redis() {
    let (server, postgres, redis) = tokio::join!(Setup::new().start(), Postgres::start(), Redis::start());
    let over_grpc = python(&server, &postgres, &redis, "grpc", 100).await;
    holds(&server, "Python SDK over gRPC", "python-shop", &over_grpc).await;
    let logs = over_grpc["logs"].as_f64().unwrap();
    server.reaches("SELECT count(*) FROM logs WHERE service_name = 'python-shop'", logs).await;
    let points = over_grpc["metric_points"].as_f64().unwrap();
    let found = "SELECT (SELECT count(*) FROM metrics) + (SELECT count(*) FROM histograms)";
    server.reaches(found, points).await;
    println!("Python SDK over gRPC: sent {logs} logs and {points} metric points, found as many");
    let errors = over_grpc["server_errors"].as_f64().unwrap();
    assert_eq!(server.number("SELECT sum(errors) FROM requests").await, errors);
    // Statements with other literals are one.
    let fingerprints = server
        .sql("SELECT DISTINCT db_fingerprint AS f FROM queries WHERE db_system_name = 'postgresql' ORDER BY 1")
        .await;
    let fingerprints: Vec<&str> = fingerprints.iter().filter_map(|row| row["f"].as_str()).collect();
    assert!(fingerprints.contains(&"SELECT name FROM products WHERE id = ?"), "{fingerprints:?}");
    assert!(fingerprints.iter().any(|text| text.contains("IN (?") && !text.contains("?, ?")), "{fingerprints:?}");
    assert!(fingerprints.iter().all(|text| !text.contains("%7%")), "{fingerprints:?}");

    let over_http = python(&server, &postgres, &redis, "http/protobuf", 50).await;
    let both = over_grpc["spans"].as_f64().unwrap() + over_http["spans"].as_f64().unwrap();
    server.reaches("SELECT count(*) FROM spans", both).await;
    println!("Python SDK over HTTP: sent {} spans, found {}", over_http["spans"], over_http["spans"]);
}

#[tokio::test]
async fn node_sdk_with_express_pg_and_ioredis() {
    let (server, postgres, redis) = tokio::join!(Setup::new().start(), Postgres::start(), Redis::start());
    let sent = node(&server, &postgres, &redis, 150).await;
    holds(&server, "Node SDK over HTTP", "node-shop", &sent).await;
}
