//! `spanwise demo`: the server and the shop in one process.

use std::time::Duration;

/// What the demo is to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoOptions {
    /// Faults to plant, by their words.
    pub faults: Vec<String>,
    /// When it ends; `None` runs until Ctrl-C.
    pub duration: Option<Duration>,
    /// End with the findings as JSON on standard output.
    pub json: bool,
}

/// Runs the demo.
///
/// # Errors
/// When a port or the folder cannot be had.
pub async fn run_demo(_options: DemoOptions) -> anyhow::Result<()> {
    anyhow::bail!("not wired yet")
}
