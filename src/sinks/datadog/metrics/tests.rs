use super::*;
use crate::sinks::delivery::Unfit;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, NumberDataPoint,
};
use wire::{Resource, Series};

#[derive(Clone, PartialEq, prost::Message)]
struct List {
    #[prost(message, repeated, tag = "1")]
    series: Vec<Series>,
}

fn gauge(points: &[f64], attributes: &[(&str, &str)]) -> Metric {
    let attribute = |(key, text): &(&str, &str)| KeyValue {
        key: (*key).to_owned(),
        value: Some(AnyValue { value: Some(Any::StringValue((*text).to_owned())) }),
        ..KeyValue::default()
    };
    let attributes: Vec<KeyValue> = attributes.iter().map(attribute).collect();
    let data_points = points.iter().map(|value| NumberDataPoint {
        attributes: attributes.clone(),
        time_unix_nano: 7_900_000_000,
        value: Some(Value::AsDouble(*value)),
        ..NumberDataPoint::default()
    });
    let data = Some(Data::Gauge(Gauge { data_points: data_points.collect() }));
    Metric { name: "m".into(), unit: "By".into(), data, ..Metric::default() }
}

fn mapped(metrics: Vec<Metric>) -> Mapped {
    let scope = ScopeMetrics { metrics, ..ScopeMetrics::default() };
    let resource = ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() };
    let request = ExportMetricsServiceRequest { resource_metrics: vec![resource] };
    let settings = MetricsSettings { scope_as_tags: false, hostname: "own".into(), ..MetricsSettings::default() };
    map(&settings, &request.encode_to_vec().into()).unwrap()
}

fn series(payload: &Payload) -> Vec<Series> {
    List::decode(payload.body.clone()).unwrap().series
}

#[test]
fn a_device_is_a_resource_and_no_tag() {
    let mapped = mapped(vec![gauge(&[1.5], &[("device", "sda"), ("mode", ""), ("dd.internal.resource", "pod:p-1")])]);
    let [payload] = mapped.payloads.as_slice() else { panic!("not one payload: {mapped:?}") };
    assert_eq!((payload.route, payload.items, mapped.unfit.len()), (SERIES, 1, 0));
    let series = series(payload);
    let resource = |kind: &str, name: &str| Resource { kind: kind.into(), name: name.into() };
    assert_eq!(series[0].resources, [resource("host", "own"), resource("device", "sda"), resource("pod", "p-1")]);
    assert_eq!((series[0].tags.as_slice(), series[0].unit.as_str()), (&["mode:n/a".to_owned()][..], "byte"));
    assert_eq!((series[0].points[0].timestamp, series[0].points[0].value), (7, 1.5));
}

#[test]
fn what_is_no_finite_number_is_told_and_costs_nothing_beside_it() {
    let mapped = mapped(vec![gauge(&[f64::NAN, 1.0, f64::INFINITY, 2.0], &[])]);
    assert_eq!(mapped.payloads[0].items, 2);
    assert_eq!(mapped.unfit, [Unfit { items: 2, reason: "its value is not a finite number".into() }]);
}

#[test]
fn cumulative_exponential_histograms_are_told_with_what_to_do() {
    let data_points = vec![ExponentialHistogramDataPoint::default(); 3];
    let data = Data::ExponentialHistogram(ExponentialHistogram { data_points, aggregation_temporality: 2 });
    let mapped = mapped(vec![Metric { name: "m".into(), data: Some(data), ..Metric::default() }]);
    assert!(mapped.payloads.is_empty());
    assert_eq!(mapped.unfit[0].items, 3);
    assert!(mapped.unfit[0].reason.contains("temporality preference to delta"), "{}", mapped.unfit[0].reason);
}

#[test]
fn a_payload_keeps_the_intakes_bounds_and_is_cut_between_series() {
    let mapped = mapped(vec![gauge(&vec![1.0; 25_000], &[("k", "v")])]);
    let items: Vec<u64> = mapped.payloads.iter().map(|payload| payload.items).collect();
    assert_eq!(items, [10_000, 10_000, 5000]);
    let (first, rest) = split(&mapped.payloads[2]).unwrap();
    assert_eq!((first.items + rest.items, series(&first).len(), series(&rest).len()), (5000, 2500, 2500));
    let one = mapped_one();
    assert_eq!(split(&one), None);
    assert_eq!(split(&Payload { body: one.body.slice(..5), ..one }), None);
}

fn mapped_one() -> Payload {
    mapped(vec![gauge(&[1.0], &[])]).payloads.remove(0)
}
