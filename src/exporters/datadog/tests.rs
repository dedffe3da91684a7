mod agent;
mod hosts;

use super::host_metadata::{HostMetadataSettings, METADATA};
use super::metrics::MetricsSettings;
use super::traces::{AgentPayload, TraceSettings};
use super::*;
use crate::delivery::settings::{ClientSettings, Compression, Secret, TlsSettings};
use crate::delivery::{Outcome, Payload};
use crate::model::signal::Signal;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use parking_lot::Mutex;
use prost::Message as _;
use std::sync::Arc;
use std::time::Duration;

/// Not a real key.
const KEY: &str = "0123456789abcdef0123456789abcdef";

#[derive(Clone, Default)]
struct Seen {
    requests: Arc<Mutex<Vec<(String, HeaderMap, Bytes)>>>,
    answer: Arc<Mutex<(u16, &'static str, &'static str)>>,
}

async fn take(State(seen): State<Seen>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    seen.requests.lock().push((uri.path().to_owned(), headers, body));
    let (status, kind, body) = *seen.answer.lock();
    (StatusCode::from_u16(status).unwrap(), [("content-type", kind)], body).into_response()
}

fn crypto() {
    let _already_there = rustls::crypto::ring::default_provider().install_default();
}

/// An intake on loopback, with its responses.
async fn intake() -> (Seen, String) {
    let seen = Seen::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(take).with_state(seen.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (seen, address)
}

fn settings(way: Way, address: &str, compression: Compression) -> DatadogSettings {
    let client = ClientSettings {
        timeout: Duration::from_secs(5),
        headers: Vec::new(),
        tls: TlsSettings::default(),
        proxy_url: None,
        compression,
    };
    let endpoints = Endpoints { metrics: address.into(), logs: address.into(), traces: address.into() };
    let (metrics, traces) = (MetricsSettings::default(), TraceSettings::default());
    DatadogSettings {
        way,
        api_key: Secret::new(KEY),
        endpoints,
        api: ApiSettings { endpoint: address.into(), fail_on_invalid_key: false },
        client,
        traces,
        metrics,
        delta: DeltaSettings::default(),
        host_metadata: HostMetadataSettings::default(),
    }
}

fn payload(signal: Signal, route: &'static str) -> Payload {
    Payload { signal, route, items: 1, body: Bytes::from_static(b"what is sent") }
}

#[tokio::test]
async fn each_intake_gets_its_own_path_type_and_compression_with_the_key() {
    crypto();
    let cases = [
        (metrics::SERIES, Signal::Metrics, Compression::Gzip, "application/x-protobuf", Some("gzip")),
        (metrics::SKETCHES, Signal::Metrics, Compression::Gzip, "application/x-protobuf", Some("deflate")),
        (metrics::SKETCHES, Signal::Metrics, Compression::Zstd, "application/x-protobuf", Some("zstd")),
        (logs::LOGS, Signal::Logs, Compression::None, "application/json", None),
        (events::EVENTS, Signal::Logs, Compression::Gzip, "application/json", None),
        (spans::TRACES, Signal::Traces, Compression::Zstd, "application/x-protobuf", Some("zstd")),
        (spans::STATS, Signal::Traces, Compression::Zstd, "application/msgpack", Some("gzip")),
        (METADATA, Signal::Metrics, Compression::Zstd, "application/json", Some("gzip")),
    ];
    for (route, signal, compression, kind, encoding) in cases {
        let (seen, address) = intake().await;
        *seen.answer.lock() = (202, "application/json", "{\"errors\":[]}");
        let target = open("datadog", &settings(Way::Intake, &address, compression)).unwrap();
        assert_eq!(target.send(&payload(signal, route)).await, Outcome::delivered());
        let (path, headers, body) = seen.requests.lock().remove(0);
        let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!((path.as_str(), header("content-type").as_deref()), (route, Some(kind)));
        assert_eq!((header("dd-api-key").as_deref(), header("content-encoding").as_deref()), (Some(KEY), encoding));
        let sent = match encoding {
            Some("gzip") => inflate(flate2::read::GzDecoder::new(&*body)),
            Some("deflate") => inflate(flate2::read::ZlibDecoder::new(&*body)),
            Some(_) => zstd::decode_all(&*body).unwrap(),
            None => body.to_vec(),
        };
        assert_eq!(sent, b"what is sent");
    }
}

fn inflate(mut from: impl std::io::Read) -> Vec<u8> {
    let mut all = Vec::new();
    from.read_to_end(&mut all).unwrap();
    all
}

#[tokio::test]
async fn answers_are_told_apart_and_the_key_is_never_shown() {
    crypto();
    let (seen, address) = intake().await;
    let target = open("datadog", &settings(Way::Intake, &address, Compression::None)).unwrap();
    let mut kinds = Vec::new();
    for (status, kind, body) in [
        (400, "application/json", "{\"errors\":[\"bad\"]}"),
        (403, "application/json", "{\"errors\":[\"Forbidden\"]}"),
        (404, "text/plain", ""),
        (405, "text/plain", ""),
        (408, "text/plain", ""),
        (413, "text/html", "<html>"),
        (429, "text/plain", ""),
        (503, "text/plain", ""),
        (200, "text/html; charset=utf-8", "<html>Sign in</html>"),
        (418, "text/plain", ""),
    ] {
        *seen.answer.lock() = (status, kind, body);
        let outcome = target.send(&payload(Signal::Metrics, metrics::SERIES)).await;
        let told = format!("{outcome:?}");
        assert!(!told.contains(KEY), "{told}");
        let words = ["HTML page", "api.key", "metrics.endpoint"].into_iter().find(|words| told.contains(words));
        kinds.push((status, told.split(['(', ' ']).next().unwrap().to_owned(), words));
    }
    let expected = [
        (400, "Rejected", None),
        (403, "Retry", Some("api.key")),
        (404, "Retry", Some("metrics.endpoint")),
        (405, "Retry", Some("metrics.endpoint")),
        (408, "Retry", None),
        (413, "TooLarge", Some("HTML page")),
        (429, "Retry", None),
        (503, "Retry", None),
        (200, "Retry", Some("HTML page")),
        (418, "PermanentError", None),
    ];
    assert_eq!(kinds, expected.map(|(status, kind, words)| (status, kind.to_owned(), words)));
}

#[tokio::test]
async fn series_that_stay_too_large_compressed_are_cut_before_they_are_sent() {
    crypto();
    let (seen, address) = intake().await;
    let target = open("datadog", &settings(Way::Intake, &address, Compression::None)).unwrap();
    let body = vec![0; 512_001].into();
    let outcome = target.send(&Payload { body, ..payload(Signal::Metrics, metrics::SERIES) }).await;
    assert!(matches!(outcome, Outcome::TooLarge(_)), "{outcome:?}");
    assert!(seen.requests.lock().is_empty());
}

#[tokio::test]
async fn the_intake_of_otlp_gets_the_key_and_is_asked_for_statistics_of_spans() {
    crypto();
    let (seen, address) = intake().await;
    *seen.answer.lock() = (202, "text/plain", "");
    let target = open("datadog", &settings(Way::Otlp, &address, Compression::None)).unwrap();
    for signal in [Signal::Traces, Signal::Metrics] {
        assert_eq!(target.send(&payload(signal, "")).await, Outcome::delivered());
    }
    assert!(target.stateful_stage(Signal::Metrics).is_some() && target.stateful_stage(Signal::Traces).is_none());
    let requests = seen.requests.lock();
    let shown = |at: usize| {
        let (path, headers, _) = &requests[at];
        (path.clone(), headers["dd-api-key"] == KEY, headers.contains_key("compute_stats"))
    };
    assert_eq!(shown(0), ("/v1/traces".to_owned(), true, true));
    assert_eq!(shown(1), ("/v1/metrics".to_owned(), true, false));
}

fn span(number: u8, name: &str) -> Span {
    Span {
        trace_id: vec![number; 16],
        span_id: vec![number; 8],
        name: name.to_owned(),
        kind: 2,
        start_time_unix_nano: 1_700_000_000_000_000_000,
        end_time_unix_nano: 1_700_000_000_200_000_000,
        ..Span::default()
    }
}

fn spans_of(spans: Vec<Span>) -> Bytes {
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec().into()
}

#[tokio::test]
async fn spans_go_out_as_traces_and_statistics_and_each_is_counted_once() {
    crypto();
    let target = open("datadog", &settings(Way::Intake, "http://127.0.0.1:1", Compression::None)).unwrap();
    let request = spans_of(vec![span(1, "one"), span(2, "two"), Span { span_id: Vec::new(), ..span(3, "three") }]);
    let mapped = target.map(Signal::Traces, &request).unwrap();
    let routes: Vec<(&str, u64)> = mapped.payloads.iter().map(|payload| (payload.route, payload.items)).collect();
    assert_eq!(routes, [(spans::TRACES, 2), (spans::STATS, 0)]);
    assert_eq!(mapped.rejected.iter().map(|rejected| rejected.items).sum::<u64>(), 1);
    let many = spans_of((1..=40).map(|number| span(number, "many")).collect());
    let whole = target.map(Signal::Traces, &many).unwrap().payloads.remove(0);
    let (first, rest) = target.split(&whole).unwrap();
    let spans = |payload: &Payload| {
        let payload = AgentPayload::decode(payload.body.clone()).unwrap();
        let chunks = payload.tracer_payloads.into_iter().flat_map(|payload| payload.chunks);
        chunks.map(|chunk| chunk.spans.len() as u64).sum::<u64>()
    };
    assert_eq!((spans(&first), spans(&rest)), (first.items, rest.items));
    assert_eq!((first.items + rest.items, first.items > 0 && rest.items > 0), (40, true));
    assert!(target.map(Signal::Traces, &Bytes::from_static(b"\xff\xff")).is_err());
}
