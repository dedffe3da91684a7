//! Stateful stages.

use super::*;

/// Appends a running number to the name of each span, and leaves out spans named `old`.
struct Counting {
    spans: usize,
    left_out: u64,
    seen_since: Arc<Mutex<Vec<u64>>>,
}

impl StatefulStage for Counting {
    fn pass(&mut self, request: Bytes) -> anyhow::Result<Bytes> {
        let mut request = ExportTraceServiceRequest::decode(request)?;
        for scope in request.resource_spans.iter_mut().flat_map(|resource| &mut resource.scope_spans) {
            let before = scope.spans.len();
            scope.spans.retain(|span| span.name != "old");
            self.left_out += (before - scope.spans.len()) as u64;
            for span in &mut scope.spans {
                self.spans += 1;
                span.name = format!("{}{}", span.name, self.spans);
            }
        }
        Ok(request.encode_to_vec().into())
    }

    fn seen_since(&mut self, unix_nano: u64) {
        self.seen_since.lock().push(unix_nano);
    }

    fn left_out(&mut self) -> Vec<Rejected> {
        let items = std::mem::take(&mut self.left_out);
        if items == 0 { Vec::new() } else { vec![Rejected { items, reason: "it is old".into() }] }
    }
}

pub(super) fn counting(seen_since: &Arc<Mutex<Vec<u64>>>) -> Box<dyn StatefulStage> {
    Box::new(Counting { spans: 0, left_out: 0, seen_since: seen_since.clone() })
}

#[tokio::test]
async fn requests_pass_what_keeps_their_order_once_each_also_where_they_do_not_fit_and_over_a_restart() {
    let mut bench = Bench::new(Sink { counts: true, ..Sink::default() }, &["a", "b", "c"]);
    // Each frame except the first is read twice: it does not fit into the batch before it.
    bench.items_max = 1;
    bench.run().await;
    assert_eq!(bench.taken(), ["a1", "b2", "c3"]);
    bench.frames.frames.lock().extend([frame(Signal::Metrics, "x"), frame(Signal::Traces, "d")]);
    bench.run().await;
    assert_eq!(bench.taken(), ["a1", "b2", "c3", "d4"], "what came before the cursor is known again, and not sent");
}

#[tokio::test]
async fn what_is_left_out_is_told_once_also_where_nothing_else_came_with_it_and_is_not_told_again_by_learning() {
    let bench = Bench::new(Sink { counts: true, largest: Some(1), ..Sink::default() }, &["a", "old"]);
    bench.frames.frames.lock().push(frame_of(Signal::Traces, &["b", "old", "c", "old"]));
    bench.run().await;
    bench.frames.frames.lock().push(frame(Signal::Traces, "d"));
    bench.run().await;
    assert_eq!(bench.taken(), ["a1", "b2", "c3", "d4"]);
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!((count(&bench.stats.sent_items), count(&bench.stats.refused_items)), (4, 3));
    let letters = bench.dead_letters().await;
    assert!(letters.iter().all(|row| row.letter.reason == "it is old"), "{letters:?}");
    assert_eq!(letters.iter().map(|row| row.letter.items).sum::<u64>(), 3);
}

#[tokio::test]
async fn what_keeps_order_is_told_since_when_it_sees_all_also_over_a_restart() {
    let bench = Bench::new(Sink { counts: true, ..Sink::default() }, &["a"]);
    let now = || {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        u64::try_from(since.as_nanos()).unwrap()
    };
    let before = now();
    bench.run().await;
    let first = bench.target.seen_since.lock()[0];
    assert!((before..=now()).contains(&first), "at first, since it began");
    bench.frames.frames.lock().push(frame(Signal::Traces, "b"));
    bench.run().await;
    // With an hour of data, it sees everything from ten minutes before the cursor.
    let hour = 3_600_000_000_000;
    let received_unix_nano = i64::try_from(first + hour).unwrap();
    bench.frames.frames.lock().push(Frame { received_unix_nano, ..frame(Signal::Traces, "c") });
    bench.run().await;
    assert_eq!(*bench.target.seen_since.lock(), [first, first, first + hour - 600_000_000_000]);
}
