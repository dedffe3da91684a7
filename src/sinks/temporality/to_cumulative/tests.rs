//! Expected values are sums by hand.

use super::*;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, Gauge, Histogram, ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

const PLENTY: usize = 1 << 20;

fn request(service: &str, data: Data) -> Bytes {
    let value = Some(AnyValue { value: Some(Value::StringValue(service.into())) });
    let attribute = KeyValue { key: "service.name".into(), value, ..KeyValue::default() };
    let metric = Metric { name: "m".into(), data: Some(data), ..Metric::default() };
    let resource = Resource { attributes: vec![attribute], ..Resource::default() };
    let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }];
    let of_resource = ResourceMetrics { resource: Some(resource), scope_metrics, ..ResourceMetrics::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![of_resource] }.encode_to_vec().into()
}

fn data(request: &Bytes) -> Data {
    let decoded = ExportMetricsServiceRequest::decode(request.clone()).unwrap();
    decoded.resource_metrics[0].scope_metrics[0].metrics[0].data.clone().unwrap()
}

fn number(start: u64, time: u64, value: i64) -> NumberDataPoint {
    NumberDataPoint {
        start_time_unix_nano: start,
        time_unix_nano: time,
        value: Some(number_data_point::Value::AsInt(value)),
        ..NumberDataPoint::default()
    }
}

fn sum(points: Vec<NumberDataPoint>) -> Data {
    Data::Sum(Sum { data_points: points, aggregation_temporality: DELTA, is_monotonic: true })
}

/// Start, time and value of each point that came out.
fn passed(state: &mut ToCumulative, service: &str, points: Vec<NumberDataPoint>) -> Vec<(u64, u64, i64)> {
    let out = data(&state.pass(request(service, sum(points))).unwrap());
    let Data::Sum(sum) = out else { panic!("{out:?}") };
    assert_eq!(sum.aggregation_temporality, CUMULATIVE);
    let value = |point: &NumberDataPoint| match point.value {
        Some(number_data_point::Value::AsInt(value)) => value,
        ref other => panic!("{other:?}"),
    };
    sum.data_points.iter().map(|p| (p.start_time_unix_nano, p.time_unix_nano, value(p))).collect()
}

#[test]
fn deltas_are_summed_from_the_start_of_the_first() {
    let mut state = ToCumulative::new(PLENTY);
    assert_eq!(passed(&mut state, "a", vec![number(10, 20, 5), number(20, 30, 2)]), [(10, 20, 5), (10, 30, 7)]);
    assert_eq!(passed(&mut state, "b", vec![number(12, 22, 1)]), [(12, 22, 1)], "another stream");
    assert_eq!(passed(&mut state, "a", vec![number(30, 40, 3)]), [(10, 40, 10)]);
}

/// What is no number, or infinite, stands alone: the sum begins anew behind it.
#[test]
fn a_value_that_is_no_number_does_not_spoil_those_behind_it() {
    let mut state = ToCumulative::new(PLENTY);
    let double = |start, time, value| NumberDataPoint {
        value: Some(number_data_point::Value::AsDouble(value)),
        ..number(start, time, 0)
    };
    let points = [1.0, 2.0, f64::NAN, 3.0, 4.0, f64::INFINITY, 5.0];
    let points = (1..).zip(points).map(|(at, value)| double(at * 10, at * 10 + 10, value)).collect();
    let Data::Sum(sum) = data(&state.pass(request("a", sum(points))).unwrap()) else { panic!("not a sum") };
    let values = sum.data_points.iter().map(|point| match point.value {
        Some(number_data_point::Value::AsDouble(value)) => value.to_string(),
        ref other => panic!("{other:?}"),
    });
    assert_eq!(values.collect::<Vec<_>>(), ["1", "3", "NaN", "3", "7", "inf", "5"]);
}

#[test]
fn points_that_are_no_newer_are_dropped() {
    let mut state = ToCumulative::new(PLENTY);
    let out = passed(&mut state, "a", vec![number(10, 20, 5), number(10, 20, 5), number(5, 15, 9), number(20, 21, 1)]);
    assert_eq!(out, [(10, 20, 5), (10, 21, 6)]);
    assert_eq!(state.dropped, 2);
}

/// After a restart the target holds what was sent before; a sum that begins with it again would tell it twice.
#[test]
fn what_was_sent_before_a_restart_is_known_and_not_told_again() {
    let mut state = ToCumulative::new(PLENTY);
    state.learn(request("a", sum(vec![number(10, 20, 5), number(20, 30, 2)]))).unwrap();
    assert_eq!(passed(&mut state, "a", vec![number(20, 30, 2), number(30, 40, 4)]), [(30, 40, 4)]);
    assert_eq!(passed(&mut state, "a", vec![number(40, 50, 1)]), [(30, 50, 5)]);
}

