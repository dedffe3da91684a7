//! Expected values computed by hand from OTLP's data model.

use super::*;
use crate::catalog;
use crate::model::exponential::Buckets;
use serde_json::{Value, json};

const SECOND: i64 = 1_000_000_000;

fn batch(table: &str, rows: &[Value]) -> RecordBatch {
    let tables = catalog::schemas::builtin().unwrap();
    let schema = tables.iter().find(|known| known.name == table).unwrap().schema();
    let rows: Vec<_> = rows.iter().map(|row| row.as_object().unwrap().clone()).collect();
    crate::engine::tables::batch(&schema, &rows).unwrap()
}

fn values() -> LastValues {
    LastValues::new(100, &catalog::schemas::builtin().unwrap())
}

/// A point of series 1 at a second, with some columns changed.
fn row(at_s: i64, changes: Value) -> Value {
    let mut row = json!({"service_name": "shop", "name": "m", "unit": "By", "kind": "sum", "temporality": "cumulative",
        "is_monotonic": true, "time": at_s * 1_000_000, "time_unix_nano": at_s * SECOND, "start_time_unix_nano": SECOND,
        "series_id": 1, "flags": 0, "attributes": {"a": "b"}, "resource_attributes": {"host.name": "h"}});
    row.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    row
}

fn shown(values: &LastValues) -> Vec<Family> {
    let mut scrape = Scrape::default();
    values.scrape(&mut scrape);
    scrape.families
}

fn only(values: &LastValues) -> Sample {
    let families = shown(values);
    let [family] = families.as_slice() else { panic!("one family: {families:?}") };
    let [sample] = family.samples.as_slice() else { panic!("one series: {family:?}") };
    sample.clone()
}

fn number(value: f64) -> SampleValue {
    SampleValue::Number(value)
}

#[test]
fn of_cumulative_points_the_latest_is_shown_and_of_one_time_the_last() {
    let mut values = values();
    let points = [row(10, json!({"value": 5.0})), row(9, json!({"value": 4.0})), row(10, json!({"value": 6.0}))];
    values.metrics(&batch("metrics", &points));
    let sample = only(&values);
    assert_eq!((sample.value, sample.time_ms, sample.created_ms), (number(6.0), Some(10_000), Some(1_000)));
    // The counter restarted.
    values.metrics(&batch("metrics", &[row(12, json!({"value": 1.0, "start_time_unix_nano": 11 * SECOND}))]));
    let sample = only(&values);
    assert_eq!((sample.value, sample.created_ms), (number(1.0), Some(11_000)));
}

