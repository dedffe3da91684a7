//! Groups data points: those with the same time and attributes are one document.

use super::route::Index;
use super::settings::Mode;
use crate::delivery::attributes::Attributes;
use crate::exporters::temporality::exponential::Exponential;
use crate::exporters::temporality::faults;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    DataPointFlags, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint,
};
use std::collections::HashMap;
use xxhash_rust::xxh3::xxh3_128;

/// Value of a data point.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum PointValue {
    Int(i64),
    Double(f64),
    /// Values with their counts.
    Histogram {
        counts: Vec<i64>,
        values: Vec<f64>,
    },
    Summary {
        sum: f64,
        count: i64,
    },
}

/// A data point of any kind.
pub(super) struct Point<'a> {
    pub(super) attributes: &'a [KeyValue],
    pub(super) time_unix_nano: u64,
    pub(super) start_unix_nano: u64,
    pub(super) value: Read,
    /// The Elasticsearch dynamic template that maps the field.
    pub(super) template: &'static str,
}

/// Result of reading a data point.
#[derive(Debug, PartialEq)]
pub(super) enum Read {
    Value(PointValue),
    /// It has no value.
    Nothing,
    /// It cannot be expressed in JSON, or not as a histogram.
    Rejected(String),
}

/// Data points that become one document.
pub(super) struct Group<'a> {
    /// Number of its first item in the request.
    pub(super) first: u64,
    pub(super) time_unix_nano: u64,
    pub(super) start_unix_nano: u64,
    pub(super) unit: &'a str,
    pub(super) attributes: Attributes<'a>,
    pub(super) index: Index<'a>,
    pub(super) values: Vec<(&'a str, PointValue)>,
    pub(super) templates: Vec<(&'a str, &'static str)>,
}

/// Groups by the identity of their document.
#[derive(Default)]
pub(super) struct Groups<'a> {
    pub(super) list: Vec<Group<'a>>,
    known: HashMap<u128, usize>,
    /// For each name, the number of points that would share a document.
    alike: HashMap<(u128, &'a str), u128>,
}

impl<'a> Groups<'a> {
    /// Adds a data point to the group of its document. Two points with the same name never share a document.
    pub(super) fn put(
        &mut self,
        item: u64,
        mode: Mode,
        metric: &'a Metric,
        point: &Point<'a>,
        value: PointValue,
        index: Index<'a>,
    ) {
        let is_otel = mode == Mode::Otel;
        let start = if is_otel { point.start_unix_nano } else { 0 };
        let unit = if is_otel { metric.unit.as_str() } else { "" };
        let name = metric.name.as_str();
        let key = identity(point, start, unit, &index.name);
        let alike = self.alike.entry((key, name)).or_default();
        let at = *self.known.entry(key ^ (*alike << 64)).or_insert(self.list.len());
        *alike += 1;
        if at == self.list.len() {
            self.list.push(Group {
                first: item,
                time_unix_nano: point.time_unix_nano,
                start_unix_nano: start,
                unit,
                attributes: Attributes::of(point.attributes),
                index,
                values: Vec::new(),
                templates: Vec::new(),
            });
        }
        let group = &mut self.list[at];
        group.values.push((name, value));
        if is_otel {
            group.templates.push((name, point.template));
        }
    }
}

fn identity(point: &Point<'_>, start: u64, unit: &str, index: &str) -> u128 {
    let mut text = Vec::new();
    let mut json = super::json::Json::new(&mut text);
    let sorted: std::collections::BTreeMap<_, _> = Attributes::of(point.attributes).iter().collect();
    json.begin_list();
    json.uint(point.time_unix_nano);
    json.uint(start);
    json.text(unit);
    json.text(index);
    for (key, value) in sorted {
        json.text(key);
        json.value(value);
    }
    json.end_list();
    xxh3_128(&text)
}

/// Returns the data points of a metric.
pub(super) fn of_metric(metric: &Metric) -> Vec<Point<'_>> {
    match &metric.data {
        None => Vec::new(),
        Some(Data::Gauge(gauge)) => gauge.data_points.iter().map(|point| number(point, false)).collect(),
        Some(Data::Sum(sum)) => sum.data_points.iter().map(|point| number(point, sum.is_monotonic)).collect(),
        Some(Data::Histogram(histogram)) => histogram.data_points.iter().map(explicit).collect(),
        Some(Data::ExponentialHistogram(histogram)) => histogram.data_points.iter().map(exponential).collect(),
        Some(Data::Summary(summary)) => {
            let points = summary.data_points.iter().map(|point| Point {
                attributes: &point.attributes,
                time_unix_nano: point.time_unix_nano,
                start_unix_nano: point.start_time_unix_nano,
                value: read(point.flags, || summary_of(point.sum, point.count)),
                template: "summary",
            });
            points.collect()
        }
    }
}

