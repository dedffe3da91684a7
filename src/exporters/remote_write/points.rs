//! Converts OTLP points to points of series, or returns why they cannot be converted.

use super::groups::{Exemplar, Parted, Point, Value};
use super::labels::Labels;
use super::native;
use crate::delivery::attributes::{Attributes, as_string};
use crate::exporters::temporality::exponential::Exponential;
use crate::exporters::temporality::faults;
use crate::model::hex::hex;
use opentelemetry_proto::tonic::metrics::v1::{
    self as otlp, DataPointFlags, ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint, SummaryDataPoint,
    exemplar, number_data_point,
};
use std::collections::HashSet;

/// Maximum characters of an exemplar's labels in total, by OpenMetrics.
const EXEMPLAR_CHARACTERS_MAX: usize = 128;

/// A point with its time, ms since the epoch.
pub(super) type Timed = (i64, Point);

pub(super) fn number(point: &NumberDataPoint, counts: bool) -> Result<Timed, String> {
    let time_ms = time(point.time_unix_nano)?;
    let value = match point.value {
        _ if ends(point.flags) => Value::Stale,
        Some(number_data_point::Value::AsInt(value)) => Value::Number(float_of(value)),
        Some(number_data_point::Value::AsDouble(value)) => Value::Number(value),
        None => return Err("it has no value".to_owned()),
    };
    if let (true, Value::Number(value)) = (counts, &value)
        && let Some(fault) = faults::of_counter(*value)
    {
        return Err(fault);
    }
    let start_ms = if counts { millis(point.start_time_unix_nano) } else { 0 };
    let exemplars = if counts { exemplars(&point.exemplars, time_ms) } else { Vec::new() };
    Ok((time_ms, Point { start_ms, value, exemplars }))
}

pub(super) fn classic(point: &HistogramDataPoint) -> Result<Timed, String> {
    let time_ms = time(point.time_unix_nano)?;
    let value = if ends(point.flags) { Value::Stale } else { Value::Parted(buckets(point)?) };
    let exemplars = exemplars(&point.exemplars, time_ms);
    Ok((time_ms, Point { start_ms: millis(point.start_time_unix_nano), value, exemplars }))
}

fn buckets(point: &HistogramDataPoint) -> Result<Parted, String> {
    let (bounds, counts) = (&point.explicit_bounds, &point.bucket_counts);
    if let Some(fault) = faults::of_buckets(bounds, counts, point.count) {
        return Err(fault);
    }
    let mut below = 0_u64;
    let cumulated = bounds.iter().zip(counts).map(|(bound, count)| {
        below = below.saturating_add(*count);
        (*bound, float(below))
    });
    Ok(Parted { parts: cumulated.collect(), sum: point.sum, count: float(point.count) })
}

pub(super) fn exponential(point: &ExponentialHistogramDataPoint) -> Result<Timed, String> {
    let time_ms = time(point.time_unix_nano)?;
    let value = if ends(point.flags) {
        Value::Stale
    } else {
        let exponential = Exponential::of(point);
        native::histogram(&exponential)?;
        Value::Native(Box::new(exponential))
    };
    let exemplars = exemplars(&point.exemplars, time_ms);
    Ok((time_ms, Point { start_ms: millis(point.start_time_unix_nano), value, exemplars }))
}

pub(super) fn summary(point: &SummaryDataPoint) -> Result<Timed, String> {
    let time_ms = time(point.time_unix_nano)?;
    let mut parts: Vec<(f64, f64)> = Vec::new();
    let mut known = HashSet::new();
    for quantile in &point.quantile_values {
        // A duplicate quantile would give one series two values at one time. 0.0 and -0.0 have the same text.
        let at = quantile.quantile + 0.0;
        if known.insert(at.to_bits()) {
            parts.push((at, quantile.value));
        }
    }
    let value = if ends(point.flags) {
        Value::Stale
    } else {
        Value::Parted(Parted { parts, sum: Some(point.sum), count: float(point.count) })
    };
    Ok((time_ms, Point { start_ms: millis(point.start_time_unix_nano), value, exemplars: Vec::new() }))
}

fn ends(flags: u32) -> bool {
    flags & DataPointFlags::NoRecordedValueMask as u32 != 0
}

fn time(unix_nano: u64) -> Result<i64, String> {
    match millis(unix_nano) {
        0 => Err("it has no time".to_owned()),
        time_ms => Ok(time_ms),
    }
}

fn millis(unix_nano: u64) -> i64 {
    i64::try_from(unix_nano / 1_000_000).unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
fn float(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has no other numbers")]
fn float_of(value: i64) -> f64 {
    value as f64
}

fn exemplars(exemplars: &[otlp::Exemplar], time_ms: i64) -> Vec<Exemplar> {
    exemplars.iter().filter_map(|exemplar| of_exemplar(exemplar, time_ms)).collect()
}

fn of_exemplar(exemplar: &otlp::Exemplar, time_ms: i64) -> Option<Exemplar> {
    let value = match exemplar.value? {
        exemplar::Value::AsInt(value) => float_of(value),
        exemplar::Value::AsDouble(value) => value,
    };
    let mut labels = Labels::new();
    for (name, id) in [("trace_id", &exemplar.trace_id), ("span_id", &exemplar.span_id)] {
        if id.iter().any(|byte| *byte != 0) {
            labels.insert(name.to_owned(), hex(id));
        }
    }
    let mut with_attributes = labels.clone();
    for (name, value) in Attributes::of(&exemplar.filtered_attributes).iter() {
        let text = value.map(as_string).unwrap_or_default().into_owned();
        with_attributes.entry(name.to_owned()).or_insert(text);
    }
    let characters: usize =
        with_attributes.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
    if characters <= EXEMPLAR_CHARACTERS_MAX {
        labels = with_attributes;
    }
    let time_ms = match millis(exemplar.time_unix_nano) {
        0 => time_ms,
        own => own,
    };
    Some(Exemplar { labels, value, time_ms })
}
