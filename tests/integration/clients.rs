//! SQL clients: each real library against a running server, and the catalog queries of tools.
//! `tests/peers/sql_clients.sh` installs the libraries; the programs are in `tests/clients`.

use crate::support::config::Setup;
use crate::support::otlp::{route_span, send, traces};
use crate::support::peer;
use crate::support::postgres::Postgres;
use crate::support::process::run;
use crate::support::server::Server;
use comfy_table::Table;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// psql's commands: those without an argument and those about an object.
const COMMANDS: [&str; 70] = [
    "\\d",
    "\\d spans",
    "\\d+ spans",
    "\\d+ requests",
    "\\dS",
    "\\d pg_class",
    "\\d+ pg_catalog.pg_tables",
    "\\d information_schema.tables",
    "\\dt",
    "\\dt+",
    "\\dt *.*",
    "\\dtS+",
    "\\dv",
    "\\dv+",
    "\\dvS+",
    "\\di",
    "\\di+",
    "\\ds",
    "\\dm",
    "\\dE",
    "\\df",
    "\\df+",
    "\\dfS array*",
    "\\dfS+ array_to_string",
    "\\da",
    "\\daS",
    "\\dn",
    "\\dn+",
    "\\dnS+",
    "\\du",
    "\\du+",
    "\\dg",
    "\\l",
    "\\l+",
    "\\dT",
    "\\dT+",
    "\\dTS+ int4",
    "\\dp",
    "\\z spans",
    "\\ddp",
    "\\dx",
    "\\dx+",
    "\\db",
    "\\db+",
    "\\dD",
    "\\dc",
    "\\dC",
    "\\dCS+",
    "\\dd",
    "\\des",
    "\\det",
    "\\deu",
    "\\dew",
    "\\dF",
    "\\dFd",
    "\\dFp",
    "\\dFt",
    "\\dL",
    "\\doS ||",
    "\\dO",
    "\\drds",
    "\\dRp",
    "\\dRs",
    "\\dX",
    "\\dy",
    "\\dA+",
    "\\dAc",
    "\\dAf",
    "\\dconfig",
    "\\dP",
];

/// What one client tried.
struct Result {
    client: String,
    tried: usize,
    failed: usize,
}

fn folder(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(of)
}

async fn server() -> Server {
    let server = Server::start(Setup::default().sql("timeout: 60s").sql("workers: 4")).await;
    let mut spans: Vec<_> = (0..30).map(|n| route_span(n, "GET", "/products/{id}", 12.5)).collect();
    spans.push(route_span(1000, "POST", "/orders", 80.0));
    send(&server.http_url("/v1/traces"), &traces("shop", spans)).await;
    server.until_number("SELECT count(*) FROM spans", 31.0).await;
    server
}

/// Runs a program that prints its failures and its results as `RESULT client tried failed`.
async fn client(server: &Server, name: &str, command: &mut Command) -> (Vec<Result>, Vec<String>) {
    let told = run(name, command, server.folder(), Duration::from_mins(5)).await;
    let result = |line: &str| {
        let mut words: Vec<&str> = line.strip_prefix("RESULT ")?.split(' ').collect();
        let failed = words.pop()?.parse().ok()?;
        let tried = words.pop()?.parse().ok()?;
        Some(Result { client: words.join(" "), tried, failed })
    };
    let results: Vec<Result> = told.lines().filter_map(result).collect();
    assert!(!results.is_empty(), "{name} did not come to its end: {told}");
    let failures = told.lines().filter(|line| line.starts_with("FAILED ")).map(str::to_owned).collect();
    (results, failures)
}

