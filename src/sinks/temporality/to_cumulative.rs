//! Delta points become cumulative ones: the sum of what each stream has said since it was first seen.

use super::exponential::Exponential;
use super::identity::{self, Digest};
use crate::sinks::delivery::Ordered;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, DataPointFlags, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint,
    number_data_point,
};
use prost::Message as _;
use std::collections::{BTreeMap, HashMap};

/// What a stream takes in memory besides its buckets, in bytes, roughly.
const STREAM_BYTES: usize = 200;
const DELTA: i32 = AggregationTemporality::Delta as i32;
const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

/// Sums of delta streams, bounded in memory. A stream that is forgotten begins anew, with a new start time: to Prometheus
/// that is a counter that was reset, and no increase is told twice.
pub(in crate::sinks) struct ToCumulative {
    streams: HashMap<Digest, Stream>,
    /// Streams by when they were last seen.
    seen: BTreeMap<u64, Digest>,
    clock: u64,
    bytes: usize,
    bytes_max: usize,
    dropped: u64,
}

struct Stream {
    seen: u64,
    start_unix_nano: u64,
    last_unix_nano: u64,
    /// `None` where only its time is known.
    total: Option<Total>,
    bytes: usize,
}

#[derive(Debug, Clone)]
enum Total {
    Int(i64),
    Double(f64),
    Explicit { bounds: Vec<f64>, counts: Vec<u64>, count: u64, sum: Option<f64> },
    Exponential(Box<Exponential>),
}

/// A point of any kind, as far as sums are concerned.
trait Point {
    fn times(&self) -> (u64, u64);
    fn flags(&self) -> u32;
    fn total(&self) -> Option<Total>;
    /// Becomes cumulative.
    fn set(&mut self, start_unix_nano: u64, total: &Total);
}

impl ToCumulative {
    /// Keeps about so many bytes.
    pub(in crate::sinks) fn new(bytes_max: usize) -> ToCumulative {
        ToCumulative { streams: HashMap::new(), seen: BTreeMap::new(), clock: 0, bytes: 0, bytes_max, dropped: 0 }
    }

    /// Calls for each delta point, and keeps those for which it gives true; whether there was any.
    fn each_delta(
        &mut self,
        request: &mut ExportMetricsServiceRequest,
        each: fn(&mut Self, Digest, &mut dyn Point) -> bool,
    ) -> bool {
        let mut any = false;
        for of_resource in &mut request.resource_metrics {
            let resource = identity::of_resource(of_resource.resource.as_ref());
            for of_scope in &mut of_resource.scope_metrics {
                let scope = identity::of_scope(resource, of_scope.scope.as_ref());
                for metric in &mut of_scope.metrics {
                    any |= self.metric(scope, metric, each);
                }
            }
        }
        any
    }

    fn metric(
        &mut self,
        scope: Digest,
        metric: &mut Metric,
        each: fn(&mut Self, Digest, &mut dyn Point) -> bool,
    ) -> bool {
        let kind = match &metric.data {
            Some(Data::Sum(sum)) if sum.is_monotonic => "counter",
            Some(Data::Sum(_)) => "sum",
            Some(Data::Histogram(_)) => "histogram",
            Some(Data::ExponentialHistogram(_)) => "exponential",
            _ => return false,
        };
        let of_metric = identity::of_metric(scope, metric, kind);
        let temporality = match &mut metric.data {
            Some(Data::Sum(sum)) if sum.aggregation_temporality == DELTA => {
                sum.data_points.retain_mut(|point| each(self, identity::of_point(of_metric, &point.attributes), point));
                &mut sum.aggregation_temporality
            }
            Some(Data::Histogram(histogram)) if histogram.aggregation_temporality == DELTA => {
                histogram
                    .data_points
                    .retain_mut(|point| each(self, identity::of_point(of_metric, &point.attributes), point));
                &mut histogram.aggregation_temporality
            }
            Some(Data::ExponentialHistogram(histogram)) if histogram.aggregation_temporality == DELTA => {
                histogram
                    .data_points
                    .retain_mut(|point| each(self, identity::of_point(of_metric, &point.attributes), point));
                &mut histogram.aggregation_temporality
            }
            _ => return false,
        };
        *temporality = CUMULATIVE;
        true
    }

