//! Mapping mode `ecs`: names of the Elastic Common Schema, as the Collector's exporter maps them.
//!
//! Additional fields, for data that would be lost: a span's duration (`event.duration`, ns), a log's own event name
//! (`event.action`), a body that is not text (`message`, as JSON), and bytes (in base64).

use super::document::{Document, Value};
use super::points::{Group, PointValue};
use super::route::{Index, Origin};
use crate::delivery::attributes::{Attributes, as_string};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::{Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

/// ECS names of resource attributes; empty if left out.
const OF_RESOURCES: [(&str, &str); 38] = [
    ("service.instance.id", "service.node.name"),
    ("deployment.environment", "service.environment"),
    ("deployment.environment.name", "service.environment"),
    ("telemetry.sdk.name", ""),
    ("telemetry.sdk.language", "service.language.name"),
    ("telemetry.sdk.version", "service.language.version"),
    ("telemetry.distro.name", ""),
    ("telemetry.distro.version", ""),
    ("cloud.platform", "cloud.service.name"),
    ("container.image.tags", "container.image.tag"),
    ("host.name", "host.hostname"),
    ("host.arch", "host.architecture"),
    ("process.parent_pid", "process.parent.pid"),
    ("process.executable.name", "process.title"),
    ("process.executable.path", "process.executable"),
    ("process.command_line", "process.args"),
    ("process.runtime.name", "service.runtime.name"),
    ("process.runtime.version", "service.runtime.version"),
    ("os.name", "host.os.name"),
    ("os.type", "host.os.platform"),
    ("os.description", "host.os.full"),
    ("os.version", "host.os.version"),
    ("client.address", "client.ip"),
    ("source.address", "source.ip"),
    ("k8s.deployment.name", "kubernetes.deployment.name"),
    ("k8s.namespace.name", "kubernetes.namespace"),
    ("k8s.node.name", "kubernetes.node.name"),
    ("k8s.pod.name", "kubernetes.pod.name"),
    ("k8s.pod.uid", "kubernetes.pod.uid"),
    ("k8s.job.name", "kubernetes.job.name"),
    ("k8s.cronjob.name", "kubernetes.cronjob.name"),
    ("k8s.statefulset.name", "kubernetes.statefulset.name"),
    ("k8s.replicaset.name", "kubernetes.replicaset.name"),
    ("k8s.daemonset.name", "kubernetes.daemonset.name"),
    ("k8s.container.name", "kubernetes.container.name"),
    ("k8s.cluster.name", "orchestrator.cluster.name"),
    ("faas.instance", "faas.id"),
    ("faas.trigger", "faas.trigger.type"),
];

/// Fields built from more than attributes.
const OWN: [&str; 5] = ["@timestamp", "trace.id", "span.id", "message", "log.level"];

/// ECS names of log record attributes.
const OF_LOGS: [(&str, &str); 6] = [
    ("event.name", "event.action"),
    ("exception.message", "error.message"),
    ("exception.stacktrace", "error.stacktrace"),
    ("exception.type", "error.type"),
    ("exception.escaped", "event.error.exception.handled"),
    ("http.response.body.size", "http.response.encoded_body_size"),
];

/// ECS names of span attributes.
const OF_SPANS: [(&str, &str); 6] = [
    ("messaging.operation.name", "span.action"),
    ("db.system", "span.db.type"),
    ("db.system.name", "span.db.type"),
    ("db.namespace", "span.db.instance"),
    ("db.query.text", "span.db.statement"),
    ("http.response.body.size", "http.response.encoded_body_size"),
];

/// Writes a log record as a document.
pub(super) fn log(record: &LogRecord, origin: Origin<'_>, index: &Index<'_>, out: &mut Vec<u8>) {
    let mut document = Document::default();
    renamed(&mut document, origin.resource, &OF_RESOURCES);
    document.attributes(origin.scope);
    renamed(&mut document, origin.item, &OF_LOGS);
    data_stream(&mut document, index);
    agent(&mut document, origin.resource);
    host_os_type(&mut document, origin.resource);
    let time = if record.time_unix_nano == 0 { record.observed_time_unix_nano } else { record.time_unix_nano };
    document.time("@timestamp", time);
    document.id("trace.id", &record.trace_id);
    document.id("span.id", &record.span_id);
    if record.severity_number != 0 {
        document.add("event.severity", Value::Int(record.severity_number.into()));
    }
    document.text("log.level", record.severity_text.as_str());
    if !record.event_name.is_empty() {
        document.text("event.action", record.event_name.as_str());
    }
    if let Some(body) = record.body.as_ref().and_then(|body| body.value.as_ref()) {
        document.add("message", Value::Text(as_string(body)));
    }
    document.write(out, |key| is_protected(key, &OF_LOGS));
}

/// Writes a span as a document.
pub(super) fn span(span: &Span, origin: Origin<'_>, index: &Index<'_>, out: &mut Vec<u8>) {
    let mut document = Document::default();
    renamed(&mut document, origin.resource, &OF_RESOURCES);
    document.attributes(origin.scope);
    let is_transaction = origin.item.text("processor.event") == Some("transaction");
    let queue = if is_transaction { "transaction.message.queue.name" } else { "span.message.queue.name" };
    let names = [OF_SPANS.as_slice(), &[("messaging.destination.name", queue)]].concat();
    renamed(&mut document, origin.item, &names);
    host_os_type(&mut document, origin.resource);
    data_stream(&mut document, index);
    document.time("@timestamp", span.start_time_unix_nano);
    document.id("trace.id", &span.trace_id);
    document.id("span.id", &span.span_id);
    document.text("span.name", span.name.as_str());
    document.id("parent.id", &span.parent_span_id);
    match span.status.as_ref().map(opentelemetry_proto::tonic::trace::v1::Status::code) {
        Some(StatusCode::Ok) => document.text("event.outcome", "success"),
        Some(StatusCode::Error) => document.text("event.outcome", "failure"),
        _ => {}
    }
    if let Some(duration) = span.end_time_unix_nano.checked_sub(span.start_time_unix_nano) {
        document.add("event.duration", Value::Int(i64::try_from(duration).unwrap_or(i64::MAX)));
    }
    if !span.links.is_empty() {
        document.add("span.links", Value::List(span.links.iter().map(link).collect()));
    }
    document.text("span.kind", kind(span.kind()));
    document.write(out, |key| is_protected(key, &OF_SPANS));
}

/// Writes the data points with the same time and attributes as a document.
pub(super) fn metrics(group: &Group<'_>, resource: Attributes<'_>, out: &mut Vec<u8>) {
    let mut document = Document::default();
    renamed(&mut document, resource, &OF_RESOURCES);
    document.time("@timestamp", group.time_unix_nano);
    document.attributes(group.attributes);
    data_stream(&mut document, &group.index);
    for (name, value) in &group.values {
        match value {
            PointValue::Int(number) => document.add(*name, Value::Int(*number)),
            PointValue::Double(number) => document.add(*name, Value::Double(*number)),
            PointValue::Histogram { counts, values } => {
                let counts = counts.iter().map(|count| Value::Int(*count)).collect();
                let values = values.iter().map(|value| Value::Double(*value)).collect();
                document.add(format!("{name}.counts"), Value::List(counts));
                document.add(format!("{name}.values"), Value::List(values));
            }
            PointValue::Summary { sum, count } => {
                document.add(format!("{name}.sum"), Value::Double(*sum));
                document.add(format!("{name}.value_count"), Value::Int(*count));
            }
        }
    }
    document.write(out, |key| is_protected(key, &[]));
}

fn renamed<'a>(document: &mut Document<'a>, attributes: Attributes<'a>, names: &[(&'a str, &'a str)]) {
    for (key, value) in attributes.iter() {
        match names.iter().find(|(from, _)| *from == key) {
            None => document.attribute(key, value),
            Some((_, "")) => {}
            // Also kept under its own name; an attribute that already has the ECS name takes precedence.
            Some(("host.name", to)) => {
                if attributes.get(to).is_none() {
                    document.attribute(*to, value);
                }
                document.attribute(key, value);
            }
            Some((_, to)) => document.attribute(*to, value),
        }
    }
}

