//! The scrape in each of its formats, checked by independent readers: `otlptranslator` for names, Python's parser for
//! `OpenMetrics`, a real Prometheus for native histograms.

use crate::support::client::client;
use crate::support::config::Setup;
use crate::support::free_port;
use crate::support::otlp::post;
use crate::support::peers::Prometheus;
use crate::support::server::Server;
use crate::support::{metrics, now_unix_nano, peer, until};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

mod names;
mod newest;

const OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8";
const WITHIN: Duration = Duration::from_secs(20);

/// Starts a server with an additional scrape endpoint; returns its address, too.
async fn scraped(keys: &str) -> (Server, String) {
    let port = free_port();
    let setup = Setup::default()
        .exporter_aside("prometheus/more", &format!("endpoint: '127.0.0.1:{port}', {keys}"))
        .pipeline("metrics/more", "receivers: [otlp], exporters: [prometheus/more]");
    (Server::start(setup).await, format!("http://127.0.0.1:{port}/metrics"))
}

async fn send(server: &Server, resource: &[(&str, &str)], metrics: Value) {
    let attributes: Vec<Value> = resource.iter().map(|(name, value)| attribute(name, value)).collect();
    let scope = json!({"name": "lib", "version": "1", "attributes": [attribute("kind", "test")]});
    let body = json!({"resourceMetrics": [{"resource": {"attributes": attributes},
        "scopeMetrics": [{"scope": scope, "metrics": metrics}]}]});
    let url = server.http_url("/v1/metrics");
    let answer = post(&url, &[("content-type", "application/json")], body.to_string()).await.expect("an answer");
    assert_eq!((answer.status, answer.text().as_str()), (200, "{}"));
}

fn attribute(name: &str, value: &str) -> Value {
    json!({"key": name, "value": {"stringValue": value}})
}

async fn get(url: &str, accept: &str) -> Result<(String, String), String> {
    let answer = client().get(url).header("accept", accept).send().await.map_err(|error| error.to_string())?;
    let content_type = answer.headers()["content-type"].to_str().unwrap_or_default().to_owned();
    Ok((content_type, answer.text().await.map_err(|error| error.to_string())?))
}

/// Returns the text of a scrape once it contains `what`.
async fn shows(url: &str, accept: &str, what: &str) -> String {
    until(what, WITHIN, || async {
        let (_, text) = get(url, accept).await?;
        if text.contains(what) { Ok(text) } else { Err(text) }
    })
    .await
}

/// Runs a program with the text as its stdin.
fn piped(command: &mut Command, input: String) -> String {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("no panic").expect("written");
    assert!(output.status.success(), "{command:?}: {}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

// === OpenMetrics ===

/// Returns all kinds of metrics, with exemplars, start times, and infinite and NaN values.
fn of_all_kinds() -> Value {
    let now = now_unix_nano();
    let (start, now) = ((now - 60_000_000_000).to_string(), now.to_string());
    let exemplar = |value: f64| {
        json!({"timeUnixNano": now, "asDouble": value, "traceId": "0102030405060708090a0b0c0d0e0f10",
            "spanId": "0102030405060708"})
    };
    json!([
        {"name": "queue.length", "description": "Messages \"that\" wait\\", "gauge": {"dataPoints": [
            {"timeUnixNano": now, "asDouble": "NaN", "attributes": [attribute("a", "nan")]},
            {"timeUnixNano": now, "asDouble": "-Infinity", "attributes": [attribute("a", "inf")]},
            {"timeUnixNano": now, "asInt": "7", "attributes": [attribute("a", "x\"\n\\")]}]}},
        {"name": "orders.placed", "unit": "1", "sum": {"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [
            {"startTimeUnixNano": start, "timeUnixNano": now, "asInt": "41", "exemplars": [exemplar(1.0)]}]}},
        {"name": "request.duration", "unit": "s", "histogram": {"aggregationTemporality": 2, "dataPoints": [
            {"startTimeUnixNano": start, "timeUnixNano": now, "count": "6", "sum": 1.5, "explicitBounds": [0.1, 0.5],
             "bucketCounts": ["3", "2", "1"], "exemplars": [exemplar(0.3), exemplar(9.0)]}]}},
        {"name": "body.size", "unit": "By", "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": [
            {"startTimeUnixNano": start, "timeUnixNano": now, "count": "7", "sum": 20.0, "scale": 10, "zeroCount": "1",
             "positive": {"offset": 1024, "bucketCounts": ["1", "2", "3"]}}]}},
        {"name": "gc.pause", "unit": "ms", "summary": {"dataPoints": [
            {"startTimeUnixNano": start, "timeUnixNano": now, "count": "2", "sum": 3.0,
             "quantileValues": [{"quantile": 0.5, "value": 1.0}]}]}},
    ])
}

const SHOP: [(&str, &str); 3] = [("service.name", "shop"), ("service.instance.id", "shop-1"), ("host.name", "here")];

