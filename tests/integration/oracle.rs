//! Compares SQL with `PostgreSQL`: each statement of `tests/sql/*.slt` runs in a real one and in Spanwise, over the Postgres
//! wire and over HTTP. The files contain only statements, because `PostgreSQL` provides the expected results:
//!
//! - `query`: same names, types and rows; in any order unless the statement has ORDER BY.
//! - `error`: both reject it.
//! - `session`: runs once, such as `SET timezone`; from then on HTTP, which has no sessions, is skipped.
//! - `differs REASON`: a known difference, intended or tolerated. The test fails if it no longer exists.

use crate::support::otlp::{int, route_span, send, span, text, traces};
use crate::support::postgres::Postgres;
use crate::support::process::run;
use crate::support::server::Server;
use crate::support::{config::Setup, peer};
use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const FILES: [(&str, &str); 9] = [
    ("correlated.slt", include_str!("../sql/correlated.slt")),
    ("numbers.slt", include_str!("../sql/numbers.slt")),
    ("patterns.slt", include_str!("../sql/patterns.slt")),
    ("queries.slt", include_str!("../sql/queries.slt")),
    ("tables.slt", include_str!("../sql/tables.slt")),
    ("texts.slt", include_str!("../sql/texts.slt")),
    ("tools.slt", include_str!("../sql/tools.slt")),
    ("times.slt", include_str!("../sql/times.slt")),
    ("zones.slt", include_str!("../sql/zones.slt")),
];
/// Arguments of `generate.py`.
const SEED: &str = "20261130";
const GENERATED: &str = "400";
/// The contents of the table `spans` in both.
const SPANS: &str = "SELECT trace_id, span_id, parent_span_id, name, kind, service_name, start_time, duration_ms, error, \
                     http_route, http_response_status_code, attributes FROM spans";
/// Types that are equal for a client: the names of text, and both kinds of JSON.
const SAME: [(u64, u64); 4] = [(1043, 25), (1042, 25), (19, 25), (3802, 114)];
/// Types that JSON can represent.
const BOOL: u64 = 16;
const NUMBERS: [u64; 6] = [20, 21, 23, 700, 701, 1700];
const TIMESTAMP: u64 = 1114;
const TIMESTAMPTZ: u64 = 1184;
const JSON: u64 = 114;

struct Record {
    file: &'static str,
    kind: &'static str,
    reason: &'static str,
    sql: &'static str,
    has_session: bool,
}

/// Parses the records of a file, which are separated by empty lines.
fn records(file: &'static str, text: &'static str) -> Vec<Record> {
    let mut has_session = false;
    let mut found = Vec::new();
    for block in text.split("\n\n") {
        let block = block.trim();
        let begin = block.split_inclusive('\n').take_while(|line| line.starts_with('#')).map(str::len).sum();
        let Some((head, sql)) = block[begin..].split_once('\n') else { continue };
        let (kind, reason) = head.split_once(' ').unwrap_or((head, ""));
        assert!(matches!(kind, "query" | "error" | "session" | "differs"), "{file}: {head:?}");
        assert!(kind != "differs" || !reason.is_empty(), "{file}: a difference without a reason: {sql}");
        has_session |= kind == "session";
        found.push(Record { file, kind, reason, sql, has_session });
    }
    found
}

async fn server() -> Server {
    let server = Server::start(Setup::default()).await;
    let mut spans: Vec<_> = (0..8_u64)
        .map(|n| {
            let mut span =
                route_span(n, "GET", "/products/{id}", 12.5 + f64::from(u32::try_from(n).expect("small")) / 3.0);
            let user = if n % 3 == 0 { "anna" } else { "bob" };
            span.attributes.extend([text("shop.user", user), int("shop.items", i64::try_from(n).expect("small"))]);
            span
        })
        .collect();
    let mut order = route_span(20, "POST", "/orders", 80.0);
    order.attributes.push(text("shop.user", "anna"));
    order.status = Some(opentelemetry_proto::tonic::trace::v1::Status { code: 2, message: String::new() });
    spans.push(order);
    spans.push(span(21, "nightly job", 1, 1234.5));
    send(&server.http_url("/v1/traces"), &traces("shop", spans)).await;
    server.until_number("SELECT count(*) FROM spans", 10.0).await;
    server
}

