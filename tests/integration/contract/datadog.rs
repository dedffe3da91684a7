//! Datadog's native intake in the contract tests. No crate provides its messages, so those not in `src/` are written by hand
//! from
//! <https://github.com/DataDog/datadog-agent/tree/main/pkg/proto/datadog/trace> and
//! <https://github.com/DataDog/agent-payload/blob/master/proto/metrics/agent_payload.proto>.
//! In `datadog_metrics` and `datadog_traces`, Datadog's own types decode the payloads.

use super::cases::Case;
use super::exporters::{Exporter, Item, Signal, Verdict, number};
use axum::body::Body;
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use prost::Message;
use serde_json::{Value, json};
use std::collections::HashMap;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AgentPayload {
    #[prost(message, repeated, tag = "5")]
    pub(crate) tracer_payloads: Vec<TracerPayload>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TracerPayload {
    #[prost(message, repeated, tag = "6")]
    pub(crate) chunks: Vec<TraceChunk>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TraceChunk {
    #[prost(message, repeated, tag = "3")]
    pub(crate) spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Span {
    #[prost(string, tag = "3")]
    resource: String,
    #[prost(map = "string, string", tag = "10")]
    pub(crate) meta: HashMap<String, String>,
    #[prost(map = "string, double", tag = "11")]
    pub(crate) metrics: HashMap<String, f64>,
}

#[derive(Clone, PartialEq, Message)]
struct MetricPayload {
    #[prost(message, repeated, tag = "1")]
    series: Vec<MetricSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct MetricSeries {
    #[prost(string, tag = "2")]
    metric: String,
    #[prost(string, repeated, tag = "3")]
    tags: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    points: Vec<MetricPoint>,
}

#[derive(Clone, PartialEq, Message)]
struct MetricPoint {
    #[prost(double, tag = "1")]
    value: f64,
}

/// These intakes accept or reject a request as a whole.
const LACKS: [(Case, &str); 1] = [(Case::Partial, "the intakes take a request as a whole, or refuse it as a whole")];

pub(super) const fn datadog(signal: Signal) -> Exporter {
    Exporter { kind: "datadog", signal, lacks: &LACKS, settings, handshake, items, answer }
}

fn settings(port: u16) -> String {
    let endpoint = format!("{{endpoint: \"http://127.0.0.1:{port}\"}}");
    format!(
        "api: {{key: 0123456789abcdef0123456789abcdef}}, hostname: web-1, compression: none, traces: {endpoint}, metrics: \
         {endpoint}, logs: {endpoint}"
    )
}

/// Accepts every API key and host metadata, which contains no items.
fn handshake(path: &str) -> Option<Response<Body>> {
    let answer = Response::builder().header("content-type", "application/json");
    match path {
        "/api/v1/validate" => Some(answer.body(Body::from("{\"valid\":true}")).expect("a response")),
        "/intake" => Some(answer.status(StatusCode::ACCEPTED).body(Body::empty()).expect("a response")),
        _ => None,
    }
}

fn items(path: &str, body: &Bytes) -> Vec<Item> {
    let of_name = |name: &str| Item { number: number(name), series: String::new() };
    match path {
        "/api/v0.2/traces" => {
            let payloads = AgentPayload::decode(body.clone()).expect("a payload of traces").tracer_payloads;
            let chunks = payloads.iter().flat_map(|payload| &payload.chunks);
            chunks.flat_map(|chunk| &chunk.spans).map(|span| of_name(&span.resource)).collect()
        }
        // Trace statistics contain no items.
        "/api/v0.2/stats" => Vec::new(),
        "/api/v2/logs" => {
            let records: Vec<Value> = serde_json::from_slice(body).expect("a list of records");
            records.iter().map(|record| of_name(record["number"].as_str().expect("its number"))).collect()
        }
        "/api/v2/series" => {
            let series = MetricPayload::decode(body.clone()).expect("a payload of series").series;
            series.iter().flat_map(points).collect()
        }
        other => panic!("no intake is called {other}"),
    }
}

fn points(series: &MetricSeries) -> Vec<Item> {
    assert_eq!(series.metric, "contract");
    let tag = series.tags.iter().find_map(|tag| tag.strip_prefix("series:")).expect("the tag of the series");
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "numbers of the test")]
    series.points.iter().map(|point| Item { number: point.value as u64, series: tag.to_owned() }).collect()
}

fn answer(_path: &str, _items: &[Item], verdict: &Verdict) -> Response<Body> {
    let answer = Response::builder().header("content-type", "application/json");
    let error = |words: &str| json!({"errors": [words]}).to_string();
    let (status, body, answer) = match verdict {
        Verdict::Taken | Verdict::But(_) => (StatusCode::ACCEPTED, json!({"errors": []}).to_string(), answer),
        Verdict::Refused => (StatusCode::BAD_REQUEST, error("that item is nothing that is taken"), answer),
        // The header that Datadog documents for its API.
        Verdict::Busy(after) => {
            (StatusCode::TOO_MANY_REQUESTS, error("too many"), answer.header("x-ratelimit-reset", after.as_secs()))
        }
        Verdict::Denied => (StatusCode::FORBIDDEN, error("Forbidden"), answer),
        Verdict::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, error("not now"), answer),
        Verdict::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, error("Payload too big"), answer),
    };
    answer.status(status).body(Body::from(body)).expect("a response")
}
