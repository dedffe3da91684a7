//! One cumulative total per series: delta points become the sum of everything reported since the series was first seen, by any
//! sender; if several senders write to one series, it is the sum of their increases.
//!
//! The target defines the sender of a point: senders may differ in attributes that the target's series names do not contain.

mod sender;
mod series;
mod total;
mod unknown_starts;

use super::identity::{self, Digest};
use super::left_out::LeftOut;
use crate::delivery::{Rejected, StatefulStage};
use crate::model::scrape::FamilyKind;
use crate::model::unix_time;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use series::{Arrived, Became, Series};
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, SystemTime};
use total::Counts;
use unknown_starts::UnknownStarts;

const DELTA: i32 = AggregationTemporality::Delta as i32;
const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;
const LATE: &str = "it is not newer than its sender's last point, so a sum would count it twice";
/// Maximum clock skew of a sender that is accepted; the same as in Prometheus.
const AHEAD_MAX: Duration = Duration::from_mins(10);

/// Origin of a point.
#[derive(Clone, Copy)]
pub(in crate::exporters) struct Origin<'a> {
    pub(in crate::exporters) resource: Option<&'a Resource>,
    pub(in crate::exporters) scope: Option<&'a InstrumentationScope>,
    /// Without its points.
    pub(in crate::exporters) metric: &'a Metric,
    pub(in crate::exporters) kind: FamilyKind,
}

/// Maps points to the series of a target.
pub(in crate::exporters) trait SeriesKeys: Send {
    /// Returns a digest of the name and labels of a point's series; `None` if it cannot have a series.
    fn key(&self, of: Origin<'_>, attributes: &[KeyValue]) -> Option<Digest>;
}

/// Cumulative totals within a memory limit. Series with a single cumulative sender are evicted first, because they continue
/// unchanged. An evicted sum restarts with a new start time, which Prometheus sees as a counter reset.
pub(in crate::exporters) struct ToCumulative {
    keys: Box<dyn SeriesKeys>,
    series: HashMap<Digest, Series>,
    /// The series of each sender's points.
    senders: HashMap<Digest, Digest>,
    /// Sums by last use.
    sums: BTreeMap<u64, Digest>,
    /// Series with a single cumulative sender, by last use.
    alone: BTreeMap<u64, Digest>,
    /// Number of sums evicted for lack of room.
    forgotten: u64,
    clock: u64,
    bytes: usize,
    bytes_max: usize,
    left_out: LeftOut,
    /// Summaries cannot be added; this is all that is kept of them.
    summaries: UnknownStarts,
    learning: bool,
    /// Counts that began before this may have been sent before the first visible point, or been evicted.
    told_before: u64,
    latest: u64,
}

/// A metric of a sender.
struct OfMetric<'a> {
    origin: Origin<'a>,
    /// Name of the kind of its points: two kinds share no series.
    word: &'static str,
    digest: Digest,
}

impl ToCumulative {
    /// Creates a stage that uses about `bytes_max` bytes.
    pub(in crate::exporters) fn new(bytes_max: usize, keys: Box<dyn SeriesKeys>) -> ToCumulative {
        ToCumulative {
            keys,
            series: HashMap::new(),
            senders: HashMap::new(),
            sums: BTreeMap::new(),
            alone: BTreeMap::new(),
            forgotten: 0,
            clock: 0,
            bytes: 0,
            bytes_max,
            left_out: LeftOut::default(),
            summaries: UnknownStarts::default(),
            learning: false,
            told_before: 0,
            latest: u64::MAX,
        }
    }

    /// Processes all points that count; returns true if any was changed.
    fn request(&mut self, request: &mut ExportMetricsServiceRequest) -> bool {
        self.latest = unix_time::nanos(SystemTime::now() + AHEAD_MAX);
        let mut is_changed = false;
        for of_resource in &mut request.resource_metrics {
            let resource = of_resource.resource.as_ref();
            let digest = identity::of_resource(resource);
            for of_scope in &mut of_resource.scope_metrics {
                let scope = of_scope.scope.as_ref();
                let digest = identity::of_scope(digest, scope);
                for metric in &mut of_scope.metrics {
                    let Some(mut data) = metric.data.take() else { continue };
                    if let Data::Summary(summary) = &mut data {
                        let digest = identity::of_metric(digest, metric, "summary");
                        is_changed |= self.summaries.hide(digest, &mut summary.data_points);
                    } else if let Some((kind, word)) = kind_of(&data) {
                        let digest = identity::of_metric(digest, metric, word);
                        let origin = Origin { resource, scope, metric, kind };
                        is_changed |= self.metric(&OfMetric { origin, word, digest }, &mut data);
                    }
                    metric.data = Some(data);
                }
            }
        }
        is_changed
    }

    fn metric(&mut self, of: &OfMetric<'_>, data: &mut Data) -> bool {
        match data {
            Data::Sum(sum) => self.points(of, &mut sum.data_points, &mut sum.aggregation_temporality),
            Data::Histogram(histogram) => {
                self.points(of, &mut histogram.data_points, &mut histogram.aggregation_temporality)
            }
            Data::ExponentialHistogram(histogram) => {
                self.points(of, &mut histogram.data_points, &mut histogram.aggregation_temporality)
            }
            Data::Gauge(_) | Data::Summary(_) => false,
        }
    }

