//! Sends findings to people through a webhook or Slack: once when they fire, when they get worse, and when they are resolved.
//!
//! Sent notifications are stored durably, by finding and incident, so that a restart neither repeats nor forgets one.

mod due;
mod mask;
mod messages;
mod notification_log;
mod refusals;
mod settings;
mod slack;

#[cfg(test)]
mod tests;

pub use settings::{ChannelKind, ChannelSettings};

use crate::delivery::settings::{ClientSettings, Compression, TlsSettings};
use crate::delivery::stats::ExporterStats;
use crate::delivery::web;
use crate::delivery::{Backoff, Outcome};
use crate::model::finding::Finding;
use crate::model::self_telemetry::WORK;
use crate::model::unix_time::now_ms;
use crate::state::{DeadLetter, State, StateError};
use anyhow::Context as _;
use mask::Mask;
use messages::Notice;
use notification_log::Sent;
use refusals::Refusals;
use reqwest::{Client, Url};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use tracing::field::Empty;

/// Maximum findings per webhook request: each is sent whole, and receivers limit the size of a body.
const WEBHOOK_FINDINGS_MAX: usize = 50;
/// Hints for responses that say nothing about the message.
const HINTS: web::Hints<'_> =
    web::Hints { denied: "is `url` still valid, and are the `headers` right?", elsewhere: "is `url` right?" };
/// Used for alerts where exporters have a signal.
pub const ALERTS: &str = "alerts";

/// Runs one channel until cancelled.
///
/// # Errors
/// When its URL or a header cannot be used, or the state database cannot be read at the start.
pub async fn run(
    settings: ChannelSettings,
    findings: watch::Receiver<Arc<Vec<Finding>>>,
    state: State,
    stats: Arc<ExporterStats>,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let place = format!("exporters.{}", settings.id);
    // The URL is a secret, so the error does not contain it.
    let url = Url::parse(settings.url.reveal()).ok().with_context(|| format!("{place}.url: expected a URL"))?;
    let client = ClientSettings {
        timeout: settings.timeout,
        headers: settings.headers.clone(),
        tls: TlsSettings::default(),
        proxy_url: None,
        compression: Compression::None,
    };
    let client = web::client(&place, &url, &client)?;
    let sent = notification_log::read(state.notifications(&settings.id).await?);
    let mask = Mask::new(&settings, &url);
    let (unwritten, refused) = (BTreeSet::new(), Refusals::new(&settings.retry));
    let channel = Channel { settings, client, url, mask, state, stats, sent, unwritten, refused, cancel };
    channel.watch(findings).await;
    Ok(())
}

struct Channel {
    settings: ChannelSettings,
    client: Client,
    url: Url,
    mask: Mask,
    state: State,
    stats: Arc<ExporterStats>,
    /// Sent alerts, by finding id.
    sent: BTreeMap<String, Sent>,
    /// Ids of findings whose sent alerts are not stored yet.
    unwritten: BTreeSet<String>,
    /// Keeps rejected notifications from being sent at every check.
    refused: Refusals,
    cancel: CancellationToken,
}

/// Outcome of a message.
enum Verdict {
    Taken,
    Refused(String),
    Cancelled,
}