#[test]
fn a_sum_that_begins_anew_leaves_room_for_a_zero() {
    let ms = 1_000_000;
    let mut state = ToCumulative::new(PLENTY);
    state.learn(request("a", sum(vec![number(10 * ms, 20 * ms, 5)]))).unwrap();
    let next = vec![number(20 * ms, 30 * ms, 9)];
    assert_eq!(passed(&mut state, "a", next), [(21 * ms, 30 * ms, 9)]);
    assert_eq!([fresh_start(0, None, 5), fresh_start(7, Some(3), 9), fresh_start(0, Some(3), 9)], [0, 7, 3]);
}

#[test]
fn a_stream_that_was_forgotten_begins_anew() {
    let mut state = ToCumulative::new(STREAM_BYTES);
    passed(&mut state, "a", vec![number(10, 20, 5)]);
    passed(&mut state, "b", vec![number(10, 20, 5)]);
    assert_eq!(state.streams.len(), 1);
    assert_eq!(passed(&mut state, "a", vec![number(30, 40, 3)]), [(30, 40, 3)]);
    assert_eq!(state.bytes, STREAM_BYTES);
    assert_eq!(state.seen.len(), 1);
}

#[test]
fn an_end_is_passed_on_and_ends_the_sum() {
    let mut state = ToCumulative::new(PLENTY);
    passed(&mut state, "a", vec![number(10, 20, 5)]);
    let flags = DataPointFlags::NoRecordedValueMask as u32;
    passed(&mut state, "a", vec![NumberDataPoint { flags, ..number(20, 30, 0) }]);
    assert_eq!(passed(&mut state, "a", vec![number(40, 50, 3)]), [(40, 50, 3)]);
}

#[test]
fn nothing_that_is_no_delta_is_touched() {
    let mut state = ToCumulative::new(PLENTY);
    let gauge = request("a", Data::Gauge(Gauge { data_points: vec![number(0, 10, 1), number(0, 10, 1)] }));
    assert_eq!(state.pass(gauge.clone()).unwrap(), gauge);
    let cumulative =
        Sum { data_points: vec![number(0, 9, 1)], aggregation_temporality: CUMULATIVE, is_monotonic: true };
    let cumulative = request("a", Data::Sum(cumulative));
    assert_eq!(state.pass(cumulative.clone()).unwrap(), cumulative);
    assert!(state.streams.is_empty());
    assert!(state.pass(Bytes::from_static(&[0xff])).is_err());
}

#[test]
fn histograms_are_summed_bucket_by_bucket() {
    let point = |time, bounds: &[f64], counts: &[u64]| HistogramDataPoint {
        start_time_unix_nano: time - 10,
        time_unix_nano: time,
        explicit_bounds: bounds.to_vec(),
        bucket_counts: counts.to_vec(),
        count: counts.iter().sum(),
        sum: Some(1.5),
        max: Some(9.0),
        ..HistogramDataPoint::default()
    };
    let mut state = ToCumulative::new(PLENTY);
    let data_points =
        vec![point(20, &[1.0, 2.0], &[1, 0, 2]), point(30, &[1.0, 2.0], &[0, 4, 1]), point(40, &[1.0], &[3, 0])];
    let histogram = Data::Histogram(Histogram { data_points, aggregation_temporality: DELTA });
    let Data::Histogram(out) = data(&state.pass(request("a", histogram)).unwrap()) else { panic!() };
    let told: Vec<_> = out
        .data_points
        .iter()
        .map(|p| (p.start_time_unix_nano, p.bucket_counts.clone(), p.count, p.sum, p.max))
        .collect();
    // Other bounds: the sum begins anew.
    let expected = [
        (10, vec![1, 0, 2], 3, Some(1.5), None),
        (10, vec![1, 4, 3], 8, Some(3.0), None),
        (30, vec![3, 0], 3, Some(1.5), None),
    ];
    assert_eq!(told, expected);
}

#[test]
fn exponential_histograms_are_summed_at_the_coarser_scale() {
    use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
    let point = |time, scale, offset, counts: &[u64]| ExponentialHistogramDataPoint {
        start_time_unix_nano: time - 10,
        time_unix_nano: time,
        scale,
        positive: Some(Buckets { offset, bucket_counts: counts.to_vec() }),
        count: counts.iter().sum(),
        sum: Some(2.0),
        ..ExponentialHistogramDataPoint::default()
    };
    let mut state = ToCumulative::new(PLENTY);
    let data_points = vec![point(20, 1, 0, &[1, 1, 1, 1]), point(30, 0, 1, &[7])];
    let histogram = ExponentialHistogram { data_points, aggregation_temporality: DELTA };
    let out = data(&state.pass(request("a", Data::ExponentialHistogram(histogram))).unwrap());
    let Data::ExponentialHistogram(out) = out else { panic!("{out:?}") };
    let last = &out.data_points[1];
    assert_eq!((last.start_time_unix_nano, last.scale, last.count, last.sum), (10, 0, 11, Some(4.0)));
    assert_eq!(last.positive, Some(Buckets { offset: 0, bucket_counts: vec![2, 9] }));
}
