//! Exponential histograms as Prometheus knows them: native, and in the classic form of its texts.

use crate::model::exponential::{Buckets, Exponential};
use crate::model::scrape::SampleValue;
use std::collections::BTreeMap;

/// Scales that Prometheus has: what is finer is made coarser, what is coarser has no native form.
const SCALE_MAX: i32 = 8;
const SCALE_MIN: i32 = -4;
/// What counts as zero where the sender does not say, as the Collector has it.
const ZERO_THRESHOLD: f64 = 1e-128;
/// Empty buckets that are rather written out than skipped.
const GAP_MAX: i64 = 2;
/// Classic bounds of one series; beyond, every other one is left out.
const BOUNDS_MAX: usize = 160;
/// Scales that OTLP has.
const OTLP_SCALE_MIN: i32 = -10;

/// A run of buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BucketSpan {
    /// From the end of the run before, or from zero.
    pub(super) offset: i32,
    pub(super) length: u32,
}

/// A native histogram. Each side has its runs, and the change from each bucket to the next.
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

/// The native form; `None` where Prometheus has no such scale.
pub(super) fn native(of: &Exponential) -> Option<NativeHistogram> {
    if of.scale < SCALE_MIN || !of.is_valid() {
        return None;
    }
    let of = of.at_most(SCALE_MAX);
    let (positive, negative) = (spans(&of.positive), spans(&of.negative));
    let held = [of.zero_count, total(&of.positive), total(&of.negative)].into_iter().fold(0, u64::saturating_add);
    Some(NativeHistogram {
        // Prometheus refuses a count that is not that of the buckets, but for NaN, which is in none.
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

/// Runs of buckets with the change from each to the next. Prometheus tells a bucket by its upper bound, OTLP by its lower.
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

/// The classic form: buckets between powers of two, which are bounds of every scale from 0 up, so that nothing is
/// guessed, and whichever scale a sender goes to, the bounds stay. Negative values lie below every bound.
pub(super) fn classic(of: &Exponential) -> SampleValue {
    let mut below: BTreeMap<i32, u64> = BTreeMap::new();
    let mut all = of.zero_count.saturating_add(total(&of.negative));
    for (index, count) in of.positive.iter().filter(|(_, count)| *count > 0) {
        let Some(power) = power_above(index, of.scale) else { continue };
        // The bound under the lowest bucket says what is not above it.
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

/// The exponent of the power of two that bounds a bucket from above.
fn power_above(index: i64, scale: i32) -> Option<i32> {
    let power = match scale {
        // A shift towards minus infinity: buckets of a finer scale fall into one.
        0.. => (index >> scale.min(62)).checked_add(1)?,
        OTLP_SCALE_MIN..0 => index.checked_add(1)?.checked_mul(1 << -scale)?,
        _ => return None,
    };
    i32::try_from(power).ok().filter(|power| (-1074..=1023).contains(power))
}

#[cfg(test)]
mod tests;
