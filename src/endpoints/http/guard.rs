//! Who may ask: whoever bears the token, and no page of another site in the user's browser.

use crate::sinks::settings::Secret;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use std::net::IpAddr;
use std::sync::Arc;

/// What is asked for.
pub(super) struct Guard {
    pub(super) token: Option<Secret>,
    pub(super) loopback: bool,
}

pub(super) async fn check(guard: Arc<Guard>, request: Request, next: Next) -> Response {
    match guard.refusal(request.headers()) {
        None => next.run(request).await,
        Some((status, message)) => (status, axum::Json(json!({ "error": message }))).into_response(),
    }
}

impl Guard {
    fn refusal(&self, headers: &HeaderMap) -> Option<(StatusCode, &'static str)> {
        let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
        let host = text(header::HOST).unwrap_or_default();
        // A name that an attacker resolves to 127.0.0.1 is not ours.
        if self.loopback && !is_loopback(host) {
            return Some((StatusCode::FORBIDDEN, "expected the Host to be localhost or a loopback address"));
        }
        if let Some(origin) = text(header::ORIGIN)
            && origin.split_once("://").map(|(_, authority)| authority) != Some(host)
        {
            return Some((StatusCode::FORBIDDEN, "pages of other sites may not ask here"));
        }
        let token = self.token.as_ref()?;
        let borne = text(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        match borne {
            Some(borne) if token.equals(borne) => None,
            _ => Some((StatusCode::UNAUTHORIZED, "the bearer token is missing or wrong (extensions.sql.auth_token)")),
        }
    }
}

/// Whether a Host header names this machine alone.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(guard: &Guard, headers: &[(&'static str, &'static str)]) -> Option<StatusCode> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        guard.refusal(&headers).map(|(status, _)| status)
    }

    #[test]
    fn other_sites_and_names_are_refused() {
        let guard = Guard { token: None, loopback: true };
        assert_eq!(refusal(&guard, &[("host", "127.0.0.1:4380")]), None);
        assert_eq!(refusal(&guard, &[("host", "[::1]:4380")]), None);
        assert_eq!(refusal(&guard, &[("host", "localhost:4380"), ("origin", "http://localhost:4380")]), None);
        assert_eq!(refusal(&guard, &[("host", "evil.example:4380")]), Some(StatusCode::FORBIDDEN));
        let other = [("host", "localhost:4380"), ("origin", "https://evil.example")];
        assert_eq!(refusal(&guard, &other), Some(StatusCode::FORBIDDEN));
    }

    #[test]
    fn a_token_is_asked_for() {
        let guard = Guard { token: Some(Secret::new("s")), loopback: false };
        assert_eq!(refusal(&guard, &[("host", "a"), ("authorization", "Bearer s")]), None);
        assert_eq!(refusal(&guard, &[("host", "a"), ("authorization", "Bearer t")]), Some(StatusCode::UNAUTHORIZED));
        assert_eq!(refusal(&guard, &[("host", "a")]), Some(StatusCode::UNAUTHORIZED));
    }
}
