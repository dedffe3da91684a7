//! Exponential histograms in the classic form of Prometheus, whose text knows no other: buckets between powers of two, which
//! are bounds of every scale from 0 up, so that nothing is guessed, and whichever scale a sender goes to, the bounds stay.

use crate::model::scrape::SampleValue;
use std::collections::BTreeMap;

/// Bounds of one series; beyond, every other one is left out.
const BOUNDS_MAX: usize = 160;
/// Scales that OTLP has.
const SCALE_MIN: i64 = -10;

/// One data point.
pub(super) struct Exponential {
    /// Bucket `i` holds what is above `2^(i / 2^scale)`, up to the next.
    pub(super) scale: i64,
    /// The index of the first positive bucket.
    pub(super) offset: i64,
    pub(super) counts: Vec<i64>,
    /// Values at or below zero: below every bound.
    pub(super) not_positive: i64,
}

/// The point as buckets between powers of two.
pub(super) fn classic(point: &Exponential, sum: f64, count: u64) -> SampleValue {
    let mut below: BTreeMap<i32, u64> = BTreeMap::new();
    let not_positive = point.not_positive.max(0).cast_unsigned();
    let mut all = not_positive;
    for (held, index) in point.counts.iter().zip(point.offset..).filter(|(held, _)| **held > 0) {
        let Some(power) = power_above(index, point.scale) else { continue };
        // The bound under the lowest bucket says what is not above it.
        below.entry(power - 1).or_insert(all);
        all = all.saturating_add(held.cast_unsigned());
        below.insert(power, all);
    }
    histogram(below, sum, count.max(all))
}

/// The exponent of the power of two that bounds a bucket from above.
fn power_above(index: i64, scale: i64) -> Option<i32> {
    let power = match scale {
        // A shift towards minus infinity: buckets of a finer scale fall into one.
        0.. => (index >> scale.min(62)).checked_add(1)?,
        SCALE_MIN..0 => index.checked_add(1)?.checked_mul(1 << -scale)?,
        _ => return None,
    };
    i32::try_from(power).ok().filter(|power| (-1074..=1023).contains(power))
}

/// Adds a delta to what was added up so far: at each bound of either, for below its lowest a histogram of this kind holds
/// what it holds there, and above its highest all.
pub(super) fn add(total: &mut SampleValue, delta: &SampleValue) {
    let (
        SampleValue::Histogram { bounds, counts, sum, count },
        SampleValue::Histogram { bounds: more_bounds, counts: more_counts, sum: more_sum, count: more_count },
    ) = (&*total, delta)
    else {
        *total = delta.clone();
        return;
    };
    let (one, other) = (cumulated(bounds, counts), cumulated(more_bounds, more_counts));
    let all = |below: &BTreeMap<i32, u64>, counts: &[u64], power: i32| {
        let lowest = counts.first().copied().unwrap_or_default();
        below.range(..=power).next_back().map_or(lowest, |(_, count)| *count)
    };
    let powers = one.keys().chain(other.keys());
    let below = powers.map(|power| (*power, all(&one, counts, *power) + all(&other, more_counts, *power))).collect();
    *total = histogram(below, sum + more_sum, count + more_count);
}

fn cumulated(bounds: &[f64], counts: &[u64]) -> BTreeMap<i32, u64> {
    let below = bounds.iter().zip(counts).scan(0_u64, |below, (bound, count)| {
        *below = below.saturating_add(*count);
        Some((exponent(*bound), *below))
    });
    below.collect()
}

#[expect(clippy::cast_possible_truncation, reason = "exponents of f64 are below 1100")]
fn exponent(bound: f64) -> i32 {
    bound.log2().round() as i32
}

fn histogram(mut below: BTreeMap<i32, u64>, sum: f64, count: u64) -> SampleValue {
    let mut step = 2;
    while below.len() > BOUNDS_MAX {
        below.retain(|power, _| power % step == 0);
        step *= 2;
    }
    let mut before = 0;
    let mut counts: Vec<u64> = Vec::with_capacity(below.len() + 1);
    for all in below.values() {
        counts.push(all.saturating_sub(before));
        before = *all;
    }
    counts.push(count.saturating_sub(before));
    SampleValue::Histogram { bounds: below.keys().map(|power| 2_f64.powi(*power)).collect(), counts, sum, count }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(scale: i64, offset: i64, counts: &[i64], not_positive: i64) -> SampleValue {
        let count = not_positive + counts.iter().sum::<i64>();
        classic(&Exponential { scale, offset, counts: counts.to_vec(), not_positive }, 5.0, count.cast_unsigned())
    }

    /// Bounds with what is at or below them, and the count.
    fn told(value: &SampleValue) -> (Vec<(f64, u64)>, u64) {
        let SampleValue::Histogram { bounds, counts, count, .. } = value else { panic!("{value:?}") };
        assert_eq!(counts.len(), bounds.len() + 1);
        let below = bounds.iter().zip(counts).scan(0, |all, (bound, count)| {
            *all += count;
            Some((*bound, *all))
        });
        (below.collect(), *count)
    }

    /// The buckets of OTLP's definition: index i at scale s is (2^(i/2^s), 2^((i+1)/2^s)].
    #[test]
    fn buckets_lie_between_powers_of_two() {
        // Scale 2: indices 0 to 3 are (1, 2], 4 is (2, 2.38].
        let fine = point(2, 0, &[1, 0, 0, 2, 4], 3);
        assert_eq!(told(&fine), (vec![(1.0, 3), (2.0, 6), (4.0, 10)], 10));
        // Scale 0: index -3 is (0.125, 0.25], and -1 is (0.5, 1].
        assert_eq!(told(&point(0, -3, &[1, 0, 1], 0)), (vec![(0.125, 0), (0.25, 1), (0.5, 1), (1.0, 2)], 2));
        // Scale -1: index 1 is (4, 16].
        assert_eq!(told(&point(-1, 1, &[5], 0)), (vec![(8.0, 0), (16.0, 5)], 5));
        assert_eq!(told(&point(2, 0, &[], 3)), (vec![], 3));
    }

    #[test]
    fn deltas_are_added_whatever_their_scale_and_place() {
        let mut total = point(0, 0, &[1], 1);
        add(&mut total, &point(3, 16, &[2], 0));
        // (1, 2] once, below it once, and (4, 4.36] twice.
        assert_eq!(told(&total), (vec![(1.0, 1), (2.0, 2), (4.0, 2), (8.0, 4)], 4));
        add(&mut total, &point(0, -2, &[7], 0));
        assert_eq!(told(&total).0, [(0.25, 1), (0.5, 8), (1.0, 8), (2.0, 9), (4.0, 9), (8.0, 11)]);
        assert!(matches!(total, SampleValue::Histogram { sum: 15.0, .. }));
    }

    #[test]
    fn there_is_a_bound_on_bounds_and_faulty_indices_break_nothing() {
        let (below, count) = told(&point(0, -1000, &[1; 2000], 0));
        assert!(below.len() <= BOUNDS_MAX && count == 2000, "{}", below.len());
        // 2^0 bounds the indices -1000 to -1.
        assert!(below.contains(&(1.0, 1000)), "{below:?}");
        for (scale, offset) in [(-10, i64::MAX - 1), (100, i64::MIN), (i64::MIN, 0), (i64::MAX, 5), (-10, i64::MIN)] {
            point(scale, offset, &[1], 0);
        }
    }
}