fn psql(server: &Server, arguments: &[&str]) -> String {
    let address = format!("host=127.0.0.1 port={} user=spanwise dbname=spanwise", server.ports.postgres);
    let mut command = Command::new("psql");
    command.arg(address).args(["-X", "-A"]).args(arguments).env_remove("PGPASSWORD").env("PGOPTIONS", "");
    let output = command.output().expect("psql of Debian's package postgresql-client: run tests/run");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// psql's commands find the objects that exist, and none is rejected.
fn commands(server: &Server) -> (Result, Vec<String>) {
    let mut failures = Vec::new();
    for command in COMMANDS {
        let told = psql(server, &["-c", command]);
        if told.contains("ERROR: ") || told.contains("psql: error:") {
            failures.push(format!("FAILED psql: {command}: {}", told.trim().replace('\n', " ")));
        }
    }
    let copied = server.folder().join("copied.csv");
    let copy = format!(
        "\\copy (select http_route, duration_ms from spans where duration_ms > 50) to '{}' csv header",
        copied.display()
    );
    let told = psql(server, &["-c", &copy]);
    let text = std::fs::read_to_string(&copied).unwrap_or_default();
    if told.trim() != "COPY 1" || text != "http_route,duration_ms\n/orders,80\n" {
        failures.push(format!("FAILED psql: {copy}: {told} {text}"));
    }
    let expected = [
        ("\\dt+", "public|spans|table|spanwise"),
        ("\\d spans", "start_time|timestamp with time zone|"),
        ("\\d+ spans", "duration_ms|double precision|"),
        ("\\l", "spanwise|spanwise|UTF8"),
        ("\\du", "spanwise|"),
        ("\\dn", "public|spanwise"),
        ("\\dvS", "pg_catalog|pg_tables|view|spanwise"),
        ("\\dTS int8", "pg_catalog|bigint|"),
        ("\\dfS array_to_string", "pg_catalog|array_to_string|text|anyarray, text|func"),
        ("\\df quantile", "public|quantile|double precision|sketch bytea, q double precision|agg"),
        ("\\df attr_*", "public|attr_int|bigint|attributes json, key text|func"),
        ("\\d+ pool_usage", "View definition:"),
        ("\\sv pool_usage", "CREATE OR REPLACE VIEW public.pool_usage AS"),
    ];
    for (command, line) in expected {
        let told = psql(server, &["-c", command]);
        if !told.lines().any(|found| found.starts_with(line)) {
            failures.push(format!("FAILED psql: {command}: expected {line:?} in {told}"));
        }
    }
    let tried = COMMANDS.len() + 1 + expected.len();
    (Result { client: "psql".to_owned(), tried, failed: failures.len() }, failures)
}

/// A real `PostgreSQL` with foreign tables on Spanwise: it reads the catalogs for `IMPORT FOREIGN SCHEMA`, and rows by cursors.
fn foreign_tables(server: &Server, postgres: &Postgres) -> (Result, Vec<String>) {
    let attached = format!(
        "CREATE EXTENSION postgres_fdw; \
         CREATE SERVER own FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '{}', dbname 'spanwise'); \
         CREATE USER MAPPING FOR CURRENT_USER SERVER own OPTIONS (user 'spanwise', password_required 'false'); \
         CREATE SCHEMA own; IMPORT FOREIGN SCHEMA public FROM SERVER own INTO own; SELECT 'imported'",
        server.ports.postgres
    );
    let expected = [
        (attached.as_str(), "imported"),
        ("SELECT count(*) FROM own.spans", "31"),
        (
            "SELECT http_route, count(*) FROM own.spans WHERE duration_ms > 5 GROUP BY 1 ORDER BY 1",
            "/orders|1\n/products/{id}|30",
        ),
        ("SELECT name FROM own.spans ORDER BY duration_ms DESC LIMIT 1", "POST /orders"),
        ("SELECT max(duration_ms) FROM own.spans WHERE http_route LIKE '/ord%'", "80"),
        ("SELECT count(*) FROM own.spans WHERE start_time BETWEEN now() - interval '1 day' AND now()", "31"),
        ("SELECT count(*) FROM own.spans s JOIN (VALUES ('/orders')) r(route) ON s.http_route = r.route", "1"),
        ("SELECT attributes IS NOT NULL FROM own.spans LIMIT 1", "t"),
    ];
    let mut failures = Vec::new();
    for (statement, line) in expected {
        let output = Command::new("psql")
            .arg(postgres.url())
            .args(["-X", "-At", "-v", "ON_ERROR_STOP=1", "-c", statement])
            .output();
        let output = output.expect("psql of Debian's package postgresql-client: run tests/run");
        let told = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        if !told.trim().ends_with(line) {
            failures.push(format!("FAILED postgres_fdw: {statement}: expected {line:?}, found {told}"));
        }
    }
    (Result { client: "postgres_fdw".to_owned(), tried: expected.len(), failed: failures.len() }, failures)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_is_answered() {
    let server = server().await;
    let home = PathBuf::from(peer("SPANWISE_SQL_CLIENTS"));
    let port = server.ports.postgres.to_string();
    let (mut results, mut failures) = (Vec::new(), Vec::new());
    let (result, failed) = commands(&server);
    results.push(result);
    failures.extend(failed);
    let postgres = Postgres::start().await;
    let (result, failed) = foreign_tables(&server, &postgres);
    results.push(result);
    failures.extend(failed);
    let mut programs: Vec<(&str, Command)> = Vec::new();
    for name in ["psycopg2", "psycopg3", "sqlalchemy", "asyncpg", "duckdb", "pgcli"] {
        let mut command = Command::new(home.join("python/bin/python"));
        command.arg(folder("python").join(format!("{name}_client.py"))).arg(&port).env("PYTHONDONTWRITEBYTECODE", "1");
        programs.push((name, command));
    }
    let mut node = Command::new("node");
    node.arg(folder("node").join("client.js")).arg(&port).env("NODE_PATH", home.join("node_modules"));
    programs.push(("node", node));
    let mut pgx = Command::new(home.join("pgx"));
    pgx.arg(&port);
    programs.push(("pgx", pgx));
    let mut java = Command::new("java");
    java.arg("-cp").arg(format!("{0}/classes:{0}/jars/*", home.display())).args(["Client", &port]);
    java.args(["Grafana", "Metabase", "DBeaver"].map(|tool| folder("tools").join(format!("{tool}.sql"))));
    programs.push(("java", java));
    for (name, mut command) in programs {
        let (found, failed) = client(&server, name, &mut command).await;
        results.extend(found);
        failures.extend(failed);
    }
    let mut table = Table::new();
    table.set_header(["client", "statements tried", "failures"]);
    for result in &results {
        table.add_row([result.client.clone(), result.tried.to_string(), result.failed.to_string()]);
    }
    println!("{table}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
