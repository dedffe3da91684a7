//! Maps an OTLP metrics request to groups of series.

use super::groups::{Group, Key, Meta, Series, Shape};
use super::labels::{Labels, Naming, OfResource};
use super::points::{self, Timed};
use super::proto::{MetricType, Sample};
use super::settings::RemoteWriteSettings;
use crate::delivery::Rejected;
use crate::delivery::attributes::Attributes;
use crate::exporters::temporality::count_points;
use crate::model::scrape::FamilyKind;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric};
use std::collections::{BTreeMap, BTreeSet};

/// Maximum interval between two descriptions of a resource within a request: half of Prometheus' lookback.
const INFO_EVERY_MS: i64 = 150_000;
/// A request that spans more intervals than this contains old data, and is described less often.
const INFOS_MAX: i64 = 10_000;
/// Maximum distinct reasons per request.
const REASONS_MAX: usize = 20;
const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;

/// How requests are mapped.
pub(super) struct Mapping {
    naming: Naming,
    with_target_info: bool,
}

/// Contents of a request.
#[derive(Default)]
pub(super) struct Collected {
    groups: BTreeMap<Key, Group>,
    /// Times at which a resource is described, by its labels.
    infos: BTreeMap<Labels, BTreeSet<i64>>,
    rejected: BTreeMap<String, u64>,
}

/// Series that stay together, with the number of received points they represent.
pub(super) struct Written {
    pub(super) meta: Meta,
    pub(super) items: u64,
    pub(super) series: Vec<Series>,
}

/// The current metric.
struct OfMetric<'a> {
    naming: &'a Naming,
    resource: &'a OfResource,
    scope: &'a Labels,
    name: String,
    family: String,
    meta: Meta,
    times: &'a mut Option<(i64, i64)>,
}

impl Mapping {
    pub(super) fn new(settings: &RemoteWriteSettings) -> Mapping {
        Mapping { naming: Naming::new(settings), with_target_info: settings.with_target_info }
    }

    /// Returns the name of the series that describes a resource.
    pub(super) fn info_name(&self) -> String {
        self.naming.info_name()
    }

    pub(super) fn collect(&self, request: &ExportMetricsServiceRequest) -> Collected {
        let mut collected = Collected::default();
        for of_resource in &request.resource_metrics {
            let attributes = Attributes::of(of_resource.resource.as_ref().map_or(&[], |resource| &resource.attributes));
            let resource = self.naming.of_resource(attributes);
            let mut times = None;
            for of_scope in &of_resource.scope_metrics {
                let scope = self.naming.of_scope(of_scope.scope.as_ref());
                for metric in &of_scope.metrics {
                    self.metric(&mut collected, metric, &resource, &scope, &mut times);
                }
            }
            if self.with_target_info
                && let Some((first, last)) = times
                && let Some(labels) = self.naming.info(attributes, &resource)
            {
                collected.infos.entry(labels).or_default().extend(info_times(first, last));
            }
        }
        collected
    }

    fn metric(
        &self,
        collected: &mut Collected,
        metric: &Metric,
        resource: &OfResource,
        scope: &Labels,
        times: &mut Option<(i64, i64)>,
    ) {
        let Some(data) = &metric.data else { return };
        let (kind, of_type) = kinds(data);
        let Some(name) = self.naming.family(metric, kind) else {
            collected.rejected(metric, "no character of its name is valid in Prometheus", count_points(data));
            return;
        };
        if let Some(reason) = temporality_fault(data) {
            collected.rejected(metric, reason, count_points(data));
            return;
        }
        let mut of = OfMetric {
            naming: &self.naming,
            resource,
            scope,
            name: metric.name.clone(),
            family: name.full,
            meta: Meta { kind: of_type, help: metric.description.clone(), unit: name.words },
            times,
        };
        let counts = of_type == MetricType::Counter;
        match data {
            Data::Gauge(gauge) => {
                for point in &gauge.data_points {
                    of.put(collected, Shape::Number, &point.attributes, points::number(point, false));
                }
            }
            Data::Sum(sum) => {
                for point in &sum.data_points {
                    of.put(collected, Shape::Number, &point.attributes, points::number(point, counts));
                }
            }
            Data::Histogram(histogram) => {
                for point in &histogram.data_points {
                    of.put(collected, Shape::Classic, &point.attributes, points::classic(point));
                }
            }
            Data::ExponentialHistogram(histogram) => {
                for point in &histogram.data_points {
                    of.put(collected, Shape::Native, &point.attributes, points::exponential(point));
                }
            }
            Data::Summary(summary) => {
                for point in &summary.data_points {
                    of.put(collected, Shape::Summary, &point.attributes, points::summary(point));
                }
            }
        }
    }
}

