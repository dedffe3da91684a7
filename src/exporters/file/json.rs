//! OTLP JSON: <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>. IDs are hexadecimal, 64-bit integers are strings,
//! enums are numbers, other bytes are base64, and default values are omitted. NaN and infinities are strings, as in protobuf's
//! JSON.

mod common;
mod logs;
mod metrics;
mod object;
mod traces;

use crate::model::signal::Signal;
use object::Object;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;

/// Returns a request in protobuf as JSON, on one line.
///
/// # Errors
/// When the request cannot be read.
pub(super) fn text(signal: Signal, request: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut text = Vec::with_capacity(request.len() * 3);
    match signal {
        Signal::Traces => {
            let request = ExportTraceServiceRequest::decode(request)?;
            Object::write(&mut text, |object| {
                object.list("resourceSpans", &request.resource_spans, traces::of_resource);
            });
        }
        Signal::Metrics => {
            let request = ExportMetricsServiceRequest::decode(request)?;
            Object::write(&mut text, |object| {
                object.list("resourceMetrics", &request.resource_metrics, metrics::of_resource);
            });
        }
        Signal::Logs => {
            let request = ExportLogsServiceRequest::decode(request)?;
            Object::write(&mut text, |object| {
                object.list("resourceLogs", &request.resource_logs, logs::of_resource);
            });
        }
    }
    Ok(text)
}
