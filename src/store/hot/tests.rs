use super::*;
use crate::model::table::{ColumnDef, TableKind};
use arrow::array::{Int64Array, TimestampMicrosecondArray};
use datafusion::prelude::SessionContext;

fn table() -> TableDef {
    let column = |name: &str, kind| ColumnDef {
        name: name.into(),
        kind,
        unit: None,
        low_cardinality: false,
        from: Vec::new(),
        merge: None,
        filled_from: None,
        doc: String::new(),
    };
    TableDef {
        name: "spans".into(),
        kind: TableKind::Signal,
        doc: String::new(),
        resolutions_s: Vec::new(),
        columns: vec![column("start_time", ColumnType::TimestampUs), column("n", ColumnType::Int64)],
    }
}

fn decoded(numbers: std::ops::Range<i64>) -> Decoded {
    let times = TimestampMicrosecondArray::from_iter_values(numbers.clone()).with_timezone("UTC");
    let numbers = Int64Array::from_iter_values(numbers);
    let batch = RecordBatch::try_new(table().schema(), vec![Arc::new(times), Arc::new(numbers)]).unwrap();
    Decoded { tables: vec![("spans", batch)], items: 1, ..Decoded::default() }
}

async fn numbers(store: &Arc<HotStore>, filter: &str) -> Vec<i64> {
    let context = SessionContext::new();
    context.register_table("spans", Arc::new(store.provider("spans").unwrap())).unwrap();
    let sql = format!("SELECT n FROM spans WHERE {filter} ORDER BY n");
    let batches = context.sql(&sql).await.unwrap().collect().await.unwrap();
    let column = |batch: &RecordBatch| batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap().values().to_vec();
    batches.iter().flat_map(column).collect()
}

#[tokio::test]
async fn rows_are_seen_at_once_and_filtered_by_time() {
    let store = HotStore::new(&[table()], 1 << 20);
    store.append(Position(1), &decoded(0..3));
    store.append(Position(2), &decoded(10..13));
    assert_eq!(numbers(&store, "true").await, [0, 1, 2, 10, 11, 12]);
    let late = "start_time >= arrow_cast(11, 'Timestamp(Microsecond, Some(\"UTC\"))')";
    assert_eq!(numbers(&store, late).await, [11, 12]);
}

#[test]
fn a_cursor_gets_each_row_once_also_after_joining() {
    let store = HotStore::new(&[table()], 1 << 20);
    for position in 1..=5 {
        store.append(Position(position), &decoded(0..100));
    }
    store.join_read(Position(4));
    let new = store.since(Position(4)).unwrap();
    assert_eq!((new.upto, new.rows()), (Position(5), 100));
    assert_eq!(store.since(Position(0)).unwrap().rows(), 500);
    let lengths = || store.rows().chunks[0].iter().map(|chunk| chunk.part.rows()).collect::<Vec<_>>();
    assert_eq!(lengths(), [300, 100, 100], "three joined, one alone and one not read yet");
    for position in 6..=30 {
        store.append(Position(position), &decoded(0..1));
    }
    store.join_read(Position(30));
    // 100 and 100 rows and fourteen chunks of one row are sixteen chunks; the rest waits for more.
    assert_eq!(lengths(), [&[300, 214][..], &[1; 11]].concat());
}

#[test]
fn past_the_bound_the_oldest_go_and_a_late_cursor_is_told() {
    let one = decoded(0..100).memory_bytes();
    let store = HotStore::new(&[table()], one * 2);
    for position in 1..=3 {
        store.append(Position(position), &decoded(0..100));
    }
    assert_eq!(store.since(Position(0)).unwrap_err(), Evicted { upto: Position(1) });
    assert_eq!(store.since(Position(1)).unwrap().rows(), 200);
    assert_eq!(store.coverage()[0].rows, 200);
}

#[test]
fn coverage_says_since_when_all_rows_are_there() {
    let one = decoded(0..100).memory_bytes();
    let store = HotStore::new(&[table()], one * 2);
    let covered = || {
        let found = store.coverage().remove(0);
        (found.from_us, found.to_us, found.evicted)
    };
    assert_eq!(covered(), (None, None, false));
    // Clocks can go back: the second request was received before the first.
    for (position, received_us) in [(1, 1000), (2, 900), (3, 1100)] {
        let received_unix_nano = received_us * 1000;
        store.append(Position(position), &Decoded { received_unix_nano, ..decoded(0..100) });
        if position == 2 {
            assert_eq!(covered(), (Some(1000), Some(1000), false));
        }
    }
    assert_eq!(covered(), (Some(1001), Some(1100), true), "a row received at 1000 is gone");

    let restarted = HotStore::new(&[table()], one * 2);
    restarted.begin_filling(Position(7), 2_000_000);
    restarted.append(Position(8), &Decoded { received_unix_nano: 1_900_000, ..decoded(0..1) });
    let found = restarted.coverage().remove(0);
    assert_eq!((found.from_us, found.evicted), (Some(2001), true), "one before it was received later");
}

