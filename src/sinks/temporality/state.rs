//! The last point of each series, within a bound.

use super::histogram::Histogram;
use super::steps::Last;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::Duration;

/// What a series was last seen with.
#[derive(Debug)]
pub(super) enum Seen {
    Sum(Last),
    Summary(Box<Summary>),
    Histogram(Box<Histogram>),
}

/// The last point of a summary.
#[derive(Debug)]
pub(super) struct Summary {
    pub(super) count: Last,
    pub(super) sum: Option<Last>,
}

/// Keys are digests already.
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

/// All series. How long one is kept goes by the clock of this process: a sender's may run ahead.
pub(super) struct Series {
    kept: HashMap<u128, Kept, BuildHasherDefault<AsItIs>>,
    series_max: usize,
    idle_max: u32,
    now: u32,
    swept: u32,
    /// Points that found no room.
    pub(super) left_out: u64,
}

impl Series {
    pub(super) fn new(series_max: usize, idle_max: Duration) -> Series {
        let idle_max = u32::try_from(idle_max.as_secs()).unwrap_or(u32::MAX);
        Series { kept: HashMap::default(), series_max, idle_max, now: 0, swept: 0, left_out: 0 }
    }

    /// Tells the time since the stage began; what is too old goes.
    pub(super) fn at(&mut self, since_start: Duration) {
        self.now = u32::try_from(since_start.as_secs()).unwrap_or(u32::MAX);
        if self.now.saturating_sub(self.swept) > self.idle_max / 2 {
            self.swept = self.now;
            let (now, idle_max) = (self.now, self.idle_max);
            self.kept.retain(|_, kept| now.saturating_sub(kept.touched) <= idle_max);
        }
    }

    /// What a series was last seen with.
    pub(super) fn get(&mut self, key: u128) -> Option<&mut Seen> {
        let (now, idle_max) = (self.now, self.idle_max);
        let kept = self.kept.get_mut(&key).filter(|kept| now.saturating_sub(kept.touched) <= idle_max)?;
        kept.touched = now;
        Some(&mut kept.seen)
    }

    /// Keeps a series that was not there, if there is room.
    pub(super) fn put(&mut self, key: u128, seen: Seen) {
        if self.kept.len() >= self.series_max && !self.kept.contains_key(&key) {
            self.left_out += 1;
            return;
        }
        self.kept.insert(key, Kept { touched: self.now, seen });
    }
}
