//! Expected values are sums by hand.

use super::sender::SENDER_BYTES;
use super::series::{SERIES_BYTES, fresh_start};
use super::*;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{
    DataPointFlags, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, number_data_point,
};

mod shared;

const PLENTY: usize = 1 << 20;
const MS: u64 = 1_000_000;
const ENDS: u32 = DataPointFlags::NoRecordedValueMask as u32;

/// A target that names series only by metric and service.
struct ByService;

impl SeriesKeys for ByService {
    fn key(&self, of: Origin<'_>, _attributes: &[KeyValue]) -> Option<Digest> {
        let service = of.resource?.attributes.iter().find(|attribute| attribute.key == "service.name")?;
        let Some(Value::StringValue(service)) = &service.value.as_ref()?.value else { return None };
        Some(identity::of_texts([of.metric.name.as_str(), service.as_str()]))
    }
}

fn stage() -> ToCumulative {
    ToCumulative::new(PLENTY, Box::new(ByService))
}

/// Points left out of the last request.
fn left_out(state: &mut ToCumulative) -> u64 {
    state.left_out().iter().map(|rejected| rejected.items).sum()
}

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value.into())) });
    KeyValue { key: key.into(), value, ..KeyValue::default() }
}

/// From a service, or from `service@host`.
fn request(from: &str, data: Data) -> Bytes {
    let (service, host) = from.split_once('@').unwrap_or((from, ""));
    let attributes = vec![attribute("service.name", service), attribute("host.name", host)];
    let metric = Metric { name: "m".into(), data: Some(data), ..Metric::default() };
    let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }];
    let resource = Some(Resource { attributes, ..Resource::default() });
    let of_resource = ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![of_resource] }.encode_to_vec().into()
}

fn data(request: &Bytes) -> Data {
    let decoded = ExportMetricsServiceRequest::decode(request.clone()).unwrap();
    decoded.resource_metrics[0].scope_metrics[0].metrics[0].data.clone().unwrap()
}

/// Start and time in milliseconds.
fn number(start: u64, time: u64, value: i64) -> NumberDataPoint {
    NumberDataPoint {
        start_time_unix_nano: start * MS,
        time_unix_nano: time * MS,
        value: Some(number_data_point::Value::AsInt(value)),
        ..NumberDataPoint::default()
    }
}

fn sum(points: Vec<NumberDataPoint>) -> Data {
    Data::Sum(Sum { data_points: points, aggregation_temporality: DELTA, is_monotonic: true })
}

/// Start, time and value of each output point.
fn came_of(state: &mut ToCumulative, from: &str, data: Data) -> Vec<(u64, u64, i64)> {
    let out = self::data(&state.pass(request(from, data)).unwrap());
    let Data::Sum(sum) = out else { panic!("{out:?}") };
    assert_eq!(sum.aggregation_temporality, CUMULATIVE);
    let value = |point: &NumberDataPoint| match point.value {
        Some(number_data_point::Value::AsInt(value)) => value,
        ref other => panic!("{other:?}"),
    };
    let of = |p: &NumberDataPoint| (p.start_time_unix_nano / MS, p.time_unix_nano / MS, value(p));
    sum.data_points.iter().map(of).collect()
}

/// The same for deltas.
fn passed(state: &mut ToCumulative, from: &str, points: Vec<NumberDataPoint>) -> Vec<(u64, u64, i64)> {
    came_of(state, from, sum(points))
}

#[test]
fn deltas_are_summed_from_the_start_of_the_first() {
    let mut state = stage();
    assert_eq!(passed(&mut state, "a", vec![number(10, 20, 5), number(20, 30, 2)]), [(10, 20, 5), (10, 30, 7)]);
    assert_eq!(passed(&mut state, "b", vec![number(12, 22, 1)]), [(12, 22, 1)], "another stream");
    assert_eq!(passed(&mut state, "a", vec![number(30, 40, 3)]), [(10, 40, 10)]);
}

/// NaN and infinities are passed on alone: the sum restarts after them.
#[test]
fn a_value_that_is_no_number_does_not_spoil_those_behind_it() {
    let mut state = stage();
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
    let mut state = stage();
    let out = passed(&mut state, "a", vec![number(10, 20, 5), number(10, 20, 5), number(5, 15, 9), number(20, 21, 1)]);
    assert_eq!(out, [(10, 20, 5), (10, 21, 6)]);
    assert_eq!(left_out(&mut state), 2);
}

/// After a restart the target already has what was sent before; a sum that starts with it again would count it twice.
#[test]
fn what_was_sent_before_a_restart_is_known_and_not_told_again() {
    let mut state = stage();
    state.learn(request("a", sum(vec![number(10, 20, 5), number(20, 30, 2)]))).unwrap();
    assert_eq!(passed(&mut state, "a", vec![number(20, 30, 2), number(30, 40, 4)]), [(31, 40, 4)]);
    assert_eq!(passed(&mut state, "a", vec![number(40, 50, 1)]), [(31, 50, 5)]);
}

