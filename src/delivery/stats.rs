//! Progress of an exporter for a signal, or status of an alert channel, for the table `exporters`.

use crate::model::frame::Position;
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// How long ongoing drops are not logged again.
const TOLD_AGAIN_AFTER: Duration = Duration::from_mins(1);
/// How long rejections for the same reason are not logged again: a misconfigured target rejects every batch.
const REFUSED_AGAIN_AFTER: Duration = Duration::from_mins(10);
/// With more reasons than this, all are forgotten, and logged again.
const REASONS_MAX: usize = 100;

/// Counters since the start; shared with their readers.
#[derive(Debug, Default)]
pub struct ExporterStats {
    /// Items that the target accepted.
    pub sent_items: AtomicU64,
    /// Items that the target rejected.
    pub refused_items: AtomicU64,
    /// Items that the reader dropped because it was past its limit.
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
    /// When each rejection reason was last logged.
    reasons: BTreeMap<String, SystemTime>,
}

/// Status of one signal of an exporter, or of an alert channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The newest frame it has dealt with; `None` if it reads no frames.
    pub position: Option<Position>,
    /// `ok`, `retrying` or `refused`.
    pub state: &'static str,
    /// When attempts began to fail; `None` if the last one succeeded.
    pub failing_since: Option<SystemTime>,
    /// Last error message of the target.
    pub last_error: Option<String>,
    /// When items were last dropped.
    pub last_dropped: Option<SystemTime>,
    /// When items were last rejected.
    pub last_refused: Option<SystemTime>,
}

impl ExporterStats {
    pub(crate) fn add(counter: &AtomicU64, number: u64) {
        counter.fetch_add(number, Ordering::Relaxed);
    }

    /// Records the reader's position.
    pub(super) fn at(&self, position: Position) {
        self.changing().position = Some(position);
    }

    /// Records a failed attempt; returns true if the previous one succeeded.
    pub(crate) fn failed(&self, error: &str) -> bool {
        let mut changing = self.changing();
        changing.last_error = Some(error.to_owned());
        let is_first = changing.failing_since.is_none();
        changing.failing_since.get_or_insert_with(SystemTime::now);
        is_first
    }

    /// Records that delivery ended; nothing is sent until the next start.
    pub fn ended(&self, error: &str) {
        self.failed(&format!("ended: {error}"));
    }

    /// Records rejected items; the target itself is up.
    pub(crate) fn refused(&self, items: u64, reason: &str) {
        ExporterStats::add(&self.refused_items, items);
        let mut changing = self.changing();
        changing.last_error = Some(reason.to_owned());
        // Payloads without items, such as an event, do not count.
        if items > 0 {
            changing.last_refused = Some(SystemTime::now());
        }
    }

    /// Returns true if a rejection reason has not been logged recently.
    pub(super) fn is_news(&self, reason: &str) -> bool {
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

    /// Records a successful attempt; returns true if the previous one failed.
    pub(crate) fn went_well(&self) -> bool {
        self.changing().failing_since.take().is_some()
    }

    /// Records dropped items; returns true if none were dropped within the last minute.
    pub(super) fn dropped(&self, items: u64) -> bool {
        ExporterStats::add(&self.dropped_items, items);
        let before = self.changing().last_dropped.replace(SystemTime::now());
        before.is_none_or(|before| before.elapsed().is_ok_and(|since| since >= TOLD_AGAIN_AFTER))
    }

    /// Sets whether something is pending that the target rejected while it was up.
    pub(crate) fn holds_refused(&self, refused: bool) {
        self.changing().holds_refused = refused;
    }

    /// Returns the current status.
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
        self.changing.lock()
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
