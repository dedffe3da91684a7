//! Datadog's public API, used only to validate keys.

use super::DatadogSettings;
use super::target::{address, with_key};
use crate::delivery::web;
use reqwest::StatusCode;
use serde_json::Value;
use std::time::Duration;

/// Path for validating a key.
const VALIDATE: &str = "/api/v1/validate";
/// Timeout: a start must not hang on it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Result of validating a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// The key is valid.
    Valid,
    /// The key is invalid; the API's message.
    Invalid(String),
    /// Validity could not be determined, and why.
    Unknown(String),
}

/// Validates an exporter's key with the API.
///
/// # Errors
/// When an address, a header, the proxy or a file of `tls` cannot be used.
pub(super) async fn validate(id: &str, settings: &DatadogSettings) -> anyhow::Result<Key> {
    let url = web::below(&address(id, "metrics", &settings.api.endpoint)?, VALIDATE);
    let mut client = with_key(settings);
    client.timeout = client.timeout.min(PATIENCE);
    let client = web::client(&format!("exporters.{id}"), &url, &client)?;
    let answer = match client.get(url).send().await {
        Ok(answer) => answer,
        Err(error) => return Ok(Key::Unknown(web::reason(error))),
    };
    let answer = web::Answer::of(answer).await;
    if answer.is_page {
        return Ok(Key::Unknown(answer.page()));
    }
    let (status, body) = (answer.status, &answer.body);
    let valid = serde_json::from_slice::<Value>(body).ok().and_then(|answer| answer.get("valid")?.as_bool());
    let told = String::from_utf8_lossy(body);
    let told = format!("{status}: {}", web::cut(told.trim()));
    Ok(match (status, valid) {
        (StatusCode::FORBIDDEN, _) | (StatusCode::OK, Some(false)) => Key::Invalid(told),
        (StatusCode::OK, Some(true)) => Key::Valid,
        _ => Key::Unknown(told),
    })
}
