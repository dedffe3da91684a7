//! Derived data at Datadog: findings as logs and events; budgets, findings and slow statements as metrics with tags. Datadog's
//! intakes are simulated on loopback, and Datadog's own types decode the metrics.

use super::datadog_metrics::oracle::{ask, put_frame};
use crate::support::config::Setup;
use crate::support::otlp::{route_span, send, span, text, traces};
use crate::support::server::Server;
use crate::support::{heavy, serve, until};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const KEY: &str = "0123456789abcdef0123456789abcdef";
/// OTLP's span kind CLIENT.
const CLIENT: i32 = 3;
const EVENTS: &str = "/api/v1/events";
/// Timeout of an evaluation on a busy machine.
const WITHIN: Duration = Duration::from_secs(90);

#[derive(Default)]
struct Kept {
    /// Paths and bodies of accepted requests.
    taken: Vec<(String, Bytes)>,
    /// Number of events answered with 503.
    put_off: usize,
}

type Intake = Arc<Mutex<Kept>>;

/// Accepts everything except the first two events, which it answers with 503.
async fn keep(State(kept): State<Intake>, uri: Uri, headers: HeaderMap, body: Bytes) -> StatusCode {
    if headers.get("dd-api-key").is_none_or(|key| key != KEY) {
        return StatusCode::FORBIDDEN;
    }
    let mut kept = kept.lock().unwrap();
    if uri.path() == "/api/v1/validate" {
        return StatusCode::OK;
    }
    if uri.path() == EVENTS && kept.put_off < 2 {
        kept.put_off += 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    kept.taken.push((uri.path().to_owned(), body));
    StatusCode::ACCEPTED
}

/// The exact fields of an event according to <https://docs.datadoghq.com/api/latest/events/post-an-event/>.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    title: String,
    text: String,
    date_happened: i64,
    priority: String,
    host: String,
    tags: Vec<String>,
    alert_type: String,
    aggregation_key: String,
    source_type_name: String,
}

/// Returns the finding (aggregation key) and alert type of each event.
fn keys(events: &[Event]) -> BTreeSet<(String, String)> {
    events.iter().map(|event| (event.aggregation_key.clone(), event.alert_type.clone())).collect()
}

/// Starts Datadog's intakes on loopback; returns the received requests and the exporter's settings.
async fn intake(send_to: &str) -> (Intake, String) {
    let kept = Intake::default();
    let address = serve(Router::new().fallback(keep).with_state(kept.clone())).await;
    let endpoint = format!("{{endpoint: \"{address}\"}}");
    let settings = format!(
        "send_to: {send_to}, api: {{key: {KEY}}}, hostname: web-1, compression: none, metrics: {endpoint}, logs: {endpoint}, traces: \
         {endpoint}, sending_queue: {{batch: {{flush_timeout: 20ms}}}}, retry_on_failure: {{initial_interval: 50ms}}"
    );
    (kept, settings)
}

#[derive(Debug, Deserialize)]
struct Series {
    name: String,
    tags: Vec<String>,
    value: String,
}

#[derive(Debug, Deserialize)]
struct Sketch {
    name: String,
    tags: Vec<String>,
    count: i64,
}

#[derive(Debug, Default, Deserialize)]
struct Metrics {
    series: Option<Vec<Series>>,
    sketches: Option<Vec<Sketch>>,
}

fn bodies(kept: &Intake, path: &str) -> Vec<Bytes> {
    kept.lock().unwrap().taken.iter().filter(|(known, _)| known == path).map(|(_, body)| body.clone()).collect()
}

fn events(kept: &Intake) -> Vec<Event> {
    bodies(kept, EVENTS).iter().map(|body| serde_json::from_slice(body).expect("an event")).collect()
}

/// Returns the received metrics as Datadog's own types decode them.
fn metrics(kept: &Intake) -> Vec<Metrics> {
    let mut input = Vec::new();
    for path in ["/api/v2/series", "/api/beta/sketches"] {
        for body in bodies(kept, path) {
            put_frame(&mut input, path.as_bytes());
            put_frame(&mut input, &body);
        }
    }
    ask("payloads", input)
}

