//! Findings to people: a webhook or Slack, told once when they fire, when they get worse, and when they are over.
//!
//! What was told is remembered durably, by finding and incident, so that a restart neither repeats nor forgets.

mod messages;
mod settings;
mod told;

#[cfg(test)]
mod tests;

pub use settings::{ChannelKind, ChannelSettings};
pub use told::{Told, memory_kind};

use super::delivery::Backoff;
use super::memory::Memory;
use super::settings::TlsSettings;
use super::stats::SinkStats;
use super::web;
use crate::model::finding::Finding;
use anyhow::Context as _;
use messages::Notice;
use reqwest::{Client, StatusCode, Url};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Tells one channel until it is cancelled.
///
/// # Errors
/// When its URL or a header cannot be used, or the memory fails.
pub async fn run(
    settings: ChannelSettings,
    findings: watch::Receiver<Arc<Vec<Finding>>>,
    memory: Arc<dyn Memory>,
    stats: Arc<SinkStats>,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let place = format!("exporters.{}", settings.id);
    // The URL is a secret: it does not go into the error.
    let url = Url::parse(settings.url.reveal()).ok().with_context(|| format!("{place}.url: expected a URL"))?;
    let client = web::client(&place, &url, settings.timeout, &settings.headers, &TlsSettings::default())?;
    let kind = memory_kind(&settings.id);
    let told = told::read(&memory.entries(&kind).await?);
    let channel = Channel { settings, client, url, memory, kind, stats, told, refused: HashMap::new(), cancel };
    channel.watch(findings).await
}

struct Channel {
    settings: ChannelSettings,
    client: Client,
    url: Url,
    memory: Arc<dyn Memory>,
    kind: String,
    stats: Arc<SinkStats>,
    /// By finding id.
    told: BTreeMap<String, Told>,
    /// Notices that the target refused for good, by finding id, so that they are not sent at every look.
    refused: HashMap<String, String>,
    cancel: CancellationToken,
}

/// What became of a message.
enum Verdict {
    Taken,
    Refused(String),
    Cancelled,
}

impl Channel {
    async fn watch(mut self, mut findings: watch::Receiver<Arc<Vec<Finding>>>) -> anyhow::Result<()> {
        loop {
            let now = findings.borrow_and_update().clone();
            self.reconcile(&now).await?;
            tokio::select! {
                () = self.cancel.cancelled() => return Ok(()),
                changed = findings.changed() => if changed.is_err() { return Ok(()) },
            }
        }
    }

    /// Tells what is not told yet, the firing ones in one message and the resolved ones in another.
    async fn reconcile(&mut self, findings: &[Finding]) -> anyhow::Result<()> {
        let now_ms = now_ms();
        let (firing, resolved) = told::due(findings, &self.told, self.settings.severity_min, now_ms);
        for notices in [firing, resolved] {
            let fresh: Vec<Notice> = notices
                .into_iter()
                .filter(|notice| self.refused.get(&notice.finding.id) != Some(&notice.mark()))
                .collect();
            if fresh.is_empty() {
                continue;
            }
            let silent = fresh[0].resolved && !self.settings.send_resolved;
            match if silent { Verdict::Taken } else { self.send(&fresh).await } {
                Verdict::Taken => self.remember(&fresh, now_ms).await?,
                Verdict::Refused(reason) => self.give_up(&fresh, &reason),
                Verdict::Cancelled => return Ok(()),
            }
        }
        Ok(())
    }

    async fn remember(&mut self, notices: &[Notice], now_ms: i64) -> anyhow::Result<()> {
        for notice in notices {
            let id = &notice.finding.id;
            if notice.resolved {
                self.memory.delete(&self.kind, id).await?;
                self.told.remove(id);
            } else {
                let told = Told::new(&self.settings.id, &notice.finding, now_ms);
                self.memory.put(&self.kind, id, &told.to_bytes()).await?;
                self.told.insert(id.clone(), told);
            }
        }
        Ok(())
    }

    fn give_up(&mut self, notices: &[Notice], reason: &str) {
        SinkStats::add(&self.stats.refused_items, notices.len() as u64);
        tracing::error!(
            sink = self.settings.id,
            alerts = notices.len(),
            reason,
            "the channel refused a message for good"
        );
        self.refused.extend(notices.iter().map(|notice| (notice.finding.id.clone(), notice.mark())));
    }

    /// Sends until there is a verdict.
    async fn send(&self, notices: &[Notice]) -> Verdict {
        let body = match self.settings.kind {
            ChannelKind::Webhook => messages::webhook(notices),
            ChannelKind::Slack => messages::slack(notices),
        };
        let key = messages::idempotency_key(notices);
        let mut backoff = Backoff::new(&self.settings.retry);
        loop {
            let (asked, reason) = match self.post(&body, &key).await {
                Ok(()) => {
                    SinkStats::add(&self.stats.sent_items, notices.len() as u64);
                    if self.stats.went_well() {
                        tracing::info!(sink = self.settings.id, "the channel is back");
                    }
                    return Verdict::Taken;
                }
                Err(Failure { again: true, after, reason }) => (after, reason),
                Err(Failure { reason, .. }) => return Verdict::Refused(reason),
            };
            if self.stats.failed(&reason) {
                tracing::warn!(sink = self.settings.id, reason, "a message could not be sent; tried again");
            }
            let Some(wait) = backoff.next(asked) else { return Verdict::Refused(reason) };
            tokio::select! {
                () = self.cancel.cancelled() => return Verdict::Cancelled,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn post(&self, body: &serde_json::Value, key: &str) -> Result<(), Failure> {
        let request = self.client.post(self.url.clone()).header("Idempotency-Key", key).json(body);
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return Err(Failure { again: true, after: None, reason: web::reason(error) }),
        };
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let after = web::retry_after(answer.headers());
        let text = web::beginning(answer).await;
        let reason = format!("{status}: {}", String::from_utf8_lossy(&text).trim());
        let again = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        Err(Failure { again, after, reason })
    }
}

struct Failure {
    again: bool,
    after: Option<Duration>,
    reason: String,
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
