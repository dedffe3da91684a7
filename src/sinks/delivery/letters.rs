//! Dead letters: what a target will never take, kept with the reason.

use super::batch::Part;
use crate::log::Position;
use crate::model::signal::Signal;
use crate::sinks::memory::Memory;
use serde_json::json;
use std::time::SystemTime;

/// Kind of the entries that hold dead letters.
pub const DEAD_LETTERS: &str = "dead_letter";
/// Dead letters kept of one exporter and signal; the oldest go first.
const DEAD_LETTERS_MAX: usize = 1000;

/// Where what is dead came from: the first of its frames, and which piece of what was made of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) position: Position,
    pub(super) piece: u64,
}

impl Place {
    pub(super) fn of(part: &Part) -> Place {
        Place { position: part.position, piece: part.piece }
    }
}

/// One dead letter.
#[derive(Debug)]
pub(super) struct Letter<'a> {
    pub(super) place: Place,
    pub(super) items: u64,
    pub(super) reason: &'a str,
}

/// Keeps letters of a sink and a signal.
pub(super) async fn keep(
    memory: &dyn Memory,
    sink: &str,
    signal: Signal,
    letters: &[Letter<'_>],
) -> anyhow::Result<()> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let time_us = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
    let prefix = format!("{sink}/{}/", signal.as_str());
    for (number, Letter { place, items, reason }) in letters.iter().enumerate() {
        let letter = json!({
            "sink": sink, "position": place.position.0, "signal": signal.as_str(), "items": items,
            "reason": reason, "time": time_us,
        });
        let key = format!("{prefix}{:020}.{:020}.{number:06}", place.position.0, place.piece);
        memory.put(DEAD_LETTERS, &key, letter.to_string().as_bytes()).await?;
    }
    let mut kept = memory.entries(DEAD_LETTERS).await?;
    kept.retain(|(key, _)| key.starts_with(&prefix));
    for (key, _) in kept.iter().take(kept.len().saturating_sub(DEAD_LETTERS_MAX)) {
        memory.delete(DEAD_LETTERS, key).await?;
    }
    Ok(())
}
