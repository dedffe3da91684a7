use super::*;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar,
    exponential_histogram_data_point::Buckets, metric::Data, number_data_point::Value as Number,
    summary_data_point::ValueAtQuantile,
};
use serde_json::json;

const TIME: u64 = 1_600_000_000_000_000_000;

pub(super) fn request(data: Vec<Option<Data>>) -> ExportMetricsServiceRequest {
    let metrics =
        data.into_iter().map(|data| Metric { name: "m".into(), unit: "By".into(), data, ..Metric::default() });
    let scope_metrics = vec![ScopeMetrics { scope: scope(), metrics: metrics.collect(), ..ScopeMetrics::default() }];
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics { resource: shop(), scope_metrics, ..ResourceMetrics::default() }],
    }
}

fn decode_metrics(data: Vec<Data>) -> Decoded {
    decode(Signal::Metrics, &request(data.into_iter().map(Some).collect()))
}

fn point(value: Number) -> NumberDataPoint {
    NumberDataPoint { time_unix_nano: TIME, value: Some(value), ..NumberDataPoint::default() }
}

fn gauge(points: Vec<NumberDataPoint>) -> Data {
    Data::Gauge(Gauge { data_points: points })
}

fn histogram_point() -> HistogramDataPoint {
    HistogramDataPoint {
        time_unix_nano: TIME,
        count: 3,
        sum: Some(6.5),
        bucket_counts: vec![1, 2],
        explicit_bounds: vec![2.5],
        ..HistogramDataPoint::default()
    }
}

fn histogram(points: Vec<HistogramDataPoint>) -> Data {
    Data::Histogram(Histogram { data_points: points, aggregation_temporality: 1 })
}

/// Removes the series, whose digest cannot be derived by hand.
fn without_series(mut row: Json) -> Json {
    assert!(row.as_object_mut().expect("a row").remove("series_id").is_some());
    row
}

#[test]
fn a_sum_s_columns_are_right() {
    let data = Data::Sum(Sum {
        data_points: vec![NumberDataPoint {
            attributes: vec![attribute("k", string("v"))],
            start_time_unix_nano: TIME - 1_000_000_000,
            exemplars: vec![
                Exemplar {
                    trace_id: vec![0xcd; 16],
                    span_id: vec![0xab; 8],
                    time_unix_nano: 7,
                    value: Some(exemplar::Value::AsInt(3)),
                    ..Exemplar::default()
                },
                Exemplar::default(),
            ],
            ..point(Number::AsInt(9_007_199_254_740_993))
        }],
        aggregation_temporality: 2,
        is_monotonic: true,
    });
    let decoded = decode_metrics(vec![data]);
    assert_eq!(
        without_series(rows(&decoded, "metrics").remove(0)),
        json!({
            "service_name": "shop", "name": "m", "unit": "By", "kind": "sum", "temporality": "cumulative",
            "is_monotonic": true, "time": "2020-09-13T12:26:40Z", "time_unix_nano": TIME,
            "start_time_unix_nano": TIME - 1_000_000_000, "value": 9_007_199_254_740_992.0,
            "value_int": 9_007_199_254_740_993_i64, "scope_name": "lib", "scope_version": "1.2",
            "attributes": {"k": "v"}, "resource_attributes": {"host.name": "h1"}, "flags": 0,
            "exemplar_trace_ids": ["cd".repeat(16)], "exemplar_span_ids": ["ab".repeat(8)], "exemplar_values": [3.0],
            "exemplar_times_unix_nano": [7],
        })
    );
}

#[test]
fn a_gauge_s_nan_is_kept_and_a_missing_value_is_not() {
    let flagged = NumberDataPoint { flags: 1, value: None, ..point(Number::AsInt(0)) };
    let empty = NumberDataPoint { value: None, ..point(Number::AsInt(0)) };
    let decoded = decode_metrics(vec![gauge(vec![point(Number::AsDouble(f64::NAN)), empty, flagged])]);
    let (_, batch) = &decoded.tables[0];
    let values = batch.column_by_name("value").expect("column");
    let values = values.as_any().downcast_ref::<arrow::array::Float64Array>().expect("doubles");
    assert!(values.value(0).is_nan() && arrow::array::Array::is_null(values, 1));
    assert_eq!((decoded.items, decoded.rejected.items), (2, vec![1]));
    let reason = "resourceMetrics[0].scopeMetrics[0].metrics[0] (\"m\").dataPoints[1].value: expected asDouble or asInt, found neither";
    assert_eq!(decoded.rejected.message, format!("1 of 3 data points rejected: {reason}"));
}

