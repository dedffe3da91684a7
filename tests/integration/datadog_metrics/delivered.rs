//! The program as it is, with Datadog's intakes played on loopback: running totals go out as what was added, also where the
//! program is killed between.

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
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const SECOND: u64 = 1_000_000_000;

/// Paths and bodies that came with the key.
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

/// What Datadog's own types read in what came.
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

/// Values of a counter that came, in order.
fn added(kept: &Kept) -> Vec<f64> {
    let series = read(kept).into_iter().flat_map(|answer| answer.series.unwrap_or_default());
    series.filter(|row| row.name == "orders" && row.kind == 1).map(|row| double(&row.value)).collect()
}

/// Counts of a distribution that came, in order.
fn counted(kept: &Kept) -> Vec<i64> {
    let sketches = read(kept).into_iter().flat_map(|answer| answer.sketches.unwrap_or_default());
    sketches.filter(|row| row.name == "duration").map(|row| row.count).collect()
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
    let resource = json!({"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]});
    let body = json!({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": metrics}]}]});
    let headers = [("content-type", "application/json")];
    let answer = post(&server.http_url("/v1/metrics"), &headers, body.to_string()).await.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
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
    let settings = format!(
        "api: {{key: {KEY}}}, hostname: web-1, compression: none, metrics: {{endpoint: \"{address}\"}}, logs: {{endpoint: \
         \"{address}\"}}, sending_queue: {{batch: {{flush_timeout: 20ms}}}}"
    );
    let setup = Setup::default().exporter_aside("datadog", &settings);
    let setup = setup.pipeline("metrics/datadog", "receivers: [otlp], exporters: [datadog]");
    let setup = setup.pipeline("logs/datadog", "receivers: [otlp], exporters: [datadog]");
    let mut server = Server::start(setup).await;
    // The counter began after the program did, so its first value counts; of the histogram, what is added from then on.
    let start = now_unix_nano();
    for (number, total) in [(1, 10), (2, 25), (3, 25)] {
        send(&server, start, number, total).await;
    }
    until_added(&kept, &[10.0, 15.0, 0.0]).await;
    // The cursor is kept once a second, and what it has passed is not sent again.
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
