//! The engine's loop: flushes new rows, evaluates findings, and runs compaction.

use super::Engine;
use super::findings::Due;
use super::panics::{Panicked, caught};
use crate::model::unix_time::now_ms;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

/// Interval at which the engine checks whether work is due.
const TICK: Duration = Duration::from_secs(1);
/// Share of the hot tables' memory above which unflushed rows are flushed at once.
const BEHIND_SHARE_MAX: f64 = 0.2;
/// Timeout of the last flush at shutdown.
const LAST_FLUSH_MAX: Duration = Duration::from_secs(5);

impl Engine {
    /// Runs on a separate thread until cancelled, and then flushes the remaining rows. On the receivers' threads,
    /// rollups and findings would block receivers.
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
            // Findings must not be evaluated over rows that are not flushed yet.
            let every = self.settings.flush.min(self.rules().interval).saturating_sub(TICK / 2);
            if flushed.is_some_and(|at| at.elapsed() < every) && !self.is_filling().await {
                continue;
            }
            flushed = Some(Instant::now());
            let caught_up = self.flush_or_tell(|| cancel.is_cancelled()).await;
            let due = evaluated.is_none_or(|at| at.elapsed() >= self.rules().interval.saturating_sub(TICK / 2));
            // Do not evaluate while rows are missing: findings would report no problem.
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
        // The next process flushes the remaining rows.
        let until = Instant::now() + LAST_FLUSH_MAX;
        self.flush_or_tell(|| Instant::now() > until).await;
    }

    /// Returns whether unflushed rows take so much memory that they could be evicted before the next flush.
    async fn is_filling(&self) -> bool {
        let cursor = self.flusher.lock().await.cursor();
        self.all_tables().share_since(cursor) > BEHIND_SHARE_MAX
    }

    /// Flushes and logs an error. Returns whether all new rows were flushed.
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

    /// Flushes all new rows into the rollups.
    ///
    /// # Errors
    /// Returns an error if the log or the state database fails. Nothing has changed then.
    pub async fn flush(&self) -> anyhow::Result<()> {
        self.flush_until(|| false).await.map(drop)
    }

    /// Flushes until all rows that are new now are flushed, or until `stop`. Returns whether all are flushed.
    async fn flush_until(&self, stop: impl Fn() -> bool) -> anyhow::Result<bool> {
        let upto = self.all_tables().newest();
        loop {
            // Release the lock between rounds, so that others can take it. Rows that arrive meanwhile are left to the
            // next flush.
            let mut flusher = self.flusher.lock().await;
            // A reload may have run between rounds, and its new rollups only have a table in its own `Tables`.
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

/// Converts a panic to an error.
fn settled(done: Result<anyhow::Result<()>, Panicked>) -> anyhow::Result<()> {
    done.unwrap_or_else(|panicked| Err(panicked.into()))
}
