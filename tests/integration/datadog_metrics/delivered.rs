//! The complete program with Datadog's intakes simulated on loopback: cumulative values are sent as deltas, even across a kill.

use super::oracle::{ask, put_frame};
use super::rows::Answer;
use crate::support::config::Setup;
use crate::support::otlp::post;
use crate::support::server::Server;
use crate::support::{heavy, now_unix_nano, serve, until};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::Message as _;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const SECOND: u64 = 1_000_000_000;

/// Paths and bodies of the requests with the right key.
type Kept = Arc<Mutex<Vec<(String, Bytes)>>>;

async fn keep(State(kept): State<Kept>, uri: Uri, headers: HeaderMap, body: Bytes) -> StatusCode {
    if headers.get("dd-api-key").is_none_or(|key| key != KEY) {
        return StatusCode::FORBIDDEN;
    }
    kept.lock().unwrap().push((uri.path().to_owned(), body));
    StatusCode::ACCEPTED
}

async fn intake() -> (Kept, String) {
    let kept = Kept::default();
    let address = serve(Router::new().fallback(keep).with_state(kept.clone())).await;
    (kept, address)
}

/// Starts an intake that rejects everything while the flag is set.
async fn intake_that_is_down(down: Arc<AtomicBool>) -> (Kept, String) {
    let kept = Kept::default();
    let state = State(kept.clone());
    let answer = move |uri: Uri, headers: HeaderMap, body: Bytes| {
        let (state, is_down) = (state.clone(), down.load(Ordering::Relaxed));
        async move { if is_down { StatusCode::SERVICE_UNAVAILABLE } else { keep(state, uri, headers, body).await } }
    };
    (kept, serve(Router::new().fallback(answer)).await)
}

fn setup(address: &str, send_to: &str) -> Setup {
    let settings = format!(
        "api: {{key: {KEY}}}, hostname: web-1, compression: none, send_to: {send_to}, metrics: {{endpoint: \"{address}\"}}, logs: \
         {{endpoint: \"{address}\"}}, traces: {{endpoint: \"{address}\"}}, sending_queue: {{batch: {{flush_timeout: 20ms}}}}, \
         retry_on_failure: {{initial_interval: 50ms, max_interval: 100ms}}"
    );
    let setup = Setup::default().exporter_aside("datadog", &settings);
    let setup = setup.pipeline("metrics/datadog", "receivers: [otlp], exporters: [datadog]");
    setup.pipeline("logs/datadog", "receivers: [otlp], exporters: [datadog]")
}

/// Returns what was received as Datadog's own types decode it.
fn read(kept: &Kept) -> Vec<Answer> {
    let mut input = Vec::new();
    let intakes = ["/api/v2/series", "/api/beta/sketches"];
    for (path, body) in kept.lock().unwrap().iter().filter(|(path, _)| intakes.contains(&path.as_str())) {
        put_frame(&mut input, path.as_bytes());
        put_frame(&mut input, body);
    }
    ask("payloads", input)
}

fn double(bits: &str) -> f64 {
    f64::from_bits(u64::from_str_radix(bits, 16).unwrap())
}

/// Returns the received values of a counter, in order.
fn added(kept: &Kept) -> Vec<f64> {
    let series = read(kept).into_iter().flat_map(|answer| answer.series.unwrap_or_default());
    series.filter(|row| row.name == "orders" && row.kind == 1).map(|row| double(&row.value)).collect()
}

/// Returns the received counts of a distribution, in order.
fn counted(kept: &Kept) -> Vec<i64> {
    let sketches = read(kept).into_iter().flat_map(|answer| answer.sketches.unwrap_or_default());
    sketches.filter(|row| row.name == "duration").map(|row| row.count).collect()
}

