//! Derived metrics as an OTLP request, with one resource per owner.

use super::otlp::{scope, text};
use crate::model::scrape::{Attributes, Family, FamilyKind, Sample, SampleValue, Scrape};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Start time of the counters and time of the sample, ns since the epoch.
#[derive(Clone, Copy)]
struct Times {
    began: u64,
    now: u64,
}

/// Builds the request; `own` is the resource of samples without an owner.
pub(super) fn request(scrape: &Scrape, own: &Resource, began: u64, now: u64) -> ExportMetricsServiceRequest {
    let times = Times { began, now };
    let mut by_resource: BTreeMap<Option<Cow<'_, Attributes>>, Vec<Metric>> = BTreeMap::new();
    for family in &scrape.families {
        let mut samples: BTreeMap<Option<Cow<'_, Attributes>>, Vec<&Sample>> = BTreeMap::new();
        for sample in &family.samples {
            samples.entry(resource(sample)).or_default().push(sample);
        }
        for (resource, samples) in samples {
            by_resource.entry(resource).or_default().push(metric(family, &samples, times));
        }
    }
    let of_resource = |(resource, metrics): (Option<Cow<'_, Attributes>>, Vec<Metric>)| {
        let resource = resource
            .map_or_else(|| own.clone(), |named| Resource { attributes: attributes(&named), ..Resource::default() });
        let scope_metrics = vec![ScopeMetrics { scope: Some(scope()), metrics, ..ScopeMetrics::default() }];
        ResourceMetrics { resource: Some(resource), scope_metrics, ..ResourceMetrics::default() }
    };
    ExportMetricsServiceRequest { resource_metrics: by_resource.into_iter().map(of_resource).collect() }
}

/// Returns the owner of a sample: the resource that it was counted for, or the service in its labels, as for findings.
fn resource(sample: &Sample) -> Option<Cow<'_, Attributes>> {
    if let Some(resource) = sample.of.resource() {
        return Some(Cow::Borrowed(resource));
    }
    let service = sample.of.attributes().get("service_name").filter(|name| !name.is_empty())?;
    Some(Cow::Owned(Attributes::from([("service.name".to_owned(), service.clone())])))
}

fn metric(family: &Family, samples: &[&Sample], times: Times) -> Metric {
    let numbers = || samples.iter().filter_map(|sample| number(sample, times)).collect();
    let aggregation_temporality = AggregationTemporality::Cumulative.into();
    let data = match family.kind {
        FamilyKind::Counter => Data::Sum(Sum { data_points: numbers(), aggregation_temporality, is_monotonic: true }),
        FamilyKind::Histogram => Data::Histogram(Histogram {
            data_points: samples.iter().filter_map(|sample| histogram(sample, times)).collect(),
            aggregation_temporality,
        }),
        FamilyKind::Gauge | FamilyKind::UpDown | FamilyKind::Summary => Data::Gauge(Gauge { data_points: numbers() }),
    };
    Metric {
        name: family.name.clone(),
        description: family.description.clone(),
        unit: family.unit.clone(),
        data: Some(data),
        ..Metric::default()
    }
}

fn number(sample: &Sample, times: Times) -> Option<NumberDataPoint> {
    let SampleValue::Number(value) = sample.value else { return None };
    Some(NumberDataPoint {
        attributes: attributes(sample.of.attributes()),
        start_time_unix_nano: times.began,
        time_unix_nano: times.now,
        value: Some(number_data_point::Value::AsDouble(value)),
        ..NumberDataPoint::default()
    })
}

fn histogram(sample: &Sample, times: Times) -> Option<HistogramDataPoint> {
    let SampleValue::Histogram { bounds, counts, sum, count } = &sample.value else { return None };
    Some(HistogramDataPoint {
        attributes: attributes(sample.of.attributes()),
        start_time_unix_nano: times.began,
        time_unix_nano: times.now,
        count: *count,
        sum: Some(*sum),
        bucket_counts: counts.clone(),
        explicit_bounds: bounds.to_vec(),
        ..HistogramDataPoint::default()
    })
}

fn attributes(named: &Attributes) -> Vec<KeyValue> {
    named.iter().map(|(key, value)| text(key, value)).collect()
}
