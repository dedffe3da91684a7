//! Delivery, once for all exporters that read the log: frames of a signal are put into requests, sent until the target
//! takes them, and only then the cursor moves on. The log is the queue: a target that is down gets everything when it
//! returns.
//!
//! Each signal is delivered for itself, so that a refused one does not hold up the others.

mod backoff;
mod batch;
mod ends;
mod wire;

#[cfg(test)]
mod tests;

pub use backoff::Backoff;
pub use ends::{FrameSource, Outcome, Sender};
pub use wire::count as count_items;

use super::dead_letters::{self, DeadLetter};
use super::memory::Memory;
use super::settings::{BatchSettings, RetrySettings};
use super::stats::SinkStats;
use crate::log::Position;
use crate::model::frame::Frame;
use crate::model::own;
use crate::model::signal::Signal;
use batch::{Batch, Part};
use bytes::Bytes;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use tracing::field::Empty;

/// How often the cursor is made durable while all goes well: after a kill, what was sent since is sent again.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// How long what is left is sent after a cancel; the rest waits in the log.
const DRAIN: Duration = Duration::from_secs(3);
/// However little a target takes, more than this is tried first.
const BYTES_MAX_LEAST: usize = 64 << 10;
/// Failures in a row after which the target counts as down.
const DOWN_AFTER: u32 = 3;

/// How an exporter delivers.
#[derive(Debug, Clone)]
pub struct DeliverySettings {
    /// The exporter's id.
    pub id: String,
    /// What follows a failure.
    pub retry: RetrySettings,
    /// How much is put into one request.
    pub batch: BatchSettings,
}

/// The name of the cursor of an exporter for a signal.
#[must_use]
pub fn cursor_name(id: &str, signal: Signal) -> String {
    format!("exporter:{id}/{}", signal.as_str())
}

/// Delivers the frames of one signal.
pub struct Delivery {
    settings: DeliverySettings,
    signal: Signal,
    frames: Arc<dyn FrameSource>,
    sender: Arc<dyn Sender>,
    memory: Arc<dyn Memory>,
    stats: Arc<SinkStats>,
    cancel: CancellationToken,
    /// Behind what has been dealt with.
    at: Position,
    saved: (Position, Instant),
    failures: u32,
}

impl Delivery {
    /// A delivery that reads on from its cursor.
    ///
    /// # Errors
    /// When the cursor cannot be read.
    pub async fn open(
        settings: DeliverySettings,
        signal: Signal,
        (frames, sender): (Arc<dyn FrameSource>, Arc<dyn Sender>),
        (memory, stats): (Arc<dyn Memory>, Arc<SinkStats>),
        cancel: CancellationToken,
    ) -> anyhow::Result<Delivery> {
        let cursor = memory.cursor(&cursor_name(&settings.id, signal)).await?;
        stats.at(signal.as_str(), cursor);
        let saved = (cursor, Instant::now());
        Ok(Delivery { settings, signal, frames, sender, memory, stats, cancel, at: cursor, saved, failures: 0 })
    }

    /// Delivers until it is cancelled and has sent what there was, for [`DRAIN`] at most. A log or a memory that fails for
    /// a while (a full disk) is told and tried again from the cursor.
    pub async fn run(mut self) {
        while let Err(error) = self.deliver_all().await {
            let error = format!("{error:#}");
            if self.stats.failed(&error) {
                tracing::error!(
                    sink = self.settings.id,
                    signal = self.signal.as_str(),
                    error,
                    "delivery is held up; tried again"
                );
            }
            tokio::select! {
                () = self.cancel.cancelled() => return,
                () = tokio::time::sleep(SAVE_EVERY) => {}
            }
        }
    }

