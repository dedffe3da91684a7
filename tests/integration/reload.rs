//! SIGHUP reloads the configuration; an invalid file leaves the old one running.

use crate::support::config::Setup;
use crate::support::otlp::{route_span, send, traces};
use crate::support::server::Server;
use crate::support::webhook::WebhookReceiver;
use crate::support::{serve, until};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message as _;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_leaves_the_old_one_running_and_a_good_one_is_taken() {
    let server =
        Server::start(Setup::default().performance("budgets: {api: {mine: {match: \"GET /a\", limit: 9ms}}}")).await;
    let limit = "SELECT limit_value FROM budgets WHERE name = 'mine'";
    server.until_number(limit, 9.0).await;
    let good = std::fs::read_to_string(server.config()).expect("the configuration");

    std::fs::write(server.config(), good.replace("connectors:", "conectors:")).expect("written");
    server.signal("HUP");
    until("the fault to be logged", WITHIN, || async {
        let log = server.log();
        if log.contains("conectors") && log.contains("connectors") { Ok(()) } else { Err(log) }
    })
    .await;
    assert_eq!(server.sql(limit).await, [json!({"limit_value": 9.0})], "the old file is in force");
    send(&server.http_url("/v1/traces"), &traces("shop", vec![route_span(1, "GET", "/a", 8.0)])).await;
    server.until_number("SELECT count(*) FROM spans", 1.0).await;

    std::fs::write(server.config(), good.replace("limit: 9ms", "limit: 7ms")).expect("written");
    server.signal("HUP");
    server.until_number(limit, 7.0).await;
    assert_eq!(server.number("SELECT count(*) FROM spans").await.to_string(), "1", "a reload loses nothing");
}

const BUSY: &str = "/*---
title: Busy service
kind: finding
key: [service_name]
warning: 1
unit: \"1\"
message: \"{service_name}: {value} requests\"
example: {expect: []}
---
Too much at once. */
SELECT service_name, sum(calls) AS value, sum(calls) AS samples
FROM requests WHERE window_start >= $window_start AND window_start < $window_end
GROUP BY 1
";