    fn note(&mut self, digest: Digest, point: &mut dyn Point) -> bool {
        let (_, time) = point.times();
        if self.streams.get(&digest).is_none_or(|stream| stream.last_unix_nano < time) {
            self.keep(digest, Stream { seen: 0, start_unix_nano: 0, last_unix_nano: time, total: None, bytes: 0 });
        }
        true
    }

    fn accumulate(&mut self, digest: Digest, point: &mut dyn Point) -> bool {
        if point.flags() & DataPointFlags::NoRecordedValueMask as u32 != 0 {
            // It says that the stream has ended: what comes next begins anew.
            self.forget(digest);
            return true;
        }
        let Some(own) = point.total() else { return false };
        let (start, time) = point.times();
        let held = self.streams.get(&digest);
        if held.is_some_and(|held| time <= held.last_unix_nano) {
            self.dropped += 1;
            return false;
        }
        let fresh_start = fresh_start(start, held.map(|held| held.last_unix_nano), time);
        let sum = held.and_then(|held| Some((held.start_unix_nano, added(held.total.as_ref()?, &own)?)));
        let (start, total) = sum.unwrap_or((fresh_start, own));
        point.set(start, &total);
        self.keep(
            digest,
            Stream { seen: 0, start_unix_nano: start, last_unix_nano: time, total: Some(total), bytes: 0 },
        );
        true
    }

    fn keep(&mut self, digest: Digest, stream: Stream) {
        self.forget(digest);
        self.clock += 1;
        let bytes = STREAM_BYTES + 8 * stream.total.as_ref().map_or(0, Total::weight);
        self.bytes += bytes;
        self.seen.insert(self.clock, digest);
        self.streams.insert(digest, Stream { seen: self.clock, bytes, ..stream });
        while self.bytes > self.bytes_max && self.streams.len() > 1 {
            let Some(oldest) = self.seen.first_key_value().map(|(_, oldest)| *oldest) else { return };
            self.forget(oldest);
        }
    }

    fn forget(&mut self, digest: Digest) {
        if let Some(stream) = self.streams.remove(&digest) {
            self.seen.remove(&stream.seen);
            self.bytes -= stream.bytes;
        }
    }
}

impl Ordered for ToCumulative {
    /// Makes delta points cumulative; those that are no newer than their stream are dropped.
    fn pass(&mut self, request: Bytes) -> anyhow::Result<Bytes> {
        let mut decoded = ExportMetricsServiceRequest::decode(request.clone())?;
        let dropped_before = self.dropped;
        let is_changed = self.each_delta(&mut decoded, Self::accumulate);
        let dropped = self.dropped - dropped_before;
        if dropped > 0 && dropped_before == 0 {
            tracing::warn!(
                dropped,
                "delta points that are no newer than the last one of their series are dropped: a sum would count them twice \
                 (told once)"
            );
        }
        Ok(if is_changed { decoded.encode_to_vec().into() } else { request })
    }

    /// Learns the times alone: what is sent again is then known. The values are in the target already and begin anew here.
    fn learn(&mut self, request: Bytes) -> anyhow::Result<()> {
        let mut decoded = ExportMetricsServiceRequest::decode(request)?;
        self.each_delta(&mut decoded, Self::note);
        Ok(())
    }
}

impl Total {
    /// Whether something can be added to it: with a number that is none, or infinite, all that follows would be none, too.
    fn is_finite(&self) -> bool {
        match self {
            Total::Int(_) => true,
            Total::Double(value) => value.is_finite(),
            Total::Explicit { sum, .. } => sum.is_none_or(f64::is_finite),
            Total::Exponential(histogram) => histogram.sum.is_none_or(f64::is_finite),
        }
    }

    /// Numbers of buckets that it holds.
    fn weight(&self) -> usize {
        match self {
            Total::Int(_) | Total::Double(_) => 0,
            Total::Explicit { bounds, counts, .. } => bounds.len() + counts.len(),
            Total::Exponential(histogram) => histogram.weight(),
        }
    }
}

