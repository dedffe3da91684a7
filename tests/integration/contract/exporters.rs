//! The exporters in the contract tests: their settings, the contents of their requests, and the answers of their targets.

use super::cases::Case;
use super::datadog::datadog;
use super::elasticsearch::elasticsearch;
use super::remote_write;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use bytes::{BufMut as _, Bytes, BytesMut};
use http_body_util::StreamBody;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point;
use prost::Message as _;
use std::time::Duration;

/// The signal that an exporter is tested with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Metrics,
    Logs,
}

/// One item that a target received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) number: u64,
    /// The series of a data point; empty for other signals.
    pub(crate) series: String,
}

/// How a target answers a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Taken,
    /// Everything except this item was accepted.
    But(u64),
    Refused,
    Busy(Duration),
    Denied,
    Unavailable,
    TooLarge,
}

/// An exporter in the contract tests.
pub(crate) struct Exporter {
    /// Exporter type, such as `otlp_grpc`.
    pub(crate) kind: &'static str,
    pub(crate) signal: Signal,
    /// Cases that do not apply to this exporter, and why.
    pub(crate) lacks: &'static [(Case, &'static str)],
    /// Returns the exporter's settings for a target on the given port.
    pub(crate) settings: fn(u16) -> String,
    /// Answers a request that contains no telemetry, such as one for the target's version.
    pub(crate) handshake: fn(&str) -> Option<Response<Body>>,
    /// Returns the items of a request.
    pub(crate) items: fn(&str, &Bytes) -> Vec<Item>,
    /// Builds the answer to a request.
    pub(crate) answer: fn(&str, &[Item], &Verdict) -> Response<Body>,
}

impl Exporter {
    /// Returns whether the case applies to this exporter.
    pub(crate) fn has(&self, case: Case) -> bool {
        self.lacks.iter().all(|(lacking, _)| *lacking != case)
    }
}

fn over_grpc(port: u16) -> String {
    format!("endpoint: 127.0.0.1:{port}, tls: {{insecure: true}}, compression: none")
}

fn over_http(port: u16) -> String {
    format!("endpoint: \"http://127.0.0.1:{port}\", compression: none")
}

fn no_handshake(_path: &str) -> Option<Response<Body>> {
    None
}

const fn otlp(kind: &'static str, signal: Signal, settings: fn(u16) -> String) -> Exporter {
    let is_grpc = kind.len() == "otlp_grpc".len() && kind.as_bytes()[5] == b'g';
    Exporter {
        kind,
        signal,
        lacks: &[],
        settings,
        handshake: no_handshake,
        items: if is_grpc { |path, body| of_otlp(path, &body.slice(5..)) } else { of_otlp },
        answer: if is_grpc { grpc_answer } else { http_answer },
    }
}

/// All exporters, one entry per signal.
pub(crate) static EXPORTERS: [Exporter; 13] = [
    otlp("otlp_grpc", Signal::Traces, over_grpc),
    otlp("otlp_grpc", Signal::Metrics, over_grpc),
    otlp("otlp_grpc", Signal::Logs, over_grpc),
    otlp("otlp_http", Signal::Traces, over_http),
    otlp("otlp_http", Signal::Metrics, over_http),
    otlp("otlp_http", Signal::Logs, over_http),
    elasticsearch(Signal::Traces),
    elasticsearch(Signal::Metrics),
    elasticsearch(Signal::Logs),
    Exporter {
        kind: "prometheusremotewrite",
        signal: Signal::Metrics,
        lacks: &[],
        settings: remote_write::settings,
        handshake: no_handshake,
        items: remote_write::items,
        answer: remote_write::answer,
    },
    datadog(Signal::Traces),
    datadog(Signal::Metrics),
    datadog(Signal::Logs),
];

/// Returns the number in a name such as `n17`.
pub(super) fn number(name: &str) -> u64 {
    name.trim_start_matches('n').split('-').next().and_then(|digits| digits.parse().ok()).unwrap_or(u64::MAX)
}

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> &'a str {
    let value = attributes.iter().find(|attribute| attribute.key == key).and_then(|found| found.value.as_ref());
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text,
        _ => "",
    }
}

/// Returns the items of an OTLP request; the path determines the signal.
fn of_otlp(path: &str, body: &Bytes) -> Vec<Item> {
    let of_name = |name: &str| Item { number: number(name), series: String::new() };
    if path.to_ascii_lowercase().contains("trace") {
        let request = ExportTraceServiceRequest::decode(body.clone()).expect("a request of traces");
        let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        return scopes.flat_map(|scope| scope.spans).map(|span| of_name(&span.name)).collect();
    }
    if path.to_ascii_lowercase().contains("logs") {
        let request = ExportLogsServiceRequest::decode(body.clone()).expect("a request of logs");
        let scopes = request.resource_logs.into_iter().flat_map(|resource| resource.scope_logs);
        let records = scopes.flat_map(|scope| scope.log_records);
        return records.map(|record| of_name(text(&record.attributes, "number"))).collect();
    }
    let request = ExportMetricsServiceRequest::decode(body.clone()).expect("a request of metrics");
    let scopes = request.resource_metrics.into_iter().flat_map(|resource| resource.scope_metrics);
    let mut items = Vec::new();
    for metric in scopes.flat_map(|scope| scope.metrics) {
        let Some(Data::Gauge(gauge)) = metric.data else { panic!("not a gauge: {}", metric.name) };
        for point in gauge.data_points {
            let Some(number_data_point::Value::AsInt(value)) = point.value else { panic!("not a whole number") };
            let number = value.try_into().expect("a number of the test");
            items.push(Item { number, series: text(&point.attributes, "series").to_owned() });
        }
    }
    items
}

