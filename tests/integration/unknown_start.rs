//! Cumulative series with an unknown start: a point whose start time equals its own time is a baseline, for every cumulative
//! kind and across restarts.

use crate::support::config::Setup;
use crate::support::now_unix_nano;
use crate::support::otlp::post;
use crate::support::server::Server;
use serde_json::{Value, json};

const SECOND: u64 = 1_000_000_000;
const MILLION: u64 = 1_000_000;

fn attribute(name: &str, value: &str) -> Value {
    json!({"key": name, "value": {"stringValue": value}})
}

/// Returns one metric of each kind with a point each, all with the same count.
fn metrics(start: u64, time: u64, counted: u64) -> Value {
    let point = |more: Value| {
        let mut point = json!({"startTimeUnixNano": start.to_string(), "timeUnixNano": time.to_string()});
        point.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        json!([point])
    };
    let number =
        |value: u64, attributes: &[Value]| point(json!({"asInt": value.to_string(), "attributes": attributes}));
    let waits = |pool: &str, more: Value| {
        let mut of =
            json!({"count": counted.to_string(), "sum": 2 * counted, "attributes": [attribute("pool.name", pool)]});
        of.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        point(of)
    };
    let sum = |points: Value| json!({"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": points});
    let lookups = |result: &str| [attribute("cache", "products"), attribute("result", result)];
    let (name, buckets) =
        ("db.client.connections.wait_time", json!({"explicitBounds": [1], "bucketCounts": [counted.to_string(), "0"]}));
    json!([
        {"name": "cache.gets", "sum": sum(number(counted, &lookups("hit")))},
        {"name": "cache.gets", "sum": sum(number(7 * counted, &lookups("miss")))},
        // A gauge that is cumulative, although its sender does not declare it.
        {"name": "django_cache_hits", "gauge": {"dataPoints": number(counted, &[attribute("cache", "sessions")])}},
        {"name": "process.network.io", "unit": "By", "sum": sum(number(counted, &[]))},
        {"name": name, "unit": "ms", "histogram": {"aggregationTemporality": 2, "dataPoints": waits("classic", buckets)}},
        {"name": name, "unit": "ms", "exponentialHistogram": {"aggregationTemporality": 2,
            "dataPoints": waits("exponential", json!({"scale": 0, "zeroCount": counted.to_string()}))}},
        {"name": name, "unit": "ms", "summary": {"dataPoints": waits("summary", json!({}))}},
    ])
}

async fn send(server: &Server, start: u64, time: u64, counted: u64) {
    let metrics = metrics(start, time, counted);
    let resource = json!({"attributes": [attribute("service.name", "shop")]});
    let body = json!({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": metrics}]}]});
    let url = server.http_url("/v1/metrics");
    let answer = post(&url, &[("content-type", "application/json")], body.to_string()).await.expect("an answer");
    assert_eq!((answer.status, answer.text().as_str()), (200, "{}"));
    // Waits until it is stored, before the next point or a kill.
    let seen = format!("SELECT count(*) FROM metrics WHERE name = 'cache.gets' AND time_unix_nano = {time}");
    server.until_number(&seen, 2.0).await;
}

/// Asserts how much was counted after the baseline.
async fn counts(server: &Server, added: f64) {
    for (sql, times) in [
        ("SELECT sum(hits) FROM caches WHERE cache = 'products'", 1.0),
        ("SELECT sum(misses) FROM caches WHERE cache = 'products'", 7.0),
        ("SELECT sum(hits) FROM caches WHERE cache = 'sessions'", 1.0),
        ("SELECT sum(value_sum) FROM resources WHERE resource = 'process_network_io'", 1.0),
        ("SELECT sum(wait_count) FROM pools WHERE pool = 'classic'", 1.0),
        ("SELECT sum(wait_sum_ms) FROM pools WHERE pool = 'classic'", 2.0),
        ("SELECT sum(wait_count) FROM pools WHERE pool = 'exponential'", 1.0),
        ("SELECT sum(wait_sum_ms) FROM pools WHERE pool = 'exponential'", 2.0),
        ("SELECT sum(wait_count) FROM pools WHERE pool = 'summary'", 1.0),
        ("SELECT sum(wait_sum_ms) FROM pools WHERE pool = 'summary'", 2.0),
    ] {
        server.until_number(sql, times * added).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_counted_before_a_known_start_is_not_new() {
    let mut server = Server::start(Setup::default()).await;
    // Newer than the server, which would otherwise assume that earlier values were already counted elsewhere.
    let begin = now_unix_nano();
    send(&server, begin, begin, MILLION).await;
    send(&server, begin, begin + SECOND, MILLION + 10).await;
    counts(&server, 10.0).await;
    server.kill9();
    server.start_again().await;
    send(&server, begin, begin + 2 * SECOND, MILLION + 15).await;
    counts(&server, 15.0).await;
    println!("unknown start: {MILLION}, then 15 more over a restart: 15 lookups, waits and bytes of each kind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_moves_with_each_point_counts_by_the_difference() {
    let mut server = Server::start(Setup::default()).await;
    let begin = now_unix_nano();
    let at = |seconds: u64| (begin + seconds * SECOND, begin + seconds * SECOND);
    for (seconds, counted) in [(0, MILLION), (1, MILLION + 10), (2, MILLION + 12)] {
        let (start, time) = at(seconds);
        send(&server, start, time, counted).await;
    }
    counts(&server, 12.0).await;
    assert_eq!(server.terminate().await.code(), Some(0), "{}", server.log());
    server.start_again().await;
    let (start, time) = at(3);
    send(&server, start, time, MILLION + 20).await;
    counts(&server, 20.0).await;
}
