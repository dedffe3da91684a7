//! Responses of OTLP targets: partial success and retry times.

use crate::delivery::Outcome;
use crate::model::signal::Signal;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use std::time::Duration;

/// The path of the service's only method.
pub(super) const fn method(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    }
}

/// Reads a success response. An unreadable one counts as success too: the target accepted the request.
pub(super) fn delivered(signal: Signal, answer: &[u8]) -> Outcome {
    let partial = match signal {
        Signal::Traces => ExportTraceServiceResponse::decode(answer)
            .ok()
            .and_then(|answer| answer.partial_success)
            .map(|partial| (partial.rejected_spans, partial.error_message)),
        Signal::Metrics => ExportMetricsServiceResponse::decode(answer)
            .ok()
            .and_then(|answer| answer.partial_success)
            .map(|partial| (partial.rejected_data_points, partial.error_message)),
        Signal::Logs => ExportLogsServiceResponse::decode(answer)
            .ok()
            .and_then(|answer| answer.partial_success)
            .map(|partial| (partial.rejected_log_records, partial.error_message)),
    };
    let (rejected, message) = partial.unwrap_or_default();
    Outcome::Delivered { rejected: u64::try_from(rejected).unwrap_or_default(), message }
}

/// Returns the delay of a `RetryInfo` in a status's details; `None` if there is none.
pub(super) fn retry_info(status: &[u8]) -> Option<Duration> {
    let status = tonic_types::Status::decode(status).ok()?;
    // By its end, because the prefix is the sender's.
    let info = status.details.iter().find(|any| any.type_url.ends_with("/google.rpc.RetryInfo"))?;
    let delay = tonic_types::pb::RetryInfo::decode(info.value.as_slice()).ok()?.retry_delay.unwrap_or_default();
    Some(delay.try_into().unwrap_or_default())
}
