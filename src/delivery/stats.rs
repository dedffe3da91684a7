//! How far an exporter is with a signal, or how a channel stands, for the table `exporters`.

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
pub struct ExporterStats {
    /// Items that the target took.
    pub sent_items: AtomicU64,
    /// Items that the target refused for good.
    pub refused_items: AtomicU64,
    /// Items that the reader went on without, since it was past its bound.
    pub dropped_items: AtomicU64,
    changing: Mutex<Changing>,
}

#[derive(Debug, Default)]
struct Changing {
    position: Option<Position>,
    failing_since: Option<SystemTime>,
    last_dropped: Option<SystemTime>,
    last_refused: Option<SystemTime>,
    holds_refused: bool,
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
    /// Since when no attempt went well; `None` while all goes well.
    pub failing_since: Option<SystemTime>,
    /// What the target last said.
    pub last_error: Option<String>,
    /// When items were last dropped.
    pub last_dropped: Option<SystemTime>,
    /// When items were last refused for good.
    pub last_refused: Option<SystemTime>,
}

impl ExporterStats {
    pub(crate) fn add(counter: &AtomicU64, number: u64) {
        counter.fetch_add(number, Ordering::Relaxed);
    }

    /// The reader is at a place.
    pub(crate) fn at(&self, position: Position) {
        self.changing().position = Some(position);
    }

    /// An attempt failed; true if the one before did not.
    pub(crate) fn failed(&self, error: &str) -> bool {
        let mut changing = self.changing();
        changing.last_error = Some(error.to_owned());
        let is_first = changing.failing_since.is_none();
        changing.failing_since.get_or_insert_with(SystemTime::now);
        is_first
    }

    /// It ended, and nothing is sent before the next start.
    pub fn ended(&self, error: &str) {
        self.failed(&format!("ended: {error}"));
    }

    /// The target refused so many items for good, though it is there.
    pub(crate) fn refused(&self, items: u64, reason: &str) {
        ExporterStats::add(&self.refused_items, items);
        let mut changing = self.changing();
        changing.last_error = Some(reason.to_owned());
        // What stands beside items, such as an event, is none.
        if items > 0 {
            changing.last_refused = Some(SystemTime::now());
        }
    }

    /// Whether a reason for a refusal is to be told: it was not lately.
    pub(crate) fn is_news(&self, reason: &str) -> bool {
        let mut changing = self.changing();
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
    pub(crate) fn went_well(&self) -> bool {
        self.changing().failing_since.take().is_some()
    }

    /// Items are dropped; true if none were within the last minute.
    pub(crate) fn dropped(&self, items: u64) -> bool {
        ExporterStats::add(&self.dropped_items, items);
        let before = self.changing().last_dropped.replace(SystemTime::now());
        before.is_none_or(|before| before.elapsed().is_ok_and(|since| since >= TOLD_AGAIN_AFTER))
    }

    /// Whether something waits that the target refused for good, for another reason than its being down.
    pub(crate) fn holds_refused(&self, refused: bool) {
        self.changing().holds_refused = refused;
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let changing = self.changing();
        Standing {
            position: changing.position,
            state: match (changing.failing_since, changing.holds_refused) {
                (Some(_), _) => "retrying",
                (None, true) => "refused",
                (None, false) => "ok",
            },
            failing_since: changing.failing_since,
            last_error: changing.last_error.clone(),
            last_dropped: changing.last_dropped,
            last_refused: changing.last_refused,
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
        let stats = ExporterStats::default();
        let told = ["no histograms", "no histograms", "too old", "no histograms"].map(|reason| stats.is_news(reason));
        assert_eq!(told, [true, false, true, false]);
        for other in 0..=REASONS_MAX {
            stats.is_news(&other.to_string());
        }
        assert!(stats.changing().reasons.len() <= REASONS_MAX);
    }
}
