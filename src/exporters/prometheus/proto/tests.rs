//! The output is decoded with messages declared as in `metrics.proto` of `prometheus/client_model`.

use super::super::accept::{Format, Wish};
use super::super::body::Body;
use super::super::escape::Escaping;
use super::super::exposition::tests::{family, one_of_everything, print_as, sample};
use super::super::exposition::{Style, print};
use super::super::layout::Layout;
use super::super::naming::Naming;
use super::*;
use crate::model::exponential::{Buckets, Exponential};
use crate::model::scrape::{Sample, Scrape};
use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct LabelPair {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    value: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
struct ExemplarOf {
    #[prost(message, repeated, tag = "1")]
    label: Vec<LabelPair>,
    #[prost(double, optional, tag = "2")]
    value: Option<f64>,
    #[prost(message, optional, tag = "3")]
    timestamp: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Message)]
struct Gauge {
    #[prost(double, optional, tag = "1")]
    value: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
struct Counter {
    #[prost(double, optional, tag = "1")]
    value: Option<f64>,
    #[prost(message, optional, tag = "2")]
    exemplar: Option<ExemplarOf>,
    #[prost(message, optional, tag = "3")]
    created_timestamp: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Message)]
struct Quantile {
    #[prost(double, optional, tag = "1")]
    quantile: Option<f64>,
    #[prost(double, optional, tag = "2")]
    value: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(uint64, optional, tag = "1")]
    sample_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    sample_sum: Option<f64>,
    #[prost(message, repeated, tag = "3")]
    quantile: Vec<Quantile>,
    #[prost(message, optional, tag = "4")]
    created_timestamp: Option<Timestamp>,
}

#[derive(Clone, PartialEq, Message)]
struct Bucket {
    #[prost(uint64, optional, tag = "1")]
    cumulative_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    upper_bound: Option<f64>,
    #[prost(message, optional, tag = "3")]
    exemplar: Option<ExemplarOf>,
}

#[derive(Clone, PartialEq, Message)]
struct Span {
    #[prost(sint32, optional, tag = "1")]
    offset: Option<i32>,
    #[prost(uint32, optional, tag = "2")]
    length: Option<u32>,
}

#[derive(Clone, PartialEq, Message)]
struct Histogram {
    #[prost(uint64, optional, tag = "1")]
    sample_count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    sample_sum: Option<f64>,
    #[prost(message, repeated, tag = "3")]
    bucket: Vec<Bucket>,
    #[prost(sint32, optional, tag = "5")]
    schema: Option<i32>,
    #[prost(double, optional, tag = "6")]
    zero_threshold: Option<f64>,
    #[prost(uint64, optional, tag = "7")]
    zero_count: Option<u64>,
    #[prost(message, repeated, tag = "9")]
    negative_span: Vec<Span>,
    #[prost(sint64, repeated, packed = "false", tag = "10")]
    negative_delta: Vec<i64>,
    #[prost(message, repeated, tag = "12")]
    positive_span: Vec<Span>,
    #[prost(sint64, repeated, packed = "false", tag = "13")]
    positive_delta: Vec<i64>,
    #[prost(message, optional, tag = "15")]
    created_timestamp: Option<Timestamp>,
    #[prost(message, repeated, tag = "16")]
    exemplars: Vec<ExemplarOf>,
}

#[derive(Clone, PartialEq, Message)]
struct Metric {
    #[prost(message, repeated, tag = "1")]
    label: Vec<LabelPair>,
    #[prost(message, optional, tag = "2")]
    gauge: Option<Gauge>,
    #[prost(message, optional, tag = "3")]
    counter: Option<Counter>,
    #[prost(message, optional, tag = "4")]
    summary: Option<Summary>,
    #[prost(int64, optional, tag = "6")]
    timestamp_ms: Option<i64>,
    #[prost(message, optional, tag = "7")]
    histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, Message)]
struct MetricFamily {
    #[prost(string, optional, tag = "1")]
    name: Option<String>,
    #[prost(string, optional, tag = "2")]
    help: Option<String>,
    #[prost(int32, optional, tag = "3")]
    r#type: Option<i32>,
    #[prost(message, repeated, tag = "4")]
    metric: Vec<Metric>,
    #[prost(string, optional, tag = "5")]
    unit: Option<String>,
}

const WISH: Wish = Wish { format: Format::Protobuf, escaping: Escaping::Underscores };

fn read(mut bytes: &[u8]) -> Vec<MetricFamily> {
    let mut families = Vec::new();
    while !bytes.is_empty() {
        families.push(MetricFamily::decode_length_delimited(&mut bytes).unwrap());
    }
    families
}

fn millis(timestamp: Option<&Timestamp>) -> Option<i64> {
    timestamp.map(|at| at.seconds * 1000 + i64::from(at.nanos) / 1_000_000)
}

fn labels(of: &[LabelPair]) -> Vec<(&str, &str)> {
    of.iter().map(|pair| (pair.name.as_deref().unwrap(), pair.value.as_deref().unwrap())).collect()
}