/// Each counter type: its table, and the columns of its points.
fn kinds() -> [(&'static str, Value); 4] {
    let exponential = json!({"kind": "exponential_histogram", "count": 7, "sum": 4.0, "scale": 2, "zero_count": 7});
    [
        ("metrics", json!({"value": 1_000_000.0})),
        ("histograms", json!({"kind": "histogram", "count": 7, "sum": 4.0, "bounds": [1.0], "bucket_counts": [7, 0]})),
        ("histograms", exponential),
        ("histograms", json!({"kind": "summary", "temporality": null, "count": 7, "sum": 4.0})),
    ]
}

/// A start equal to its point's time is unknown: there is no creation time and no zero.
#[test]
fn what_has_an_unknown_start_was_created_at_no_known_time() {
    for (table, kind) in kinds() {
        let take = |values: &mut LastValues, (start, at): (i64, i64)| {
            let mut point = row(at, kind.clone());
            point["start_time_unix_nano"] = (start * SECOND).into();
            let batch = batch(table, &[point]);
            if table == "metrics" {
                values.metrics(&batch);
            } else {
                values.histograms(&batch);
            }
            only(values).created_ms
        };
        let mut values = values();
        let points = [(10, 10), (10, 11), (12, 12), (13, 13), (13, 14), (15, 16), (0, 17), (18, 20), (18, 18)];
        let created: Vec<_> = points.into_iter().map(|point| take(&mut values, point)).collect();
        let late = [Some(18_000), None];
        assert_eq!(created[..7], [None, None, None, None, None, Some(15_000), None], "{kind}");
        assert_eq!(created[7..], late, "{kind}: of two that change places the first came in late");
        // It is forgotten, and comes back.
        values.expire(i64::MAX);
        assert_eq!(take(&mut values, (18, 30)), None, "{kind}");
        let mut restarted = self::values().with_unknown_starts([(1, 18), (1, 18 * SECOND), (1, 2)].into_iter());
        assert_eq!(take(&mut restarted, (18, 40)), None, "{kind}: after a restart");
        assert_eq!(take(&mut restarted, (41, 50)), Some(41_000), "{kind}");
    }
}

#[test]
fn deltas_of_many_senders_are_added_up_whatever_their_order() {
    let mut values = values();
    let delta = |at_s: i64, value: f64| row(at_s, json!({"value": value, "temporality": "delta"}));
    values.metrics(&batch("metrics", &[delta(10, 5.0), delta(10, 2.0), delta(9, 1.0), delta(11, -7.0)]));
    let sample = only(&values);
    assert_eq!((sample.value, sample.time_ms, sample.created_ms), (number(8.0), Some(10_000), Some(1_000)));
}

#[test]
fn a_point_without_a_value_ends_its_series_until_it_comes_back() {
    let mut values = values();
    values.metrics(&batch("metrics", &[row(10, json!({"value": 5.0}))]));
    // An older marker ends nothing.
    values.metrics(&batch("metrics", &[row(9, json!({"flags": 1}))]));
    assert_eq!(only(&values).value, number(5.0));
    values.metrics(&batch("metrics", &[row(11, json!({"flags": 1}))]));
    assert!(shown(&values).iter().all(|family| family.samples.is_empty()));
    values.metrics(&batch("metrics", &[row(12, json!({"value": 7.0}))]));
    assert_eq!(only(&values).value, number(7.0));
    let histogram = |changes| row(20, changes);
    let one =
        json!({"series_id": 2, "kind": "histogram", "name": "h", "count": 1, "bounds": [1.0], "bucket_counts": [1, 0]});
    values.histograms(&batch("histograms", &[histogram(one)]));
    values.histograms(&batch("histograms", &[histogram(json!({"series_id": 2, "kind": "histogram", "flags": 1}))]));
    assert_eq!(only_of(&values, "m").value, number(7.0));
    assert!(shown(&values).iter().all(|family| family.name != "h" || family.samples.is_empty()));
}

fn only_of(values: &LastValues, name: &str) -> Sample {
    let families = shown(values);
    families.iter().find(|family| family.name == name).unwrap().samples[0].clone()
}

#[test]
fn an_identity_is_made_of_resource_scope_and_attributes() {
    let mut values = values();
    let changes = json!({"value": 1.0, "scope_name": "lib", "scope_version": "2", "scope_schema_url": "https://s/1",
        "scope_attributes": {"k": "v"}});
    let other = json!({"value": 2.0, "series_id": 2, "attributes": {"a": "c"}});
    values.metrics(&batch("metrics", &[row(10, changes), row(10, other)]));
    let families = shown(&values);
    let mut samples = families[0].samples.clone();
    samples.sort_by(|one, two| one.of.attributes().cmp(two.of.attributes()));
    let map = |pairs: &[(&str, &str)]| -> Attributes {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    };
    let of = &samples[0].of;
    assert_eq!(of.attributes(), &map(&[("a", "b")]));
    assert_eq!(**of.resource().unwrap(), map(&[("host.name", "h"), ("service.name", "shop")]));
    let scope = Scope {
        name: "lib".to_owned(),
        version: "2".to_owned(),
        schema_url: "https://s/1".to_owned(),
        attributes: map(&[("k", "v")]),
    };
    assert_eq!(of.scope(), &scope);
    assert!(Arc::ptr_eq(of.resource().unwrap(), samples[1].of.resource().unwrap()));
    assert_ne!(of.digest(), samples[1].of.digest());
}

#[test]
fn the_longest_description_is_shown_and_that_they_differ_is_known() {
    let mut values = values();
    let point = |id: i64, text: Option<&str>| row(10, json!({"value": 1.0, "series_id": id, "description": text}));
    values.metrics(&batch("metrics", &[point(1, None), point(2, Some("long one"))]));
    let family = &shown(&values)[0];
    assert_eq!((family.description.as_str(), family.descriptions_differ), ("long one", false));
    values.metrics(&batch("metrics", &[point(3, Some("short"))]));
    let family = &shown(&values)[0];
    assert_eq!((family.description.as_str(), family.descriptions_differ), ("long one", true));
}

#[test]
fn exponential_histograms_keep_their_buckets_and_deltas_are_added() {
    let mut values = values();
    let point = |changes: Value| {
        let mut row = row(
            10,
            json!({"kind": "exponential_histogram", "temporality": "delta", "count": 3, "sum": 4.0,
            "scale": 2, "zero_count": 1, "zero_threshold": 0.5, "positive_offset": 3, "positive_counts": [0, 2, 0]}),
        );
        row.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        row
    };
    values.histograms(&batch("histograms", &[point(json!({})), point(json!({"scale": 1, "positive_counts": [2]}))]));
    let SampleValue::Exponential(sum) = only(&values).value else { panic!("exponential") };
    assert_eq!((sum.scale, sum.count, sum.zero_count, sum.zero_threshold), (1, 6, 2, 0.5));
    // Index 4 of scale 2 is 2 of scale 1; the other's is 3.
    assert_eq!(sum.positive, Buckets { offset: 2, counts: vec![2, 2] });
}

#[test]
fn a_delta_that_cannot_be_added_begins_anew() {
    let mut values = values();
    let point = |at_s: i64, bounds: Value| {
        row(
            at_s,
            json!({"kind": "histogram", "temporality": "delta", "count": 1, "sum": 4.0,
        "bounds": bounds, "bucket_counts": [1, 0], "start_time_unix_nano": (at_s - 1) * SECOND}),
        )
    };
    values.histograms(&batch("histograms", &[point(10, json!([1.0])), point(11, json!([2.0]))]));
    let sample = only(&values);
    assert!(matches!(sample.value, SampleValue::Histogram { count: 1, .. }));
    assert_eq!(sample.created_ms, Some(10_000));
}

/// A sum that replaces another one, which an earlier process may have shown, begins after it.
#[test]
fn it_is_known_what_was_shown_of_another_sum() {
    let before = crate::model::unix_time::now_ms();
    let mut values = values();
    let delta = |at_s: i64| row(at_s, json!({"value": 5.0, "temporality": "delta"}));
    values.metrics(&batch(
        "metrics",
        &[delta(10), delta(11), row(10, json!({"value": 5.0, "series_id": 2, "name": "c"}))],
    ));
    let started = only_of(&values, "m").begun_ms.unwrap();
    assert!((before..=crate::model::unix_time::now_ms()).contains(&started));
    assert_eq!(only_of(&values, "c").begun_ms, None, "a running total is its sender's");
    std::thread::sleep(std::time::Duration::from_millis(5));
    values.metrics(&batch("metrics", &[row(12, json!({"flags": 1, "temporality": "delta"})), delta(13)]));
    let sample = only_of(&values, "m");
    assert_eq!(sample.value, number(5.0));
    assert!(sample.begun_ms.unwrap() > started);
    std::thread::sleep(std::time::Duration::from_millis(5));
    let ended = sample.begun_ms.unwrap();
    values.expire(i64::MAX);
    values.metrics(&batch("metrics", &[delta(14)]));
    assert!(only_of(&values, "m").begun_ms.unwrap() > ended);
}

#[test]
fn exemplars_lead_to_traces_and_stay_until_others_come() {
    let mut values = values();
    let changes = json!({"value": 1.0, "exemplar_trace_ids": ["cd"], "exemplar_span_ids": [""], "exemplar_values": [2.5],
        "exemplar_times_unix_nano": [7]});
    values.metrics(&batch("metrics", &[row(10, changes), row(11, json!({"value": 2.0, "exemplar_trace_ids": []}))]));
    let exemplar = Exemplar { trace_id: "cd".to_owned(), span_id: String::new(), value: 2.5, time_unix_nano: 7 };
    assert_eq!(*only(&values).exemplars, [exemplar]);
}

#[test]
fn what_is_forgotten_takes_its_family_with_it() {
    let mut values = values();
    let named = |id: i64, name: &str| row(10, json!({"value": 1.0, "series_id": id, "name": name}));
    values.metrics(&batch("metrics", &[named(1, "a"), named(2, "b"), named(3, "c")]));
    for (id, seen_ms) in [(1, 5), (2, 50), (3, 50)] {
        values.series.get_mut(&id).unwrap().seen_ms = seen_ms;
    }
    values.expire(10);
    let names: Vec<_> = shown(&values).into_iter().map(|family| (family.name, family.samples.len())).collect();
    assert_eq!(names, [("b".to_owned(), 1), ("c".to_owned(), 1)]);
    values.metrics(&batch("metrics", &[named(4, "c"), named(5, "a")]));
    let names: Vec<_> = shown(&values).into_iter().map(|family| (family.name, family.samples.len())).collect();
    assert_eq!(names, [("b".to_owned(), 1), ("c".to_owned(), 2), ("a".to_owned(), 1)]);
    values.expire(i64::MAX);
    assert!(values.resources.is_empty() && values.scopes.is_empty() && values.families.is_empty());
}

#[test]
fn columns_of_a_users_schema_are_labels_all_the_same() {
    let mut tables = catalog::schemas::builtin().unwrap();
    let metrics = tables.iter_mut().find(|table| table.name == "metrics").unwrap();
    let mut column = metrics.columns.iter().find(|column| column.name == "scope_name").unwrap().clone();
    column.name = "zone".to_owned();
    column.from = vec![crate::model::table::Source::Attribute("cloud.zone".to_owned())];
    metrics.columns.push(column);
    let schema = metrics.schema();
    let mut point = row(10, json!({"value": 1.0}));
    point["zone"] = "eu-1".into();
    let mut values = LastValues::new(10, &tables);
    values.metrics(&crate::engine::tables::batch(&schema, &vec![point.as_object().unwrap().clone()]).unwrap());
    assert_eq!(only(&values).of.attributes()["cloud.zone"], "eu-1");
}