    async fn deliver_all(&mut self) -> anyhow::Result<()> {
        let mut at = self.at;
        let mut drained_by = None;
        loop {
            let batch = self.gather(at).await?;
            let upto = batch.upto;
            if !batch.parts.is_empty() && !self.deliver(batch.parts).await? {
                break;
            }
            let caught_up = upto == at;
            at = upto;
            self.at = at;
            self.stats.at(self.signal.as_str(), at);
            // With nothing to do there is time to save: a kill then repeats nothing.
            if let Err(error) = self.save(at, caught_up).await {
                // What was sent must not be sent again for it; after a restart it is.
                self.saved.1 = Instant::now();
                if self.stats.failed(&format!("{error:#}")) {
                    let (sink, signal) = (&self.settings.id, self.signal.as_str());
                    tracing::error!(sink, signal, %error, "the cursor cannot be kept; tried again");
                }
                tokio::select! {
                    () = self.cancel.cancelled() => {}
                    () = tokio::time::sleep(SAVE_EVERY) => {}
                }
            }
            if self.cancel.is_cancelled() {
                let end = *drained_by.get_or_insert_with(|| Instant::now() + DRAIN);
                if caught_up || Instant::now() >= end {
                    break;
                }
            }
        }
        self.save(at, true).await
    }

    /// Frames of the signal behind `at`, as many as make one request; waits for the first.
    async fn gather(&self, at: Position) -> anyhow::Result<Batch> {
        let mut batch = Batch::new(at);
        let mut first_came: Option<Instant> = None;
        // Behind frames of other signals there may be more to come, but not for ever.
        let patience = self.settings.batch.flush_timeout.max(SAVE_EVERY);
        loop {
            if let Some((position, frame)) = self.frames.next(batch.upto).await? {
                if !self.take(&mut batch, position, &frame) {
                    return Ok(batch);
                }
                first_came.get_or_insert_with(Instant::now);
                let is_late = first_came.is_some_and(|since| since.elapsed() >= patience);
                if batch.is_full(&self.settings.batch) || is_late || self.cancel.is_cancelled() {
                    return Ok(batch);
                }
                continue;
            }
            let left = match first_came {
                _ if self.cancel.is_cancelled() => return Ok(batch),
                None if batch.upto != self.saved.0 => return Ok(batch),
                Some(since) => self.settings.batch.flush_timeout.saturating_sub(since.elapsed()),
                None => SAVE_EVERY,
            };
            tokio::select! {
                () = self.cancel.cancelled() => {}
                () = self.frames.wait_beyond(batch.upto) => {}
                () = tokio::time::sleep(left) => return Ok(batch),
            }
        }
    }

    /// Puts a frame into the batch; false where it no longer fits.
    fn take(&self, batch: &mut Batch, position: Position, frame: &Frame) -> bool {
        let lost = position.0.saturating_sub(batch.upto.0 + 1);
        if lost > 0 && batch.upto.0 > 0 {
            let (sink, signal) = (&self.settings.id, self.signal.as_str());
            tracing::error!(sink, signal, frames = lost, "frames that were to be sent are no longer in the log");
        }
        // Own telemetry goes where `service.telemetry` sends it; sent here, too, each sending would cause the next.
        if frame.signal != self.signal || frame.receiver == own::RECEIVER {
            batch.upto = position;
            return true;
        }
        match self.frames.protobuf(frame) {
            Ok(body) => batch.take(&self.settings.batch, Part::new(position, self.signal, body)),
            Err(error) => {
                tracing::error!(sink = self.settings.id, position = position.0, %error, "a frame cannot be sent; passed over");
                batch.upto = position;
                true
            }
        }
    }

    /// Sends parts until they are taken or refused for good; false if it was cancelled before.
    async fn deliver(&mut self, parts: Vec<Part>) -> anyhow::Result<bool> {
        let mut waiting = vec![parts];
        while let Some(parts) = waiting.pop() {
            // A frame is as large as its sender made it; the target has bounds of its own.
            if !batch::fits(&self.settings.batch, &parts)
                && let Some((first, rest)) = batch::split(self.signal, &parts)
            {
                waiting.extend([rest, first]);
                continue;
            }
            match self.send(&parts).await {
                None => return Ok(false),
                Some(Outcome::Delivered { rejected, message }) => self.delivered(&parts, rejected, &message),
                Some(Outcome::TooLarge(reason)) => match batch::split(self.signal, &parts) {
                    Some((first, rest)) => {
                        self.send_less(&parts);
                        waiting.extend([rest, first]);
                    }
                    None => self.bury(&parts, &reason).await?,
                },
                Some(Outcome::Refused(reason) | Outcome::Retry { reason, .. }) => self.bury(&parts, &reason).await?,
            }
        }
        Ok(true)
    }

