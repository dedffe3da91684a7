//! Tests of the state database.

use super::testing::Scratch;
use super::*;
use crate::model::frame::Position;
use arrow::array::{ArrayRef, Int64Array};
use arrow::record_batch::RecordBatch;
use std::path::Path;
use std::sync::Arc;

fn batch() -> RecordBatch {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    RecordBatch::try_from_iter([("n", numbers)]).unwrap()
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart_and_nothing_else() {
    let Scratch { state, folder } = Scratch::new();
    let mut txn = state.begin().await.unwrap();
    txn.set_cursor("engine", Position(7)).await.unwrap();
    txn.put("findings", "a", b"1").await.unwrap();
    let id = txn.add_part("requests", 10, &batch()).await.unwrap();
    txn.commit().await.unwrap();
    let mut dropped = state.begin().await.unwrap();
    dropped.set_cursor("engine", Position(9)).await.unwrap();
    drop(dropped);
    state.close().await;

    let state = State::open(&folder.path().join("state.sqlite")).await.unwrap();
    assert_eq!(state.cursor("engine").await.unwrap(), Position(7));
    assert_eq!(state.cursor("other").await.unwrap(), Position(0));
    assert_eq!(state.entries("findings").await.unwrap(), [("a".to_owned(), b"1".to_vec())]);
    let parts = state.parts_of("requests").await.unwrap();
    assert_eq!((parts[0].id, parts[0].table.as_str(), &parts[0].batch), (id, "requests", &batch()));
}

#[tokio::test]
async fn a_disk_that_was_full_is_written_again_when_it_has_room() {
    let Scratch { state, folder: _folder } = Scratch::new();
    // Acts like a full disk until the connection is closed.
    state.run_raw("PRAGMA max_page_count = 10").await;
    let mut txn = state.begin().await.unwrap();
    let error = txn.put("kind", "key", &vec![7; 1 << 20]).await.unwrap_err().to_string();
    assert!(error.contains("full"), "{error}");
    drop(txn);
    for round in 0..2 {
        let mut txn = state.begin().await.unwrap();
        txn.set_cursor("engine", Position(round)).await.unwrap();
        txn.commit().await.unwrap();
        assert_eq!(state.cursor("engine").await.unwrap(), Position(round));
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_or_too_new_is_a_clear_error() {
    let Scratch { state, folder } = Scratch::new();
    let path = folder.path().join("other.sqlite");
    std::fs::write(&path, "this is not a database, not at all, whatever its name says").unwrap();
    let error = State::open(&path).await.unwrap_err().to_string();
    assert!(error.contains("other.sqlite") && error.contains("not a database"), "{error}");

    state.run_raw("INSERT INTO _sqlx_migrations VALUES (99, 'later', CURRENT_TIMESTAMP, true, x'00', 0)").await;
    state.close().await;
    let path = folder.path().join("state.sqlite");
    assert!(matches!(State::open(&path).await, Err(StateError::Version { found: 99, newest: 2, .. })));
    assert!(matches!(State::check(&path).await, Err(StateError::Version { found: 99, .. })));
}

/// Writes a database as versions before numbered migrations did.
async fn written_before_migrations(path: &Path) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let sql = r#"
        CREATE TABLE cursors (name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE entries (kind TEXT, key TEXT, value BLOB NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID;
        CREATE TABLE rollup_parts (
          id INTEGER PRIMARY KEY AUTOINCREMENT, rollup TEXT NOT NULL, resolution_s INTEGER NOT NULL, batch BLOB NOT NULL);
        INSERT INTO cursors VALUES ('engine', 7);
        INSERT INTO entries VALUES
          ('finding', 'f1', CAST('{}' AS BLOB)),
          ('dead_letter', 'otlp/logs/traces/00.01', CAST('{"items":3,"position":5,"reason":"no","signal":"traces",
            "sink":"otlp/logs","time":1700000000000000}' AS BLOB)),
          ('dead_letter', 'slack/alerts/f1', CAST('{"items":1,"position":null,"reason":"no","signal":"alerts",
            "sink":"slack","time":1700000000000001}' AS BLOB)),
          ('dead_letter', 'damaged', CAST('{' AS BLOB)),
          ('alert:slack/a', 'f1', CAST('{"channel":"slack/a","finding_id":"f1","firing_since":1000,"status":"firing",
            "told_at":2000,"severity":"warning","finding":{"id":"f1"}}' AS BLOB)),
          ('reader_began', 'exporter:otlp/traces', CAST('1700000000000000123' AS BLOB));
        PRAGMA user_version = 2;
    "#;
    sqlx::raw_sql(sql).execute(&pool).await.unwrap();
    pool.close().await;
}

#[tokio::test]
async fn what_was_json_in_entries_becomes_rows_of_its_own_tables() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.sqlite");
    written_before_migrations(&path).await;
    // The second start finds a current database.
    State::open(&path).await.unwrap().close().await;
    let state = State::open(&path).await.unwrap();
    let letters = state.dead_letters().await.unwrap();
    let letters: Vec<_> = letters
        .iter()
        .map(|StoredDeadLetter { exporter, signal, letter, time_us }| {
            let DeadLetter { key, position, items, reason } = letter;
            (exporter.as_str(), signal.as_str(), key.as_str(), *position, *items, reason.as_str(), *time_us)
        })
        .collect();
    let of_exporter = ("otlp/logs", "traces", "00.01", Some(5), 3, "no", 1_700_000_000_000_000);
    assert_eq!(letters, [of_exporter, ("slack", "alerts", "f1", None, 1, "no", 1_700_000_000_000_001)]);
    let sent = StoredNotification {
        channel: "slack/a".to_owned(),
        finding_id: "f1".to_owned(),
        firing_since_us: 1000,
        sent_at_us: 2000,
        severity: Some("warning".to_owned()),
        finding: r#"{"id":"f1"}"#.to_owned(),
    };
    assert_eq!(state.notifications("slack/a").await.unwrap(), [sent]);
    assert_eq!(state.reader_start("exporter:otlp/traces", 1).await.unwrap(), 1_700_000_000_000_000_123);
    assert_eq!(state.cursor("engine").await.unwrap(), Position(7));
    assert_eq!(state.entries("finding").await.unwrap().len(), 1);
    assert!(state.entries("dead_letter").await.unwrap().is_empty());
}

fn letters(numbers: std::ops::Range<u64>) -> Vec<DeadLetter> {
    let letter = |number: u64| DeadLetter {
        key: format!("{number:06}"),
        position: Some(number),
        items: 1,
        reason: "no".to_owned(),
    };
    numbers.map(letter).collect()
}

async fn kept(state: &State, of: (&str, &str)) -> Vec<String> {
    let letters = state.dead_letters().await.unwrap().into_iter();
    letters.filter(|row| (row.exporter.as_str(), row.signal.as_str()) == of).map(|row| row.letter.key).collect()
}

#[tokio::test]
async fn a_thousand_dead_letters_are_kept_of_each_exporter_and_signal() {
    let Scratch { state, folder: _folder } = Scratch::new();
    state.record_dead_letters(("other", "logs"), &letters(0..3)).await.unwrap();
    state.record_dead_letters(("otlp", "logs"), &letters(0..900)).await.unwrap();
    // Some are recorded twice, as after a restart.
    state.record_dead_letters(("otlp", "logs"), &letters(800..1100)).await.unwrap();
    assert_eq!(*state.deliveries().borrow(), 3, "a transaction each");
    let expected: Vec<String> = (100..1100).map(|number| format!("{number:06}")).collect();
    assert_eq!(kept(&state, ("otlp", "logs")).await, expected);
    state.record_dead_letters(("otlp", "logs"), &letters(2000..4000)).await.unwrap();
    let last = kept(&state, ("otlp", "logs")).await;
    assert_eq!((last.len(), last[0].as_str()), (1000, "003000"));
    assert_eq!(kept(&state, ("other", "logs")).await.len(), 3);
    state.remove_dead_letter(("otlp", "logs"), "003000").await.unwrap();
    assert_eq!(kept(&state, ("otlp", "logs")).await[0], "003001");
}

#[tokio::test]
async fn an_exporter_named_as_anothers_signal_keeps_letters_of_its_own() {
    let Scratch { state, folder: _folder } = Scratch::new();
    state.record_dead_letters(("otlp_http/logs", "traces"), &letters(0..1000)).await.unwrap();
    state.record_dead_letters(("otlp_http", "logs"), &letters(0..1001)).await.unwrap();
    assert_eq!(kept(&state, ("otlp_http/logs", "traces")).await[0], "000000");
    assert_eq!(kept(&state, ("otlp_http", "logs")).await[0], "000001");
}

/// A kill before the reader has read anything does not change its start.
#[tokio::test]
async fn a_reader_is_as_old_as_when_it_first_began() {
    let Scratch { state, folder: _folder } = Scratch::new();
    for unix_nano in [5, 9] {
        state.begin_readers(&[("exporter:datadog/metrics".to_owned(), unix_nano)]).await.unwrap();
    }
    assert_eq!(state.reader_start("exporter:datadog/metrics", 9).await.unwrap(), 5);
    assert_eq!(state.reader_start("exporter:datadog/traces", 9).await.unwrap(), 9, "not known before");
}
