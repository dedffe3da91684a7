//! The table `exporters` after a delivery has ended or items were given up.

use super::*;

#[tokio::test]
async fn a_batch_that_was_given_up_leaves_nothing_failing() {
    let mut bench = Bench::new(Sink { answers: Mutex::new([retry()].into()), ..Sink::default() }, &["a"]);
    bench.retry.enabled = false;
    bench.run().await;
    assert_eq!(bench.dead_letters().await.len(), 1);
    let standing = bench.stats.standing();
    assert_eq!((standing.state, standing.failing_since), ("ok", None));
    assert_eq!(standing.last_error.as_deref(), Some("503"), "what was last said stays");
}

/// Accepts logs, and panics on metrics.
struct Panicking(Arc<Sink>);

#[async_trait]
impl Exporter for Panicking {
    fn stateful_stage(&self, signal: Signal) -> Option<Box<dyn StatefulStage>> {
        assert_ne!(signal, Signal::Metrics, "a fault of the program's");
        None
    }

    async fn send(&self, payload: &Payload) -> Outcome {
        self.0.send(payload).await
    }
}

#[tokio::test]
async fn a_signal_that_cannot_go_on_says_so_and_stops_no_other() {
    let frames = Arc::new(Given::default());
    frames.frames.lock().push(frame(Signal::Logs, "a"));
    let scratch = Scratch::new();
    let unreadable = "INSERT INTO cursors VALUES ('exporter:otlp/traces', 'damaged')";
    scratch.state.run_raw(unreadable).await;
    let stats = Signal::ALL.map(|signal| (signal, Arc::<ExporterStats>::default()));
    let of = |signal| stats.iter().find(|(of, _)| *of == signal).unwrap().1.clone();
    let sink = Arc::new(Sink::default());
    let exporter = Arc::new(Panicking(sink.clone()));
    let rate = Arc::new(Rate::new(RateSettings::default()));
    let feed = |signal| Feed { signal, receivers: vec!["otlp".into()], processors: Vec::new() };
    let settings = DeliverySettings {
        id: "otlp".into(),
        retry: RetrySettings::default(),
        batch: BatchSettings { flush_timeout: Duration::from_millis(5), ..BatchSettings::default() },
        queue: QueueSettings::default(),
    };
    let cancel = CancellationToken::new();
    let context = |signal| DeliveryContext {
        frames: frames.clone(),
        exporter: exporter.clone(),
        state: scratch.state.clone(),
        stats: of(signal),
        rate: rate.clone(),
    };
    let running = super::run(settings, Signal::ALL.map(feed).to_vec(), context, cancel.clone());
    let done = async {
        while sink.taken.lock().is_empty() || of(Signal::Metrics).standing().state == "ok" {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        cancel.cancel();
    };
    tokio::time::timeout(Duration::from_secs(10), async { tokio::join!(running, done) }).await.expect("logs go on");
    let error = |signal| of(signal).standing().last_error.unwrap_or_default();
    assert!(error(Signal::Traces).contains("state database"), "{}", error(Signal::Traces));
    assert_eq!(error(Signal::Logs), "");
    assert!(error(Signal::Metrics).starts_with("ended: ") && error(Signal::Metrics).contains("panicked"));
    assert_eq!([Signal::Traces, Signal::Metrics].map(|signal| of(signal).standing().state), ["retrying"; 2]);
}
