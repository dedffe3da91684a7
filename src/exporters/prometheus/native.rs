//! Exponential histograms in Prometheus' forms: native, and classic for the text formats.

use crate::model::exponential::{Buckets, Exponential};
use crate::model::scrape::SampleValue;
use std::collections::BTreeMap;

/// Scales supported by Prometheus: finer histograms are merged down, coarser ones have no native form.
const SCALE_MAX: i32 = 8;
const SCALE_MIN: i32 = -4;
/// Zero threshold if the sender sets none, as in the Collector.
const ZERO_THRESHOLD: f64 = 1e-128;
/// Longest gap of empty buckets that is written out instead of starting a new span.
const GAP_MAX: i64 = 2;
/// Maximum classic bounds per series; with more, every other one is dropped.
const BOUNDS_MAX: usize = 160;
/// Scales supported by OTLP.
const OTLP_SCALE_MIN: i32 = -10;

/// A run of consecutive buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BucketSpan {
    /// Distance from the end of the previous span, or from zero.
    pub(super) offset: i32,
    pub(super) length: u32,
}

/// A native histogram. Each side has its spans, and the deltas between consecutive buckets.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NativeHistogram {
    pub(super) count: u64,
    pub(super) sum: f64,
    pub(super) scale: i32,
    pub(super) zero_threshold: f64,
    pub(super) zero_count: u64,
    pub(super) positive: (Vec<BucketSpan>, Vec<i64>),
    pub(super) negative: (Vec<BucketSpan>, Vec<i64>),
}

/// Returns the native form; `None` if Prometheus does not support the scale.
pub(super) fn native(of: &Exponential) -> Option<NativeHistogram> {
    if of.scale < SCALE_MIN || !of.is_valid() {
        return None;
    }
    let of = of.at_most(SCALE_MAX);
    let (positive, negative) = (spans(&of.positive), spans(&of.negative));
    let held = [of.zero_count, total(&of.positive), total(&of.negative)].into_iter().fold(0, u64::saturating_add);
    Some(NativeHistogram {
        // Prometheus rejects a count that differs from the sum of the buckets, except for NaN, which is in no bucket.
        count: if of.sum.is_nan() { of.count.max(held) } else { held },
        sum: of.sum,
        scale: of.scale,
        zero_threshold: if of.zero_threshold > 0.0 { of.zero_threshold } else { ZERO_THRESHOLD },
        zero_count: of.zero_count,
        positive,
        negative,
    })
}

fn total(buckets: &Buckets) -> u64 {
    buckets.counts.iter().copied().fold(0, u64::saturating_add)
}

/// Returns spans, and deltas between consecutive buckets. Prometheus indexes a bucket by its upper bound, OTLP by its lower.
fn spans(buckets: &Buckets) -> (Vec<BucketSpan>, Vec<i64>) {
    let (mut spans, mut deltas) = (Vec::<BucketSpan>::new(), Vec::new());
    let (mut end, mut last) = (0_i64, 0_i64);
    for (index, count) in buckets.iter().filter(|(_, count)| *count > 0) {
        let index = index + 1;
        let gap = index - end;
        match spans.last_mut().filter(|_| gap <= GAP_MAX) {
            Some(span) => {
                for _ in 0..gap {
                    deltas.push(-last);
                    last = 0;
                }
                span.length += u32::try_from(gap + 1).unwrap_or_default();
            }
            None => spans.push(BucketSpan { offset: i32::try_from(gap).unwrap_or_default(), length: 1 }),
        }
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        deltas.push(count - last);
        (last, end) = (count, index + 1);
    }
    (spans, deltas)
}

/// Returns the classic form, with powers of two as bounds. Those are bounds of every scale from 0 up, so no count is estimated
/// and the bounds stay the same if a sender changes its scale. Negative values are below every bound.
pub(super) fn classic(of: &Exponential) -> SampleValue {
    let mut below: BTreeMap<i32, u64> = BTreeMap::new();
    let mut all = of.zero_count.saturating_add(total(&of.negative));
    for (index, count) in of.positive.iter().filter(|(_, count)| *count > 0) {
        let Some(power) = power_above(index, of.scale) else { continue };
        // The bound under the lowest bucket counts everything below that bucket.
        below.entry(power - 1).or_insert(all);
        all = all.saturating_add(count);
        below.insert(power, all);
    }
    let mut step = 2;
    while below.len() > BOUNDS_MAX {
        below.retain(|power, _| power % step == 0);
        step *= 2;
    }
    let count = of.count.max(all);
    let mut before = 0;
    let mut counts: Vec<u64> = Vec::with_capacity(below.len() + 1);
    for all in below.values() {
        counts.push(all.saturating_sub(before));
        before = *all;
    }
    counts.push(count.saturating_sub(before));
    let bounds = below.keys().map(|power| f64::from(*power).exp2()).collect();
    SampleValue::Histogram { bounds, counts, sum: of.sum, count }
}

/// Returns the exponent of the smallest power of two that is not below a bucket's upper bound.
fn power_above(index: i64, scale: i32) -> Option<i32> {
    let power = match scale {
        // Arithmetic shift: several buckets of a finer scale merge into one.
        0.. => (index >> scale.min(62)).checked_add(1)?,
        OTLP_SCALE_MIN..0 => index.checked_add(1)?.checked_mul(1 << -scale)?,
        _ => return None,
    };
    i32::try_from(power).ok().filter(|power| (-1074..=1023).contains(power))
}

#[cfg(test)]
mod tests;