/// A reload rejects what `check` rejects, as a whole: a statement of a wrong type, an unparsable one, and one without the value
/// to judge.
#[tokio::test(flavor = "multi_thread")]
async fn a_finding_that_cannot_be_planned_leaves_the_old_one_running() {
    let pipelines = tempfile::tempdir().expect("a folder");
    let file = pipelines.path().join("busy.sql");
    std::fs::write(&file, BUSY).expect("written");
    let setup = Setup::default().performance(&format!("pipelines: {:?}", pipelines.path().display()));
    let server = Server::start(setup).await;
    let spans = (1..=5).map(|n| route_span(n, "GET", "/a", 8.0)).collect();
    send(&server.http_url("/v1/traces"), &traces("shop", spans)).await;
    let fires = "SELECT count(*) FROM findings WHERE pipeline = 'busy' AND state = 'firing'";
    server.until_number(fires, 1.0).await;
    for (number, (good, bad, part)) in [
        ("sum(calls) AS value", "sum(operation) AS value", "sum"),
        ("GROUP BY 1", "GROUP 1", "Expected"),
        ("sum(calls) AS value", "sum(calls) AS valeu", "did you mean"),
    ]
    .into_iter()
    .enumerate()
    {
        std::fs::write(&file, BUSY.replace(good, bad)).expect("written");
        server.signal("HUP");
        until(&format!("{bad} to be refused"), WITHIN, || async {
            let log = server.log();
            let refused = log.matches("not reloaded: the previous rules stay in force").count() > number;
            if refused && log.contains("busy.sql:1") && log.contains(part) { Ok(()) } else { Err(log) }
        })
        .await;
    }
    let runs = "SELECT runs FROM pipelines WHERE id = 'busy'";
    let before = server.number(runs).await;
    until("the old one to run on", WITHIN, || async {
        let now = server.try_number(runs).await?;
        if now > before { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
    server.until_number("SELECT failures FROM pipelines WHERE id = 'busy'", 0.0).await;
    assert!(!server.log().contains("bug report"), "{}", server.log());
}

/// A signal during startup neither ends the server nor is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_while_it_starts_reloads_once_it_is_ready() {
    let mut server = Server::launch(Setup::default(), &[]);
    let status = format!("/proc/{}/status", server.process_id());
    until("SIGTERM to be taken", WITHIN, || async {
        let text = std::fs::read_to_string(&status).map_err(|error| error.to_string())?;
        let caught = text.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or_default();
        let caught = u64::from_str_radix(caught.trim(), 16).map_err(|error| error.to_string())?;
        if caught & (1 << 14) == 0 { Err(text) } else { Ok(()) }
    })
    .await;
    server.signal("HUP");
    server.ready().await;
    until("the reload", WITHIN, || async {
        let log = server.log();
        if log.contains("reloaded: budgets") { Ok(()) } else { Err(log) }
    })
    .await;
}

/// A firing budget that is removed resolves, and its receivers are notified, whether it is removed while the server runs or
/// not.
#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_is_taken_away_fires_no_more() {
    let webhook = WebhookReceiver::start().await;
    let logs = Logs::default();
    let endpoint = serve(Router::new().route("/v1/logs", post(keep)).with_state(logs.clone())).await;
    let setup = Setup::default()
        .exporter_aside("otlp_http", &format!("endpoint: {endpoint:?}, compression: none"))
        .pipeline("logs/derived", "receivers: [performance], exporters: [otlp_http]")
        .performance("budgets: {api: {one: {match: \"GET /a\", limit: 9ms}, two: {match: \"GET /a\", limit: 8ms}}}")
        .performance("findings: {api_budget: {samples_min: 1, for: 0s}}")
        .channel("webhook", &format!("url: {:?}", webhook.url()));
    let mut server = Server::start(setup).await;
    let spans = (1..=5).map(|n| route_span(n, "GET", "/a", 50.0)).collect();
    send(&server.http_url("/v1/traces"), &traces("shop", spans)).await;
    let fires = "SELECT count(*) FROM findings WHERE pipeline = 'api_budget' AND state = 'firing'";
    server.until_number(fires, 2.0).await;
    told(&webhook, "firing", &["one", "two"]).await;
    logged(&logs, "firing", &["one", "two"]).await;

    let config = std::fs::read_to_string(server.config()).expect("the configuration");
    let without_one = config.replace("one: {match: \"GET /a\", limit: 9ms}, ", "");
    std::fs::write(server.config(), &without_one).expect("written");
    server.signal("HUP");
    told(&webhook, "resolved", &["one"]).await;
    logged(&logs, "resolved", &["one"]).await;
    server.until_number(fires, 1.0).await;

    assert!(server.terminate().await.success());
    let renamed = without_one.replace("two: {match", "three: {match").replace("limit: 8ms", "limit: 9s");
    std::fs::write(server.config(), renamed).expect("written");
    server.start_again().await;
    told(&webhook, "resolved", &["one", "two"]).await;
    logged(&logs, "resolved", &["one", "two"]).await;
    server.until_number(fires, 0.0).await;
}

/// Received log records, in order.
type Logs = Arc<Mutex<Vec<LogRecord>>>;

async fn keep(State(logs): State<Logs>, body: Bytes) {
    let request = ExportLogsServiceRequest::decode(body).expect("OTLP");
    let scopes = request.resource_logs.into_iter().flat_map(|logs| logs.scope_logs);
    logs.lock().expect("not poisoned").extend(scopes.flat_map(|logs| logs.log_records));
}

/// Waits until the budgets with a derived log of the given state are exactly these.
async fn logged(logs: &Logs, state: &str, budgets: &[&str]) {
    until(&format!("{budgets:?} to be {state} in logs"), Duration::from_secs(30), || async {
        let text = |record: &LogRecord, name: &str| {
            let attribute = record.attributes.iter().find(|one| one.key == format!("spanwise.finding.{name}"))?;
            match attribute.value.as_ref()?.value.as_ref()? {
                any_value::Value::StringValue(text) => Some(text.clone()),
                _ => None,
            }
        };
        let logs = logs.lock().expect("not poisoned");
        let of_state = logs.iter().filter(|record| text(record, "state").as_deref() == Some(state));
        let mut found: Vec<String> = of_state.filter_map(|record| text(record, "key.budget")).collect();
        found.sort();
        if found == budgets { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
}

/// Waits until the budgets with an alert of the given status, across all messages, are exactly these.
async fn told(webhook: &WebhookReceiver, status: &str, budgets: &[&str]) {
    until(&format!("{budgets:?} to be {status}"), Duration::from_secs(30), || async {
        let told = webhook.told();
        let alerts = told.iter().flat_map(|(_, body)| body["alerts"].as_array().cloned().unwrap_or_default());
        let of_status =
            alerts.filter(|alert| alert["status"] == status && alert["labels"]["alertname"] == "api_budget");
        let mut found: Vec<Value> = of_status.map(|alert| alert["finding"]["key"]["budget"].clone()).collect();
        found.sort_by_key(ToString::to_string);
        if found == budgets { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
}
