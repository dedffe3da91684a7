mod bound;
mod endings;
mod letters;
mod ordered;
mod pace;
mod panics;
mod several;

use super::*;
use crate::delivery::settings::{QueueSettings, RateSettings, RetrySettings};
use crate::model::signal::Encoding;
use crate::state::StoredDeadLetter;
use crate::state::testing::Scratch;
use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use parking_lot::Mutex;
use prost::Message as _;
use std::collections::VecDeque;
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

/// Frames returned in order.
#[derive(Default)]
struct Given {
    frames: Mutex<Vec<Frame>>,
    more: Notify,
    /// Backpressure reasons set and cleared, in order.
    holds: Mutex<Vec<Option<String>>>,
}

#[async_trait]
impl FrameSource for Given {
    async fn next(&self, after: Position) -> anyhow::Result<Option<(Position, Frame)>> {
        let frames = self.frames.lock();
        Ok(frames.get(usize::try_from(after.0)?).map(|frame| (Position(after.0 + 1), frame.clone())))
    }

    async fn wait_beyond(&self, after: Position) {
        while self.frames.lock().len() as u64 <= after.0 {
            self.more.notified().await;
        }
    }

    fn protobuf(&self, frame: &Frame) -> anyhow::Result<Bytes> {
        Ok(frame.payload.clone())
    }

    fn before_time(&self, _time: std::time::SystemTime) -> Position {
        Position(0)
    }

    fn bytes_behind(&self, after: Position) -> u64 {
        // Each frame counts as a hundred bytes.
        (self.frames.lock().len() as u64 - after.0) * 100
    }

    fn hold_senders(&self, _reader: &str, reason: Option<String>) {
        self.holds.lock().push(reason);
    }
}

fn frame(signal: Signal, name: &str) -> Frame {
    frame_of(signal, &[name])
}

fn frame_of(signal: Signal, names: &[&str]) -> Frame {
    let spans = names.iter().map(|name| Span { name: (*name).into(), ..Span::default() }).collect();
    let scope = ScopeSpans { spans, ..ScopeSpans::default() };
    let resource = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
    Frame {
        receiver: "otlp".into(),
        signal,
        encoding: Encoding::Protobuf,
        received_unix_nano: 0,
        digest: 0,
        rejected: Vec::new(),
        payload: ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec().into(),
    }
}

/// Returns the given outcomes, then accepts everything.
#[derive(Default)]
struct Sink {
    answers: Mutex<VecDeque<Outcome>>,
    taken: Mutex<Vec<String>>,
    attempts: Mutex<usize>,
    /// Maximum items that it accepts per request.
    largest: Option<u64>,
    /// Requests with a span of this name are always answered with a retry.
    puts_off: Option<&'static str>,
    /// Requests with a span of this name are always rejected.
    refuses: Option<&'static str>,
    /// Whether requests pass a stage that counts their spans.
    counts: bool,
    /// The `seen_since` time of the stage, in each run.
    seen_since: Arc<Mutex<Vec<u64>>>,
    /// Spans per payload, if a request becomes several.
    several: Option<usize>,
    /// Spans per part, if it accepts a request in parts.
    in_parts: Option<usize>,
    /// Name of a span that makes it panic, and how often.
    panics: Mutex<(&'static str, usize)>,
    /// Duration of a request.
    takes: Duration,
    at_once: Mutex<usize>,
    most_at_once: Mutex<usize>,
}

#[async_trait]
impl Exporter for Sink {
    fn map(&self, signal: Signal, request: &Bytes) -> anyhow::Result<Mapped> {
        match self.several {
            Some(spans) => several::mapped(request, spans),
            None => Ok(Mapped { payloads: vec![Payload::of_request(signal, request.clone())], rejected: Vec::new() }),
        }
    }

    fn split(&self, payload: &Payload) -> Option<(Payload, Payload)> {
        wire::halves(payload.signal, &payload.body).map(|(first, rest)| {
            (Payload::of_request(payload.signal, first), Payload::of_request(payload.signal, rest))
        })
    }

    fn stateful_stage(&self, _signal: Signal) -> Option<Box<dyn StatefulStage>> {
        self.counts.then(|| ordered::counting(&self.seen_since))
    }

    async fn send(&self, payload: &Payload) -> Outcome {
        *self.attempts.lock() += 1;
        if !self.takes.is_zero() {
            let at_once = {
                let mut at_once = self.at_once.lock();
                *at_once += 1;
                *at_once
            };
            let most = at_once.max(*self.most_at_once.lock());
            *self.most_at_once.lock() = most;
            tokio::time::sleep(self.takes).await;
            *self.at_once.lock() -= 1;
        }
        let request = ExportTraceServiceRequest::decode(payload.body.clone()).unwrap();
        let spans = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans[0].spans);
        let names: Vec<String> = spans.map(|span| span.name.clone()).collect();
        panics::over(self, &names);
        if let Some(spans) = self.in_parts.filter(|spans| names.len() > *spans) {
            return several::sent_in_parts(self, &names, spans);
        }
        if self.puts_off.is_some_and(|put_off| names.iter().any(|name| name == put_off)) {
            return retry();
        }
        if self.refuses.is_some_and(|refused| names.iter().any(|name| name == refused)) {
            return Outcome::Rejected("400: no".into());
        }
        if self.largest.is_some_and(|largest| payload.items > largest) {
            return Outcome::TooLarge("too large".into());
        }
        let answer = self.answers.lock().pop_front();
        let answer = answer.unwrap_or_else(Outcome::delivered);
        if matches!(answer, Outcome::Delivered { .. }) {
            self.taken.lock().extend(names);
        }
        answer
    }
}

