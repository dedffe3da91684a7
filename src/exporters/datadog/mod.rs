//! The Datadog exporter, with the mapping of Datadog's own OTLP code: traces with span statistics, metrics as series and
//! sketches, logs as items; findings also as events. It also reports host metadata.

mod agent;
mod api;
mod config;
mod events;
pub mod host_metadata;
mod keys;
pub mod logs;
pub mod metrics;
mod msgpack;
mod numbers;
mod otlp;
mod resource;
mod settings;
mod sketch;
mod spans;
pub mod stats;
mod target;
pub mod traces;

#[cfg(test)]
mod tests;

pub(crate) use config::TYPE;
pub use settings::{ApiSettings, DatadogSettings, DeltaSettings, Endpoints, SITES, Way};

use crate::delivery::Exporter;
use std::sync::Arc;

/// Opens the target of an exporter.
///
/// # Errors
/// When an address, a header, the proxy or a file of `tls` cannot be used.
pub fn open(id: &str, settings: &DatadogSettings) -> anyhow::Result<Arc<dyn Exporter>> {
    Ok(match settings.way {
        Way::Intake => Arc::new(target::Intake::new(id, settings)?),
        Way::Otlp => Arc::new(otlp::OtlpIntake::new(id, settings)?),
        Way::Agent => Arc::new(agent::Agent::new(id, settings)?),
    })
}