#[test]
fn older_rows_are_put_in_front_until_there_is_no_room() {
    let one = decoded(0..100).memory_bytes();
    let store = HotStore::new(&[table()], one * 4);
    let received = |us: i64| Decoded { received_unix_nano: us * 1000, ..decoded(0..100) };
    let covered = || store.coverage().remove(0).from_us;
    store.begin_filling(Position(9), 950_000);
    assert!(store.is_filling());
    assert_eq!(store.since(Position(8)).unwrap_err(), Evicted { upto: Position(9) });
    assert!(store.prepend(Position(9), &received(900), Some(800_000)));
    assert_eq!((store.since(Position(8)).unwrap().rows(), covered()), (100, Some(900)));
    store.append(Position(10), &received(1000));
    // Frame 8 is damaged.
    assert!(store.prepend(Position(7), &received(700), Some(890_000)));
    assert_eq!((store.since(Position(6)).unwrap().rows(), covered()), (300, Some(891)), "received later, not there");
    assert_eq!(store.since(Position(5)).unwrap_err(), Evicted { upto: Position(6) });
    assert!(store.prepend(Position(6), &received(890), None));
    assert_eq!((covered(), store.coverage()[0].evicted), (Some(700), false), "there never was one before it");
    assert!(!store.prepend(Position(5), &received(500), None), "four fit");
    assert_eq!(store.newest(), Position(10));
    assert_eq!(store.since(Position(5)).unwrap().rows(), 400);
    store.end_filling();
    assert!(!store.is_filling());
}

#[test]
fn rows_that_had_to_go_meanwhile_are_not_put_in_front_again() {
    let one = decoded(0..100).memory_bytes();
    let store = HotStore::new(&[table()], one * 5 / 2);
    store.begin_filling(Position(9), 0);
    assert!(store.prepend(Position(9), &decoded(0..100), Some(0)));
    store.append(Position(10), &decoded(0..100));
    store.append(Position(11), &decoded(0..100));
    assert_eq!(store.since(Position(8)).unwrap_err(), Evicted { upto: Position(9) });
    assert!(!store.prepend(Position(8), &decoded(0..1), None), "the one behind it is gone");
    assert_eq!(store.since(Position(9)).unwrap().rows(), 200);
}

#[tokio::test]
async fn packed_rows_are_read_like_others() {
    let store = HotStore::new(&[table()], 1 << 24);
    store.begin_filling(Position(20), 0);
    for position in 21..=40 {
        let from = i64::try_from(position).unwrap() * 1000;
        store.append(Position(position), &decoded(from..from + 1000));
    }
    let packed = || store.rows().chunks[0].iter().map(|chunk| chunk.open().is_none()).collect::<Vec<_>>();
    let all = |from: i64| (from..41_000).collect::<Vec<_>>();
    let before = store.memory_bytes();
    store.pack(Position(38));
    assert_eq!(packed(), [true, true, false, false], "nine frames each; the last two have not been read");
    assert!(store.memory_bytes() * 2 < before, "{before} bytes, packed {}", store.memory_bytes());
    assert_eq!(numbers(&store, "true").await, all(21_000));
    assert_eq!(numbers(&store, "n >= 29995 AND n < 30005").await, (29_995..30_005).collect::<Vec<_>>());
    let late = "start_time > arrow_cast(38998, 'Timestamp(Microsecond, Some(\"UTC\"))')";
    assert_eq!(numbers(&store, late).await, all(38_999));
    assert_eq!(store.since(Position(38)).unwrap().rows(), 2000);
    assert_eq!(store.since(Position(29)).unwrap().rows(), 11_000);
    // A cursor in the middle of a packed chunk: its rows are read from the log, each once.
    assert_eq!(store.since(Position(25)).unwrap_err(), Evicted { upto: Position(40) });
    assert_eq!(store.since(Position(20)).unwrap().rows(), 20_000);
    assert_eq!(store.coverage()[0].rows, 20_000);

    // Older rows are put in front of packed ones, and packed with their neighbours.
    for position in (1..=20).rev() {
        let from = i64::try_from(position).unwrap() * 1000;
        assert!(store.prepend(Position(position), &decoded(from..from + 1000), Some(0)));
        if position % 10 == 1 {
            store.pack(Position(20));
        }
    }
    store.end_filling();
    store.join_read(Position(40));
    assert_eq!(numbers(&store, "true").await, all(1000));
    let (yes, no) = (true, false);
    assert_eq!(packed(), [yes, no, yes, no, yes, yes, no, no], "nine frames each, and one left of ten");
    let (count, bytes) = (store.coverage()[0].bytes, store.memory_bytes());
    assert_eq!(count, u64::try_from(bytes).unwrap(), "the sum is kept");
}

#[test]
fn rows_evicted_while_they_are_packed_do_not_come_back() {
    let store = HotStore::new(&[table()], 1 << 24);
    for position in 1..=9 {
        store.append(Position(position), &decoded(0..1000));
    }
    let group = to_pack(&store.rows().chunks[0], Position(9), usize::MAX).unwrap();
    let packed = store.tables[0].pack(&group).unwrap();
    assert!(store.rows().evict_oldest());
    assert_eq!(replace(&mut store.rows().chunks[0], &group, packed), 0);
    assert_eq!(store.coverage()[0].rows, 8000);
    assert_eq!(store.since(Position(0)).unwrap_err(), Evicted { upto: Position(1) });
    while store.rows().evict_oldest() {}
    assert_eq!(store.memory_bytes(), 0);
}
