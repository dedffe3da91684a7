//! Validates the API key at startup, before anything is opened. Only a running server does so, not `spanwise check`.

use super::api::{Key, validate};
use super::settings::{DatadogSettings, Way};

/// Checks that the key is valid. If `api.fail_on_invalid_key` is true, the start waits for the result; otherwise the check runs
/// in the background.
///
/// # Errors
/// Returns an error if a key with that setting is rejected or cannot be checked.
pub(super) async fn check(id: &str, settings: &DatadogSettings) -> anyhow::Result<()> {
    // A local Agent has its own key.
    if settings.way == Way::Agent {
        return Ok(());
    }
    if settings.api.fail_on_invalid_key {
        return is_valid(id, settings).await;
    }
    let (id, settings) = (id.to_owned(), settings.clone());
    tokio::spawn(async move {
        if let Err(error) = is_valid(&id, &settings).await {
            tracing::warn!(exporter = id, "{error:#}; unsent data stays in the log until the key is accepted");
        }
    });
    Ok(())
}

/// Validates a key. If it cannot be checked, that is not a fault: the log keeps pending data until the network is available.
async fn is_valid(id: &str, settings: &DatadogSettings) -> anyhow::Result<()> {
    let asked = &settings.api.endpoint;
    match validate(id, settings).await? {
        Key::Valid => tracing::debug!(exporter = id, "{asked} knows the key"),
        Key::Invalid(told) => anyhow::bail!("exporters.{id}.api.key: {asked} does not know this key ({told})"),
        Key::Unknown(reason) => {
            tracing::warn!(
                exporter = id,
                reason,
                "cannot validate exporters.{id}.api.key: {asked} gives no usable response"
            );
        }
    }
    Ok(())
}
