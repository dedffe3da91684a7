//! Starts exporters and alert channels, and reports them in the tables `exporters`, `alerts` and `dead_letters`.

use super::config::Config;
use super::exporter_frames::{LogFrames, SharedFrames};
use super::frames::FrameLog;
use crate::alerts;
use crate::delivery::FrameSource;
use crate::delivery::stats::{ExporterStats, Standing};
use crate::engine::{Engine, StateRows, object};
use crate::exporters::debug;
use crate::model::signal::Signal;
use crate::model::unix_time;
use crate::state::{State, StateError, StoredDeadLetter, StoredNotification};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Minimum time between two readings of the tables in the state database.
const REFRESH: Duration = Duration::from_secs(2);

/// All exporters and channels.
pub(super) struct Exporters {
    tasks: TaskTracker,
    cancel: CancellationToken,
    log: FrameLog,
    all: Vec<ExporterSignal>,
    remembered: Arc<Mutex<Remembered>>,
}

/// One signal of an exporter, or an alert channel.
struct ExporterSignal {
    id: String,
    /// The signal, or alerts.
    signal: &'static str,
    stats: Arc<ExporterStats>,
}

/// Progress of one signal of an exporter, or of an alert channel.
pub(super) struct Progress {
    pub(super) id: String,
    pub(super) signal: &'static str,
    pub(super) stats: Arc<ExporterStats>,
    pub(super) standing: Standing,
    /// Number of frames not yet read from the log, and their bytes; `None` if it does not read the log.
    pub(super) lag: Option<(u64, u64)>,
    /// Number of its rows in the table `dead_letters`.
    pub(super) dead_letters: u64,
}

/// Rows read from the stored state of exporters and channels.
#[derive(Default)]
struct Remembered {
    alerts: StateRows,
    dead_letters: StateRows,
}

impl Exporters {
    /// Starts all exporters and channels.
    pub(super) fn start(config: &Config, log: &FrameLog, state: &State, engine: &Arc<Engine>) -> Arc<Exporters> {
        // They have a cancellation token of their own and end last, so that requests accepted during shutdown are sent, too.
        let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
        let mut all = Vec::new();
        let shared = SharedFrames::new(log.clone());
        let mut stats_of = |id: &str, signal: &'static str| {
            let stats = Arc::new(ExporterStats::default());
            all.push(ExporterSignal { id: id.to_owned(), signal, stats: stats.clone() });
            stats
        };
        for settings in &config.targets {
            let (settings, shared, state, cancel) = (settings.clone(), shared.clone(), state.clone(), cancel.clone());
            let id = settings.id().to_owned();
            let stats = |signal: Signal| (signal, stats_of(&id, signal.as_str()));
            let stats: HashMap<Signal, Arc<ExporterStats>> = settings.signals().into_iter().map(stats).collect();
            let all_stats: Vec<Arc<ExporterStats>> = stats.values().cloned().collect();
            let own = move |signal| -> (Arc<dyn FrameSource>, _) {
                (LogFrames::new(&shared), stats.get(&signal).cloned().unwrap_or_default())
            };
            tasks.spawn(async move { ended(&id, &all_stats, settings.run(own, state, cancel).await) });
        }
        for settings in &config.debug {
            let (settings, frames, cancel) = (settings.clone(), LogFrames::new(&shared), cancel.clone());
            let id = settings.id.clone();
            let newest = log.newest();
            tasks.spawn(async move { ended(&id, &[], debug::run(settings, frames, newest, cancel).await) });
        }
        for channel in &config.channels {
            let (channel, stats) = (channel.clone(), stats_of(&channel.id, alerts::ALERTS));
            let (id, findings, state, cancel) = (channel.id.clone(), engine.findings(), state.clone(), cancel.clone());
            tasks.spawn(async move {
                let own = stats.clone();
                ended(&id, &[own], alerts::run(channel, findings, state, stats, cancel).await);
            });
        }
        let remembered = Arc::<Mutex<Remembered>>::default();
        let channels = config.channels.iter().map(|channel| channel.id.clone()).collect();
        tasks.spawn(remember(channels, state.clone(), remembered.clone(), cancel.clone()));
        tasks.close();
        Arc::new(Exporters { tasks, cancel, log: log.clone(), all, remembered })
    }

    /// Registers the tables `exporters`, `alerts` and `dead_letters`.
    pub(super) fn fill(self: &Arc<Self>, engine: &Engine) {
        let of = self.clone();
        engine.fill("exporters", move || of.progress().iter().map(row).collect());
        let of = self.clone();
        engine.fill("alerts", move || of.remembered().alerts.clone());
        let of = self.clone();
        engine.fill("dead_letters", move || of.remembered().dead_letters.clone());
    }

    /// Returns the progress of each signal of each exporter.
    pub(super) fn progress(&self) -> Vec<Progress> {
        let newest = self.log.newest().0;
        let remembered = self.remembered();
        let progress = |ExporterSignal { id, signal, stats }: &ExporterSignal| {
            let standing = stats.standing();
            let lag = standing.position.map(|at| (newest.saturating_sub(at.0), self.log.bytes_behind(at)));
            let is_own = |row: &&Map<String, Value>| says(row, "exporter", id) && says(row, "signal", signal);
            let dead_letters = remembered.dead_letters.iter().filter(is_own).count() as u64;
            Progress { id: id.clone(), signal, stats: stats.clone(), standing, lag, dead_letters }
        };
        self.all.iter().map(progress).collect()
    }

    /// Cancels all of them and lets them send what is pending, with a timeout of `longest`.
    pub(super) async fn drain(&self, longest: Duration) {
        self.cancel.cancel();
        if tokio::time::timeout(longest, self.tasks.wait()).await.is_err() {
            tracing::warn!("stopped exporters that were still sending: they continue from the log at the next start");
        }
    }

    fn remembered(&self) -> parking_lot::MutexGuard<'_, Remembered> {
        self.remembered.lock()
    }
}

