//! Mapping, by the specification's text and by hand; sending, against a server on loopback. A real Prometheus is tested in
//! `tests/integration/remote_write.rs`.

mod mapping;
mod packing;
mod sending;

use super::*;
use crate::delivery::settings::{ClientSettings, Compression, TlsSettings};
use crate::exporters::prometheus::{Selection, Translation};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use proto::TimeSeries;
use std::time::Duration;

const CUMULATIVE: i32 = AggregationTemporality::Cumulative as i32;
const MS: u64 = 1_000_000;

fn settings(endpoint: &str) -> RemoteWriteSettings {
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    RemoteWriteSettings {
        endpoint: endpoint.to_owned(),
        client: ClientSettings {
            timeout: Duration::from_secs(5),
            headers: Vec::new(),
            tls: TlsSettings::default(),
            proxy_url: None,
            compression: Compression::None,
        },
        namespace: String::new(),
        translation: Translation::default(),
        external_labels: std::collections::BTreeMap::new(),
        resource_labels: Selection::default(),
        with_target_info: true,
        with_scope: true,
        send_metadata: false,
        message: MessageChoice::NewestKnown,
        bytes_max: 3_000_000,
        at_once: 1,
    }
}

fn pairs(attributes: &[(&str, &str)]) -> Vec<KeyValue> {
    let pair = |(key, value): &(&str, &str)| {
        let value = Some(AnyValue { value: Some(Value::StringValue((*value).to_owned())) });
        KeyValue { key: (*key).to_owned(), value, ..KeyValue::default() }
    };
    attributes.iter().map(pair).collect()
}

fn number(time_ms: u64, value: f64, attributes: &[(&str, &str)]) -> NumberDataPoint {
    NumberDataPoint {
        start_time_unix_nano: 1000 * MS,
        time_unix_nano: time_ms * MS,
        attributes: pairs(attributes),
        value: Some(number_data_point::Value::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

fn metric(name: &str, unit: &str, data: Data) -> Metric {
    Metric {
        name: name.into(),
        unit: unit.into(),
        description: format!("About {name}."),
        data: Some(data),
        ..Metric::default()
    }
}

fn gauge(name: &str, points: Vec<NumberDataPoint>) -> Metric {
    metric(name, "", Data::Gauge(Gauge { data_points: points }))
}

fn counter(name: &str, points: Vec<NumberDataPoint>) -> Metric {
    metric(name, "", Data::Sum(Sum { data_points: points, aggregation_temporality: CUMULATIVE, is_monotonic: true }))
}

/// Metrics of one resource and scope.
fn of_resource(resource: &[(&str, &str)], scope: (&str, &str), metrics: Vec<Metric>) -> ResourceMetrics {
    let scope =
        InstrumentationScope { name: scope.0.into(), version: scope.1.into(), ..InstrumentationScope::default() };
    ResourceMetrics {
        resource: Some(Resource { attributes: pairs(resource), ..Resource::default() }),
        scope_metrics: vec![ScopeMetrics { scope: Some(scope), metrics, ..ScopeMetrics::default() }],
        ..ResourceMetrics::default()
    }
}

fn plain(metrics: Vec<Metric>) -> Bytes {
    encoded(vec![of_resource(&[], ("", ""), metrics)])
}

fn encoded(resource_metrics: Vec<ResourceMetrics>) -> Bytes {
    ExportMetricsServiceRequest { resource_metrics }.encode_to_vec().into()
}

fn target(settings: &RemoteWriteSettings) -> RemoteWrite {
    RemoteWrite::new("prometheusremotewrite", settings).unwrap()
}

fn mapped(settings: &RemoteWriteSettings, request: &Bytes) -> Mapped {
    target(settings).map(Signal::Metrics, request).unwrap()
}

fn decoded(payload: &Payload) -> Request {
    Request::decode(payload.body.clone()).unwrap()
}

fn labels_of(request: &Request, series: &TimeSeries) -> String {
    let pair = |pair: &[u32]| format!("{}={}", requests::symbol(request, pair[0]), requests::symbol(request, pair[1]));
    series.labels_refs.chunks_exact(2).map(pair).collect::<Vec<_>>().join(" ")
}

/// Each sample as `labels: value @time from start`, in the order of the request.
fn lines(request: &Request) -> Vec<String> {
    let of_series = |series: &TimeSeries| {
        let labels = labels_of(request, series);
        let line = |value: String, time: i64, start: i64| {
            let start = if start == 0 { String::new() } else { format!(" from {start}") };
            format!("{labels}: {value} @{time}{start}")
        };
        let value =
            |value: f64| if value.to_bits() == groups::STALE.to_bits() { "stale".into() } else { value.to_string() };
        let samples = series.samples.iter().map(|s| line(value(s.value), s.timestamp, s.start_timestamp));
        let histogram = |h: &proto::Histogram| format!("native {} {}", h.count.unwrap_or_default(), value(h.sum));
        let histograms = series.histograms.iter().map(|h| line(histogram(h), h.timestamp, h.start_timestamp));
        samples.chain(histograms).collect::<Vec<_>>()
    };
    request.timeseries.iter().flat_map(of_series).collect()
}