async fn asked(address: &str, statements: &[&str], more: &[&str], folder: &Path) -> Vec<Value> {
    let file = folder.join("statements.json");
    std::fs::write(&file, serde_json::to_string(statements).expect("JSON")).expect("written");
    let mut command = Command::new(peer("SPANWISE_PYTHON"));
    command.args(["-c", include_str!("../sql/ask.py"), address]).arg(&file).args(more).env_remove("PGTZ");
    let told = run("ask", &mut command, folder, Duration::from_mins(3)).await;
    let line = told.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {told}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_are_answered_as_postgresql_answers_them() {
    let (server, postgres) = tokio::join!(server(), Postgres::start());
    let records: Vec<Record> = FILES.into_iter().flat_map(|(file, text)| records(file, text)).collect();
    let generated = generated(server.folder()).await;
    let statements: Vec<&str> =
        records.iter().map(|record| record.sql).chain(generated.iter().map(String::as_str)).collect();
    let ours = format!("host=127.0.0.1 port={} user=spanwise dbname=spanwise", server.ports.postgres);
    let expected = asked(&postgres.url(), &statements, &[&ours, "spans", SPANS], server.folder()).await;
    let found = asked(&ours, &statements, &[], server.folder()).await;

    let (mut faults, mut over_http, mut listed) = (Vec::new(), 0, 0);
    for ((record, expected), found) in records.iter().zip(&expected).zip(&found) {
        let mut told = differences(record.kind, record.sql, expected, found);
        if !record.has_session && record.kind != "session" {
            over_http += 1;
            told.extend(http(record, expected, &server).await.map(|told| format!("HTTP: {told}")));
        }
        match (record.kind, told.is_empty()) {
            ("differs", true) => told.push(format!("there is no difference any more ({})", record.reason)),
            ("differs", false) => {
                listed += 1;
                told.clear();
            }
            _ => {}
        }
        if !told.is_empty() {
            faults.push(format!("{}: {}\n    {}", record.file, record.sql, told.join("\n    ")));
        }
    }
    let of_generated = expected.iter().zip(&found).skip(records.len());
    for (sql, (expected, found)) in generated.iter().zip(of_generated) {
        let told = differences("either", sql, expected, found);
        if !told.is_empty() {
            faults.push(format!("generated: {sql}\n    {}", told.join("\n    ")));
        }
    }
    println!(
        "SQL as PostgreSQL answers it: {} files, {} statements over the Postgres wire, {over_http} of them over HTTP, {} generated; {} differences, {listed} listed",
        FILES.len(),
        records.len(),
        generated.len(),
        faults.len()
    );
    for record in records.iter().filter(|record| record.kind == "differs") {
        println!("  {}: {}: {}", record.file, record.reason, record.sql.replace('\n', " "));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Returns statements with pseudo-random expressions, the same in each run.
async fn generated(folder: &Path) -> Vec<String> {
    let mut command = Command::new(peer("SPANWISE_PYTHON"));
    command.args(["-c", include_str!("../sql/generate.py"), SEED, GENERATED]);
    let told = run("generate", &mut command, folder, Duration::from_mins(1)).await;
    serde_json::from_str(&told).expect("a list of statements")
}

fn differences(kind: &str, sql: &str, expected: &Value, found: &Value) -> Vec<String> {
    let is_error = |answer: &Value| answer.get("error").is_some();
    match (is_error(expected), is_error(found)) {
        (true, true) if matches!(kind, "error" | "either") => return Vec::new(),
        (true, true) => return vec![format!("PostgreSQL refuses it, too: {}", expected["error"])],
        (true, false) | (false, true) => return vec![format!("PostgreSQL: {expected}, Spanwise: {found}")],
        (false, false) => {}
    }
    let mut told = Vec::new();
    if kind == "error" {
        told.push("both answer it".to_owned());
    }
    if expected["names"] != found["names"] {
        told.push(format!("names: {} expected, {} found", expected["names"], found["names"]));
    }
    if types(expected) != types(found) {
        told.push(format!("types: {} expected, {} found", expected["types"], found["types"]));
    }
    let (expected, found) = (rows(sql, expected), rows(sql, found));
    if expected != found {
        told.push(format!("rows: {expected:?} expected, {found:?} found"));
    }
    told
}

fn types(answer: &Value) -> Vec<u64> {
    let types = answer["types"].as_array().into_iter().flatten().filter_map(Value::as_u64);
    types.map(|kind| SAME.iter().find(|(other, _)| *other == kind).map_or(kind, |(_, same)| *same)).collect()
}

/// Returns the rows, sorted if the statement gives no order; JSON without whitespace.
fn rows(sql: &str, answer: &Value) -> Vec<Vec<Option<String>>> {
    let types = types(answer);
    let cell = |(value, kind): (&Value, &u64)| {
        let text = value.as_str()?;
        let json = (*kind == JSON).then(|| serde_json::from_str::<Value>(text).ok()).flatten();
        Some(json.map_or_else(|| text.to_owned(), |json| json.to_string()))
    };
    let row = |row: &Value| row.as_array().into_iter().flatten().zip(&types).map(cell).collect();
    let mut rows: Vec<Vec<Option<String>>> = answer["rows"].as_array().into_iter().flatten().map(row).collect();
    if !sql.contains("ORDER BY") {
        rows.sort();
    }
    rows
}

/// Returns the difference over HTTP, if any.
async fn http(record: &Record, expected: &Value, server: &Server) -> Option<String> {
    let (status, body) = server.ask(record.sql).await.expect("an answer");
    if expected.get("error").is_some() {
        return (status == 200).then(|| format!("PostgreSQL refuses it, found {body}"));
    }
    if status != 200 {
        return Some(format!("{status}: {body}"));
    }
    let objects = body["rows"].as_array().cloned().unwrap_or_default();
    let types = types(expected);
    let wanted_names = distinct(expected);
    let mut wanted: Vec<Vec<Value>> = rows(record.sql, expected)
        .into_iter()
        .map(|row| row.into_iter().zip(&types).map(|(value, kind)| in_json(value, *kind)).collect())
        .collect();
    let mut found = Vec::new();
    for object in &objects {
        let object = object.as_object()?;
        let names: Vec<&str> = object.keys().map(String::as_str).collect();
        if names != wanted_names {
            return Some(format!("names: {wanted_names:?} expected, {names:?} found"));
        }
        found.push(object.values().zip(&types).map(|(value, kind)| normal(value, *kind)).collect::<Vec<_>>());
    }
    if !record.sql.contains("ORDER BY") {
        wanted.sort_by_key(|row| json!(row).to_string());
        found.sort_by_key(|row| json!(row).to_string());
    }
    (wanted != found).then(|| format!("rows: {} expected, {} found", json!(wanted), json!(found)))
}

/// Makes names unique: `a`, `a_2`.
fn distinct(answer: &Value) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in answer["names"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        let numbered = (2..).map(|count| format!("{name}_{count}"));
        let name = std::iter::once(name.to_owned()).chain(numbered).find(|name| !names.contains(name));
        names.extend(name);
    }
    names
}

/// Converts a value of the Postgres wire to JSON.
fn in_json(text: Option<String>, kind: u64) -> Value {
    let Some(text) = text else { return Value::Null };
    match kind {
        BOOL => Value::Bool(text == "t"),
        kind if NUMBERS.contains(&kind) => text.parse().map_or(Value::Null, digits),
        TIMESTAMP => {
            json!(
                NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f")
                    .expect("a timestamp")
                    .and_utc()
                    .timestamp_micros()
            )
        }
        TIMESTAMPTZ => {
            json!(DateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f%#z").expect("a timestamptz").timestamp_micros())
        }
        JSON => serde_json::from_str(&text).expect("JSON"),
        _ => Value::from(text),
    }
}

/// Rounds to 15 digits, because `serde_json` parses some numbers with an error of one ulp. The Postgres wire is compared
/// exactly.
fn digits(number: f64) -> Value {
    format!("{number:.14e}").parse::<f64>().map_or(Value::Null, Value::from)
}

/// Converts a value of the HTTP response to the same format.
fn normal(value: &Value, kind: u64) -> Value {
    match (value, kind) {
        (Value::Number(number), _) => number.as_f64().map_or(Value::Null, digits),
        (Value::String(text), TIMESTAMP) => {
            json!(
                text.trim_end_matches('Z').parse::<NaiveDateTime>().expect("a timestamp").and_utc().timestamp_micros()
            )
        }
        (Value::String(text), TIMESTAMPTZ) => {
            json!(text.parse::<DateTime<Utc>>().expect("a timestamptz").timestamp_micros())
        }
        (Value::String(text), JSON) => serde_json::from_str(text).unwrap_or_else(|_| value.clone()),
        (Value::Array(items), _) => Value::from(list(items)),
        (other, _) => other.clone(),
    }
}

/// Formats a list like `PostgreSQL`.
fn list(items: &[Value]) -> String {
    let item = |item: &Value| match item {
        Value::Null => "NULL".to_owned(),
        Value::String(text) if text.contains(' ') || text.is_empty() => format!("\"{text}\""),
        Value::String(text) => text.clone(),
        Value::Array(items) => list(items),
        other => other.to_string(),
    };
    format!("{{{}}}", items.iter().map(item).collect::<Vec<_>>().join(","))
}
