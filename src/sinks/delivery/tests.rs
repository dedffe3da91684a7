use super::*;
use crate::model::signal::Encoding;
use crate::sinks::dead_letters::DEAD_LETTERS;
use crate::sinks::memory::testing::InMemory;
use async_trait::async_trait;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use serde_json::json;
use std::collections::VecDeque;
use std::sync::Mutex;
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

/// Frames that are given one after the other.
#[derive(Default)]
struct Given {
    frames: Mutex<Vec<Frame>>,
    more: Notify,
}

#[async_trait]
impl FrameSource for Given {
    async fn next(&self, after: Position) -> anyhow::Result<Option<(Position, Frame)>> {
        let frames = self.frames.lock().unwrap();
        Ok(frames.get(usize::try_from(after.0)?).map(|frame| (Position(after.0 + 1), frame.clone())))
    }

    async fn wait_beyond(&self, after: Position) {
        while self.frames.lock().unwrap().len() as u64 <= after.0 {
            self.more.notified().await;
        }
    }

    fn protobuf(&self, frame: &Frame) -> anyhow::Result<Bytes> {
        Ok(frame.payload.clone())
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
        decoder_version: 1,
        digest: 0,
        rejected: Vec::new(),
        payload: ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec().into(),
    }
}

/// Answers as told, and then always takes everything.
#[derive(Default)]
struct Target {
    answers: Mutex<VecDeque<Outcome>>,
    taken: Mutex<Vec<String>>,
    attempts: Mutex<usize>,
    /// Items that it takes in one request.
    largest: Option<u64>,
}

#[async_trait]
impl Sender for Target {
    async fn send(&self, _signal: Signal, body: Bytes) -> Outcome {
        *self.attempts.lock().unwrap() += 1;
        if self.largest.is_some_and(|largest| count_items(Signal::Traces, &body) > largest) {
            return Outcome::TooLarge("too large".into());
        }
        let answer = self.answers.lock().unwrap().pop_front();
        let answer = answer.unwrap_or(Outcome::Delivered { rejected: 0, message: String::new() });
        if matches!(answer, Outcome::Delivered { .. }) {
            let request = ExportTraceServiceRequest::decode(body).unwrap();
            let spans = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans[0].spans);
            self.taken.lock().unwrap().extend(spans.map(|span| span.name.clone()));
        }
        answer
    }
}

struct Bench {
    frames: Arc<Given>,
    target: Arc<Target>,
    memory: Arc<InMemory>,
    stats: Arc<SinkStats>,
}

impl Bench {
    fn new(target: Target, names: &[&str]) -> Bench {
        let frames = Given::default();
        *frames.frames.lock().unwrap() = names.iter().map(|name| frame(Signal::Traces, name)).collect();
        Bench { frames: Arc::new(frames), target: Arc::new(target), memory: Arc::default(), stats: Arc::default() }
    }

    /// Runs until everything there is has been dealt with.
    async fn run(&self) {
        let retry = RetrySettings {
            initial_interval: Duration::from_millis(1),
            max_interval: Duration::from_millis(2),
            ..RetrySettings::default()
        };
        let batch = BatchSettings { flush_timeout: Duration::from_millis(5), ..BatchSettings::default() };
        let settings = DeliverySettings { id: "otlp".into(), retry, batch };
        let ends = (self.frames.clone() as Arc<dyn FrameSource>, self.target.clone() as Arc<dyn Sender>);
        let kept = (self.memory.clone() as Arc<dyn Memory>, self.stats.clone());
        let cancel = CancellationToken::new();
        let delivery = Delivery::open(settings, Signal::Traces, ends, kept, cancel.clone()).await.unwrap();
        // Ends with the test's future, as a killed process would.
        let running = AbortOnDropHandle::new(tokio::spawn(delivery.run()));
        let all = self.frames.frames.lock().unwrap().len() as u64;
        let done = async {
            while self.stats.standing().position != Some(Position(all)) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), done).await.expect("everything is dealt with");
        cancel.cancel();
        running.await.unwrap();
    }

    fn taken(&self) -> Vec<String> {
        self.target.taken.lock().unwrap().clone()
    }
}

