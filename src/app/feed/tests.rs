use super::*;
use crate::app::frames::FrameLog;
use crate::catalog::schemas;
use crate::ingest::{Admission, IngestSettings};
use crate::log::{Log, LogSettings};
use crate::model::self_telemetry;
use crate::model::signal::{Encoding, Signal};
use arrow::array::AsArray as _;
use bytes::Bytes;

struct Bench {
    _folder: tempfile::TempDir,
    log: FrameLog,
    admission: Arc<Admission>,
    feed: Feed,
}

impl Bench {
    fn new(inflight_bytes_max: usize) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let settings = LogSettings { dir: folder.path().to_owned(), ..LogSettings::default() };
        let (log, committed, _) = Log::open(settings).unwrap();
        let tables = schemas::builtin().unwrap_or_else(|faults| panic!("{faults}"));
        let decoder = Arc::new(Decoder::new(&tables));
        let settings = IngestSettings { inflight_bytes_max, ..IngestSettings::default() };
        let admission = Admission::new(log.clone(), decoder.clone(), settings);
        let feed = Feed::new(&log, &decoder, &HotStore::new(&tables, 64 << 20), committed);
        Bench { _folder: folder, log, admission, feed }
    }

    /// Sends requests of one span each, named by the number of the request.
    async fn send(&self, numbers: std::ops::Range<usize>) {
        for number in numbers {
            let span = serde_json::json!({"traceId": "01".repeat(16), "spanId": "01".repeat(8), "startTimeUnixNano": "1",
                "endTimeUnixNano": "2", "name": number.to_string()});
            let body = serde_json::json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).to_string();
            let taken = self.admission.accept_own("otlp", Signal::Traces, Encoding::Json, body.into()).await;
            assert_eq!(taken, Ok(()), "{number}");
        }
    }

    /// Returns the numbers in the hot tables.
    fn fed(&self) -> Vec<usize> {
        let new = self.feed.store.since(Position(0)).unwrap();
        let names = |batch: &arrow::record_batch::RecordBatch| {
            let names = batch.column_by_name("name").unwrap().as_string::<i32>();
            names.iter().map(|name| name.unwrap().parse().unwrap()).collect::<Vec<usize>>()
        };
        new.tables.get("spans").into_iter().flatten().flat_map(names).collect()
    }
}

/// Returns the bytes of the rows of one request, with the overhead of an entry.
async fn bytes_of_one() -> usize {
    let mut bench = Bench::new(64 << 20);
    bench.send(0..1).await;
    bench.feed.committed.try_recv().unwrap().attachment.decoded().memory_bytes() + 1024
}

#[tokio::test]
async fn rows_that_wait_for_the_hot_tables_are_bounded_and_requests_are_taken_all_the_same() {
    let one = bytes_of_one().await;
    // A quarter of the limit is for attached rows: three requests.
    let mut bench = Bench::new(4 * 3 * one);
    bench.send(0..20).await;
    assert_eq!(bench.log.newest(), Position(20));
    let attached = std::iter::from_fn(|| bench.feed.committed.try_recv().ok());
    let bytes: usize = attached.map(|frame| frame.attachment.decoded().memory_bytes()).sum();
    assert!(bytes > 0 && bytes <= 3 * one, "{bytes} bytes wait, of a request {one}");
    // Consumed rows release their memory.
    bench.send(20..21).await;
    assert_eq!(bench.feed.committed.try_recv().unwrap().position, Position(21));
}

#[tokio::test]
async fn rows_that_found_no_room_are_read_from_the_log_in_their_place() {
    let one = bytes_of_one().await;
    let mut bench = Bench::new(4 * 2 * one);
    for round in 0..3 {
        bench.send(round * 7..(round + 1) * 7).await;
        bench.feed.take_in().await;
        assert_eq!(bench.fed(), (0..(round + 1) * 7).collect::<Vec<_>>());
        assert_eq!(bench.feed.store.newest(), bench.log.newest());
    }
}

#[tokio::test]
async fn a_frame_that_cannot_be_decoded_is_passed_over() {
    let mut bench = Bench::new(64 << 20);
    bench.send(0..1).await;
    for body in ["no frame", "neither"] {
        bench.log.append(Bytes::new(), Bytes::from(body), None).await.unwrap();
    }
    bench.send(1..2).await;
    bench.log.append(Bytes::new(), Bytes::from_static(b"at the end"), None).await.unwrap();
    bench.feed.take_in().await;
    assert_eq!((bench.fed(), bench.feed.store.newest()), (vec![0, 1], Position(5)));
    bench.send(2..3).await;
    bench.feed.take_in().await;
    assert_eq!(bench.fed(), [0, 1, 2]);
}

#[tokio::test]
async fn what_is_derived_has_no_rows() {
    let mut bench = Bench::new(64 << 20);
    bench.admission.accept_derived(Signal::Metrics, Bytes::from_static(b"no metrics")).await.unwrap();
    bench.send(0..1).await;
    bench.feed.take_in().await;
    assert_eq!((bench.fed(), bench.feed.store.newest()), (vec![0], Position(2)), "{}", self_telemetry::DERIVED);
}
