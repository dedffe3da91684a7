//! OTLP over gRPC. Messages are unframed here as bytes: the log stores them, and a message that is too large gets the status
//! code that OTLP requires.

use super::body_limits::{Bounded, DoorSettings, Unread, read};
use super::status::export_response;
use crate::ingest::admission::Admission;
use crate::ingest::inflate::{InflateError, KNOWN, inflate};
use crate::ingest::inflight::InflightPermit;
use crate::ingest::refusal::Refusal;
use crate::model::secret::Secret;
use crate::model::signal::{Encoding, Signal};
use crate::net::Listener;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// Settings of a gRPC listener.
#[derive(Debug, Clone)]
pub struct GrpcSettings {
    /// Maximum message size, after decompression.
    pub max_recv_msg_size_bytes: usize,
    /// Bearer token that senders must present.
    pub auth_token: Option<Secret>,
    /// Limits of the listener.
    pub door: DoorSettings,
}

impl Default for GrpcSettings {
    fn default() -> Self {
        GrpcSettings { max_recv_msg_size_bytes: 4 << 20, auth_token: None, door: DoorSettings::default() }
    }
}

/// Bytes before a message: one for the compression flag, four for its length.
const PREFIX_BYTES: usize = 5;

struct Receiver {
    id: String,
    settings: GrpcSettings,
    admission: Arc<Admission>,
}

/// Serves until `cancel`, then completes the requests in flight.
///
/// # Errors
/// Returns an error if the listener fails.
pub async fn serve(
    listener: impl Into<Listener>,
    receiver_id: String,
    settings: GrpcSettings,
    admission: Arc<Admission>,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let listener = Bounded::new(listener.into(), &settings.door);
    let receiver = Arc::new(Receiver { id: receiver_id, settings, admission });
    let router = axum::Router::new().fallback(move |request: Request<axum::body::Body>| {
        let receiver = receiver.clone();
        async move { receiver.answer(request).await }
    });
    axum::serve(listener, router).with_graceful_shutdown(cancel.cancelled_owned()).await?;
    Ok(())
}

impl Receiver {
    async fn answer(&self, request: Request<axum::body::Body>) -> Response<axum::body::Body> {
        match self.take(request).await {
            Ok(message) => reply(message),
            Err(status) => status.into_http(),
        }
    }

    async fn take(&self, request: Request<axum::body::Body>) -> Result<Bytes, Status> {
        let Some(signal) = signal_of(request.uri().path()) else {
            return Err(Status::unimplemented(format!("no method {}", request.uri().path())));
        };
        if !super::allowed(self.settings.auth_token.as_ref(), request.headers()) {
            return Err(Status::unauthenticated("the bearer token is missing or wrong"));
        }
        let compression = compression(request.headers());
        let limit = self.settings.max_recv_msg_size_bytes;
        let mut room = self.admission.room();
        let limit_framed = limit.saturating_add(PREFIX_BYTES);
        let body = read(request.into_body(), limit_framed, &self.settings.door, &mut room).await;
        let body = body.map_err(|unread| match unread {
            Unread::TooLarge => too_large(limit),
            Unread::Refused(refusal) => refused(refusal),
            Unread::Broken(why) => Status::cancelled(format!("the message did not arrive whole: {why}")),
        })?;
        let message = unframe(body, &compression, limit, &mut room)?;
        let answer = self.admission.accept(&self.id, (signal, Encoding::Protobuf), message, room).await;
        Ok(export_response(signal, Encoding::Protobuf, &*answer.map_err(refused)?))
    }
}

fn refused(refusal: Refusal) -> Status {
    match refusal {
        Refusal::Invalid(message) => Status::invalid_argument(message),
        Refusal::TooLarge { limit } => too_large(limit),
        Refusal::Busy { retry_after, reason } => {
            // Without the delay, OTLP clients drop the request.
            Status::with_error_details(Code::Unavailable, reason, ErrorDetails::with_retry_info(Some(retry_after)))
        }
    }
}

fn signal_of(path: &str) -> Option<Signal> {
    match path {
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Some(Signal::Traces),
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => Some(Signal::Metrics),
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Some(Signal::Logs),
        _ => None,
    }
}

fn compression(headers: &HeaderMap) -> String {
    headers.get("grpc-encoding").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

fn too_large(limit: usize) -> Status {
    Status::resource_exhausted(format!("the message is larger than {limit} bytes, which is the limit"))
}

/// Returns the single message of a unary call, inflated.
fn unframe(mut body: Bytes, compression: &str, limit: usize, room: &mut InflightPermit) -> Result<Bytes, Status> {
    if body.len() < PREFIX_BYTES {
        return Err(Status::invalid_argument(format!("{} bytes: expected a message of at least 5", body.len())));
    }
    let compressed = body.get_u8();
    let length = body.get_u32() as usize;
    if length > limit {
        return Err(too_large(limit));
    }
    if body.len() != length {
        let message = format!("{} bytes follow the prefix, which says {length}", body.len());
        return Err(Status::invalid_argument(message));
    }
    match compressed {
        0 => Ok(body),
        1 => inflate(compression, body, limit, room).map_err(|error| match error {
            InflateError::Refused(refusal) => refused(refusal),
            InflateError::TooLarge => too_large(limit),
            InflateError::Broken(why) => Status::invalid_argument(format!("the message is not {compression}: {why}")),
            InflateError::Unknown => {
                Status::unimplemented(format!("grpc-encoding {compression:?}: expected one of {}", KNOWN.join(", ")))
            }
        }),
        flag => Err(Status::invalid_argument(format!("the compression flag is {flag}: expected 0 or 1"))),
    }
}

/// Builds a response with a message and the trailers of status OK.
fn reply(message: Bytes) -> Response<axum::body::Body> {
    let mut framed = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(&message);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let frames: [Result<_, std::convert::Infallible>; 2] =
        [Ok(Frame::data(framed.freeze())), Ok(Frame::trailers(trailers))];
    let mut response = Response::new(axum::body::Body::new(StreamBody::new(futures::stream::iter(frames))));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    response.headers_mut().insert("grpc-accept-encoding", HeaderValue::from_static("identity,gzip,zstd,deflate"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unframe(body: Bytes, compression: &str, limit: usize) -> Result<Bytes, Status> {
        super::unframe(body, compression, limit, &mut InflightPermit::new(Arc::default(), usize::MAX))
    }

    fn framed(flag: u8, length: u32, message: &[u8]) -> Bytes {
        let mut bytes = vec![flag];
        bytes.extend(length.to_be_bytes());
        bytes.extend(message);
        bytes.into()
    }

    #[test]
    fn a_plain_message_is_taken_as_it_is() {
        assert_eq!(unframe(framed(0, 3, b"abc"), "", 3).unwrap(), Bytes::from_static(b"abc"));
    }

    #[test]
    fn what_is_too_large_is_resource_exhausted_and_what_is_broken_is_invalid() {
        let code = |body, compression| unframe(body, compression, 3).unwrap_err().code();
        assert_eq!(code(framed(0, 4, b"abcd"), ""), Code::ResourceExhausted);
        assert_eq!(code(framed(0, 3, b"ab"), ""), Code::InvalidArgument);
        assert_eq!(code(framed(1, 3, b"abc"), "gzip"), Code::InvalidArgument);
        assert_eq!(code(framed(1, 3, b"abc"), "br"), Code::Unimplemented);
        assert_eq!(code(framed(9, 3, b"abc"), ""), Code::InvalidArgument);
        assert_eq!(code(Bytes::from_static(b"abc"), ""), Code::InvalidArgument);
    }
}
