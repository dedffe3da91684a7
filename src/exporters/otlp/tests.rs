//! Both senders against real servers on loopback.

use super::*;
use crate::delivery::settings::{ClientSettings, Compression, Secret, TlsSettings};
use crate::delivery::{Outcome, Payload};
use crate::model::signal::Signal;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use parking_lot::Mutex;
use prost::Message as _;
use std::io::Read as _;
use std::time::Duration;
use tonic_types::StatusExt as _;

/// A received request.
#[derive(Debug, Clone)]
struct Seen {
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

type Answer = fn() -> Response<Body>;
type Shared = Arc<(Mutex<Vec<Seen>>, Answer)>;

async fn server(answer: Answer) -> (String, Shared) {
    let shared: Shared = Arc::new((Mutex::default(), answer));
    let handler = async |State(shared): State<Shared>, uri: Uri, headers: HeaderMap, body: Bytes| {
        shared.0.lock().push(Seen { path: uri.path().to_owned(), headers, body: body.to_vec() });
        shared.1()
    };
    let router = Router::new().fallback(handler).with_state(shared.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}"), shared)
}

fn settings(protocol: Protocol, endpoint: &str, compression: Compression) -> OtlpSettings {
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    OtlpSettings {
        protocol,
        endpoint: endpoint.into(),
        traces_endpoint: None,
        metrics_endpoint: None,
        logs_endpoint: None,
        client: ClientSettings {
            timeout: Duration::from_secs(5),
            headers: vec![("X-Key".into(), Secret::new("s3cret"))],
            tls: TlsSettings { insecure: true, ..TlsSettings::default() },
            proxy_url: None,
            compression,
        },
        denied: DENIED,
    }
}

fn http_answer(status: u16, headers: &[(&'static str, &'static str)], body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        response.headers_mut().insert(*name, HeaderValue::from_static(value));
    }
    response
}

/// A gRPC response with its status in the headers, which is allowed without a message.
fn grpc_answer(status: &'static str, details: &str) -> Response<Body> {
    let mut response = http_answer(200, &[("content-type", "application/grpc")], Vec::new());
    response.headers_mut().insert("grpc-status", HeaderValue::from_static(status));
    if !details.is_empty() {
        response.headers_mut().insert("grpc-status-details-bin", HeaderValue::from_str(details).unwrap());
    }
    response
}

fn grpc_told(status: &'static str, message: &'static str) -> Response<Body> {
    let mut response = grpc_answer(status, "");
    response.headers_mut().insert("grpc-message", HeaderValue::from_static(message));
    response
}

fn partial() -> Vec<u8> {
    let partial_success = Some(ExportTracePartialSuccess { rejected_spans: 2, error_message: "too old".into() });
    ExportTraceServiceResponse { partial_success }.encode_to_vec()
}

async fn over_http(answer: Answer) -> Outcome {
    let (endpoint, _) = server(answer).await;
    let settings = settings(Protocol::Http, &endpoint, Compression::None);
    http::Http::new("otlp", &settings)
        .unwrap()
        .send(&Payload::of_request(Signal::Traces, Bytes::from_static(b"\x0a\x00")))
        .await
}

async fn over_grpc(answer: Answer) -> Outcome {
    let (endpoint, _) = server(answer).await;
    let settings = settings(Protocol::Grpc, &endpoint, Compression::None);
    grpc::Grpc::new("otlp", &settings)
        .unwrap()
        .send(&Payload::of_request(Signal::Traces, Bytes::from_static(b"\x0a\x00")))
        .await
}

#[tokio::test]
async fn a_request_over_http_is_what_a_collector_takes() {
    let (endpoint, shared) = server(|| http_answer(200, &[], partial())).await;
    let sender =
        http::Http::new("otlp", &settings(Protocol::Http, &format!("{endpoint}/"), Compression::Gzip)).unwrap();
    let outcome = sender.send(&Payload::of_request(Signal::Traces, Bytes::from_static(b"\x0a\x00"))).await;
    assert_eq!(outcome, Outcome::Delivered { rejected: 2, message: "too old".into() });
    let seen = shared.0.lock()[0].clone();
    assert_eq!((seen.path.as_str(), &seen.headers["x-key"]), ("/v1/traces", &HeaderValue::from_static("s3cret")));
    assert_eq!(seen.headers["content-type"], "application/x-protobuf");
    assert_eq!(seen.headers["content-encoding"], "gzip");
    let mut body = Vec::new();
    flate2::read::GzDecoder::new(seen.body.as_slice()).read_to_end(&mut body).unwrap();
    assert_eq!(body, b"\x0a\x00");
}