/// Returns the collected series, ready to be written and ordered by name and labels, and what could not be mapped.
pub(super) fn write(collected: &Collected) -> (Vec<Written>, Vec<Rejected>) {
    let mut written: Vec<Written> = Vec::with_capacity(collected.groups.len() + collected.infos.len());
    for (key, group) in &collected.groups {
        written.push(Written { meta: group.meta.clone(), items: group.items, series: group.series(key) });
    }
    for (labels, times) in &collected.infos {
        let sample = |time: &i64| Sample { value: 1.0, timestamp: *time, start_timestamp: 0 };
        let series =
            Series { labels: labels.clone(), samples: times.iter().map(sample).collect(), ..Series::default() };
        let meta = Meta { kind: MetricType::Gauge, help: "Target metadata".to_owned(), unit: String::new() };
        written.push(Written { meta, items: 0, series: vec![series] });
    }
    let rejected = collected.rejected.iter().map(|(reason, items)| Rejected { items: *items, reason: reason.clone() });
    (written, rejected.collect())
}

impl OfMetric<'_> {
    fn put(&mut self, collected: &mut Collected, shape: Shape, attributes: &[KeyValue], read: Result<Timed, String>) {
        match read {
            Ok((time_ms, point)) => {
                let (first, last) = self.times.unwrap_or((time_ms, time_ms));
                *self.times = Some((first.min(time_ms), last.max(time_ms)));
                let labels = self.naming.of_point(Attributes::of(attributes), self.resource, self.scope);
                let key = Key { family: self.family.clone(), labels, shape };
                let group = collected.groups.entry(key).or_insert_with(|| Group::new(self.meta.clone()));
                if !group.put(time_ms, point) {
                    let reason = "its series has another value of the same millisecond, and the last one stands";
                    collected.unfit_named(&self.name, reason, 1);
                }
            }
            Err(reason) => collected.unfit_named(&self.name, &reason, 1),
        }
    }
}

impl Collected {
    fn rejected(&mut self, metric: &Metric, reason: &str, items: u64) {
        self.unfit_named(&metric.name, reason, items);
    }

    fn unfit_named(&mut self, name: &str, reason: &str, items: u64) {
        if items == 0 {
            return;
        }
        let reason = format!("metric {name:?}: {reason}");
        let is_known = self.rejected.contains_key(&reason);
        let reason = if is_known || self.rejected.len() < REASONS_MAX { reason } else { "and others".to_owned() };
        *self.rejected.entry(reason).or_default() += items;
    }
}

fn kinds(data: &Data) -> (FamilyKind, MetricType) {
    match data {
        Data::Gauge(_) => (FamilyKind::Gauge, MetricType::Gauge),
        Data::Sum(sum) if sum.is_monotonic => (FamilyKind::Counter, MetricType::Counter),
        Data::Sum(_) => (FamilyKind::UpDown, MetricType::Gauge),
        Data::Histogram(_) | Data::ExponentialHistogram(_) => (FamilyKind::Histogram, MetricType::Histogram),
        Data::Summary(_) => (FamilyKind::Summary, MetricType::Summary),
    }
}

/// Returns why points cannot be sent because of their temporality. Deltas were made cumulative before.
fn temporality_fault(data: &Data) -> Option<&'static str> {
    let found = match data {
        Data::Gauge(_) | Data::Summary(_) => return None,
        Data::Sum(sum) => sum.aggregation_temporality,
        Data::Histogram(histogram) => histogram.aggregation_temporality,
        Data::ExponentialHistogram(histogram) => histogram.aggregation_temporality,
    };
    match found {
        CUMULATIVE => None,
        found if found == AggregationTemporality::Delta as i32 => Some("it is a delta that could not be summed"),
        _ => Some("its aggregation temporality is unset"),
    }
}

/// Counts back from the last time, so that a request soon after another one adds only one sample.
fn info_times(first: i64, last: i64) -> impl Iterator<Item = i64> {
    let steps = ((last - first) / INFO_EVERY_MS).min(INFOS_MAX);
    (0..=steps).map(move |step| last - step * INFO_EVERY_MS)
}
