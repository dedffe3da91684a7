//! Sketches of exponential histograms: the count of each bucket is spread over the keys it overlaps, rounded so that the sum
//! stays equal to the count.

use super::{Basic, Sketch, VALUES_MAX, keys};

/// Smallest normal double.
const LEAST_NORMAL: f64 = f64::MIN_POSITIVE;
/// Exclusive upper limit of keys.
const KEY_END: i64 = i16::MAX as i64;
/// Offset from keys to a scale with keys as integers: keys are rounded, this scale is truncated.
const OFFSET: f64 = keys::BIAS as f64 + 0.5;

/// Buckets on one side of zero.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::exporters::datadog) struct Half<'a> {
    /// Index of the first bucket.
    pub(in crate::exporters::datadog) offset: i32,
    /// Counts of all buckets.
    pub(in crate::exporters::datadog) counts: &'a [u64],
}

/// An exponential histogram.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::exporters::datadog) struct Exponential<'a> {
    /// Bounds are powers of 2^(2^-scale).
    pub(in crate::exporters::datadog) scale: i32,
    /// Number of values at or near zero.
    pub(in crate::exporters::datadog) zero_count: u64,
    /// Values above zero.
    pub(in crate::exporters::datadog) positive: Half<'a>,
    /// Values below zero, by their absolute value.
    pub(in crate::exporters::datadog) negative: Half<'a>,
}

impl Exponential<'_> {
    /// Returns true if a sketch can contain as many values.
    pub(in crate::exporters::datadog) fn fits(&self) -> bool {
        let counts = self.positive.counts.iter().chain(self.negative.counts);
        #[expect(clippy::cast_precision_loss, reason = "exact around the limit")]
        let total = counts.fold(self.zero_count as f64, |total, count| total + *count as f64);
        #[expect(clippy::cast_precision_loss, reason = "a small number")]
        let most = VALUES_MAX as f64;
        total <= most
    }

    /// Returns the sketch; `None` without values. The caller adds exact aggregations.
    ///
    /// # Errors
    /// When its buckets lie where no sketch has keys.
    pub(in crate::exporters::datadog) fn sketch(&self) -> Result<Option<Sketch>, String> {
        let gamma = (-f64::from(self.scale)).exp2().exp2();
        if gamma <= 1.0 {
            return Err(format!("the scale {} is too fine for a sketch", self.scale));
        }
        let source = Scale { multiplier: 1.0 / gamma.ln(), offset: 0.0 };
        for half in [&self.positive, &self.negative] {
            check(source, half)?;
        }
        let mut spread = Spread { zeroes: f64_of(self.zero_count), ..Spread::default() };
        let single = self.single(source, gamma);
        match single {
            Some(value) if value > LEAST_NORMAL * keys::GAMMA => spread.positive.add(TARGET.index(value), 1.0),
            Some(value) if value < -LEAST_NORMAL * keys::GAMMA => spread.negative.add(TARGET.index(-value), 1.0),
            Some(_) => spread.zeroes = 1.0,
            None => {
                spread.positive.fill(source, &self.positive);
                spread.negative.fill(source, &self.negative);
            }
        }
        spread.sketch()
    }

    /// Returns the middle of the bucket if the histogram contains a single value, which must not be spread.
    fn single(&self, source: Scale, gamma: f64) -> Option<f64> {
        let ones = |half: &Half<'_>| half.counts.iter().fold(0.0, |total, count| total + f64_of(*count));
        let (above, below) = (ones(&self.positive), ones(&self.negative));
        #[expect(clippy::float_cmp, reason = "whole numbers")]
        let is_single = f64_of(self.zero_count) + above + below == 1.0;
        if !is_single {
            return None;
        }
        let middle = |half: &Half<'_>| {
            let at = half.counts.iter().position(|count| *count > 0)?;
            Some(source.low(half.index(at)) * middle_of(gamma))
        };
        let value = middle(&self.positive).or_else(|| middle(&self.negative).map(|value| -value)).unwrap_or(0.0);
        (value.abs() <= greatest()).then_some(value)
    }
}

impl Half<'_> {
    #[expect(clippy::cast_possible_wrap, reason = "lengths are small")]
    fn index(&self, at: usize) -> i64 {
        i64::from(self.offset) + at as i64
    }
}

fn f64_of(count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts of a histogram")]
    let number = count as f64;
    number
}

/// Factor from a bucket's lower bound to its representative value.
fn middle_of(gamma: f64) -> f64 {
    1.0 + (1.0 - 2.0 / (1.0 + gamma))
}

/// The greatest value on the scale of keys.
fn greatest() -> f64 {
    709.436_139_303_1_f64.exp() / (2.0 * keys::GAMMA) * (keys::GAMMA + 1.0)
}

