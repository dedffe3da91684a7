//! Failures, from an application with a real SDK to the finding that names the exception: statements, calls, jobs, messages and
//! requests, with the exception in the span or in a log record. Also one query per line, below its own spans.

use crate::support::config::Setup;
use crate::support::postgres::Postgres;
use crate::support::process::run;
use crate::support::server::{SPANWISE, Server};
use crate::support::webhook::WebhookReceiver;
use crate::support::{heavy, peer, until};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const TIMES: u64 = 25;
const WITHIN: Duration = Duration::from_mins(1);

/// Pipelines with findings that name exceptions.
const EXPLAINED: [&str; 4] = ["failing_statement", "failing_dependency", "failing_job", "error_rate"];

/// Waits for a firing finding of the application. A failing operation must name its exception from the start.
async fn fires(server: &Server, pipeline: &str, key: &[(&str, &str)]) -> Value {
    until(&format!("{pipeline} to fire for {key:?}"), WITHIN, || async {
        let findings = server.findings().await?;
        let of = findings.iter().filter(|finding| finding["pipeline"] == pipeline).cloned().collect::<Vec<_>>();
        for finding in findings.iter().filter(|finding| finding["state"] == "firing") {
            let is_explained = finding["evidence"]["exceptions"].as_str().is_some_and(|text| !text.is_empty());
            let fails = EXPLAINED.iter().any(|pipeline| finding["pipeline"] == *pipeline);
            assert!(is_explained || !fails, "it fires without its exception: {finding:#}");
        }
        let is = |finding: &&Value| {
            finding["state"] == "firing" && key.iter().all(|(column, value)| finding["key"][column] == *value)
        };
        of.iter().find(is).cloned().ok_or_else(|| format!("{of:#?}"))
    })
    .await
}

async fn application(server: &Server) {
    let postgres = Postgres::start().await;
    let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apps/python/failing.py");
    let mut command = Command::new(peer("SPANWISE_PYTHON"));
    command.arg(app).args(["--postgres", &postgres.url(), "--times", &TIMES.to_string()]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{}", server.ports.http));
    let text = run("failing", &mut command, server.folder(), Duration::from_mins(2)).await;
    let line = text.lines().rfind(|line| line.starts_with('{')).unwrap_or_else(|| panic!("no answers: {text}"));
    let did: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    for (route, status) in [("statement", 500), ("pay", 200), ("broken", 500), ("logged", 503)] {
        let expected: Vec<Value> = (0..TIMES).map(|_| json!(status)).collect();
        assert_eq!(did["answers"][route], json!(expected), "{route}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_fails_is_found_with_its_exception() {
    let _turn = heavy().await;
    let webhook = WebhookReceiver::start().await;
    let server = Server::start(Setup::default().channel("webhook", &format!("url: {:?}", webhook.url()))).await;
    application(&server).await;
    let of = |finding: &Value, column: &str| finding["evidence"][column].as_str().unwrap_or_default().to_owned();

    let statement = "SELECT total FROM invoices_of_nobody WHERE customer = ?";
    let found = fires(&server, "failing_statement", &[("db_fingerprint", statement)]).await;
    let exception = "25x psycopg.errors.UndefinedTable: relation \"invoices_of_nobody\" does not exist";
    assert_eq!((of(&found, "exceptions"), &found["value"]), (exception.to_owned(), &json!(100.0)), "{found:#}");
    assert_eq!((&found["severity"], &found["samples"]), (&json!("critical"), &json!(TIMES)), "{found:#}");

    let found = fires(&server, "failing_dependency", &[("operation", "POST")]).await;
    assert!(found["key"]["peer"].as_str().is_some_and(|peer| peer.starts_with("payments:")), "{found:#}");
    assert!(of(&found, "exceptions").starts_with("25x urllib.error.URLError: <urlopen error "), "{found:#}");
    assert_eq!(found["severity"], "critical", "{found:#}");

    let found = fires(&server, "failing_job", &[("operation", "nightly-invoices")]).await;
    assert_eq!(of(&found, "exceptions"), "1x ValueError: no rate for currency ?", "{found:#}");
    assert_eq!(found["severity"], "warning", "one run of one: {found:#}");
    // 13 of 25.
    let found = fires(&server, "failing_job", &[("operation", "orders")]).await;
    assert_eq!((of(&found, "exceptions"), &found["value"]), ("13x KeyError: ?".to_owned(), &json!(52.0)), "{found:#}");

    let found = fires(&server, "error_rate", &[("operation", "GET /broken/<int:order>")]).await;
    assert_eq!(of(&found, "exceptions"), "25x RuntimeError: order ? of ? is broken", "{found:#}");
    let found = fires(&server, "error_rate", &[("operation", "GET /logged/<int:order>")]).await;
    assert_eq!(of(&found, "exceptions"), "25x HTTP 503", "{found:#}");
    assert_eq!(of(&found, "logged_exceptions"), "LookupError: no stock for order ?", "{found:#}");

    let found = fires(&server, "n_plus_one", &[("operation", "GET /list/<int:order>")]).await;
    assert_eq!((&found["value"], &found["samples"]), (&json!(6.0), &json!(3)), "{found:#}");
    for finding in server.findings().await.expect("findings").iter().filter(|one| one["state"] == "firing") {
        let works = finding["key"]["operation"] == "nightly-cleanup" || finding["key"]["peer"] == "(unknown)";
        assert!(!works, "nothing of this failed: {finding:#}");
        assert!(!finding.to_string().contains("anna"), "no value of a user leaves: {finding:#}");
    }
    shown(&server, &webhook, exception).await;
    println!(
        "failing: a statement, a call, a job, messages, requests and one query for each line found, with exceptions"
    );
}

/// Asserts that the terminal and the alert name the exception.
async fn shown(server: &Server, webhook: &WebhookReceiver, exception: &str) {
    let address = format!("http://127.0.0.1:{}", server.ports.sql);
    let output = Command::new(SPANWISE).args(["findings", "--endpoint", &address]).output().expect("spanwise runs");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(text.contains(exception), "{text}");
    until("an alert with the exception", WITHIN, || async {
        let told = webhook.told();
        let alerts = told.iter().flat_map(|(_, body)| body["alerts"].as_array().cloned().unwrap_or_default());
        let says = |alert: &Value| alert["annotations"]["evidence"] == exception;
        if alerts.into_iter().any(|alert| says(&alert)) { Ok(()) } else { Err(format!("{told:#?}")) }
    })
    .await;
}
