//! One of everything in each text format, checked with Prometheus' own `promtool`.

use super::super::accept::Format;
use super::super::escape::Escaping;
use super::*;
use crate::model::scrape::{Attributes, Exemplar, Family, FamilyKind, Sample, Scope};
use std::process::{Command, Stdio};
use std::sync::Arc;

fn map(pairs: &[(&str, &str)]) -> Attributes {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A sample measured at 1,700,000,000.25 s.
pub(in super::super) fn sample(
    attributes: &[(&str, &str)],
    resource: Option<&[(&str, &str)]>,
    value: SampleValue,
) -> Sample {
    let resource = resource.map(|resource| Arc::new(map(resource)));
    let of = Identity::new(map(attributes), resource, Arc::default());
    Sample { time_ms: Some(1_700_000_000_250), ..Sample::plain(of, value) }
}

pub(in super::super) fn family(
    name: &str,
    unit: &str,
    kind: FamilyKind,
    description: &str,
    samples: Vec<Sample>,
) -> Family {
    let (name, unit, description) = (name.to_owned(), unit.to_owned(), description.to_owned());
    Family { name, unit, description, descriptions_differ: false, kind, samples }
}

pub(in super::super) fn print_as(scrape: &Scrape, naming: &Naming, wish: Wish, with_times: bool) -> Vec<u8> {
    let style = Style { with_times, with_created: true, with_classic: false };
    let mut layout = Layout::default();
    print(scrape, naming, wish, &style, (&mut layout, Body::new(false), 0)).unwrap().0
}

/// Span metrics, an escape in every place, all kinds, two resources, exemplars and created timestamps.
pub(in super::super) fn one_of_everything() -> Scrape {
    let shop: &[(&str, &str)] =
        &[("service.name", "shop"), ("service.namespace", "eu"), ("service.instance.id", "i-1"), ("host.name", "a")];
    let span = [("span.kind", "SPAN_KIND_SERVER"), ("span.name", "GET /products/{id}")];
    let exemplar = |value: f64, digit: &str| Exemplar {
        trace_id: digit.repeat(32),
        span_id: digit.repeat(16),
        value,
        time_unix_nano: 1_700_000_000_500_000_000,
    };
    let duration =
        SampleValue::Histogram { bounds: [2.0, 1_000_000.0].into(), counts: vec![1, 2, 3], sum: 1234.5, count: 6 };
    let duration = Sample {
        created_ms: Some(1_600_000_000_000),
        exemplars: [exemplar(1.5, "a"), exemplar(2e6, "b")].into(),
        ..sample(&span, None, duration)
    };
    let calls = Sample {
        created_ms: Some(1_600_000_000_001),
        exemplars: [exemplar(1.0, "c")].into(),
        ..sample(&span, None, SampleValue::Number(6.0))
    };
    let quantiles = SampleValue::Summary { quantiles: vec![(0.5, 1.0), (0.99, f64::NAN)], sum: 3.0, count: 2 };
    let scope = Scope { name: "lib".to_owned(), version: "1.2".to_owned(), ..Scope::default() };
    let attributes = map(&[("path", "C:\\\"x\"\nend"), ("a.b", "1"), ("a_b", "2")]);
    let of = Identity::new(attributes, Some(Arc::new(map(shop))), Arc::new(scope));
    let scoped = Sample { time_ms: Some(1_700_000_000_250), ..Sample::plain(of, SampleValue::Number(f64::INFINITY)) };
    let pause = sample(&[], Some(&[("service.name", "cart")]), quantiles);
    Scrape {
        families: vec![
            family("traces.span.metrics.calls", "", FamilyKind::Counter, "", vec![calls]),
            family("traces.span.metrics.duration", "ms", FamilyKind::Histogram, "", vec![duration]),
            family("disk.free", "By", FamilyKind::Gauge, "Free \"space\"\nand \\ more", vec![scoped]),
            family("gc.pause", "s", FamilyKind::Summary, "", vec![pause]),
        ],
    }
}

fn printed(format: Format) -> String {
    let wish = Wish { format, escaping: Escaping::default() };
    String::from_utf8(print_as(&one_of_everything(), &Naming::default(), wish, true)).unwrap()
}

const TEXT: &str = r#"# HELP target_info Attributes of the resource that the series of this job and instance come from.
# TYPE target_info gauge
target_info{host_name="a",instance="i-1",job="eu/shop"} 1
target_info{job="cart"} 1
# HELP disk_free_bytes Free "space"\nand \\ more
# TYPE disk_free_bytes gauge
disk_free_bytes{a_b="1;2",instance="i-1",job="eu/shop",otel_scope_name="lib",otel_scope_version="1.2",path="C:\\\"x\"\nend"} +Inf 1700000000250
# TYPE gc_pause_seconds summary
gc_pause_seconds{job="cart",quantile="0.5"} 1 1700000000250
gc_pause_seconds{job="cart",quantile="0.99"} NaN 1700000000250
gc_pause_seconds_sum{job="cart"} 3 1700000000250
gc_pause_seconds_count{job="cart"} 2 1700000000250
# TYPE traces_span_metrics_calls_total counter
traces_span_metrics_calls_total{span_kind="SPAN_KIND_SERVER",span_name="GET /products/{id}"} 6 1700000000250
# TYPE traces_span_metrics_duration_milliseconds histogram
traces_span_metrics_duration_milliseconds_bucket{span_kind="SPAN_KIND_SERVER",span_name="GET /products/{id}",le="2"} 1 1700000000250
traces_span_metrics_duration_milliseconds_bucket{span_kind="SPAN_KIND_SERVER",span_name="GET /products/{id}",le="1e+06"} 3 1700000000250
traces_span_metrics_duration_milliseconds_bucket{span_kind="SPAN_KIND_SERVER",span_name="GET /products/{id}",le="+Inf"} 6 1700000000250
traces_span_metrics_duration_milliseconds_sum{span_kind="SPAN_KIND_SERVER",span_name="GET /products/{id}"} 1234.5 1700000000250
traces_span_metrics_duration_milliseconds_count{span_kind="SPAN_KIND_SERVER",span_name="GET /products/{id}"} 6 1700000000250
"#;

const OPEN_METRICS: &str = r#"# HELP target Attributes of the resource that the series of this job and instance come from.
# TYPE target info
target_info{host_name="a",instance="i-1",job="eu/shop"} 1
target_info{job="cart"} 1
# HELP disk_free_bytes Free \"space\"\nand \\ more
# TYPE disk_free_bytes gauge
# UNIT disk_free_bytes bytes
disk_free_bytes{a_b="1;2",instance="i-1",job="eu/shop",otel_scope_name="lib",otel_scope_version="1.2",path="C:\\\"x\"\nend"} +Inf 1700000000.250
# TYPE gc_pause_seconds summary
# UNIT gc_pause_seconds seconds
gc_pause_seconds{job="cart",quantile="0.5"} 1.0 1700000000.250
gc_pause_seconds{job="cart",quantile="0.99"} NaN 1700000000.250
gc_pause_seconds_sum{job="cart"} 3.0 1700000000.250
gc_pause_seconds_count{job="cart"} 2 1700000000.250
# TYPE traces_span_metrics_calls counter
traces_span_metrics_calls_total{span_kind="SPAN_KIND_SERVER",span_name="GET /products/{id}"} 6.0 1700000000.250 # {span_id="cccccccccccccccc",trace_id="cccccccccccccccccccccccccccccccc"} 1.0 1700000000.500
traces_span_metrics_calls_created{span_kind="SPAN_KIND_SERVER",span_name="GET /products/{id}"} 1600000000.001 1700000000.250
# TYPE traces_span_metrics_duration_milliseconds histogram
# UNIT traces_span_metrics_duration_milliseconds milliseconds
traces_span_metrics_duration_milliseconds_bucket{span_kind="SPAN_KIND_SERVER",span_name="GET /products/{id}",le="2.0"} 1 1700000000.250 # {span_id="aaaaaaaaaaaaaaaa",trace_id="aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"} 1.5 1700000000.500
traces_span_metrics_duration_milliseconds_bucket{span_kind="SPAN_KIND_SERVER",span_name="GET /products/{id}",le="1e+06"} 3 1700000000.250
traces_span_metrics_duration_milliseconds_bucket{span_kind="SPAN_KIND_SERVER",span_name="GET /products/{id}",le="+Inf"} 6 1700000000.250 # {span_id="bbbbbbbbbbbbbbbb",trace_id="bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"} 2e+06 1700000000.500
traces_span_metrics_duration_milliseconds_sum{span_kind="SPAN_KIND_SERVER",span_name="GET /products/{id}"} 1234.5 1700000000.250
traces_span_metrics_duration_milliseconds_count{span_kind="SPAN_KIND_SERVER",span_name="GET /products/{id}"} 6 1700000000.250
traces_span_metrics_duration_milliseconds_created{span_kind="SPAN_KIND_SERVER",span_name="GET /products/{id}"} 1600000000.000 1700000000.250
# EOF
"#;

#[test]
fn each_text_shows_all_that_it_knows() {
    assert_eq!(printed(Format::Text004), TEXT);
    assert_eq!(printed(Format::Text100), TEXT);
    assert_eq!(printed(Format::OpenMetrics), OPEN_METRICS);
}

#[test]
fn a_summary_with_a_quantile_twice_keeps_the_first_and_is_told() {
    let quantiles = vec![(0.5, 1.0), (0.5, 2.0), (0.9, 7.0), (0.0, 0.1), (-0.0, 0.2)];
    let twice = sample(&[], None, SampleValue::Summary { quantiles, sum: 3.0, count: 5 });
    let scrape = Scrape { families: vec![family("s", "", FamilyKind::Summary, "", vec![twice])] };
    let (naming, style, mut layout) = (Naming::default(), Style::default(), Layout::default());
    let wish = Wish { format: Format::Text004, escaping: Escaping::default() };
    let kept = (&mut layout, Body::new(false), 0);
    let (body, remarks) = print(&scrape, &naming, wish, &style, kept).unwrap();
    let expected = "# TYPE s summary\ns{quantile=\"0.5\"} 1\ns{quantile=\"0.9\"} 7\ns{quantile=\"0\"} 0.1\n\
                    s_sum 3\ns_count 5\n";
    assert_eq!(String::from_utf8(body).unwrap(), expected);
    assert_eq!(remarks, [Remark::Repeated("s".to_owned())]);
}

/// Prometheus' own parser. Its style advice (exit code 3) does not matter here: names come from the sender.
#[test]
fn promtool_parses_the_text() {
    let started = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut promtool = started.expect("promtool comes with Debian's prometheus, which tests/run installs");
    io::Write::write_all(&mut promtool.stdin.take().unwrap(), printed(Format::Text004).as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 3)) && !said.contains("error"), "{:?}: {said}", output.status);
}