/// Rejects buckets with a bound at the limits of doubles.
fn check(source: Scale, half: &Half<'_>) -> Result<(), String> {
    let filled = |count: &u64| *count > 0;
    let (Some(lowest), Some(highest)) = (half.counts.iter().position(filled), half.counts.iter().rposition(filled))
    else {
        return Ok(());
    };
    for index in [half.index(lowest), half.index(highest) + 1] {
        let bound = source.low(index);
        if !bound.is_finite() {
            return Err(format!("the bucket {index} has the bound {bound}, which no sketch can hold"));
        }
    }
    Ok(())
}

/// A logarithmic scale with integers as bounds.
#[derive(Debug, Clone, Copy)]
struct Scale {
    multiplier: f64,
    offset: f64,
}

/// The scale of keys.
const TARGET: Scale = Scale { multiplier: 1.0 / keys::LN_GAMMA, offset: OFFSET };

impl Scale {
    fn low(self, index: i64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "indexes are small")]
        let index = index as f64;
        ((index - self.offset) / self.multiplier).exp()
    }

    fn index(self, value: f64) -> i64 {
        let index = value.ln() * self.multiplier + self.offset;
        #[expect(clippy::cast_possible_truncation, reason = "logarithms are small")]
        let whole = index as i64;
        if index >= 0.0 { whole } else { whole - 1 }
    }
}

/// Fractional counts by key on one side of zero.
#[derive(Debug, Default)]
struct Parts(Vec<(i64, f64)>);

impl Parts {
    /// Keys never decrease.
    fn add(&mut self, key: i64, count: f64) {
        if count == 0.0 {
            return;
        }
        match self.0.iter_mut().rev().take(2).find(|(at, _)| *at == key) {
            Some((_, sum)) => *sum += count,
            None => self.0.push((key, count)),
        }
    }

    fn fill(&mut self, source: Scale, half: &Half<'_>) {
        for (at, &count) in half.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (low, high) = (source.low(half.index(at)), source.low(half.index(at) + 1));
            if low <= 0.0 {
                // Below the range of doubles: the Agent drops these too.
                continue;
            }
            let mut key = TARGET.index(low);
            while TARGET.low(key) < high {
                let shared = TARGET.low(key + 1).min(high) - TARGET.low(key).max(low);
                self.add(key, shared / (high - low) * f64_of(count));
                key += 1;
            }
        }
    }

    fn counted(&self) -> impl Iterator<Item = (i64, f64)> + '_ {
        self.0.iter().copied().filter(|(_, count)| *count > 0.0)
    }

    fn value(key: i64) -> f64 {
        TARGET.low(key) * middle_of(keys::GAMMA)
    }

    fn sum(&self) -> f64 {
        self.counted().map(|(key, count)| Parts::value(key) * count).sum()
    }

    fn first(&self) -> Option<f64> {
        self.0.first().map(|(key, _)| Parts::value(*key))
    }

    fn last(&self) -> Option<f64> {
        self.0.last().map(|(key, _)| Parts::value(*key))
    }
}

#[derive(Debug, Default)]
struct Spread {
    positive: Parts,
    negative: Parts,
    zeroes: f64,
}

impl Spread {
    fn sketch(&self) -> Result<Option<Sketch>, String> {
        let zero = (self.zeroes > 0.0).then_some(0.0);
        let max = self.positive.last().or(zero).or_else(|| self.negative.first().map(|value| -value));
        let min = self.negative.last().map(|value| -value).or(zero).or_else(|| self.positive.first());
        let (Some(min), Some(max)) = (min, max) else { return Ok(None) };
        let mut zeroes = 0.0;
        let mut shares = Vec::new();
        for (parts, sign) in [(&self.positive, 1), (&self.negative, -1)] {
            for (key, count) in parts.counted() {
                if key >= KEY_END {
                    return Err(format!("it has values near {:e}, which no sketch can hold", Parts::value(key)));
                }
                if key <= 0 {
                    zeroes += count;
                } else {
                    shares.push((sign * key, count));
                }
            }
        }
        zeroes += self.zeroes;
        if zeroes != 0.0 {
            shares.push((0, zeroes));
        }
        shares.sort_by_key(|(key, _)| *key);
        let counts = whole(&shares);
        let total: u64 = counts.iter().map(|(_, count)| count).sum();
        let mut sum = self.positive.sum();
        sum -= self.negative.sum();
        #[expect(clippy::cast_possible_wrap, reason = "no more than VALUES_MAX")]
        let basic = Basic { count: total as i64, min, max, sum, average: sum / f64_of(total) };
        let mut sketch = Sketch { basic, ..Sketch::default() };
        sketch.bins.add(&counts);
        Ok(Some(sketch))
    }
}

/// Rounds to integer counts: each is the difference between consecutive rounded cumulative sums.
fn whole(shares: &[(i64, f64)]) -> Vec<(i32, u64)> {
    let (mut sum, mut given) = (0.0_f64, 0_u64);
    let mut counts = Vec::new();
    for &(key, share) in shares {
        sum += share;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a sum of counts")]
        let count = (sum.round() as u64).saturating_sub(given);
        given += count;
        if count > 0 {
            #[expect(clippy::cast_possible_truncation, reason = "below KEY_END")]
            counts.push((key as i32, count));
        }
    }
    counts
}
