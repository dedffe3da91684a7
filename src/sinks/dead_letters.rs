//! What a target refused for good, kept for the table `dead_letters`.

use super::memory::Memory;
use serde_json::json;
use std::time::SystemTime;

/// Kind of the memory's entries.
pub const DEAD_LETTERS: &str = "dead_letter";
/// Dead letters kept of one exporter and signal; the oldest go first.
const DEAD_LETTERS_MAX: usize = 1000;

/// One of them.
pub(super) struct DeadLetter {
    /// What it is called among those of its exporter and signal; they are dropped in this order.
    pub(super) key: String,
    /// The frame's place in the log, where it is one.
    pub(super) position: Option<u64>,
    /// Items in it.
    pub(super) items: u64,
}

/// Keeps them, up to a bound.
///
/// # Errors
/// When the memory fails.
pub(super) async fn bury(
    memory: &dyn Memory,
    (sink, signal): (&str, &str),
    letters: impl IntoIterator<Item = DeadLetter> + Send,
    reason: &str,
) -> anyhow::Result<()> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let time_us = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
    let letters: Vec<DeadLetter> = letters.into_iter().collect();
    for DeadLetter { key, position, items } in letters {
        let letter = json!({
            "sink": sink, "position": position, "signal": signal, "items": items, "reason": reason, "time": time_us,
        });
        memory.put(DEAD_LETTERS, &of(sink, signal, &key), letter.to_string().as_bytes()).await?;
    }
    let prefix = of(sink, signal, "");
    let mut kept = memory.entries(DEAD_LETTERS).await?;
    kept.retain(|(key, _)| key.starts_with(&prefix));
    for (key, _) in kept.iter().take(kept.len().saturating_sub(DEAD_LETTERS_MAX)) {
        memory.delete(DEAD_LETTERS, key).await?;
    }
    Ok(())
}

/// Forgets one that was taken after all.
///
/// # Errors
/// When the memory fails.
pub(super) async fn exhume(memory: &dyn Memory, (sink, signal): (&str, &str), key: &str) -> anyhow::Result<()> {
    memory.delete(DEAD_LETTERS, &of(sink, signal, key)).await
}

fn of(sink: &str, signal: &str, key: &str) -> String {
    format!("{sink}/{signal}/{key}")
}
