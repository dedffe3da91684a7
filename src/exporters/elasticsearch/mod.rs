//! The exporter for Elasticsearch and OpenSearch, through `_bulk`: telemetry becomes documents of data streams.

mod answer;
mod bulk;
mod config;
mod document;
mod ecs;
mod json;
mod map;
mod otel;
mod points;
mod route;
mod settings;
mod taking;
mod target;
mod template;

#[cfg(test)]
mod tests;

pub(crate) use config::TYPE;
pub use settings::{ElasticsearchSettings, Indexes, Login, Mode, Named};
pub use template::index_template;

use crate::delivery::Exporter;
use std::sync::Arc;

/// Opens the target of an exporter.
///
/// # Errors
/// When an address, a header, the proxy or a file of `tls` cannot be used.
pub fn open(id: &str, settings: &ElasticsearchSettings) -> anyhow::Result<Arc<dyn Exporter>> {
    Ok(Arc::new(target::Elasticsearch::new(id, settings)?))
}
