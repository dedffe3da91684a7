//! Validity of points.

use super::super::rejects::{check_fits, quoted};
use super::super::tidy::{NESTING_EXPECTED, NESTING_MAX, nests_well};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint, SummaryDataPoint,
    exponential_histogram_data_point::Buckets,
};

/// Flag of a point without a recorded value.
const NO_RECORDED_VALUE: u32 = 1;

/// Returns false for a point that marks the end of a series; its other fields have no meaning.
pub(super) fn is_recorded(flags: u32) -> bool {
    flags & NO_RECORDED_VALUE == 0
}

fn check_head(attributes: &[KeyValue], time: u64, start: u64) -> Result<(), String> {
    check_fits("timeUnixNano", time)?;
    check_fits("startTimeUnixNano", start)?;
    match attributes.iter().find(|entry| !nests_well(entry.value.as_ref(), NESTING_MAX)) {
        Some(deep) => Err(format!("attributes: expected {NESTING_EXPECTED}, found more in {}", quoted(&deep.key))),
        None => Ok(()),
    }
}

pub(super) fn check_number(point: &NumberDataPoint) -> Result<(), String> {
    check_head(&point.attributes, point.time_unix_nano, point.start_time_unix_nano)?;
    if point.value.is_none() && is_recorded(point.flags) {
        return Err("value: expected asDouble or asInt, found neither".into());
    }
    Ok(())
}

fn check_counts(field: &str, counts: &[u64]) -> Result<(), String> {
    counts.iter().try_for_each(|count| check_fits(field, *count))
}

pub(super) fn check_histogram(point: &HistogramDataPoint) -> Result<(), String> {
    check_head(&point.attributes, point.time_unix_nano, point.start_time_unix_nano)?;
    check_fits("count", point.count)?;
    check_counts("bucketCounts", &point.bucket_counts)?;
    let (counts, bounds) = (point.bucket_counts.len(), point.explicit_bounds.len());
    if counts != bounds + 1 && (counts, bounds) != (0, 0) {
        let expected = format!("{} for {bounds} explicitBounds, or neither", bounds + 1);
        return Err(format!("bucketCounts: expected {expected}, found {counts}"));
    }
    let disordered = point
        .explicit_bounds
        .windows(2)
        .find(|pair| pair[0].partial_cmp(&pair[1]).is_none_or(std::cmp::Ordering::is_ge));
    if let Some([before, after, ..]) = disordered {
        return Err(format!("explicitBounds: expected ascending numbers, found {before} before {after}"));
    }
    Ok(())
}

pub(super) fn check_exponential(point: &ExponentialHistogramDataPoint) -> Result<(), String> {
    check_head(&point.attributes, point.time_unix_nano, point.start_time_unix_nano)?;
    check_fits("count", point.count)?;
    check_fits("zeroCount", point.zero_count)?;
    let counts =
        |buckets: &Option<Buckets>| buckets.as_ref().map_or(Ok(()), |b| check_counts("bucketCounts", &b.bucket_counts));
    counts(&point.positive)?;
    counts(&point.negative)
}

pub(super) fn check_summary(point: &SummaryDataPoint) -> Result<(), String> {
    check_head(&point.attributes, point.time_unix_nano, point.start_time_unix_nano)?;
    check_fits("count", point.count)?;
    match point.quantile_values.iter().find(|at| !(0.0..=1.0).contains(&at.quantile)) {
        Some(at) => Err(format!("quantile: expected a number from 0 to 1, found {}", at.quantile)),
        None => Ok(()),
    }
}
