//! Maps one record to a Datadog log.

use super::{flat, time};
use crate::delivery::attributes::{Attributes, as_string};
use crate::model::hex::hex;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use serde_json::{Map, Value as Json};

const SCOPE_NAME: &str = "otel.scope.name";
const SCOPE_VERSION: &str = "otel.scope.version";
/// Former names in SDKs.
const LIBRARY_NAME: &str = "otel.library.name";
const LIBRARY_VERSION: &str = "otel.library.version";
/// Tells Datadog how a log was sent.
const OTEL_SOURCE: &str = "otel_source:datadog_exporter";
/// Default source of a log.
const SOURCE: &str = "otlp_log_ingestion";

/// Context of a record.
pub(super) struct Around<'a> {
    pub(super) resource: Attributes<'a>,
    pub(super) scope: Option<&'a InstrumentationScope>,
    /// Tags of the resource, separated by commas.
    pub(super) tags: &'a str,
    pub(super) host: &'a str,
    pub(super) service: &'a str,
}

/// What a record contains besides its properties.
#[derive(Default)]
struct Found {
    message: String,
    status: String,
    tags: Option<String>,
}

type Properties = Map<String, Json>;

fn text(value: Option<&Value>) -> String {
    value.map(as_string).unwrap_or_default().into_owned()
}

impl Around<'_> {
    /// Returns the record as an object.
    pub(super) fn item(&self, record: &LogRecord) -> Json {
        let mut properties = Properties::new();
        let mut found = self.own(record, &mut properties);
        self.put_resource(&mut properties);
        self.put_scope(&mut properties);
        put_ids(record, &mut properties);
        put_severity(record, &mut found.status, &mut properties);
        properties.insert("status".to_owned(), found.status.into());
        put_time(record, &mut properties);
        if !record.event_name.is_empty() {
            properties.insert("otel.event_name".to_owned(), record.event_name.as_str().into());
        }
        if found.message.is_empty() {
            found.message = text(record.body.as_ref().and_then(|body| body.value.as_ref()));
        }
        let tags = found.tags.unwrap_or_else(|| self.tags.to_owned());
        let tags = if tags.is_empty() { OTEL_SOURCE.to_owned() } else { format!("{tags},{OTEL_SOURCE}") };
        let source = properties.get("datadog.log.source").and_then(Json::as_str).filter(|source| !source.is_empty());
        let mut item = Properties::new();
        item.insert("ddsource".to_owned(), source.unwrap_or(SOURCE).into());
        item.insert("ddtags".to_owned(), tags.into());
        if !self.host.is_empty() {
            item.insert("hostname".to_owned(), self.host.into());
        }
        item.insert("message".to_owned(), found.message.into());
        if !self.service.is_empty() {
            item.insert("service".to_owned(), self.service.into());
        }
        // Properties take precedence over fields with the same name.
        item.extend(properties);
        Json::Object(item)
    }

    /// Reads a record's attributes: those with a meaning for Datadog's backend, and properties.
    fn own(&self, record: &LogRecord, properties: &mut Properties) -> Found {
        let attributes = Attributes::of(&record.attributes);
        let mut found = Found::default();
        for (key, value) in attributes.iter() {
            match key.to_lowercase().as_str() {
                "msg" | "message" | "log" => found.message = text(value),
                "status" | "severity" | "level" | "syslog.severity" => found.status = text(value),
                LIBRARY_NAME => put_unless(&attributes, SCOPE_NAME, value, properties),
                LIBRARY_VERSION => put_unless(&attributes, SCOPE_VERSION, value, properties),
                "traceid" | "trace_id" | "contextmap.traceid" | "oteltraceid" => {
                    put_id("trace_id", 32, &text(value), properties);
                }
                "spanid" | "span_id" | "contextmap.spanid" | "otelspanid" => {
                    put_id("span_id", 16, &text(value), properties);
                }
                "ddtags" => {
                    let own = text(value);
                    found.tags = Some(if self.tags.is_empty() { own } else { format!("{},{own}", self.tags) });
                }
                _ => flat::put(key, value, properties),
            }
        }
        found
    }

    fn put_resource(&self, properties: &mut Properties) {
        for (key, value) in self.resource.iter() {
            match key {
                // Names with a meaning for the intake.
                "hostname" | "service" => {
                    properties.insert(format!("otel.{key}"), text(value).into());
                }
                LIBRARY_NAME => put_unless(&self.resource, SCOPE_NAME, value, properties),
                LIBRARY_VERSION => put_unless(&self.resource, SCOPE_VERSION, value, properties),
                _ => {
                    properties.insert(key.to_owned(), text(value).into());
                }
            }
        }
    }

    fn put_scope(&self, properties: &mut Properties) {
        let Some(scope) = self.scope else { return };
        for (key, value) in Attributes::of(&scope.attributes).iter() {
            properties.insert(key.to_owned(), text(value).into());
        }
        for (key, value) in [(SCOPE_NAME, &scope.name), (SCOPE_VERSION, &scope.version)] {
            if !value.is_empty() && !properties.contains_key(key) {
                properties.insert(key.to_owned(), value.as_str().into());
            }
        }
    }
}