    /// Sends until there is a verdict; a retry that comes back was one too many. `None` where it was cancelled.
    async fn send(&mut self, parts: &[Part]) -> Option<Outcome> {
        let body = batch::join(parts);
        let items: u64 = parts.iter().map(|part| part.items).sum();
        let mut backoff = Backoff::new(&self.settings.retry);
        loop {
            let outcome = self.attempt(items, body.clone()).await;
            let Outcome::Retry { after, reason } = &outcome else {
                self.is_up();
                return Some(outcome);
            };
            self.is_failing(reason);
            let Some(wait) = backoff.next(*after) else { return Some(outcome) };
            tokio::select! {
                () = self.cancel.cancelled() => return None,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Keeps in mind what was too large, so that not every request is sent twice.
    fn send_less(&mut self, parts: &[Part]) {
        let bytes: usize = parts.iter().map(|part| part.body.len()).sum();
        let bound = &mut self.settings.batch.bytes_max;
        *bound = (*bound).min((bytes / 2).max(BYTES_MAX_LEAST));
    }

    async fn attempt(&self, items: u64, body: Bytes) -> Outcome {
        let (sink, signal, bytes) = (&self.settings.id, self.signal.as_str(), body.len());
        let work = tracing::info_span!(target: own::WORK, "deliver", sink, signal, items, bytes, outcome = Empty, error = Empty);
        let outcome = self.sender.send(self.signal, body).instrument(work.clone()).await;
        let (became, error) = match &outcome {
            Outcome::Delivered { rejected: 0, .. } => ("delivered", None),
            Outcome::Delivered { message, .. } => ("delivered in part", Some(message)),
            Outcome::Retry { reason, .. } => ("to be sent again", Some(reason)),
            Outcome::TooLarge(reason) => ("too large", Some(reason)),
            Outcome::Refused(reason) => ("refused", Some(reason)),
        };
        work.record("outcome", became).record("error", error.map(String::as_str));
        outcome
    }

    fn is_failing(&mut self, reason: &str) {
        self.stats.failed(reason);
        self.failures = self.failures.saturating_add(1);
        if self.failures == DOWN_AFTER {
            let (sink, signal) = (&self.settings.id, self.signal.as_str());
            tracing::warn!(
                sink,
                signal,
                reason,
                "the target does not take anything; it is tried until it does, the log keeps what waits"
            );
        }
    }

    fn is_up(&mut self) {
        self.stats.went_well();
        if self.failures >= DOWN_AFTER {
            tracing::info!(
                sink = self.settings.id,
                signal = self.signal.as_str(),
                attempts = self.failures,
                "the target is back"
            );
        }
        self.failures = 0;
    }

    fn delivered(&self, parts: &[Part], rejected: u64, message: &str) {
        let items: u64 = parts.iter().map(|part| part.items).sum();
        SinkStats::add(&self.stats.sent_items, items.saturating_sub(rejected));
        if rejected > 0 {
            SinkStats::add(&self.stats.refused_items, rejected);
            tracing::warn!(
                sink = self.settings.id,
                signal = self.signal.as_str(),
                rejected,
                message,
                "the target refused items out of a request"
            );
        }
    }

    /// Keeps note of parts that the target will not take.
    async fn bury(&self, parts: &[Part], reason: &str) -> anyhow::Result<()> {
        let id = &self.settings.id;
        let items: u64 = parts.iter().map(|part| part.items).sum();
        SinkStats::add(&self.stats.refused_items, items);
        SinkStats::add(&self.stats.dead_letters, parts.len() as u64);
        tracing::error!(
            sink = id,
            signal = self.signal.as_str(),
            items,
            reason,
            "the target refused a request for good: see the table dead_letters"
        );
        let letter = |part: &Part| DeadLetter {
            key: format!("{:020}.{:020}", part.position.0, part.piece),
            position: Some(part.position.0),
            items: part.items,
        };
        let letters: Vec<DeadLetter> = parts.iter().map(letter).collect();
        dead_letters::bury(&*self.memory, (id, self.signal.as_str()), letters, reason).await
    }

    async fn save(&mut self, at: Position, now: bool) -> anyhow::Result<()> {
        let (saved, when) = self.saved;
        if at != saved && (now || when.elapsed() >= SAVE_EVERY) {
            self.memory.set_cursor(&cursor_name(&self.settings.id, self.signal), at).await?;
            self.saved = (at, Instant::now());
        }
        Ok(())
    }
}
