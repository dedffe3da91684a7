//! A user-defined rollup in one file: it declares its table, is documented, checked and filled, survives a crash, and feeds a
//! finding; it can also be added at runtime.

use crate::support::config::Setup;
use crate::support::otlp::{route_span, send, traces};
use crate::support::server::{SPANWISE, Server};
use crate::support::until;
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

const WITHIN: Duration = Duration::from_secs(20);

const VISITS: &str = r#"/*---
title: Visits by route
kind: rollup
table: visits
doc: "Each visit, by route."
reads: [spans]
columns:
  - {name: http_route, type: string, low_cardinality: true, merge: key, doc: "The route."}
  - {name: visits, type: int64, unit: "{visit}", merge: sum, doc: "Times it was visited."}
  - {name: slowest_ms, type: float64, unit: ms, merge: max, doc: "The slowest visit."}
example:
  given:
    spans:
      - {start_time: "1970-01-01T00:00:01Z", http_route: /a, kind: SERVER, duration_ms: 3}
      - {start_time: "1970-01-01T00:00:02Z", http_route: /a, kind: SERVER, duration_ms: 5}
  expect:
    - {window_start: "1970-01-01T00:00:00Z", http_route: /a, visits: 2, slowest_ms: 5}
---
Who comes where. */
SELECT date_bin(INTERVAL '10 seconds', start_time) AS window_start, http_route, count(*) AS visits,
  max(duration_ms) AS slowest_ms
FROM new_spans WHERE kind = 'SERVER' GROUP BY 1, 2
"#;

const CROWDED: &str = r#"/*---
title: Crowded route
kind: finding
window: 10m
key: [http_route]
warning: 4
unit: "1"
message: "{http_route}: {value} visits"
example:
  given:
    visits_1m:
      - {window_start: "1970-01-01T00:00:00Z", http_route: /a, visits: 9}
  now_ms: 60000
  expect:
    - {http_route: /a, state: firing, value: 9}
---
Too many at once. */
SELECT http_route, sum(visits) AS value, sum(visits) AS samples FROM visits_1m
WHERE window_start >= $window_start - INTERVAL '1 minute' AND window_start < $window_end GROUP BY 1
"#;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    folder
}

fn setup(pipelines: &Path) -> Setup {
    Setup::default().performance(&format!("pipelines: {:?}", pipelines.display()))
}

/// Writes a configuration for commands that need no server.
fn config(pipelines: &TempDir) -> std::path::PathBuf {
    let file = pipelines.path().join("otel-config.yaml");
    let text = format!(
        "receivers: {{otlp: {{protocols: {{http: {{}}}}}}}}\nconnectors: {{performance: {{pipelines: {:?}}}}}\n\
         service:\n  pipelines: {{traces: {{receivers: [otlp], exporters: [performance]}}}}\n",
        pipelines.path().display()
    );
    std::fs::write(&file, text).expect("written");
    file
}

