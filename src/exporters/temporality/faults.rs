//! Human-readable faults of points that count: such a point cannot be added to others, and no target could read it.

use super::exponential::Exponential;

/// Fault of a histogram with explicit bounds.
pub(in crate::exporters) fn of_buckets(bounds: &[f64], counts: &[u64], count: u64) -> Option<String> {
    if !counts.is_empty() && counts.len() != bounds.len() + 1 {
        return Some(format!("it has {} bounds and {} buckets", bounds.len(), counts.len()));
    }
    let ascends = bounds.iter().zip(bounds.iter().skip(1)).all(|(bound, next)| bound < next);
    if !ascends || bounds.iter().any(|bound| bound.is_nan()) {
        return Some("its bounds do not ascend".to_owned());
    }
    let held = counts.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
    (!counts.is_empty() && held != count).then(|| miscounted(count, held))
}

/// Fault of an exponential histogram.
pub(in crate::exporters) fn of_exponential(histogram: &Exponential) -> Option<String> {
    let held = histogram.counted();
    // NaN is part of the sum, but in no bucket.
    let is_told = held == histogram.count || (held < histogram.count && histogram.sum.is_some_and(f64::is_nan));
    (!is_told).then(|| miscounted(histogram.count, held))
}

/// Fault of a counter's value.
pub(in crate::exporters) fn of_counter(value: f64) -> Option<String> {
    (value < 0.0).then(|| format!("it is a counter, and its value is {value}"))
}

fn miscounted(count: u64, held: u64) -> String {
    format!("its count is {count}, and its buckets hold {held}")
}
