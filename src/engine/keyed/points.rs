//! Converts rows of `metrics` and `histograms` to points of series.

use super::{number, text};
use crate::model::exponential::{Buckets, Exponential};
use crate::model::scrape::{Attributes, Exemplar, FamilyKind, SampleValue};
use arrow::array::{Array as _, AsArray as _, ListArray, MapArray, RecordBatch};
use arrow::datatypes::{ArrowPrimitiveType, Float64Type, Int64Type};

/// OTLP's flag for a point without a value.
const NO_RECORDED_VALUE: i64 = 1;

type OfRow<'a, T> = Box<dyn Fn(usize) -> Option<T> + 'a>;

/// One point.
pub(super) struct Point {
    pub(super) kind: FamilyKind,
    pub(super) value: SampleValue,
    /// Whether the value is the change since the previous point.
    pub(super) is_delta: bool,
    /// When counting began, if the sender gives it.
    pub(super) start_unix_nano: Option<i64>,
}

/// Accessors for the columns of a batch.
pub(super) struct Points<'a> {
    pub(super) series_id: OfRow<'a, i64>,
    pub(super) time: OfRow<'a, i64>,
    flags: OfRow<'a, i64>,
    /// Returns the point of a row; `None` if it has no value to show.
    pub(super) point: OfRow<'a, Point>,
    exemplars: Option<Exemplars<'a>>,
}

/// Parallel lists of exemplars, with one entry per exemplar.
struct Exemplars<'a> {
    trace_ids: &'a ListArray,
    span_ids: &'a ListArray,
    values: &'a ListArray,
    times: &'a ListArray,
}

impl Points<'_> {
    /// Returns whether the row is a staleness marker.
    pub(super) fn is_stale(&self, row: usize) -> bool {
        (self.flags)(row).unwrap_or_default() & NO_RECORDED_VALUE != 0
    }

    /// Returns the exemplars that have a trace.
    pub(super) fn exemplars(&self, row: usize) -> Vec<Exemplar> {
        let Some(of) = &self.exemplars else { return Vec::new() };
        if of.trace_ids.is_null(row) || of.trace_ids.value_length(row) == 0 {
            return Vec::new();
        }
        let texts = |list: &ListArray| -> Vec<String> {
            let entries = list.value(row);
            let texts = entries.as_string_opt::<i32>().into_iter().flatten();
            texts.map(|text| text.unwrap_or_default().to_owned()).collect()
        };
        let (values, times) = (entries::<Float64Type>(of.values, row), entries::<Int64Type>(of.times, row));
        let ids = texts(of.trace_ids).into_iter().zip(texts(of.span_ids));
        let exemplar = |((ids, value), time_unix_nano): (((String, String), f64), i64)| {
            let (trace_id, span_id) = ids;
            Exemplar { trace_id, span_id, value, time_unix_nano }
        };
        ids.zip(values).zip(times).map(exemplar).collect()
    }
}

fn points<'a>(batch: &'a RecordBatch, point: OfRow<'a, Point>) -> Points<'a> {
    let whole = |name: &str| Box::new(number::<Int64Type>(batch, name));
    let list = |name: &str| batch.column_by_name(name).and_then(|column| column.as_list_opt::<i32>());
    let exemplars = || {
        Some(Exemplars {
            trace_ids: list("exemplar_trace_ids")?,
            span_ids: list("exemplar_span_ids")?,
            values: list("exemplar_values")?,
            times: list("exemplar_times_unix_nano")?,
        })
    };
    Points {
        series_id: whole("series_id"),
        time: whole("time_unix_nano"),
        flags: whole("flags"),
        point,
        exemplars: exemplars(),
    }
}

/// Returns the points in rows of `metrics`.
pub(super) fn numbers(batch: &RecordBatch) -> Points<'_> {
    let (kind, temporality) = (text(batch, "kind"), text(batch, "temporality"));
    let (value, start) = (number::<Float64Type>(batch, "value"), number::<Int64Type>(batch, "start_time_unix_nano"));
    let monotonic = batch.column_by_name("is_monotonic").and_then(|column| column.as_boolean_opt());
    let point = move |row: usize| {
        let value = value(row)?;
        let grows = monotonic.is_some_and(|column| column.is_valid(row) && column.value(row));
        let (is_sum, start) = (kind(row) == Some("sum"), start(row));
        let kind = match (is_sum, grows) {
            (true, true) => FamilyKind::Counter,
            (true, false) => FamilyKind::UpDown,
            (false, _) => FamilyKind::Gauge,
        };
        // A monotonic sum is never negative, nor is its increase.
        if kind == FamilyKind::Counter && (value < 0.0 || value.is_nan()) {
            return None;
        }
        let is_delta = is_sum && temporality(row) == Some("delta");
        let start_unix_nano = start.filter(|start| kind == FamilyKind::Counter && *start > 0);
        Some(Point { kind, value: SampleValue::Number(value), is_delta, start_unix_nano })
    };
    points(batch, Box::new(point))
}

