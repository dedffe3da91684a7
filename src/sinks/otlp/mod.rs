//! What came in goes on over OTLP, as it was received.

mod grpc;
mod http;
mod settings;
mod wire;

#[cfg(test)]
mod tests;

pub use settings::{OtlpSettings, Protocol};

use super::delivery::{Delivery, DeliverySettings, FrameSource, Sender, cursor_name};
use super::memory::Memory;
use super::stats::SinkStats;
use crate::model::signal::Signal;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The cursors that an exporter reads by.
#[must_use]
pub fn cursor_names(settings: &OtlpSettings) -> Vec<String> {
    settings.signals.iter().map(|signal| cursor_name(&settings.id, *signal)).collect()
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
    let sender: Arc<dyn Sender> = match settings.protocol {
        Protocol::Grpc => Arc::new(grpc::Grpc::new(&settings)?),
        Protocol::Http => Arc::new(http::Http::new(&settings)?),
    };
    let mut deliveries = JoinSet::new();
    for signal in &settings.signals {
        let delivery =
            DeliverySettings { id: settings.id.clone(), retry: settings.retry.clone(), batch: settings.batch.clone() };
        let kept = (memory.clone(), stats.clone());
        let ends = (frames(*signal), sender.clone());
        deliveries.spawn(Delivery::open(delivery, *signal, ends, kept, cancel.clone()).await?.run());
    }
    while let Some(ended) = deliveries.join_next().await {
        ended?;
    }
    Ok(())
}
