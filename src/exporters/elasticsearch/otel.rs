//! Mapping mode `otel`: OTLP's own structure, as accepted by Elasticsearch's templates `*-*.otel-*`.

use super::json::{Json, id};
use super::points::{Group, PointValue};
use super::route::Index;
use crate::delivery::attributes::{Attributes, as_string};
use crate::model::hex::hex;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use std::collections::BTreeMap;

/// Routing attributes, which are not part of the document.
const OF_THE_WAY: [&str; 7] = [
    "data_stream.type",
    "data_stream.dataset",
    "data_stream.namespace",
    "elasticsearch.index",
    "elasticsearch.document_id",
    "elasticsearch.ingest_pipeline",
    "elasticsearch.mapping.hints",
];

/// Context of an item.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) resource: Option<&'a Resource>,
    pub(super) resource_schema: &'a str,
    pub(super) scope: Option<&'a InstrumentationScope>,
    pub(super) scope_schema: &'a str,
}

/// Writes a log record as a document.
pub(super) fn log(record: &LogRecord, around: Around<'_>, index: &Index<'_>, out: &mut Vec<u8>) {
    let mut json = Json::new(out);
    json.begin_map();
    let time = if record.time_unix_nano == 0 { record.observed_time_unix_nano } else { record.time_unix_nano };
    timestamp(&mut json, "@timestamp", time);
    timestamp(&mut json, "observed_timestamp", record.observed_time_unix_nano);
    data_stream(&mut json, index);
    text(&mut json, "severity_text", &record.severity_text);
    int(&mut json, "severity_number", i64::from(record.severity_number));
    hex_id(&mut json, "trace_id", &record.trace_id);
    hex_id(&mut json, "span_id", &record.span_id);
    let own = Attributes::of(&record.attributes);
    attributes(&mut json, own, None, false);
    int(&mut json, "dropped_attributes_count", i64::from(record.dropped_attributes_count));
    let event = if record.event_name.is_empty() { own.text("event.name") } else { Some(record.event_name.as_str()) };
    text(&mut json, "event_name", event.unwrap_or_default());
    around.write(&mut json, false);
    if let Some(value) = record.body.as_ref().and_then(|body| body.value.as_ref()) {
        json.key("body");
        json.begin_map();
        body(&mut json, value);
        json.end_map();
    }
    json.end_map();
}

/// A list must contain objects only, because an index supports no other lists here; otherwise it is wrapped in one.
fn body(json: &mut Json<'_>, value: &Value) {
    let is_map = |inner: &AnyValue| matches!(inner.value, Some(Value::KvlistValue(_)));
    match value {
        Value::ArrayValue(list) if !list.values.iter().all(is_map) => {
            json.key("structured");
            json.begin_map();
            json.key("value");
            json.value(Some(value));
            json.end_map();
        }
        Value::ArrayValue(_) | Value::KvlistValue(_) => {
            json.key("structured");
            json.value(Some(value));
        }
        text => {
            json.key("text");
            json.text(&as_string(text));
        }
    }
}

/// Writes a span as a document; its events are separate documents.
pub(super) fn span(span: &Span, around: Around<'_>, index: &Index<'_>, out: &mut Vec<u8>) {
    let mut json = Json::new(out);
    json.begin_map();
    timestamp(&mut json, "@timestamp", span.start_time_unix_nano);
    data_stream(&mut json, index);
    hex_id(&mut json, "trace_id", &span.trace_id);
    hex_id(&mut json, "span_id", &span.span_id);
    text(&mut json, "trace_state", &span.trace_state);
    hex_id(&mut json, "parent_span_id", &span.parent_span_id);
    text(&mut json, "name", &span.name);
    text(&mut json, "kind", kind(span.kind()));
    json.key("duration");
    json.uint(span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano));
    attributes(&mut json, Attributes::of(&span.attributes), None, false);
    int(&mut json, "dropped_attributes_count", i64::from(span.dropped_attributes_count));
    int(&mut json, "dropped_events_count", i64::from(span.dropped_events_count));
    json.key("links");
    json.begin_list();
    span.links.iter().for_each(|link| link_of(&mut json, link));
    json.end_list();
    int(&mut json, "dropped_links_count", i64::from(span.dropped_links_count));
    let status = span.status.clone().unwrap_or_default();
    json.key("status");
    json.begin_map();
    text(&mut json, "message", &status.message);
    let code = match status.code() {
        StatusCode::Unset => "Unset",
        StatusCode::Ok => "Ok",
        StatusCode::Error => "Error",
    };
    text(&mut json, "code", code);
    json.end_map();
    around.write(&mut json, false);
    json.end_map();
}

