//! OTLP over HTTP: protobuf and JSON.

use super::body_limits::{Bounded, DoorSettings, Unread, read};
use super::cors::{self, Cors, CorsSettings};
use super::status::{encode, export_response, rpc_status};
use crate::ingest::admission::Admission;
use crate::ingest::inflate::{InflateError, KNOWN, inflate};
use crate::ingest::refusal::Refusal;
use crate::model::secret::Secret;
use crate::model::signal::{Encoding, Signal};
use crate::net::Listener;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use axum::routing::any;
use axum::{Router, middleware};
use bytes::Bytes;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tonic::Code;

/// Settings of an HTTP listener.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Maximum body size, after decompression.
    pub max_request_body_size_bytes: usize,
    /// Path for traces.
    pub traces_url_path: String,
    /// Path for metrics.
    pub metrics_url_path: String,
    /// Path for logs.
    pub logs_url_path: String,
    /// Bearer token that senders must present.
    pub auth_token: Option<Secret>,
    /// Limits of the listener.
    pub door: DoorSettings,
    /// Web pages that may send.
    pub cors: CorsSettings,
}

impl Default for HttpSettings {
    fn default() -> Self {
        HttpSettings {
            max_request_body_size_bytes: 20 << 20,
            traces_url_path: "/v1/traces".to_owned(),
            metrics_url_path: "/v1/metrics".to_owned(),
            logs_url_path: "/v1/logs".to_owned(),
            auth_token: None,
            door: DoorSettings::default(),
            cors: CorsSettings::default(),
        }
    }
}

struct Receiver {
    id: String,
    settings: HttpSettings,
    admission: Arc<Admission>,
}

/// Serves until `cancel`, then completes the requests in flight.
///
/// # Errors
/// Returns an error if the listener fails.
pub async fn serve(
    listener: impl Into<Listener>,
    receiver_id: String,
    settings: HttpSettings,
    admission: Arc<Admission>,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let paths = [
        (settings.traces_url_path.clone(), Signal::Traces),
        (settings.metrics_url_path.clone(), Signal::Metrics),
        (settings.logs_url_path.clone(), Signal::Logs),
    ];
    let cors = Cors::new(&settings.cors).map(Arc::new);
    let receiver = Arc::new(Receiver { id: receiver_id, settings, admission });
    let mut router = Router::new();
    for (path, signal) in paths {
        let receiver = receiver.clone();
        router = router.route(
            &path,
            any(move |request: Request| {
                let receiver = receiver.clone();
                async move { receiver.answer(signal, request).await }
            }),
        );
    }
    let listener = Bounded::new(listener.into(), &receiver.settings.door);
    router = router.fallback(move |request: Request| {
        let receiver = receiver.clone();
        async move { receiver.answer_elsewhere(&request) }
    });
    // The outermost layer, so that pages can read rejections, too.
    if let Some(cors) = cors {
        router = router.layer(middleware::from_fn(move |request, next| cors::answer(cors.clone(), request, next)));
    }
    axum::serve(listener, router).with_graceful_shutdown(cancel.cancelled_owned()).await?;
    Ok(())
}

/// A rejection with its HTTP status.
struct HttpRefusal {
    status: StatusCode,
    body: tonic_types::Status,
    retry_after_s: Option<u64>,
}

impl HttpRefusal {
    fn new(status: StatusCode, code: Code, message: impl Into<String>) -> HttpRefusal {
        HttpRefusal { status, body: rpc_status(code, message), retry_after_s: None }
    }

    fn too_large(limit: usize) -> HttpRefusal {
        let message = format!("the body is larger than {limit} bytes after decompression, which is the limit");
        HttpRefusal::new(StatusCode::PAYLOAD_TOO_LARGE, Code::ResourceExhausted, message)
    }
}

impl From<Refusal> for HttpRefusal {
    fn from(refusal: Refusal) -> HttpRefusal {
        match refusal {
            Refusal::Invalid(message) => HttpRefusal::new(StatusCode::BAD_REQUEST, Code::InvalidArgument, message),
            Refusal::TooLarge { limit } => HttpRefusal::too_large(limit),
            Refusal::Busy { retry_after, reason } => HttpRefusal {
                retry_after_s: Some(retry_after.as_secs().max(1)),
                ..HttpRefusal::new(StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, reason)
            },
        }
    }
}

