//! Invalid input: each request gets the protocol's error, the server continues, and all valid data sent in between is stored.

use crate::support::config::Setup;
use crate::support::now_unix_nano;
use crate::support::otlp::{self, Grpc, SERVER, post, resource, route_span, send, span, traces};
use crate::support::server::Server;
use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point::Value,
};
use prost::Message;
use serde_json::{Value as Json, json};
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use tonic::Code;

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json");

/// `google.rpc.Status`, the format of errors.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// A server, and the number of valid spans sent between invalid requests.
struct Bad {
    server: Server,
    url: String,
    good: AtomicU64,
}

impl Bad {
    async fn start() -> Bad {
        let server = Server::start(Setup::default()).await;
        let url = server.http_url("/v1/traces");
        Bad { server, url, good: AtomicU64::new(0) }
    }

    /// Sends a valid span, which must be accepted after any invalid input.
    async fn good(&self) {
        let number = self.good.fetch_add(1, Ordering::Relaxed);
        send(&self.url, &traces("good", vec![route_span(number, "GET", "/good", 5.0)])).await;
    }

    /// Posts an invalid request; returns the message of the error, a `google.rpc.Status` in the request's encoding.
    async fn refused(&self, what: &str, headers: &[(&str, &str)], body: Vec<u8>, status: u16) -> String {
        let answer = post(&self.url, headers, body).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        let is_json = headers.contains(&JSON) || !headers.contains(&PROTOBUF);
        let message = if is_json {
            assert_eq!(answer.content_type, JSON.1, "{what}");
            let body: Json = serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{what}: {error}"));
            body["message"].as_str().unwrap_or_default().to_owned()
        } else {
            assert_eq!(answer.content_type, PROTOBUF.1, "{what}");
            let status = RpcStatus::decode(answer.body).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_ne!(status.code, 0, "{what}: a code that is no OK");
            status.message
        };
        assert!(!message.is_empty(), "{what}: a message that says why");
        self.good().await;
        message
    }

    /// Asserts that nothing of the invalid input is stored, and all valid spans are.
    async fn only_good_is_there(&self) {
        #[expect(clippy::cast_precision_loss, reason = "a few")]
        let good = self.good.load(Ordering::Relaxed) as f64;
        self.server.until_number("SELECT count(*) FROM spans WHERE service_name = 'good'", good).await;
        self.server.until_number("SELECT sum(calls) FROM requests WHERE service_name = 'good'", good).await;
        self.server.until_number("SELECT count(*) FROM spans", good).await;
        println!("wire: {good} good spans sent between bad requests, {good} found");
    }
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).expect("written to memory");
    encoder.finish().expect("written to memory")
}

/// `SplitMix64`, so that failures are reproducible.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z ^ (z >> 31)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_otlp_is_refused_and_nothing_else_is_lost() {
    let bad = Bad::start().await;
    bad.good().await;
    let whole = traces("bad", vec![span(1, "a span", SERVER, 1.0)]).encode_to_vec();
    for length in [1, whole.len() / 3, whole.len() - 1] {
        bad.refused("truncated protobuf", &[PROTOBUF], whole[..length].to_vec(), 400).await;
    }
    let mut seed = 7;
    let mut taken = 0;
    for _ in 0..200 {
        let bytes: Vec<u8> = (0..64).map(|_| random(&mut seed).to_be_bytes()[0]).collect();
        let answer = post(&bad.url, &[PROTOBUF], bytes).await.expect("an answer");
        // Random bytes may be valid OTLP with unknown fields only.
        assert!(matches!(answer.status, 200 | 400), "{}: {}", answer.status, answer.text());
        taken += u32::from(answer.status == 200);
    }
    assert!(taken < 100, "random bytes are mostly refused: {taken} of 200 taken");
    bad.good().await;

    bad.refused("wrong content type", &[("content-type", "text/plain")], whole.clone(), 415).await;
    bad.refused("no content type", &[], whole.clone(), 415).await;
    bad.refused("unknown compression", &[PROTOBUF, ("content-encoding", "br")], whole.clone(), 415).await;
    bad.refused("no gzip", &[PROTOBUF, ("content-encoding", "gzip")], whole.clone(), 400).await;
    let cut = gzip(&whole);
    bad.refused("half a gzip", &[PROTOBUF, ("content-encoding", "gzip")], cut[..cut.len() / 2].to_vec(), 400).await;

    for (what, body) in [
        ("no JSON", "{\"resourceSpans\": [".to_owned()),
        ("a number for a list", json!({"resourceSpans": 7}).to_string()),
        ("a list for the request", "[{}]".to_owned()),
        ("two requests", "{}{}".to_owned()),
        ("deep nesting", "[".repeat(100_000)),
    ] {
        bad.refused(what, &[JSON], body.into_bytes(), 400).await;
    }
    bad.only_good_is_there().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused_before_it_takes_memory() {
    let bad = Bad::start().await;
    let filler = |bytes: usize| traces("bad", vec![span(1, &"x".repeat(bytes), SERVER, 1.0)]).encode_to_vec();
    let told = bad.refused("21 MiB", &[PROTOBUF], filler(21 << 20), 413).await;
    assert!(told.contains("20971520"), "it tells the limit: {told}");
    bad.refused("21 MiB, compressed", &[PROTOBUF, ("content-encoding", "gzip")], gzip(&filler(21 << 20)), 413).await;

    // A gigabyte of zeros, compressed to a megabyte.
    let before = resident_bytes(&bad.server);
    let bomb = gzip(&vec![0; 1 << 30]);
    bad.refused("a gzip bomb", &[PROTOBUF, ("content-encoding", "gzip")], bomb, 413).await;
    let grown = resident_bytes(&bad.server).saturating_sub(before);
    assert!(grown < 128 << 20, "the bomb took {grown} bytes of memory");

    let grpc = Grpc::to(bad.server.ports.grpc);
    let refused = grpc.call(otlp::TRACES, filler(5 << 20)).await.expect_err("5 MiB over gRPC");
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused:?}");
    assert!(refused.details().is_empty(), "without RetryInfo a sender does not send it again");
    let taken = grpc.send(&traces("good", vec![span(1_000_000, &"x".repeat(3 << 20), SERVER, 1.0)])).await;
    assert_eq!(taken.expect("3 MiB over gRPC are taken"), None);
    bad.good.fetch_add(1, Ordering::Relaxed);
    let broken = grpc.call(otlp::TRACES, vec![0xff; 64]).await.expect_err("no OTLP");
    assert_eq!(broken.code(), Code::InvalidArgument, "{broken:?}");
    let unknown = grpc.call("/opentelemetry.proto.collector.trace.v1.TraceService/Import", Vec::new()).await;
    assert_eq!(unknown.expect_err("no such method").code(), Code::Unimplemented);
    bad.only_good_is_there().await;
}

