//! What came in goes on over OTLP, as it was received.

mod grpc;
mod http;
mod settings;
mod wire;

#[cfg(test)]
mod tests;

pub use settings::{OtlpSettings, Protocol};

use super::delivery::{self, FrameSource, Parties, Rate, Target, cursor_name};
use super::memory::Memory;
use super::stats::SinkStats;
use crate::model::signal::Signal;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The cursors that an exporter reads by.
#[must_use]
pub fn cursor_names(settings: &OtlpSettings) -> Vec<String> {
    settings.feeds.iter().map(|feed| cursor_name(&settings.delivery.id, feed.signal)).collect()
}

/// Delivers every signal of the settings until it is cancelled; `frames` gives each its own way through the log.
///
/// # Errors
/// When the target's address or authority cannot be used, or the log or the memory fails.
pub async fn run(
    settings: OtlpSettings,
    frames: impl Fn(Signal) -> Arc<dyn FrameSource>,
    memory: Arc<dyn Memory>,
    stats: Arc<SinkStats>,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let target: Arc<dyn Target> = match settings.protocol {
        Protocol::Grpc => Arc::new(grpc::Grpc::new(&settings)?),
        Protocol::Http => Arc::new(http::Http::new(&settings)?),
    };
    let parties = Parties { target, memory, stats, rate: Arc::new(Rate::new(settings.rate)) };
    delivery::run(settings.delivery, settings.feeds, frames, parties, cancel).await
}
