//! The cache between scrapes does not change the output.

use super::super::families::name_scrape;
use super::super::naming::Naming;
use super::super::text;
use super::*;
use crate::model::scrape::{Attributes, Family, SampleValue, Scrape};
use std::cell::Cell;
use std::sync::Arc;

fn sample(label: &str, value: f64, time_ms: Option<i64>) -> Sample {
    let attributes = Attributes::from([("a".to_owned(), label.to_owned())]);
    Sample { time_ms, ..Sample::plain(Identity::own(attributes), SampleValue::Number(value)) }
}

fn scrape(kind: FamilyKind, samples: Vec<Sample>) -> Scrape {
    let (name, unit, description) = ("m".to_owned(), String::new(), String::new());
    Scrape { families: vec![Family { name, unit, description, descriptions_differ: false, kind, samples }] }
}

/// Returns labels and numbers as printed, and how many labels were rendered.
fn shown(layout: &mut Layout, scrape: &Scrape) -> (Vec<(String, SampleValue)>, usize) {
    let (naming, rendered) = (Naming::default(), Cell::new(0));
    let render = |of: &Identity| {
        rendered.set(rendered.get() + 1);
        text::render(&naming.labels(of))
    };
    let named = name_scrape(scrape, &naming, 0);
    layout.begin(false);
    let mut all = Vec::new();
    for family in &named.families {
        let points = layout.points(family, &render);
        all.extend(
            points
                .iter()
                .map(|point| (String::from_utf8(point.labels.to_vec()).unwrap(), point.value.clone().into_owned())),
        );
    }
    layout.end();
    (all, rendered.get())
}

#[test]
fn labels_are_made_once_and_series_may_come_and_go() {
    let mut layout = Layout::default();
    let number = |label: &str, value: f64| (format!("a=\"{label}\""), SampleValue::Number(value));
    let gauge = |samples| scrape(FamilyKind::Gauge, samples);
    let first = gauge(vec![sample("z", 1.0, None), sample("b", 2.0, None)]);
    assert_eq!(shown(&mut layout, &first), (vec![number("b", 2.0), number("z", 1.0)], 2));
    let same = gauge(vec![sample("z", 3.0, None), sample("b", 4.0, None)]);
    assert_eq!(shown(&mut layout, &same), (vec![number("b", 4.0), number("z", 3.0)], 0));
    let more = gauge(vec![sample("c", 5.0, None), sample("b", 6.0, None), sample("z", 7.0, None)]);
    assert_eq!(shown(&mut layout, &more), (vec![number("b", 6.0), number("c", 5.0), number("z", 7.0)], 1));
    let fewer = gauge(vec![sample("z", 8.0, None)]);
    assert_eq!(shown(&mut layout, &fewer), (vec![number("z", 8.0)], 0));
    // A family that was missing in one scrape is removed.
    assert_eq!(shown(&mut layout, &Scrape::default()), (vec![], 0));
    assert_eq!(shown(&mut layout, &fewer).1, 1);
}

#[test]
fn of_series_with_the_same_labels_sums_are_added_and_of_gauges_the_newest_is_kept() {
    let twins = || {
        let scoped = |value: f64, time_ms: i64| {
            let scope = Arc::new(crate::model::scrape::Scope::default());
            let attributes = Attributes::from([("a".to_owned(), "x".to_owned()), ("b".to_owned(), String::new())]);
            let of = Identity::new(attributes, None, scope);
            Sample { time_ms: Some(time_ms), ..Sample::plain(of, SampleValue::Number(value)) }
        };
        vec![sample("x", 1.0, Some(5)), scoped(2.0, 4)]
    };
    for (kind, expected) in [(FamilyKind::Counter, 3.0), (FamilyKind::UpDown, 3.0), (FamilyKind::Gauge, 1.0)] {
        let mut layout = Layout::default();
        let (all, _) = shown(&mut layout, &scrape(kind, twins()));
        assert_eq!(all, [("a=\"x\"".to_owned(), SampleValue::Number(expected))], "{kind:?}");
        assert_eq!(shown(&mut layout, &scrape(kind, twins())), (all, 0));
    }
}

#[test]
fn histograms_of_different_bounds_are_summed_where_both_have_one() {
    let histogram = |bounds: &[f64], counts: &[u64], label: &str| {
        let value = SampleValue::Histogram {
            bounds: bounds.into(),
            counts: counts.to_vec(),
            sum: 1.5,
            count: counts.iter().sum(),
        };
        let attributes = Attributes::from([(label.to_owned(), "1".to_owned())]);
        Sample { created_ms: Some(7), ..Sample::plain(Identity::own(attributes), value) }
    };
    let samples = vec![histogram(&[1.0, 2.0, 5.0], &[1, 2, 3, 4], "a.b"), histogram(&[2.0, 7.0], &[5, 6, 7], "a_b")];
    let expected = SampleValue::Histogram { bounds: [2.0].into(), counts: vec![8, 20], sum: 3.0, count: 28 };
    let (all, _) = shown(&mut Layout::default(), &scrape(FamilyKind::Histogram, samples));
    assert_eq!(all, [("a_b=\"1\"".to_owned(), expected)]);
}

/// Prometheus' own timestamps are later than those of the points: a restarted sum must not begin before the last scrape of the
/// previous one.
#[test]
fn a_sum_that_begins_anew_is_created_behind_what_was_shown() {
    let sum = Sample { created_ms: Some(10), begun_ms: Some(50), ..sample("x", 1.0, Some(40)) };
    let scrape = scrape(FamilyKind::Counter, vec![sum]);
    let named = name_scrape(&scrape, &Naming::default(), 0);
    let created = |with_times| {
        let mut layout = Layout::default();
        layout.begin(with_times);
        layout.points(&named.families[0], &|_| Vec::new())[0].created_ms
    };
    assert_eq!((created(false), created(true)), (Some(50), Some(10)));
}