fn says(row: &Map<String, Value>, key: &str, text: &str) -> bool {
    row.get(key).and_then(Value::as_str) == Some(text)
}

fn row(progress: &Progress) -> Map<String, Value> {
    let Progress { id, signal, stats, standing, lag, dead_letters } = progress;
    let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let row = json!({
        "exporter": id, "signal": signal, "position": standing.position.map(|position| position.0),
        "lag_frames": lag.map(|(frames, _)| frames), "lag_bytes": lag.map(|(_, bytes)| bytes),
        "sent_items": number(&stats.sent_items), "refused_items": number(&stats.refused_items),
        "last_refused": standing.last_refused.map(unix_time::micros), "dead_letters": dead_letters,
        "dropped_items": number(&stats.dropped_items), "last_dropped": standing.last_dropped.map(unix_time::micros),
        "state": standing.state, "failing_since": standing.failing_since.map(unix_time::micros),
        "last_error": standing.last_error,
    });
    row.as_object().cloned().unwrap_or_default()
}

/// Logs how an exporter ended, and records it in its rows of the table `exporters`.
fn ended(id: &str, stats: &[Arc<ExporterStats>], result: anyhow::Result<()>) {
    if let Err(error) = result {
        let error = format!("{error:#}");
        stats.iter().for_each(|stats| stats.ended(&error));
        tracing::error!(exporter = id, error, "an exporter ended; its unsent data stays in the log");
    }
}

/// Reads the stored state of exporters and channels after each change: a query must not wait for the state database.
async fn remember(channels: Vec<String>, state: State, remembered: Arc<Mutex<Remembered>>, cancel: CancellationToken) {
    let mut changes = state.deliveries();
    loop {
        changes.mark_unchanged();
        match stored(&channels, &state).await {
            Ok(rows) => *remembered.lock() = rows,
            Err(error) => {
                tracing::warn!(%error, "cannot read the tables `alerts` and `dead_letters`; retrying");
                changes.mark_changed();
            }
        }
        tokio::select! {
            () = cancel.cancelled() => return,
            () = async { tokio::time::sleep(REFRESH).await; drop(changes.changed().await); } => {}
        }
    }
}

async fn stored(channels: &[String], state: &State) -> Result<Remembered, StateError> {
    let mut alerts = StateRows::new();
    for channel in channels {
        alerts.extend(state.notifications(channel).await?.iter().map(alert_row));
    }
    let dead_letters = state.dead_letters().await?.iter().map(dead_letter_row).collect();
    Ok(Remembered { alerts, dead_letters })
}

fn alert_row(sent: &StoredNotification) -> Map<String, Value> {
    object(json!({
        "channel": sent.channel, "finding_id": sent.finding_id, "firing_since": sent.firing_since_us,
        "status": "firing", "told_at": sent.sent_at_us, "severity": sent.severity,
    }))
}

fn dead_letter_row(row: &StoredDeadLetter) -> Map<String, Value> {
    object(json!({
        "exporter": row.exporter, "sink": row.exporter, "position": row.letter.position, "signal": row.signal,
        "items": row.letter.items, "reason": row.letter.reason, "time": row.time_us,
    }))
}

/// Checks what only the targets of exporters know, such as keys, before anything is opened.
///
/// # Errors
/// When the server must not start.
pub(super) async fn check(config: &Config) -> anyhow::Result<()> {
    for target in &config.targets {
        target.kind.check(target.id()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exporter_that_cannot_be_opened_says_so_in_its_rows() {
        let stats = [Arc::<ExporterStats>::default(), Arc::default()];
        ended("otlp", &stats, Err(anyhow::anyhow!("no such file").context("exporters.otlp.tls.ca_file")));
        for of_signal in &stats {
            let standing = of_signal.standing();
            assert_eq!(standing.last_error.as_deref(), Some("ended: exporters.otlp.tls.ca_file: no such file"));
            assert_eq!((standing.state, standing.failing_since.is_some()), ("retrying", true));
        }
    }
}
