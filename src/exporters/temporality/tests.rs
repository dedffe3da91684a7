use super::*;
use crate::delivery::StatefulStage as _;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
};
use prost::Message as _;
use std::time::Duration;

const STARTED: u64 = 1000;

fn stage(initial: Initial, marks: bool, series_max: usize) -> ToDelta {
    let idle_max = Duration::from_hours(1);
    ToDelta::new(Rules { sums: true, initial, since_unix_nano: STARTED, rates: &["rate"], marks, series_max, idle_max })
}

fn request(name: &str, data: Data) -> ExportMetricsServiceRequest {
    let metric = Metric { name: name.into(), data: Some(data), ..Metric::default() };
    let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() }],
    }
}

fn data(mut request: ExportMetricsServiceRequest) -> Data {
    request.resource_metrics.remove(0).scope_metrics.remove(0).metrics.remove(0).data.unwrap()
}

fn total(points: &[(u64, u64, f64)]) -> Data {
    let data_points = points.iter().map(|(start, time, value)| NumberDataPoint {
        start_time_unix_nano: *start,
        time_unix_nano: *time,
        value: Some(Value::AsDouble(*value)),
        ..NumberDataPoint::default()
    });
    Data::Sum(Sum { data_points: data_points.collect(), aggregation_temporality: 2, is_monotonic: true })
}

/// Output for points that arrive one per request: (start, time, value) each.
fn steps(stage: &mut ToDelta, points: &[(u64, u64, f64)]) -> Vec<Vec<(u64, u64, f64)>> {
    let step = |point: &(u64, u64, f64)| {
        let mut request = request("m", total(&[*point]));
        assert!(stage.rewrite(&mut request));
        let Data::Sum(sum) = data(request) else { panic!("not a sum") };
        assert_eq!((sum.aggregation_temporality, sum.is_monotonic), (1, true));
        let of = |point: &NumberDataPoint| match point.value {
            Some(Value::AsDouble(value)) => (point.start_time_unix_nano, point.time_unix_nano, value),
            _ => panic!("not a double: {point:?}"),
        };
        sum.data_points.iter().map(of).collect()
    };
    points.iter().map(step).collect()
}

#[test]
fn a_counter_gives_what_was_added_since_its_last_point() {
    let mut stage = stage(Initial::Auto, false, 10);
    // It began before this process: its first value may have been counted by another.
    let found = steps(&mut stage, &[(500, 2000, 7.0), (500, 3000, 10.0), (500, 4000, 10.0)]);
    assert_eq!(found, [vec![], vec![(2000, 3000, 3.0)], vec![(3000, 4000, 0.0)]]);
}

#[test]
fn a_counters_first_value_counts_where_its_start_is_known_to_be_new() {
    let first = |initial, start, time| steps(&mut stage(initial, false, 10), &[(start, time, 7.0)]).remove(0);
    assert_eq!(first(Initial::Auto, STARTED + 1, 2000), [(STARTED + 1, 2000, 7.0)]);
    assert_eq!(first(Initial::Auto, STARTED, 2000), []);
    assert_eq!(first(Initial::Auto, 0, 2000), []);
    // A start equal to the time of the point means that the true start is unknown.
    assert_eq!(first(Initial::Auto, 2000, 2000), []);
    assert_eq!(first(Initial::Keep, 0, 2000), [(0, 2000, 7.0)]);
    assert_eq!(first(Initial::Drop, STARTED + 1, 2000), []);
}

/// Datadog's own code counts only the first of them.
#[test]
fn first_values_count_of_every_series_of_a_metric() {
    let start = STARTED + 1;
    let mut request = request("m", total(&[(start, 2000, 7.0), (start, 2000, 9.0), (STARTED, 2000, 11.0)]));
    let Some(Data::Sum(sum)) = &mut request.resource_metrics[0].scope_metrics[0].metrics[0].data else {
        panic!("not a sum")
    };
    for (number, point) in sum.data_points.iter_mut().enumerate() {
        let value = Some(AnyValue { value: Some(Any::IntValue(i64::try_from(number).unwrap())) });
        point.attributes.push(KeyValue { key: "of".into(), value, ..KeyValue::default() });
    }
    stage(Initial::Auto, true, 10).rewrite(&mut request);
    let Data::Sum(sum) = data(request) else { panic!("not a sum") };
    let values: Vec<_> = sum.data_points.iter().map(|point| point.value).collect();
    assert_eq!(values, [Some(Value::AsDouble(7.0)), Some(Value::AsDouble(9.0))], "not what began before");
}