#[test]
fn one_of_everything_is_read_back() {
    let families = read(&print_as(&one_of_everything(), &Naming::default(), WISH, true));
    let told: Vec<_> =
        families.iter().map(|f| (f.name.as_deref().unwrap(), f.r#type.unwrap(), f.unit.as_deref())).collect();
    let expected = [
        ("target_info", 1, None),
        ("disk_free_bytes", 1, Some("bytes")),
        ("gc_pause_seconds", 2, Some("seconds")),
        ("traces_span_metrics_calls_total", 0, None),
        ("traces_span_metrics_duration_milliseconds", 4, Some("milliseconds")),
    ];
    assert_eq!(told, expected);
    let [targets, disk, pause, calls, duration] = families.as_slice() else { panic!("five") };
    assert_eq!(labels(&targets.metric[0].label), [("host_name", "a"), ("instance", "i-1"), ("job", "eu/shop")]);
    assert_eq!(targets.metric[0].timestamp_ms, None);
    assert_eq!(disk.help.as_deref(), Some("Free \"space\"\nand \\ more"));
    assert_eq!(disk.metric[0].gauge, Some(Gauge { value: Some(f64::INFINITY) }));
    assert_eq!(disk.metric[0].timestamp_ms, Some(1_700_000_000_250));
    assert!(labels(&disk.metric[0].label).contains(&("path", "C:\\\"x\"\nend")));
    let summary = pause.metric[0].summary.as_ref().unwrap();
    assert_eq!((summary.sample_count, summary.sample_sum, summary.quantile.len()), (Some(2), Some(3.0), 2));
    assert_eq!(summary.quantile[0], Quantile { quantile: Some(0.5), value: Some(1.0) });
    let counter = calls.metric[0].counter.as_ref().unwrap();
    assert_eq!((counter.value, millis(counter.created_timestamp.as_ref())), (Some(6.0), Some(1_600_000_000_001)));
    let exemplar = counter.exemplar.as_ref().unwrap();
    let (span_id, trace_id) = ("c".repeat(16), "c".repeat(32));
    assert_eq!(labels(&exemplar.label), [("span_id", span_id.as_str()), ("trace_id", trace_id.as_str())]);
    assert_eq!((exemplar.value, millis(exemplar.timestamp.as_ref())), (Some(1.0), Some(1_700_000_000_500)));
    let histogram = duration.metric[0].histogram.as_ref().unwrap();
    assert_eq!((histogram.sample_count, histogram.sample_sum), (Some(6), Some(1234.5)));
    let buckets: Vec<_> = histogram
        .bucket
        .iter()
        .map(|bucket| (bucket.upper_bound.unwrap(), bucket.cumulative_count.unwrap(), bucket.exemplar.is_some()))
        .collect();
    assert_eq!(buckets, [(2.0, 1, true), (1e6, 3, false), (f64::INFINITY, 6, true)]);
    assert_eq!((histogram.schema, millis(histogram.created_timestamp.as_ref())), (None, Some(1_600_000_000_000)));
}

fn exponential(scale: i32) -> Scrape {
    let value = Exponential {
        scale,
        zero_threshold: 0.25,
        zero_count: 2,
        positive: Buckets { offset: 0, counts: vec![1, 0, 0, 0, 4] },
        negative: Buckets { offset: -1, counts: vec![3] },
        sum: -1.0,
        count: 10,
    };
    let exemplar =
        |time_unix_nano| Exemplar { trace_id: "d".repeat(32), span_id: String::new(), value: 2.5, time_unix_nano };
    let sample = Sample {
        created_ms: Some(1_600_000_000_000),
        exemplars: [exemplar(5_000_000_000), exemplar(0)].into(),
        ..sample(&[("a", "b")], None, SampleValue::Exponential(value))
    };
    Scrape { families: vec![family("h", "", FamilyKind::Histogram, "", vec![sample])] }
}

fn histogram(scrape: &Scrape, with_classic: bool) -> Histogram {
    let style = Style { with_classic, ..Style::default() };
    let kept = (&mut Layout::default(), Body::new(false), 0);
    let (bytes, _) = print(scrape, &Naming::default(), WISH, &style, kept).unwrap();
    read(&bytes)[0].metric[0].histogram.clone().unwrap()
}

#[test]
fn exponential_histograms_are_native_and_classic_only_where_asked() {
    let native = histogram(&exponential(3), false);
    assert_eq!((native.sample_count, native.sample_sum, native.zero_count), (Some(10), Some(-1.0), Some(2)));
    assert_eq!((native.schema, native.zero_threshold), (Some(3), Some(0.25)));
    let span = |offset, length| Span { offset: Some(offset), length: Some(length) };
    assert_eq!((native.positive_span, native.positive_delta), (vec![span(1, 1), span(3, 1)], vec![1, 3]));
    assert_eq!((native.negative_span, native.negative_delta), (vec![span(0, 1)], vec![3]));
    // One of the two exemplars has no timestamp and is not read.
    assert_eq!((native.exemplars.len(), native.bucket.len()), (1, 0));
    let both = histogram(&exponential(3), true);
    // At 1: the zeros and negative values; at 2 all.
    let buckets: Vec<_> = both.bucket.iter().map(|b| (b.upper_bound.unwrap(), b.cumulative_count.unwrap())).collect();
    assert_eq!((buckets, both.schema), (vec![(1.0, 5), (2.0, 10), (f64::INFINITY, 10)], Some(3)));
    assert_eq!(both.sample_count, Some(10));
}

#[test]
fn a_scale_that_prometheus_has_not_is_classic() {
    let classic = histogram(&exponential(-5), false);
    assert_eq!((classic.schema, classic.sample_count), (None, Some(10)));
    assert!(!classic.bucket.is_empty());
}

/// The NaN of Prometheus' stale marker, 0x7ff0000000000002, would end the series.
#[test]
fn no_nan_is_a_stale_marker() {
    let stale = sample(&[], None, SampleValue::Number(f64::from_bits(0x7ff0_0000_0000_0002)));
    let scrape = Scrape { families: vec![family("g", "", FamilyKind::Gauge, "", vec![stale])] };
    let families = read(&print_as(&scrape, &Naming::default(), WISH, false));
    let value = families[0].metric[0].gauge.as_ref().unwrap().value.unwrap();
    assert_eq!(value.to_bits(), 0x7ff8_0000_0000_0000);
}