#[test]
fn a_point_without_a_time_has_the_time_it_came_in() {
    let decoded = decode_metrics(vec![gauge(vec![NumberDataPoint { time_unix_nano: 0, ..point(Number::AsInt(1)) }])]);
    assert_eq!(rows(&decoded, "metrics")[0]["time_unix_nano"], RECEIVED);
}

#[test]
fn histograms_of_all_kinds_have_their_columns() {
    let exponential = ExponentialHistogramDataPoint {
        time_unix_nano: TIME,
        count: 3,
        sum: Some(10.0),
        zero_count: 1,
        zero_threshold: 0.25,
        scale: -1,
        positive: Some(Buckets { offset: 1, bucket_counts: vec![0, 2] }),
        min: Some(0.0),
        max: Some(5.0),
        ..ExponentialHistogramDataPoint::default()
    };
    let summary = SummaryDataPoint {
        time_unix_nano: TIME,
        count: 4,
        sum: 8.0,
        quantile_values: vec![
            ValueAtQuantile { quantile: 0.5, value: 2.0 },
            ValueAtQuantile { quantile: 1.0, value: 3.0 },
        ],
        ..SummaryDataPoint::default()
    };
    let decoded = decode_metrics(vec![
        histogram(vec![histogram_point()]),
        Data::ExponentialHistogram(ExponentialHistogram { data_points: vec![exponential], aggregation_temporality: 1 }),
        Data::Summary(Summary { data_points: vec![summary] }),
    ]);
    let head = json!({
        "service_name": "shop", "name": "m", "unit": "By", "time": "2020-09-13T12:26:40Z", "time_unix_nano": TIME,
        "scope_name": "lib", "scope_version": "1.2", "attributes": {}, "resource_attributes": {"host.name": "h1"},
        "flags": 0, "exemplar_trace_ids": [],
    });
    let own = [
        json!({"kind": "histogram", "temporality": "delta", "count": 3, "sum": 6.5, "bounds": [2.5], "bucket_counts": [1, 2]}),
        json!({"kind": "exponential_histogram", "temporality": "delta", "count": 3, "sum": 10.0, "min": 0.0, "max": 5.0,
            "scale": -1, "zero_count": 1, "zero_threshold": 0.25, "positive_offset": 1, "positive_counts": [0, 2]}),
        json!({"kind": "summary", "count": 4, "sum": 8.0, "quantiles": [0.5, 1.0], "quantile_values": [2.0, 3.0]}),
    ];
    for (row, own) in rows(&decoded, "histograms").into_iter().zip(own) {
        let mut expected = head.clone();
        expected.as_object_mut().expect("a row").extend(own.as_object().expect("a row").clone());
        assert_eq!(without_series(row), expected);
    }
}

#[test]
fn a_histogram_whose_parts_do_not_fit_is_refused() {
    for (bad, reason) in [
        (
            HistogramDataPoint { bucket_counts: vec![1], ..histogram_point() },
            "bucketCounts: expected 2 for 1 explicitBounds, or neither, found 1",
        ),
        (
            HistogramDataPoint { bucket_counts: vec![], ..histogram_point() },
            "bucketCounts: expected 2 for 1 explicitBounds, or neither, found 0",
        ),
        (
            HistogramDataPoint { bucket_counts: vec![1, 1, 1], explicit_bounds: vec![2.0, 2.0], ..histogram_point() },
            "explicitBounds: expected ascending numbers, found 2 before 2",
        ),
        (
            HistogramDataPoint { count: u64::MAX, ..histogram_point() },
            "count: expected at most 9223372036854775807, found 18446744073709551615",
        ),
    ] {
        let decoded = decode_metrics(vec![histogram(vec![bad, histogram_point()])]);
        assert_eq!((decoded.items, decoded.rejected.items), (1, vec![0]));
        assert!(decoded.rejected.message.ends_with(reason), "{}", decoded.rejected.message);
    }
    let neither = HistogramDataPoint { bucket_counts: vec![], explicit_bounds: vec![], ..histogram_point() };
    assert_eq!(decode_metrics(vec![histogram(vec![neither])]).items, 1);
    let point = SummaryDataPoint {
        quantile_values: vec![ValueAtQuantile { quantile: 1.5, value: 1.0 }],
        ..SummaryDataPoint::default()
    };
    let decoded = decode_metrics(vec![Data::Summary(Summary { data_points: vec![point] })]);
    assert!(decoded.rejected.message.ends_with("quantile: expected a number from 0 to 1, found 1.5"));
}

