//! Logs for `/api/v2/logs`, mapped like Datadog's own OTLP mapping (`pkg/opentelemetry-mapping-go/otlp/logs` of the Agent): one
//! JSON object per record, with flat attributes next to Datadog's own fields.

mod flat;
mod record;
mod time;
mod writer;

#[cfg(test)]
mod tests;

pub(super) use writer::LOGS;

use super::events;
use super::resource::{self, Place};
use crate::delivery::attributes::Attributes;
use crate::delivery::{Mapped, Payload};
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::ResourceLogs;
use prost::Message as _;
use record::Around;
use writer::Writer;

/// Maps a request; findings in it also become events. Records without a host get `hostname`, unless that is empty.
///
/// # Errors
/// When it cannot be read.
pub fn map(hostname: &str, request: &Bytes) -> anyhow::Result<Mapped> {
    let request = ExportLogsServiceRequest::decode(request.clone())?;
    let mut mapped = records(hostname, &request);
    mapped.payloads.extend(events::of(hostname, &request));
    Ok(mapped)
}

fn records(hostname: &str, request: &ExportLogsServiceRequest) -> Mapped {
    let mut writer = Writer::default();
    for logs in &request.resource_logs {
        map_resource(hostname, logs, &mut writer);
    }
    writer.finish()
}

/// Splits a payload in two; `None` if it has one record.
pub(super) fn split(payload: &Payload) -> Option<(Payload, Payload)> {
    writer::split(payload)
}

fn host_of(attributes: &Attributes<'_>) -> String {
    match resource::place(attributes) {
        Place::Host(host) => host.into_owned(),
        Place::Serverless | Place::Unknown => String::new(),
    }
}

fn map_resource(hostname: &str, logs: &ResourceLogs, writer: &mut Writer) {
    let attributes = Attributes::of(logs.resource.as_ref().map_or(&[], |resource| &resource.attributes));
    let tags = resource::tags(&attributes).join(",");
    let service_of = |attributes: &Attributes<'_>| attributes.string("service.name").unwrap_or_default().into_owned();
    let (mut host, mut service) = (host_of(&attributes), service_of(&attributes));
    for scope in &logs.scope_logs {
        for record in &scope.log_records {
            // If the resource has none, the first record that has one sets it for those that follow too.
            let own = Attributes::of(&record.attributes);
            if host.is_empty() {
                host = host_of(&own);
            }
            if service.is_empty() {
                service = service_of(&own);
            }
            let around = Around {
                resource: attributes,
                scope: scope.scope.as_ref(),
                tags: &tags,
                host: if host.is_empty() { hostname } else { &host },
                service: &service,
            };
            writer.push(&around.item(record));
        }
    }
}
