//! Delivery shared by all exporters that read the log: frames of a signal are batched, each batch is retried until the target
//! accepts it, and only then does the cursor advance. The log is the queue: a target that was down gets everything when it
//! returns.
//!
//! Each signal is delivered independently, so a rejected one does not hold up the others. Several batches of traces and logs
//! may be in flight at once; batches of metrics are sent one at a time, so that the points of a series keep their order.

pub mod attributes;
pub(crate) mod config;
pub mod processors;
pub mod settings;
pub mod stats;
pub mod tls;
pub mod web;

mod backoff;
mod batch;
mod batch_sender;
mod breaker;
mod dead_letter_writer;
mod exporter;
pub(crate) mod go_json;
mod intake;
mod rate;
mod streaks;
mod wire;

#[cfg(test)]
mod tests;

pub use backoff::Backoff;
pub use exporter::{DeliveryContext, Exporter, FrameSource, Mapped, Outcome, Payload, Placed, Rejected, StatefulStage};
pub use rate::Rate;
pub use settings::{DeliverySettings, cursor_name};
pub use wire::count as count_items;

use crate::model::frame::Frame;
use crate::model::frame::Position;
use crate::model::panics::caught_now;
use crate::model::signal::Signal;
use crate::model::unix_time;
use anyhow::Context as _;
use batch::{Batch, Part};
use batch_sender::BatchSender;
use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesOrdered;
use intake::{Intake, Passed};
use settings::{BatchSettings, Feed};
use stats::ExporterStats;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// How often the cursor is persisted during normal operation. After a kill, everything sent since the last save is sent again.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// How long to keep sending after a cancel; unsent data stays in the log.
const DRAIN: Duration = Duration::from_secs(3);

/// Delivers the signals of `feeds` until cancelled, each with its own context. A signal that cannot continue is reported and
/// the others go on; its unsent data stays in the log.
pub async fn run(
    settings: DeliverySettings,
    feeds: Vec<Feed>,
    context: impl Fn(Signal) -> DeliveryContext,
    cancel: CancellationToken,
) {
    let (mut deliveries, mut stats_of) = (tokio::task::JoinSet::new(), HashMap::new());
    for signal in Signal::ALL {
        let feeds: Vec<Feed> = feeds.iter().filter(|feed| feed.signal == signal).cloned().collect();
        if feeds.is_empty() {
            continue;
        }
        let context = context(signal);
        let stats = context.stats.clone();
        match Delivery::open(settings.clone(), signal, feeds, context, cancel.clone()).await {
            Ok(delivery) => {
                stats_of.insert(deliveries.spawn(delivery.run()).id(), (signal, stats));
            }
            Err(error) => tell_end(&settings.id, signal, &stats, &format!("{error:#}")),
        }
    }
    while let Some(ended) = deliveries.join_next().await {
        if let Err(error) = ended
            && let Some((signal, stats)) = stats_of.get(&error.id())
        {
            tell_end(&settings.id, *signal, stats, &error.to_string());
        }
    }
}

fn tell_end(exporter: &str, signal: Signal, stats: &ExporterStats, error: &str) {
    stats.ended(error);
    tracing::error!(exporter, signal = signal.as_str(), error, "delivery of a signal ended early");
}

/// Delivery of one signal.
struct Delivery {
    feeds: Vec<Feed>,
    sender: Arc<BatchSender>,
    /// Position up to which all frames have been dealt with.
    at: Position,
    saved: (Position, Instant),
}

/// Batches in flight, in frame order.
#[derive(Default)]
struct UnderWay {
    /// The newest frame of each batch, and whether the batch was dealt with.
    sending: FuturesOrdered<AbortOnDropHandle<(Position, bool)>>,
    /// Receive time of the oldest frame of each batch, ns since the epoch.
    received_unix_nano: VecDeque<i64>,
}

impl Delivery {
    /// Opens a delivery that continues from its cursor.
    async fn open(
        settings: DeliverySettings,
        signal: Signal,
        feeds: Vec<Feed>,
        context: DeliveryContext,
        cancel: CancellationToken,
    ) -> anyhow::Result<Delivery> {
        let cursor = context.state.cursor(&cursor_name(&settings.id, signal)).await?;
        context.stats.at(cursor);
        let saved = (cursor, Instant::now());
        Ok(Delivery { feeds, sender: Arc::new(BatchSender::new(settings, signal, context, cancel)), at: cursor, saved })
    }

