//! Merges series with the same labels: sums and histograms are added up; for other kinds the newest is kept.

use super::point::Point;
use crate::model::scrape::{FamilyKind, SampleValue};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Merges a point into another one with the same labels.
pub(super) fn merged<'a>(held: &mut Point<'a>, other: Point<'a>, kind: FamilyKind) {
    let is_newer = other.time_ms >= held.time_ms;
    let sum = match (kind, held.value.as_ref(), other.value.as_ref()) {
        (FamilyKind::Counter | FamilyKind::UpDown, SampleValue::Number(one), SampleValue::Number(two)) => {
            Some(SampleValue::Number(one + two))
        }
        (_, one @ SampleValue::Histogram { .. }, two @ SampleValue::Histogram { .. }) => Some(added(one, two)),
        (_, SampleValue::Exponential(one), SampleValue::Exponential(two)) => {
            let mut sum = one.clone();
            sum.add(two);
            Some(SampleValue::Exponential(sum))
        }
        _ => None,
    };
    let is_sum = sum.is_some();
    if let Some(sum) = sum {
        held.value = Cow::Owned(sum);
    } else if is_newer {
        held.value = other.value;
    }
    // A sum has counted since the earlier of both starts; if one of them is unknown, so is the result.
    held.created_ms = match (is_sum, held.created_ms, other.created_ms) {
        (true, Some(one), Some(two)) => Some(one.min(two)),
        (true, ..) => None,
        (false, one, two) => {
            if is_newer {
                two
            } else {
                one
            }
        }
    };
    held.time_ms = held.time_ms.max(other.time_ms);
    if held.exemplars.is_empty() {
        held.exemplars = other.exemplars;
    } else if !other.exemplars.is_empty() {
        held.exemplars.to_mut().extend(other.exemplars.iter().cloned());
    }
}

/// Adds two histograms at the bounds they share, where the result is exact.
fn added(one: &SampleValue, other: &SampleValue) -> SampleValue {
    let (
        SampleValue::Histogram { bounds, counts, sum, count },
        SampleValue::Histogram { bounds: other_bounds, counts: other_counts, sum: other_sum, count: other_count },
    ) = (one, other)
    else {
        return one.clone();
    };
    let (total_sum, total_count) = (sum + other_sum, count.saturating_add(*other_count));
    let other_below: BTreeMap<u64, u64> =
        cumulated(other_bounds, other_counts).map(|(b, n)| (b.to_bits(), n)).collect();
    let shared: Vec<(f64, u64)> = cumulated(bounds, counts)
        .filter_map(|(bound, below)| Some((bound, below.saturating_add(*other_below.get(&bound.to_bits())?))))
        .collect();
    let mut before = 0;
    let mut summed: Vec<u64> = Vec::with_capacity(shared.len() + 1);
    for (_, below) in &shared {
        summed.push(below.saturating_sub(before));
        before = *below;
    }
    summed.push(total_count.saturating_sub(before));
    let bounds: Arc<[f64]> = shared.into_iter().map(|(bound, _)| bound).collect();
    SampleValue::Histogram { bounds, counts: summed, sum: total_sum, count: total_count }
}

/// Each bound with the count at or below it.
pub(super) fn cumulated<'a>(bounds: &'a [f64], counts: &'a [u64]) -> impl Iterator<Item = (f64, u64)> + 'a {
    bounds.iter().zip(counts).scan(0u64, |below, (bound, count)| {
        *below = below.saturating_add(*count);
        Some((*bound, *below))
    })
}
