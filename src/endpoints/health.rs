//! Health endpoint, compatible with the Collector's `health_check` extension.

use super::{QueryService, graceful_shutdown};
use crate::net::Listener;
use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio_util::sync::CancellationToken;

/// Settings of `extensions.health_check`.
#[derive(Debug, Clone)]
pub struct HealthSettings {
    /// URL path.
    pub path: String,
}

/// Serves until `cancel`: 200 if all components are healthy, else 503 with the failed ones.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: impl Into<Listener>,
    settings: HealthSettings,
    service: Arc<dyn QueryService>,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let (began, since) = (Instant::now(), SystemTime::now());
    // Compares the path instead of routing it, because the configured path is text, not a pattern.
    let answer = move |uri: Uri| {
        let answer = if uri.path() == settings.path {
            answer(&*service, began.elapsed(), since)
        } else {
            StatusCode::NOT_FOUND.into_response()
        };
        async move { answer }
    };
    graceful_shutdown::serve(listener.into(), Router::new().fallback(answer), cancel).await
}

fn answer(service: &dyn QueryService, uptime: Duration, since: SystemTime) -> Response {
    let unwell: Vec<_> = service
        .health()
        .into_iter()
        .filter_map(|(name, state)| state.err().map(|error| json!({"name": name, "error": error})))
        .collect();
    if unwell.is_empty() {
        let up_since = humantime::format_rfc3339_nanos(since).to_string();
        let mut body = json!({"status": "Server available", "upSince": up_since, "uptime": as_go(uptime)});
        if let Some(progress) = service.catching_up() {
            body["catchingUp"] = progress.into();
        }
        return axum::Json(body).into_response();
    }
    let body = axum::Json(json!({"status": "Server not available", "components": unwell}));
    (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
}

/// Formats a duration like Go, as the Collector does: `1h2m3.5s`.
fn as_go(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let mut text = String::new();
    if hours > 0 {
        let _ = write!(text, "{hours}h");
    }
    if seconds >= 60 {
        let _ = write!(text, "{minutes}m");
    }
    let millis = format!("{}.{:03}", seconds % 60, duration.subsec_millis());
    let _ = write!(text, "{}s", millis.trim_end_matches('0').trim_end_matches('.'));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoints::testing::{Example, get};
    use serde_json::Value;
    use tokio::net::TcpListener;

    /// Expected values follow the documentation of Go's `time.Duration.String`.
    #[test]
    fn durations_are_written_as_go_does() {
        assert_eq!(as_go(Duration::from_millis(1500)), "1.5s");
        assert_eq!(as_go(Duration::from_mins(1)), "1m0s");
        assert_eq!(as_go(Duration::from_secs(3600 + 2 * 60 + 3)), "1h2m3s");
        assert_eq!(as_go(Duration::ZERO), "0s");
    }

    #[tokio::test]
    async fn well_and_unwell() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (example, cancel) = (Example::new(), CancellationToken::new());
        // As a route this path would be an invalid pattern, and panic.
        let settings = HealthSettings { path: "/:health".to_owned() };
        let serving = tokio::spawn(serve(listener, settings, example.clone(), cancel.clone()));
        let (status, body) = get(&format!("{base}/:health")).await;
        assert_eq!((status, body.contains("Server available")), (200, true));
        assert_eq!(get(&format!("{base}/other")).await.0, 404);
        cancel.cancel();
        serving.await.unwrap().unwrap();

        let response = answer(&*example, Duration::from_secs(5), SystemTime::UNIX_EPOCH);
        assert_eq!(response.status(), 200);
        let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let expected =
            json!({"status": "Server available", "upSince": "1970-01-01T00:00:00.000000000Z", "uptime": "5s"});
        assert_eq!(body, expected);

        *example.catching_up.lock() = Some("reading".to_owned());
        let response = answer(&*example, Duration::from_secs(5), SystemTime::UNIX_EPOCH);
        assert_eq!(response.status(), 200, "it takes requests and answers queries");
        let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["catchingUp"], "reading");

        example.ail("log", "the disk is full");
        let response = answer(&*example, Duration::from_secs(5), SystemTime::UNIX_EPOCH);
        assert_eq!(response.status(), 503);
        let body = axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let unwell = json!([{"name": "log", "error": "the disk is full"}]);
        assert_eq!(body, json!({"status": "Server not available", "components": unwell}));
    }
}
