//! Log records.

use super::DecodeError;
use super::common::{any_value, attributes, resource, scope};
use super::read::Object;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};

pub(super) fn resource_logs(from: &Object<'_>) -> Result<ResourceLogs, DecodeError> {
    Ok(ResourceLogs {
        resource: from.object("resource", resource)?,
        scope_logs: from.list("scopeLogs", scope_logs)?,
        schema_url: from.text("schemaUrl")?,
    })
}

fn scope_logs(from: &Object<'_>) -> Result<ScopeLogs, DecodeError> {
    Ok(ScopeLogs {
        scope: from.object("scope", scope)?,
        log_records: from.list("logRecords", record)?,
        schema_url: from.text("schemaUrl")?,
    })
}

fn record(from: &Object<'_>) -> Result<LogRecord, DecodeError> {
    let severity = |name: &str| SeverityNumber::from_str_name(name).map(|severity| severity as i32);
    Ok(LogRecord {
        time_unix_nano: from.u64("timeUnixNano")?,
        observed_time_unix_nano: from.u64("observedTimeUnixNano")?,
        severity_number: from.word("severityNumber", severity)?,
        severity_text: from.text("severityText")?,
        body: from.object("body", |body| any_value(body, 0))?,
        attributes: attributes(from, "attributes")?,
        dropped_attributes_count: from.u32("droppedAttributesCount")?,
        flags: from.u32("flags")?,
        trace_id: from.id("traceId")?,
        span_id: from.id("spanId")?,
        event_name: from.text("eventName")?,
    })
}
