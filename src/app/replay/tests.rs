use super::replay;
use crate::catalog::schemas;
use crate::ingest::decode::{DECODER_VERSION, Decoder};
use crate::ingest::{Admission, IngestSettings};
use crate::log::{Log, LogSettings};
use crate::model::frame::{Frame, digest};
use crate::model::signal::{Encoding, Signal};
use crate::store::HotStore;
use bytes::Bytes;
use std::sync::Arc;
use std::time::SystemTime;

fn span(name: &str, id: &str) -> serde_json::Value {
    serde_json::json!({"traceId": "01".repeat(16), "spanId": id, "name": name, "startTimeUnixNano": "1",
                       "endTimeUnixNano": "2"})
}

/// A request with one good span and one that is refused.
fn body(name: &str) -> Bytes {
    let spans = [span(name, "0102030405060708"), span(name, "01")];
    serde_json::json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).to_string().into()
}

#[tokio::test]
async fn requests_whose_rows_do_not_fit_in_memory_are_known_again_with_their_answers() {
    let dir = tempfile::tempdir().unwrap();
    let settings = LogSettings { dir: dir.path().to_owned(), segment_bytes: 1, ..LogSettings::default() };
    let (log, _committed, _) = Log::open(settings).unwrap();
    let tables = schemas::builtin().unwrap_or_else(|faults| panic!("{faults}"));
    let decoder = Arc::new(Decoder::new(&tables));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let received_unix_nano = i64::try_from(now.as_nanos()).unwrap();
    for name in ["a", "b", "c"] {
        let payload = body(name);
        let decoded = decoder.decode(Signal::Traces, Encoding::Json, &payload, received_unix_nano).unwrap();
        let frame = Frame {
            receiver: "otlp".into(),
            signal: Signal::Traces,
            encoding: Encoding::Json,
            received_unix_nano,
            decoder_version: DECODER_VERSION,
            digest: digest(Signal::Traces, &payload),
            rejected: decoded.rejected.items.clone(),
            payload,
        };
        log.append(frame.header(), frame.payload, Arc::new(decoded)).await.unwrap();
    }
    let admission = Admission::new(log.clone(), decoder.clone(), IngestSettings::default());
    let store = HotStore::new(&tables, 64 << 20);
    let replayed = replay(&log, &decoder, &store, &admission, 1).unwrap();
    assert_eq!(replayed.frames, 1, "the last segment alone");
    for name in ["a", "b", "c"] {
        let answer = admission.known(digest(Signal::Traces, &body(name))).unwrap_or_else(|| panic!("{name} is known"));
        assert_eq!(answer.rejected, 1);
        assert!(answer.message.ends_with("spans[1].spanId: expected 8 bytes, found 1"), "{}", answer.message);
    }
    assert!(admission.known(digest(Signal::Traces, &body("d"))).is_none());
    let spans = store.coverage().into_iter().find(|coverage| coverage.table == "spans").unwrap();
    assert_eq!((spans.rows, spans.evicted), (1, true));
    assert_eq!(spans.from_us, Some(received_unix_nano / 1000 + 1));
}
