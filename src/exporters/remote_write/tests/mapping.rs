//! Expected values: the compatibility specification's rules, by hand.

use super::*;
use crate::delivery::Rejected;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    DataPointFlags, Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Histogram, HistogramDataPoint,
    Summary, SummaryDataPoint, exemplar,
};

const ENDS: u32 = DataPointFlags::NoRecordedValueMask as u32;

fn only(settings: &RemoteWriteSettings, request: &Bytes) -> Vec<String> {
    let mapped = mapped(settings, request);
    assert_eq!(mapped.rejected, []);
    assert_eq!(mapped.payloads.len(), 1);
    lines(&decoded(&mapped.payloads[0]))
}

fn histogram(bounds: &[f64], counts: &[u64]) -> HistogramDataPoint {
    HistogramDataPoint {
        start_time_unix_nano: 1000 * MS,
        time_unix_nano: 5000 * MS,
        explicit_bounds: bounds.to_vec(),
        bucket_counts: counts.to_vec(),
        count: counts.iter().sum(),
        sum: Some(1.5),
        ..HistogramDataPoint::default()
    }
}

fn histograms(points: Vec<HistogramDataPoint>) -> Metric {
    metric("h", "s", Data::Histogram(Histogram { data_points: points, aggregation_temporality: CUMULATIVE }))
}

fn exponential(scale: i32, counts: &[u64]) -> ExponentialHistogramDataPoint {
    ExponentialHistogramDataPoint {
        start_time_unix_nano: 1000 * MS,
        time_unix_nano: 5000 * MS,
        scale,
        count: counts.iter().sum(),
        sum: Some(4.0),
        positive: Some(Buckets { offset: 0, bucket_counts: counts.to_vec() }),
        ..ExponentialHistogramDataPoint::default()
    }
}

fn exponentials(points: Vec<ExponentialHistogramDataPoint>) -> Metric {
    metric(
        "e",
        "",
        Data::ExponentialHistogram(ExponentialHistogram { data_points: points, aggregation_temporality: CUMULATIVE }),
    )
}

#[test]
fn a_resource_is_job_and_instance_and_target_info() {
    let resource = [
        ("service.name", "shop"),
        ("service.namespace", "eu"),
        ("service.instance.id", "1"),
        ("host.name", "here"),
        ("empty", ""),
    ];
    let points = vec![number(5000, 2.5, &[("queue.name", "mail"), ("none", "")])];
    let request = encoded(vec![of_resource(&resource, ("lib", "1.0"), vec![gauge("queue.length", points)])]);
    let expected = [
        "__name__=queue_length instance=1 job=eu/shop otel_scope_name=lib otel_scope_version=1.0 queue_name=mail: 2.5 @5000",
        "__name__=target_info host_name=here instance=1 job=eu/shop: 1 @5000",
    ];
    assert_eq!(only(&settings("http://x/"), &request), expected);
    let without = RemoteWriteSettings { with_target_info: false, with_scope: false, ..settings("http://x/") };
    assert_eq!(only(&without, &request), ["__name__=queue_length instance=1 job=eu/shop queue_name=mail: 2.5 @5000"]);
    let of = |resource: &[(&str, &str)]| {
        encoded(vec![of_resource(resource, ("", ""), vec![gauge("g", vec![number(5, 1.0, &[])])])])
    };
    assert_eq!(only(&settings("http://x/"), &of(&[("host.name", "here")])), ["__name__=g: 1 @5"], "of nobody");
    assert_eq!(
        only(&settings("http://x/"), &of(&[("service.name", "a")])),
        ["__name__=g job=a: 1 @5"],
        "nothing to say"
    );
}

#[test]
fn external_labels_and_promoted_attributes_are_labels() {
    let external_labels = [("cluster.name", "c1"), ("queue_name", "lost"), ("job", "lost")];
    let settings = RemoteWriteSettings {
        resource_labels: Selection::new(&["host.*"], &["host.id"]),
        external_labels: external_labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        namespace: "shop".into(),
        with_target_info: false,
        ..settings("http://x/")
    };
    let resource = [("service.name", "a"), ("host.name", "here"), ("host.id", "7"), ("os.type", "linux")];
    let points = vec![number(5, 1.0, &[("queue.name", "mail")])];
    let request = encoded(vec![of_resource(&resource, ("", ""), vec![counter("mails", points)])]);
    let expected = "__name__=shop_mails_total cluster_name=c1 host_name=here job=a queue_name=mail: 1 @5";
    assert_eq!(only(&settings, &request), [expected]);
}

