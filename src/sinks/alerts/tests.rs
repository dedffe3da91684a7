//! Channels against a real HTTP server on loopback.

use super::*;
use crate::log::Position;
use crate::model::finding::{FindingState, Proof, Severity};
use crate::sinks::memory::testing::InMemory;
use crate::sinks::settings::{RetrySettings, Secret};
use async_trait::async_trait;
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::{Json, Router};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

#[derive(Default)]
struct Receiver {
    seen: Mutex<Vec<(String, Value)>>,
    answers: Mutex<VecDeque<u16>>,
}

impl Receiver {
    fn keys(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(key, _)| key.clone()).collect()
    }

    fn bodies(&self) -> Vec<Value> {
        self.seen.lock().unwrap().iter().map(|(_, body)| body.clone()).collect()
    }
}

async fn receiver() -> (String, Arc<Receiver>) {
    let receiver = Arc::new(Receiver::default());
    // As a web framework's error page does it, the path is repeated.
    let handler =
        async |State(receiver): State<Arc<Receiver>>, uri: Uri, headers: HeaderMap, Json(body): Json<Value>| {
            let key = headers["idempotency-key"].to_str().unwrap().to_owned();
            receiver.seen.lock().unwrap().push((key, body));
            let status = receiver.answers.lock().unwrap().pop_front().unwrap_or(200);
            let wait = if status == 429 { "1" } else { "0" };
            let status = axum::http::StatusCode::from_u16(status).unwrap();
            (status, [(header::RETRY_AFTER, wait)], format!("Cannot POST {uri} with {:?}", headers.get("x-token")))
        };
    let router = Router::new().fallback(handler).with_state(receiver.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}/services/s3cret"), receiver)
}

fn finding(id: &str, state: FindingState, severity: Option<Severity>) -> Finding {
    Finding {
        id: id.into(),
        pipeline: "api_budget".into(),
        severity,
        state,
        title: "shop GET /a<b>: p95 is 300 ms & more".into(),
        key: vec![("service_name".into(), "shop".into())],
        value: Some(300.0),
        limit: Some(200.0),
        unit: "ms".into(),
        samples: 50,
        impact: String::new(),
        evidence: serde_json::Map::new(),
        trace_ids: vec!["0af7".into()],
        evidence_sql: "SELECT 1".into(),
        advice: "Look.".into(),
        proof: Proof::Measured,
        first_seen_ms: 1000,
        last_seen_ms: 2000,
        state_since_ms: 2000,
        firing_since_ms: (state == FindingState::Firing).then_some(2000),
    }
}

fn firing(id: &str) -> Finding {
    finding(id, FindingState::Firing, Some(Severity::Warning))
}

/// A memory whose disk may fail.
#[derive(Default)]
struct Disk {
    inner: InMemory,
    fails: AtomicBool,
}

impl Disk {
    fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(!self.fails.load(Ordering::SeqCst), "the disk is full");
        Ok(())
    }

    async fn told(&self) -> Vec<Told> {
        let entries = self.inner.entries("alert:slack").await.unwrap();
        entries.iter().map(|(_, bytes)| serde_json::from_slice(bytes).unwrap()).collect()
    }
}

#[async_trait]
impl Memory for Disk {
    async fn cursor(&self, name: &str) -> anyhow::Result<Position> {
        self.inner.cursor(name).await
    }

    async fn set_cursor(&self, name: &str, position: Position) -> anyhow::Result<()> {
        self.inner.set_cursor(name, position).await
    }

    async fn entries(&self, kind: &str) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
        self.inner.entries(kind).await
    }

    async fn put(&self, kind: &str, key: &str, value: &[u8]) -> anyhow::Result<()> {
        self.check()?;
        self.inner.put(kind, key, value).await
    }

    async fn delete(&self, kind: &str, key: &str) -> anyhow::Result<()> {
        self.check()?;
        self.inner.delete(kind, key).await
    }
}