fn retry() -> Outcome {
    Outcome::Retry { after: None, reason: "503".into() }
}

#[tokio::test]
async fn a_target_that_was_down_gets_everything_once_in_order() {
    let target = Target { answers: Mutex::new([retry(), retry(), retry(), retry()].into()), ..Target::default() };
    let bench = Bench::new(target, &["a", "b", "c"]);
    bench.run().await;
    assert_eq!(bench.taken(), ["a", "b", "c"]);
    assert_eq!(bench.stats.sent_items.load(std::sync::atomic::Ordering::Relaxed), 3);
    assert_eq!(bench.stats.standing().state, "ok");
    assert_eq!(bench.stats.standing().last_error.as_deref(), Some("503"));
}

#[tokio::test]
async fn a_restart_goes_on_behind_what_was_delivered() {
    let bench = Bench::new(Target::default(), &["a", "b"]);
    bench.run().await;
    bench.frames.frames.lock().unwrap().extend([frame(Signal::Metrics, "x"), frame(Signal::Traces, "c")]);
    bench.run().await;
    assert_eq!(bench.taken(), ["a", "b", "c"], "nothing twice, and no other signal");
    assert_eq!(bench.memory.cursor("exporter:otlp/traces").await.unwrap(), Position(4));
}

#[tokio::test]
async fn what_is_too_large_is_split_and_alone_a_dead_letter() {
    let bench = Bench::new(Target { largest: Some(1), ..Target::default() }, &["a", "b", "c"]);
    bench.run().await;
    assert_eq!(bench.taken(), ["a", "b", "c"]);
    let bench = Bench::new(Target { largest: Some(0), ..Target::default() }, &["a"]);
    bench.run().await;
    assert_eq!(bench.memory.entries(DEAD_LETTERS).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_frame_larger_than_the_target_takes_is_cut() {
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    let bench = Bench::new(Target { largest: Some(2), ..Target::default() }, &["before"]);
    bench.frames.frames.lock().unwrap().push(frame_of(Signal::Traces, &names));
    bench.run().await;
    assert_eq!(bench.taken(), [&["before"][..], &names].concat(), "each once, in order");
    assert!(bench.memory.entries(DEAD_LETTERS).await.unwrap().is_empty());
    let bench = Bench::new(Target { largest: Some(0), ..Target::default() }, &[]);
    bench.frames.frames.lock().unwrap().push(frame_of(Signal::Traces, &names));
    bench.run().await;
    assert_eq!(bench.memory.entries(DEAD_LETTERS).await.unwrap().len(), names.len(), "each is told");
}

#[tokio::test]
async fn what_is_refused_for_good_is_a_dead_letter_and_holds_up_nothing() {
    let target = Target { answers: Mutex::new([Outcome::Refused("400: no".into())].into()), ..Target::default() };
    let bench = Bench::new(target, &["a"]);
    bench.run().await;
    bench.frames.frames.lock().unwrap().push(frame(Signal::Traces, "b"));
    bench.run().await;
    assert_eq!(bench.taken(), ["b"]);
    let letters = bench.memory.entries(DEAD_LETTERS).await.unwrap();
    let letter: serde_json::Value = serde_json::from_slice(&letters[0].1).unwrap();
    assert_eq!((&letter["reason"], &letter["items"]), (&json!("400: no"), &json!(1)));
}

#[tokio::test]
async fn a_cancelled_delivery_leaves_what_was_not_taken_for_the_next_start() {
    let answers = std::iter::repeat_with(retry).take(1_000_000).collect();
    let bench = Bench::new(Target { answers: Mutex::new(answers), ..Target::default() }, &["a"]);
    let unfinished = tokio::time::timeout(Duration::from_millis(100), bench.run()).await;
    assert!(unfinished.is_err() && bench.taken().is_empty());
    assert_eq!(bench.memory.cursor("exporter:otlp/traces").await.unwrap(), Position(0));
    bench.target.answers.lock().unwrap().clear();
    bench.run().await;
    assert_eq!(bench.taken(), ["a"]);
}
