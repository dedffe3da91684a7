//! What the engine does by itself: it takes in what is new, judges findings, and keeps up its tables.

use super::Engine;
use super::clock::now_ms;
use super::findings::Due;
use super::panics::{Panicked, caught};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// How often the engine looks whether there is something to do.
const TICK: Duration = Duration::from_secs(1);
/// Rows that take more of the hot tables' memory than this are taken in at once.
const BEHIND_SHARE_MAX: f64 = 0.2;
/// How long new rows are taken in at the end.
const LAST_FLUSH_MAX: Duration = Duration::from_secs(5);

impl Engine {
    /// Works on a thread of its own until it is cancelled; what is new then is taken in before it ends. A receiver's
    /// turn would else wait for rollups and findings.
    pub async fn run(self: Arc<Self>, cancel: CancellationToken) {
        let engine = self.clone();
        if let Some(working) = self.own_worker.spawn(async move { engine.work(cancel).await })
            && let Err(error) = working.await
        {
            tracing::error!(%error, "the engine ended early");
        }
    }

    async fn work(&self, cancel: CancellationToken) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut flushed, mut evaluated, mut kept_up) = (None::<Instant>, None::<Instant>, Instant::now());
        loop {
            tokio::select! {
                () = cancel.cancelled() => break,
                _ = ticks.tick() => {}
            }
            // Findings are not evaluated over rows that are not taken in yet.
            let every = self.settings.flush.min(self.rules().interval).saturating_sub(TICK / 2);
            if flushed.is_some_and(|at| at.elapsed() < every) && !self.is_filling().await {
                continue;
            }
            flushed = Some(Instant::now());
            let caught_up = self.flush_or_tell(|| cancel.is_cancelled()).await;
            let due = evaluated.is_none_or(|at| at.elapsed() >= self.rules().interval.saturating_sub(TICK / 2));
            // Behind the log nothing is judged: what is missing is not what is wrong.
            if caught_up && due {
                evaluated = Some(Instant::now());
                if let Err(error) = settled(caught(self.evaluate_due(now_ms(), Due::Moved)).await) {
                    tracing::error!(%error, "states of findings cannot be kept; evaluated again soon");
                }
            }
            if kept_up.elapsed() >= self.settings.compaction {
                kept_up = Instant::now();
                if let Err(error) = settled(caught(self.compaction(now_ms())).await) {
                    tracing::error!(%error, "compaction of the rollups failed; tried again soon");
                }
            }
        }
        // What is not taken in by then the next process takes in.
        let until = Instant::now() + LAST_FLUSH_MAX;
        self.flush_or_tell(|| Instant::now() > until).await;
    }

    /// Whether rows that are not taken in yet take so much memory that they could be evicted before the next flush.
    async fn is_filling(&self) -> bool {
        let cursor = self.flusher.lock().await.cursor();
        self.all_tables().share_since(cursor) > BEHIND_SHARE_MAX
    }

    /// Whether all that is new was taken in.
    async fn flush_or_tell(&self, stop: impl Fn() -> bool) -> bool {
        match caught(self.flush_until(stop)).await.unwrap_or_else(|panicked| Err(panicked.into())) {
            Ok(caught_up) => caught_up,
            Err(error) => {
                tracing::error!(
                    error = format!("{error:#}"),
                    "new rows cannot be taken into the rollups; tried again soon"
                );
                false
            }
        }
    }

    /// Takes all that is new into the rollups.
    ///
    /// # Errors
    /// When the log or the state database fails; nothing has changed then.
    pub async fn flush(&self) -> anyhow::Result<()> {
        self.flush_until(|| false).await.map(drop)
    }

    /// Takes in what is new until all of it is, or until it is to stop; whether all of it is.
    async fn flush_until(&self, stop: impl Fn() -> bool) -> anyhow::Result<bool> {
        let upto = self.all_tables().newest();
        loop {
            // Between two rounds the scrape has its turn. What comes in meanwhile is the next flush's.
            let mut flusher = self.flusher.lock().await;
            // A reload may have had its turn, too, and what its rollups make has its place in its tables alone.
            let tables = self.all_tables();
            let costs = flusher.flush(&tables).await?;
            self.worked_ms.store(now_ms(), Ordering::Relaxed);
            let is_all = costs.is_none() || flusher.cursor() >= upto;
            costs.into_iter().flatten().for_each(|cost| self.costs.add(cost));
            self.counters.store(flusher.counters.len(), Ordering::Relaxed);
            if is_all || stop() {
                return Ok(is_all);
            }
        }
    }
}

/// A panic is a failure like any other.
fn settled(done: Result<anyhow::Result<()>, Panicked>) -> anyhow::Result<()> {
    done.unwrap_or_else(|panicked| Err(panicked.into()))
}