fn spanwise(arguments: &[&str], config: &Path) -> (Option<i32>, String) {
    let output = Command::new(SPANWISE).args(arguments).arg("--config").arg(config).output().expect("spanwise runs");
    (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

async fn visit(server: &Server, first: u64, number: u64, route: &str) {
    let spans = (first..first + number).map(|n| route_span(n, "GET", route, 8.0)).collect();
    send(&server.http_url("/v1/traces"), &traces("shop", spans)).await;
}

async fn logged(server: &Server, parts: &[&str]) {
    until(&format!("{parts:?} in the log"), WITHIN, || async {
        let log = server.log();
        if parts.iter().all(|part| log.contains(part)) { Ok(()) } else { Err(log) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_file_is_documented_checked_filled_kept_and_judged() {
    let pipelines = folder(&[("visits.sql", VISITS), ("crowded.sql", CROWDED)]);
    let (code, told) = spanwise(&["check"], &config(&pipelines));
    assert_eq!(code, Some(0), "{told}");
    let (_, docs) = spanwise(&["docs", "visits"], &config(&pipelines));
    for part in [
        "Each visit, by route.",
        "windows of 10 s, 60 s, 3600 s",
        "| `window_start` |",
        "| `slowest_ms` | float64 | ms |",
    ] {
        assert!(docs.contains(part), "{part:?} in {docs}");
    }
    let wrong = folder(&[("visits.sql", &VISITS.replace("visits: 2", "visits: 3"))]);
    let (code, told) = spanwise(&["check"], &config(&wrong));
    assert!(code == Some(2) && told.contains("visits.sql:12: example"), "its example is its test: {told}");

    let mut server = Server::start(setup(pipelines.path())).await;
    visit(&server, 0, 6, "/a").await;
    visit(&server, 100, 2, "/b").await;
    server.until_number("SELECT sum(visits) FROM visits WHERE http_route = '/a'", 6.0).await;
    server.kill9();
    server.start_again().await;
    visit(&server, 200, 1, "/a").await;
    for table in ["visits", "visits_1m", "visits_1h"] {
        server.until_number(&format!("SELECT sum(visits) FROM {table}"), 9.0).await;
    }
    until("the crowded route to fire", Duration::from_mins(1), || async {
        let findings = server.findings().await?;
        let of = |route: &str| {
            let found = findings.iter().find(|one| one["pipeline"] == "crowded" && one["key"]["http_route"] == route);
            found.map(|one| (one["state"].clone(), one["value"].clone()))
        };
        let expected = |state: &str, value: f64| Some((Value::from(state), Value::from(value)));
        let both = (of("/a"), of("/b"));
        if both == (expected("firing", 7.0), expected("ok", 2.0)) { Ok(()) } else { Err(format!("{both:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_file_begins_to_work_and_a_changed_table_waits_for_a_restart() {
    let pipelines = folder(&[]);
    let file = pipelines.path().join("visits.sql");
    let mut server = Server::start(setup(pipelines.path())).await;
    visit(&server, 0, 2, "/a").await;
    server.until_number("SELECT sum(calls) FROM requests", 2.0).await;

    std::fs::write(&file, VISITS.replace("AS visits", "AS visit")).expect("written");
    server.signal("HUP");
    logged(&server, &["visits.sql:9: columns[1]: expected a column", "did you mean", "the previous rules stay"]).await;
    std::fs::write(&file, VISITS).expect("written");
    server.signal("HUP");
    logged(&server, &["reloaded: budgets"]).await;
    visit(&server, 100, 3, "/a").await;
    server.until_number("SELECT sum(visits) FROM visits_1m", 3.0).await;
    server.until_number("SELECT sum(calls) FROM requests", 5.0).await;

    std::fs::write(&file, VISITS.replace("type: float64", "type: int64").replace("max(duration_ms)", "count(*)"))
        .expect("written");
    server.signal("HUP");
    logged(&server, &["visits.sql:4: table: ", "restart Spanwise to change an existing table"]).await;
    visit(&server, 200, 4, "/a").await;
    server.until_number("SELECT sum(visits) FROM visits", 7.0).await;
    let slowest = "SELECT max(slowest_ms) AS most FROM visits";
    assert_eq!(server.number(slowest).await.to_string(), "8", "the old one runs on");

    assert!(server.terminate().await.success());
    server.start_again().await;
    visit(&server, 300, 20, "/a").await;
    server.until_number("SELECT sum(visits) FROM visits", 27.0).await;
    server.until_number(slowest, 20.0).await;
    assert_eq!(server.sql("SELECT arrow_typeof(max(slowest_ms)) AS kind FROM visits").await[0]["kind"], "Int64");
}

#[test]
fn all_faults_of_all_files_come_at_once() {
    let faulty = VISITS
        .replace("merge: max", "merge: maxx")
        .replace("type: string, low", "type: int64, low")
        .replace("AS visits,", "AS visit,");
    let pipelines = folder(&[
        ("a_visits.sql", VISITS),
        ("b_taken.sql", &VISITS.replace("table: visits", "table: queries")),
        ("c_other.sql", &VISITS.replace("low_cardinality: true, ", "")),
        ("d_faulty.sql", &faulty.replace("table: visits", "table: faulty")),
        (
            "e_named.sql",
            &VISITS.replace("table: visits", "table: my.visits").replace("name: slowest_ms", "name: visits"),
        ),
        ("f_nowhere.sql", "/*---\ntitle: T\nkind: rollup\ntable: visit\nreads: [spans]\n---\nWhy. */\nSELECT 1 AS n\n"),
    ]);
    let (code, told) = spanwise(&["check", "--json"], &config(&pipelines));
    let answer: Value = serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"));
    let mut found = answer["faults"].as_array().expect("faults").iter();
    for (file, line, key, part) in [
        ("d_faulty.sql", 10, "columns[2].merge", "did you mean \"max\"?"),
        ("e_named.sql", 4, "table", "expected lower-case letters"),
        ("e_named.sql", 10, "columns[2].name", "given twice"),
        ("b_taken.sql", 4, "table", "\"queries\" is there already"),
        ("c_other.sql", 8, "columns[0]", "a_visits.sql:4, which declares the same table"),
        ("d_faulty.sql", 8, "columns[0].type", "expected int64, found string"),
        ("d_faulty.sql", 9, "columns[1]", "did you mean \"visit\"?"),
        ("e_named.sql", 20, "", "the statement gives \"slowest_ms\""),
        ("f_nowhere.sql", 4, "table", "did you mean \"visits\"?"),
    ] {
        let fault = found.next().unwrap_or_else(|| panic!("one more, {key} of {file}: {told}"));
        let of = fault["file"].as_str().is_some_and(|of| of.ends_with(file));
        let says = fault["message"].as_str().is_some_and(|message| message.contains(part));
        assert!(of && says && fault["line"] == line && fault["key"] == key, "{key} of {file}:{line}, {part}: {fault}");
    }
    assert_eq!((found.next(), code), (None, Some(2)), "{told}");
}
