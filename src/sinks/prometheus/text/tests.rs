//! Golden exposition in each format, and what Prometheus' own `promtool` says of it.

use super::super::families::{Labels, name_scrape};
use super::*;
use crate::model::scrape::{Family, Sample, Scrape};
use std::process::{Command, Stdio};

fn sample(attributes: &[(&str, &str)], resource: Option<usize>, value: SampleValue) -> Sample {
    Sample {
        attributes: attributes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        resource,
        scope_name: String::new(),
        scope_version: String::new(),
        value,
        time_ms: Some(1_700_000_000_250),
    }
}

fn family(name: &str, unit: &str, kind: FamilyKind, description: &str, samples: Vec<Sample>) -> Family {
    Family { name: name.into(), unit: unit.into(), description: description.into(), kind, samples }
}

/// One of everything: span metrics, an escape in every place, all kinds, two resources of one job.
fn one_of_everything() -> Scrape {
    let span = [
        ("service.name", "shop"),
        ("span.kind", "SPAN_KIND_SERVER"),
        ("span.name", "GET /products/{id}"),
        ("status.code", "STATUS_CODE_UNSET"),
    ];
    let duration =
        SampleValue::Histogram { bounds: [2.0, 1_000_000.0].into(), counts: vec![1, 2, 3], sum: 1234.5, count: 6 };
    let quantiles = SampleValue::Summary { quantiles: vec![(0.5, 1.0), (0.99, f64::NAN)], sum: 3.0, count: 2 };
    let number = SampleValue::Number;
    let mut scoped = sample(&[("path", "C:\\\"x\"\nend"), ("a.b", "1"), ("a_b", "2")], Some(0), number(f64::INFINITY));
    scoped.scope_name = "lib".to_owned();
    scoped.scope_version = "1.2".to_owned();
    let resource = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Scrape {
        resources: vec![
            resource(&[
                ("service.name", "shop"),
                ("service.namespace", "eu"),
                ("service.instance.id", "i-1"),
                ("host.name", "a"),
            ]),
            resource(&[("service.name", "cart")]),
            resource(&[("host.name", "nobody")]),
        ],
        families: vec![
            family("traces.span.metrics.calls", "", FamilyKind::Counter, "", vec![sample(&span, None, number(6.0))]),
            family(
                "traces.span.metrics.duration",
                "ms",
                FamilyKind::Histogram,
                "",
                vec![sample(&span, None, duration)],
            ),
            family("disk.free", "By", FamilyKind::Gauge, "Free \"space\"\nand \\ more", vec![scoped]),
            family("gc.pause", "s", FamilyKind::Summary, "", vec![sample(&[], Some(1), quantiles)]),
        ],
    }
}

fn printed(format: Format, with_times: bool) -> String {
    text(&name_scrape(&one_of_everything(), "", &Labels::new()), format, with_times)
}

fn text(named: &Named, format: Format, with_times: bool) -> String {
    let mut out = Vec::new();
    print(named, format, with_times, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn text_0_0_4() {
    insta::assert_snapshot!(printed(Format::Text004, true));
}

#[test]
fn open_metrics_1_0_0() {
    insta::assert_snapshot!(printed(Format::OpenMetrics, true));
}

#[test]
fn in_open_metrics_a_counter_keeps_its_suffix_where_a_gauge_has_the_bare_name() {
    let number = |n| vec![sample(&[], None, SampleValue::Number(n))];
    let scrape = Scrape {
        resources: Vec::new(),
        families: vec![
            family("jobs", "", FamilyKind::Gauge, "", number(1.0)),
            family("jobs", "", FamilyKind::Counter, "", number(2.0)),
        ],
    };
    let named = name_scrape(&scrape, "", &Labels::new());
    assert!(named.collisions.is_empty());
    let expected = "# TYPE jobs gauge\njobs 1.0\n# TYPE jobs_total unknown\njobs_total 2.0\n# EOF\n";
    assert_eq!(text(&named, Format::OpenMetrics, false), expected);
    let expected = "# TYPE jobs gauge\njobs 1\n# TYPE jobs_total counter\njobs_total 2\n";
    assert_eq!(text(&named, Format::Text004, false), expected);
}

/// Expected lines by hand, from the text format's rules: buckets are cumulated, `+Inf` equals `_count`.
#[test]
fn a_histogram_whose_count_is_less_than_its_buckets_still_grows_to_its_last_one() {
    let histogram = |count| SampleValue::Histogram {
        bounds: [-1.0, 0.5, f64::INFINITY].into(),
        counts: vec![1, 0, 2, 0],
        sum: f64::NEG_INFINITY,
        count,
    };
    let expected = "# TYPE h histogram\nh_bucket{le=\"-1\"} 1\nh_bucket{le=\"0.5\"} 1\nh_bucket{le=\"+Inf\"} 3\n\
                    h_sum -Inf\nh_count 3\n";
    for count in [0, 3] {
        let families = vec![family("h", "", FamilyKind::Histogram, "", vec![sample(&[], None, histogram(count))])];
        let named = name_scrape(&Scrape { resources: Vec::new(), families }, "", &Labels::new());
        assert_eq!(text(&named, Format::Text004, false), expected);
    }
}

#[test]
fn times_before_the_epoch_are_seconds_below_zero() {
    let mut early = sample(&[], None, SampleValue::Number(f64::NAN));
    early.time_ms = Some(-1_500);
    let families = vec![family("g", "", FamilyKind::Gauge, "", vec![early])];
    let named = name_scrape(&Scrape { resources: Vec::new(), families }, "my_ns", &Labels::new());
    assert_eq!(text(&named, Format::OpenMetrics, true), "# TYPE my_ns_g gauge\nmy_ns_g NaN -1.500\n# EOF\n");
    assert_eq!(text(&named, Format::Text004, true), "# TYPE my_ns_g gauge\nmy_ns_g NaN -1500\n");
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
    promtool.stdin.take().unwrap().write_all(printed(Format::Text004, true).as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 3)) && !said.contains("error"), "{:?}: {said}", output.status);
}