struct Bench {
    settings: ChannelSettings,
    receiver: Arc<Receiver>,
    memory: Arc<Disk>,
    stats: Arc<SinkStats>,
    findings: watch::Sender<Arc<Vec<Finding>>>,
    running: Option<(tokio::task::JoinHandle<anyhow::Result<()>>, CancellationToken)>,
}

impl Bench {
    async fn new(kind: ChannelKind) -> Bench {
        Bench::with(kind, |_| ()).await
    }

    async fn with(kind: ChannelKind, change: impl FnOnce(&mut ChannelSettings)) -> Bench {
        let _already_there = rustls::crypto::ring::default_provider().install_default();
        let (url, receiver) = receiver().await;
        let retry = RetrySettings { initial_interval: Duration::from_millis(1), ..RetrySettings::default() };
        let settings = ChannelSettings {
            id: "slack".into(),
            kind,
            url: Secret::new(url),
            headers: vec![("x-token".into(), Secret::new("t0ken"))],
            severity_min: Severity::Warning,
            send_resolved: true,
            timeout: Duration::from_secs(5),
            retry,
        };
        let findings = watch::Sender::new(Arc::new(Vec::new()));
        let mut bench =
            Bench { settings, receiver, memory: Arc::default(), stats: Arc::default(), findings, running: None };
        change(&mut bench.settings);
        bench.start();
        bench
    }

    fn start(&mut self) {
        let cancel = CancellationToken::new();
        let memory: Arc<dyn Memory> = self.memory.clone();
        let running = run(self.settings.clone(), self.findings.subscribe(), memory, self.stats.clone(), cancel.clone());
        self.running = Some((tokio::spawn(running), cancel));
    }

    async fn restart(&mut self) {
        if let Some((running, cancel)) = self.running.take() {
            cancel.cancel();
            running.await.unwrap().unwrap();
        }
        self.start();
    }

    /// As `kill -9` does it: nothing is written any more.
    fn kill(&mut self) {
        if let Some((running, _)) = self.running.take() {
            running.abort();
        }
    }

    fn now(&self, findings: Vec<Finding>) {
        self.findings.send_replace(Arc::new(findings));
    }

    /// Waits until so many messages came, and a little longer for one too many.
    async fn messages(&self, number: usize) -> Vec<Value> {
        let came = async {
            while self.receiver.seen.lock().unwrap().len() < number {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), came).await.expect("a message comes");
        tokio::time::sleep(Duration::from_millis(60)).await;
        let bodies = self.receiver.bodies();
        assert_eq!(bodies.len(), number, "{bodies:?}");
        bodies
    }
}

#[tokio::test]
async fn it_tells_once_and_when_it_is_over_also_across_restarts() {
    let mut bench = Bench::new(ChannelKind::Webhook).await;
    bench.now(vec![firing("a")]);
    let messages = bench.messages(1).await;
    assert_eq!(
        (&messages[0]["status"], &messages[0]["alerts"][0]["labels"]["alertname"]),
        (&"firing".into(), &"api_budget".into())
    );
    assert_eq!(messages[0]["alerts"][0]["startsAt"], "1970-01-01T00:00:02.000Z");
    assert_eq!(messages[0]["alerts"][0]["annotations"]["value"], "300 ms");
    bench.restart().await;
    bench.now(vec![firing("a")]);
    bench.messages(1).await;
    bench.now(vec![finding("a", FindingState::NoData, None)]);
    bench.messages(1).await;
    bench.now(vec![finding("a", FindingState::Ok, None)]);
    assert_eq!(bench.messages(2).await[1]["status"], "resolved");
    bench.restart().await;
    bench.now(vec![finding("a", FindingState::Ok, None)]);
    bench.messages(2).await;
}