struct Bench {
    frames: Arc<Given>,
    target: Arc<Sink>,
    scratch: Scratch,
    stats: Arc<ExporterStats>,
    queue: QueueSettings,
    retry: RetrySettings,
    items_max: u64,
}

impl Bench {
    fn new(target: Sink, names: &[&str]) -> Bench {
        let frames = Given::default();
        *frames.frames.lock() = names.iter().map(|name| frame(Signal::Traces, name)).collect();
        let queue = QueueSettings { consumers: 1, ..QueueSettings::default() };
        let retry = RetrySettings {
            initial_interval: Duration::from_millis(1),
            max_interval: Duration::from_millis(2),
            ..RetrySettings::default()
        };
        Bench {
            frames: Arc::new(frames),
            target: Arc::new(target),
            scratch: Scratch::new(),
            stats: Arc::default(),
            queue,
            retry,
            items_max: 0,
        }
    }

    /// Runs until everything has been dealt with.
    async fn run(&self) {
        let batch = BatchSettings {
            flush_timeout: Duration::from_millis(5),
            items_max: self.items_max,
            ..BatchSettings::default()
        };
        let (retry, queue) = (self.retry.clone(), self.queue.clone());
        let settings = DeliverySettings { id: "otlp".into(), retry, batch, queue };
        let context = DeliveryContext {
            frames: self.frames.clone(),
            exporter: self.target.clone(),
            state: self.scratch.state.clone(),
            stats: self.stats.clone(),
            rate: Arc::new(Rate::new(RateSettings::default())),
        };
        let cancel = CancellationToken::new();
        let feed = Feed { signal: Signal::Traces, receivers: vec!["otlp".into()], processors: Vec::new() };
        let delivery = Delivery::open(settings, Signal::Traces, vec![feed], context, cancel.clone()).await.unwrap();
        // Dropped with the test's future, like a killed process.
        let running = AbortOnDropHandle::new(tokio::spawn(delivery.run()));
        let all = self.frames.frames.lock().len() as u64;
        let done = async {
            while self.stats.standing().position != Some(Position(all)) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), done).await.expect("everything is dealt with");
        cancel.cancel();
        running.await.unwrap();
    }

    /// Runs for this long and is killed; returns true if it had not finished.
    async fn is_cut_short(&self, after: Duration) -> bool {
        let ended = tokio::time::timeout(after, self.run()).await;
        // An aborted task is gone only when it is next scheduled.
        tokio::time::sleep(Duration::from_millis(20)).await;
        ended.is_err()
    }

    async fn dead_letters(&self) -> Vec<StoredDeadLetter> {
        self.scratch.state.dead_letters().await.unwrap()
    }

    fn taken(&self) -> Vec<String> {
        self.target.taken.lock().clone()
    }
}

fn retry() -> Outcome {
    Outcome::Retry { after: None, reason: "503".into() }
}

#[tokio::test]
async fn a_target_that_was_down_gets_everything_once_in_order() {
    let target = Sink { answers: Mutex::new([retry(), retry(), retry(), retry()].into()), ..Sink::default() };
    let bench = Bench::new(target, &["a", "b", "c"]);
    bench.run().await;
    assert_eq!(bench.taken(), ["a", "b", "c"]);
    assert_eq!(bench.stats.sent_items.load(std::sync::atomic::Ordering::Relaxed), 3);
    assert_eq!(bench.stats.standing().state, "ok");
    assert_eq!(bench.stats.standing().last_error.as_deref(), Some("503"));
}

#[tokio::test]
async fn a_restart_goes_on_behind_what_was_delivered() {
    let bench = Bench::new(Sink::default(), &["a", "b"]);
    bench.run().await;
    let of_others = Frame { receiver: "otlp/edge".into(), ..frame(Signal::Traces, "y") };
    let more = [frame(Signal::Metrics, "x"), of_others, frame(Signal::Traces, "c")];
    bench.frames.frames.lock().extend(more);
    bench.run().await;
    assert_eq!(bench.taken(), ["a", "b", "c"], "nothing twice, no other signal, and no other receiver's");
    assert_eq!(bench.scratch.state.cursor("exporter:otlp/traces").await.unwrap(), Position(5));
}