/// Builds the answer of an OTLP/HTTP target.
fn http_answer(path: &str, _items: &[Item], verdict: &Verdict) -> Response<Body> {
    let answer = Response::builder().header("content-type", "application/x-protobuf");
    let body = message(path, verdict);
    let answer = match verdict {
        Verdict::Taken | Verdict::But(_) => answer.status(StatusCode::OK),
        Verdict::Refused => answer.status(StatusCode::BAD_REQUEST),
        Verdict::Busy(after) => answer.status(StatusCode::TOO_MANY_REQUESTS).header("retry-after", after.as_secs()),
        Verdict::Denied => answer.status(StatusCode::UNAUTHORIZED),
        Verdict::Unavailable => answer.status(StatusCode::SERVICE_UNAVAILABLE),
        Verdict::TooLarge => answer.status(StatusCode::PAYLOAD_TOO_LARGE),
    };
    answer.body(Body::from(body)).expect("a response")
}

/// Builds the answer of an OTLP/gRPC target, with the status in the trailers.
fn grpc_answer(path: &str, _items: &[Item], verdict: &Verdict) -> Response<Body> {
    let answer = Response::builder().header("content-type", "application/grpc");
    let mut trailers = HeaderMap::new();
    let (code, words) = match verdict {
        Verdict::Taken | Verdict::But(_) => ("0", ""),
        Verdict::Refused => ("3", "that item is nothing that is taken"),
        Verdict::Busy(after) => {
            let details = retry_info(after.as_secs());
            trailers.insert("grpc-status-details-bin", HeaderValue::from_str(&details).expect("base64"));
            ("8", "too many")
        }
        Verdict::Denied => ("16", "no such key"),
        Verdict::Unavailable => ("14", "not now"),
        Verdict::TooLarge => ("8", "grpc: received message larger than max"),
    };
    trailers.insert("grpc-status", HeaderValue::from_static(code));
    trailers.insert("grpc-message", HeaderValue::from_static(words));
    let message = message(path, verdict);
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).expect("a short message"));
    framed.extend_from_slice(&message);
    let data = matches!(verdict, Verdict::Taken | Verdict::But(_)).then(|| http_body::Frame::data(framed.freeze()));
    let frames = data.into_iter().chain([http_body::Frame::trailers(trailers)]).map(Ok::<_, std::convert::Infallible>);
    answer.body(Body::new(StreamBody::new(futures::stream::iter(frames)))).expect("a response")
}

/// Returns a base64-encoded `google.rpc.Status` with code 8 and a `RetryInfo` of `seconds`, written by hand from
/// <https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto>.
fn retry_info(seconds: u64) -> String {
    use base64::Engine as _;
    let kind = b"type.googleapis.com/google.rpc.RetryInfo";
    let seconds = u8::try_from(seconds).expect("below 128");
    let info = [0x0a, 0x02, 0x08, seconds];
    let mut any = vec![0x0a, u8::try_from(kind.len()).expect("short")];
    any.extend_from_slice(kind);
    any.extend_from_slice(&[0x12, u8::try_from(info.len()).expect("short")]);
    any.extend_from_slice(&info);
    let mut status = vec![0x08, 0x08, 0x1a, u8::try_from(any.len()).expect("short")];
    status.extend_from_slice(&any);
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(status)
}

/// Returns the encoded response message: a partial success if one item was rejected.
fn message(path: &str, verdict: &Verdict) -> Vec<u8> {
    let Verdict::But(_) = verdict else { return Vec::new() };
    let error_message = "one item is nothing that is taken".to_owned();
    if path.to_ascii_lowercase().contains("trace") {
        let partial_success = Some(ExportTracePartialSuccess { rejected_spans: 1, error_message });
        return ExportTraceServiceResponse { partial_success }.encode_to_vec();
    }
    if path.to_ascii_lowercase().contains("logs") {
        let partial_success = Some(ExportLogsPartialSuccess { rejected_log_records: 1, error_message });
        return ExportLogsServiceResponse { partial_success }.encode_to_vec();
    }
    let partial_success = Some(ExportMetricsPartialSuccess { rejected_data_points: 1, error_message });
    ExportMetricsServiceResponse { partial_success }.encode_to_vec()
}
