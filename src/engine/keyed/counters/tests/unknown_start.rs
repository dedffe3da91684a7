//! Points with an unknown start. Expected values computed by hand from OTLP's data model ("Cumulative streams: handling
//! unknown start time"): such a point is a baseline, and later ones count by the difference.

use super::*;
use arrow::array::StringArray;
use arrow::datatypes::{DataType, Field, Schema};

const MILLION: f64 = 1_000_000.0;

/// Points of one series, and the increase of each.
type Told = (&'static str, Vec<(i64, i64, f64)>, Vec<Option<f64>>);

fn told() -> Vec<Told> {
    vec![
        (
            "the first is a baseline",
            vec![(100, 100, MILLION), (100, 200, MILLION + 10.0), (100, 300, MILLION + 12.0)],
            vec![None, Some(10.0), Some(2.0)],
        ),
        (
            "a start that moves with each point says nothing of a reset, unless the value goes down",
            vec![
                (100, 100, MILLION),
                (200, 200, MILLION + 10.0),
                (300, 300, MILLION + 10.0),
                (400, 400, 7.0),
                (500, 500, 9.0),
            ],
            vec![None, Some(10.0), Some(0.0), None, Some(2.0)],
        ),
        (
            "a reset at an unknown time is a baseline, also where the value went up",
            vec![
                (100, 100, MILLION),
                (100, 200, MILLION + 10.0),
                (300, 300, 500.0),
                (300, 400, 520.0),
                (600, 600, MILLION),
                (600, 700, MILLION + 1.0),
            ],
            vec![None, Some(10.0), None, Some(20.0), None, Some(1.0)],
        ),
        (
            "a reset at a known time counts whole",
            vec![(100, 100, MILLION), (100, 200, MILLION + 10.0), (250, 300, 4.0), (250, 400, 6.0)],
            vec![None, Some(10.0), Some(4.0), Some(2.0)],
        ),
        (
            "a point that came late tells nothing",
            vec![(100, 100, MILLION), (100, 300, MILLION + 10.0), (100, 200, MILLION + 5.0), (100, 100, MILLION)],
            vec![None, Some(10.0), None, None],
        ),
        (
            "one that goes on from a point that another replaced is a baseline",
            vec![(100, 100, MILLION), (200, 200, MILLION + 10.0), (100, 150, MILLION + 5.0), (100, 160, MILLION + 6.0)],
            vec![None, Some(10.0), None, Some(1.0)],
        ),
        (
            "a start behind the point is none either",
            vec![(900, 100, MILLION), (900, 200, MILLION + 3.0), (900, 1000, MILLION + 8.0)],
            vec![None, Some(3.0), Some(5.0)],
        ),
    ]
}

fn advance(counters: &mut Counters, (start, time, value): (i64, i64, f64)) -> Option<f64> {
    counters.advance(1, point(start, time, value)).map(|increase| increase.value)
}

#[test]
fn a_value_of_an_unknown_start_is_a_baseline() {
    for (name, points, expected) in told() {
        let mut counters = Counters::new(10, 1);
        let found: Vec<_> = points.iter().map(|point| advance(&mut counters, *point)).collect();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn nor_does_a_restart_between_points_change_that() {
    for (name, points, expected) in told() {
        let mut kept: HashMap<String, Vec<u8>> = HashMap::new();
        let mut found = Vec::new();
        for point in points {
            let mut counters = Counters::new(10, 1);
            kept.iter().for_each(|(key, bytes)| counters.restore(key, bytes));
            found.push(advance(&mut counters, point));
            kept.extend(counters.moved());
        }
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn a_first_point_that_an_earlier_version_kept_is_gone_on_from() {
    let numbers = [100_i64.to_le_bytes(), 100_i64.to_le_bytes(), MILLION.to_le_bytes(), 0.0_f64.to_le_bytes()];
    let mut counters = Counters::new(10, 1);
    counters.restore("1@100", &numbers.concat());
    assert_eq!(advance(&mut counters, (100, 200, MILLION + 10.0)), Some(10.0));
    assert_eq!(counters.unknown_starts().collect::<Vec<_>>(), [(1, 100)]);
}

#[test]
fn a_start_that_moves_takes_the_place_of_one_series() {
    let mut counters = Counters::new(1, 1);
    for at in 1..1000_i32 {
        let expected = (at > 1).then_some(1.0);
        assert_eq!(advance(&mut counters, (at.into(), at.into(), MILLION + f64::from(at))), expected);
    }
    assert_eq!((counters.points.len(), counters.overflowed), (1, 0));
}

#[test]
fn it_is_known_which_starts_are_none() {
    let mut counters = Counters::new(10, 1);
    for (series, start, time) in [(1, 100, 100), (1, 100, 200), (2, 100, 200), (3, 0, 200), (4, 100, 100)] {
        counters.advance(series, point(start, time, MILLION));
    }
    let mut starts: Vec<_> = counters.unknown_starts().collect();
    starts.sort_unstable();
    starts.dedup();
    assert_eq!(starts, [(1, 100), (4, 100)]);
}

/// Returns a batch of points of one series with the given value columns.
fn batch(points: &[(i64, i64)], values: Vec<(&str, ArrayRef)>, added: &[(&str, DataType)]) -> (RecordBatch, SchemaRef) {
    let texts = |text: &str| -> ArrayRef { Arc::new(StringArray::from(vec![text; points.len()])) };
    let numbers = |of: fn(&(i64, i64)) -> i64| -> ArrayRef { Arc::new(points.iter().map(of).collect::<Int64Array>()) };
    let mut columns = vec![
        ("kind", texts("sum")),
        ("temporality", texts("cumulative")),
        ("is_monotonic", Arc::new(arrow::array::BooleanArray::from(vec![true; points.len()])) as ArrayRef),
        ("series_id", numbers(|_| 1)),
        ("start_time_unix_nano", numbers(|point| point.0)),
        ("time_unix_nano", numbers(|point| point.1)),
    ];
    columns.extend(values);
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut fields: Vec<_> = batch.schema().fields().iter().cloned().collect();
    fields.extend(added.iter().map(|(name, kind)| Arc::new(Field::new(*name, kind.clone(), true))));
    (batch, Arc::new(Schema::new(fields)))
}

#[test]
fn points_of_one_request_count_in_the_order_of_their_times() {
    let values: ArrayRef = Arc::new(Float64Array::from(vec![MILLION + 12.0, MILLION + 10.0, MILLION]));
    let (batch, schema) =
        batch(&[(100, 300), (100, 200), (100, 100)], vec![("value", values)], &[("delta", DataType::Float64)]);
    let rows = Counters::new(10, 1).metrics(&batch, &schema).unwrap();
    let delta = number::<Float64Type>(&rows, "delta");
    assert_eq!((0..3).map(delta).collect::<Vec<_>>(), [Some(2.0), Some(10.0), None]);
}

/// Histograms, exponential histograms and summaries are rows of one table, and count alike.
#[test]
fn a_histogram_counts_from_its_baseline() {
    let counts: ArrayRef = Arc::new(Int64Array::from(vec![1_000_000, 1_000_010]));
    let sums: ArrayRef = Arc::new(Float64Array::from(vec![9e6, 9e6 + 50.0]));
    let added = [("delta_count", DataType::Int64), ("delta_sum", DataType::Float64)];
    let (batch, schema) = batch(&[(100, 100), (100, 200)], vec![("count", counts), ("sum", sums)], &added);
    let rows = Counters::new(10, 1).histograms(&batch, &schema).unwrap();
    let (count, sum) = (number::<Int64Type>(&rows, "delta_count"), number::<Float64Type>(&rows, "delta_sum"));
    assert_eq!((0..2).map(count).collect::<Vec<_>>(), [None, Some(10)]);
    assert_eq!((0..2).map(sum).collect::<Vec<_>>(), [None, Some(50.0)]);
}