#[tokio::test]
async fn what_is_too_large_is_split_and_alone_a_dead_letter() {
    let bench = Bench::new(Sink { largest: Some(1), ..Sink::default() }, &["a", "b", "c"]);
    bench.run().await;
    assert_eq!(bench.taken(), ["a", "b", "c"]);
    let bench = Bench::new(Sink { largest: Some(0), ..Sink::default() }, &["a"]);
    bench.run().await;
    assert_eq!(bench.dead_letters().await.len(), 1);
}

#[tokio::test]
async fn a_frame_larger_than_the_target_takes_is_cut() {
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    let bench = Bench::new(Sink { largest: Some(2), ..Sink::default() }, &["before"]);
    bench.frames.frames.lock().push(frame_of(Signal::Traces, &names));
    bench.run().await;
    assert_eq!(bench.taken(), [&["before"][..], &names].concat(), "each once, in order");
    assert!(bench.dead_letters().await.is_empty());
    let bench = Bench::new(Sink { largest: Some(0), ..Sink::default() }, &[]);
    bench.frames.frames.lock().push(frame_of(Signal::Traces, &names));
    bench.run().await;
    assert_eq!(bench.dead_letters().await.len(), names.len(), "each is told");
}

#[tokio::test]
async fn what_is_refused_for_good_is_a_dead_letter_and_holds_up_nothing() {
    let target = Sink { answers: Mutex::new([Outcome::PermanentError("400: no".into())].into()), ..Sink::default() };
    let bench = Bench::new(target, &["a"]);
    bench.run().await;
    bench.frames.frames.lock().push(frame(Signal::Traces, "b"));
    bench.run().await;
    assert_eq!(bench.taken(), ["b"]);
    let letters = bench.dead_letters().await;
    assert_eq!((letters[0].letter.reason.as_str(), letters[0].letter.items), ("400: no", 1));
}

#[tokio::test]
async fn a_cancelled_delivery_leaves_what_was_not_taken_for_the_next_start() {
    let answers = std::iter::repeat_with(retry).take(1_000_000).collect();
    let bench = Bench::new(Sink { answers: Mutex::new(answers), ..Sink::default() }, &["a"]);
    assert!(bench.is_cut_short(Duration::from_millis(100)).await && bench.taken().is_empty());
    assert_eq!(bench.scratch.state.cursor("exporter:otlp/traces").await.unwrap(), Position(0));
    bench.target.answers.lock().clear();
    bench.run().await;
    assert_eq!(bench.taken(), ["a"]);
}

#[tokio::test]
async fn a_frame_that_is_refused_does_not_cost_those_beside_it() {
    let refusing = Sink { refuses: Some("bad"), ..Sink::default() };
    let bench = Bench::new(refusing, &["a", "b", "bad", "c", "d"]);
    bench.run().await;
    assert_eq!(bench.taken(), ["a", "b", "c", "d"]);
    let letters = bench.dead_letters().await;
    assert_eq!((letters.len(), letters[0].letter.position), (1, Some(3)));
}

#[tokio::test]
async fn items_that_a_target_puts_back_are_sent_again_and_those_it_refuses_are_told() {
    let again = Payload::of_request(Signal::Traces, frame_of(Signal::Traces, &["c"]).payload);
    let in_part = Outcome::PartialSuccess {
        taken: 1,
        refused: vec![Rejected { items: 1, reason: "mapping".into() }],
        again: Some(again),
        after: None,
        reason: "429".into(),
    };
    let bench = Bench::new(Sink { answers: Mutex::new([in_part, retry()].into()), ..Sink::default() }, &[]);
    bench.frames.frames.lock().push(frame_of(Signal::Traces, &["a", "b", "c"]));
    bench.run().await;
    assert_eq!(bench.taken(), ["c"], "the others had their verdict");
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!((count(&bench.stats.sent_items), count(&bench.stats.refused_items)), (2, 1));
    assert_eq!(bench.dead_letters().await.len(), 1);
}

#[tokio::test]
async fn batches_under_way_side_by_side_move_the_cursor_in_order() {
    let names: Vec<String> = (0..50).map(|number| format!("n{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut bench = Bench::new(Sink { takes: Duration::from_millis(5), ..Sink::default() }, &names);
    bench.queue.consumers = 8;
    bench.items_max = 1;
    bench.run().await;
    let mut taken = bench.taken();
    taken.sort_by_key(|name| name[1..].parse::<u32>().unwrap());
    assert_eq!(taken, names, "each once");
    assert!(*bench.target.most_at_once.lock() > 1, "side by side");
    assert_eq!(bench.scratch.state.cursor("exporter:otlp/traces").await.unwrap(), Position(50));
}

#[tokio::test]
async fn a_target_that_refuses_for_its_own_fault_is_asked_once_a_batch() {
    let answers = Mutex::new([Outcome::PermanentError("500: broken".into())].into());
    let bench = Bench::new(Sink { answers, ..Sink::default() }, &["a", "b", "c", "d"]);
    bench.run().await;
    assert_eq!(*bench.target.attempts.lock(), 1);
    assert_eq!(bench.dead_letters().await.len(), 4, "each frame is told");
}