#[tokio::test]
async fn what_gets_worse_is_told_again_and_another_incident_too() {
    let bench = Bench::new(ChannelKind::Webhook).await;
    bench.now(vec![firing("a")]);
    bench.messages(1).await;
    bench.now(vec![finding("a", FindingState::Firing, Some(Severity::Critical))]);
    bench.messages(2).await;
    bench.now(vec![firing("a")]);
    bench.messages(2).await;
    let again = Finding { firing_since_ms: Some(9000), ..firing("a") };
    bench.now(vec![again]);
    bench.messages(3).await;
    assert_eq!(bench.receiver.keys().into_iter().collect::<HashSet<_>>().len(), 3);
}

#[tokio::test]
async fn a_channel_that_fails_is_tried_again_when_it_asks_for_it() {
    let bench = Bench::new(ChannelKind::Webhook).await;
    bench.receiver.answers.lock().unwrap().extend([503, 429, 200]);
    let began = Instant::now();
    bench.now(vec![firing("a")]);
    bench.messages(3).await;
    assert!(began.elapsed() >= Duration::from_secs(1), "Retry-After: 1");
    let keys = bench.receiver.keys();
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    assert_eq!(bench.stats.sent_items.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_is_refused_is_told_again_only_when_there_is_news() {
    let bench = Bench::new(ChannelKind::Webhook).await;
    bench.receiver.answers.lock().unwrap().extend([400]);
    bench.now(vec![firing("a")]);
    bench.messages(1).await;
    bench.now(vec![Finding { value: Some(301.0), ..firing("a") }]);
    bench.messages(1).await;
    assert_eq!(bench.stats.refused_items.load(Ordering::Relaxed), 1);
    assert!(bench.stats.standing().last_error.unwrap().contains("400 Bad Request"));
    assert_eq!(bench.memory.told().await, []);
    bench.now(vec![finding("a", FindingState::Firing, Some(Severity::Critical))]);
    bench.messages(2).await;
    bench.receiver.answers.lock().unwrap().extend([302]);
    bench.now(vec![finding("a", FindingState::Firing, Some(Severity::Critical)), firing("b")]);
    bench.messages(3).await;
}

#[tokio::test]
async fn the_end_names_the_incident_as_it_was_told() {
    let bench = Bench::new(ChannelKind::Webhook).await;
    bench.now(vec![firing("a")]);
    bench.messages(1).await;
    let over = Finding {
        title: "shop GET /a: p95 is 90 ms".into(),
        value: Some(90.0),
        state_since_ms: 62_000,
        ..finding("a", FindingState::Ok, None)
    };
    bench.now(vec![over]);
    let messages = bench.messages(2).await;
    let [told, over] = [&messages[0]["alerts"][0], &messages[1]["alerts"][0]];
    for field in ["labels", "startsAt", "fingerprint"] {
        assert_eq!(told[field], over[field], "{field}");
    }
    assert_eq!((&told["labels"]["severity"], &over["status"]), (&"warning".into(), &"resolved".into()));
    assert_eq!(over["endsAt"], "1970-01-01T00:01:02.000Z");
    assert_eq!(
        (&over["annotations"]["summary"], &over["annotations"]["value"]),
        (&firing("a").title.into(), &"90 ms".into())
    );
    assert_eq!(bench.memory.told().await, []);
}

#[tokio::test]
async fn a_finding_that_is_gone_is_over_but_not_before_anything_was_judged() {
    let mut bench = Bench::new(ChannelKind::Webhook).await;
    bench.now(vec![firing("a"), firing("b")]);
    bench.messages(1).await;
    bench.kill();
    bench.now(Vec::new());
    bench.start();
    bench.messages(1).await;
    bench.now(vec![firing("b")]);
    let messages = bench.messages(2).await;
    assert_eq!(messages[1]["alerts"].as_array().unwrap().len(), 1);
    assert_eq!((&messages[1]["status"], &messages[1]["alerts"][0]["fingerprint"]), (&"resolved".into(), &"a".into()));
}

#[tokio::test]
async fn what_could_not_be_told_before_a_restart_is_told_after_it() {
    let mut bench = Bench::new(ChannelKind::Webhook).await;
    bench.receiver.answers.lock().unwrap().extend([503; 200]);
    bench.now(vec![firing("a")]);
    while bench.receiver.bodies().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    bench.kill();
    bench.receiver.answers.lock().unwrap().clear();
    let before = bench.receiver.bodies().len();
    bench.start();
    bench.messages(before + 1).await;
    assert_eq!(bench.memory.told().await.len(), 1);
}

#[tokio::test]
async fn a_kill_between_sending_and_remembering_repeats_with_the_same_key() {
    let mut bench = Bench::new(ChannelKind::Webhook).await;
    bench.memory.fails.store(true, Ordering::SeqCst);
    bench.now(vec![firing("a")]);
    bench.messages(1).await;
    bench.kill();
    bench.memory.fails.store(false, Ordering::SeqCst);
    bench.start();
    bench.messages(2).await;
    let keys = bench.receiver.keys();
    assert_eq!(keys[0], keys[1]);
}

#[tokio::test]
async fn a_memory_that_fails_neither_ends_the_channel_nor_makes_it_repeat() {
    let mut bench = Bench::new(ChannelKind::Webhook).await;
    bench.memory.fails.store(true, Ordering::SeqCst);
    bench.now(vec![firing("a")]);
    bench.messages(1).await;
    assert!(bench.stats.standing().last_error.unwrap().contains("the disk is full"));
    bench.now(vec![firing("a"), firing("b")]);
    assert_eq!(bench.messages(2).await[1]["alerts"][0]["fingerprint"], "b");
    bench.memory.fails.store(false, Ordering::SeqCst);
    bench.now(vec![firing("a"), firing("b")]);
    bench.messages(2).await;
    assert_eq!((bench.memory.told().await.len(), bench.stats.standing().state), (2, "ok"));
    bench.restart().await;
    bench.messages(2).await;
}

#[tokio::test]
async fn a_channel_hears_what_it_wants_to() {
    let bench = Bench::with(ChannelKind::Webhook, |settings| {
        settings.severity_min = Severity::Critical;
        settings.send_resolved = false;
    })
    .await;
    bench.now(vec![firing("a"), finding("b", FindingState::Firing, Some(Severity::Critical))]);
    let messages = bench.messages(1).await;
    assert_eq!(messages[0]["alerts"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&messages[0]["alerts"][0]["fingerprint"], &messages[0]["commonLabels"]["severity"]),
        (&"b".into(), &"critical".into())
    );
    bench.now(vec![finding("a", FindingState::Ok, None), finding("b", FindingState::Ok, None)]);
    bench.messages(1).await;
    assert_eq!(bench.memory.told().await, []);
}

#[tokio::test]
async fn many_findings_go_to_a_webhook_in_bodies_that_it_can_take() {
    let bench = Bench::new(ChannelKind::Webhook).await;
    bench.now((0..120).map(|n| firing(&format!("{n:03}"))).collect());
    let sizes: Vec<usize> =
        bench.messages(3).await.iter().map(|body| body["alerts"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [50, 50, 20]);
}

#[tokio::test]
async fn slack_gets_one_message_for_many_with_its_letters_escaped() {
    let bench = Bench::new(ChannelKind::Slack).await;
    bench.now((0..12).map(|n| firing(&n.to_string())).collect());
    let message = bench.messages(1).await.remove(0);
    assert_eq!(message["text"], "12 findings fire");
    let attachments = message["attachments"].as_array().unwrap();
    assert_eq!(attachments.len(), 11);
    let text = attachments[0]["blocks"][0]["text"]["text"].as_str().unwrap();
    assert!(
        text.contains("GET /a&lt;b&gt;: p95 is 300 ms &amp; more") && text.contains("300 ms (limit 200 ms)"),
        "{text}"
    );
    let evidence = &attachments[0]["blocks"][1]["text"]["text"];
    assert_eq!(evidence, "traces: `0af7`\n```SELECT 1```");
    assert!(attachments[10]["blocks"][0]["text"]["text"].as_str().unwrap().starts_with("and 2 more"));
}

#[tokio::test]
async fn slack_takes_3000_characters_a_section_and_50_blocks() {
    let bench = Bench::new(ChannelKind::Slack).await;
    let long = |sign: &str| sign.repeat(20_000);
    let huge = |n: usize| Finding {
        title: long("<"),
        impact: long("&"),
        advice: long(">"),
        unit: long("x"),
        evidence_sql: format!("SELECT '```' {}", long("<")),
        trace_ids: vec![long("f"); 100],
        ..firing(&n.to_string())
    };
    bench.now((0..30).map(huge).collect());
    let message = bench.messages(1).await.remove(0);
    let attachments = message["attachments"].as_array().unwrap();
    let blocks: Vec<&Value> = attachments.iter().flat_map(|one| one["blocks"].as_array().unwrap()).collect();
    assert!(blocks.len() <= 50, "{}", blocks.len());
    for block in blocks {
        let text = block["text"]["text"].as_str().unwrap();
        assert!(text.chars().count() <= 3000, "{}", text.chars().count());
        assert!(
            !text.contains(['<', '>'])
                && text.replace("&lt;", "").replace("&gt;", "").replace("&amp;", "").find('&').is_none()
        );
        assert_eq!(text.matches("```").count() % 2, 0, "{text}");
    }
}

#[tokio::test]
async fn slack_is_told_the_end_in_one_line() {
    let bench = Bench::new(ChannelKind::Slack).await;
    bench.now(vec![firing("a")]);
    bench.messages(1).await;
    bench.now(vec![Finding { value: Some(90.0), state_since_ms: 62_000, ..finding("a", FindingState::Ok, None) }]);
    let message = bench.messages(2).await.remove(1);
    let title = "shop GET /a&lt;b&gt;: p95 is 300 ms &amp; more";
    assert_eq!(message["text"], format!(":white_check_mark: over: {title}"));
    let blocks = message["attachments"][0]["blocks"].as_array().unwrap();
    let expected = format!("*:white_check_mark: over: {title}*\nnow 90 ms (limit 200 ms) · it lasted 60 s");
    assert_eq!((blocks.len(), &blocks[0]["text"]["text"]), (1, &expected.into()));
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn url_and_headers_are_secrets_though_the_target_repeats_them() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let bench = Bench::new(ChannelKind::Webhook).await;
    bench.receiver.answers.lock().unwrap().extend([503, 404]);
    bench.now(vec![firing("a")]);
    bench.messages(2).await;
    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    // The log holds the receiver's own lines, too, but ours are those that name the channel.
    let ours: Vec<&str> = log.lines().filter(|line| line.contains("sinks::alerts")).collect();
    assert_eq!(ours.len(), 2, "{log}");
    assert!(ours.iter().all(|line| line.contains("Cannot POST")), "{ours:?}");
    let error = bench.stats.standing().last_error.unwrap();
    let settings = format!("{:?}", bench.settings);
    for text in ours.into_iter().chain([error.as_str(), settings.as_str()]) {
        assert!(!text.contains("s3cret") && !text.contains("t0ken"), "{text}");
    }
}

#[tokio::test]
async fn a_url_that_cannot_be_used_is_not_shown() {
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    let bench = Bench::new(ChannelKind::Webhook).await;
    let settings = ChannelSettings { url: Secret::new("no url s3cret"), ..bench.settings.clone() };
    let memory: Arc<dyn Memory> = bench.memory.clone();
    let failed = run(settings, bench.findings.subscribe(), memory, Arc::default(), CancellationToken::new()).await;
    assert!(!format!("{:?}", failed.unwrap_err()).contains("s3cret"));
}
