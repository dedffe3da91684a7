use super::Replay;
use crate::app::frames::FrameLog;
use crate::catalog::schemas;
use crate::ingest::decode::Decoder;
use crate::ingest::{Admission, IngestSettings};
use crate::log::{Log, LogSettings};
use crate::model::frame::Position;
use crate::model::frame::{Frame, digest};
use crate::model::signal::{Encoding, Signal};
use crate::store::{Coverage, HotStore};
use arrow::array::AsArray as _;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;
use tokio_util::sync::CancellationToken;

fn span(name: &str, id: &str) -> serde_json::Value {
    serde_json::json!({"traceId": "01".repeat(16), "spanId": id, "name": name, "startTimeUnixNano": "1",
                       "endTimeUnixNano": "2"})
}

/// Returns a request with one valid span and one that is rejected.
fn body(name: &str) -> Bytes {
    let spans = [span(name, "0102030405060708"), span(name, "01")];
    serde_json::json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).to_string().into()
}

fn now_unix_nano() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_nanos()).unwrap()
}

fn decoder() -> Arc<Decoder> {
    Arc::new(Decoder::new(&schemas::builtin().unwrap_or_else(|faults| panic!("{faults}"))))
}

/// Writes a log with a request per name, received one second apart.
async fn written(dir: &Path, names: &[&str], segment_bytes: u64, first_unix_nano: i64) {
    let settings = LogSettings { dir: dir.to_owned(), segment_bytes, ..LogSettings::default() };
    let (log, _committed, _): (FrameLog, _, _) = Log::open(settings).unwrap();
    for (name, second) in names.iter().zip(0..) {
        let (payload, received_unix_nano) = (body(name), first_unix_nano + second * 1_000_000_000);
        let decoded = decoder().decode(Signal::Traces, Encoding::Json, &payload, received_unix_nano).unwrap();
        let frame = Frame {
            receiver: "otlp".into(),
            signal: Signal::Traces,
            encoding: Encoding::Json,
            received_unix_nano,
            digest: digest(Signal::Traces, &payload),
            rejected: decoded.rejected.items,
            payload,
        };
        log.append(frame.header(), frame.payload, None).await.unwrap();
    }
}

/// A start with an existing log.
struct Start {
    log: FrameLog,
    decoder: Arc<Decoder>,
    store: Arc<HotStore>,
    admission: Arc<Admission>,
    replay: Arc<Replay>,
}

impl Start {
    fn new(dir: &Path, memory_bytes_max: usize) -> Start {
        let settings = LogSettings { dir: dir.to_owned(), ..LogSettings::default() };
        let (log, _committed, _) = Log::open(settings).unwrap();
        let tables = schemas::builtin().unwrap_or_else(|faults| panic!("{faults}"));
        let decoder = decoder();
        let admission = Admission::new(log.clone(), decoder.clone(), IngestSettings::default());
        let store = HotStore::new(&tables, memory_bytes_max);
        let replay = Replay::begin(&log, &store, &admission);
        Start { log, decoder, store, admission, replay }
    }

    fn fill(&self) {
        self.replay.fill(&self.decoder, &CancellationToken::new());
    }

    fn spans(&self) -> Coverage {
        self.store.coverage().into_iter().find(|coverage| coverage.table == "spans").unwrap()
    }

    /// Returns the span names of the frames after a position, in order.
    fn names(&self, after: u64) -> Vec<String> {
        let names = |batch: &RecordBatch| {
            let names = batch.column_by_name("name").unwrap().as_string::<i32>();
            names.iter().map(|name| name.unwrap().to_owned()).collect::<Vec<_>>()
        };
        let new = self.store.since(Position(after)).unwrap();
        new.tables.get("spans").into_iter().flatten().flat_map(names).collect()
    }
}

fn bytes_of_one() -> usize {
    decoder().decode(Signal::Traces, Encoding::Json, &body("a"), 0).unwrap().memory_bytes()
}

