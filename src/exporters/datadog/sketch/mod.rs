//! The Datadog Agent's own sketch, which `/api/beta/sketches` takes: how many values lie at which key, a key being a power
//! of 1 + 1/64; beside it what is known exactly. It is not the DDSketch of APM statistics.
//!
//! Made as `pkg/util/quantile` of the Agent does it, so that a histogram looks the same whoever sent it.

mod bins;
mod explicit;
mod exponential;
mod keys;

#[cfg(test)]
mod tests;

pub(super) use explicit::Builder;
pub(super) use exponential::{Exponential, Half};

use bins::Bins;

/// More values than these the counts of a sketch cannot hold: 4096 bins of 16 bits.
pub(super) const VALUES_MAX: u64 = (bins::BINS_MAX as u64) * bins::BIN_MAX;

/// What is known of all values.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Basic {
    /// How many.
    pub(super) count: i64,
    /// The least.
    pub(super) min: f64,
    /// The greatest.
    pub(super) max: f64,
    /// Their sum.
    pub(super) sum: f64,
    /// Their mean.
    pub(super) average: f64,
}

impl Basic {
    /// Adds the same value several times.
    fn add(&mut self, value: f64, times: u64) {
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_wrap, reason = "counts of a histogram")]
        let (share, count) = (times as f64, times as i64);
        if self.count == 0 {
            *self = Basic { count, min: value, max: value, sum: share * value, average: value };
            return;
        }
        if count == 0 {
            return;
        }
        // Not `min` and `max`: what is no number must leave them as they are.
        if value > self.max {
            self.max = value;
        }
        if value < self.min {
            self.min = value;
        }
        self.count += count;
        self.sum += share * value;
        #[expect(clippy::cast_precision_loss, reason = "counts of a histogram")]
        let all = self.count as f64;
        self.average += (value - self.average) * share / all;
    }
}

/// A sketch.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sketch {
    /// What is known of all values.
    pub(super) basic: Basic,
    bins: Bins,
}

impl Sketch {
    /// Keys, ascending; one stands several times where its count is above 65,535.
    pub(super) fn keys(&self) -> Vec<i32> {
        self.bins.iter().map(|bin| bin.key).collect()
    }

    /// How many values lie at each of the keys.
    pub(super) fn counts(&self) -> Vec<u32> {
        self.bins.iter().map(|bin| bin.count).collect()
    }
}