async fn post_metrics(server: &Server, metrics: Value) {
    let resource = json!({"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]});
    let body = json!({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": metrics}]}]});
    let headers = [("content-type", "application/json")];
    let answer = post(&server.http_url("/v1/metrics"), &headers, body.to_string()).await.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Sends one point for each of several series of a counter.
async fn send_series(server: &Server, start: u64, number: u64, totals: &[u64]) {
    let point = |(series, total): (usize, &u64)| {
        json!({
            "startTimeUnixNano": start.to_string(), "timeUnixNano": (start + number * SECOND).to_string(),
            "asInt": total.to_string(), "attributes": [{"key": "route", "value": {"stringValue": format!("/{series}")}}],
        })
    };
    let points: Vec<Value> = totals.iter().enumerate().map(point).collect();
    let sum = json!({"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": points});
    post_metrics(server, json!([{"name": "orders", "sum": sum}])).await;
}

async fn send(server: &Server, start: u64, number: u64, total: u64) {
    let times = json!({"startTimeUnixNano": start.to_string(), "timeUnixNano": (start + number * SECOND).to_string()});
    let with = |more: Value| {
        let mut point = times.clone();
        point.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        point
    };
    let counter = with(json!({"asInt": total.to_string()}));
    let histogram = with(json!({
        "count": total.to_string(), "sum": total, "bucketCounts": ["0", total.to_string()], "explicitBounds": [0.5],
    }));
    let metrics = json!([
        {"name": "orders", "sum": {"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [counter]}},
        {"name": "duration", "histogram": {"aggregationTemporality": 2, "dataPoints": [histogram]}},
    ]);
    post_metrics(server, metrics).await;
}

async fn until_added(kept: &Kept, expected: &[f64]) {
    until("what was added to arrive", Duration::from_secs(30), || async {
        let found = added(kept);
        if found == expected { Ok(()) } else { Err(format!("{found:?} of {expected:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn running_totals_go_out_as_what_was_added_also_over_a_kill() {
    let _turn = heavy().await;
    let (kept, address) = intake().await;
    let mut server = Server::start(setup(&address, "intake")).await;
    // The counter started after the program, so its first value counts; the histogram's first point is a baseline.
    let start = now_unix_nano();
    for (number, total) in [(1, 10), (2, 25), (3, 25)] {
        send(&server, start, number, total).await;
    }
    until_added(&kept, &[10.0, 15.0, 0.0]).await;
    // The cursor is saved once a second; what lies before it is not resent.
    tokio::time::sleep(Duration::from_secs(2)).await;
    server.kill9();
    server.start_again().await;
    send(&server, start, 4, 70).await;
    until_added(&kept, &[10.0, 15.0, 0.0, 45.0]).await;
    assert_eq!(counted(&kept), [15, 45]);
    let record =
        json!({"timeUnixNano": start.to_string(), "severityNumber": 17, "body": {"stringValue": "out of stock"}});
    let body = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}).to_string();
    let headers = [("content-type", "application/json")];
    post(&server.http_url("/v1/logs"), &headers, body).await.expect("an answer");
    let told = until("the record to arrive", Duration::from_secs(30), || async {
        let kept = kept.lock().unwrap();
        kept.iter().find(|(path, _)| path == "/api/v2/logs").map(|(_, body)| body.clone()).ok_or("none".to_owned())
    })
    .await;
    let items: Vec<Value> = serde_json::from_slice(&told).unwrap();
    assert_eq!((&items[0]["message"], &items[0]["hostname"]), (&json!("out of stock"), &json!("web-1")));
    println!("over a kill: {:?} added to a counter, {:?} values of a distribution", added(&kept), counted(&kept));
}

async fn dead_letters(server: &Server) -> Vec<Value> {
    until("a dead letter", Duration::from_secs(30), || async {
        let letters = server.sql("SELECT items, reason FROM dead_letters WHERE exporter = 'datadog'").await;
        if letters.is_empty() { Err("none".to_owned()) } else { Ok(letters) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn first_values_that_wait_over_a_kill_are_counted_for_every_series_and_once() {
    let _turn = heavy().await;
    let down = Arc::new(AtomicBool::new(true));
    let (kept, address) = intake_that_is_down(down.clone()).await;
    let mut server = Server::start(setup(&address, "intake")).await;
    let start = now_unix_nano();
    send_series(&server, start, 1, &[10, 20, 30]).await;
    server.kill9();
    server.start_again().await;
    down.store(false, Ordering::Relaxed);
    until_added(&kept, &[10.0, 20.0, 30.0]).await;
    // The cursor is saved once a second.
    tokio::time::sleep(Duration::from_secs(2)).await;
    server.kill9();
    server.start_again().await;
    send_series(&server, start, 2, &[11, 22, 33]).await;
    until_added(&kept, &[10.0, 20.0, 30.0, 1.0, 2.0, 3.0]).await;
    // Dropping a point that is older than a later one leaves a dead letter.
    send_series(&server, start, 1, &[10]).await;
    let told = dead_letters(&server).await;
    let reason = told[0]["reason"].as_str().expect("a reason");
    assert!(
        told.len() == 1 && reason.starts_with("metric \"orders\": it is not newer than the last point"),
        "{told:?}"
    );
    server.until_number("SELECT sum(refused_items) FROM exporters WHERE exporter = 'datadog'", 1.0).await;
    assert_eq!(added(&kept).len(), 6, "{:?}", added(&kept));
    println!("over two kills: {:?} added to three series", added(&kept));
}

/// Datadog's OTLP intake accepts only deltas and no events; events go to the API instead.
#[tokio::test(flavor = "multi_thread")]
async fn the_intake_of_otlp_gets_no_running_totals_of_exponential_histograms_and_each_is_told() {
    let _turn = heavy().await;
    let (kept, address) = intake().await;
    let server = Server::start(setup(&address, "otlp")).await;
    let point = |time: u64| {
        json!({"startTimeUnixNano": "1", "timeUnixNano": time.to_string(), "count": "1", "sum": 1.0, "scale": 0,
            "zeroCount": "0", "positive": {"offset": 0, "bucketCounts": ["1"]}})
    };
    let now = now_unix_nano();
    let of = |name: &str, temporality: i32| {
        let points = json!({"aggregationTemporality": temporality, "dataPoints": [point(now)]});
        json!({"name": name, "exponentialHistogram": points})
    };
    post_metrics(&server, json!([of("total", 2), of("delta", 1)])).await;
    server.until_number("SELECT sum(sent_items) FROM exporters WHERE exporter = 'datadog'", 1.0).await;
    server.until_number("SELECT sum(refused_items) FROM exporters WHERE exporter = 'datadog'", 1.0).await;
    let told = dead_letters(&server).await;
    let reason = told[0]["reason"].as_str().expect("a reason");
    assert!(reason.contains("\"total\"") && reason.contains("temporality preference to delta"), "{told:?}");
    let bodies = kept.lock().unwrap().clone();
    let bodies = bodies.iter().filter(|(path, _)| path == "/v1/metrics").map(|(_, body)| body.clone());
    let request = ExportMetricsServiceRequest::decode(bodies.into_iter().next().expect("metrics")).expect("OTLP");
    let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
    let points = metrics.iter().map(|metric| match &metric.data {
        Some(Data::ExponentialHistogram(histogram)) => (metric.name.as_str(), histogram.data_points.len()),
        other => panic!("not exponential: {other:?}"),
    });
    assert_eq!(points.collect::<Vec<_>>(), [("total", 0), ("delta", 1)]);
}