fn link_of(json: &mut Json<'_>, link: &Link) {
    json.begin_map();
    text(json, "trace_id", &hex(&link.trace_id));
    text(json, "span_id", &hex(&link.span_id));
    text(json, "trace_state", &link.trace_state);
    attributes(json, Attributes::of(&link.attributes), None, false);
    int(json, "dropped_attributes_count", i64::from(link.dropped_attributes_count));
    json.end_map();
}

/// Writes a span's event as a document.
pub(super) fn event(event: &Event, span: &Span, around: Around<'_>, index: &Index<'_>, out: &mut Vec<u8>) {
    let mut json = Json::new(out);
    json.begin_map();
    timestamp(&mut json, "@timestamp", event.time_unix_nano);
    data_stream(&mut json, index);
    hex_id(&mut json, "trace_id", &span.trace_id);
    hex_id(&mut json, "span_id", &span.span_id);
    int(&mut json, "dropped_attributes_count", i64::from(event.dropped_attributes_count));
    text(&mut json, "event_name", &event.name);
    let name = Some(event.name.as_str()).filter(|name| !name.is_empty());
    attributes(&mut json, Attributes::of(&event.attributes), name, false);
    around.write(&mut json, false);
    json.end_map();
}

/// Writes the data points with the same time and attributes as a document, with the dynamic template of the index that maps
/// each of them.
pub(super) fn metrics(group: &Group<'_>, around: Around<'_>, out: &mut Vec<u8>) {
    let mut json = Json::new(out);
    json.begin_map();
    timestamp(&mut json, "@timestamp", group.time_unix_nano);
    if group.start_unix_nano != 0 {
        timestamp(&mut json, "start_timestamp", group.start_unix_nano);
    }
    text(&mut json, "unit", group.unit);
    data_stream(&mut json, &group.index);
    attributes(&mut json, group.attributes, None, true);
    around.write(&mut json, true);
    json.key("metrics");
    json.begin_map();
    for (name, value) in &group.values {
        json.key(name);
        point(&mut json, value);
    }
    json.end_map();
    text(&mut json, "_metric_names_hash", &format!("{:x}", names_hash(group)));
    json.end_map();
}

fn point(json: &mut Json<'_>, value: &PointValue) {
    match value {
        PointValue::Int(number) => json.int(*number),
        PointValue::Double(number) => json.double(*number),
        PointValue::Histogram { counts, values } => {
            json.begin_map();
            json.key("counts");
            json.begin_list();
            counts.iter().for_each(|count| json.int(*count));
            json.end_list();
            json.key("values");
            json.begin_list();
            values.iter().for_each(|value| json.double(*value));
            json.end_list();
            json.end_map();
        }
        PointValue::Summary { sum, count } => {
            json.begin_map();
            json.key("sum");
            json.double(*sum);
            json.key("value_count");
            json.int(*count);
            json.end_map();
        }
    }
}

/// FNV-1a of the metrics' names in order: distinguishes documents with the same time and attributes, for
/// <https://github.com/elastic/elasticsearch/issues/99123>.
fn names_hash(group: &Group<'_>) -> u32 {
    let mut names: Vec<&str> = group.values.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    let bytes = names.iter().flat_map(|name| name.bytes());
    bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

impl Around<'_> {
    fn write(&self, json: &mut Json<'_>, stringifies_maps: bool) {
        json.key("resource");
        json.begin_map();
        text(json, "schema_url", self.resource_schema);
        if let Some(resource) = self.resource {
            attributes(json, Attributes::of(&resource.attributes), None, stringifies_maps);
            int(json, "dropped_attributes_count", i64::from(resource.dropped_attributes_count));
        }
        json.end_map();
        json.key("scope");
        json.begin_map();
        text(json, "schema_url", self.scope_schema);
        if let Some(scope) = self.scope {
            text(json, "name", &scope.name);
            text(json, "version", &scope.version);
            attributes(json, Attributes::of(&scope.attributes), None, stringifies_maps);
            int(json, "dropped_attributes_count", i64::from(scope.dropped_attributes_count));
        }
        json.end_map();
    }
}

