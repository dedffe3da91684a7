//! Log records.

use super::common::{SPAN_ID, TRACE_ID, any_value, key_value, resource, scope};
use super::read::Reader;
use super::scan::Read;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};

pub(super) fn request(reader: &mut Reader<'_>, request: &mut ExportLogsServiceRequest, key: &str) -> Read<()> {
    match key {
        "resourceLogs" => reader.containers(&mut request.resource_logs, resource_logs),
        _ => reader.pass(),
    }
}

fn resource_logs(reader: &mut Reader<'_>, logs: &mut ResourceLogs, key: &str) -> Read<()> {
    match key {
        "resource" => reader.optional(&mut logs.resource, resource),
        "scopeLogs" => reader.containers(&mut logs.scope_logs, scope_logs),
        "schemaUrl" => reader.kept(|reader| reader.set_text(&mut logs.schema_url)),
        _ => reader.pass(),
    }
}

fn scope_logs(reader: &mut Reader<'_>, logs: &mut ScopeLogs, key: &str) -> Read<()> {
    match key {
        "scope" => reader.optional(&mut logs.scope, scope),
        "logRecords" => reader.items(&mut logs.log_records, record),
        "schemaUrl" => reader.kept(|reader| reader.set_text(&mut logs.schema_url)),
        _ => reader.pass(),
    }
}

/// Reads a record. It may lack a time, which then is the observed or receive time, and trace ids.
fn record(reader: &mut Reader<'_>, record: &mut LogRecord, key: &str) -> Read<()> {
    match key {
        "traceId" => reader.kept(|reader| reader.set_id(&mut record.trace_id, TRACE_ID)),
        "spanId" => reader.kept(|reader| reader.set_id(&mut record.span_id, SPAN_ID)),
        "timeUnixNano" => reader.kept(|reader| reader.set_u64(&mut record.time_unix_nano)),
        "observedTimeUnixNano" => reader.kept(|reader| reader.set_u64(&mut record.observed_time_unix_nano)),
        "severityNumber" => reader.kept(|reader| {
            reader.set_word(&mut record.severity_number, |name| {
                SeverityNumber::from_str_name(name).map(|severity| severity as i32)
            })
        }),
        "severityText" => reader.kept(|reader| reader.set_text(&mut record.severity_text)),
        "body" => reader.part(&mut record.body, any_value),
        "attributes" => reader.parts(&mut record.attributes, key_value),
        "droppedAttributesCount" => reader.kept(|reader| reader.set_u32(&mut record.dropped_attributes_count)),
        "flags" => reader.kept(|reader| reader.set_u32(&mut record.flags)),
        "eventName" => reader.kept(|reader| reader.set_text(&mut record.event_name)),
        _ => reader.pass(),
    }
}