#[tokio::test]
async fn requests_whose_rows_do_not_fit_in_memory_are_known_again_with_their_answers() {
    let (dir, first_unix_nano) = (tempfile::tempdir().unwrap(), now_unix_nano());
    written(dir.path(), &["a", "b", "c"], 1, first_unix_nano).await;
    let start = Start::new(dir.path(), 2 * bytes_of_one());
    start.replay.recall();
    for name in ["a", "b", "c"] {
        let answer =
            start.admission.known(digest(Signal::Traces, &body(name))).unwrap_or_else(|| panic!("{name} is known"));
        assert_eq!(answer.rejected, 1);
        assert!(answer.message.ends_with("spans[1].spanId: expected 8 bytes, found 1"), "{}", answer.message);
    }
    assert!(start.admission.known(digest(Signal::Traces, &body("d"))).is_none());
    assert!(start.replay.progress().is_some());
    start.fill();
    assert_eq!(start.replay.progress(), None);
    assert_eq!((start.names(1), start.store.since(Position(0)).is_err()), (vec!["b".into(), "c".into()], true));
    let spans = start.spans();
    assert_eq!((spans.rows, spans.evicted), (2, true), "the oldest has no room");
    assert_eq!(spans.from_us, Some((first_unix_nano / 1000 + 1).max(first_unix_nano / 1000 + 1_000_000)));
}

#[tokio::test]
async fn a_request_waits_until_it_is_known_whether_it_is_a_resend() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), &["a", "b"], 1 << 20, now_unix_nano()).await;
    let start = Start::new(dir.path(), 64 << 20);
    let accept = |name| start.admission.accept_own("otlp", Signal::Traces, Encoding::Json, body(name));
    let recalled_later = async {
        // Long enough for a request that does not wait.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(start.log.newest(), Position(2));
        start.replay.recall();
    };
    let (known, new, ()) = tokio::join!(accept("a"), accept("c"), recalled_later);
    assert_eq!((known, new, start.log.newest()), (Ok(()), Ok(()), Position(3)));
}

#[tokio::test]
async fn requests_of_before_the_window_are_not_known_and_need_no_room() {
    let (dir, now) = (tempfile::tempdir().unwrap(), now_unix_nano());
    let old = now - 3600 * 1_000_000_000;
    written(dir.path(), &["a"], 1, old).await;
    let start = Start::new(dir.path(), 64 << 20);
    start.replay.recall();
    assert!(start.admission.known(digest(Signal::Traces, &body("a"))).is_none());
}

#[tokio::test]
async fn rows_come_back_in_order_beside_those_that_come_in_meanwhile() {
    let (dir, first_unix_nano) = (tempfile::tempdir().unwrap(), now_unix_nano());
    written(dir.path(), &["a", "b", "c", "d", "e"], 900, first_unix_nano).await;
    let start = Start::new(dir.path(), 64 << 20);
    assert!(start.log.segment_holding(Position(1)).unwrap().last() < Position(5), "there are several segments");
    assert_eq!(start.store.newest(), Position(5));
    assert!(start.store.since(Position(4)).is_err(), "until then the engine reads them from the log");
    let decoded = |name| start.decoder.decode(Signal::Traces, Encoding::Json, &body(name), first_unix_nano).unwrap();
    start.store.append(Position(6), &decoded("f"));
    start.fill();
    start.store.append(Position(7), &decoded("g"));
    assert_eq!(start.names(0), ["a", "b", "c", "d", "e", "f", "g"]);
    assert_eq!(start.names(4), ["e", "f", "g"]);
    let spans = start.spans();
    assert_eq!((spans.from_us, spans.evicted), (Some(first_unix_nano / 1000), false), "all that there ever was");
}

#[tokio::test]
async fn a_damaged_frame_is_passed_over_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), &["a", "b", "c"], 1 << 20, now_unix_nano()).await;
    let path = std::fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let start = Start::new(dir.path(), 64 << 20);
    start.fill();
    assert_eq!(start.names(0), ["a", "c"]);
    let read = |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!((read(&start.replay.frames), read(&start.replay.damaged)), (2, 1));
}

#[tokio::test]
async fn a_stop_in_the_middle_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), &["a", "b", "c"], 1 << 20, now_unix_nano()).await;
    let start = Start::new(dir.path(), 64 << 20);
    let cancel = CancellationToken::new();
    cancel.cancel();
    start.replay.fill(&start.decoder, &cancel);
    assert_eq!((start.spans().rows, start.store.is_filling()), (0, true));
}

#[tokio::test]
async fn an_empty_log_has_nothing_to_fill() {
    let dir = tempfile::tempdir().unwrap();
    let start = Start::new(dir.path(), 64 << 20);
    start.replay.recall();
    start.fill();
    assert_eq!((start.replay.progress(), start.spans().evicted), (None, false));
}