impl Channel {
    async fn watch(mut self, mut findings: watch::Receiver<Arc<Vec<Finding>>>) {
        let mut evaluated = false;
        loop {
            let now = findings.borrow_and_update().clone();
            // Before the first evaluation an empty list says nothing; after it, all findings are gone.
            if evaluated || !now.is_empty() {
                self.reconcile(&now).await;
            }
            evaluated = true;
            let again = self.refused.next();
            let wait = again.map_or(Duration::MAX, |at| at.saturating_duration_since(Instant::now()));
            tokio::select! {
                () = tokio::time::sleep(wait), if again.is_some() => {}
                () = self.cancel.cancelled() => return,
                changed = findings.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Sends the notifications that are due, firing ones in one message and resolved ones in another.
    async fn reconcile(&mut self, findings: &[Finding]) {
        self.write().await;
        let now_ms = now_ms();
        let (firing, resolved) = due::due(findings, &self.sent, self.settings.severity_min, now_ms);
        self.refused.keep(firing.iter().chain(&resolved));
        for mut notices in [firing, resolved] {
            notices.retain(|notice| self.refused.lets(notice));
            let size = match self.settings.kind {
                ChannelKind::Webhook => WEBHOOK_FINDINGS_MAX,
                ChannelKind::Slack => usize::MAX,
            };
            for part in notices.chunks(size) {
                let silent = part[0].is_resolved() && !self.settings.send_resolved;
                match if silent { Verdict::Taken } else { self.send(part).await } {
                    Verdict::Taken => self.remember(part, now_ms).await,
                    Verdict::Refused(reason) => self.put_off(part, &reason).await,
                    Verdict::Cancelled => return,
                }
            }
        }
        self.stats.holds_refused(!self.refused.is_empty());
    }

    async fn remember(&mut self, notices: &[Notice], now_ms: i64) {
        for notice in notices {
            let id = &notice.finding.id;
            if notice.is_resolved() {
                self.sent.remove(id);
            } else {
                self.sent.insert(id.clone(), Sent::new(&notice.finding, now_ms));
            }
            self.unwritten.insert(id.clone());
            if self.refused.remove(id) {
                let recorded = (self.settings.id.as_str(), ALERTS);
                let removed = self.state.remove_dead_letter(recorded, id).await;
                self.log_failure(removed);
            }
        }
        self.write().await;
    }

    /// Writes pending entries to the state database. Notifications are sent even while this fails: a restart then repeats them,
    /// which is better than silence.
    async fn write(&mut self) {
        let waited = !self.unwritten.is_empty();
        while let Some(id) = self.unwritten.first() {
            let channel = &self.settings.id;
            let written = match self.sent.get(id) {
                Some(sent) => self.state.record_notification(&sent.stored(channel)).await,
                None => self.state.remove_notification(channel, id).await,
            };
            if let Err(error) = written {
                let reason = format!("cannot store the sent notifications: {error}");
                if self.stats.failed(&reason) {
                    tracing::error!(
                        exporter = self.settings.id,
                        reason,
                        "cannot store sent notifications; retrying, a restart would send them again"
                    );
                }
                return;
            }
            self.unwritten.pop_first();
        }
        if waited {
            self.stats.went_well();
        }
    }

    /// Records a rejection. The notification is retried until it is accepted or its alert changes.
    async fn put_off(&mut self, notices: &[Notice], reason: &str) {
        let mut new = Vec::new();
        for notice in notices {
            if self.refused.add(notice) {
                let key = notice.finding.id.clone();
                new.push(DeadLetter { key, position: None, items: 1, reason: reason.to_owned() });
            }
        }
        // Keeps the reason for the table.
        self.stats.failed(reason);
        self.stats.went_well();
        if new.is_empty() {
            return;
        }
        self.stats.refused(new.len() as u64, reason);
        let (exporter, alerts) = (&self.settings.id, notices.len());
        tracing::error!(
            exporter,
            alerts,
            reason,
            "the channel rejected a notification; retrying with backoff until it is accepted or the alert changes"
        );
        let recorded = self.state.record_dead_letters((exporter, ALERTS), &new).await;
        self.log_failure(recorded);
    }

    fn log_failure(&self, done: Result<(), StateError>) {
        if let Err(error) = done {
            tracing::error!(exporter = self.settings.id, %error, "cannot store a dead letter");
        }
    }

    /// Sends until there is a verdict.
    async fn send(&self, notices: &[Notice]) -> Verdict {
        let body = match self.settings.kind {
            ChannelKind::Webhook => messages::webhook(notices),
            ChannelKind::Slack => slack::slack(notices),
        };
        let key = messages::idempotency_key(notices);
        let mut backoff = Backoff::new(&self.settings.retry);
        loop {
            let (exporter, findings) = (&self.settings.id, notices.len());
            let work = tracing::info_span!(target: WORK, "alert", exporter, findings, error = Empty);
            let posted = self.post(&body, &key).instrument(work.clone()).await;
            work.record("error", posted.as_ref().err().map(|failure| failure.reason.as_str()));
            drop(work);
            let (asked, reason) = match posted {
                Ok(()) => {
                    ExporterStats::add(&self.stats.sent_items, notices.len() as u64);
                    if self.stats.went_well() {
                        tracing::info!(exporter = self.settings.id, "the channel is back");
                    }
                    return Verdict::Taken;
                }
                Err(Failure { again: true, after, reason }) => (after, reason),
                Err(Failure { reason, .. }) => return Verdict::Refused(reason),
            };
            if self.stats.failed(&reason) {
                tracing::warn!(exporter = self.settings.id, reason, "cannot send a notification; retrying");
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
            Ok(answer) => web::Answer::of(answer).await,
            Err(error) => {
                return Err(Failure { again: true, after: None, reason: self.mask.over(&web::reason(error)) });
            }
        };
        let text = String::from_utf8_lossy(&answer.body);
        // Slack declares its "ok" as HTML, and so do web frameworks for what a receiver returns: only markup makes it a page.
        let is_plain = answer.status.is_success() && !answer.holds_markup();
        let outcome = if is_plain { None } else { answer.verdict(text.trim(), &HINTS) };
        let outcome = outcome.or_else(|| match self.settings.kind {
            ChannelKind::Slack => slack::refusal(&answer),
            ChannelKind::Webhook => None,
        });
        let (again, after, reason) = match outcome {
            None | Some(Outcome::Delivered { .. }) => return Ok(()),
            Some(Outcome::Retry { after, reason }) => (true, after, reason),
            Some(
                Outcome::TooLarge(reason)
                | Outcome::Rejected(reason)
                | Outcome::PermanentError(reason)
                | Outcome::PartialSuccess { reason, .. },
            ) => (false, None, reason),
        };
        Err(Failure { again, after, reason: self.mask.over(&reason) })
    }
}

struct Failure {
    again: bool,
    after: Option<Duration>,
    reason: String,
}