    fn points<P: Counts>(&mut self, of: &OfMetric<'_>, points: &mut Vec<P>, temporality: &mut i32) -> bool {
        let is_delta = match *temporality {
            DELTA => true,
            CUMULATIVE => false,
            _ => return false,
        };
        let mut is_changed = is_delta;
        self.left_out.of_metric(&of.origin.metric.name);
        points.retain_mut(|point| {
            let became = self.point(of, is_delta, point);
            is_changed |= became != Became::AsItIs;
            if became == Became::Late {
                self.left_out.add(1, LATE);
            }
            matches!(became, Became::AsItIs | Became::Changed)
        });
        *temporality = CUMULATIVE;
        is_changed
    }

    fn point(&mut self, of: &OfMetric<'_>, is_delta: bool, point: &mut dyn Counts) -> Became {
        let sender = identity::of_point(of.digest, point.attributes());
        let key = match self.senders.get(&sender) {
            Some(key) => *key,
            None => self.keys.key(of.origin, point.attributes()).map_or(sender, |key| identity::of_kind(key, of.word)),
        };
        let may_go_down = of.origin.kind == FamilyKind::UpDown;
        let mut series = self.take_out(key).unwrap_or_else(|| Series::new(may_go_down, sender, is_delta));
        let (latest, told_before) = (self.latest, self.told_before);
        let became = series.take(&mut Arrived { sender, is_delta, point, latest, told_before });
        if self.learning {
            series.begin_anew();
        }
        if series.knows(sender) {
            self.senders.insert(sender, key);
        }
        self.put_back(key, series);
        became
    }

    fn take_out(&mut self, key: Digest) -> Option<Series> {
        let series = self.series.remove(&key)?;
        self.ages(&series).remove(&series.seen);
        self.bytes -= series.bytes();
        Some(series)
    }

    fn ages(&mut self, series: &Series) -> &mut BTreeMap<u64, Digest> {
        if series.is_sum() { &mut self.sums } else { &mut self.alone }
    }

    fn put_back(&mut self, key: Digest, mut series: Series) {
        // A series with many senders must not evict all others.
        series.keep_within(self.bytes_max / 4);
        self.clock += 1;
        series.seen = self.clock;
        for sender in series.forgotten.drain(..) {
            self.senders.remove(&sender);
        }
        self.bytes += series.bytes();
        let clock = self.clock;
        self.ages(&series).insert(clock, key);
        self.series.insert(key, series);
        while self.bytes > self.bytes_max && self.series.len() > 1 {
            let oldest =
                self.alone.first_key_value().or_else(|| self.sums.first_key_value()).map(|(_, oldest)| *oldest);
            let Some(mut series) = oldest.and_then(|oldest| self.take_out(oldest)) else { return };
            // Otherwise its count would be sent again if it came back.
            self.told_before = self.told_before.max(series.forget_all());
            for sender in &series.forgotten {
                self.senders.remove(sender);
            }
            if series.is_sum() {
                self.forgotten += 1;
            }
        }
    }
}

impl StatefulStage for ToCumulative {
    /// Leaves out points that are no newer than the last one of their sender, if they would be added to others.
    fn pass(&mut self, request: Bytes) -> anyhow::Result<Bytes> {
        let mut decoded = ExportMetricsServiceRequest::decode(request.clone())?;
        self.learning = false;
        let forgotten_before = self.forgotten;
        let is_changed = self.request(&mut decoded);
        if forgotten_before == 0 && self.forgotten > 0 {
            tracing::warn!(
                bytes_max = self.bytes_max,
                "the memory limit for summed series is reached: the series updated longest ago are dropped \
                 and restart with their next point (logged once)"
            );
        }
        Ok(if is_changed { decoded.encode_to_vec().into() } else { request })
    }

    fn seen_since(&mut self, unix_nano: u64) {
        self.told_before = self.told_before.max(unix_nano);
    }

    fn left_out(&mut self) -> Vec<Rejected> {
        self.left_out.take()
    }

    /// Rebuilds which series exist and what each sender has counted. The target already has the sums, so they restart.
    fn learn(&mut self, request: Bytes) -> anyhow::Result<()> {
        let mut decoded = ExportMetricsServiceRequest::decode(request)?;
        self.learning = true;
        self.request(&mut decoded);
        Ok(())
    }
}

fn kind_of(data: &Data) -> Option<(FamilyKind, &'static str)> {
    Some(match data {
        Data::Sum(sum) if sum.is_monotonic => (FamilyKind::Counter, "counter"),
        Data::Sum(_) => (FamilyKind::UpDown, "sum"),
        Data::Histogram(_) => (FamilyKind::Histogram, "histogram"),
        Data::ExponentialHistogram(_) => (FamilyKind::Histogram, "exponential"),
        Data::Gauge(_) | Data::Summary(_) => return None,
    })
}

#[cfg(test)]
mod tests;