#[tokio::test]
async fn statuses_over_http_are_retried_split_or_refused_as_the_standard_says() {
    let retry = over_http(|| http_answer(503, &[("retry-after", "7")], b"busy".to_vec())).await;
    let reason = "503 Service Unavailable: busy".to_owned();
    assert_eq!(retry, Outcome::Retry { after: Some(Duration::from_secs(7)), reason });
    for (status, retried) in
        [(429, true), (502, true), (504, true), (500, false), (501, false), (400, false), (404, true), (302, true)]
    {
        let answer: Answer = match status {
            429 => || http_answer(429, &[], Vec::new()),
            502 => || http_answer(502, &[], Vec::new()),
            504 => || http_answer(504, &[], Vec::new()),
            500 => || http_answer(500, &[], Vec::new()),
            501 => || http_answer(501, &[], Vec::new()),
            400 => || http_answer(400, &[], Vec::new()),
            404 => || http_answer(404, &[], Vec::new()),
            _ => || http_answer(302, &[("location", "http://127.0.0.1:1/")], Vec::new()),
        };
        let outcome = over_http(answer).await;
        assert_eq!(matches!(outcome, Outcome::Retry { .. }), retried, "{status}: {outcome:?}");
        let refused = matches!(outcome, Outcome::PermanentError(_) | Outcome::Rejected(_));
        assert_eq!(refused, !retried, "{status}: {outcome:?}");
        // A fault of a single item is searched for; a fault of the target is not.
        assert_eq!(matches!(outcome, Outcome::Rejected(_)), status == 400, "{status}: {outcome:?}");
    }
    for answer in [(|| http_answer(401, &[], Vec::new())) as Answer, || http_answer(403, &[], Vec::new())] {
        let outcome = over_http(answer).await;
        let waits = matches!(&outcome, Outcome::Retry { reason, .. } if reason.contains("are its `headers` right?"));
        assert!(waits, "a key can be mended: {outcome:?}");
    }
    assert!(matches!(over_http(|| http_answer(413, &[], Vec::new())).await, Outcome::TooLarge(_)));
    // A proxy's page is no verdict on the request.
    let page = over_http(|| http_answer(400, &[("content-type", "text/html")], b"<html>".to_vec())).await;
    assert!(matches!(&page, Outcome::Retry { .. }), "{page:?}");
}

#[tokio::test]
async fn nobody_there_is_retried_and_the_secret_is_not_told() {
    for protocol in [Protocol::Http, Protocol::Grpc] {
        let settings = settings(protocol, "http://127.0.0.1:9", Compression::None);
        let sender: Arc<dyn Exporter> = match protocol {
            Protocol::Http => Arc::new(http::Http::new("otlp", &settings).unwrap()),
            Protocol::Grpc => Arc::new(grpc::Grpc::new("otlp", &settings).unwrap()),
        };
        let outcome = sender.send(&Payload::of_request(Signal::Logs, Bytes::new())).await;
        assert!(matches!(&outcome, Outcome::Retry { .. }), "{outcome:?}");
        assert!(!format!("{outcome:?} {settings:?}").contains("s3cret"));
    }
}

#[tokio::test]
async fn a_request_over_grpc_is_what_a_collector_takes() {
    fn answer() -> Response<Body> {
        let message = partial();
        let mut framed = vec![0];
        framed.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        framed.extend(message);
        http_answer(200, &[("content-type", "application/grpc"), ("grpc-status", "0")], framed)
    }
    let (endpoint, shared) = server(answer).await;
    let bare = endpoint.trim_start_matches("http://");
    let sender = grpc::Grpc::new("otlp", &settings(Protocol::Grpc, bare, Compression::Gzip)).unwrap();
    let _answer_without_trailers =
        sender.send(&Payload::of_request(Signal::Metrics, Bytes::from_static(b"\x0a\x00"))).await;
    let seen = shared.0.lock()[0].clone();
    assert_eq!(seen.path, "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export");
    assert_eq!(seen.headers["grpc-encoding"], "gzip");
    assert_eq!(seen.headers["x-key"], "s3cret");
    assert_eq!(seen.body[0], 1, "the message is marked as compressed");
}

#[tokio::test]
async fn statuses_over_grpc_are_retried_split_or_refused_as_the_standard_says() {
    for code in ["1", "4", "10", "11", "14", "15"] {
        let answer: Answer = match code {
            "1" => || grpc_answer("1", ""),
            "4" => || grpc_answer("4", ""),
            "10" => || grpc_answer("10", ""),
            "11" => || grpc_answer("11", ""),
            "14" => || grpc_answer("14", ""),
            _ => || grpc_answer("15", ""),
        };
        let outcome = over_grpc(answer).await;
        assert!(matches!(outcome, Outcome::Retry { after: None, .. }), "{code}: {outcome:?}");
    }
    assert!(matches!(over_grpc(|| grpc_answer("3", "")).await, Outcome::Rejected(_)));
    for answer in [(|| grpc_answer("16", "")) as Answer, || grpc_answer("7", "")] {
        let outcome = over_grpc(answer).await;
        let waits = matches!(&outcome, Outcome::Retry { reason, .. } if reason.contains("are its `headers` right?"));
        assert!(waits, "a key can be mended: {outcome:?}");
    }
    assert!(matches!(over_grpc(|| grpc_answer("8", "")).await, Outcome::PermanentError(_)));
    for answer in [(|| grpc_told("8", "the message is larger than 4194304 bytes")) as Answer, || {
        grpc_told("11", "Error, decoded message length too large: found 5 bytes, the limit is: 4 bytes")
    }] {
        let outcome = over_grpc(answer).await;
        assert!(matches!(outcome, Outcome::TooLarge(_)), "{outcome:?}");
    }
}

#[test]
fn retry_info_is_read() {
    let info = tonic_types::ErrorDetails::with_retry_info(Some(Duration::from_secs(9)));
    let status = tonic::Status::with_error_details(tonic::Code::Unavailable, "busy", info);
    assert_eq!(wire::retry_info(status.details()), Some(Duration::from_secs(9)));
    assert_eq!(wire::retry_info(b""), None);
}
