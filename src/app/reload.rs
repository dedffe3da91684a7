//! SIGHUP: the files are read again. What is broken leaves the old rules running.

use super::config::ReloadFn;
use super::server::definitions;
use crate::engine::Engine;

/// Reads configuration and pipelines again and judges by them; listeners, exporters and tables stay until a restart.
pub(super) async fn reload(read: &ReloadFn, engine: &Engine) {
    let definitions = read().and_then(|config| definitions(&config.performance));
    let definitions = match definitions {
        Ok(definitions) => definitions,
        Err(faults) => {
            for fault in &faults.0 {
                tracing::error!("{fault}");
            }
            tracing::error!(faults = faults.0.len(), "not reloaded: the rules from before stay in force");
            return;
        }
    };
    if definitions.tables != engine.tables() {
        tracing::warn!("schemas have changed: they take effect at the next start");
    }
    match engine.reload(definitions.rules).await {
        Ok(()) => tracing::info!(
            "reloaded: budgets, alerting and pipelines; listeners and exporters change at the next start"
        ),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "not reloaded: the rules from before stay in force");
        }
    }
}