/// An invalid span among many is reported with its index; the valid ones are stored.
#[tokio::test(flavor = "multi_thread")]
async fn bad_spans_of_a_good_request_are_counted_and_told() {
    let bad = Bad::start().await;
    let good = |number: u64| route_span(number, "GET", "/good", 5.0);
    let backwards = |number: u64| {
        let mut span = good(number);
        span.end_time_unix_nano = span.start_time_unix_nano - 1;
        span
    };
    let mut short_id = good(50);
    short_id.trace_id.truncate(15);
    let mut no_span_id = good(51);
    no_span_id.span_id = vec![0; 8];
    let no_id = no_span_id.clone();
    let spans = vec![good(10), backwards(11), good(12), short_id, no_span_id, good(13)];
    let request = traces("good", spans);
    let answer = post(&bad.url, &[PROTOBUF], request.encode_to_vec()).await.expect("an answer");
    assert_eq!(answer.status, 200);
    let partial =
        ExportTraceServiceResponse::decode(answer.body).expect("OTLP").partial_success.expect("a partial success");
    assert_eq!(partial.rejected_spans, 2, "{}", partial.error_message);
    for part in ["traceId", "spanId", "spans[3]", "spans[4]"] {
        assert!(partial.error_message.contains(part), "{part} in {}", partial.error_message);
    }
    bad.good.fetch_add(4, Ordering::Relaxed);

    // A resend gets the same result and adds nothing.
    let again = post(&bad.url, &[PROTOBUF], request.encode_to_vec()).await.expect("an answer");
    let again =
        ExportTraceServiceResponse::decode(again.body).expect("OTLP").partial_success.expect("a partial success");
    assert_eq!(again, partial);

    let grpc = Grpc::to(bad.server.ports.grpc);
    let partial =
        grpc.send(&traces("good", vec![good(20), backwards(21), no_id])).await.expect("OK").expect("a partial success");
    assert_eq!(partial.0, 1, "{}", partial.1);
    bad.good.fetch_add(2, Ordering::Relaxed);
    // The clock jumped back: the spans are stored, with a duration of 0.
    bad.server.until_number("SELECT count(*) FROM spans WHERE end_time_unix_nano < start_time_unix_nano", 2.0).await;
    let longest = "SELECT max(duration_ms) FROM spans WHERE end_time_unix_nano < start_time_unix_nano";
    bad.server.until_number(longest, 0.0).await;

    let now = now_unix_nano();
    let id = |digits: &str, times: usize| digits.repeat(times);
    let body = json!({"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "good"}}]},
        "scopeSpans": [{"spans": [
            {"traceId": id("AB", 16), "spanId": id("cd", 8), "name": "json", "kind": 1, "unknownField": [1, {"a": 2}],
             "startTimeUnixNano": (now - 1000).to_string(), "endTimeUnixNano": now},
            {"traceId": "W47/95gDgQPSabYzgT/GDA==", "spanId": id("cd", 8), "name": "base64"},
            {"traceId": id("ab", 15), "spanId": id("cd", 8), "name": "short", "startTimeUnixNano": "1", "endTimeUnixNano": "2"},
        ]}],
    }]});
    let answer = post(&bad.url, &[JSON], body.to_string()).await.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told: Json = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!(told["partialSuccess"]["rejectedSpans"], "2", "{told}");
    bad.good.fetch_add(1, Ordering::Relaxed);
    bad.server
        .until_number(
            "SELECT count(*) FROM spans WHERE name = 'json' AND trace_id = 'abababababababababababababababab'",
            1.0,
        )
        .await;
    let rows = bad.server.number("SELECT count(*) FROM spans WHERE service_name = 'good'").await;
    #[expect(clippy::cast_precision_loss, reason = "a few")]
    let expected = bad.good.load(Ordering::Relaxed) as f64;
    assert!((rows - expected).abs() < 0.5, "{rows} of {expected}");
    println!("wire: {expected} good spans among bad ones sent, {rows} found");
}

