//! Datadog's sketch of durations: a histogram with powers of one number as bounds, accurate to 1%. Beyond 2048 bins the lowest
//! are merged.

use prost::Message;
use std::collections::BTreeMap;

/// Maximum number of bins.
const BINS_MAX: i32 = 2048;
/// Ratio of consecutive bounds: (1 + accuracy) / (1 - accuracy).
const GAMMA: f64 = (1.0 + 0.01) / (1.0 - 0.01);
/// Values up to this count as zero: the smallest normal number times [`GAMMA`].
const ZERO_MAX: f64 = f64::MIN_POSITIVE * GAMMA;

/// A sketch of non-negative numbers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sketch {
    /// Counts of values above zero.
    bins: BTreeMap<i32, f64>,
    zeros: f64,
}

impl Sketch {
    /// Adds a value.
    pub fn add(&mut self, value: f64) {
        if !(value > ZERO_MAX && value.is_finite()) {
            self.zeros += 1.0;
            return;
        }
        let index = index(value);
        let last = self.bins.last_key_value().map_or(index, |(last, _)| *last).max(index);
        let first = last - BINS_MAX + 1;
        while let Some(lowest) = self.bins.first_entry().filter(|entry| *entry.key() < first) {
            let count = lowest.remove();
            *self.bins.entry(first).or_insert(0.0) += count;
        }
        *self.bins.entry(index.max(first)).or_insert(0.0) += 1.0;
    }

    /// Returns the counts by bin.
    pub fn bins(&self) -> impl Iterator<Item = (i32, f64)> {
        self.bins.iter().map(|(index, count)| (*index, *count))
    }

    /// Returns the number of zeros.
    #[must_use]
    pub const fn zeros(&self) -> f64 {
        self.zeros
    }

    /// Encodes the sketch as it is sent.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (first, last) = match (self.bins.first_key_value(), self.bins.last_key_value()) {
            (Some((first, _)), Some((last, _))) => (*first, *last),
            _ => (0, -1),
        };
        let counts = (first..=last).map(|index| self.bins.get(&index).copied().unwrap_or(0.0)).collect();
        let message = wire::Sketch {
            mapping: Some(wire::Mapping { gamma: GAMMA, index_offset: 0.0 }),
            positive: Some(wire::Store { counts, first }),
            negative: Some(wire::Store::default()),
            zeros: self.zeros,
        };
        message.encode_to_vec()
    }
}

/// Returns the bin of a value.
#[allow(clippy::cast_possible_truncation, reason = "the logarithm of a number is small")]
fn index(value: f64) -> i32 {
    let index = value.ln() * (1.0 / GAMMA.ln());
    // Not the floor: the original is one lower for negative integer indexes.
    if index >= 0.0 { index as i32 } else { index as i32 - 1 }
}

mod wire {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Sketch {
        #[prost(message, optional, tag = "1")]
        pub(super) mapping: Option<Mapping>,
        #[prost(message, optional, tag = "2")]
        pub(super) positive: Option<Store>,
        #[prost(message, optional, tag = "3")]
        pub(super) negative: Option<Store>,
        #[prost(double, tag = "4")]
        pub(super) zeros: f64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Mapping {
        #[prost(double, tag = "1")]
        pub(super) gamma: f64,
        #[prost(double, tag = "2")]
        pub(super) index_offset: f64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Store {
        #[prost(double, repeated, tag = "2")]
        pub(super) counts: Vec<f64>,
        #[prost(sint32, tag = "3")]
        pub(super) first: i32,
    }
}
