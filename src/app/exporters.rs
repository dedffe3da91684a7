//! Starts exporters and alert channels, and reports them in the tables `exporters`, `alerts` and `dead_letters`.

use super::config::Config;
use super::frames::{FrameLog, LogFrames};
use super::state_store::SqliteState;
use crate::alerts;
use crate::delivery::FrameSource;
use crate::delivery::state_store::StateStore;
use crate::delivery::stats::{ExporterStats, Standing};
use crate::engine::{Engine, StateRows};
use crate::exporters::debug;
use crate::model::signal::Signal;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Refresh interval of the tables read from the state database.
const REFRESH: Duration = Duration::from_secs(2);

/// All exporters and channels.
pub(super) struct Exporters {
    tasks: TaskTracker,
    cancel: CancellationToken,
    log: FrameLog,
    all: Vec<Sink>,
    remembered: Arc<Mutex<Remembered>>,
}

/// One signal of an exporter, or an alert channel.
struct Sink {
    id: String,
    /// The signal, or alerts.
    signal: &'static str,
    stats: Arc<ExporterStats>,
}

/// Progress of a sink.
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
    pub(super) fn start(
        config: &Config,
        log: &FrameLog,
        memory: Arc<SqliteState>,
        engine: &Arc<Engine>,
    ) -> Arc<Exporters> {
        // They have a cancellation token of their own and end last, so that requests accepted during shutdown are sent, too.
        let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
        let mut all = Vec::new();
        let mut stats_of = |id: &str, signal: &'static str| {
            let stats = Arc::new(ExporterStats::default());
            all.push(Sink { id: id.to_owned(), signal, stats: stats.clone() });
            stats
        };
        for settings in &config.targets {
            let (settings, log, memory, cancel) = (settings.clone(), log.clone(), memory.clone(), cancel.clone());
            let id = settings.id().to_owned();
            let stats = |signal: Signal| (signal, stats_of(&id, signal.as_str()));
            let stats: HashMap<Signal, Arc<ExporterStats>> = settings.signals().into_iter().map(stats).collect();
            let all_stats: Vec<Arc<ExporterStats>> = stats.values().cloned().collect();
            let own = move |signal| -> (Arc<dyn FrameSource>, _) {
                (LogFrames::new(log.clone()), stats.get(&signal).cloned().unwrap_or_default())
            };
            tasks.spawn(async move { told(&id, &all_stats, settings.run(own, memory, cancel).await) });
        }
        for settings in &config.debug {
            let (settings, frames, cancel) = (settings.clone(), LogFrames::new(log.clone()), cancel.clone());
            let id = settings.id.clone();
            let newest = log.newest();
            tasks.spawn(async move { told(&id, &[], debug::run(settings, frames, newest, cancel).await) });
        }
        for channel in &config.channels {
            let (channel, stats) = (channel.clone(), stats_of(&channel.id, alerts::ALERTS));
            let (id, findings, memory, cancel) =
                (channel.id.clone(), engine.findings(), memory.clone(), cancel.clone());
            tasks.spawn(async move {
                let own = stats.clone();
                told(&id, &[own], alerts::run(channel, findings, memory, stats, cancel).await);
            });
        }
        let remembered = Arc::<Mutex<Remembered>>::default();
        let channels = config.channels.iter().map(|channel| channel.id.clone()).collect();
        tasks.spawn(remember(channels, memory, remembered.clone(), cancel.clone()));
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

    /// Returns the progress of each sink.
    pub(super) fn progress(&self) -> Vec<Progress> {
        let newest = self.log.newest().0;
        let remembered = self.remembered();
        let progress = |Sink { id, signal, stats }: &Sink| {
            let standing = stats.standing();
            let lag = standing.position.map(|at| (newest.saturating_sub(at.0), self.log.bytes_behind(at)));
            let is_own = |row: &&Map<String, Value>| says(row, "sink", id) && says(row, "signal", signal);
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

    fn remembered(&self) -> std::sync::MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
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
        "last_refused": standing.last_refused.map(unix_micros), "dead_letters": dead_letters,
        "dropped_items": number(&stats.dropped_items), "last_dropped": standing.last_dropped.map(unix_micros),
        "state": standing.state, "failing_since": standing.failing_since.map(unix_micros),
        "last_error": standing.last_error,
    });
    row.as_object().cloned().unwrap_or_default()
}

fn unix_micros(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Logs how an exporter ended, and records it in its rows of the table `exporters`.
fn told(id: &str, stats: &[Arc<ExporterStats>], ended: anyhow::Result<()>) {
    if let Err(error) = ended {
        let error = format!("{error:#}");
        stats.iter().for_each(|stats| stats.ended(&error));
        tracing::error!(sink = id, error, "an exporter ended; its unsent data stays in the log");
    }
}

/// Reads the stored state of exporters and channels periodically: a query must not wait for the state database.
async fn remember(
    channels: Vec<String>,
    memory: Arc<SqliteState>,
    remembered: Arc<Mutex<Remembered>>,
    cancel: CancellationToken,
) {
    let mut ticks = tokio::time::interval(REFRESH);
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let mut rows = Remembered::default();
        for channel in &channels {
            rows.alerts.extend(entries(&memory, &alerts::memory_kind(channel)).await);
        }
        rows.dead_letters = entries(&memory, crate::delivery::dead_letters::DEAD_LETTERS).await;
        *remembered.lock().unwrap_or_else(PoisonError::into_inner) = rows;
    }
}

async fn entries(memory: &SqliteState, kind: &str) -> Vec<Map<String, Value>> {
    let entries = memory.entries(kind).await.unwrap_or_default();
    entries.iter().filter_map(|(_, bytes)| serde_json::from_slice(bytes).ok()).collect()
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
        told("otlp", &stats, Err(anyhow::anyhow!("no such file").context("exporters.otlp.tls.ca_file")));
        for of_signal in &stats {
            let standing = of_signal.standing();
            assert_eq!(standing.last_error.as_deref(), Some("ended: exporters.otlp.tls.ca_file: no such file"));
            assert_eq!((standing.state, standing.failing_since.is_some()), ("retrying", true));
        }
    }
}