/// Stores the value of an older name under the newer one, unless that is also present.
fn put_unless(attributes: &Attributes<'_>, newer: &str, value: Option<&Value>, properties: &mut Properties) {
    if !attributes.iter().any(|(key, _)| key == newer) {
        properties.insert(newer.to_owned(), text(value).into());
    }
}

/// Stores an id from the attributes, written with this many digits, also in Datadog's form: the last 64 bits as a number.
fn put_id(name: &str, digits: usize, id: &str, properties: &mut Properties) {
    let is_id = id.len() == digits && id.bytes().all(|digit| digit.is_ascii_hexdigit());
    let Some(Ok(low)) = is_id.then(|| u64::from_str_radix(&id[digits - 16..], 16)) else { return };
    let datadogs = format!("dd.{name}");
    if !properties.contains_key(&datadogs) {
        properties.insert(datadogs, low.to_string().into());
        properties.insert(format!("otel.{name}"), id.into());
    }
}

fn put_ids(record: &LogRecord, properties: &mut Properties) {
    for (name, id, length) in [("trace_id", &record.trace_id, 16), ("span_id", &record.span_id, 8)] {
        let Some(low) = id.last_chunk().filter(|_| id.len() == length && id.iter().any(|byte| *byte != 0)) else {
            continue;
        };
        properties.insert(format!("dd.{name}"), u64::from_be_bytes(*low).to_string().into());
        properties.insert(format!("otel.{name}"), hex(id).into());
    }
}

fn put_severity(record: &LogRecord, status: &mut String, properties: &mut Properties) {
    if !record.severity_text.is_empty() {
        if status.is_empty() {
            status.clone_from(&record.severity_text);
        }
        properties.insert("otel.severity_text".to_owned(), record.severity_text.as_str().into());
    }
    if record.severity_number != 0 {
        if status.is_empty() {
            level(record.severity_number).clone_into(status);
        }
        properties.insert("otel.severity_number".to_owned(), record.severity_number.to_string().into());
    }
}

/// Returns the level of an OTLP severity number.
const fn level(number: i32) -> &'static str {
    match number {
        ..=4 => "trace",
        5..=8 => "debug",
        9..=12 => "info",
        13..=16 => "warn",
        21..=24 => "fatal",
        _ => "error",
    }
}

fn put_time(record: &LogRecord, properties: &mut Properties) {
    let times = [record.time_unix_nano, record.observed_time_unix_nano];
    let Some(time) = times.into_iter().find(|time| *time != 0).map(u64::cast_signed) else { return };
    properties.insert("otel.timestamp".to_owned(), time.to_string().into());
    properties.insert("@timestamp".to_owned(), time::text(time).into());
}
