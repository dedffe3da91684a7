//! Hand-written OTLP requests, and senders that return raw responses.

use super::client::client;
use super::now_unix_nano;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use spanwise::exporters::otlp::RawCodec;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, client as grpc};

/// OTLP's span kind SERVER.
pub(crate) const SERVER: i32 = 2;

/// gRPC path of the trace service's only method.
pub(crate) const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
pub(crate) const METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// Creates a string attribute.
pub(crate) fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

/// Creates an integer attribute.
pub(crate) fn int(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// Creates the resource of a service.
pub(crate) fn resource(service: &str) -> Resource {
    Resource { attributes: vec![text("service.name", service)], ..Resource::default() }
}

/// Creates a span that ended just now; `number` determines its ids, so it must be unique.
pub(crate) fn span(number: u64, name: &str, kind: i32, milliseconds: f64) -> Span {
    span_at(now_unix_nano(), number, name, kind, milliseconds)
}

/// Creates a span that ended at the given time.
pub(crate) fn span_at(end: u64, number: u64, name: &str, kind: i32, milliseconds: f64) -> Span {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a duration")]
    let nanoseconds = (milliseconds * 1e6) as u64;
    Span {
        trace_id: [[0xaa; 8], number.to_be_bytes()].concat(),
        span_id: number.wrapping_add(1).to_be_bytes().to_vec(),
        name: name.to_owned(),
        kind,
        start_time_unix_nano: end - nanoseconds,
        end_time_unix_nano: end,
        ..Span::default()
    }
}

/// Creates a SERVER span of a route.
pub(crate) fn route_span(number: u64, method: &str, route: &str, milliseconds: f64) -> Span {
    Span {
        attributes: vec![
            text("http.request.method", method),
            text("http.route", route),
            int("http.response.status_code", 200),
        ],
        ..span(number, &format!("{method} {route}"), SERVER, milliseconds)
    }
}

/// Creates a request of one service.
pub(crate) fn traces(service: &str, spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope = Some(InstrumentationScope { name: "tests".to_owned(), ..InstrumentationScope::default() });
    let scope_spans = vec![ScopeSpans { scope, spans, ..ScopeSpans::default() }];
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource(service)),
            scope_spans,
            ..ResourceSpans::default()
        }],
    }
}

/// An HTTP response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Posts a body.
pub(crate) async fn post(url: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Result<Answer, String> {
    let mut request = client().post(url).body(body.into());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.map_err(|error| format!("{url}: {error:?}"))?;
    let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (content_type, retry_after) = (header("content-type").unwrap_or_default(), header("retry-after"));
    let status = answer.status().as_u16();
    let body = answer.bytes().await.map_err(|error| format!("{url}: {error:?}"))?;
    Ok(Answer { status, content_type, retry_after, body })
}

/// Posts spans as protobuf, all of which must be accepted.
pub(crate) async fn send(url: &str, request: &ExportTraceServiceRequest) {
    let answer = post(url, &[("content-type", "application/x-protobuf")], request.encode_to_vec()).await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let partial = ExportTraceServiceResponse::decode(answer.body).expect("OTLP's answer").partial_success;
    // The Collector sends an empty partial success.
    assert_eq!(partial.unwrap_or_default().rejected_spans, 0, "all of it is good");
}

/// A gRPC connection.
#[derive(Clone)]
pub(crate) struct Grpc(Channel);

impl Grpc {
    pub(crate) fn to(port: u16) -> Grpc {
        Grpc(Endpoint::from_shared(format!("http://127.0.0.1:{port}")).expect("an address").connect_lazy())
    }

    /// Makes a unary call with raw bytes.
    pub(crate) async fn call(&self, method: &'static str, body: impl Into<Bytes>) -> Result<Bytes, Status> {
        let mut client = grpc::Grpc::new(self.0.clone());
        client.ready().await.map_err(|error| Status::unavailable(format!("{error:?}")))?;
        let path = http::uri::PathAndQuery::from_static(method);
        Ok(client.unary(Request::new(body.into()), path, RawCodec).await?.into_inner())
    }

    /// Sends spans; returns the partial success, if any.
    pub(crate) async fn send(&self, request: &ExportTraceServiceRequest) -> Result<Option<(i64, String)>, Status> {
        let answer = self.call(TRACES, request.encode_to_vec()).await?;
        let answer = ExportTraceServiceResponse::decode(answer).map_err(|error| Status::internal(error.to_string()))?;
        Ok(answer.partial_success.map(|partial| (partial.rejected_spans, partial.error_message)))
    }
}