/// Returns the points in rows of `histograms`.
pub(super) fn histograms(batch: &RecordBatch) -> Points<'_> {
    let (kind, temporality) = (text(batch, "kind"), text(batch, "temporality"));
    let (count, sum) = (number::<Int64Type>(batch, "count"), number::<Float64Type>(batch, "sum"));
    let start = number::<Int64Type>(batch, "start_time_unix_nano");
    let point = move |row: usize| {
        let (count, sum) = (count(row)?.cast_unsigned(), sum(row).unwrap_or(0.0));
        let (kind, value) = match kind(row) {
            Some("histogram") => {
                let bounds = list::<Float64Type>(batch, "bounds", row).into();
                let counts = list::<Int64Type>(batch, "bucket_counts", row);
                let counts = counts.into_iter().map(i64::cast_unsigned).collect();
                (FamilyKind::Histogram, SampleValue::Histogram { bounds, counts, sum, count })
            }
            Some("summary") => {
                let quantiles = list::<Float64Type>(batch, "quantiles", row);
                let quantiles = quantiles.into_iter().zip(list::<Float64Type>(batch, "quantile_values", row)).collect();
                (FamilyKind::Summary, SampleValue::Summary { quantiles, sum, count })
            }
            Some("exponential_histogram") => (FamilyKind::Histogram, exponential(batch, row, sum, count)),
            _ => return None,
        };
        let start_unix_nano = start(row).filter(|start| *start > 0);
        Some(Point { kind, value, is_delta: temporality(row) == Some("delta"), start_unix_nano })
    };
    points(batch, Box::new(point))
}

fn exponential(batch: &RecordBatch, row: usize, sum: f64, count: u64) -> SampleValue {
    let whole = |name: &str| number::<Int64Type>(batch, name)(row).unwrap_or_default();
    let buckets = |offset: &str, counts: &str| {
        let counts = list::<Int64Type>(batch, counts, row).into_iter().map(i64::cast_unsigned).collect();
        Buckets { offset: i32::try_from(whole(offset)).unwrap_or_default(), counts }.trimmed()
    };
    SampleValue::Exponential(Exponential {
        scale: i32::try_from(whole("scale")).unwrap_or(i32::MIN),
        zero_threshold: number::<Float64Type>(batch, "zero_threshold")(row).unwrap_or_default(),
        zero_count: whole("zero_count").cast_unsigned(),
        positive: buckets("positive_offset", "positive_counts"),
        negative: buckets("negative_offset", "negative_counts"),
        sum,
        count,
    })
}

/// Adds a delta to a sum. Returns false if it cannot be added, for example because the bounds changed; it then replaces
/// the sum.
pub(super) fn add(total: &mut SampleValue, delta: SampleValue) -> bool {
    match (&mut *total, &delta) {
        (SampleValue::Number(total), SampleValue::Number(delta)) => *total += delta,
        (
            SampleValue::Histogram { bounds, counts, sum, count },
            SampleValue::Histogram { bounds: delta_bounds, counts: delta_counts, sum: delta_sum, count: delta_count },
        ) if bounds == delta_bounds && counts.len() == delta_counts.len() => {
            for (total, delta) in counts.iter_mut().zip(delta_counts) {
                *total = total.saturating_add(*delta);
            }
            *sum += delta_sum;
            *count = count.saturating_add(*delta_count);
        }
        (SampleValue::Exponential(total), SampleValue::Exponential(delta)) => total.add(delta),
        _ => {
            *total = delta;
            return false;
        }
    }
    true
}

fn list<T: ArrowPrimitiveType>(batch: &RecordBatch, name: &str, row: usize) -> Vec<T::Native> {
    let lists = batch.column_by_name(name).and_then(|column| column.as_list_opt::<i32>());
    lists.map(|lists| entries::<T>(lists, row)).unwrap_or_default()
}

fn entries<T: ArrowPrimitiveType>(lists: &ListArray, row: usize) -> Vec<T::Native> {
    if lists.is_null(row) {
        return Vec::new();
    }
    lists.value(row).as_primitive_opt::<T>().map(|values| values.values().to_vec()).unwrap_or_default()
}

/// Returns a row's value in a map column.
pub(super) fn map(batch: &RecordBatch, name: &str, row: usize) -> Attributes {
    let Some(maps) = batch.column_by_name(name).and_then(|column| column.as_map_opt()) else {
        return Attributes::new();
    };
    pairs(maps, row)
}

fn pairs(maps: &MapArray, row: usize) -> Attributes {
    if maps.is_null(row) {
        return Attributes::new();
    }
    let entries = maps.value(row);
    let (keys, values) = (entries.column(0).as_string::<i32>(), entries.column(1).as_string::<i32>());
    keys.iter()
        .zip(values.iter())
        .filter_map(|(key, value)| Some((key?.to_owned(), value.unwrap_or_default().to_owned())))
        .collect()
}
