//! Lines of each format. Expected lines by hand, from the specifications.

use super::super::accept::{Format, Wish};
use super::super::escape::Escaping;
use super::super::exposition::tests::{family, print_as, sample};
use super::super::names::Translation;
use super::super::naming::Naming;
use super::*;
use crate::model::exponential::{Buckets, Exponential};
use crate::model::scrape::{Family, Sample, Scrape};

fn text(families: Vec<Family>, format: Format, with_times: bool) -> String {
    let wish = Wish { format, escaping: Escaping::default() };
    String::from_utf8(print_as(&Scrape { families }, &Naming::default(), wish, with_times)).unwrap()
}

#[test]
fn in_open_metrics_a_counter_keeps_its_suffix_where_a_gauge_has_the_bare_name() {
    let number = |n| vec![sample(&[], None, SampleValue::Number(n))];
    let families = vec![
        family("jobs", "", FamilyKind::Gauge, "", number(1.0)),
        family("jobs", "", FamilyKind::Counter, "", number(2.0)),
    ];
    let expected = "# TYPE jobs gauge\njobs 1.0\n# TYPE jobs_total unknown\njobs_total 2.0\n# EOF\n";
    assert_eq!(text(families.clone(), Format::OpenMetrics, false), expected);
    let expected = "# TYPE jobs gauge\njobs 1\n# TYPE jobs_total counter\njobs_total 2\n";
    assert_eq!(text(families, Format::Text004, false), expected);
}

/// Buckets are cumulative, `+Inf` equals `_count`.
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
        assert_eq!(text(families, Format::Text004, false), expected);
    }
}

#[test]
fn only_what_counts_has_begun_to() {
    let of = |kind| {
        let began = Sample { created_ms: Some(1_000), ..sample(&[], None, SampleValue::Number(1.0)) };
        text(vec![family("x", "", kind, "", vec![began])], Format::OpenMetrics, false)
    };
    assert_eq!(of(FamilyKind::Counter), "# TYPE x counter\nx_total 1.0\nx_created 1.000\n# EOF\n");
    assert_eq!(of(FamilyKind::Gauge), "# TYPE x gauge\nx 1.0\n# EOF\n");
    assert_eq!(of(FamilyKind::UpDown), "# TYPE x gauge\nx 1.0\n# EOF\n");
}

#[test]
fn times_before_the_epoch_are_seconds_below_zero() {
    let early = Sample { time_ms: Some(-1_500), ..sample(&[], None, SampleValue::Number(f64::NAN)) };
    let families = vec![family("g", "", FamilyKind::Gauge, "", vec![early])];
    assert_eq!(text(families.clone(), Format::OpenMetrics, true), "# TYPE g gauge\ng NaN -1.500\n# EOF\n");
    assert_eq!(text(families, Format::Text004, true), "# TYPE g gauge\ng NaN -1500\n");
}

#[test]
fn exponential_histograms_are_classic_in_texts() {
    let exponential = Exponential {
        scale: 1,
        zero_count: 1,
        positive: Buckets { offset: 0, counts: vec![2, 3, 4] },
        sum: 12.0,
        count: 10,
        ..Exponential::default()
    };
    let families = vec![family(
        "h",
        "",
        FamilyKind::Histogram,
        "",
        vec![sample(&[("a", "b")], None, SampleValue::Exponential(exponential))],
    )];
    let expected = "# TYPE h histogram\nh_bucket{a=\"b\",le=\"1\"} 1\nh_bucket{a=\"b\",le=\"2\"} 6\n\
                    h_bucket{a=\"b\",le=\"4\"} 10\nh_bucket{a=\"b\",le=\"+Inf\"} 10\nh_sum{a=\"b\"} 12\nh_count{a=\"b\"} 10\n";
    assert_eq!(text(families, Format::Text004, false), expected);
}

/// From the documentation of content negotiation: names that are not plain are quoted, within the braces.
#[test]
fn utf8_names_stand_in_quotes_or_are_escaped() {
    let summary = SampleValue::Summary { quantiles: vec![(0.5, 1.0)], sum: 2.0, count: 3 };
    let families = vec![
        family("größe \"x\"", "By", FamilyKind::Counter, "", vec![sample(&[], None, SampleValue::Number(1.0))]),
        family(
            "gc.pause",
            "s",
            FamilyKind::Summary,
            "Why",
            vec![sample(&[("host.name", "a"), ("b", "c")], None, summary)],
        ),
    ];
    let naming = Naming { translation: Translation::NoUtf8EscapingWithSuffixes, ..Naming::default() };
    let print = |format, escaping| {
        let naming = Naming { escaping, ..naming.clone() };
        let scrape = Scrape { families: families.clone() };
        String::from_utf8(print_as(&scrape, &naming, Wish { format, escaping }, false)).unwrap()
    };
    let quoted = "# HELP \"gc.pause_seconds\" Why\n# TYPE \"gc.pause_seconds\" summary\n\
        {\"gc.pause_seconds\",b=\"c\",\"host.name\"=\"a\",quantile=\"0.5\"} 1\n\
        {\"gc.pause_seconds_sum\",b=\"c\",\"host.name\"=\"a\"} 2\n\
        {\"gc.pause_seconds_count\",b=\"c\",\"host.name\"=\"a\"} 3\n\
        # TYPE \"größe \\\"x\\\"_bytes_total\" counter\n{\"größe \\\"x\\\"_bytes_total\"} 1\n";
    assert_eq!(print(Format::Text100, Escaping::AllowUtf8), quoted);
    let dots = "# HELP gc_dot_pause__seconds Why\n# TYPE gc_dot_pause__seconds summary\n\
        gc_dot_pause__seconds{b=\"c\",host_dot_name=\"a\",quantile=\"0.5\"} 1\n\
        gc_dot_pause__seconds_sum{b=\"c\",host_dot_name=\"a\"} 2\n\
        gc_dot_pause__seconds_count{b=\"c\",host_dot_name=\"a\"} 3\n\
        # TYPE gr____e____x____bytes__total counter\ngr____e____x____bytes__total 1\n";
    assert_eq!(print(Format::Text004, Escaping::Dots), dots);
    let open = print(Format::OpenMetrics, Escaping::AllowUtf8);
    assert!(open.contains("# UNIT \"gc.pause_seconds\" seconds\n"), "{open}");
    assert!(
        open.contains("# TYPE \"größe \\\"x\\\"_bytes\" counter\n# UNIT \"größe \\\"x\\\"_bytes\" bytes\n"),
        "{open}"
    );
}