#[test]
fn names_follow_the_strategy() {
    let metrics =
        vec![metric("http.size", "By", counter("", vec![number(5, 1.0, &[("a.b", "1"), ("a_b", "2")])]).data.unwrap())];
    let request = plain(metrics);
    for (translation, expected) in [
        (Translation::UnderscoreEscapingWithSuffixes, "__name__=http_size_bytes_total a_b=1;2: 1 @5"),
        (Translation::UnderscoreEscapingWithoutSuffixes, "__name__=http_size a_b=1;2: 1 @5"),
        (Translation::NoUtf8EscapingWithSuffixes, "__name__=http.size_bytes_total a.b=1 a_b=2: 1 @5"),
        (Translation::NoTranslation, "__name__=http.size a.b=1 a_b=2: 1 @5"),
    ] {
        assert_eq!(only(&RemoteWriteSettings { translation, ..settings("http://x/") }, &request), [expected]);
    }
}

/// Only counters have a start; one that is not before its point means unknown.
#[test]
fn what_counts_has_a_start_and_metadata() {
    let up_down =
        Sum { data_points: vec![number(5000, 3.0, &[])], aggregation_temporality: CUMULATIVE, is_monotonic: false };
    let unknown = NumberDataPoint { start_time_unix_nano: 5000 * MS, ..number(5000, 4.0, &[]) };
    let request = plain(vec![
        metric("c", "s", counter("c", vec![number(5000, 2.0, &[])]).data.unwrap()),
        counter("d", vec![unknown]),
        metric("u", "", Data::Sum(up_down)),
    ]);
    let expected = ["__name__=c_seconds_total: 2 @5000 from 1000", "__name__=d_total: 4 @5000", "__name__=u: 3 @5000"];
    assert_eq!(only(&settings("http://x/"), &request), expected);
    let sent = decoded(&mapped(&settings("http://x/"), &request).payloads[0]);
    let told = |at: usize| {
        let metadata = sent.timeseries[at].metadata.unwrap();
        let text = |place| requests::symbol(&sent, place).to_owned();
        (metadata.r#type, text(metadata.help_ref), text(metadata.unit_ref))
    };
    assert_eq!(told(0), (proto::MetricType::Counter as i32, "About c.".into(), "seconds".into()));
    assert_eq!(told(2), (proto::MetricType::Gauge as i32, "About u.".into(), String::new()));
    assert_eq!(sent.symbols[0], "");
    let distinct: std::collections::BTreeSet<_> = sent.symbols.iter().collect();
    assert_eq!(distinct.len(), sent.symbols.len(), "each text once");
}

#[test]
fn explicit_buckets_are_cumulated() {
    let request = plain(vec![histograms(vec![histogram(&[0.5, 10.0], &[3, 2, 1])])]);
    let expected = [
        "__name__=h_seconds_bucket le=+Inf: 6 @5000 from 1000",
        "__name__=h_seconds_bucket le=0.5: 3 @5000 from 1000",
        "__name__=h_seconds_bucket le=10: 5 @5000 from 1000",
        "__name__=h_seconds_count: 6 @5000 from 1000",
        "__name__=h_seconds_sum: 1.5 @5000 from 1000",
    ];
    assert_eq!(only(&settings("http://x/"), &request), expected);
    let no_sum = HistogramDataPoint { sum: None, ..histogram(&[], &[6]) };
    let expected =
        ["__name__=h_seconds_bucket le=+Inf: 6 @5000 from 1000", "__name__=h_seconds_count: 6 @5000 from 1000"];
    assert_eq!(only(&settings("http://x/"), &plain(vec![histograms(vec![no_sum])])), expected);
}

#[test]
fn exponential_histograms_are_native_and_summaries_have_quantiles() {
    let quantile = |quantile, value| ValueAtQuantile { quantile, value };
    let summary = SummaryDataPoint {
        time_unix_nano: 5000 * MS,
        count: 7,
        sum: 3.5,
        quantile_values: vec![quantile(0.0, 1.0), quantile(-0.0, 9.0), quantile(0.99, 2.0)],
        ..SummaryDataPoint::default()
    };
    let request = plain(vec![
        exponentials(vec![exponential(9, &[1, 2, 3])]),
        metric("s", "", Data::Summary(Summary { data_points: vec![summary] })),
    ]);
    let expected = [
        "__name__=e: native 6 4 @5000 from 1000",
        "__name__=s quantile=0: 1 @5000",
        "__name__=s quantile=0.99: 2 @5000",
        "__name__=s_count: 7 @5000",
        "__name__=s_sum: 3.5 @5000",
    ];
    assert_eq!(only(&settings("http://x/"), &request), expected);
    let sent = decoded(&mapped(&settings("http://x/"), &request).payloads[0]);
    let histogram = &sent.timeseries[0].histograms[0];
    // Scale 9 becomes 8: buckets 0 and 1 become 0, and 2 becomes 1; Prometheus counts from 1.
    assert_eq!((histogram.schema, histogram.positive_spans[0].offset), (8, 1));
    assert_eq!(histogram.positive_deltas, [3, 0]);
}

#[test]
fn a_point_without_a_value_ends_its_series() {
    let ended = NumberDataPoint { flags: ENDS, value: None, ..number(5000, 0.0, &[]) };
    let request = plain(vec![
        gauge("g", vec![ended]),
        histograms(vec![HistogramDataPoint { flags: ENDS, sum: None, ..histogram(&[], &[]) }]),
        exponentials(vec![ExponentialHistogramDataPoint { flags: ENDS, ..exponential(0, &[]) }]),
    ]);
    let stale = groups::STALE.to_bits();
    let expected = [
        format!("__name__=e: native {stale} stale @5000 from 1000"),
        "__name__=g: stale @5000".to_owned(),
        "__name__=h_seconds_bucket le=+Inf: stale @5000 from 1000".to_owned(),
        "__name__=h_seconds_count: stale @5000 from 1000".to_owned(),
        "__name__=h_seconds_sum: stale @5000 from 1000".to_owned(),
    ];
    assert_eq!(only(&settings("http://x/"), &request), expected);
    // NaN is a different matter.
    let sent =
        decoded(&mapped(&settings("http://x/"), &plain(vec![gauge("g", vec![number(5, f64::NAN, &[])])])).payloads[0]);
    assert_ne!(sent.timeseries[0].samples[0].value.to_bits(), stale);
}

/// Passes the stage that makes one total per series, as batches do before they are mapped.
fn summed(stage: &mut dyn StatefulStage, settings: &RemoteWriteSettings, request: Bytes) -> Vec<String> {
    only(settings, &stage.pass(request).unwrap())
}

/// They differ in a resource attribute that is not a label. Duplicates are not added.
#[test]
fn senders_that_become_one_series_are_added() {
    let of_host = |host: &str, metrics| of_resource(&[("service.name", "a"), ("host.name", host)], ("", ""), metrics);
    let metrics = |value| {
        vec![
            counter("c", vec![number(5000, value, &[])]),
            gauge("g", vec![number(5000, value, &[])]),
            histograms(vec![histogram(&[0.5, 2.0], &[1, 0, 0])]),
            exponentials(vec![exponential(1, &[2, 2])]),
        ]
    };
    let settings = RemoteWriteSettings { with_target_info: false, ..settings("http://x/") };
    let other_bounds = vec![histograms(vec![histogram(&[0.5, 3.0], &[5, 1, 0])])];
    let request = encoded(vec![
        of_host("one", metrics(2.0)),
        of_host("one", metrics(2.0)),
        of_host("two", metrics(40.0)),
        of_host("three", other_bounds),
    ]);
    let expected = [
        "__name__=c_total job=a: 2 @5000 from 1000",
        "__name__=c_total job=a: 42 @5001 from 1000",
        "__name__=e job=a: native 4 4 @5000 from 1000",
        "__name__=e job=a: native 8 8 @5001 from 1000",
        "__name__=g job=a: 40 @5000",
        "__name__=h_seconds_bucket job=a le=+Inf: 1 @5000 from 1000",
        "__name__=h_seconds_bucket job=a le=+Inf: 2 @5001 from 1000",
        "__name__=h_seconds_bucket job=a le=+Inf: 8 @5002 from 1000",
        "__name__=h_seconds_bucket job=a le=0.5: 1 @5000 from 1000",
        "__name__=h_seconds_bucket job=a le=0.5: 2 @5001 from 1000",
        "__name__=h_seconds_bucket job=a le=0.5: 7 @5002 from 1000",
        "__name__=h_seconds_bucket job=a le=2: 1 @5000 from 1000",
        "__name__=h_seconds_bucket job=a le=2: 2 @5001 from 1000",
        "__name__=h_seconds_count job=a: 1 @5000 from 1000",
        "__name__=h_seconds_count job=a: 2 @5001 from 1000",
        "__name__=h_seconds_count job=a: 8 @5002 from 1000",
        "__name__=h_seconds_sum job=a: 1.5 @5000 from 1000",
        "__name__=h_seconds_sum job=a: 3 @5001 from 1000",
        "__name__=h_seconds_sum job=a: 4.5 @5002 from 1000",
    ];
    let mut stage = target(&settings).stateful_stage(Signal::Metrics).unwrap();
    let passed = stage.pass(request).unwrap();
    let sent = mapped(&settings, &passed);
    assert_eq!(lines(&decoded(&sent.payloads[0])), expected);
    // A gauge has one value at a time.
    let reason = "metric \"g\": its series has another value of the same millisecond, and the last one stands";
    assert_eq!(sent.rejected, [Rejected { items: 1, reason: reason.to_owned() }]);
    assert_eq!(sent.payloads[0].items + sent.rejected[0].items, 13, "all that was received is accounted for");
    // In a separate batch, one of them has counted three more.
    let later = encoded(vec![of_host("one", vec![counter("c", vec![number(9000, 5.0, &[])])])]);
    assert_eq!(summed(&mut *stage, &settings, later), ["__name__=c_total job=a: 45 @9000 from 1000"]);
}

#[test]
fn deltas_are_summed_by_what_becomes_labels() {
    let sent = |resource: &[(&str, &str)], time, value| {
        let point = NumberDataPoint { start_time_unix_nano: (time - 1000) * MS, ..number(time, value, &[]) };
        let delta = AggregationTemporality::Delta as i32;
        let sum = Sum { data_points: vec![point], aggregation_temporality: delta, is_monotonic: true };
        encoded(vec![of_resource(resource, ("", ""), vec![metric("c", "", Data::Sum(sum))])])
    };
    let (one, two) = ([("service.name", "a"), ("host.name", "one")], [("service.name", "a"), ("host.name", "two")]);
    let plain = RemoteWriteSettings { with_target_info: false, ..settings("http://x/") };
    let promoted = RemoteWriteSettings { resource_labels: Selection::new(&["host.*"], &["host.id"]), ..plain.clone() };
    let lines = |settings: &RemoteWriteSettings| {
        let mut stage = target(settings).stateful_stage(Signal::Metrics).unwrap();
        let requests = [sent(&one, 2000, 5.0), sent(&two, 2500, 100.0), sent(&one, 3000, 1.0), sent(&two, 3500, 10.0)];
        requests.into_iter().flat_map(|request| summed(&mut *stage, settings, request)).collect::<Vec<_>>()
    };
    let of = |labels: &str, value: u32, time: u32, start: u32| {
        format!("__name__=c_total {labels}: {value} @{time} from {start}")
    };
    let job = |value, time| of("job=a", value, time, 1000);
    assert_eq!(lines(&plain), [job(5, 2000), job(105, 2500), job(106, 3000), job(116, 3500)]);
    let host = |host: &str, value, time, start| of(&format!("host_name={host} job=a"), value, time, start);
    let apart = [
        host("one", 5, 2000, 1000),
        host("two", 100, 2500, 1500),
        host("one", 6, 3000, 1000),
        host("two", 110, 3500, 1500),
    ];
    assert_eq!(lines(&promoted), apart);
}

#[test]
fn samples_of_a_series_ascend_in_time() {
    let request = plain(vec![gauge("g", vec![number(7, 3.0, &[]), number(5, 1.0, &[]), number(6, 2.0, &[])])]);
    let expected = ["__name__=g: 1 @5", "__name__=g: 2 @6", "__name__=g: 3 @7"];
    assert_eq!(only(&settings("http://x/"), &request), expected);
}

#[test]
fn a_resource_is_told_of_every_now_and_then() {
    let points = vec![number(1_000_000, 1.0, &[]), number(1_200_000, 1.0, &[]), number(1_400_000, 1.0, &[])];
    let request = encoded(vec![of_resource(&[("service.name", "a"), ("os", "l")], ("", ""), vec![gauge("g", points)])]);
    let infos: Vec<String> = only(&settings("http://x/"), &request).split_off(3);
    let at = |time: u32| format!("__name__=target_info job=a os=l: 1 @{time}");
    assert_eq!(infos, [at(1_100_000), at(1_250_000), at(1_400_000)]);
}

#[test]
fn exemplars_stand_with_the_bucket_that_they_fell_into() {
    let exemplar = |value, ms: u64, note: &str| Exemplar {
        time_unix_nano: ms * MS,
        trace_id: vec![0xab; 16],
        span_id: vec![0; 8],
        filtered_attributes: pairs(&[("note", note)]),
        value: Some(exemplar::Value::AsDouble(value)),
    };
    let long = "x".repeat(100);
    let exemplars = vec![exemplar(0.7, 30, "short"), exemplar(0.6, 20, &long), exemplar(99.0, 10, "last")];
    let request = plain(vec![histograms(vec![HistogramDataPoint { exemplars, ..histogram(&[0.5, 1.0], &[0, 2, 1]) }])]);
    let sent = decoded(&mapped(&settings("http://x/"), &request).payloads[0]);
    let told = |at: usize| {
        let of = |exemplar: &proto::Exemplar| {
            let series = TimeSeries { labels_refs: exemplar.labels_refs.clone(), ..TimeSeries::default() };
            format!("{} {} @{}", labels_of(&sent, &series), exemplar.value, exemplar.timestamp)
        };
        sent.timeseries[at].exemplars.iter().map(of).collect::<Vec<_>>()
    };
    let trace = "ab".repeat(16);
    assert_eq!(labels_of(&sent, &sent.timeseries[0]), "__name__=h_seconds_bucket le=+Inf");
    assert_eq!(told(0), [format!("note=last trace_id={trace} 99 @10")]);
    assert_eq!(told(1), Vec::<String>::new());
    // Longer than the limit of 128 characters for all labels: only the trace remains.
    assert_eq!(told(2), [format!("trace_id={trace} 0.6 @20"), format!("note=short trace_id={trace} 0.7 @30")]);
}

#[test]
fn what_cannot_be_sent_is_told_and_costs_nothing_else() {
    let unknown = Sum { data_points: vec![number(5, 1.0, &[]); 2], aggregation_temporality: 0, is_monotonic: true };
    let delta = Sum { aggregation_temporality: AggregationTemporality::Delta as i32, ..unknown.clone() };
    let request = plain(vec![
        gauge("good", vec![number(5, 1.0, &[])]),
        gauge("@@", vec![number(5, 1.0, &[])]),
        gauge("late", vec![number(0, 1.0, &[])]),
        gauge("void", vec![NumberDataPoint { value: None, ..number(5, 1.0, &[]) }]),
        metric("unknown", "", Data::Sum(unknown)),
        metric("delta", "", Data::Sum(delta)),
        counter("below", vec![number(5, -1.0, &[])]),
        histograms(vec![histogram(&[1.0], &[1]), histogram(&[2.0, 1.0], &[1, 1, 1]), histogram(&[f64::NAN], &[1, 1])]),
        histograms(vec![HistogramDataPoint { count: 7, ..histogram(&[1.0], &[1, 4]) }]),
        exponentials(vec![exponential(-5, &[1]), ExponentialHistogramDataPoint { count: 7, ..exponential(0, &[1]) }]),
    ]);
    let mapped = mapped(&settings("http://x/"), &request);
    assert_eq!(lines(&decoded(&mapped.payloads[0])), ["__name__=good: 1 @5"]);
    let told: Vec<String> =
        mapped.rejected.iter().map(|rejected| format!("{} {}", rejected.items, rejected.reason)).collect();
    let expected = [
        "1 metric \"@@\": no character of its name is valid in Prometheus",
        "1 metric \"below\": it is a counter, and its value is -1",
        "2 metric \"delta\": it is a delta that could not be summed",
        "1 metric \"e\": its count is 7, and its buckets hold 1",
        "1 metric \"e\": its scale is -5, a native histogram's minimum is -4",
        "1 metric \"h\": it has 1 bounds and 1 buckets",
        "2 metric \"h\": its bounds do not ascend",
        "1 metric \"h\": its count is 7, and its buckets hold 5",
        "1 metric \"late\": it has no time",
        "2 metric \"unknown\": its aggregation temporality is unset",
        "1 metric \"void\": it has no value",
    ];
    assert_eq!(told, expected);
}
