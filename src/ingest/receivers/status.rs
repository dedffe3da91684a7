//! `google.rpc.Status` and OTLP's responses, in protobuf and JSON.

use crate::model::decoded::Answer;
use crate::model::signal::{Encoding, Signal};
use bytes::Bytes;
use prost::Message;
use std::time::Duration;

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RpcStatus {
    /// The gRPC code.
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    /// The message for users.
    #[prost(string, tag = "2")]
    pub(super) message: String,
    /// Details for programs.
    #[prost(message, repeated, tag = "3")]
    pub(super) details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<ProtoDuration>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
struct ProtoDuration {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

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

impl RpcStatus {
    pub(super) fn new(code: tonic::Code, message: impl Into<String>) -> RpcStatus {
        RpcStatus { code: code as i32, message: message.into(), details: Vec::new() }
    }

    /// Adds the retry delay, which makes a rejection retryable.
    pub(super) fn with_retry(mut self, after: Duration) -> RpcStatus {
        let retry_delay = ProtoDuration {
            seconds: i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            nanos: i32::try_from(after.subsec_nanos()).unwrap_or_default(),
        };
        self.details.push(Any {
            type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
            value: RetryInfo { retry_delay: Some(retry_delay) }.encode_to_vec(),
        });
        self
    }

    pub(super) fn encode(&self, encoding: Encoding) -> Bytes {
        match encoding {
            Encoding::Protobuf => self.encode_to_vec().into(),
            Encoding::Json => serde_json::json!({"code": self.code, "message": self.message}).to_string().into(),
        }
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
