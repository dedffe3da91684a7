//! `spanwise health`: the check for containers and probes.

use super::args::HealthArgs;
use super::outcome::FAILED;
use crate::app::client::{unproxied, untrusted};
use crate::app::show;
use std::process::ExitCode;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(3);

/// Exits with 0 if the server is healthy.
pub(super) async fn health(args: HealthArgs) -> anyhow::Result<ExitCode> {
    let endpoint = &args.endpoint;
    let client = unproxied(endpoint, &args.tls.settings())?;
    let answer = client.get(endpoint).timeout(TIMEOUT).send().await;
    let answer = answer.map_err(|error| match untrusted(&error) {
        Some(why) => anyhow::anyhow!("{endpoint}: {why}"),
        None => anyhow::anyhow!("{endpoint}: no response from Spanwise: {}", error.without_url()),
    })?;
    let is_well = answer.status().is_success();
    show::print(&format!("{}\n", answer.text().await?.trim()))?;
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}