/// Writes attributes under their own keys; of a duplicate key, the last. A location (`geo.location.lat` and `.lon`) becomes one
/// point.
fn attributes(json: &mut Json<'_>, attributes: Attributes<'_>, event_name: Option<&str>, stringifies_maps: bool) {
    let of_the_document = attributes.iter().filter(|(key, _)| !OF_THE_WAY.contains(key));
    let mut last: BTreeMap<&str, Option<&Value>> = of_the_document.collect();
    if attributes.is_empty() && event_name.is_none() {
        return;
    }
    let points = places(&last);
    last.retain(|key, _| {
        let prefix = key.strip_suffix("geo.location.lat").or_else(|| key.strip_suffix("geo.location.lon"));
        !prefix.is_some_and(|prefix| points.iter().any(|(known, _)| known == prefix))
    });
    json.key("attributes");
    json.begin_map();
    for (key, value) in last {
        if key == "event.name" && event_name.is_some() {
            continue;
        }
        json.key(key);
        match value {
            Some(map @ Value::KvlistValue(_)) if stringifies_maps => json.text(&as_string(map)),
            value => json.value(value),
        }
    }
    if let Some(name) = event_name {
        json.key("event.name");
        json.text(name);
    }
    for (prefix, [longitude, latitude]) in points {
        json.key(&format!("{prefix}geo.location"));
        json.begin_list();
        json.double(longitude);
        json.double(latitude);
        json.end_list();
    }
    json.end_map();
}

/// Returns the locations with both longitude and latitude, by the prefix before `geo.location`.
fn places(attributes: &BTreeMap<&str, Option<&Value>>) -> Vec<(String, [f64; 2])> {
    let double = |key: &str| match attributes.get(key) {
        Some(Some(Value::DoubleValue(number))) => Some(*number),
        _ => None,
    };
    let prefixes = attributes.keys().filter_map(|key| key.strip_suffix("geo.location.lat"));
    let prefixes = prefixes.filter(|prefix| prefix.is_empty() || prefix.ends_with('.'));
    let place = |prefix: &str| {
        let [longitude, latitude] = ["lon", "lat"].map(|end| double(&format!("{prefix}geo.location.{end}")));
        Some((prefix.to_owned(), [longitude?, latitude?]))
    };
    prefixes.filter_map(place).collect()
}

fn data_stream(json: &mut Json<'_>, index: &Index<'_>) {
    if let Some(stream) = &index.stream {
        json.key("data_stream");
        json.begin_map();
        text(json, "type", stream.kind);
        text(json, "dataset", &stream.dataset);
        text(json, "namespace", &stream.namespace);
        json.end_map();
    }
}

/// Milliseconds with a fraction, which `date_nanos` reads without loss.
fn timestamp(json: &mut Json<'_>, key: &str, unix_nano: u64) {
    json.key(key);
    json.text(&format!("{}.{:06}", unix_nano / 1_000_000, unix_nano % 1_000_000));
}

fn text(json: &mut Json<'_>, key: &str, text: &str) {
    if !text.is_empty() {
        json.key(key);
        json.text(text);
    }
}

fn int(json: &mut Json<'_>, key: &str, number: i64) {
    if number != 0 {
        json.key(key);
        json.int(number);
    }
}

fn hex_id(json: &mut Json<'_>, key: &str, bytes: &[u8]) {
    text(json, key, &id(bytes).unwrap_or_default());
}

const fn kind(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Unspecified => "Unspecified",
        SpanKind::Internal => "Internal",
        SpanKind::Server => "Server",
        SpanKind::Client => "Client",
        SpanKind::Producer => "Producer",
        SpanKind::Consumer => "Consumer",
    }
}
