//! How far an exporter or a channel is, for the table `sinks`.

use crate::log::Position;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// How long dropping goes on before it is told again.
const TOLD_AGAIN_AFTER: Duration = Duration::from_mins(1);
/// How long a target refuses for one reason before that is told again: what it lacks it lacks for every batch.
const REFUSED_AGAIN_AFTER: Duration = Duration::from_mins(10);
/// Of more reasons all are forgotten, and told again.
const REASONS_MAX: usize = 100;

/// Counts since the start; shared with whoever shows them.
#[derive(Debug, Default)]
pub struct SinkStats {
    /// Items that the target took.
    pub sent_items: AtomicU64,
    /// Items that the target refused for good.
    pub refused_items: AtomicU64,
    /// Frames, or messages, kept as dead letters.
    pub dead_letters: AtomicU64,
    /// Items that the reader went on without, since it was past its bound.
    pub dropped_items: AtomicU64,
    changing: Mutex<Changing>,
}

#[derive(Debug, Default)]
struct Changing {
    /// By signal.
    positions: BTreeMap<&'static str, Position>,
    failing: bool,
    last_dropped: Option<SystemTime>,
    refused: bool,
    last_error: Option<String>,
    /// When it was last told of each reason for a refusal.
    reasons: BTreeMap<String, SystemTime>,
}

/// How a sink stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The newest frame that it has dealt with; `None` where it reads no frames.
    pub position: Option<Position>,
    /// `ok`, `retrying` or `refused`.
    pub state: &'static str,
    /// What the target last said.
    pub last_error: Option<String>,
    /// When items were last dropped.
    pub last_dropped: Option<SystemTime>,
}

impl SinkStats {
    pub(super) fn add(counter: &AtomicU64, number: u64) {
        counter.fetch_add(number, Ordering::Relaxed);
    }

    /// A reader of a signal is at a place.
    pub(super) fn at(&self, signal: &'static str, position: Position) {
        self.changing().positions.insert(signal, position);
    }

    /// An attempt failed; true if the one before did not.
    pub(super) fn failed(&self, error: &str) -> bool {
        let mut changing = self.changing();
        changing.last_error = Some(error.to_owned());
        !std::mem::replace(&mut changing.failing, true)
    }

    /// The target refused something for good, though it is there; true if that was not told for this reason lately.
    pub(super) fn refused(&self, reason: &str) -> bool {
        let mut changing = self.changing();
        changing.last_error = Some(reason.to_owned());
        let told = changing.reasons.get(reason);
        if told.is_some_and(|told| told.elapsed().is_ok_and(|since| since < REFUSED_AGAIN_AFTER)) {
            return false;
        }
        if changing.reasons.len() >= REASONS_MAX {
            changing.reasons.clear();
        }
        changing.reasons.insert(reason.to_owned(), SystemTime::now());
        true
    }

    /// An attempt went well; true if the one before did not.
    pub(super) fn went_well(&self) -> bool {
        std::mem::replace(&mut self.changing().failing, false)
    }

    /// Items are dropped; true if none were within the last minute.
    pub(super) fn dropped(&self, items: u64) -> bool {
        SinkStats::add(&self.dropped_items, items);
        let before = self.changing().last_dropped.replace(SystemTime::now());
        before.is_none_or(|before| before.elapsed().is_ok_and(|since| since >= TOLD_AGAIN_AFTER))
    }

    /// Whether something waits that the target refused for good, for another reason than its being down.
    pub(super) fn holds_refused(&self, refused: bool) {
        self.changing().refused = refused;
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let changing = self.changing();
        Standing {
            position: changing.positions.values().min().copied(),
            state: match (changing.failing, changing.refused) {
                (true, _) => "retrying",
                (false, true) => "refused",
                (false, false) => "ok",
            },
            last_error: changing.last_error.clone(),
            last_dropped: changing.last_dropped,
        }
    }

    fn changing(&self) -> MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_once_a_reason() {
        let stats = SinkStats::default();
        let told = ["no histograms", "no histograms", "too old", "no histograms"].map(|reason| stats.refused(reason));
        assert_eq!(told, [true, false, true, false]);
        assert_eq!(stats.standing().last_error.as_deref(), Some("no histograms"));
        for other in 0..=REASONS_MAX {
            stats.refused(&other.to_string());
        }
        assert!(stats.changing().reasons.len() <= REASONS_MAX);
    }
}
