//! What all requests share, and the response to one that is rejected.

use crate::delivery::settings::Secret;
use crate::endpoints::{QueryService, STALL};
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Settings of `extensions.sql.http`.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Bearer token that clients must send.
    pub auth_token: Option<Secret>,
    /// Maximum size of a request body in bytes.
    pub body_bytes_max: usize,
    /// Maximum number of concurrent queries, including those with a response still being read; further queries are rejected and
    /// can be retried.
    pub queries_max: usize,
    /// Timeout for a client that does not read the response.
    pub stall: Duration,
    /// Host names, without ports, accepted in addition to loopback names. If empty, a listener on loopback accepts only
    /// loopback names, and any other listener accepts all names.
    pub hosts: Vec<String>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        HttpSettings { auth_token: None, body_bytes_max: 1 << 20, queries_max: 8, stall: STALL, hosts: Vec::new() }
    }
}

/// State shared by all requests.
pub(super) struct Shared {
    pub(super) service: Arc<dyn QueryService>,
    pub(super) settings: HttpSettings,
    pub(super) queries: Arc<Semaphore>,
    pub(super) cancel: CancellationToken,
}

/// Returns an error response.
pub(super) fn refuse(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "error": message }))).into_response()
}