fn read(flags: u32, value: impl FnOnce() -> Read) -> Read {
    if flags & DataPointFlags::NoRecordedValueMask as u32 != 0 { Read::Nothing } else { value() }
}

fn number(point: &NumberDataPoint, is_counter: bool) -> Point<'_> {
    let (value, template) = match point.value {
        Some(Number::AsInt(number)) => {
            (Read::Value(PointValue::Int(number)), if is_counter { "counter_long" } else { "gauge_long" })
        }
        Some(Number::AsDouble(number)) => {
            let value = if number.is_finite() {
                Read::Value(PointValue::Double(number))
            } else {
                Read::Rejected("a data point is NaN or infinite, which JSON cannot represent".to_owned())
            };
            (value, if is_counter { "counter_double" } else { "gauge_double" })
        }
        None => (Read::Nothing, ""),
    };
    Point {
        attributes: &point.attributes,
        time_unix_nano: point.time_unix_nano,
        start_unix_nano: point.start_time_unix_nano,
        value: read(point.flags, || value),
        template,
    }
}

fn explicit(point: &HistogramDataPoint) -> Point<'_> {
    let (counts, bounds) = (&point.bucket_counts, &point.explicit_bounds);
    // With at most one bucket, only sum and count matter.
    let is_bare = counts.is_empty() || (bounds.is_empty() && counts.len() == 1);
    let value = || {
        if is_bare {
            return summary_of(point.sum.unwrap_or_default(), point.count);
        }
        if let Some(fault) = faults::of_buckets(bounds, counts, point.count) {
            return Read::Rejected(fault);
        }
        let seen = counts.iter().enumerate().filter(|(_, count)| **count > 0);
        finite(seen.map(|(at, count)| (*count, middle(bounds, at))).unzip())
    };
    Point {
        attributes: &point.attributes,
        time_unix_nano: point.time_unix_nano,
        start_unix_nano: point.start_time_unix_nano,
        value: read(point.flags, value),
        template: if is_bare { "summary" } else { "histogram" },
    }
}

/// The representative value of a bucket, chosen as Elastic's own servers do: the middle; for the first half its bound, and for
/// the last the bound below it.
fn middle(bounds: &[f64], at: usize) -> f64 {
    let bound = |at: usize| bounds.get(at).copied().unwrap_or(f64::NAN);
    match at {
        0 if bound(0) > 0.0 => bound(0) / 2.0,
        0 => bound(0),
        last if last == bounds.len() => bound(last - 1),
        at => bound(at - 1) + (bound(at) - bound(at - 1)) / 2.0,
    }
}

fn exponential(point: &ExponentialHistogramDataPoint) -> Point<'_> {
    let value = || {
        if let Some(fault) = faults::of_exponential(&Exponential::of(point)) {
            return Read::Rejected(fault);
        }
        let mut seen: Vec<(u64, f64)> = Vec::new();
        let mut negative = buckets(point.negative.as_ref(), point.scale);
        negative.reverse();
        seen.extend(negative.into_iter().map(|(count, value)| (count, -value)));
        seen.extend((point.zero_count > 0).then_some((point.zero_count, 0.0)));
        seen.extend(buckets(point.positive.as_ref(), point.scale));
        finite(seen.into_iter().unzip())
    };
    Point {
        attributes: &point.attributes,
        time_unix_nano: point.time_unix_nano,
        start_unix_nano: point.start_time_unix_nano,
        value: read(point.flags, value),
        template: "histogram",
    }
}

/// Returns counts, each with the middle of its bucket.
fn buckets(buckets: Option<&Buckets>, scale: i32) -> Vec<(u64, f64)> {
    let Some(buckets) = buckets else { return Vec::new() };
    let width = f64::exp2(-f64::from(scale));
    let bound = |index: i64| {
        #[expect(clippy::cast_precision_loss, reason = "an index lies within 33 bits")]
        let index = index as f64;
        f64::exp2(index * width)
    };
    let seen = (i64::from(buckets.offset)..).zip(&buckets.bucket_counts).filter(|(_, count)| **count > 0);
    seen.map(|(index, count)| (*count, bound(index) + (bound(index + 1) - bound(index)) / 2.0)).collect()
}

