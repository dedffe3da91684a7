//! Datadog's public API, as far as it is asked beside the intakes: whether a key is one.

use super::DatadogSettings;
use super::target::{address, with_key};
use crate::delivery::web;
use reqwest::StatusCode;
use serde_json::Value;
use std::time::Duration;

/// Path that says whether a key is one.
const VALIDATE: &str = "/api/v1/validate";
/// How long it is waited for: a start must not hang on it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the API says of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// It is one.
    Valid,
    /// It is none, in the API's words.
    Invalid(String),
    /// Nobody knows, and why.
    Unknown(String),
}

/// Asks the API whether an exporter's key is one.
///
/// # Errors
/// When an address, a header, the proxy or a file of `tls` cannot be used.
pub async fn validate(id: &str, settings: &DatadogSettings) -> anyhow::Result<Key> {
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
