//! Log records.

use super::common::{attribute, resource, scope, value};
use super::object::Object;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};

pub(super) fn of_resource(object: &mut Object<'_>, logs: &ResourceLogs) {
    if let Some(of) = &logs.resource {
        object.object("resource", of, resource);
    }
    object.list("scopeLogs", &logs.scope_logs, of_scope);
    object.text("schemaUrl", &logs.schema_url);
}

fn of_scope(object: &mut Object<'_>, logs: &ScopeLogs) {
    if let Some(of) = &logs.scope {
        object.object("scope", of, scope);
    }
    object.list("logRecords", &logs.log_records, record);
    object.text("schemaUrl", &logs.schema_url);
}

fn record(object: &mut Object<'_>, record: &LogRecord) {
    object.u64("timeUnixNano", record.time_unix_nano);
    object.u64("observedTimeUnixNano", record.observed_time_unix_nano);
    object.i32("severityNumber", record.severity_number);
    object.text("severityText", &record.severity_text);
    if let Some(body) = &record.body {
        object.object("body", body, value);
    }
    object.list("attributes", &record.attributes, attribute);
    object.u32("droppedAttributesCount", record.dropped_attributes_count);
    object.u32("flags", record.flags);
    object.id("traceId", &record.trace_id);
    object.id("spanId", &record.span_id);
    object.text("eventName", &record.event_name);
}