#[test]
fn a_sum_that_begins_anew_leaves_room_for_a_zero() {
    let mut state = stage();
    state.learn(request("a", sum(vec![number(10, 20, 5)]))).unwrap();
    assert_eq!(passed(&mut state, "a", vec![number(20, 30, 9)]), [(21, 30, 9)]);
    assert_eq!([fresh_start(0, None, 5), fresh_start(7, Some(3), 9), fresh_start(0, Some(3), 9)], [0, 7, 3]);
}

#[test]
fn a_stream_that_was_forgotten_begins_anew() {
    let mut state = ToCumulative::new(SERIES_BYTES + SENDER_BYTES, Box::new(ByService));
    passed(&mut state, "a", vec![number(10, 20, 5)]);
    passed(&mut state, "b", vec![number(10, 20, 5)]);
    assert_eq!((state.series.len(), state.senders.len()), (1, 1));
    assert_eq!(passed(&mut state, "a", vec![number(30, 40, 3)]), [(30, 40, 3)]);
    assert_eq!(state.bytes, SERIES_BYTES + SENDER_BYTES);
    assert_eq!((state.sums.len(), state.alone.len()), (1, 0));
}

#[test]
fn an_end_is_passed_on_and_ends_the_sum() {
    let mut state = stage();
    passed(&mut state, "a", vec![number(10, 20, 5)]);
    passed(&mut state, "a", vec![NumberDataPoint { flags: ENDS, ..number(20, 30, 0) }]);
    assert_eq!(passed(&mut state, "a", vec![number(40, 50, 3)]), [(40, 50, 3)]);
}

#[test]
fn nothing_that_is_no_delta_is_touched() {
    let mut state = stage();
    let gauge = request("a", Data::Gauge(Gauge { data_points: vec![number(0, 10, 1), number(0, 10, 1)] }));
    assert_eq!(state.pass(gauge.clone()).unwrap(), gauge);
    let cumulative =
        Sum { data_points: vec![number(0, 9, 1)], aggregation_temporality: CUMULATIVE, is_monotonic: true };
    let cumulative = request("a", Data::Sum(cumulative));
    assert_eq!(state.pass(cumulative.clone()).unwrap(), cumulative);
    assert_eq!(state.series.len(), 1, "that of the running total");
    assert!(state.pass(Bytes::from_static(&[0xff])).is_err());
}

#[test]
fn histograms_are_summed_bucket_by_bucket() {
    let point = |time, bounds: &[f64], counts: &[u64]| HistogramDataPoint {
        start_time_unix_nano: (time - 10) * MS,
        time_unix_nano: time * MS,
        explicit_bounds: bounds.to_vec(),
        bucket_counts: counts.to_vec(),
        count: counts.iter().sum(),
        sum: Some(1.5),
        max: Some(9.0),
        ..HistogramDataPoint::default()
    };
    let mut state = stage();
    let data_points =
        vec![point(20, &[1.0, 2.0], &[1, 0, 2]), point(30, &[1.0, 2.0], &[0, 4, 1]), point(40, &[1.0], &[3, 0])];
    let histogram = Data::Histogram(Histogram { data_points, aggregation_temporality: DELTA });
    let Data::Histogram(out) = data(&state.pass(request("a", histogram)).unwrap()) else { panic!() };
    let told: Vec<_> = out
        .data_points
        .iter()
        .map(|p| (p.start_time_unix_nano / MS, p.bucket_counts.clone(), p.count, p.sum, p.max))
        .collect();
    // The only sender changes its bounds: the sum restarts.
    let expected = [
        (10, vec![1, 0, 2], 3, Some(1.5), None),
        (10, vec![1, 4, 3], 8, Some(3.0), None),
        (31, vec![3, 0], 3, Some(1.5), None),
    ];
    assert_eq!(told, expected);
}

#[test]
fn exponential_histograms_are_summed_at_the_coarser_scale() {
    use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
    let point = |time, scale, offset, counts: &[u64]| ExponentialHistogramDataPoint {
        start_time_unix_nano: (time - 10) * MS,
        time_unix_nano: time * MS,
        scale,
        positive: Some(Buckets { offset, bucket_counts: counts.to_vec() }),
        count: counts.iter().sum(),
        sum: Some(2.0),
        ..ExponentialHistogramDataPoint::default()
    };
    let mut state = stage();
    let data_points = vec![point(20, 1, 0, &[1, 1, 1, 1]), point(30, 0, 1, &[7])];
    let histogram = ExponentialHistogram { data_points, aggregation_temporality: DELTA };
    let out = data(&state.pass(request("a", Data::ExponentialHistogram(histogram))).unwrap());
    let Data::ExponentialHistogram(out) = out else { panic!("{out:?}") };
    let last = &out.data_points[1];
    assert_eq!((last.start_time_unix_nano / MS, last.scale, last.count, last.sum), (10, 0, 11, Some(4.0)));
    assert_eq!(last.positive, Some(Buckets { offset: 0, bucket_counts: vec![2, 9] }));
}
