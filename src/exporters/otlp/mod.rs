//! The OTLP exporters: forward telemetry as it was received.

mod balancing;
mod config;
mod grpc;
mod http;
mod presets;
mod raw_codec;
mod settings;
mod wire;

#[cfg(test)]
mod tests;

pub(crate) use balancing::TYPE as LOAD_BALANCING;
pub(crate) use config::{GRPC, HTTP};
pub use raw_codec::RawCodec;
pub use settings::{DENIED, OtlpSettings, Protocol};

use crate::delivery::Exporter;
use std::sync::Arc;

/// Opens the target of an exporter.
///
/// # Errors
/// When its address, a header or a file of `tls` cannot be used.
pub fn open(id: &str, settings: &OtlpSettings) -> anyhow::Result<Arc<dyn Exporter>> {
    Ok(match settings.protocol {
        Protocol::Grpc => Arc::new(grpc::Grpc::new(id, settings)?),
        Protocol::Http => Arc::new(http::Http::new(id, settings)?),
    })
}
