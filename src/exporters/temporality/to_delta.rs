//! The stage that makes monotonic sums, histograms and summaries delta, by the rules of Datadog's OTLP mapping:
//!
//! - a value is the increase since the last point of its series;
//! - the value of a counter's first point, or of one after a reset, counts if the counter is known to have begun while all of
//!   its points are seen (else it may have been counted already);
//! - a histogram's first point, and one after a reset, is left out, because the share counted before is unknown;
//! - a point that is not newer than the last one is left out and reported.
//!
//! Datadog's own code counts such a value only for the first point of a metric in a request (its authors ask why); here every
//! series of the metric counts.

use super::digest::Digest;
use super::histogram::{Change, Histogram};
use super::left_out::LeftOut;
use super::point_flags;
use super::points::{Point, clear_marks};
use super::state::{Seen, Series, Summary};
use super::steps::{Last, Step, diff, step, whole};
use crate::delivery::{Rejected, StatefulStage};
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, HistogramDataPoint, Metric, NumberDataPoint, Sum, SummaryDataPoint,
};
use prost::Message as _;
use std::time::{Duration, Instant};

/// OTLP's flag for a point without a value.
const NO_VALUE: u32 = 1;

const TOO_OLD: &str =
    "it is not newer than the last point of its series, so its increase is already counted or unknown";
const NO_ROOM: &str = "there are more cumulative series than `metrics.series_max`, so its increase is unknown";

/// Why cumulative exponential histograms are not sent.
pub const EXPONENTIAL_TOTAL: &str = "it is a cumulative exponential histogram, which the target does not accept; \
     expected delta: set the sender's temporality preference to delta";

/// How a counter's first value is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Initial {
    /// Counts it if the counter is known to have begun while all of its points are seen.
    #[default]
    Auto,
    /// Counts it.
    Keep,
    /// Drops it.
    Drop,
}

/// What is made delta, and how.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Whether monotonic sums are converted too; otherwise they stay cumulative.
    pub sums: bool,
    /// How a counter's first value is treated.
    pub initial: Initial,
    /// Time from which all points are seen, in Unix nanoseconds, unless set later: a counter that began after it has not been
    /// counted before.
    pub since_unix_nano: u64,
    /// Counters that become gauges of their rate per second.
    pub rates: &'static [&'static str],
    /// Whether points carry [`point_flags`] for what OTLP cannot express, and a histogram with an unknown count stays.
    /// Otherwise the output is plain OTLP.
    pub marks: bool,
    /// Maximum number of tracked series; points of others are left out.
    pub series_max: usize,
    /// A series without points for this long is forgotten.
    pub idle_max: Duration,
}

/// The stage.
pub struct ToDelta {
    rules: Rules,
    began: Instant,
    series: Series,
    left_out: LeftOut,
}

impl ToDelta {
    /// Creates a stage that has seen nothing yet.
    #[must_use]
    pub fn new(rules: Rules) -> ToDelta {
        let series = Series::new(rules.series_max, rules.idle_max);
        ToDelta { rules, began: Instant::now(), series, left_out: LeftOut::default() }
    }

    /// Makes a request delta. Returns true if anything in it was changed.
    pub fn rewrite(&mut self, request: &mut ExportMetricsServiceRequest) -> bool {
        self.series.at(self.began.elapsed());
        let mut changed = false;
        for resource in &mut request.resource_metrics {
            for scope in &mut resource.scope_metrics {
                let digest = Digest::of(resource.resource.as_ref(), scope.scope.as_ref());
                for metric in &mut scope.metrics {
                    changed |= self.metric(&digest, metric);
                }
            }
        }
        changed
    }

    fn metric(&mut self, scope: &Digest, metric: &mut Metric) -> bool {
        let digest = scope.metric(&metric.name);
        self.left_out.of_metric(&metric.name);
        let Some(data) = &mut metric.data else { return false };
        match data {
            Data::Sum(sum) if self.rules.sums && sum.is_monotonic && is_total(sum.aggregation_temporality) => {
                if self.rules.rates.contains(&metric.name.as_str()) {
                    let data_points = self.points(&digest, std::mem::take(&mut sum.data_points), Self::rate);
                    metric.data = Some(Data::Gauge(Gauge { data_points }));
                } else {
                    let data_points = self.points(&digest, std::mem::take(&mut sum.data_points), Self::number);
                    metric.data = Some(Data::Sum(Sum {
                        data_points,
                        aggregation_temporality: AggregationTemporality::Delta.into(),
                        is_monotonic: true,
                    }));
                }
                true
            }
            Data::Histogram(histogram) if is_total(histogram.aggregation_temporality) => {
                histogram.data_points =
                    self.points(&digest, std::mem::take(&mut histogram.data_points), Self::histogram);
                histogram.aggregation_temporality = AggregationTemporality::Delta.into();
                true
            }
            Data::Summary(summary) if self.rules.marks => {
                let converted = |stage: &mut Self, key, point| Some(stage.summary(key, point));
                summary.data_points = self.points(&digest, std::mem::take(&mut summary.data_points), converted);
                true
            }
            // Our own mapping rejects it itself.
            Data::ExponentialHistogram(histogram)
                if !self.rules.marks && is_total(histogram.aggregation_temporality) =>
            {
                let points = std::mem::take(&mut histogram.data_points);
                self.left_out.add(points.len() as u64, EXPONENTIAL_TOTAL);
                true
            }
            data => clear_marks(data),
        }
    }

    /// Returns the remaining points, each rewritten by `rewrite`.
    fn points<P: Point>(
        &mut self,
        digest: &Digest,
        points: Vec<P>,
        rewrite: fn(&mut Self, u128, P) -> Option<P>,
    ) -> Vec<P> {
        let kept = points.into_iter().filter(|point| point.flags() & NO_VALUE == 0);
        kept.filter_map(|point| {
            let key = digest.point(point.attributes());
            rewrite(self, key, point)
        })
        .collect()
    }

