use super::*;

mod unknown_start;

fn point(start: i64, time: i64, value: f64) -> Point {
    Point::new((start, time), i64::MAX, value, value * 2.0)
}

fn increases(counters: &mut Counters, points: &[Point]) -> Vec<Option<f64>> {
    points.iter().map(|point| counters.advance(1, *point).map(|increase| increase.value)).collect()
}

#[test]
fn a_counter_that_began_before_us_counts_from_its_second_point() {
    let mut counters = Counters::new(10, 100);
    assert_eq!(increases(&mut counters, &[point(50, 200, 7.0), point(50, 300, 9.0)]), [None, Some(2.0)]);
}

#[test]
fn a_counter_that_began_after_us_counts_whole() {
    let mut counters = Counters::new(10, 100);
    assert_eq!(increases(&mut counters, &[point(150, 200, 7.0), point(150, 300, 7.0)]), [Some(7.0), Some(0.0)]);
}

#[test]
fn a_reset_is_never_negative_and_a_late_point_changes_nothing() {
    let mut counters = Counters::new(10, 0);
    let points = [point(1, 200, 7.0), point(1, 300, 3.0), point(1, 250, 5.0), point(310, 400, 5.0)];
    assert_eq!(increases(&mut counters, &points), [Some(7.0), Some(3.0), None, Some(5.0)]);
}

#[test]
fn two_processes_that_send_one_series_each_count_for_themselves() {
    let mut counters = Counters::new(10, 0);
    // One began at 1 and counts 40, 41, 43; the other at 5 and counts 2, 3: 43 and 3 in all.
    let points =
        [point(1, 200, 40.0), point(5, 201, 2.0), point(1, 210, 41.0), point(5, 211, 3.0), point(1, 220, 43.0)];
    let found = increases(&mut counters, &points);
    assert_eq!(found, [40.0, 2.0, 1.0, 1.0, 2.0].map(Some));
    // The first one ends, and another replaces it: its first value counts in full.
    assert_eq!(increases(&mut counters, &[point(225, 230, 4.0), point(5, 231, 5.0)]), [Some(4.0), Some(2.0)]);
}

#[test]
fn a_sender_that_does_not_say_when_it_began_counts_by_what_it_shows() {
    let mut counters = Counters::new(10, 100);
    let points = [point(0, 200, 7.0), point(0, 210, 9.0), point(0, 220, 1.0)];
    assert_eq!(increases(&mut counters, &points), [None, Some(2.0), Some(1.0)]);
}

#[test]
fn a_point_that_an_earlier_version_kept_is_read() {
    let mut counters = Counters::new(10, 0);
    increases(&mut counters, &[point(1, 200, 7.0)]);
    let mut restarted = Counters::new(10, 1000);
    restarted.restore("1", &counters.moved()[0].1);
    assert_eq!(increases(&mut restarted, &[point(1, 300, 9.0)]), [Some(2.0)]);
}

#[test]
fn a_restart_goes_on_from_the_last_point() {
    let mut counters = Counters::new(10, 0);
    increases(&mut counters, &[point(1, 200, 7.0)]);
    let moved = counters.moved();
    counters.commit();
    assert!(counters.moved().is_empty());
    let mut restarted = Counters::new(10, 1000);
    moved.iter().for_each(|(key, bytes)| restarted.restore(key, bytes));
    assert_eq!(increases(&mut restarted, &[point(1, 300, 9.0)]), [Some(2.0)]);
}

#[test]
fn what_did_not_become_durable_counts_again() {
    let mut counters = Counters::new(10, 0);
    increases(&mut counters, &[point(1, 200, 7.0)]);
    counters.commit();
    let again = [point(1, 300, 9.0), point(1, 400, 10.0)];
    assert_eq!(increases(&mut counters, &again), [Some(2.0), Some(1.0)]);
    counters.rollback();
    assert_eq!(increases(&mut counters, &again), [Some(2.0), Some(1.0)]);
}

#[test]
fn a_series_that_was_forgotten_does_not_count_again() {
    let mut counters = Counters::new(10, 100);
    assert_eq!(increases(&mut counters, &[point(150, 200, 7.0)]), [Some(7.0)]);
    assert_eq!(counters.silent(1), ["1@150"], "our clock has not moved since");
    counters.forget(&["1@150".to_owned()], 300);
    let back = [point(150, 400, 9.0), point(150, 500, 12.0)];
    assert_eq!(increases(&mut counters, &back), [None, Some(3.0)]);
    assert!(counters.advance(2, point(350, 400, 5.0)).is_some(), "what began since is new");
}

#[test]
fn a_gauge_that_is_named_counts_from_its_second_point() {
    use arrow::array::{BooleanArray, StringArray};
    let batch = RecordBatch::try_from_iter([
        ("name", Arc::new(StringArray::from(vec!["hits", "hits", "size", "size"])) as ArrayRef),
        ("kind", Arc::new(StringArray::from(vec!["gauge"; 4]))),
        ("temporality", Arc::new(StringArray::from(vec![None::<&str>; 4]))),
        ("is_monotonic", Arc::new(BooleanArray::from(vec![None; 4]))),
        ("series_id", Arc::new(Int64Array::from(vec![1, 1, 2, 2]))),
        ("time_unix_nano", Arc::new(Int64Array::from(vec![200, 300, 200, 300]))),
        ("value", Arc::new(Float64Array::from(vec![90.0, 180.0, 5.0, 6.0]))),
    ])
    .unwrap();
    let mut fields: Vec<_> = batch.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(arrow::datatypes::Field::new("delta", arrow::datatypes::DataType::Float64, true)));
    let schema: SchemaRef = Arc::new(arrow::datatypes::Schema::new(fields));
    let mut counters = Counters::new(10, 0);
    counters.count(HashSet::from(["hits".to_owned()]));
    let rows = counters.metrics(&batch, &schema).unwrap();
    let delta = number::<Float64Type>(&rows, "delta");
    assert_eq!((0..4).map(delta).collect::<Vec<_>>(), [None, Some(90.0), None, None]);
}

#[test]
fn a_sender_whose_clock_is_behind_is_not_silent() {
    let mut counters = Counters::new(10, 0);
    counters.now_ms = 10_000_000;
    assert_eq!(increases(&mut counters, &[point(1, 200, 7.0)]), [Some(7.0)]);
    assert!(counters.silent(10_000_000).is_empty());
    assert_eq!(counters.silent(10_000_001), ["1@1"]);
    counters.now_ms += 1;
    increases(&mut counters, &[point(1, 200, 7.0)]);
    assert!(counters.silent(10_000_001).is_empty(), "nor is one that says the same again");
}

#[test]
fn an_increase_is_never_below_nothing() {
    let mut counters = Counters::new(10, 0);
    let points = [point(1, 200, -5.0), point(1, 300, -9.0), point(1, 400, -3.0)];
    assert_eq!(increases(&mut counters, &points), [None, None, Some(6.0)]);
}

#[test]
fn the_number_of_series_is_bounded() {
    let mut counters = Counters::new(1, 0);
    assert!(counters.advance(1, point(1, 2, 3.0)).is_some());
    assert!(counters.advance(2, point(1, 2, 3.0)).is_none());
    assert_eq!(counters.overflowed, 1);
}