fn logs(kept: &Intake) -> Vec<Value> {
    bodies(kept, "/api/v2/logs").iter().flat_map(|body| serde_json::from_slice::<Vec<Value>>(body).unwrap()).collect()
}

/// Sends slow pages, each with a slow statement, numbered from `first`.
async fn visits(server: &Server, first: u64) {
    let pages = (first..first + 30).map(|n| route_span(2 * n, "GET", "/products/{id}", 250.0));
    let statements = (first..first + 30).map(|n| {
        let mut statement = span(2 * n + 1, "SELECT shop", CLIENT, 200.0);
        statement.attributes = vec![
            text("db.system.name", "postgresql"),
            text("db.namespace", "shop"),
            text("db.query.text", &format!("SELECT * FROM products WHERE id = {n}")),
        ];
        statement
    });
    let spans = pages.chain(statements).collect();
    send(&server.http_url("/v1/traces"), &traces("shop", spans)).await;
}

fn double(bits: &str) -> f64 {
    f64::from_bits(u64::from_str_radix(bits, 16).unwrap())
}

fn has(tags: &[String], wanted: &[&str]) -> bool {
    wanted.iter().all(|wanted| tags.iter().any(|tag| tag == wanted))
}

#[tokio::test(flavor = "multi_thread")]
async fn findings_are_events_and_what_is_derived_is_metrics_with_tags() {
    let _turn = heavy().await;
    let (kept, settings) = intake("intake").await;
    let (beside_otlp, settings_of_otlp) = intake("otlp").await;
    let setup = Setup::default()
        .performance("metrics_flush_interval: 1s")
        .performance("budgets: {api: {detail: {match: \"GET /products/*\", limit: 100ms}}}")
        .performance(
            "findings: {api_budget: {samples_min: 10, for: 0s, keep_firing_for: 0s}, slow_statement: {for: 0s}}",
        )
        .exporter_aside("datadog", &settings)
        .exporter_aside("datadog/otlp", &settings_of_otlp)
        .pipeline("metrics/derived", "receivers: [performance], exporters: [datadog]")
        .pipeline("logs/derived", "receivers: [performance], exporters: [datadog, datadog/otlp]");
    let server = Server::start(setup).await;
    visits(&server, 0).await;

    let wanted = BTreeSet::from(["pipeline:api_budget", "pipeline:slow_statement"]);
    let told = until("an event of each finding", WITHIN, || async {
        let events = events(&kept);
        let found = |wanted: &&&str| events.iter().any(|event| has(&event.tags, &[wanted]));
        if wanted.iter().filter(found).count() == wanted.len() { Ok(events) } else { Err(format!("{events:#?}")) }
    })
    .await;
    let statement = told.iter().find(|event| has(&event.tags, &["pipeline:slow_statement"])).unwrap();
    let of_statement = ["service:shop", "state:firing", "severity:warning", "unit:ms", "db_system_name:postgresql"];
    assert!(has(&statement.tags, &of_statement), "{statement:#?}");
    let tag = statement.tags.iter().find(|tag| tag.starts_with("db_fingerprint:")).expect("the statement");
    assert!(tag.contains("FROM products") && !tag.contains("= 1"), "the statement without its literals: {tag}");
    assert!(statement.title.contains("200 ms") && statement.title.contains("shop"), "{statement:#?}");
    assert!(statement.text.contains("the limit of 100 ms"), "{statement:#?}");
    assert_eq!((statement.alert_type.as_str(), statement.priority.as_str()), ("warning", "normal"));
    assert_eq!((statement.host.as_str(), statement.source_type_name.as_str()), ("web-1", "spanwise"));
    assert!(statement.date_happened > 1_700_000_000 && !statement.aggregation_key.is_empty());
    let budget = told.iter().find(|event| has(&event.tags, &["pipeline:api_budget"])).unwrap();
    assert!(has(&budget.tags, &["service:shop", "operation:GET /products/{id}"]), "{budget:#?}");

    // Each finding is sent once as an event, including retried ones, and once as a log.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let told = events(&kept);
    assert_eq!(keys(&told).len(), told.len(), "an event a change: {told:#?}");
    until("the same beside OTLP", WITHIN, || async {
        let beside = events(&beside_otlp);
        if keys(&beside) == keys(&events(&kept)) { Ok(()) } else { Err(format!("{beside:#?}")) }
    })
    .await;
    assert_eq!(kept.lock().unwrap().put_off, 2, "some were put off");
    assert_eq!(logs(&kept).len(), told.len(), "a log beside each");

    let gauges = [
        ("spanwise.budget.limit", vec!["kind:api", "name:detail", "unit:ms"], 100.0),
        ("spanwise.finding.value", vec!["pipeline:slow_statement", "unit:ms", "service:shop", tag.as_str()], 200.0),
        ("spanwise.finding.limit", vec!["pipeline:slow_statement", "unit:ms", "service:shop", tag.as_str()], 100.0),
        ("spanwise.finding.value", vec!["pipeline:api_budget", "operation:GET /products/{id}", "unit:ms"], 250.0),
        ("spanwise.findings", vec!["pipeline:slow_statement", "state:firing", "severity:warning"], 1.0),
    ];
    let found = until("derived metrics", WITHIN, || async {
        let metrics = metrics(&kept);
        let series: Vec<Series> = metrics.into_iter().flat_map(|answer| answer.series.unwrap_or_default()).collect();
        for (name, tags, value) in &gauges {
            let mut of = series.iter().filter(|series| series.name == *name && has(&series.tags, tags));
            // A sketch is accurate to 1%.
            if !of.any(|series| (double(&series.value) - value).abs() <= value * 0.01) {
                return Err(format!("no {name} of {value} with {tags:?}: {series:#?}"));
            }
        }
        Ok(series.len())
    })
    .await;
    // As always in Datadog's mapping, the first point of a histogram is a baseline and not counted.
    visits(&server, 100).await;
    let of = ["service:shop", "span.name:SELECT shop", "span.kind:SPAN_KIND_CLIENT"];
    let durations = until("calls and durations of spans", WITHIN, || async {
        let metrics = metrics(&kept);
        let sketches = metrics.iter().flat_map(|answer| answer.sketches.iter().flatten());
        let distribution =
            sketches.filter(|sketch| sketch.name == "traces.span.metrics.duration" && has(&sketch.tags, &of));
        let series = metrics.iter().flat_map(|answer| answer.series.iter().flatten());
        let counter = series.filter(|series| series.name == "traces.span.metrics.calls" && has(&series.tags, &of));
        let counted: i64 = distribution.map(|sketch| sketch.count).sum();
        let calls: f64 = counter.map(|series| double(&series.value)).sum();
        if counted == 30 && calls.to_string() == "60" { Ok(counted) } else { Err(format!("{counted}, {calls}")) }
    })
    .await;
    // The budget stays with a higher limit, and its event resolves under the same key.
    let config = std::fs::read_to_string(server.config()).expect("the configuration");
    std::fs::write(server.config(), config.replace("limit: 100ms", "limit: 900ms")).expect("written");
    server.signal("HUP");
    for way in [&kept, &beside_otlp] {
        let over = until("the end of a finding", WITHIN, || async {
            let events = events(way);
            let over = events.iter().find(|event| has(&event.tags, &["pipeline:api_budget", "state:resolved"]));
            over.cloned().ok_or(format!("{events:#?}"))
        })
        .await;
        assert_eq!(over.aggregation_key, budget.aggregation_key);
        assert_eq!((over.alert_type.as_str(), over.priority.as_str()), ("success", "low"));
        assert!(over.title.starts_with("Resolved: "), "{over:#?}");
    }
    println!(
        "Datadog: {} events and as many logs of findings, {found} values of derived series, {durations} calls in a distribution",
        told.len()
    );
    for Event { title, alert_type, tags, .. } in &told {
        println!("event ({alert_type}): {title}: {}", tags.join(", "));
    }
}