    /// Delivers until cancelled, then drains what is left for at most [`DRAIN`]. A temporary failure of the log or the state
    /// store (a full disk) is logged and retried from the cursor.
    async fn run(mut self) {
        while let Err(error) = self.deliver_all().await {
            self.tell_failure("delivery failed; retrying", &format!("{error:#}"));
            tokio::select! {
                () = self.sender.cancel.cancelled() => return,
                () = tokio::time::sleep(SAVE_EVERY) => {}
            }
        }
    }

    async fn deliver_all(&mut self) -> anyhow::Result<()> {
        let (sender, feeds) = (self.sender.clone(), self.feeds.clone());
        let cancel = sender.cancel.clone();
        let ordered = sender.context.exporter.stateful_stage(sender.signal);
        let began = match ordered {
            Some(_) => sender.context.state.reader_start(&self.name(), unix_time::nanos(SystemTime::now())).await?,
            None => 0,
        };
        let mut intake = Intake::new(&feeds, &*sender.context.frames, ordered);
        intake.learn(self.at, began, &cancel).await?;
        let (mut reading, mut under_way) = (Batch::new(self.at), UnderWay::default());
        let mut drained_by = None;
        let mut ticks = tokio::time::interval(SAVE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_idle = under_way.sending.is_empty();
            tokio::select! {
                biased;
                Some(sent) = under_way.sending.next() => {
                    under_way.received_unix_nano.pop_front();
                    let (upto, sent) = sent.context("sending a batch")?;
                    if !sent {
                        break;
                    }
                    self.moved_to(upto, false).await;
                }
                gathered = self.gather(&mut reading, &mut intake, is_idle), if under_way.has_room(&self.sender) => {
                    gathered?;
                    let upto = reading.upto;
                    let batch = std::mem::replace(&mut reading, Batch::new(upto));
                    if !batch.parts.is_empty() {
                        under_way.send(&self.sender, batch);
                    } else if is_idle {
                        // Idle, so save now: a kill then repeats nothing.
                        let is_caught_up = upto == self.at;
                        self.moved_to(upto, is_caught_up).await;
                        self.waits_for_nothing();
                        if is_caught_up && cancel.is_cancelled() {
                            break;
                        }
                    }
                }
                _ = ticks.tick() => self.hold_senders(&under_way),
            }
            if cancel.is_cancelled() {
                let end = *drained_by.get_or_insert_with(|| Instant::now() + DRAIN);
                if Instant::now() >= end {
                    break;
                }
            }
        }
        self.save(true).await
    }

    /// Gathers frames of the signal for one request, waiting for the first. Cancel safe: frames gathered so far stay in
    /// `batch`.
    async fn gather(&self, batch: &mut Batch, intake: &mut Intake<'_>, is_idle: bool) -> anyhow::Result<()> {
        let sender = &self.sender;
        let (frames, cancel) = (&sender.context.frames, &sender.cancel);
        let bounds = sender.bounds();
        // Frames of other signals may be followed by more of this one, but do not wait for ever.
        let patience = bounds.flush_timeout.max(SAVE_EVERY);
        loop {
            if let Some((position, frame)) = frames.next(batch.upto).await? {
                if !self.take(batch, intake, &bounds, position, &frame) {
                    return Ok(());
                }
                let is_late = batch.since.is_some_and(|since| since.elapsed() >= patience);
                if batch.is_full(&bounds) || is_late {
                    return Ok(());
                }
                continue;
            }
            let left = match batch.since {
                _ if cancel.is_cancelled() && (is_idle || batch.since.is_some()) => return Ok(()),
                None if is_idle && batch.upto != self.saved.0 => return Ok(()),
                Some(since) => bounds.flush_timeout.saturating_sub(since.elapsed()),
                None => SAVE_EVERY,
            };
            tokio::select! {
                () = cancel.cancelled(), if !cancel.is_cancelled() => {}
                () = frames.wait_beyond(batch.upto) => {}
                () = tokio::time::sleep(left) => return Ok(()),
            }
        }
    }