#[tokio::test(flavor = "multi_thread")]
async fn pythons_parser_reads_open_metrics() {
    let keys = "enable_open_metrics: true, translation_strategy: NoUTF8EscapingWithSuffixes, send_timestamps: true";
    let (server, url) = scraped(keys).await;
    send(&server, &SHOP, of_all_kinds()).await;
    for (accept, duration) in
        [(OPEN_METRICS, "request.duration_seconds"), ("application/openmetrics-text", "request_duration_seconds")]
    {
        let text = shows(&url, accept, duration).await;
        assert!(
            get(&url, accept).await.expect("an answer").0.starts_with("application/openmetrics-text; version=1.0.0")
        );
        let script = "import json, sys\n\
            from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse\n\
            for family in parse(sys.stdin.read()):\n\
            \tfor s in family.samples:\n\
            \t\te = s.exemplar\n\
            \t\tprint(json.dumps([family.name, family.type, family.unit, s.name, s.labels, str(float(s.value)), e and [e.labels, e.value]]))\n";
        let read = piped(Command::new(peer("SPANWISE_PROMETHEUS_CLIENT")).args(["-c", script]), text);
        let samples: Vec<Value> = read.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let of = |name: &str, value: &str| {
            let mut found = samples.iter().filter(|sample| sample[3] == name && sample[5] == value);
            found.next().unwrap_or_else(|| panic!("{name} {value}: {samples:#?}"))
        };
        let trace = json!({"trace_id": "0102030405060708090a0b0c0d0e0f10", "span_id": "0102030405060708"});
        let total = if accept == OPEN_METRICS { "orders.placed" } else { "orders_placed" };
        let counter = of(&format!("{total}_total"), "41.0");
        assert_eq!((&counter[1], &counter[6]), (&json!("counter"), &json!([trace, 1.0])));
        assert!(samples.iter().any(|sample| sample[3] == format!("{total}_created")));
        let bucket = of(&format!("{duration}_bucket"), "5.0");
        assert_eq!(
            (&bucket[2], &bucket[4]["le"], &bucket[6]),
            (&json!("seconds"), &json!("0.5"), &json!([trace, 0.3]))
        );
        assert_eq!(of(&format!("{duration}_bucket"), "6.0")[6], json!([trace, 9.0]));
        for label in ["otel_scope_name", "otel_scope_version", "otel_scope_kind"] {
            assert!(bucket[4].get(label).is_some(), "{bucket}");
        }
        let target = of("target_info", "1.0");
        assert_eq!((&target[1], &target[4]["instance"]), (&json!("info"), &json!("shop-1")));
        println!("prometheus-client: {} samples of {accept}", samples.len());
    }
}

// === deltas and expiry ===

#[tokio::test(flavor = "multi_thread")]
async fn deltas_of_many_senders_add_up_and_series_end_as_they_should() {
    let (server, url) = scraped("metric_expiration: 3s, resource_to_telemetry_conversion: {enabled: true}").await;
    let delta = |value: u64| {
        let point =
            json!({"timeUnixNano": now_unix_nano().to_string(), "startTimeUnixNano": "5", "asInt": value.to_string()});
        json!([{"name": "jobs", "sum": {"aggregationTemporality": 1, "isMonotonic": true, "dataPoints": [point]}}])
    };
    let gauge = |flags: u32| {
        let point = json!({"timeUnixNano": now_unix_nano().to_string(), "flags": flags, "asInt": "7"});
        json!([{"name": "g", "gauge": {"dataPoints": [point]}}])
    };
    for value in [1, 2, 40] {
        send(&server, &SHOP, delta(value)).await;
        send(&server, &[("service.name", "cart")], delta(value)).await;
    }
    send(&server, &SHOP, gauge(0)).await;
    let reaches = |what: &'static str, fits: fn(&[metrics::Line]) -> bool| {
        let url = url.clone();
        until(what, WITHIN, move || {
            let url = url.clone();
            async move {
                let (_, text) = get(&url, "text/plain").await?;
                if fits(&metrics::lines(&text)) { Ok(()) } else { Err(text) }
            }
        })
    };
    reaches("both sums", |lines| {
        let of = |job: &str| {
            lines.iter().find(|line| line.name == "jobs_total" && line.label("job") == job).map(|l| l.value)
        };
        of("shop") == Some(43.0) && of("cart") == Some(43.0)
    })
    .await;
    reaches("the gauge, with its resource", |lines| {
        lines.iter().any(|line| line.name == "g" && line.label("host_name") == "here")
    })
    .await;
    // The sender reports that the series has ended.
    send(&server, &SHOP, gauge(1)).await;
    reaches("no gauge", |lines| lines.iter().all(|line| line.name != "g")).await;
    // Series without new points expire, along with their resource.
    reaches("no sums", |lines| lines.iter().all(|line| line.name != "jobs_total" && line.name != "target_info")).await;
}

// === native histograms ===

/// Debian's Prometheus requests the protobuf format if native histograms are enabled.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_scrapes_native_histograms() {
    let server = Server::start(Setup::default()).await;
    send(&server, &SHOP, of_all_kinds()).await;
    let prometheus = Prometheus::scraping_native(server.ports.scrape).await;
    // Scale 10 from index 1024 on: above 2, all in the first bucket of scale 8, (2, 2.0054].
    for (query, expected) in [
        ("histogram_count(body_size_bytes{job=\"shop\"})", 7.0),
        ("histogram_sum(body_size_bytes)", 20.0),
        ("histogram_fraction(2, 2.006, body_size_bytes)", 6.0 / 7.0),
        ("request_duration_seconds_bucket{le=\"0.5\"}", 5.0),
        ("orders_placed_total", 41.0),
        ("gc_pause_milliseconds{quantile=\"0.5\"}", 1.0),
        ("count(target_info{host_name=\"here\"})", 1.0),
        ("up{job=\"spanwise\"}", 1.0),
    ] {
        let prometheus = &prometheus;
        until(query, WITHIN, move || async move {
            let found = prometheus.value(query).await?;
            if (found - expected).abs() < 1e-9 { Ok(()) } else { Err(format!("{found}, expected {expected}")) }
        })
        .await;
    }
    println!("prometheus: native histograms by the protobuf format");
}
