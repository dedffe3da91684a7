//! Maps an OpenTelemetry span to a Datadog span (`pkg/trace/transform`).

use super::names;
use super::semantics::{self, Attributes, Source as _};
use super::settings::TraceSettings;
use super::wire::Span;
use super::{json, normalize};
use crate::delivery::attributes::as_string;
use crate::model::tracestate;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span as Received;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use std::borrow::Cow;

/// The sender's sampling rate.
pub(in crate::exporters::datadog) const SAMPLE_RATE: &str = "_sample_rate";
/// The W3C trace state, unchanged.
pub(in crate::exporters::datadog) const TRACE_STATE: &str = "w3c.tracestate";
/// The user's decision whether to keep the trace.
const PRIORITY: &str = "_sampling_priority_v1";
/// Sampling rate of spans kept as events.
pub(super) const EVENT_RATE: &str = "_dd1.sr.eausr";
pub(super) const TOP_LEVEL: &str = "_top_level";
pub(super) const MEASURED: &str = "_dd.measured";

/// HTTP attributes, and Datadog's tags for them.
const HTTP_TAGS: [(&str, &str); 11] = [
    ("client.address", "http.client_ip"),
    ("http.request.body.size", "http.request.content_length"),
    ("http.request.header.referrer", "http.referrer"),
    ("http.request.method", "http.method"),
    ("http.response.body.size", "http.response.content_length"),
    ("http.response.status_code", "http.status_code"),
    ("http.route", "http.route"),
    ("network.protocol.version", "http.version"),
    ("server.address", "http.server_name"),
    ("url.full", "http.url"),
    ("user_agent.original", "http.useragent"),
];

/// Context of a span.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) resource: &'a [KeyValue],
    pub(super) scope: Option<&'a InstrumentationScope>,
    pub(super) settings: &'a TraceSettings,
    /// ns since 1970.
    pub(super) now: i64,
}

/// Maps a span.
pub(super) fn map(span: &Received, around: &Around<'_>) -> Span {
    let attributes = Attributes { span: &span.attributes, resource: around.resource };
    let mut out = core(span, &attributes, around);
    marks(span, &attributes, around.settings, &mut out);
    for entry in &span.attributes {
        match entry.value.as_ref().and_then(|value| value.value.as_ref()) {
            Some(Value::DoubleValue(number)) => metric(&entry.key, *number, &mut out),
            #[allow(clippy::cast_precision_loss)]
            Some(Value::IntValue(number)) => metric(&entry.key, *number as f64, &mut out),
            _ => tag(entry, &mut out),
        }
    }
    told(span, &attributes, around.scope, &mut out);
    for entry in around.resource {
        tag(entry, &mut out);
    }
    for entry in around.scope.map_or(&[][..], |scope| &scope.attributes) {
        out.meta.insert(entry.key.clone(), string(entry).into_owned());
    }
    if !out.meta.contains_key("db.name") {
        set(&mut out, "db.name", &attributes.string(semantics::DB_NAMESPACE));
    }
    out
}

/// Sets the fields that are not tags.
#[allow(clippy::cast_possible_wrap)]
fn core(span: &Received, attributes: &Attributes<'_>, around: &Around<'_>) -> Span {
    let service = attributes.string(semantics::SERVICE_NAME);
    let service = if service.is_empty() { "otlpresourcenoservicename" } else { &service };
    let begun = span.start_time_unix_nano as i64;
    let duration = normalize::duration(begun, (span.end_time_unix_nano as i64).wrapping_sub(begun));
    Span {
        service: normalize::service(service, ""),
        name: names::operation(span, attributes, around.scope, around.settings),
        resource: names::resource(span, attributes, around.settings),
        trace_id: trace_id(&span.trace_id),
        span_id: span_id(&span.span_id),
        parent_id: span_id(&span.parent_span_id),
        start: normalize::start(begun, duration, around.now),
        duration,
        error: i32::from(failed(span)),
        r#type: names::span_type(span, attributes),
        ..Span::default()
    }
}

/// Sets what statistics depend on: kind, status codes, marks and rates.
fn marks(span: &Received, attributes: &Attributes<'_>, settings: &TraceSettings, out: &mut Span) {
    let kind = names::kind(span);
    out.meta.insert("span.kind".to_owned(), names::kind_tag(kind).to_owned());
    #[allow(clippy::cast_precision_loss)]
    if let Some(code) = attributes.whole(semantics::HTTP_STATUS).filter(|code| *code >= 0) {
        out.metrics.insert("http.status_code".to_owned(), code as f64);
    }
    set(out, "rpc.grpc.status_code", &attributes.string(semantics::GRPC_STATUS));
    let by_kind = settings.compute_top_level_by_span_kind;
    if by_kind && (out.parent_id == 0 || matches!(kind, Ok(SpanKind::Server | SpanKind::Consumer))) {
        out.metrics.insert(TOP_LEVEL.to_owned(), 1.0);
    }
    let asks = by_kind && matches!(kind, Ok(SpanKind::Client | SpanKind::Producer));
    if asks || attributes.whole(semantics::MEASURED) == Some(1) {
        out.metrics.insert(MEASURED.to_owned(), 1.0);
    }
    let rate = match semantics::first(&span.attributes, SAMPLE_RATE) {
        Some(Some(Value::DoubleValue(rate))) => Some(*rate),
        #[allow(clippy::cast_precision_loss)]
        Some(Some(Value::IntValue(rate))) => Some(*rate as f64),
        _ => None,
    };
    if let Some(rate) =
        rate.or_else(|| tracestate::probability(&span.trace_state).filter(|_| !span.trace_state.is_empty()))
    {
        out.metrics.insert(SAMPLE_RATE.to_owned(), rate);
    }
    set(out, TRACE_STATE, &span.trace_state);
}

