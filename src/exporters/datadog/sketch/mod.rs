//! The Datadog Agent's own sketch, accepted by `/api/beta/sketches`: counts by key, where a key is a power of 1 + 1/64, plus
//! exact aggregations. It is not the DDSketch of APM statistics.
//!
//! Built like `pkg/util/quantile` of the Agent, so that a histogram looks the same from every sender.

mod bins;
mod explicit;
mod exponential;
mod keys;

#[cfg(test)]
mod tests;

pub(super) use explicit::Builder;
pub(super) use exponential::{Exponential, Half};

use bins::Bins;

/// Maximum number of values in a sketch: 4096 bins of 16 bits.
pub(super) const VALUES_MAX: u64 = (bins::BINS_MAX as u64) * bins::BIN_MAX;

/// Exact aggregations of all values.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Basic {
    /// Number of values.
    pub(super) count: i64,
    /// Minimum.
    pub(super) min: f64,
    /// Maximum.
    pub(super) max: f64,
    /// Sum.
    pub(super) sum: f64,
    /// Mean.
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
        // Not `min` and `max`: NaN must not change the fields.
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
    /// Exact aggregations.
    pub(super) basic: Basic,
    bins: Bins,
}

impl Sketch {
    /// Keys, ascending; repeated if a count is above 65,535.
    pub(super) fn keys(&self) -> Vec<i32> {
        self.bins.iter().map(|bin| bin.key).collect()
    }

    /// Number of values at each key.
    pub(super) fn counts(&self) -> Vec<u32> {
        self.bins.iter().map(|bin| bin.count).collect()
    }
}
