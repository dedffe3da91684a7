//! The running server.

use super::config::{Config, ReloadFn};

/// Runs until it is told to stop, then drains.
///
/// # Errors
/// When a listener or the disk cannot be had.
pub async fn run_server(_config: Config, _reload: ReloadFn) -> anyhow::Result<()> {
    anyhow::bail!("not wired yet")
}
