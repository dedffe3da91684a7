//! Metrics for the intakes of series and sketches, mapped like Datadog's own OTLP mapping
//! (`pkg/opentelemetry-mapping-go/otlp/metrics` of the Agent). Cumulative values were made delta before by the stage
//! [`crate::exporters::temporality`], which marks what it changed.

mod histograms;
mod name;
mod numbers;
mod origin;
mod output;
mod settings;
mod summaries;
mod tags;
mod units;
mod wire;
mod writer;

#[cfg(test)]
mod tests;

pub use settings::{HistogramMode, MetricsSettings};

pub(super) use output::{SERIES, SKETCHES};

use super::resource::{self, Place};
use crate::delivery::attributes::Attributes;
use crate::delivery::{Mapped, Payload};
use crate::exporters::temporality::{EXPONENTIAL_TOTAL, count_points};
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric, ResourceMetrics, ScopeMetrics, Sum};
use output::{Context, Output};
use prost::Message as _;
use wire::Kind;

/// Counters of the Collector's Kafka and JVM receivers that are gauges of their rate in Datadog.
pub const RATES: [&str; 14] = [
    "kafka.net.bytes_out.rate",
    "kafka.net.bytes_in.rate",
    "kafka.replication.isr_shrinks.rate",
    "kafka.replication.isr_expands.rate",
    "kafka.replication.leader_elections.rate",
    "jvm.gc.minor_collection_count",
    "jvm.gc.major_collection_count",
    "jvm.gc.minor_collection_time",
    "jvm.gc.major_collection_time",
    "kafka.messages_in.rate",
    "kafka.request.produce.failed.rate",
    "kafka.request.fetch.failed.rate",
    "kafka.replication.unclean_leader_elections.rate",
    "kafka.log.flush_rate.rate",
];

/// Maps a request.
///
/// # Errors
/// When it cannot be read.
pub fn map(settings: &MetricsSettings, request: &Bytes) -> anyhow::Result<Mapped> {
    let request = ExportMetricsServiceRequest::decode(request.clone())?;
    let mut output = Output::new();
    for resource in &request.resource_metrics {
        map_resource(settings, resource, &mut output);
    }
    Ok(output.finish())
}

/// Splits a payload in two; `None` if it has one entry.
pub(super) fn split(payload: &Payload) -> Option<(Payload, Payload)> {
    writer::split(payload)
}

fn map_resource(settings: &MetricsSettings, metrics: &ResourceMetrics, output: &mut Output) {
    let attributes = metrics.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
    let host = match resource::place(&Attributes::of(attributes)) {
        Place::Host(host) => host.into_owned(),
        Place::Serverless => String::new(),
        Place::Unknown => settings.hostname.clone(),
    };
    let resource_tags = resource::tags(&Attributes::of(attributes));
    let as_tags = if settings.resource_attributes_as_tags { attributes } else { &[] };
    for scope in &metrics.scope_metrics {
        map_scope(settings, scope, (&host, &resource_tags, as_tags), output);
    }
}

type OfResource<'a> = (&'a str, &'a [String], &'a [opentelemetry_proto::tonic::common::v1::KeyValue]);

fn map_scope(settings: &MetricsSettings, scope: &ScopeMetrics, of_resource: OfResource<'_>, output: &mut Output) {
    let (host, resource_tags, as_tags) = of_resource;
    let mut shared = resource_tags.to_vec();
    if settings.scope_as_tags {
        shared.extend(tags::scope(scope.scope.as_ref()));
    }
    let origin = origin::origin(scope.scope.as_ref().map_or("", |scope| &scope.name));
    for metric in &scope.metrics {
        let context = Context {
            name: &metric.name,
            host,
            shared: &shared,
            resource: as_tags,
            unit: units::unit(&metric.unit).unwrap_or_default(),
            origin,
        };
        map_metric(settings, metric, &context, output);
    }
}

fn map_metric(settings: &MetricsSettings, metric: &Metric, context: &Context<'_>, output: &mut Output) {
    let points = metric.data.as_ref().map_or(0, count_points);
    if !name::has_letter(&metric.name) {
        return output.rejected(context, &[], points, "expected a letter in its name, found none");
    }
    match &metric.data {
        None => {}
        Some(Data::Gauge(gauge)) => numbers::map(settings, context, Kind::Gauge, &gauge.data_points, output),
        Some(Data::Sum(sum)) => match kind_of(settings, sum) {
            Ok(kind) => numbers::map(settings, context, kind, &sum.data_points, output),
            Err(reason) => output.rejected(context, &[], points, reason),
        },
        Some(Data::Histogram(histogram)) => match is_delta(histogram.aggregation_temporality) {
            Ok(()) => histograms::map(settings, context, &histogram.data_points, output),
            Err(reason) => output.rejected(context, &[], points, reason),
        },
        Some(Data::ExponentialHistogram(histogram)) => match is_delta(histogram.aggregation_temporality) {
            Ok(()) => histograms::map_exponential(settings, context, &histogram.data_points, output),
            Err(reason) => output.rejected(context, &[], points, reason),
        },
        Some(Data::Summary(summary)) => summaries::map(settings, context, &summary.data_points, output),
    }
}

const NO_TEMPORALITY: &str = "expected an aggregation temporality, delta or cumulative, found none";

fn kind_of(settings: &MetricsSettings, sum: &Sum) -> Result<Kind, &'static str> {
    match sum.aggregation_temporality() {
        AggregationTemporality::Delta => Ok(Kind::Count),
        AggregationTemporality::Cumulative if sum.is_monotonic && settings.sums_to_delta => {
            Err("it is a cumulative value that was not converted to delta")
        }
        AggregationTemporality::Cumulative => Ok(Kind::Gauge),
        AggregationTemporality::Unspecified => Err(NO_TEMPORALITY),
    }
}

fn is_delta(temporality: i32) -> Result<(), &'static str> {
    match AggregationTemporality::try_from(temporality) {
        Ok(AggregationTemporality::Delta) => Ok(()),
        Ok(AggregationTemporality::Cumulative) => Err(EXPONENTIAL_TOTAL),
        _ => Err(NO_TEMPORALITY),
    }
}