fn finite((counts, values): (Vec<u64>, Vec<f64>)) -> Read {
    if !values.iter().all(|value| value.is_finite()) {
        return Read::Rejected(
            "a histogram has a bucket whose midpoint is NaN, which JSON cannot represent".to_owned(),
        );
    }
    Read::Value(PointValue::Histogram { counts: counts.into_iter().map(long).collect(), values })
}

fn summary_of(sum: f64, count: u64) -> Read {
    if !sum.is_finite() {
        return Read::Rejected("a sum is NaN or infinite, which JSON cannot represent".to_owned());
    }
    Read::Value(PointValue::Summary { sum, count: long(count) })
}

/// The index's `long` is signed.
fn long(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_become_values() {
        let point = HistogramDataPoint {
            count: 8,
            bucket_counts: vec![1, 0, 3, 4],
            explicit_bounds: vec![10.0, 20.0, 50.0],
            ..HistogramDataPoint::default()
        };
        // By hand: half of 10, (20 + 50) / 2, and the last bound.
        let expected = PointValue::Histogram { counts: vec![1, 3, 4], values: vec![5.0, 35.0, 50.0] };
        assert_eq!(explicit(&point).value, Read::Value(expected));
        let rejected = [
            (HistogramDataPoint { bucket_counts: vec![1], ..point.clone() }, "3 bounds and 1 buckets"),
            (
                HistogramDataPoint { explicit_bounds: vec![10.0, 10.0, 50.0], ..point.clone() },
                "its bounds do not ascend",
            ),
            (
                HistogramDataPoint { explicit_bounds: vec![10.0, f64::NAN, 50.0], ..point.clone() },
                "its bounds do not ascend",
            ),
            (HistogramDataPoint { count: 9, ..point.clone() }, "its buckets hold"),
            (HistogramDataPoint { bucket_counts: vec![u64::MAX, 1, 3, 4], ..point }, "its buckets hold"),
        ];
        for (odd, reason) in rejected {
            let Read::Rejected(found) = explicit(&odd).value else { panic!("{reason}") };
            assert!(found.contains(reason), "{found}");
        }
        let bare = HistogramDataPoint { count: 4, sum: Some(6.0), ..HistogramDataPoint::default() };
        assert_eq!(explicit(&bare).value, Read::Value(PointValue::Summary { sum: 6.0, count: 4 }));
    }

    #[test]
    fn exponential_buckets_become_values() {
        let buckets = |offset, counts: &[u64]| Some(Buckets { offset, bucket_counts: counts.to_vec() });
        let point = ExponentialHistogramDataPoint {
            count: 23,
            scale: 0,
            zero_count: 2,
            // At scale 0: (1, 2], (2, 4], (4, 8].
            positive: buckets(0, &[1, 0, 5]),
            negative: buckets(1, &[7, 8]),
            ..ExponentialHistogramDataPoint::default()
        };
        let expected = PointValue::Histogram { counts: vec![8, 7, 2, 1, 5], values: vec![-6.0, -3.0, 0.0, 1.5, 6.0] };
        assert_eq!(exponential(&point).value, Read::Value(expected));
        let other = ExponentialHistogramDataPoint { count: 9, ..point.clone() };
        assert_eq!(exponential(&other).value, Read::Rejected("its count is 9, and its buckets hold 23".to_owned()));
        let far = ExponentialHistogramDataPoint { scale: i32::MIN, ..point };
        assert!(matches!(exponential(&far).value, Read::Rejected(_)));
    }

    #[test]
    fn what_is_no_number_is_told_and_what_says_nothing_is_not() {
        let point = |value| NumberDataPoint { value: Some(value), ..NumberDataPoint::default() };
        assert!(matches!(number(&point(Number::AsDouble(f64::NAN)), false).value, Read::Rejected(_)));
        assert!(matches!(number(&point(Number::AsDouble(f64::INFINITY)), true).value, Read::Rejected(_)));
        let stale = NumberDataPoint { flags: 1, ..point(Number::AsDouble(f64::NAN)) };
        assert_eq!(number(&stale, false).value, Read::Nothing);
        assert_eq!(number(&point(Number::AsInt(3)), true).template, "counter_long");
    }
}