/// A metric of a type unknown to this build, next to one of a known type.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_type_of_metric_does_not_cost_the_others() {
    let bad = Bad::start().await;
    let number = |value: f64| NumberDataPoint {
        time_unix_nano: now_unix_nano(),
        value: Some(Value::AsDouble(value)),
        ..NumberDataPoint::default()
    };
    let gauge = |name: &str, value: f64| Metric {
        name: name.to_owned(),
        data: Some(Data::Gauge(Gauge { data_points: vec![number(value)] })),
        ..Metric::default()
    };
    let scope = ScopeMetrics { metrics: vec![gauge("known", 7.5)], ..ScopeMetrics::default() };
    let of = ResourceMetrics {
        resource: Some(resource("meters")),
        scope_metrics: vec![scope],
        ..ResourceMetrics::default()
    };
    let known = ExportMetricsServiceRequest { resource_metrics: vec![of] }.encode_to_vec();
    // Field 15 of a metric is not assigned yet: its tag is 15 << 3 | 2.
    let unknown_metric =
        [Metric { name: "unknown".to_owned(), ..Metric::default() }.encode_to_vec(), vec![0x7a, 2, 8, 1]].concat();
    let wrap =
        |field: u8, inner: Vec<u8>| [vec![field << 3 | 2, u8::try_from(inner.len()).expect("short")], inner].concat();
    let unknown = wrap(1, wrap(2, wrap(2, unknown_metric)));
    let body = [known, unknown].concat();
    let url = bad.server.http_url("/v1/metrics");
    let answer = post(&url, &[PROTOBUF], body.clone()).await.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let partial = ExportMetricsServiceResponse::decode(answer.body).expect("OTLP").partial_success;
    let partial = partial.expect("a partial success");
    assert_eq!(partial.rejected_data_points, 1, "{}", partial.error_message);
    assert!(partial.error_message.contains("unknown"), "it names the metric: {}", partial.error_message);
    bad.server.until_number("SELECT value FROM metrics WHERE name = 'known'", 7.5).await;
    // Over gRPC, with another value, because an identical request would be a resend.
    let grpc = Grpc::to(bad.server.ports.grpc);
    let scope = ScopeMetrics { metrics: vec![gauge("known too", 8.5)], ..ScopeMetrics::default() };
    let of = ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() };
    let request = ExportMetricsServiceRequest { resource_metrics: vec![of] };
    grpc.call(otlp::METRICS, request.encode_to_vec()).await.expect("taken");
    bad.server.until_number("SELECT value FROM metrics WHERE name = 'known too'", 8.5).await;
    bad.good().await;
    bad.only_good_is_there().await;
}

/// An empty request is accepted and stores nothing; an unknown path is 404, an unsupported method 405.
#[tokio::test(flavor = "multi_thread")]
async fn empty_requests_and_wrong_paths_get_their_answers() {
    let bad = Bad::start().await;
    let empty = ExportTraceServiceRequest::default().encode_to_vec();
    for (headers, body) in [([PROTOBUF], empty), ([JSON], b"{}".to_vec())] {
        let answer = post(&bad.url, &headers, body).await.expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.content_type, headers[0].1);
    }
    let answer = post(&bad.server.http_url("/v2/traces"), &[PROTOBUF], Vec::new()).await.expect("an answer");
    assert_eq!((answer.status, answer.content_type.as_str()), (404, PROTOBUF.1));
    let answer = crate::support::client::get(&bad.url).await.expect("an answer");
    assert_eq!(answer.0, 405, "{}", answer.1);
    bad.good().await;
    bad.only_good_is_there().await;
}

fn resident_bytes(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process_id())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("a number") * 1024
}