#[test]
fn a_stage_that_is_told_since_when_it_sees_all_counts_what_began_then() {
    let mut stage = stage(Initial::Auto, false, 10);
    stage.seen_since(100);
    assert_eq!(steps(&mut stage, &[(101, 2000, 7.0)]), [[(101, 2000, 7.0)]]);
}

#[test]
fn points_that_are_too_old_are_told_with_their_metric() {
    let mut stage = stage(Initial::Keep, false, 10);
    steps(&mut stage, &[(1, 2000, 7.0), (1, 2000, 7.0), (1, 1500, 5.0), (1, 3000, 9.0)]);
    let told = stage.left_out();
    assert_eq!((told.len(), told[0].items), (1, 2));
    let reason = "metric \"m\": it is not newer than the last point of its series";
    assert!(told[0].reason.starts_with(reason), "{told:?}");
    assert_eq!(stage.left_out(), [], "once");
    changed(&mut stage, histogram(1000, &[1, 2], 10.0, (1.0, 5.0)));
    changed(&mut stage, histogram(900, &[1, 2], 10.0, (1.0, 5.0)));
    assert_eq!(stage.left_out().iter().map(|rejected| rejected.items).sum::<u64>(), 1);
}

#[test]
fn running_totals_of_exponential_histograms_are_told_where_the_target_takes_none() {
    use opentelemetry_proto::tonic::metrics::v1::{ExponentialHistogram, ExponentialHistogramDataPoint};
    let totals = |temporality| {
        let data_points = vec![ExponentialHistogramDataPoint::default(); 3];
        request(
            "e",
            Data::ExponentialHistogram(ExponentialHistogram { data_points, aggregation_temporality: temporality }),
        )
    };
    let mut stage = stage(Initial::Auto, false, 10);
    let mut total = totals(2);
    assert!(stage.rewrite(&mut total));
    let Data::ExponentialHistogram(left) = data(total) else { panic!("not exponential") };
    assert_eq!(left.data_points, []);
    let told = stage.left_out();
    assert_eq!((told.len(), told[0].items), (1, 3));
    assert!(told[0].reason.contains("\"e\"") && told[0].reason.contains("temporality preference to delta"), "{told:?}");
    let mut delta = totals(1);
    assert!(!stage.rewrite(&mut delta) && delta == totals(1));
    assert_eq!(stage.left_out(), []);
}

/// The total of an untracked series must not count as a first value each time.
#[test]
fn what_finds_no_room_is_left_out_and_told() {
    let start = STARTED + 1;
    let mut full = stage(Initial::Auto, false, 0);
    let none: [Vec<(u64, u64, f64)>; 2] = [vec![], vec![]];
    assert_eq!(steps(&mut full, &[(start, 2000, 7.0), (start, 3000, 9.0)]), none);
    let told = full.left_out();
    assert!(told.len() == 1 && told[0].items == 2 && told[0].reason.contains("metrics.series_max"), "{told:?}");
}

#[test]
fn resets_and_points_out_of_order_take_nothing_from_a_counter() {
    let mut stage = stage(Initial::Auto, false, 10);
    let start = STARTED + 1;
    let points =
        [(start, 2000, 7.0), (start, 1500, 3.0), (start, 2000, 9.0), (2500, 3000, 4.0), (0, 4000, 1.0), (0, 5000, 6.0)];
    let told = [
        vec![(start, 2000, 7.0)],
        // Older, and of the same time.
        vec![],
        vec![],
        // A reset indicated by the start.
        vec![(2500, 3000, 4.0)],
        // A reset indicated only by the value: what was counted before is unknown.
        vec![],
        vec![(4000, 5000, 5.0)],
    ];
    assert_eq!(steps(&mut stage, &points), told);
}

#[test]
fn some_counters_become_their_rate() {
    let mut stage = stage(Initial::Keep, true, 10);
    let mut rates = Vec::new();
    for (time, value) in [(1_000_000_000, 10.0), (3_000_000_000, 40.0)] {
        let mut request = request("rate", total(&[(0, time, value)]));
        stage.rewrite(&mut request);
        let Data::Gauge(gauge) = data(request) else { panic!("not a gauge") };
        rates.push(gauge.data_points.iter().map(|point| point.value).collect::<Vec<_>>());
    }
    assert_eq!(rates, [vec![], vec![Some(Value::AsDouble(15.0))]]);
}

