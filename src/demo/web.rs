//! HTTP with tracing: a server that opens a span per request, and a client that propagates the trace context.

use super::telemetry::Telemetry;
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::{SpanKind, Status, TraceContextExt as _, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use std::future::Future;
use std::net::SocketAddr;
use tokio_util::sync::CancellationToken;

/// The request as a handler sees it.
pub(super) struct Call {
    /// Context with the server's span: parent of everything the handler does.
    pub(super) context: Context,
    path: String,
    query: String,
}

impl Call {
    /// The number at the end of the path, `/orders/17`.
    pub(super) fn id(&self) -> Result<i64, Failure> {
        let last = self.path.rsplit('/').next().unwrap_or_default();
        last.parse().map_err(|_| Failure::new(StatusCode::NOT_FOUND, format!("{last:?} is not a number")))
    }

    /// The value after `q=`.
    pub(super) fn search(&self) -> &str {
        self.query.strip_prefix("q=").unwrap_or(&self.query)
    }
}

/// An error response.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    message: String,
}

impl Failure {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Failure {
        Failure { status, message: message.into() }
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

/// Response of a handler: JSON or a failure.
pub(super) type Answer = Result<serde_json::Value, Failure>;

/// Builds a route and traces its requests under `route`.
pub(super) fn traced<H, F>(telemetry: &Telemetry, method: Method, route: &'static str, handler: H) -> MethodRouter
where
    H: Fn(Call) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let filter = if method == Method::POST { MethodFilter::POST } else { MethodFilter::GET };
    let tracer = telemetry.tracer.clone();
    on(filter, move |request: Request| {
        let parent = TraceContextPropagator::new().extract(&Headers(request.headers()));
        let path = request.uri().path().to_owned();
        let query = request.uri().query().unwrap_or_default().to_owned();
        let span = tracer
            .span_builder(format!("{} {route}", request.method()))
            .with_kind(SpanKind::Server)
            .with_attributes([
                KeyValue::new("http.request.method", request.method().to_string()),
                KeyValue::new("http.route", route),
                KeyValue::new("url.path", path.clone()),
                KeyValue::new("url.scheme", "http"),
            ])
            .start_with_context(&tracer, &parent);
        let context = parent.with_span(span);
        let answer = handler(Call { context: context.clone(), path, query });
        async move { finish(&context, answer.await) }
    })
}

fn finish(context: &Context, answer: Answer) -> Response {
    let span = context.span();
    let (status, body) = match answer {
        Ok(body) => (StatusCode::OK, body),
        Err(failure) => {
            if failure.status.is_server_error() {
                span.set_status(Status::error(failure.message.clone()));
                span.set_attribute(KeyValue::new("error.type", failure.status.as_str().to_owned()));
            }
            (failure.status, serde_json::json!({"error": failure.message}))
        }
    };
    span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
    span.end();
    (status, axum::Json(body)).into_response()
}

/// A client that propagates the trace context.
#[derive(Clone)]
pub(super) struct Client {
    http: reqwest::Client,
    telemetry: Telemetry,
}

impl Client {
    pub(super) fn new(telemetry: &Telemetry) -> anyhow::Result<Client> {
        Ok(Client { http: reqwest::Client::builder().no_proxy().build()?, telemetry: telemetry.clone() })
    }

    pub(super) async fn send(&self, call: &Call, method: Method, backend: SocketAddr, path: &str) -> Answer {
        let span = self
            .telemetry
            .tracer
            .span_builder(method.to_string())
            .with_kind(SpanKind::Client)
            .with_attributes([
                KeyValue::new("http.request.method", method.to_string()),
                KeyValue::new("server.address", backend.ip().to_string()),
                KeyValue::new("server.port", i64::from(backend.port())),
            ])
            .start_with_context(&self.telemetry.tracer, &call.context);
        let context = call.context.with_span(span);
        let mut headers = HeaderMap::new();
        TraceContextPropagator::new().inject_context(&context, &mut HeadersMut(&mut headers));
        let answer = self.http.request(method, format!("http://{backend}{path}")).headers(headers).send().await;
        let span = context.span();
        match answer {
            Ok(response) => {
                let status = response.status();
                span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
                let body: serde_json::Value = response.json().await.unwrap_or_default();
                if status.is_success() {
                    return Ok(body);
                }
                span.set_status(Status::error(status.to_string()));
                Err(Failure::new(status, body["error"].as_str().unwrap_or("the backend failed")))
            }
            Err(error) => {
                span.set_status(Status::error(error.to_string()));
                Err(Failure::new(StatusCode::BAD_GATEWAY, error.to_string()))
            }
        }
    }
}

/// A running service.
pub(super) struct Service {
    pub(super) address: SocketAddr,
    telemetry: Telemetry,
    server: tokio::task::JoinHandle<()>,
}

impl Service {
    /// Serves `router` on a free loopback port until `cancel`.
    pub(super) async fn serve(
        router: Router,
        telemetry: Telemetry,
        cancel: CancellationToken,
    ) -> anyhow::Result<Service> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(cancel.cancelled_owned()).await {
                tracing::warn!(%error, "a service of the demo stopped");
            }
        });
        Ok(Service { address, telemetry, server })
    }

    /// Flushes the telemetry after `cancel`. Idle keep-alive connections may keep the server open, so the wait is short.
    pub(super) async fn close(self) {
        let _ended = tokio::time::timeout(std::time::Duration::from_millis(500), self.server).await;
        self.telemetry.stop().await;
    }
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct HeadersMut<'a>(&'a mut HeaderMap);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(key.as_bytes()), HeaderValue::from_str(&value)) {
            self.0.insert(name, value);
        }
    }
}
