//! The difference between two points of a histogram.

use super::point_flags;
use super::steps::{Last, diff, goes_on, is_new, whole};
use opentelemetry_proto::tonic::metrics::v1::HistogramDataPoint;
use xxhash_rust::xxh3::xxh3_64;

/// The last point of a histogram.
#[derive(Debug)]
pub(super) struct Histogram {
    count: Last,
    sum: Option<Last>,
    min: Option<Last>,
    max: Option<Last>,
    /// Digest of the bounds.
    bounds: u64,
    buckets: Box<[u64]>,
}

impl Histogram {
    /// When its count began.
    pub(super) const fn start(&self) -> u64 {
        if self.count.start < self.count.time { self.count.start } else { self.count.time }
    }

    pub(super) fn of(point: &HistogramDataPoint) -> Histogram {
        Histogram {
            count: count_of(point),
            sum: sum_of(point),
            min: point.min.map(|min| last_of(point, min)),
            max: point.max.map(|max| last_of(point, max)),
            bounds: bounds_of(point),
            buckets: point.bucket_counts.as_slice().into(),
        }
    }
}

/// Change of a histogram since its last point.
pub(super) struct Change {
    /// The point is older than the last one.
    pub(super) is_old: bool,
    since: u64,
    count: Option<u64>,
    sum: Option<f64>,
    is_new_min: bool,
    is_new_max: bool,
    buckets: Option<Vec<i64>>,
}

impl Change {
    pub(super) fn since(last: &mut Histogram, point: &HistogramDataPoint) -> Change {
        let now = count_of(point);
        let since = last.count.time;
        let is_old = since > now.time;
        let goes_on = goes_on(now.start, now.time, last.count.start);
        let mut count = Some(last.count);
        let added = diff(&mut count, now);
        last.count = count.unwrap_or(now);
        let buckets = (!is_old).then(|| last.buckets(point)).flatten().filter(|_| goes_on);
        Change {
            is_old,
            since,
            count: added.filter(|added| *added >= 0.0).map(whole),
            sum: sum_of(point).and_then(|now| diff(&mut last.sum, now)),
            is_new_min: point.min.is_some_and(|min| is_new(&mut last.min, last_of(point, min), f64::lt)),
            is_new_max: point.max.is_some_and(|max| is_new(&mut last.max, last_of(point, max), f64::gt)),
            buckets,
        }
    }

    /// The change as our own mapping reads it; `None` if nothing is known.
    pub(super) fn marked(self, mut point: HistogramDataPoint) -> Option<HistogramDataPoint> {
        let exact = self.count.zip(self.sum);
        if exact.is_none() && self.buckets.is_none() {
            return None;
        }
        let mut bits = point_flags::CONVERTED;
        bits |= if exact.is_none() { point_flags::INEXACT } else { 0 };
        bits |= if self.is_new_min { 0 } else { point_flags::MIN_IS_OLD };
        bits |= if self.is_new_max { 0 } else { point_flags::MAX_IS_OLD };
        point.flags = point.flags & !point_flags::ALL | bits;
        point.count = exact.map_or(0, |(count, _)| count);
        point.sum = exact.map(|(_, sum)| sum);
        match self.buckets {
            Some(buckets) => {
                let written = buckets.into_iter().map(|bucket| point_flags::written(Some(bucket)));
                point.bucket_counts = written.collect();
            }
            None => point.bucket_counts.iter_mut().for_each(|bucket| *bucket = point_flags::written(None)),
        }
        point.start_time_unix_nano = self.since;
        Some(point)
    }

    /// The change as plain OTLP; `None` if it would be incomplete.
    pub(super) fn plain(self, mut point: HistogramDataPoint) -> Option<HistogramDataPoint> {
        let (count, sum) = self.count.zip(self.sum)?;
        let buckets = self.buckets?.into_iter().map(u64::try_from).collect::<Result<Vec<_>, _>>().ok()?;
        let (min, max) = (point.min.filter(|_| self.is_new_min), point.max.filter(|_| self.is_new_max));
        let sum = point.sum.map(|_| sum);
        point = HistogramDataPoint { count, sum, min, max, bucket_counts: buckets, ..point };
        point.flags &= !point_flags::ALL;
        point.start_time_unix_nano = self.since;
        Some(point)
    }
}

impl Histogram {
    /// Returns the increase of each bucket; `None` if the bounds have changed.
    fn buckets(&mut self, point: &HistogramDataPoint) -> Option<Vec<i64>> {
        let bounds = bounds_of(point);
        let before = std::mem::replace(&mut self.buckets, point.bucket_counts.as_slice().into());
        let is_same = std::mem::replace(&mut self.bounds, bounds) == bounds && before.len() == self.buckets.len();
        is_same.then(|| {
            let pairs = self.buckets.iter().zip(&before);
            pairs.map(|(now, before)| now.wrapping_sub(*before).cast_signed().max(i64::MIN + 1)).collect()
        })
    }
}

fn last_of(point: &HistogramDataPoint, value: f64) -> Last {
    Last { start: point.start_time_unix_nano, time: point.time_unix_nano, value }
}

fn count_of(point: &HistogramDataPoint) -> Last {
    #[expect(clippy::cast_precision_loss, reason = "as Datadog's mapping counts")]
    let count = point.count as f64;
    last_of(point, count)
}

fn sum_of(point: &HistogramDataPoint) -> Option<Last> {
    Some(point.sum.unwrap_or_default()).filter(|sum| sum.is_finite()).map(|sum| last_of(point, sum))
}

fn bounds_of(point: &HistogramDataPoint) -> u64 {
    let bytes: Vec<u8> = point.explicit_bounds.iter().flat_map(|bound| bound.to_bits().to_le_bytes()).collect();
    xxh3_64(&bytes)
}
