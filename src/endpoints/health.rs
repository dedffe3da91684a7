//! Health, as the Collector's `health_check` extension tells it.

use super::QueryService;
use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::json;
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Settings of `extensions.health_check`.
#[derive(Debug, Clone)]
pub struct HealthSettings {
    /// The path.
    pub path: String,
}

/// Serves until `cancel`: 200 while everything is well, else 503 with what is not.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    settings: HealthSettings,
    service: Arc<dyn QueryService>,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let (began, since) = (Instant::now(), SystemTime::now());
    let answer = move || {
        let answer = answer(&*service, began, since);
        async move { answer }
    };
    let router = Router::new().route(&settings.path, get(answer));
    axum::serve(listener, router).with_graceful_shutdown(cancel.cancelled_owned()).await?;
    Ok(())
}

fn answer(service: &dyn QueryService, began: Instant, since: SystemTime) -> Response {
    let unwell: Vec<_> = service
        .health()
        .into_iter()
        .filter_map(|(name, state)| state.err().map(|error| json!({"name": name, "error": error})))
        .collect();
    if unwell.is_empty() {
        let up_since = humantime::format_rfc3339_millis(since).to_string();
        let uptime = humantime::format_duration(std::time::Duration::from_secs(began.elapsed().as_secs())).to_string();
        return axum::Json(json!({"status": "Server available", "upSince": up_since, "uptime": uptime}))
            .into_response();
    }
    let body = axum::Json(json!({"status": "Server not available", "components": unwell}));
    (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
}
