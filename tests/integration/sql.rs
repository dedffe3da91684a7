//! SQL with common clients: psql and psycopg over the Postgres wire, read-only and within limits.

use crate::support::client::client;
use crate::support::config::Setup;
use crate::support::otlp::{route_span, send, traces};
use crate::support::process::{Process, run};
use crate::support::server::{SPANWISE, Server};
use crate::support::{peer, until};
use serde_json::{Value, json};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const PRODUCTS: u64 = 30;

async fn server() -> Server {
    let setup = Setup::default().sql("timeout: 2s").sql("rows_max: 1000");
    let server = Server::start(setup).await;
    let mut spans: Vec<_> = (0..PRODUCTS).map(|n| route_span(n, "GET", "/products/{id}", 12.5)).collect();
    spans.push(route_span(1000, "POST", "/orders", 80.0));
    send(&server.http_url("/v1/traces"), &traces("shop", spans)).await;
    server.until_number("SELECT count(*) FROM spans", 31.0).await;
    server
}

fn psql(server: &Server, arguments: &[&str]) -> Output {
    let address = format!("host=127.0.0.1 port={} user=spanwise dbname=spanwise", server.ports.postgres);
    let output =
        Command::new("psql").arg(address).args(["-X", "-At"]).args(arguments).env_remove("PGPASSWORD").output();
    output.expect("psql of Debian's package postgresql-client: run tests/run")
}