    /// Adds a frame to the batch; returns false if it does not fit.
    fn take(
        &self,
        batch: &mut Batch,
        intake: &mut Intake<'_>,
        bounds: &BatchSettings,
        position: Position,
        frame: &Frame,
    ) -> bool {
        let sender = &self.sender;
        let (exporter, signal) = (&sender.settings.id, sender.signal);
        let lost = position.0.saturating_sub(batch.upto.0 + 1);
        if lost > 0 && batch.upto.0 > 0 {
            let signal = signal.as_str();
            tracing::error!(exporter, signal, frames = lost, "frames not yet sent are no longer in the log");
        }
        let passed = caught_now(|| intake.pass(position, frame)).unwrap_or_else(|panicked| Err(panicked.into()));
        let part = match passed {
            Ok(Some(Passed { request, left_out })) => {
                Part { left_out, ..Part::new(position, signal, request, frame.received_unix_nano) }
            }
            Ok(None) => {
                batch.upto = position;
                return true;
            }
            Err(error) => {
                tracing::error!(exporter, position = position.0, %error, "a frame cannot be read for the exporter");
                // Becomes a dead letter alongside the rest of the batch.
                let items =
                    caught_now(|| sender.context.frames.protobuf(frame).map(|request| wire::count(signal, &request)));
                let items = items.ok().and_then(Result::ok).unwrap_or_default();
                let left_out = vec![Rejected { items, reason: format!("it cannot be read: {error:#}") }];
                Part { left_out, ..Part::new(position, signal, Bytes::new(), frame.received_unix_nano) }
            }
        };
        if sender.is_past_bound(&part) {
            sender.dropped(part.items + part.left_out.iter().map(|rejected| rejected.items).sum::<u64>());
            batch.upto = position;
            return true;
        }
        batch.take(bounds, part)
    }

    /// Applies or releases backpressure on senders, depending on how far this reader is behind.
    fn hold_senders(&self, under_way: &UnderWay) {
        let queue = &self.sender.settings.queue;
        if queue.drops_oldest || (queue.bytes_max.is_none() && queue.age_max.is_none()) {
            return;
        }
        let frames = &self.sender.context.frames;
        let oldest = under_way.received_unix_nano.front().copied().unwrap_or(i64::MAX);
        frames.hold_senders(&self.name(), queue.past(frames.bytes_behind(self.at), oldest));
    }

    async fn moved_to(&mut self, upto: Position, now: bool) {
        self.at = upto;
        self.sender.context.stats.at(upto);
        if let Err(error) = self.save(now).await {
            // A failed save must not cause resending; only a restart does.
            self.saved.1 = Instant::now();
            self.tell_failure("cannot store the cursor; retrying", &format!("{error:#}"));
            tokio::select! {
                () = self.sender.cancel.cancelled() => {}
                () = tokio::time::sleep(SAVE_EVERY) => {}
            }
        }
    }

    /// Clears the failing state once nothing is in flight, since earlier failures were given up. Keeps it if saving the cursor
    /// is what failed.
    fn waits_for_nothing(&self) {
        if self.at == self.saved.0 {
            self.sender.context.stats.went_well();
        }
    }

    async fn save(&mut self, now: bool) -> anyhow::Result<()> {
        let (saved, when) = self.saved;
        if self.at != saved && (now || when.elapsed() >= SAVE_EVERY) {
            self.sender.context.state.set_cursor(&self.name(), self.at).await?;
            self.saved = (self.at, Instant::now());
        }
        Ok(())
    }

    fn name(&self) -> String {
        cursor_name(&self.sender.settings.id, self.sender.signal)
    }

    fn tell_failure(&self, what: &str, error: &str) {
        if self.sender.context.stats.failed(error) {
            let (exporter, signal) = (&self.sender.settings.id, self.sender.signal.as_str());
            tracing::error!(exporter, signal, error, "{what}");
        }
    }
}

impl Drop for Delivery {
    /// Releases the backpressure of a reader that is gone, for whatever reason.
    fn drop(&mut self) {
        self.sender.context.frames.hold_senders(&self.name(), None);
    }
}

impl UnderWay {
    fn has_room(&self, sender: &BatchSender) -> bool {
        let at_once = if sender.signal == Signal::Metrics { 1 } else { sender.settings.queue.consumers.max(1) };
        self.sending.len() < at_once
    }

    fn send(&mut self, sender: &Arc<BatchSender>, batch: Batch) {
        let (sender, upto) = (sender.clone(), batch.upto);
        self.received_unix_nano.push_back(batch.parts.first().map_or(i64::MAX, |part| part.received_unix_nano));
        let sending = tokio::spawn(async move { (upto, sender.deliver(batch.parts).await) });
        self.sending.push_back(AbortOnDropHandle::new(sending));
    }
}
