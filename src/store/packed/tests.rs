use super::*;
use crate::model::table::ColumnType;
use crate::store::held::{Condition, Test};
use crate::store::wanted::TimeBounds;
use arrow::array::{
    Array as _, BooleanArray, Float64Array, Int64Array, MapBuilder, MapFieldNames, StringArray, StringBuilder,
    TimestampMicrosecondArray,
};
use arrow::compute::take_record_batch;
use arrow::datatypes::{Field, Schema};
use proptest::prelude::*;
use proptest::sample::select;

const COLUMNS: [(&str, ColumnType); 9] = [
    ("time", ColumnType::TimestampUs),
    ("id", ColumnType::String),
    ("few", ColumnType::String),
    ("many", ColumnType::String),
    ("number", ColumnType::Int64),
    ("real", ColumnType::Float64),
    ("flag", ColumnType::Bool),
    ("map", ColumnType::Map),
    ("nothing", ColumnType::String),
];

fn schema() -> SchemaRef {
    Arc::new(Schema::new(COLUMNS.map(|(name, kind)| Field::new(name, kind.arrow(), true)).to_vec()))
}

/// A row, with the columns in order.
type Row = (
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<f64>,
    Option<bool>,
    Option<Vec<(String, Option<String>)>>,
);

fn batch(rows: &[Row]) -> RecordBatch {
    let mut maps = MapBuilder::new(
        Some(MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() }),
        StringBuilder::new(),
        StringBuilder::new(),
    )
    .with_keys_field(Field::new("key", arrow::datatypes::DataType::Utf8, false));
    for row in rows {
        for (key, value) in row.7.iter().flatten() {
            maps.keys().append_value(key);
            maps.values().append_option(value.as_ref());
        }
        maps.append(row.7.is_some()).unwrap();
    }
    let times: TimestampMicrosecondArray = rows.iter().map(|row| row.0).collect();
    let texts =
        |of: fn(&Row) -> &Option<String>| -> ArrayRef { Arc::new(rows.iter().map(of).collect::<StringArray>()) };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(times.with_timezone("UTC")),
        texts(|row| &row.1),
        texts(|row| &row.2),
        texts(|row| &row.3),
        Arc::new(rows.iter().map(|row| row.4).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| row.5).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| row.6).collect::<BooleanArray>()),
        Arc::new(maps.finish()),
        texts(|_| &None),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let id = prop_oneof![9 => "[0-9a-f]{16}", 1 => select(vec!["", "0123456789ABCDEF", "00", "zzzzzzzzzzzzzzzz"]).prop_map(str::to_owned)];
    let number = prop_oneof![Just(0), 200..504_i64, any::<i64>(), Just(i64::MIN), Just(i64::MAX)];
    let real = prop_oneof![4 => Just(1.0), 1 => any::<f64>()];
    let few = || select(vec!["GET", "POST", "", "ÄÖ"]).prop_map(str::to_owned);
    let entry = (few(), prop::option::of(prop_oneof![few(), "\\PC{0,20}"]));
    let map = prop_oneof![
        3 => Just(Some(vec![("service.name".to_owned(), Some("shop".to_owned()))])),
        2 => prop::option::of(prop::collection::vec(entry, 0..4)),
    ];
    let row = (
        prop::option::of(prop_oneof![1_000_000..1_000_050_i64, any::<i64>()]),
        prop::option::weighted(0.9, id),
        prop::option::of(few()),
        prop::option::of("\\PC{0,20}"),
        prop::option::of(number),
        prop::option::weighted(0.9, real),
        any::<Option<bool>>(),
        map,
    );
    // Each row several times: values of neighbours are often equal, as in requests.
    let repeated = (row, 1..12_usize).prop_map(|(row, times)| vec![row; times]);
    prop::collection::vec(repeated, 0..40).prop_map(|rows| rows.concat())
}

/// Any of these texts, or any value if there are none.
fn condition(column: usize, any_of: &[&str]) -> Condition {
    Condition { any: vec![Test { column, any_of: any_of.iter().map(|&text| text.to_owned()).collect() }] }
}