    fn number(&mut self, key: u128, mut point: NumberDataPoint) -> Option<NumberDataPoint> {
        let value = value_of(&point);
        if !value.is_finite() {
            // The mapping rejects such a value.
            return Some(point);
        }
        let (start, time) = (point.start_time_unix_nano, point.time_unix_nano);
        let added = match self.monotonic(key, Last { start, time, value })? {
            Step::Old => {
                self.left_out.add(1, TOO_OLD);
                return None;
            }
            Step::Added { value, since } => {
                point.start_time_unix_nano = since;
                value
            }
            Step::First if self.counts_first(start, time) => value,
            Step::First => return None,
        };
        point.value = Some(Value::AsDouble(added));
        point.flags = self.marked(point.flags, point_flags::CONVERTED);
        Some(point)
    }

    fn rate(&mut self, key: u128, mut point: NumberDataPoint) -> Option<NumberDataPoint> {
        let value = value_of(&point);
        if !value.is_finite() {
            return Some(point);
        }
        let (start, time) = (point.start_time_unix_nano, point.time_unix_nano);
        let (value, since) = match self.monotonic(key, Last { start, time, value })? {
            Step::Added { value, since } => (value, since),
            Step::First => return None,
            Step::Old => {
                self.left_out.add(1, TOO_OLD);
                return None;
            }
        };
        let seconds = Duration::from_nanos(time.saturating_sub(since)).as_secs_f64();
        point.value = Some(Value::AsDouble(value / seconds));
        Some(point)
    }

    /// Returns the step of a value that only decreases on a reset; `None` if its series is not tracked: its next total would
    /// count as the first again.
    fn monotonic(&mut self, key: u128, now: Last) -> Option<Step> {
        match self.series.get(key) {
            Some(Seen::Sum(last)) => Some(step(last, now)),
            _ => self.follows(key, Seen::Sum(now)).then_some(Step::First),
        }
    }

    /// Starts tracking a series; without room for it, its point is left out.
    fn follows(&mut self, key: u128, seen: Seen) -> bool {
        let has_room = self.series.put(key, seen);
        if !has_room {
            self.left_out.add_of_any(1, NO_ROOM);
        }
        has_room
    }

    fn counts_first(&self, start: u64, time: u64) -> bool {
        match self.rules.initial {
            // Forgotten series may have been counted.
            Initial::Auto => self.rules.since_unix_nano.max(self.series.forgotten_start) < start && start != time,
            Initial::Keep => true,
            Initial::Drop => false,
        }
    }

    fn summary(&mut self, key: u128, mut point: SummaryDataPoint) -> SummaryDataPoint {
        let (start, time) = (point.start_time_unix_nano, point.time_unix_nano);
        #[expect(clippy::cast_precision_loss, reason = "as Datadog's mapping counts")]
        let count_now = Last { start, time, value: point.count as f64 };
        let sum_now = point.sum.is_finite().then_some(Last { start, time, value: point.sum });
        let (counted, summed) = if let Some(Seen::Summary(last)) = self.series.get(key) {
            (step(&mut last.count, count_now), sum_now.and_then(|now| diff(&mut last.sum, now)))
        } else {
            let summary = Seen::Summary(Box::new(Summary { count: count_now, sum: sum_now }));
            // Its quantiles are passed on all the same.
            (if self.series.put(key, summary) { Step::First } else { Step::Old }, None)
        };
        let count = match counted {
            Step::Added { value, .. } => Some(value),
            Step::First if self.counts_first(start, time) => Some(count_now.value),
            Step::First | Step::Old => None,
        };
        let mut bits = point_flags::CONVERTED;
        if count.is_none() {
            bits |= point_flags::INEXACT;
        }
        point.count = whole(count.unwrap_or_default());
        point.sum = summed.unwrap_or(f64::NAN);
        point.flags = self.marked(point.flags, bits);
        point
    }

    fn histogram(&mut self, key: u128, point: HistogramDataPoint) -> Option<HistogramDataPoint> {
        let change = if let Some(Seen::Histogram(last)) = self.series.get(key) {
            Change::since(last, &point)
        } else {
            self.follows(key, Seen::Histogram(Box::new(Histogram::of(&point))));
            return None;
        };
        if change.is_old {
            self.left_out.add(1, TOO_OLD);
        }
        if self.rules.marks { change.marked(point) } else { change.plain(point) }
    }

    fn marked(&self, flags: u32, bits: u32) -> u32 {
        let flags = flags & !point_flags::ALL;
        if self.rules.marks { flags | bits } else { flags }
    }
}

impl StatefulStage for ToDelta {
    fn seen_since(&mut self, unix_nano: u64) {
        self.rules.since_unix_nano = unix_nano;
    }

    fn left_out(&mut self) -> Vec<Rejected> {
        self.left_out.take()
    }

    fn pass(&mut self, request: Bytes) -> anyhow::Result<Bytes> {
        let mut decoded = ExportMetricsServiceRequest::decode(request.clone())?;
        Ok(if self.rewrite(&mut decoded) { decoded.encode_to_vec().into() } else { request })
    }
}

fn is_total(temporality: i32) -> bool {
    temporality == i32::from(AggregationTemporality::Cumulative)
}

fn value_of(point: &NumberDataPoint) -> f64 {
    match point.value {
        Some(Value::AsDouble(value)) => value,
        #[expect(clippy::cast_precision_loss, reason = "as Datadog's mapping counts")]
        Some(Value::AsInt(value)) => value as f64,
        None => 0.0,
    }
}
