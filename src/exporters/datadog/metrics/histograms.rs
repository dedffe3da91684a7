//! Maps histograms to distributions or counts per bucket, and their aggregations to separate series.

use super::output::{Context, NO_VALUE, Output, Sample};
use super::settings::{HistogramMode, MetricsSettings};
use super::tags;
use super::wire::Kind;
use crate::exporters::datadog::sketch::{Builder, Exponential, Half, Sketch, VALUES_MAX};
use crate::exporters::temporality::point_flags;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::{ExponentialHistogramDataPoint, HistogramDataPoint};

/// Why a histogram cannot be mapped.
fn too_many(found: impl std::fmt::Display) -> String {
    format!("expected at most {VALUES_MAX} values, which a distribution can hold, found {found}")
}

/// Checks that the buckets add up to the count: otherwise it is unknown which of the two is wrong.
fn counts_as_many(count: u64, buckets: impl Iterator<Item = u64>) -> Result<(), String> {
    let held = buckets.fold(0, u64::saturating_add);
    if held == count {
        Ok(())
    } else {
        Err(format!("expected as many values as its buckets hold, {held}, found a count of {count}"))
    }
}

/// Returns a minimum or maximum; senders without one write infinities or NaN.
fn finite(value: Option<f64>) -> Option<f64> {
    value.filter(|value| value.is_finite())
}

/// Exactly known aggregations of a histogram.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// Count and sum, if both are known.
    exact: Option<(u64, f64)>,
    /// Minimum and maximum since the last point.
    min: Option<f64>,
    max: Option<f64>,
}

/// Converts a count to Datadog's number type.
fn f64_of(count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "Datadog has doubles alone")]
    let number = count as f64;
    number
}

/// Maps points of a histogram with explicit bounds.
pub(super) fn map(
    settings: &MetricsSettings,
    context: &Context<'_>,
    points: &[HistogramDataPoint],
    output: &mut Output,
) {
    for point in points {
        if point.flags & NO_VALUE != 0 {
            output.end_point();
            continue;
        }
        match histogram(settings, context, point, output) {
            Ok(()) => output.end_point(),
            Err(reason) => output.end_unfit_point(context, &point.attributes, &reason),
        }
    }
}

fn histogram(
    settings: &MetricsSettings,
    context: &Context<'_>,
    point: &HistogramDataPoint,
    output: &mut Output,
) -> Result<(), String> {
    let is_converted = point_flags::has(point.flags, point_flags::CONVERTED);
    if !is_converted && !point.bucket_counts.is_empty() {
        counts_as_many(point.count, point.bucket_counts.iter().copied())?;
    }
    let tags = context.tags(&point.attributes);
    let unless = |mark: u32| !(is_converted && point_flags::has(point.flags, mark));
    let sum = point.sum.unwrap_or_default();
    let known = Known {
        exact: (unless(point_flags::INEXACT) && sum.is_finite()).then_some((point.count, sum)),
        min: finite(point.min).filter(|_| unless(point_flags::MIN_IS_OLD)),
        max: finite(point.max).filter(|_| unless(point_flags::MAX_IS_OLD)),
    };
    let told = if is_converted { (None, None) } else { (finite(point.min), finite(point.max)) };
    aggregations(settings, context, &tags, point.time_unix_nano, known, told, output);
    let (counts, bounds) = (&point.bucket_counts, &point.explicit_bounds);
    let is_whole = counts.is_empty() || counts.len() == bounds.len() + 1;
    if settings.histogram_mode != HistogramMode::NoBuckets && !is_whole {
        return Err(format!(
            "expected one bucket count more than bounds, found {} counts and {} bounds",
            counts.len(),
            bounds.len()
        ));
    }
    match settings.histogram_mode {
        HistogramMode::Distributions => {
            if let Some(sketch) = sketch(point, known)? {
                output.sketch(context, &tags, point.time_unix_nano, &sketch);
            }
        }
        HistogramMode::Counters => counters(context, &tags, point, output),
        HistogramMode::NoBuckets => {}
    }
    Ok(())
}