/// When a sum begins anew: where its first point says, but not before what the target was told of its stream. It begins a
/// millisecond behind that, so that a target that writes a zero at the start has room for it, and sees that it is another sum
/// also where that is greater.
fn fresh_start(start: u64, told_upto: Option<u64>, time: u64) -> u64 {
    let Some(told_upto) = told_upto else { return start };
    let behind = told_upto.saturating_add(1_000_000);
    start.max(if behind < time { behind } else { told_upto })
}

/// The sum of two; `None` where they cannot be added, so that the stream begins anew.
fn added(held: &Total, own: &Total) -> Option<Total> {
    if !held.is_finite() || !own.is_finite() {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "a stream that mixes both kinds is a double's")]
    Some(match (held, own) {
        (Total::Int(held), Total::Int(own)) => Total::Int(held.saturating_add(*own)),
        (Total::Int(held), Total::Double(own)) => Total::Double(*held as f64 + own),
        (Total::Double(held), Total::Int(own)) => Total::Double(held + *own as f64),
        (Total::Double(held), Total::Double(own)) => Total::Double(held + own),
        (
            Total::Explicit { bounds, counts, count, sum },
            Total::Explicit { bounds: own_bounds, counts: own_counts, count: own_count, sum: own_sum },
        ) if bounds == own_bounds && counts.len() == own_counts.len() => Total::Explicit {
            bounds: bounds.clone(),
            counts: counts.iter().zip(own_counts).map(|(held, own)| held.saturating_add(*own)).collect(),
            count: count.saturating_add(*own_count),
            sum: sum.zip(*own_sum).map(|(held, own)| held + own),
        },
        (Total::Exponential(held), Total::Exponential(own)) => {
            let mut sum = held.clone();
            sum.add(own).then_some(Total::Exponential(sum))?
        }
        _ => return None,
    })
}

impl Point for NumberDataPoint {
    fn times(&self) -> (u64, u64) {
        (self.start_time_unix_nano, self.time_unix_nano)
    }

    fn flags(&self) -> u32 {
        self.flags
    }

    fn total(&self) -> Option<Total> {
        Some(match self.value? {
            number_data_point::Value::AsInt(value) => Total::Int(value),
            number_data_point::Value::AsDouble(value) => Total::Double(value),
        })
    }

    fn set(&mut self, start_unix_nano: u64, total: &Total) {
        self.start_time_unix_nano = start_unix_nano;
        match total {
            Total::Int(value) => self.value = Some(number_data_point::Value::AsInt(*value)),
            Total::Double(value) => self.value = Some(number_data_point::Value::AsDouble(*value)),
            Total::Explicit { .. } | Total::Exponential(_) => {}
        }
    }
}

impl Point for HistogramDataPoint {
    fn times(&self) -> (u64, u64) {
        (self.start_time_unix_nano, self.time_unix_nano)
    }

    fn flags(&self) -> u32 {
        self.flags
    }

    fn total(&self) -> Option<Total> {
        let (bounds, counts) = (self.explicit_bounds.clone(), self.bucket_counts.clone());
        Some(Total::Explicit { bounds, counts, count: self.count, sum: self.sum })
    }

    fn set(&mut self, start_unix_nano: u64, total: &Total) {
        self.start_time_unix_nano = start_unix_nano;
        // Of the whole time they are not known.
        (self.min, self.max) = (None, None);
        if let Total::Explicit { bounds, counts, count, sum } = total {
            self.explicit_bounds.clone_from(bounds);
            self.bucket_counts.clone_from(counts);
            (self.count, self.sum) = (*count, *sum);
        }
    }
}

impl Point for ExponentialHistogramDataPoint {
    fn times(&self) -> (u64, u64) {
        (self.start_time_unix_nano, self.time_unix_nano)
    }

    fn flags(&self) -> u32 {
        self.flags
    }

    fn total(&self) -> Option<Total> {
        Some(Total::Exponential(Box::new(Exponential::of(self))))
    }

    fn set(&mut self, start_unix_nano: u64, total: &Total) {
        self.start_time_unix_nano = start_unix_nano;
        (self.min, self.max) = (None, None);
        if let Total::Exponential(histogram) = total {
            // What does not fit is a histogram that no float can fill; its point goes on as it is.
            let _fits = histogram.write_to(self);
        }
    }
}

#[cfg(test)]
mod tests;
