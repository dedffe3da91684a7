//! `google.rpc.Status` and OTLP's responses, in protobuf and JSON.

use crate::model::decoded::Answer;
use crate::model::signal::{Encoding, Signal};
use bytes::Bytes;
use prost::Message;

/// `Export{Trace,Metrics,Logs}ServiceResponse`: all three have the same fields.
#[derive(Clone, PartialEq, Message)]
struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

/// Returns a `google.rpc.Status` with a gRPC code and a message for users.
pub(super) fn rpc_status(code: tonic::Code, message: impl Into<String>) -> tonic_types::Status {
    tonic_types::Status { code: code as i32, message: message.into(), details: Vec::new() }
}

/// Encodes a status as the body of an HTTP response.
pub(super) fn encode(status: &tonic_types::Status, encoding: Encoding) -> Bytes {
    match encoding {
        Encoding::Protobuf => status.encode_to_vec().into(),
        Encoding::Json => serde_json::json!({"code": status.code, "message": status.message}).to_string().into(),
    }
}

/// Builds the response to an accepted request; partial success stays unset if there is nothing to report. A message without
/// rejected items is a warning.
pub(super) fn export_response(signal: Signal, encoding: Encoding, answer: &Answer) -> Bytes {
    if answer.rejected == 0 && answer.message.is_empty() {
        return match encoding {
            Encoding::Protobuf => Bytes::new(),
            Encoding::Json => Bytes::from_static(b"{}"),
        };
    }
    let count = i64::try_from(answer.rejected).unwrap_or(i64::MAX);
    match encoding {
        Encoding::Protobuf => {
            let partial_success = PartialSuccess { rejected: count, error_message: answer.message.clone() };
            ExportResponse { partial_success: Some(partial_success) }.encode_to_vec().into()
        }
        Encoding::Json => {
            let field = match signal {
                Signal::Traces => "rejectedSpans",
                Signal::Metrics => "rejectedDataPoints",
                Signal::Logs => "rejectedLogRecords",
            };
            // Protobuf's JSON form encodes int64 as a string.
            let body =
                serde_json::json!({"partialSuccess": {field: count.to_string(), "errorMessage": answer.message}});
            body.to_string().into()
        }
    }
}