fn packed(batch: &RecordBatch) -> Packed {
    Packed::new(batch, Some("time"), &Arc::new(NullColumns::new(schema())))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Arrow's own `take` and comparison are the oracle.
    #[test]
    fn what_is_read_is_what_was_packed(rows in rows(), from in 0..400_usize, picks in prop::collection::vec(any::<prop::sample::Index>(), 0..50)) {
        let whole = batch(&rows);
        let from = from.min(whole.num_rows());
        // A slice: its arrays do not begin at the beginning of their memory.
        for batch in [whole.clone(), whole.slice(from, whole.num_rows() - from)] {
            let packed = packed(&batch);
            prop_assert_eq!(packed.read(None, None).unwrap(), batch.clone());
            prop_assert_eq!(packed.read(Some(&[7, 0]), None).unwrap(), batch.project(&[7, 0]).unwrap());
            prop_assert_eq!(packed.read(Some(&[]), None).unwrap().num_rows(), batch.num_rows());
            if batch.num_rows() > 0 {
                let picks: UInt32Array = picks.iter().map(|pick| u32::try_from(pick.index(batch.num_rows())).unwrap()).collect::<Vec<_>>().into();
                prop_assert_eq!(packed.read(None, Some(&picks)).unwrap(), take_record_batch(&batch, &picks).unwrap());
            }
        }
    }

    /// No row that is wanted is left out, and rows stay in order.
    #[test]
    fn no_wanted_row_is_left_out(rows in rows(), from in 999_990..1_000_060_i64, length in 0..30_i64, few in select(vec!["GET", "ÄÖ", "x"])) {
        let batch = batch(&rows);
        let packed = packed(&batch);
        let bounds = TimeBounds { from, to: from + length };
        let conditions = vec![condition(2, &[few]), condition(3, &[])];
        let is_wanted = |row: &&Row| {
            row.0.is_some_and(|time| (from..=from + length).contains(&time)) && row.2.as_deref() == Some(few) && row.3.is_some()
        };
        let wanted: Vec<Row> = rows.iter().filter(is_wanted).cloned().collect();
        let found = packed.passing(None, &Wanted { bounds, conditions }).unwrap();
        let found = found.unwrap_or_else(|| RecordBatch::new_empty(schema()));
        let (times, texts, many) = (found.column(0), found.column(2).as_string::<i32>(), found.column(3));
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let is_wanted = |row: usize| {
            let time = times.is_valid(row) && (from..=from + length).contains(&times.value(row));
            time && texts.is_valid(row) && texts.value(row) == few && many.is_valid(row)
        };
        let mask: BooleanArray = (0..found.num_rows()).map(|row| Some(is_wanted(row))).collect();
        let kept = arrow::compute::filter_record_batch(&found, &mask).unwrap();
        prop_assert_eq!(kept, self::batch(&wanted));
    }
}

/// A thousand rows as instrumented applications send them take a third of their memory.
#[test]
fn usual_rows_take_a_third() {
    let rows: Vec<Row> = (0..8192_i64)
        .map(|n| {
            let attributes = vec![
                ("http.request.method".to_owned(), Some("GET".to_owned())),
                ("url.path".to_owned(), Some(format!("/products/{}", n % 50))),
            ];
            let id = format!("{:016x}", n.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let route = Some("GET /products/{id}".to_owned());
            (
                Some(1_700_000_000_000_000 + n * 100),
                Some(id),
                route,
                None,
                Some(200),
                Some(1.0),
                Some(n % 9 == 0),
                Some(attributes),
            )
        })
        .collect();
    let batch = batch(&rows);
    let (before, after) = (crate::model::null_columns::memory_bytes(&batch), packed(&batch).bytes());
    println!("{} bytes a row, packed {}", before / 8192, after / 8192);
    assert!(after * 3 < before, "{before} bytes, packed {after}");
}

/// A query for values that no row has reads nothing.
#[test]
fn rows_are_skipped_as_a_whole() {
    let rows: Vec<Row> =
        (0..100).map(|n| (Some(n), None, Some("GET".to_owned()), None, None, None, None, None)).collect();
    let packed = packed(&batch(&rows));
    let wanted =
        |column, any_of: &[&str]| Wanted { bounds: TimeBounds::default(), conditions: vec![condition(column, any_of)] };
    assert!(packed.passing(None, &wanted(2, &["POST"])).unwrap().is_none());
    assert!(packed.passing(None, &wanted(8, &[])).unwrap().is_none(), "a column without values");
    let mut either = wanted(2, &["POST"]);
    either.conditions[0].any.extend(condition(8, &[]).any);
    assert!(packed.passing(None, &either).unwrap().is_none());
    either.conditions[0].any.extend(condition(2, &["GET"]).any);
    assert_eq!(packed.passing(None, &either).unwrap().unwrap().num_rows(), 100);
    assert_eq!(packed.passing(None, &wanted(2, &["GET"])).unwrap().unwrap().num_rows(), 100);
    let late = Wanted { bounds: TimeBounds { from: 95, to: i64::MAX }, conditions: Vec::new() };
    assert_eq!(packed.passing(None, &late).unwrap().unwrap().num_rows(), 5);
}