impl Receiver {
    async fn answer(&self, signal: Signal, request: Request) -> Response {
        if request.method() != Method::POST {
            let message = format!("the method is {}: expected POST", request.method());
            let refusal = HttpRefusal::new(StatusCode::METHOD_NOT_ALLOWED, Code::Unimplemented, message);
            return refuse(content_type(request.headers()).unwrap_or(Encoding::Json), &refusal);
        }
        let encoding = match content_type(request.headers()) {
            Ok(encoding) => encoding,
            Err(refusal) => return refuse(Encoding::Json, &refusal),
        };
        match self.take(signal, encoding, request).await {
            Ok(body) => respond(StatusCode::OK, encoding, body),
            Err(refusal) => refuse(encoding, &refusal),
        }
    }

    fn answer_elsewhere(&self, request: &Request) -> Response {
        let HttpSettings { traces_url_path, metrics_url_path, logs_url_path, .. } = &self.settings;
        let message = format!(
            "the path is {}: expected {traces_url_path}, {metrics_url_path} or {logs_url_path}",
            request.uri().path()
        );
        let refusal = HttpRefusal::new(StatusCode::NOT_FOUND, Code::Unimplemented, message);
        refuse(content_type(request.headers()).unwrap_or(Encoding::Json), &refusal)
    }

    async fn take(&self, signal: Signal, encoding: Encoding, request: Request) -> Result<Bytes, HttpRefusal> {
        if !super::allowed(self.settings.auth_token.as_ref(), request.headers()) {
            let message = "the bearer token is missing or wrong";
            return Err(HttpRefusal::new(StatusCode::UNAUTHORIZED, Code::Unauthenticated, message));
        }
        let limit = self.settings.max_request_body_size_bytes;
        let compression = compression(request.headers());
        let mut room = self.admission.room();
        let body = read(request.into_body(), limit, &self.settings.door, &mut room).await;
        let body = body.map_err(|unread| match unread {
            Unread::TooLarge => HttpRefusal::too_large(limit),
            Unread::Refused(refusal) => refusal.into(),
            Unread::Broken(why) => {
                let message = format!("the body did not arrive whole: {why}");
                HttpRefusal::new(StatusCode::BAD_REQUEST, Code::InvalidArgument, message)
            }
        })?;
        let body = inflate(&compression, body, limit, &mut room).map_err(|error| match error {
            InflateError::Refused(refusal) => refusal.into(),
            InflateError::TooLarge => HttpRefusal::too_large(limit),
            InflateError::Broken(why) => {
                let message = format!("the body is not {compression}: {why}");
                HttpRefusal::new(StatusCode::BAD_REQUEST, Code::InvalidArgument, message)
            }
            InflateError::Unknown => {
                let message = format!("content-encoding {compression:?}: expected one of {}", KNOWN.join(", "));
                HttpRefusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidArgument, message)
            }
        })?;
        let answer = self.admission.accept(&self.id, (signal, encoding), body, room).await?;
        Ok(export_response(signal, encoding, &answer))
    }
}

fn content_type(headers: &HeaderMap) -> Result<Encoding, HttpRefusal> {
    let found = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match found.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/x-protobuf" | "application/protobuf" => Ok(Encoding::Protobuf),
        "application/json" => Ok(Encoding::Json),
        _ => {
            let message = format!("content-type {found:?}: expected application/x-protobuf or application/json");
            Err(HttpRefusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::InvalidArgument, message))
        }
    }
}

fn compression(headers: &HeaderMap) -> String {
    headers.get(CONTENT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

fn refuse(encoding: Encoding, refusal: &HttpRefusal) -> Response {
    let mut response = respond(refusal.status, encoding, encode(&refusal.body, encoding));
    if let Some(seconds) = refusal.retry_after_s {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if refusal.status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    }
    response
}

fn respond(status: StatusCode, encoding: Encoding, body: Bytes) -> Response {
    let content_type = match encoding {
        Encoding::Protobuf => "application/x-protobuf",
        Encoding::Json => "application/json",
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