fn aggregations(
    settings: &MetricsSettings,
    context: &Context<'_>,
    tags: &[String],
    time_unix_nano: u64,
    known: Known,
    (min, max): (Option<f64>, Option<f64>),
    output: &mut Output,
) {
    let Some((count, sum)) = known.exact.filter(|_| settings.aggregations) else { return };
    let sample = |suffix, kind, value| Sample { suffix, tags, kind, time_unix_nano, interval: 0, value };
    output.sample(context, &sample(".count", Kind::Count, f64_of(count)));
    output.sample(context, &sample(".sum", Kind::Count, sum));
    for (suffix, value) in [(".min", min), (".max", max)] {
        if let Some(value) = value {
            output.sample(context, &sample(suffix, Kind::Gauge, value));
        }
    }
}

/// Returns the bounds of a bucket.
fn bounds(explicit: &[f64], number: usize) -> (f64, f64) {
    let lower = number.checked_sub(1).and_then(|below| explicit.get(below)).copied().unwrap_or(f64::NEG_INFINITY);
    (lower, explicit.get(number).copied().unwrap_or(f64::INFINITY))
}

/// Returns a bucket's count as a number; `None` if unknown.
fn count(point: &HistogramDataPoint, written: u64) -> Option<f64> {
    if !point_flags::has(point.flags, point_flags::CONVERTED) {
        return Some(f64_of(written));
    }
    #[expect(clippy::cast_precision_loss, reason = "Datadog has doubles alone")]
    point_flags::bucket(written).map(|count| count as f64)
}

fn counters(context: &Context<'_>, tags: &[String], point: &HistogramDataPoint, output: &mut Output) {
    for (number, written) in point.bucket_counts.iter().enumerate() {
        let Some(value) = count(point, *written) else { continue };
        let (lower, upper) = bounds(&point.explicit_bounds, number);
        let of_bucket = [("lower_bound", lower), ("upper_bound", upper)];
        let of_bucket = of_bucket.map(|(key, bound)| format!("{key}:{}", tags::number(bound)));
        let tags: Vec<String> = of_bucket.into_iter().chain(tags.iter().cloned()).collect();
        let time_unix_nano = point.time_unix_nano;
        let sample = Sample { suffix: ".bucket", tags: &tags, kind: Kind::Count, time_unix_nano, interval: 0, value };
        output.sample(context, &sample);
    }
}

/// Returns the sketch of a histogram; `None` if its count is zero.
fn sketch(point: &HistogramDataPoint, known: Known) -> Result<Option<Sketch>, String> {
    let mut buckets: Vec<Option<f64>> = point.bucket_counts.iter().map(|written| count(point, *written)).collect();
    let mut explicit = point.explicit_bounds.clone();
    if buckets.is_empty()
        && let Some((count, _)) = known.exact
    {
        // A single bucket, between the minimum and the maximum if known.
        explicit = known.min.into_iter().chain(known.max).collect();
        buckets = known.min.map(|_| Some(0.0)).into_iter().collect();
        buckets.push(Some(f64_of(count)));
        buckets.extend(known.max.map(|_| Some(0.0)));
    }
    let mut builder = Builder::default();
    let (mut lowest, mut highest) = (None, f64::INFINITY);
    let mut total = 0.0;
    for (number, count) in buckets.iter().enumerate() {
        let Some(count) = count.filter(|count| *count >= 0.0) else { continue };
        let (lower, upper) = bounds(&explicit, number);
        total += count;
        if total > f64_of(VALUES_MAX) {
            return Err(too_many(format_args!("{total} and more")));
        }
        let (from, to) = ends(lower, upper);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number within VALUES_MAX"
        )]
        builder
            .spread(from, to, count as u64)
            .map_err(|_| format!("expected bounds that ascend, found {from} before {to}"))?;
        if count > 0.0 {
            lowest = lowest.or(Some(lower));
            highest = upper;
        }
    }
    let Some(mut sketch) = builder.finish() else { return Ok(None) };
    put_exact(&mut sketch, known);
    if let Some(lowest) = lowest {
        let basic = &mut sketch.basic;
        basic.min = if lowest.is_finite() { lowest } else { basic.min };
        basic.max = if highest.is_finite() { highest } else { basic.max };
    }
    put_extremes(&mut sketch, point, known);
    Ok(Some(sketch))
}

