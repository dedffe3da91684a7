//! Checks API keys at startup, before anything is opened: Datadog's. Only a running server does so, not `check`.

use super::config::Config;
use crate::exporters::datadog::{self, DatadogSettings, Key, Way};
use crate::exporters::kinds::ExporterKind;

/// Checks that keys are valid. If `api.fail_on_invalid_key` is true, the start waits for the result; otherwise the check
/// runs in the background.
///
/// # Errors
/// Returns an error if a key with that setting is rejected or cannot be checked.
pub(super) async fn ask(config: &Config) -> anyhow::Result<()> {
    for target in &config.targets {
        let ExporterKind::Datadog(settings) = &target.kind else { continue };
        // A local Agent has its own key.
        if settings.way == Way::Agent {
            continue;
        }
        let id = target.id().to_owned();
        if settings.api.fail_on_invalid_key {
            is_valid(&id, settings).await?;
        } else {
            let settings = settings.clone();
            tokio::spawn(async move {
                if let Err(error) = is_valid(&id, &settings).await {
                    tracing::warn!(sink = id, "{error:#}; unsent data stays in the log until the key is accepted");
                }
            });
        }
    }
    Ok(())
}

/// Validates a key. If it cannot be checked, that is not a fault: the log keeps pending data until the network is available.
async fn is_valid(id: &str, settings: &DatadogSettings) -> anyhow::Result<()> {
    let asked = &settings.api.endpoint;
    match datadog::validate(id, settings).await? {
        Key::Valid => tracing::debug!(sink = id, "{asked} knows the key"),
        Key::Invalid(told) => anyhow::bail!("exporters.{id}.api.key: {asked} does not know this key ({told})"),
        Key::Unknown(reason) => {
            tracing::warn!(
                sink = id,
                reason,
                "cannot validate exporters.{id}.api.key: {asked} gives no usable response"
            );
        }
    }
    Ok(())
}