fn histogram(time: u64, counts: &[u64], sum: f64, (min, max): (f64, f64)) -> ExportMetricsServiceRequest {
    let point = HistogramDataPoint {
        start_time_unix_nano: 500,
        time_unix_nano: time,
        count: counts.iter().sum(),
        sum: Some(sum),
        bucket_counts: counts.to_vec(),
        explicit_bounds: vec![1.0; counts.len() - 1],
        min: Some(min),
        max: Some(max),
        ..HistogramDataPoint::default()
    };
    request("h", Data::Histogram(Histogram { data_points: vec![point], aggregation_temporality: 2 }))
}

fn changed(stage: &mut ToDelta, mut request: ExportMetricsServiceRequest) -> Vec<HistogramDataPoint> {
    stage.rewrite(&mut request);
    let Data::Histogram(histogram) = data(request) else { panic!("not a histogram") };
    assert_eq!(histogram.aggregation_temporality, 1);
    histogram.data_points
}

#[test]
fn a_histogram_gives_what_was_added_to_each_bucket() {
    let mut stage = stage(Initial::Keep, false, 10);
    assert_eq!(changed(&mut stage, histogram(1000, &[1, 2], 10.0, (1.0, 5.0))), []);
    let points = changed(&mut stage, histogram(2000, &[1, 5], 30.0, (1.0, 9.0)));
    let [point] = points.as_slice() else { panic!("not one point: {points:?}") };
    assert_eq!((point.count, point.sum, point.bucket_counts.as_slice()), (3, Some(20.0), &[0, 3][..]));
    assert_eq!((point.start_time_unix_nano, point.time_unix_nano, point.flags), (1000, 2000, 0));
    // The maximum has moved, so it is recent; the minimum has not.
    assert_eq!((point.min, point.max), (None, Some(9.0)));
    // Different bounds: the increase of each bucket is unknown.
    assert_eq!(changed(&mut stage, histogram(3000, &[1, 5, 6], 60.0, (1.0, 9.0))), []);
    assert_eq!(changed(&mut stage, histogram(2500, &[1, 5, 6], 60.0, (1.0, 9.0))), []);
}

#[test]
fn marks_say_what_otlp_has_no_word_for_and_no_sender_can_set_them() {
    let mut stage = stage(Initial::Keep, true, 10);
    changed(&mut stage, histogram(1000, &[1, 2], 10.0, (1.0, 5.0)));
    let points = changed(&mut stage, histogram(2000, &[1, 5], 30.0, (1.0, 9.0)));
    assert_eq!(points[0].flags, point_flags::CONVERTED | point_flags::MIN_IS_OLD);
    let own = Data::Sum(Sum {
        data_points: vec![NumberDataPoint { flags: point_flags::ALL | 2, ..NumberDataPoint::default() }],
        aggregation_temporality: 1,
        is_monotonic: true,
    });
    let mut request = request("m", own);
    assert!(stage.rewrite(&mut request));
    let Data::Sum(sum) = data(request) else { panic!("not a sum") };
    assert_eq!(sum.data_points[0].flags, 2);
}

#[test]
fn no_more_series_are_followed_than_there_is_room_for() {
    let mut stage = stage(Initial::Drop, false, 2);
    let of = |name: &str, time, value| request(name, total(&[(500, time, value)]));
    for name in ["a", "b", "c"] {
        stage.rewrite(&mut of(name, 1000, 1.0));
    }
    let mut added = Vec::new();
    for name in ["a", "b", "c"] {
        let mut request = of(name, 2000, 3.0);
        stage.rewrite(&mut request);
        let Data::Sum(sum) = data(request) else { panic!("not a sum") };
        added.push(sum.data_points.len());
    }
    assert_eq!(added, [1, 1, 0]);
}

#[test]
fn a_request_with_nothing_to_change_goes_on_as_the_same_bytes() {
    let mut stage = stage(Initial::Auto, true, 10);
    let Data::Sum(sum) = total(&[(0, 1, 1.0)]) else { panic!("not a sum") };
    let bytes: bytes::Bytes = request("m", Data::Sum(Sum { is_monotonic: false, ..sum })).encode_to_vec().into();
    assert_eq!(stage.pass(bytes.clone()).unwrap(), bytes);
    assert!(stage.pass(bytes::Bytes::from_static(b"\xff\xff")).is_err());
}