/// Returns the range for a bucket's values: an unbounded bucket counts at its other bound; a bucket from zero upwards does not
/// count at zero.
fn ends(lower: f64, upper: f64) -> (f64, f64) {
    if upper == f64::INFINITY {
        (lower, lower)
    } else if lower == f64::NEG_INFINITY || lower == 0.0 && upper > 0.0 {
        (upper, upper)
    } else {
        (lower, upper)
    }
}

/// Exact values take precedence over what the buckets give.
fn put_exact(sketch: &mut Sketch, known: Known) {
    let Some((count, sum)) = known.exact else { return };
    sketch.basic.count = count.cast_signed();
    sketch.basic.sum = sum;
    #[expect(clippy::cast_precision_loss, reason = "Datadog has doubles alone")]
    let all = sketch.basic.count as f64;
    sketch.basic.average = sum / all;
}

/// Sets the minimum and maximum if they date from after the last point; else they limit what the buckets give.
fn put_extremes(sketch: &mut Sketch, point: &HistogramDataPoint, known: Known) {
    let basic = &mut sketch.basic;
    basic.min = match (known.min, finite(point.min)) {
        (Some(min), _) => min,
        (None, Some(min)) => greater(min, basic.min),
        (None, None) => basic.min,
    };
    basic.max = match (known.max, finite(point.max)) {
        (Some(max), _) => max,
        (None, Some(max)) => -greater(-max, -basic.max),
        (None, None) => basic.max,
    };
}

/// Returns the greater number; NaN takes precedence.
fn greater(one: f64, other: f64) -> f64 {
    if one.is_nan() || other.is_nan() { f64::NAN } else { one.max(other) }
}

/// Maps points of an exponential histogram, which become distributions in every mode.
pub(super) fn map_exponential(
    settings: &MetricsSettings,
    context: &Context<'_>,
    points: &[ExponentialHistogramDataPoint],
    output: &mut Output,
) {
    for point in points {
        if point.flags & NO_VALUE != 0 {
            output.end_point();
            continue;
        }
        match exponential(settings, context, point, output) {
            Ok(()) => output.end_point(),
            Err(reason) => output.end_unfit_point(context, &point.attributes, &reason),
        }
    }
}

fn half(buckets: Option<&Buckets>) -> Half<'_> {
    buckets.map(|buckets| Half { offset: buckets.offset, counts: &buckets.bucket_counts }).unwrap_or_default()
}

fn exponential(
    settings: &MetricsSettings,
    context: &Context<'_>,
    point: &ExponentialHistogramDataPoint,
    output: &mut Output,
) -> Result<(), String> {
    let histogram = Exponential {
        scale: point.scale,
        zero_count: point.zero_count,
        positive: half(point.positive.as_ref()),
        negative: half(point.negative.as_ref()),
    };
    if !histogram.fits() {
        return Err(too_many(point.count));
    }
    let halves = [&point.positive, &point.negative].into_iter().flatten().flat_map(|half| &half.bucket_counts);
    let sum = point.sum.unwrap_or_default();
    if !sum.is_nan() {
        // NaN is counted, but is in no bucket.
        counts_as_many(point.count, halves.copied().chain([point.zero_count]))?;
    }
    let tags = context.tags(&point.attributes);
    let exact = sum.is_finite().then_some((point.count, sum));
    let (min, max) = (finite(point.min), finite(point.max));
    let known = Known { exact, min, max };
    aggregations(settings, context, &tags, point.time_unix_nano, known, (min, max), output);
    let Some(mut sketch) = histogram.sketch()? else { return Ok(()) };
    put_exact(&mut sketch, known);
    if let Some((1, sum)) = exact {
        (sketch.basic.min, sketch.basic.max) = (sum, sum);
    }
    sketch.basic.min = min.unwrap_or(sketch.basic.min);
    sketch.basic.max = max.unwrap_or(sketch.basic.max);
    output.sketch(context, &tags, point.time_unix_nano, &sketch);
    Ok(())
}
