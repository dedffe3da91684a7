//! Exporters and alert channels: started with what they read from, and told of in the tables `sinks`, `alerts` and
//! `dead_letters`.

use super::config::Config;
use super::frames::{FrameLog, LogFrames};
use super::memory::StateMemory;
use crate::engine::{Engine, StateRows};
use crate::model::signal::Signal;
use crate::sinks::delivery::FrameSource;
use crate::sinks::memory::Memory;
use crate::sinks::stats::SinkStats;
use crate::sinks::{alerts, debug};
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How often the tables of what is remembered are read again.
const REFRESH: Duration = Duration::from_secs(2);

/// All exporters and channels.
pub(super) struct Sinks {
    tasks: TaskTracker,
    cancel: CancellationToken,
    log: FrameLog,
    stats: Vec<(String, Arc<SinkStats>)>,
    remembered: Arc<Mutex<Remembered>>,
}

/// Rows out of the memory of exporters and channels.
#[derive(Default)]
struct Remembered {
    alerts: StateRows,
    dead_letters: StateRows,
}

impl Sinks {
    /// Starts them.
    pub(super) fn start(config: &Config, log: &FrameLog, memory: Arc<StateMemory>, engine: &Arc<Engine>) -> Arc<Sinks> {
        // They end last, by a token of their own: what the receivers still take is sent, too.
        let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
        let mut stats = Vec::new();
        let mut stats_of = |id: &str| {
            let own = Arc::new(SinkStats::default());
            stats.push((id.to_owned(), own.clone()));
            own
        };
        for settings in &config.targets {
            let (settings, stats, log) = (settings.clone(), stats_of(settings.id()), log.clone());
            let (id, memory, cancel) = (settings.id().to_owned(), memory.clone(), cancel.clone());
            let frames = move |_: Signal| LogFrames::new(log.clone()) as Arc<dyn FrameSource>;
            tasks.spawn(async move { told(&id, settings.run(frames, memory, stats, cancel).await) });
        }
        for settings in &config.debug {
            let (settings, frames, cancel) = (settings.clone(), LogFrames::new(log.clone()), cancel.clone());
            let id = settings.id.clone();
            let newest = log.newest();
            tasks.spawn(async move { told(&id, debug::run(settings, frames, newest, cancel).await) });
        }
        for channel in &config.channels {
            let (channel, stats) = (channel.clone(), stats_of(&channel.id));
            let (id, findings, memory, cancel) =
                (channel.id.clone(), engine.findings(), memory.clone(), cancel.clone());
            tasks.spawn(async move { told(&id, alerts::run(channel, findings, memory, stats, cancel).await) });
        }
        let remembered = Arc::<Mutex<Remembered>>::default();
        let channels = config.channels.iter().map(|channel| channel.id.clone()).collect();
        tasks.spawn(remember(channels, memory, remembered.clone(), cancel.clone()));
        tasks.close();
        Arc::new(Sinks { tasks, cancel, log: log.clone(), stats, remembered })
    }

    /// Gives the tables `sinks`, `alerts` and `dead_letters` their rows.
    pub(super) fn fill(self: &Arc<Self>, engine: &Engine) {
        let of = self.clone();
        engine.fill("sinks", move || of.stats.iter().map(|(id, stats)| of.row(id, stats)).collect());
        let of = self.clone();
        engine.fill("alerts", move || of.remembered().alerts.clone());
        let of = self.clone();
        engine.fill("dead_letters", move || of.remembered().dead_letters.clone());
    }

    fn row(&self, id: &str, stats: &SinkStats) -> Map<String, Value> {
        let standing = stats.standing();
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let lag_frames = standing.position.map(|position| self.log.newest().0.saturating_sub(position.0));
        let row = json!({
            "sink": id, "position": standing.position.map(|position| position.0), "lag_frames": lag_frames,
            "sent_items": number(&stats.sent_items), "refused_items": number(&stats.refused_items),
            "lag_bytes": standing.position.map(|position| self.log.bytes_behind(position)),
            "dead_letters": number(&stats.dead_letters), "dropped_items": number(&stats.dropped_items),
            "last_dropped": standing.last_dropped.map(unix_micros), "state": standing.state,
            "last_error": standing.last_error,
        });
        row.as_object().cloned().unwrap_or_default()
    }

    /// Lets all of them send what there is, for `longest`.
    pub(super) async fn drain(&self, longest: Duration) {
        self.cancel.cancel();
        if tokio::time::timeout(longest, self.tasks.wait()).await.is_err() {
            tracing::warn!("exporters that were still sending are stopped: they go on from the log at the next start");
        }
    }

    fn remembered(&self) -> std::sync::MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unix_micros(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

fn told(id: &str, ended: anyhow::Result<()>) {
    if let Err(error) = ended {
        tracing::error!(
            sink = id,
            error = format!("{error:#}"),
            "an exporter ended; what it has not sent waits in the log"
        );
    }
}

/// Reads what exporters and channels remember, every now and then: a query must not wait for the state database.
async fn remember(
    channels: Vec<String>,
    memory: Arc<StateMemory>,
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
        rows.dead_letters = entries(&memory, crate::sinks::dead_letters::DEAD_LETTERS).await;
        *remembered.lock().unwrap_or_else(PoisonError::into_inner) = rows;
    }
}

async fn entries(memory: &StateMemory, kind: &str) -> Vec<Map<String, Value>> {
    let entries = memory.entries(kind).await.unwrap_or_default();
    entries.iter().filter_map(|(_, bytes)| serde_json::from_slice(bytes).ok()).collect()
}
