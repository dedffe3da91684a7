//! Keys that are asked for at the start, before anything is opened: Datadog's. Only a running server asks; `check` does not.

use super::config::Config;
use crate::exporters::datadog::{self, DatadogSettings, Key, Way};
use crate::exporters::kinds::ExporterKind;

/// Asks whether keys are valid. Where `api.fail_on_invalid_key` is true the start waits for it; else it goes on meanwhile.
///
/// # Errors
/// When a key is refused whose exporter shall fail by it, or cannot be asked for.
pub(super) async fn ask(config: &Config) -> anyhow::Result<()> {
    for target in &config.targets {
        let ExporterKind::Datadog(settings) = &target.kind else { continue };
        // A local Agent has the key.
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

/// A key that nobody can be asked about is no fault: the log keeps what waits, also for a network that is not there yet.
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
