//! The one narrow place where wire bytes become Arrow: bytes in, batches out.
//!
//! Both encodings go through prost's types: protobuf by prost, JSON by a reader of our own. Then a builder for each
//! signal checks every item, keeps the good ones and tells which were refused and why (OTLP's partial success).
//! Everything is a function of the bytes and the receive time alone, so that a replay reaches the same verdict.

use crate::model::decoded::Decoded;
use crate::model::signal::{Encoding, Signal};
use crate::model::table::TableDef;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest,
};
use prost::Message;

mod column;
mod exceptions;
mod footprint;
mod forward;
mod json;
mod logs;
mod metrics;
mod plan;
mod rejects;
mod repair;
mod rows;
mod series;
mod spans;
mod value;

#[cfg(test)]
mod tests;

pub use forward::as_protobuf;

/// The verdicts of this decoder; a frame carries it. Raised when the same bytes would give other rows.
pub const DECODER_VERSION: u16 = 2;

/// A request that cannot be read at all: nothing of it is kept. HTTP 400, `INVALID_ARGUMENT`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DecodeError {
    /// What was found where, and what was expected.
    pub message: String,
}

impl DecodeError {
    pub(crate) fn new(message: impl Into<String>) -> DecodeError {
        DecodeError { message: message.into() }
    }
}

/// Decodes requests into the tables of `schemas/`. One serves all receivers at once.
#[derive(Debug)]
pub struct Decoder {
    spans: spans::SpansPlan,
    metrics: metrics::MetricsPlan,
    logs: logs::LogsPlan,
}

impl Decoder {
    /// Promoted columns are those whose definition has `from`; further ones than the built-in are welcome.
    #[must_use]
    pub fn new(tables: &[TableDef]) -> Decoder {
        Decoder {
            spans: spans::SpansPlan::new(tables),
            metrics: metrics::MetricsPlan::new(tables),
            logs: logs::LogsPlan::new(tables),
        }
    }

    /// What a request takes in memory while it is decoded, besides itself and its rows, bytes; 0 of small ones.
    #[must_use]
    pub fn footprint(signal: Signal, encoding: Encoding, body: &[u8]) -> usize {
        footprint::bytes(signal, encoding, body)
    }

    /// Decodes one request, already inflated.
    ///
    /// # Errors
    /// When the body is not a request of that signal in that encoding, or would grow past all measure in memory.
    pub fn decode(
        &self,
        signal: Signal,
        encoding: Encoding,
        body: &Bytes,
        received_unix_nano: i64,
    ) -> Result<Decoded, DecodeError> {
        match (signal, encoding) {
            (Signal::Traces, Encoding::Protobuf) => {
                self.spans.rows(&protobuf::<ExportTraceServiceRequest>(signal, body)?, received_unix_nano)
            }
            (Signal::Traces, Encoding::Json) => self.spans.rows(&json::traces(body)?, received_unix_nano),
            (Signal::Metrics, Encoding::Protobuf) => {
                self.metrics.rows(&protobuf::<ExportMetricsServiceRequest>(signal, body)?, received_unix_nano)
            }
            (Signal::Metrics, Encoding::Json) => self.metrics.rows(&json::metrics(body)?, received_unix_nano),
            (Signal::Logs, Encoding::Protobuf) => {
                self.logs.rows(&protobuf::<ExportLogsServiceRequest>(signal, body)?, received_unix_nano)
            }
            (Signal::Logs, Encoding::Json) => self.logs.rows(&json::logs(body)?, received_unix_nano),
        }
    }
}

/// Reads a protobuf message. Prost bounds the nesting at 100.
fn protobuf<M: Message + Default>(signal: Signal, body: &Bytes) -> Result<M, DecodeError> {
    footprint::check(signal, Encoding::Protobuf, body).map_err(DecodeError::new)?;
    M::decode(body.clone())
        .or_else(|error| {
            // One bad text must not cost the request.
            let repaired = repair::protobuf(signal, body).ok_or(error)?;
            M::decode(Bytes::from(repaired))
        })
        .map_err(|error| {
            let bytes = body.len();
            DecodeError::new(format!(
                "expected an OTLP {signal} request in protobuf, found {bytes} bytes that are none: {error}"
            ))
        })
}
