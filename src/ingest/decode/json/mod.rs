//! Reads OTLP's JSON form into prost's types: names in lowerCamelCase, or as in the proto files; ids in hex of any case;
//! enums as numbers or names; integers as text or numbers in any notation; unknown fields ignored; null as absent. The last
//! value of a repeated field counts, and lists are joined. The Collector reads it in the same way, except that one bad value
//! fails the whole body there.

use super::error::DecodeError;
use super::footprint;
use super::rejects::Faults;
use super::tidy::NESTING_MAX;
use crate::model::signal::{Encoding, Signal};
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest,
};
use read::{Fields, Reader};

mod common;
mod logs;
mod metrics;
mod number;
mod read;
mod scan;
mod traces;

pub(super) fn traces(body: &Bytes) -> Result<(ExportTraceServiceRequest, Faults), DecodeError> {
    request(body, |text| read(text, traces::request))
}

pub(super) fn metrics(body: &Bytes) -> Result<(ExportMetricsServiceRequest, Faults), DecodeError> {
    request(body, |text| read(text, metrics::request))
}

pub(super) fn logs(body: &Bytes) -> Result<(ExportLogsServiceRequest, Faults), DecodeError> {
    request(body, |text| read(text, logs::request))
}

fn request<T>(body: &Bytes, read: fn(&str) -> Result<T, DecodeError>) -> Result<T, DecodeError> {
    // The estimate for JSON is the same for every signal.
    footprint::check(Signal::Traces, Encoding::Json, body).map_err(DecodeError::new)?;
    let text = String::from_utf8_lossy(body);
    read(text.strip_prefix('\u{feff}').unwrap_or(&text))
}

fn read<'a, T: Default>(text: &'a str, fields: Fields<'a, T>) -> Result<(T, Faults), DecodeError> {
    let mut reader = Reader::new(text, NESTING_MAX);
    match reader.body(fields) {
        Ok(Ok(request)) => Ok((request, reader.into_faults())),
        Ok(Err(fault)) => Err(DecodeError::new(fault)),
        Err(broken) => Err(DecodeError::new(format!("expected a JSON object, found no JSON: {}", broken.told(text)))),
    }
}
