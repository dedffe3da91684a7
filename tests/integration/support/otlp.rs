//! Telemetry of our own making, over OTLP/HTTP.

use super::server::client;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;
use std::time::{SystemTime, UNIX_EPOCH};

pub fn now_nano() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap()
}

pub fn text(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Any::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

/// A SERVER span that ended just now.
pub fn span(number: u64, route: &str, duration_ms: f64) -> Span {
    let end = now_nano();
    Span {
        trace_id: (u128::from(number) + 1).to_be_bytes().to_vec(),
        span_id: (number + 1).to_be_bytes().to_vec(),
        name: format!("GET {route}"),
        kind: 2,
        start_time_unix_nano: end - (duration_ms * 1e6) as u64,
        end_time_unix_nano: end,
        attributes: vec![text("http.request.method", "GET"), text("http.route", route)],
        status: Some(Status::default()),
        ..Span::default()
    }
}

pub fn request(service: &str, spans: Vec<Span>) -> Vec<u8> {
    let resource = Some(Resource { attributes: vec![text("service.name", service)], ..Resource::default() });
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

#[derive(Clone)]
pub struct Sender {
    http: reqwest::Client,
    port: u16,
}

impl Sender {
    pub fn new(port: u16) -> Sender {
        Sender { http: client(), port }
    }

    pub async fn post(&self, path: &str, kind: &str, body: Vec<u8>) -> reqwest::Result<reqwest::Response> {
        self.encoded(path, kind, "", body).await
    }

    pub async fn encoded(
        &self,
        path: &str,
        kind: &str,
        encoding: &str,
        body: Vec<u8>,
    ) -> reqwest::Result<reqwest::Response> {
        let mut request = self.http.post(format!("http://127.0.0.1:{}{path}", self.port)).header("content-type", kind);
        if !encoding.is_empty() {
            request = request.header("content-encoding", encoding);
        }
        request.body(body).send().await
    }

    /// Sends spans; the answer's status, and what was rejected.
    pub async fn traces(&self, body: Vec<u8>) -> Result<(i64, String), String> {
        let answer =
            self.post("/v1/traces", "application/x-protobuf", body).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let bytes = answer.bytes().await.map_err(|error| error.to_string())?;
        if !status.is_success() {
            return Err(format!("{status}: {}", String::from_utf8_lossy(&bytes)));
        }
        let answer = ExportTraceServiceResponse::decode(bytes).map_err(|error| error.to_string())?;
        let partial = answer.partial_success.unwrap_or_default();
        Ok((partial.rejected_spans, partial.error_message))
    }
}
