//! OTLP's JSON form to prost's types: lowerCamelCase keys only, ids in hex of any case, enums as integers (names are
//! taken, too), 64-bit integers as text or numbers, unknown fields ignored, null as absent.

use super::{DecodeError, footprint, repair};
use crate::model::signal::{Encoding, Signal};
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest,
};
use read::{Object, Path};

mod common;
mod logs;
mod metrics;
mod read;
mod traces;

pub(super) fn traces(body: &Bytes) -> Result<ExportTraceServiceRequest, DecodeError> {
    request(body, |root| {
        Ok(ExportTraceServiceRequest { resource_spans: root.list("resourceSpans", traces::resource_spans)? })
    })
}

pub(super) fn metrics(body: &Bytes) -> Result<ExportMetricsServiceRequest, DecodeError> {
    request(body, |root| {
        Ok(ExportMetricsServiceRequest { resource_metrics: root.list("resourceMetrics", metrics::resource_metrics)? })
    })
}

pub(super) fn logs(body: &Bytes) -> Result<ExportLogsServiceRequest, DecodeError> {
    request(body, |root| {
        Ok(ExportLogsServiceRequest { resource_logs: root.list("resourceLogs", logs::resource_logs)? })
    })
}

/// Reads the body. `serde_json` bounds the nesting at 128.
fn request<T>(body: &Bytes, read: impl FnOnce(&Object<'_>) -> Result<T, DecodeError>) -> Result<T, DecodeError> {
    // JSON takes the same for every signal.
    footprint::check(Signal::Traces, Encoding::Json, body).map_err(DecodeError::new)?;
    let json: serde_json::Value = serde_json::from_slice(body)
        .or_else(|error| {
            // One bad letter must not cost the request.
            let repaired = repair::json(body).ok_or(error)?;
            serde_json::from_slice(&repaired)
        })
        .map_err(|error| DecodeError::new(format!("expected a JSON object, found no JSON: {error}")))?;
    read(&Object::of(&json, &Path::ROOT)?)
}