#[test]
fn a_metric_of_an_unknown_kind_is_refused_and_counts_as_one() {
    let decoded = decode(Signal::Metrics, &request(vec![None, Some(gauge(vec![point(Number::AsInt(1))]))]));
    assert_eq!((decoded.items, decoded.rejected.items), (1, vec![0]));
    assert!(
        decoded.rejected.message.contains("metrics[0].data: expected gauge, sum, histogram"),
        "{}",
        decoded.rejected.message
    );
}

#[test]
fn a_series_is_its_identity_and_nothing_else() {
    let at = |attributes: Vec<KeyValue>, value: i64| {
        let decoded = decode_metrics(vec![gauge(vec![NumberDataPoint { attributes, ..point(Number::AsInt(value)) }])]);
        rows(&decoded, "metrics")[0]["series_id"].as_i64().expect("a number")
    };
    let (a, b) = (attribute("a", string("1")), attribute("b", string("2")));
    let series = at(vec![a.clone(), b.clone()], 1);
    assert_eq!(series, at(vec![b.clone(), a.clone()], 2), "the order of attributes and the value do not matter");
    assert_ne!(series, at(vec![a.clone()], 1));
    assert_ne!(at(vec![attribute("a", string("1"))], 1), at(vec![attribute("a", number(1))], 1));
    assert_ne!(at(vec![attribute("ab", string("c"))], 1), at(vec![attribute("a", string("bc"))], 1));

    let mut other = request(vec![Some(gauge(vec![point(Number::AsInt(1))]))]);
    other.resource_metrics[0].resource =
        resource(vec![attribute("service.name", string("shop")), attribute("host.name", string("h2"))]);
    assert_ne!(
        at(vec![], 1),
        rows(&decode(Signal::Metrics, &other), "metrics")[0]["series_id"].as_i64().expect("a number")
    );
}

/// Flag 1 marks a point without a recorded value: its other fields have no meaning.
#[test]
fn a_point_without_a_recorded_value_has_none() {
    let flags = 1;
    let exponential = ExponentialHistogramDataPoint { count: 3, zero_count: 1, flags, ..Default::default() };
    let summary = SummaryDataPoint { count: 3, sum: 2.0, flags, ..SummaryDataPoint::default() };
    let decoded = decode_metrics(vec![
        histogram(vec![HistogramDataPoint { flags, ..histogram_point() }]),
        Data::ExponentialHistogram(ExponentialHistogram { data_points: vec![exponential], aggregation_temporality: 1 }),
        Data::Summary(Summary { data_points: vec![summary] }),
        gauge(vec![NumberDataPoint { flags, ..point(Number::AsInt(1)) }]),
    ]);
    assert_eq!(decoded.items, 4);
    let found = rows(&decoded, "histograms").into_iter().chain(rows(&decoded, "metrics"));
    for row in found {
        assert_eq!(row["flags"], 1);
        for column in
            ["count", "sum", "bounds", "bucket_counts", "scale", "zero_count", "quantiles", "value", "value_int"]
        {
            let empty = row.get(column).is_none_or(|value| *value == json!([]));
            assert!(empty, "{column}: {row}");
        }
    }
}

#[test]
fn a_name_of_any_length_is_told_in_a_few_words() {
    let mut request = request(vec![None; 5]);
    request.resource_metrics[0].scope_metrics[0].metrics[0].name = "\u{1}".repeat(1 << 20);
    request.resource_metrics[0].scope_metrics[0].metrics[1].name = "x".repeat(101);
    let message = decode(Signal::Metrics, &request).rejected.message;
    assert!(message.len() < 2100, "{}", message.len());
    assert!(message.starts_with("5 of 5 data points rejected: "), "{message}");
    assert!(message.contains(&format!("found none of them in \"{}\"…", "x".repeat(100))), "{message}");
}
