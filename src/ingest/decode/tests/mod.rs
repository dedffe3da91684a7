//! Tests of the decoder with requests built by hand; the expected results were derived by hand from the standard.

mod json;
mod kept;
mod logs;
mod metrics;
mod notations;
mod odd;
mod odd_protobuf;
mod robust;
mod spans;

use super::*;
use crate::catalog::schemas;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use serde_json::Value as Json;

/// Receive time of the tests' requests: 2023-11-14T22:13:20Z.
const RECEIVED: i64 = 1_700_000_000_000_000_000;

fn decoder() -> Decoder {
    Decoder::new(&schemas::builtin().unwrap_or_else(|faults| panic!("{faults}")))
}

fn decode<M: Message>(signal: Signal, request: &M) -> Decoded {
    decoder().decode(signal, Encoding::Protobuf, &request.encode_to_vec().into(), RECEIVED).expect("decodes")
}

fn decode_json(signal: Signal, body: &Json) -> Result<Decoded, DecodeError> {
    decoder().decode(signal, Encoding::Json, &body.to_string().into(), RECEIVED)
}

/// Returns a request of traces as forwarded to exporters.
fn forwarded(payload: Bytes) -> Bytes {
    forwarded_as(Signal::Traces, payload)
}

/// Returns a request as forwarded to exporters.
fn forwarded_as(signal: Signal, payload: Bytes) -> Bytes {
    let frame = crate::model::frame::Frame {
        receiver: "otlp".into(),
        signal,
        encoding: Encoding::Protobuf,
        received_unix_nano: RECEIVED,
        digest: 0,
        rejected: Vec::new(),
        payload,
    };
    as_protobuf(&frame).expect("is forwarded")
}

/// Returns the rows of a table as JSON without nulls.
fn rows(decoded: &Decoded, table: &str) -> Vec<Json> {
    let Some((_, batch)) = decoded.tables.iter().find(|(name, _)| *name == table) else { return Vec::new() };
    let mut writer = arrow::json::ArrayWriter::new(Vec::new());
    writer.write(batch).expect("is written");
    writer.finish().expect("is finished");
    serde_json::from_slice(&writer.into_inner()).expect("is JSON")
}

fn string(text: &str) -> AnyValue {
    AnyValue { value: Some(Value::StringValue(text.into())) }
}

fn number(number: i64) -> AnyValue {
    AnyValue { value: Some(Value::IntValue(number)) }
}

fn attribute(key: &str, value: AnyValue) -> KeyValue {
    KeyValue { key: key.into(), value: Some(value), ..KeyValue::default() }
}

#[expect(clippy::unnecessary_wraps, reason = "the requests' fields are optional")]
fn resource(attributes: Vec<KeyValue>) -> Option<Resource> {
    Some(Resource { attributes, ..Resource::default() })
}

fn shop() -> Option<Resource> {
    resource(vec![attribute("service.name", string("shop")), attribute("host.name", string("h1"))])
}

#[expect(clippy::unnecessary_wraps, reason = "the requests' fields are optional")]
fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope { name: "lib".into(), version: "1.2".into(), ..InstrumentationScope::default() })
}

/// Returns a valid span of 1.5 ms.
fn span() -> Span {
    Span {
        trace_id: (1..=16).collect(),
        span_id: (0xf1..=0xf8).collect(),
        name: "work".into(),
        start_time_unix_nano: 1_600_000_000_000_000_001,
        end_time_unix_nano: 1_600_000_000_001_500_001,
        ..Span::default()
    }
}

fn spans_request(spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope_spans = vec![ScopeSpans { scope: scope(), spans, ..ScopeSpans::default() }];
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { resource: shop(), scope_spans, ..ResourceSpans::default() }],
    }
}

fn decode_spans(spans: Vec<Span>) -> Decoded {
    decode(Signal::Traces, &spans_request(spans))
}
