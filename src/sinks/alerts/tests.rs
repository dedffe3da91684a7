//! Channels against a real HTTP server on loopback.

use super::*;
use crate::model::finding::{FindingState, Proof, Severity};
use crate::sinks::memory::testing::InMemory;
use crate::sinks::settings::{RetrySettings, Secret};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Json, Router};
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::Mutex;

#[derive(Default)]
struct Receiver {
    seen: Mutex<Vec<(String, Value)>>,
    answers: Mutex<VecDeque<u16>>,
}

impl Receiver {
    fn bodies(&self) -> Vec<Value> {
        self.seen.lock().unwrap().iter().map(|(_, body)| body.clone()).collect()
    }
}

async fn receiver() -> (String, Arc<Receiver>) {
    let receiver = Arc::new(Receiver::default());
    let handler = async |State(receiver): State<Arc<Receiver>>, headers: HeaderMap, Json(body): Json<Value>| {
        let key = headers["idempotency-key"].to_str().unwrap().to_owned();
        receiver.seen.lock().unwrap().push((key, body));
        let status = receiver.answers.lock().unwrap().pop_front().unwrap_or(200);
        (axum::http::StatusCode::from_u16(status).unwrap(), "said")
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

struct Bench {
    settings: ChannelSettings,
    receiver: Arc<Receiver>,
    memory: Arc<InMemory>,
    findings: watch::Sender<Arc<Vec<Finding>>>,
    running: Option<(tokio::task::JoinHandle<anyhow::Result<()>>, CancellationToken)>,
}

impl Bench {
    async fn new(kind: ChannelKind) -> Bench {
        let _already_there = rustls::crypto::ring::default_provider().install_default();
        let (url, receiver) = receiver().await;
        let retry = RetrySettings { initial_interval: Duration::from_millis(1), ..RetrySettings::default() };
        let settings = ChannelSettings {
            id: "slack".into(),
            kind,
            url: Secret::new(url),
            headers: Vec::new(),
            severity_min: Severity::Warning,
            send_resolved: true,
            timeout: Duration::from_secs(5),
            retry,
        };
        let findings = watch::Sender::new(Arc::new(Vec::new()));
        let mut bench = Bench { settings, receiver, memory: Arc::default(), findings, running: None };
        bench.start();
        bench
    }

    fn start(&mut self) {
        let cancel = CancellationToken::new();
        let memory: Arc<dyn Memory> = self.memory.clone();
        let running = run(self.settings.clone(), self.findings.subscribe(), memory, Arc::default(), cancel.clone());
        self.running = Some((tokio::spawn(running), cancel));
    }

    async fn restart(&mut self) {
        if let Some((running, cancel)) = self.running.take() {
            cancel.cancel();
            running.await.unwrap().unwrap();
        }
        self.start();
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
    let keys: std::collections::HashSet<String> =
        bench.receiver.seen.lock().unwrap().iter().map(|(key, _)| key.clone()).collect();
    assert_eq!(keys.len(), 3);
}

#[tokio::test]
async fn a_channel_that_fails_is_tried_again_and_one_that_refuses_is_not() {
    let bench = Bench::new(ChannelKind::Webhook).await;
    bench.receiver.answers.lock().unwrap().extend([503, 429, 200]);
    bench.now(vec![firing("a")]);
    bench.messages(3).await;
    bench.receiver.answers.lock().unwrap().extend([400]);
    bench.now(vec![firing("a"), firing("b")]);
    bench.messages(4).await;
    bench.now(vec![firing("a"), firing("b")]);
    bench.messages(4).await;
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
        text.contains("GET /a&lt;b&gt;: p95 is 300 ms &amp; more") && text.contains("300 ms of at most 200 ms"),
        "{text}"
    );
    assert!(attachments[10]["blocks"][0]["text"]["text"].as_str().unwrap().starts_with("and 2 more"));
}

#[tokio::test]
async fn the_url_is_a_secret() {
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    let bench = Bench::new(ChannelKind::Webhook).await;
    assert!(!format!("{:?}", bench.settings).contains("s3cret"));
    let settings = ChannelSettings { url: Secret::new("no url s3cret"), ..bench.settings.clone() };
    let memory: Arc<dyn Memory> = bench.memory.clone();
    let failed = run(settings, bench.findings.subscribe(), memory, Arc::default(), CancellationToken::new()).await;
    assert!(!format!("{:?}", failed.unwrap_err()).contains("s3cret"));
}
