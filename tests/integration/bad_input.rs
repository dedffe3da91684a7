//! Whatever is sent, the protocol's answer comes, the server goes on, and what was good is kept.

use crate::support::otlp::{request, span};
use crate::support::server::{Server, Setup};
use bytes::Bytes;
use prost::Message as _;
use serde_json::json;
use std::io::Write as _;

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

async fn status(server: &Server, path: &str, kind: &str, encoding: &str, body: Vec<u8>) -> (u16, String) {
    match server.otlp().encoded(path, kind, encoding, body).await {
        Ok(answer) => {
            (answer.status().as_u16(), String::from_utf8_lossy(&answer.bytes().await.unwrap_or_default()).into_owned())
        }
        Err(error) => (0, error.to_string()),
    }
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// Numbers that look random and are the same each time.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        })
        .collect()
}

#[tokio::test]
async fn broken_requests_are_refused_one_by_one_and_good_ones_between_are_kept() {
    let server = Setup::new().start().await;
    let good = |number: u64| request("shop", vec![span(number, "/a", 1.0)]);
    let whole = good(0);
    let bomb = gzip(&vec![0; 64 << 20]);
    let large = vec![b' '; 21 << 20];
    let mut cases: Vec<(&str, &str, &str, &str, Vec<u8>, u16)> = vec![
        ("cut off", "/v1/traces", PROTOBUF, "", whole[..whole.len() - 7].to_vec(), 400),
        ("another content type", "/v1/traces", "text/xml", "", whole.clone(), 415),
        ("no JSON", "/v1/traces", JSON, "", b"{".to_vec(), 400),
        ("JSON of other types", "/v1/traces", JSON, "", br#"{"resourceSpans": 7}"#.to_vec(), 400),
        (
            "a name that is a number",
            "/v1/traces",
            JSON,
            "",
            br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":7}]}]}]}"#.to_vec(),
            400,
        ),
        ("21 MiB", "/v1/traces", JSON, "", large.clone(), 413),
        ("21 MiB, compressed", "/v1/traces", JSON, "gzip", gzip(&large), 413),
        ("a bomb", "/v1/metrics", PROTOBUF, "gzip", bomb, 413),
        ("no gzip", "/v1/logs", PROTOBUF, "gzip", b"not gzip".to_vec(), 400),
        ("unknown compression", "/v1/logs", PROTOBUF, "br", whole.clone(), 415),
        ("unknown path", "/v1/profiles", PROTOBUF, "", whole.clone(), 404),
    ];
    for seed in 0..40 {
        let path = ["/v1/traces", "/v1/metrics", "/v1/logs"][(seed % 3) as usize];
        cases.push(("noise", path, PROTOBUF, "", noise(seed + 1, 30 + 17 * seed as usize), 400));
    }
    let mut number = 1;
    for (what, path, kind, encoding, body, expected) in cases {
        let (found, text) = status(&server, path, kind, encoding, body).await;
        // Noise may by chance be a request of unknown fields, which the protocol says to take.
        let taken_noise = what == "noise" && found == 200;
        // A sender may see the connection closed while it still sends what is too large.
        let closed = expected == 413 && found == 0;
        assert!(found == expected || taken_noise || closed, "{what}: expected {expected}, found {found} {text}");
        if found == 400 {
            assert!(!text.is_empty(), "{what}: a message");
        }
        server.otlp().traces(good(number)).await.unwrap_or_else(|error| panic!("after {what}: {error}"));
        number += 1;
    }
    server.reaches("SELECT count(*) FROM spans WHERE service_name = 'shop'", (number - 1) as f64).await;
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[tokio::test]
async fn bad_spans_among_good_ones_are_counted_and_the_good_are_kept() {
    let server = Setup::new().start().await;
    let mut spans: Vec<_> = (0..6).map(|number| span(number, "/a", 1.0)).collect();
    spans[1].trace_id = vec![1; 15];
    spans[2].span_id = Vec::new();
    spans[3].end_time_unix_nano = spans[3].start_time_unix_nano - 1;
    let (rejected, message) = server.otlp().traces(request("shop", spans)).await.unwrap();
    // Ids are what a span is known by. An end before the start is a clock's fault: the span is kept, lasting nothing.
    server.reaches("SELECT count(*) FROM spans", 6.0 - rejected as f64).await;
    assert!((2..=3).contains(&rejected), "{rejected}: {message}");
    for place in ["spans[1]", "spans[2]", "expected 16 bytes, found 15"] {
        assert!(message.contains(place), "{place}: {message}");
    }
    assert_eq!(server.number("SELECT count(*) FROM spans WHERE duration_ms < 0").await, 0.0);
}

#[tokio::test]
async fn metrics_of_an_unknown_type_are_rejected_by_count() {
    use opentelemetry_proto::tonic::collector::metrics::v1::{
        ExportMetricsServiceRequest, ExportMetricsServiceResponse,
    };
    use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics, ScopeMetrics};
    let server = Setup::new().start().await;
    let metrics = vec![Metric { name: "of.the.future".into(), ..Metric::default() }];
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
    let body = ExportMetricsServiceRequest { resource_metrics }.encode_to_vec();
    let answer = server.otlp().post("/v1/metrics", PROTOBUF, body).await.unwrap();
    assert_eq!(answer.status(), 200);
    let answer = ExportMetricsServiceResponse::decode(answer.bytes().await.unwrap()).unwrap();
    let partial = answer.partial_success.unwrap();
    assert_eq!(partial.rejected_data_points, 1);
    assert!(partial.error_message.contains("of.the.future"), "{}", partial.error_message);
}

#[tokio::test]
async fn grpc_answers_with_its_own_statuses() {
    let server = Setup::new().start().await;
    let channel = tonic::transport::Endpoint::from_shared(format!("http://127.0.0.1:{}", server.ports.grpc)).unwrap();
    let channel = channel.connect().await.unwrap();
    let call = async |body: Vec<u8>| {
        let mut client = tonic::client::Grpc::new(channel.clone());
        client.ready().await.unwrap();
        let path = http::uri::PathAndQuery::from_static("/opentelemetry.proto.collector.trace.v1.TraceService/Export");
        let answer: Result<tonic::Response<Bytes>, tonic::Status> =
            client.unary(tonic::Request::new(Bytes::from(body)), path, Raw).await;
        answer.map(|_| ()).map_err(|status| status.code())
    };
    assert_eq!(call(request("shop", vec![span(1, "/a", 1.0)])).await, Ok(()));
    assert_eq!(call(vec![0xff; 40]).await, Err(tonic::Code::InvalidArgument));
    let five_mib = request("shop", (0..60_000).map(|number| span(number, "/a", 1.0)).collect());
    assert!(five_mib.len() > 4 << 20);
    assert_eq!(call(five_mib).await, Err(tonic::Code::ResourceExhausted));
    assert_eq!(call(request("shop", vec![span(2, "/a", 1.0)])).await, Ok(()));
    server.reaches("SELECT count(*) FROM spans", 2.0).await;
}

/// Messages as bytes.
struct Raw;

impl tonic::codec::Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl tonic::codec::Encoder for Raw {
    type Item = Bytes;
    type Error = tonic::Status;

    fn encode(&mut self, item: Bytes, buffer: &mut tonic::codec::EncodeBuf<'_>) -> Result<(), tonic::Status> {
        bytes::BufMut::put(buffer, item);
        Ok(())
    }
}

impl tonic::codec::Decoder for Raw {
    type Item = Bytes;
    type Error = tonic::Status;

    fn decode(&mut self, buffer: &mut tonic::codec::DecodeBuf<'_>) -> Result<Option<Bytes>, tonic::Status> {
        let length = bytes::Buf::remaining(buffer);
        Ok(Some(bytes::Buf::copy_to_bytes(buffer, length)))
    }
}

#[tokio::test]
async fn a_broken_file_at_a_reload_leaves_the_old_one_running() {
    let server = Setup::new().start().await;
    let path = server.folder().join("config.yaml");
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, good.replace("\"connectors\"", "\"conectors\"")).unwrap();
    server.process.signal("HUP");
    crate::support::until("the fault is logged", std::time::Duration::from_secs(10), || async {
        let log = server.log();
        if log.contains("not reloaded") && log.contains("conectors") { Ok(()) } else { Err(log) }
    })
    .await;
    let with_budget = good.replace(
        "\"interval\": \"1s\"",
        "\"interval\": \"1s\", \"budgets\": {\"api\": {\"mine\": {\"match\": \"GET /a\", \"limit\": \"7ms\"}}}",
    );
    std::fs::write(&path, with_budget).unwrap();
    server.process.signal("HUP");
    crate::support::until("the budget is in force", std::time::Duration::from_secs(10), || async {
        let rows = server.sql("SELECT limit_value FROM budgets WHERE name = 'mine'").await;
        if rows == [json!({"limit_value": 7.0})] { Ok(()) } else { Err(rows) }
    })
    .await;
}