/// Returns psql's output for a statement that must succeed.
#[track_caller]
fn answer(server: &Server, arguments: &[&str]) -> String {
    let output = psql(server, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// Returns psql's error for a statement that must fail.
#[track_caller]
fn refusal(server: &Server, statement: &str) -> String {
    let output = psql(server, &["-v", "VERBOSITY=verbose", "-c", statement]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{statement}: expected a refusal, found {:?}", output.stdout);
    errors
}

#[tokio::test(flavor = "multi_thread")]
async fn psql_reads_describes_and_does_not_write() {
    let server = server().await;
    let counts = "SELECT http_route, count(*) FROM spans GROUP BY 1 ORDER BY 1";
    assert_eq!(answer(&server, &["-c", counts]), "/orders|1\n/products/{id}|30");
    assert_eq!(answer(&server, &["-c", "SELECT 'a' || 'b', 1 + 1, NULL, true"]), "ab|2||t");
    until("the rollup", Duration::from_secs(20), || async {
        let found = answer(&server, &["-c", "SELECT sum(calls) FROM requests WHERE operation = 'GET /products/{id}'"]);
        if found == "30" { Ok(()) } else { Err(found) }
    })
    .await;

    let listed = answer(&server, &["-c", "\\dt"]);
    for table in ["spans", "metrics", "histograms", "logs", "requests", "queries", "findings", "pipelines"] {
        assert!(listed.lines().any(|line| line.split('|').any(|cell| cell == table)), "{table} in {listed}");
    }
    let described = answer(&server, &["-c", "\\d spans"]);
    assert!(described.contains("trace_id") && described.contains("duration_ms"), "{described}");

    for statement in [
        "DELETE FROM spans",
        "INSERT INTO spans (name) VALUES ('x')",
        "UPDATE spans SET name = 'x'",
        "DROP TABLE spans",
        "CREATE TABLE t (a int)",
        "CREATE VIEW v AS SELECT 1",
        "COPY spans TO '/tmp/spans.csv'",
        "COPY (SELECT 1) TO '/tmp/one.parquet' STORED AS PARQUET",
        "CREATE EXTERNAL TABLE passwd STORED AS CSV LOCATION '/etc/passwd'",
    ] {
        let told = refusal(&server, statement);
        // Read-only, or not supported at all.
        assert!(["25006", "42601", "0A000"].iter().any(|code| told.contains(code)), "{statement}: {told}");
    }
    assert_eq!(answer(&server, &["-c", "SELECT count(*) FROM spans"]), "31", "nothing of it was done");

    assert!(refusal(&server, "SELECT * FROM nothing_like_it").contains("42P01"));
    assert!(refusal(&server, "SELECT no_such_column FROM spans").contains("42703"));
    assert!(refusal(&server, "SELEKT 1").contains("42601"));
    println!("psql: 31 spans sent, 31 found; 9 statements that write refused");
}

/// An endless query is cancelled near its timeout, over both protocols, and the server continues.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_ends_at_its_time_and_at_its_rows() {
    let server = server().await;
    let endless =
        "SELECT count(*) FROM generate_series(1, 1000000) a(n), generate_series(1, 1000000) b(m) WHERE n * m % 7 = 3";
    let began = Instant::now();
    let told = refusal(&server, endless);
    let took = began.elapsed();
    assert!(told.contains("57014") || told.contains("53200"), "{told}");
    assert!(took < Duration::from_secs(6), "limit 2 s, took {took:?}");

    let began = Instant::now();
    let (status, body) = server.ask(endless).await.expect("an answer");
    assert!(matches!(status, 504 | 507), "{status}: {body}");
    assert!(began.elapsed() < Duration::from_secs(6), "limit 2 s, took {:?}", began.elapsed());

    let (status, body) = server.ask("SELECT value FROM generate_series(1, 5000) value").await.expect("an answer");
    assert_eq!((status, body["truncated"].as_bool()), (200, Some(true)), "the answer says that it is cut");
    assert_eq!(body["rows"].as_array().map(Vec::len), Some(1000));
    // The Postgres wire cannot mark a truncated result, so it is an error.
    let told = refusal(&server, "SELECT value FROM generate_series(1, 5000) value");
    assert!(told.contains("54000"), "{told}");
    assert_eq!(answer(&server, &["-c", "SELECT 1"]), "1");
}

/// psycopg sends parameters separately from the statement, as text and binary.
#[tokio::test(flavor = "multi_thread")]
async fn psycopg_asks_with_parameters() {
    let server = server().await;
    let program = r#"
import sys, psycopg
with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    for binary in (False, True):
        cursor = connection.cursor(binary=binary)
        cursor.execute("SELECT count(*) FROM spans WHERE http_route = %s AND duration_ms < %s", ("/products/{id}", 50.0))
        assert cursor.fetchone() == (30,), cursor.fetchone()
        cursor.execute("SELECT name, duration_ms, error, start_time FROM spans WHERE http_route = %s", ("/orders",))
        name, duration, error, start = cursor.fetchone()
        assert (name, round(duration, 3), error) == ("POST /orders", 80.0, False), (name, duration, error)
        assert start.year >= 2024, start
        cursor.execute("SELECT count(*) FROM spans WHERE http_response_status_code = %s", (200,))
        assert cursor.fetchone() == (31,)
        cursor.execute("SELECT count(*) FROM spans WHERE http_route = %s", ("' OR 1 = 1 --",))
        assert cursor.fetchone() == (0,)
    # The fifth time psycopg prepares it.
    for _ in range(8):
        cursor = connection.execute("SELECT count(*) FROM spans WHERE name = %s", ("POST /orders",))
        assert cursor.fetchone() == (1,)
    try:
        connection.execute("DELETE FROM spans WHERE name = %s", ("x",))
        raise SystemExit("a statement that writes was not refused")
    except psycopg.Error as error:
        print("refused:", error.sqlstate)
print("good")
"#;
    let mut command = Command::new(peer("SPANWISE_PYTHON"));
    let address = format!("host=127.0.0.1 port={} user=spanwise dbname=spanwise", server.ports.postgres);
    let told = run("psycopg", command.args(["-c", program, &address]), server.folder(), Duration::from_mins(1)).await;
    assert!(told.contains("good") && told.contains("refused: 25006"), "{told}");
    println!("psycopg: 31 spans sent, 31 found, with parameters in text and binary");
}

/// HTTP: rows as JSON, errors with status and message, and no access for pages of other sites.
#[tokio::test(flavor = "multi_thread")]
async fn http_answers_rows_and_clear_errors() {
    let server = server().await;
    let rows = server.sql("SELECT service_name, http_route, parent_span_id FROM spans WHERE duration_ms > 50").await;
    assert_eq!(rows, [json!({"service_name": "shop", "http_route": "/orders", "parent_span_id": null})]);
    for (statement, expected, word) in [
        ("SELECT nothing FROM spans", 400..401, "nothing"),
        ("SELEKT 1", 400..401, "SELEKT"),
        ("DROP TABLE spans", 400..404, "read-only"),
    ] {
        let (status, answer) = server.ask(statement).await.expect("an answer");
        assert!(
            expected.contains(&status) && answer["error"].to_string().contains(word),
            "{statement}: {status} {answer}"
        );
    }
    let url = format!("http://127.0.0.1:{}/v1/sql", server.ports.sql);
    let other_site = client().post(&url).header("origin", "https://evil.example").json(&json!({"query": "SELECT 1"}));
    assert_eq!(other_site.send().await.expect("an answer").status(), 403);
    let form = client().post(&url).header("content-type", "application/x-www-form-urlencoded").body("query=SELECT 1");
    assert_eq!(form.send().await.expect("an answer").status(), 415);
    let page = client().get(format!("http://127.0.0.1:{}/", server.ports.sql)).send().await.expect("a page");
    let policy = page.headers()["content-security-policy"].to_str().expect("text");
    assert!(policy.contains("default-src 'none'"), "{policy}");
}

/// Client commands: a watch ends on SIGTERM as on Ctrl-C, and `--json` also applies to errors.
#[tokio::test(flavor = "multi_thread")]
async fn a_watch_ends_well_and_errors_are_json_where_json_is_asked_for() {
    let server = server().await;
    let endpoint = format!("http://127.0.0.1:{}", server.ports.sql);
    for signal in ["TERM", "INT"] {
        let mut command = Command::new(SPANWISE);
        command.args(["findings", "--watch", "--all", "--json", "--endpoint", &endpoint]);
        let mut watch = Process::start("watch", &mut command, server.folder());
        until("the first look", Duration::from_secs(20), || {
            let text = watch.text();
            std::future::ready(if text.contains("\"pipeline\"") { Ok(()) } else { Err(text) })
        })
        .await;
        watch.signal(signal);
        let status = watch.wait(Duration::from_secs(5)).await;
        assert!(status.success(), "SIG{signal}: {status}: {}", watch.text());
    }
    let arguments = ["sql", "--json", "SELECT nope", "--endpoint", &endpoint];
    let output = Command::new(SPANWISE).args(arguments).output().expect("spanwise runs");
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&output.stderr).expect("JSON on standard error");
    assert!(told["error"].as_str().is_some_and(|error| error.contains("nope")), "{told}");
}