/// Fields of the schema keep their value, even if an attribute names a field below them.
fn is_protected(key: &str, names: &[(&str, &str)]) -> bool {
    OWN.contains(&key) || OF_RESOURCES.iter().chain(names).any(|(_, to)| *to == key)
}

fn data_stream(document: &mut Document<'_>, index: &Index<'_>) {
    if let Some(stream) = &index.stream {
        document.text("data_stream.type", stream.kind);
        document.text("data_stream.dataset", stream.dataset.clone());
        document.text("data_stream.namespace", stream.namespace.clone());
    }
}

/// The recorder of a log, unless the log sets it: `agent.name` is `sdk/language/distribution`, as far as known.
fn agent<'a>(document: &mut Document<'a>, resource: Attributes<'a>) {
    let text = |key| resource.text(key).filter(|text| !text.is_empty());
    if text("agent.name").is_none() {
        let sdk = text("telemetry.sdk.name").unwrap_or("otlp");
        let name = match (text("telemetry.sdk.language"), text("telemetry.distro.name")) {
            (language, Some(distribution)) => format!("{sdk}/{}/{distribution}", language.unwrap_or("unknown")),
            (Some(language), None) => format!("{sdk}/{language}"),
            (None, None) => sdk.to_owned(),
        };
        document.text("agent.name", name);
    }
    if text("agent.version").is_none() {
        let version = text("telemetry.distro.version").or_else(|| text("telemetry.sdk.version"));
        document.text("agent.version", version.unwrap_or_default());
    }
}

/// <https://www.elastic.co/guide/en/ecs/current/ecs-os.html#field-os-type> allows only these values.
fn host_os_type(document: &mut Document<'_>, resource: Attributes<'_>) {
    let by_type = match resource.text("os.type") {
        Some("windows") => "windows",
        Some("linux") => "linux",
        Some("darwin") => "macos",
        Some("aix" | "hpux" | "solaris") => "unix",
        _ => "",
    };
    let word = match resource.text("os.name") {
        Some("Android") => "android",
        Some("iOS") => "ios",
        _ => by_type,
    };
    document.text("host.os.type", word);
}

fn link<'a>(link: &Link) -> Value<'a> {
    let mut document = Document::default();
    document.id("trace.id", &link.trace_id);
    document.id("span.id", &link.span_id);
    Value::Map(document)
}

const fn kind(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Unspecified => "",
        SpanKind::Internal => "INTERNAL",
        SpanKind::Server => "SERVER",
        SpanKind::Client => "CLIENT",
        SpanKind::Producer => "PRODUCER",
        SpanKind::Consumer => "CONSUMER",
    }
}
