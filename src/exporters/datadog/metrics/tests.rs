use super::*;
use crate::delivery::Rejected;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, NumberDataPoint,
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
    assert_eq!((payload.route, payload.items, mapped.rejected.len()), (SERIES, 1, 0));
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
    let told = |found: &str| Rejected {
        items: 1,
        reason: format!("metric \"m\" of host \"own\": expected a finite number, found {found}"),
    };
    assert_eq!(mapped.rejected, [told("NaN"), told("inf")]);
}

#[test]
fn what_is_told_of_a_point_says_which_it_is_and_there_is_an_end_to_it() {
    let attributes = [("route", "/buy"), ("method", "POST"), ("status", "200"), ("zone", "a")];
    let reason = |mapped: &Mapped| mapped.rejected[0].reason.clone();
    let named = mapped(vec![gauge(&[f64::NAN], &attributes)]);
    let expected =
        "metric \"m\" of host \"own\" (route:/buy, method:POST, status:200, …): expected a finite number, found NaN";
    assert_eq!(reason(&named), expected);
    let many = (0..30).map(|number| Metric { name: format!("m{number}"), ..gauge(&[f64::NAN; 2], &[]) });
    let mapped = mapped(many.collect());
    assert_eq!((mapped.rejected.len(), mapped.rejected.iter().map(|rejected| rejected.items).sum::<u64>()), (21, 60));
    assert_eq!(mapped.rejected[20], Rejected { items: 20, reason: "and others".into() });
}

/// Senders without a value write infinities.
#[test]
fn extremes_that_are_no_finite_numbers_are_as_none() {
    let point = |min, max| HistogramDataPoint {
        time_unix_nano: 7_000_000_000,
        count: 3,
        sum: Some(6.0),
        bucket_counts: vec![1, 2],
        explicit_bounds: vec![1.5],
        min,
        max,
        ..HistogramDataPoint::default()
    };
    let of = |point| {
        let data = Data::Histogram(Histogram { data_points: vec![point], aggregation_temporality: 1 });
        mapped(vec![Metric { name: "h".into(), data: Some(data), ..Metric::default() }])
    };
    let none = of(point(None, None));
    assert_eq!(none.payloads[0].items, 1);
    for (min, max) in [(f64::INFINITY, f64::NEG_INFINITY), (f64::NAN, f64::NAN)] {
        assert_eq!(of(point(Some(min), Some(max))), none);
    }
    let exponential = |min, max| {
        let positive = Some(Buckets { offset: 0, bucket_counts: vec![1, 2] });
        let point =
            ExponentialHistogramDataPoint { count: 3, sum: Some(6.0), positive, min, max, ..Default::default() };
        let data = ExponentialHistogram { data_points: vec![point], aggregation_temporality: 1 };
        mapped(vec![Metric { name: "e".into(), data: Some(Data::ExponentialHistogram(data)), ..Metric::default() }])
    };
    assert_eq!(exponential(Some(f64::NAN), Some(f64::INFINITY)), exponential(None, None));
}

#[test]
fn histograms_that_are_none_say_what_was_expected() {
    let told = |bucket_counts: Vec<u64>, explicit_bounds| {
        let count = bucket_counts.iter().sum();
        let point = HistogramDataPoint { count, bucket_counts, explicit_bounds, ..HistogramDataPoint::default() };
        let data = Data::Histogram(Histogram { data_points: vec![point], aggregation_temporality: 1 });
        let mapped = mapped(vec![Metric { name: "h".into(), data: Some(data), ..Metric::default() }]);
        assert_eq!((mapped.payloads.len(), mapped.rejected.len(), mapped.rejected[0].items), (0, 1, 1));
        mapped.rejected[0].reason.clone()
    };
    let of = "metric \"h\" of host \"own\": expected";
    assert_eq!(
        told(vec![1, 2], vec![]),
        format!("{of} one bucket count more than bounds, found 2 counts and 0 bounds")
    );
    assert_eq!(told(vec![0, 1, 0], vec![5.0, 1.0]), format!("{of} bounds that ascend, found 5 before 1"));
    let most = 4096 * 65_535_u64;
    let many = format!("{of} at most {most} values, which a distribution can hold, found {} and more", most + 1);
    assert_eq!(told(vec![most + 1, 0], vec![1.0]), many);
}

#[test]
fn a_count_that_is_not_that_of_the_buckets_is_told() {
    let explicit = HistogramDataPoint {
        count: 9,
        bucket_counts: vec![1, 1],
        explicit_bounds: vec![1.0],
        ..HistogramDataPoint::default()
    };
    let positive = Some(Buckets { offset: 0, bucket_counts: vec![1] });
    let exponential = ExponentialHistogramDataPoint { count: 9, zero_count: 1, positive, ..Default::default() };
    let all = [
        Data::Histogram(Histogram { data_points: vec![explicit], aggregation_temporality: 1 }),
        Data::ExponentialHistogram(ExponentialHistogram { data_points: vec![exponential], aggregation_temporality: 1 }),
    ];
    for data in all {
        let mapped = mapped(vec![Metric { name: "h".into(), data: Some(data), ..Metric::default() }]);
        let told = "metric \"h\" of host \"own\": expected as many values as its buckets hold, 2, found a count of 9";
        assert_eq!((mapped.payloads.len(), mapped.rejected), (0, vec![Rejected { items: 1, reason: told.into() }]));
    }
}

#[test]
fn cumulative_exponential_histograms_are_told_with_what_to_do() {
    let data_points = vec![ExponentialHistogramDataPoint::default(); 3];
    let data = Data::ExponentialHistogram(ExponentialHistogram { data_points, aggregation_temporality: 2 });
    let mapped = mapped(vec![Metric { name: "m".into(), data: Some(data), ..Metric::default() }]);
    assert!(mapped.payloads.is_empty());
    assert_eq!(mapped.rejected[0].items, 3);
    assert!(mapped.rejected[0].reason.contains("temporality preference to delta"), "{}", mapped.rejected[0].reason);
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
