//! Channels against a real HTTP server on loopback.

mod content;
mod telling;

use super::*;
use crate::delivery::settings::{RetrySettings, Secret};
use crate::model::finding::{FindingState, Proof, Recovering, Severity};
use crate::state::StoredNotification;
use crate::state::testing::Scratch;
use axum::extract;
use axum::http::{HeaderMap, Uri, header};
use axum::{Json, Router};
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::atomic::Ordering;

#[derive(Default)]
struct Receiver {
    seen: Mutex<Vec<(String, Value)>>,
    answers: Mutex<VecDeque<u16>>,
    /// Content type and body of the next success responses; after those, Slack's.
    bodies: Mutex<VecDeque<(&'static str, &'static str)>>,
}

impl Receiver {
    fn keys(&self) -> Vec<String> {
        self.seen.lock().iter().map(|(key, _)| key.clone()).collect()
    }

    fn bodies(&self) -> Vec<Value> {
        self.seen.lock().iter().map(|(_, body)| body.clone()).collect()
    }
}

async fn receiver() -> (String, Arc<Receiver>) {
    let receiver = Arc::new(Receiver::default());
    // Like a web framework's error page, which repeats the path.
    let handler = async |extract::State(receiver): extract::State<Arc<Receiver>>,
                         uri: Uri,
                         headers: HeaderMap,
                         Json(body): Json<Value>| {
        let key = headers["idempotency-key"].to_str().unwrap().to_owned();
        receiver.seen.lock().push((key, body));
        let status = receiver.answers.lock().pop_front().unwrap_or(200);
        let wait = if status == 429 { "1" } else { "0" };
        let status = axum::http::StatusCode::from_u16(status).unwrap();
        let (kind, body) = match receiver.bodies.lock().pop_front() {
            Some((kind, body)) => (kind, body.to_owned()),
            None if status == 200 => ("text/html", "ok".to_owned()),
            None => ("text/plain", format!("Cannot POST {uri} with {:?}", headers.get("x-token"))),
        };
        (status, [(header::RETRY_AFTER, wait), (header::CONTENT_TYPE, kind)], body)
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
        key: vec![("service_name".into(), "shop".into())].into(),
        value: Some(300.0),
        limit: Some(200.0),
        headroom: None,
        unit: "ms".into(),
        samples: 50,
        impact: String::new(),
        evidence: crate::model::evidence::Evidence::default(),
        trace_ids: vec!["0af7".into()].into(),
        evidence_sql: "SELECT 1".into(),
        advice: "Look.".into(),
        proof: Proof::Measured,
        first_seen_ms: 1000,
        last_seen_ms: 2000,
        state_since_ms: 2000,
        firing_since_ms: (state == FindingState::Firing).then_some(2000),
        recovering: None,
        ended: None,
    }
}

fn firing(id: &str) -> Finding {
    finding(id, FindingState::Firing, Some(Severity::Warning))
}

struct Bench {
    settings: ChannelSettings,
    receiver: Arc<Receiver>,
    scratch: Scratch,
    stats: Arc<ExporterStats>,
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
            Bench { settings, receiver, scratch: Scratch::new(), stats: Arc::default(), findings, running: None };
        change(&mut bench.settings);
        bench.start();
        bench
    }

    async fn sent(&self) -> Vec<StoredNotification> {
        self.scratch.state.notifications("slack").await.unwrap()
    }

    fn start(&mut self) {
        let cancel = CancellationToken::new();
        let state = self.scratch.state.clone();
        let running = run(self.settings.clone(), self.findings.subscribe(), state, self.stats.clone(), cancel.clone());
        self.running = Some((tokio::spawn(running), cancel));
    }

    async fn restart(&mut self) {
        if let Some((running, cancel)) = self.running.take() {
            cancel.cancel();
            running.await.unwrap().unwrap();
        }
        self.start();
    }

    /// Like `kill -9`: nothing more is written.
    fn kill(&mut self) {
        if let Some((running, _)) = self.running.take() {
            running.abort();
        }
    }

    fn now(&self, findings: Vec<Finding>) {
        self.findings.send_replace(Arc::new(findings));
    }

    /// Waits for this many messages, and a little longer to detect an extra one.
    async fn messages(&self, number: usize) -> Vec<Value> {
        let came = async {
            while self.receiver.seen.lock().len() < number {
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