/// Sets everything besides the attributes: events, links, status, the library; environment and version.
fn told(span: &Received, attributes: &Attributes<'_>, scope: Option<&InstrumentationScope>, out: &mut Span) {
    let mut id = String::with_capacity(32);
    json::hex(&span.trace_id, 16, &mut id);
    out.meta.insert("otel.trace_id".to_owned(), id);
    if !out.meta.contains_key("version") {
        set(out, "version", &normalize::tag_value(&attributes.string(semantics::SERVICE_VERSION)));
    }
    if !span.events.is_empty() {
        out.meta.insert("events".to_owned(), json::events(&span.events));
    }
    if span.events.iter().any(|event| event.name == "exception") {
        out.meta.insert("_dd.span_events.has_exception".to_owned(), "true".to_owned());
    }
    if !span.links.is_empty() {
        out.meta.insert("_dd.span_links".to_owned(), json::links(&span.links));
    }
    if let Some(scope) = scope {
        for key in ["otel.scope.name", "otel.library.name"] {
            set(out, key, &scope.name);
        }
        for key in ["otel.scope.version", "otel.library.version"] {
            set(out, key, &scope.version);
        }
    }
    status(span, out);
    if !out.meta.contains_key("env") {
        set(out, "env", &normalize::tag_value(&attributes.string(semantics::ENVIRONMENT)));
    }
}

fn status(span: &Received, out: &mut Span) {
    let (code, message) = span.status.as_ref().map_or((0, ""), |status| (status.code, status.message.as_str()));
    let code = match StatusCode::try_from(code) {
        Ok(StatusCode::Unset) => "Unset",
        Ok(StatusCode::Ok) => "Ok",
        Ok(StatusCode::Error) => "Error",
        Err(_) => "",
    };
    out.meta.insert("otel.status_code".to_owned(), code.to_owned());
    set(out, "otel.status_description", message);
    if out.error == 0 || out.meta.contains_key("error.msg") {
        return;
    }
    let http = out.meta.string(semantics::HTTP_STATUS).into_owned();
    if !message.is_empty() {
        set(out, "error.msg", message);
    } else if !http.is_empty() {
        let reason = http.parse().ok().and_then(super::http::reason);
        set(out, "error.msg", &reason.map_or_else(|| http.clone(), |reason| format!("{http} {reason}")));
    }
}

fn failed(span: &Received) -> bool {
    span.status.as_ref().is_some_and(|status| status.code == StatusCode::Error as i32)
}

/// Sets a tag, unless the value is empty.
fn set(out: &mut Span, key: &str, value: &str) {
    if !value.is_empty() {
        out.meta.insert(key.to_owned(), value.to_owned());
    }
}

fn string(entry: &KeyValue) -> Cow<'_, str> {
    entry.value.as_ref().and_then(|value| value.value.as_ref()).map(as_string).unwrap_or_default()
}

/// Returns Datadog's key of an attribute; `None` for those that became fields.
fn key(key: &str) -> Option<Cow<'_, str>> {
    if let Some((_, tag)) = HTTP_TAGS.iter().find(|(attribute, _)| *attribute == key) {
        return Some(Cow::Borrowed(tag));
    }
    match key.strip_prefix("http.request.header.") {
        Some(header) => Some(Cow::Owned(format!("http.request.headers.{header}"))),
        None if ["", "service.name", "operation.name", "resource.name", "span.type"].contains(&key) => None,
        None => Some(Cow::Borrowed(key)),
    }
}

/// Adds a text attribute, unless its tag is already set.
fn tag(entry: &KeyValue, out: &mut Span) {
    let Some(key) = key(&entry.key).filter(|key| out.meta.get(key.as_ref()).is_none_or(String::is_empty)) else {
        return;
    };
    let value = string(entry);
    if key != "analytics.event" {
        out.meta.insert(key.into_owned(), value.into_owned());
        return;
    }
    let rate = match value.as_ref() {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => 1.0,
        "0" | "f" | "F" | "FALSE" | "false" | "False" => 0.0,
        _ => return,
    };
    out.metrics.entry(EVENT_RATE.to_owned()).or_insert(rate);
}

/// Adds a numeric attribute, unless its tag is already set.
fn metric(attribute: &str, value: f64, out: &mut Span) {
    let Some(key) = key(attribute).filter(|key| !out.metrics.contains_key(key.as_ref())) else { return };
    let key = if key == "sampling.priority" { Cow::Borrowed(PRIORITY) } else { key };
    out.metrics.entry(key.into_owned()).or_insert(value);
}

/// Returns the lower half of a trace id; 0 if it is invalid.
fn trace_id(id: &[u8]) -> u64 {
    <[u8; 16]>::try_from(id).map_or(0, |id| u64::from_be_bytes(id[8..].try_into().unwrap_or_default()))
}

fn span_id(id: &[u8]) -> u64 {
    id.try_into().map_or(0, u64::from_be_bytes)
}
