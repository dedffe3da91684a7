//! Data that pipelines route to an exporter.

use super::processors::Processors;
use super::service::{Service, is_connector, stands_in};
use crate::delivery::settings::Feed;
use crate::model::self_telemetry;
use crate::model::signal::Signal;

/// Returns the feeds of an exporter from its pipelines, by signal and processors.
pub(super) fn feeds_of(service: &Service, exporter: &str, processors: &Processors) -> Vec<Feed> {
    let mut feeds: Vec<Feed> = Vec::new();
    let standing = || service.pipelines.iter().filter(|pipeline| stands_in(&pipeline.exporters, exporter));
    for signal in Signal::ALL {
        for pipeline in standing().filter(|pipeline| pipeline.signal == signal) {
            let through: Vec<_> =
                pipeline.processors.iter().filter_map(|named| processors.get(&named.id).cloned()).collect();
            // Pipelines with the same processors are merged: a receiver in both is read once.
            let same = |feed: &Feed| feed.signal == signal && feed.processors == through;
            let at = feeds.iter().position(same).unwrap_or_else(|| {
                feeds.push(Feed { signal, receivers: Vec::new(), processors: through.clone() });
                feeds.len() - 1
            });
            feeds[at].receivers.extend(pipeline.receivers.iter().map(|named| {
                // All output of connectors has the same name.
                if is_connector(&named.id) { self_telemetry::DERIVED.to_owned() } else { named.id.clone() }
            }));
        }
    }
    for feed in &mut feeds {
        feed.receivers.sort_unstable();
        feed.receivers.dedup();
    }
    feeds.retain(|feed| !feed.receivers.is_empty());
    feeds
}
