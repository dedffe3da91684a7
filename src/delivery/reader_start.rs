//! Records when a reader of the log began; it gets everything received since then, across restarts.

use super::intake;
use super::settings::{DeliverySettings, cursor_name};
use crate::delivery::settings::Feed;
use crate::delivery::state_store::StateStore;
use std::collections::HashMap;
use std::time::SystemTime;

/// Kind of the entries in the state store: Unix nanoseconds, keyed by the name of the reader's cursor.
const BEGAN: &str = "reader_began";

/// Records the start of new readers. Must be called before anything is received, so that they see everything received
/// afterwards, even if the process is killed before they have read anything.
///
/// # Errors
/// When the state store fails.
pub async fn begin<'a>(
    readers: impl Iterator<Item = (&'a DeliverySettings, &'a [Feed])>,
    memory: &dyn StateStore,
) -> anyhow::Result<()> {
    let known: HashMap<String, Vec<u8>> = memory.entries(BEGAN).await?.into_iter().collect();
    let of_each = readers.flat_map(|(settings, feeds)| {
        let began = intake::unix_nano(settings.read_at).to_string().into_bytes();
        feeds.iter().map(move |feed| (cursor_name(&settings.id, feed.signal), began.clone()))
    });
    let new: Vec<(String, Vec<u8>)> = of_each.filter(|(name, _)| !known.contains_key(name)).collect();
    if new.is_empty() {
        return Ok(());
    }
    memory.change(BEGAN, &new, &[]).await
}

/// When a reader began to read, in Unix nanoseconds. A reader unknown to [`begin`] began when its settings were read.
pub(super) async fn of(name: &str, read_at: SystemTime, memory: &dyn StateStore) -> anyhow::Result<u64> {
    let known = memory.entries(BEGAN).await?.into_iter().find(|(reader, _)| reader == name);
    if let Some(began) = known.and_then(|(_, time)| String::from_utf8(time).ok()?.parse().ok()) {
        return Ok(began);
    }
    let began = intake::unix_nano(read_at);
    memory.put(BEGAN, name, began.to_string().as_bytes()).await?;
    Ok(began)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::settings::{BatchSettings, QueueSettings, RetrySettings};
    use crate::delivery::state_store::testing::InMemory;
    use crate::model::signal::Signal;
    use std::time::Duration;

    /// A kill before the reader has read anything does not change its start.
    #[tokio::test]
    async fn a_reader_is_as_old_as_when_it_was_first_told_of() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let settings = |seconds| DeliverySettings {
            id: "datadog".into(),
            retry: RetrySettings::default(),
            batch: BatchSettings::default(),
            queue: QueueSettings::default(),
            read_at: at(seconds),
        };
        let feeds = [Feed { signal: Signal::Metrics, receivers: Vec::new(), processors: Vec::new() }];
        let memory = InMemory::default();
        for seconds in [5, 9] {
            begin([(&settings(seconds), &feeds[..])].into_iter(), &memory).await.unwrap();
        }
        assert_eq!(of("exporter:datadog/metrics", at(9), &memory).await.unwrap(), 5_000_000_000);
        assert_eq!(of("exporter:datadog/traces", at(9), &memory).await.unwrap(), 9_000_000_000, "nobody told of it");
    }
}
