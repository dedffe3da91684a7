//! The only place where wire bytes become Arrow batches.
//!
//! Both encodings go through prost's types: protobuf by prost, JSON by our own reader. A value that does not fit its field
//! costs that attribute or item, never the request. A builder per signal then checks every item, keeps the valid ones and
//! reports which were rejected and why (OTLP's partial success). The result depends only on the bytes and the receive time,
//! so that a replay gives the same verdict.

use crate::model::decoded::Decoded;
use crate::model::signal::{Encoding, Signal};
use crate::model::table::TableDef;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest,
};
use prost::Message;
use rejects::Faults;

mod column;
mod error;
mod exceptions;
mod footprint;
mod forward;
mod json;
mod logs;
mod metrics;
mod operation;
mod plan;
mod rejects;
mod repair;
mod rows;
mod series;
mod spans;
mod tidy;
mod value;

#[cfg(test)]
mod tests;

pub use error::DecodeError;
pub use forward::as_protobuf;

/// Decodes requests into the tables of `schemas/`. One instance serves all receivers concurrently.
#[derive(Debug)]
pub struct Decoder {
    spans: spans::SpansPlan,
    metrics: metrics::MetricsPlan,
    logs: logs::LogsPlan,
}

impl Decoder {
    /// Creates a decoder. Columns with `from` in their definition are promoted; columns beyond the built-in ones are
    /// allowed.
    #[must_use]
    pub fn new(tables: &[TableDef]) -> Decoder {
        Decoder {
            spans: spans::SpansPlan::new(tables),
            metrics: metrics::MetricsPlan::new(tables),
            logs: logs::LogsPlan::new(tables),
        }
    }

    /// Returns the memory in bytes for decoding a request, without its body and rows; 0 for small requests.
    #[must_use]
    pub fn footprint(signal: Signal, encoding: Encoding, body: &[u8]) -> usize {
        footprint::bytes(signal, encoding, body)
    }

    /// Decodes one inflated request.
    ///
    /// # Errors
    /// Returns an error if the body is not a request of that signal in that encoding, or would exceed the memory limits.
    pub fn decode(
        &self,
        signal: Signal,
        encoding: Encoding,
        body: &Bytes,
        received_unix_nano: i64,
    ) -> Result<Decoded, DecodeError> {
        match signal {
            Signal::Traces => {
                let (request, faults) = traces(encoding, body)?;
                self.spans.rows(&request, faults, received_unix_nano)
            }
            Signal::Metrics => {
                let (request, faults) = metrics(encoding, body)?;
                self.metrics.rows(&request, faults, received_unix_nano)
            }
            Signal::Logs => {
                let (request, faults) = logs(encoding, body)?;
                self.logs.rows(&request, faults, received_unix_nano)
            }
        }
    }
}

/// A request in prost's types, with its faults.
type Request<T> = Result<(T, Faults), DecodeError>;

fn traces(encoding: Encoding, body: &Bytes) -> Request<ExportTraceServiceRequest> {
    let (mut request, mut faults) = match encoding {
        Encoding::Protobuf => protobuf(Signal::Traces, body)?,
        Encoding::Json => json::traces(body)?,
    };
    tidy::traces(&mut request, &mut faults);
    Ok((request, faults))
}

fn metrics(encoding: Encoding, body: &Bytes) -> Request<ExportMetricsServiceRequest> {
    let (mut request, mut faults) = match encoding {
        Encoding::Protobuf => protobuf(Signal::Metrics, body)?,
        Encoding::Json => json::metrics(body)?,
    };
    tidy::metrics(&mut request, &mut faults);
    Ok((request, faults))
}

fn logs(encoding: Encoding, body: &Bytes) -> Request<ExportLogsServiceRequest> {
    let (mut request, mut faults) = match encoding {
        Encoding::Protobuf => protobuf(Signal::Logs, body)?,
        Encoding::Json => json::logs(body)?,
    };
    tidy::logs(&mut request, &mut faults);
    Ok((request, faults))
}

/// Reads a protobuf message. Prost limits the nesting to 100.
fn protobuf<M: Message + Default>(signal: Signal, body: &Bytes) -> Request<M> {
    footprint::check(signal, Encoding::Protobuf, body).map_err(DecodeError::new)?;
    let error = match M::decode(body.clone()) {
        Ok(request) => return Ok((request, Faults::default())),
        Err(error) => error,
    };
    // One bad field must not cost the request.
    let mut faults = Faults::default();
    let repaired =
        repair::repaired(signal, body, &mut faults).ok_or(error).and_then(|body| M::decode(Bytes::from(body)));
    match repaired {
        Ok(request) => Ok((request, faults)),
        Err(error) => {
            let bytes = body.len();
            Err(DecodeError::new(format!(
                "expected an OTLP {signal} request in protobuf, found {bytes} invalid bytes: {error}"
            )))
        }
    }
}
