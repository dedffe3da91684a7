//! The last point of each series, with a limit.

use super::histogram::Histogram;
use super::steps::Last;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Duration;

/// The last point of a series.
#[derive(Debug)]
pub(super) enum Seen {
    Sum(Last),
    Summary(Box<Summary>),
    Histogram(Box<Histogram>),
}

impl Seen {
    /// When its count began; a start later than its own time is invalid.
    fn start(&self) -> u64 {
        match self {
            Seen::Sum(last) => last.start.min(last.time),
            Seen::Summary(last) => last.count.start.min(last.count.time),
            Seen::Histogram(last) => last.start(),
        }
    }
}

/// The last point of a summary.
#[derive(Debug)]
pub(super) struct Summary {
    pub(super) count: Last,
    pub(super) sum: Option<Last>,
}

/// Maximum seconds between two exports of a sender, by default.
const BETWEEN_REQUESTS_MAX: u32 = 60;

/// A no-op hasher: keys are digests already.
#[derive(Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.first_chunk().map_or(0, |first| u64::from_le_bytes(*first));
    }
}

struct Kept {
    /// Seconds of the stage's own clock.
    touched: u32,
    seen: Seen,
}

/// All series. Eviction goes by the clock of this process: a sender's clock may be ahead.
pub(super) struct Series {
    kept: HashMap<u128, Kept, BuildHasherDefault<AsItIs>>,
    count_max: usize,
    idle_max: u32,
    now: u32,
    looked_at: u32,
    swept: u32,
    /// Latest start of all forgotten series, in Unix nanoseconds.
    pub(super) forgotten_start: u64,
}

impl Series {
    pub(super) fn new(series_max: usize, idle_max: Duration) -> Series {
        let idle_max = u32::try_from(idle_max.as_secs()).unwrap_or(u32::MAX);
        Series {
            kept: HashMap::default(),
            count_max: series_max,
            idle_max,
            now: 0,
            looked_at: 0,
            swept: 0,
            forgotten_start: 0,
        }
    }

    /// Sets the time since the stage began, and evicts idle series. While a target is down no requests are passed, which must
    /// not make series idle: a long pause between two requests counts only as one export interval.
    pub(super) fn at(&mut self, since_start: Duration) {
        let seconds = u32::try_from(since_start.as_secs()).unwrap_or(u32::MAX);
        let since = seconds.saturating_sub(self.looked_at);
        self.looked_at = self.looked_at.max(seconds);
        self.now = self.now.saturating_add(since.min(BETWEEN_REQUESTS_MAX).min(self.idle_max / 2));
        if self.now.saturating_sub(self.swept) > self.idle_max / 2 {
            self.swept = self.now;
            let (now, idle_max) = (self.now, self.idle_max);
            let idle = |kept: &Kept| now.saturating_sub(kept.touched) > idle_max;
            for (_, forgotten) in self.kept.extract_if(|_, kept| idle(kept)) {
                self.forgotten_start = self.forgotten_start.max(forgotten.seen.start());
            }
        }
    }

    /// Returns the last point of a series.
    pub(super) fn get(&mut self, key: u128) -> Option<&mut Seen> {
        let (now, idle_max) = (self.now, self.idle_max);
        let kept = self.kept.get_mut(&key).filter(|kept| now.saturating_sub(kept.touched) <= idle_max)?;
        kept.touched = now;
        Some(&mut kept.seen)
    }

    /// Adds a new series; returns false if there is no room.
    pub(super) fn put(&mut self, key: u128, seen: Seen) -> bool {
        if self.kept.len() >= self.count_max && !self.kept.contains_key(&key) {
            return false;
        }
        if let Some(forgotten) = self.kept.insert(key, Kept { touched: self.now, seen }) {
            self.forgotten_start = self.forgotten_start.max(forgotten.seen.start());
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_series_is_idle_while_nothing_is_passed() {
        let sum = || Seen::Sum(Last { start: 1, time: 2, value: 3.0 });
        let mut series = Series::new(10, Duration::from_hours(1));
        assert!(series.put(1, sum()));
        // The target is down for a day.
        series.at(Duration::from_hours(24));
        assert!(series.get(1).is_some());
        // Other series go on for longer than an hour, once a minute.
        for minute in 1..=61 {
            series.at(Duration::from_hours(24) + Duration::from_mins(minute));
        }
        assert!(series.get(1).is_none());
        // It may come back, and what it has counted must not be counted twice.
        assert!(series.put(1, sum()));
        assert_eq!(series.forgotten_start, 1);
    }
}
