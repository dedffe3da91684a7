//! Delivery, once for all exporters that read the log: frames of a signal are put into batches, each is sent until the
//! target takes it, and only then the cursor moves on. The log is the queue: a target that is down gets everything when
//! it returns.
//!
//! Each signal is delivered for itself, so that a refused one does not hold up the others. Batches of traces and logs may
//! be under way side by side; those of metrics follow one another, so that the points of a series keep their order.

mod backoff;
mod batch;
mod batch_sender;
mod breaker;
mod dead_letter_writer;
mod ends;
mod intake;
mod rate;
mod reader_start;
mod settings;
mod streaks;
mod wire;

#[cfg(test)]
mod tests;

pub use backoff::Backoff;
pub use ends::{FrameSource, Mapped, Outcome, Payload, Placed, Rejected, StatefulStage, Target};
pub use rate::Rate;
pub use reader_start::begin;
pub use settings::{DeliverySettings, cursor_name};
pub use wire::count as count_items;

use super::settings::{BatchSettings, Feed};
use super::state_store::StateStore;
use super::stats::SinkStats;
use crate::log::Position;
use crate::model::frame::Frame;
use crate::model::panics::caught_now;
use crate::model::signal::Signal;
use anyhow::Context as _;
use batch::{Batch, Part};
use batch_sender::BatchSender;
use bytes::Bytes;
use ends::Ends;
use futures::StreamExt as _;
use futures::stream::FuturesOrdered;
use intake::{Intake, Passed};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// How often the cursor is made durable while all goes well: after a kill, what was sent since is sent again.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// How long what is left is sent after a cancel; the rest waits in the log.
const DRAIN: Duration = Duration::from_secs(3);

/// What an exporter delivers with, for all of its signals.
pub struct Parties {
    /// What it sends to.
    pub target: Arc<dyn Target>,
    /// What it remembers over restarts.
    pub memory: Arc<dyn StateStore>,
    /// How fast it may send.
    pub rate: Arc<Rate>,
}

/// What each signal has for itself.
pub struct OfSignal {
    /// Its way through the log.
    pub frames: Arc<dyn FrameSource>,
    /// What is counted of it.
    pub stats: Arc<SinkStats>,
}

/// Delivers what an exporter is fed with until it is cancelled; `own` is what each signal has for itself. A signal that cannot
/// go on is told of, and the others do: what it has not sent waits in the log.
pub async fn run(
    settings: DeliverySettings,
    feeds: Vec<Feed>,
    own: impl Fn(Signal) -> OfSignal,
    parties: Parties,
    cancel: CancellationToken,
) {
    let (mut deliveries, mut stats_of) = (tokio::task::JoinSet::new(), HashMap::new());
    for signal in Signal::ALL {
        let feeds: Vec<Feed> = feeds.iter().filter(|feed| feed.signal == signal).cloned().collect();
        if feeds.is_empty() {
            continue;
        }
        let Parties { target, memory, rate } = &parties;
        let OfSignal { frames, stats } = own(signal);
        let (target, memory, rate) = (target.clone(), memory.clone(), rate.clone());
        let ends = Ends { frames, target, memory, stats: stats.clone(), rate };
        match Delivery::open(settings.clone(), signal, feeds, ends, cancel.clone()).await {
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

fn tell_end(sink: &str, signal: Signal, stats: &SinkStats, error: &str) {
    stats.ended(error);
    tracing::error!(sink, signal = signal.as_str(), error, "the delivery of a signal ended early");
}

/// Delivers the frames of one signal.
struct Delivery {
    feeds: Vec<Feed>,
    courier: Arc<BatchSender>,
    /// Behind what has been dealt with.
    at: Position,
    saved: (Position, Instant),
}

/// Batches that are being sent, in the order of their frames.
#[derive(Default)]
struct UnderWay {
    /// The newest frame of each, and whether it was dealt with.
    sending: FuturesOrdered<AbortOnDropHandle<(Position, bool)>>,
    /// When the oldest frame of each was received, ns since the epoch.
    received_unix_nano: VecDeque<i64>,
}

impl Delivery {
    /// A delivery that reads on from its cursor.
    async fn open(
        settings: DeliverySettings,
        signal: Signal,
        feeds: Vec<Feed>,
        ends: Ends,
        cancel: CancellationToken,
    ) -> anyhow::Result<Delivery> {
        let cursor = ends.memory.cursor(&cursor_name(&settings.id, signal)).await?;
        ends.stats.at(cursor);
        let saved = (cursor, Instant::now());
        Ok(Delivery { feeds, courier: Arc::new(BatchSender::new(settings, signal, ends, cancel)), at: cursor, saved })
    }

    /// Delivers until it is cancelled and has sent what there was, for [`DRAIN`] at most. A log or a memory that fails for
    /// a while (a full disk) is told and tried again from the cursor.
    async fn run(mut self) {
        while let Err(error) = self.deliver_all().await {
            self.tell_failure("delivery is held up; tried again", &format!("{error:#}"));
            tokio::select! {
                () = self.courier.cancel.cancelled() => return,
                () = tokio::time::sleep(SAVE_EVERY) => {}
            }
        }
    }

    async fn deliver_all(&mut self) -> anyhow::Result<()> {
        let (courier, feeds) = (self.courier.clone(), self.feeds.clone());
        let cancel = courier.cancel.clone();
        let ordered = courier.ends.target.ordered(courier.signal);
        let began = match ordered {
            Some(_) => reader_start::of(&self.name(), courier.settings.read_at, &*courier.ends.memory).await?,
            None => 0,
        };
        let mut intake = Intake::new(&feeds, &*courier.ends.frames, ordered);
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
                gathered = self.gather(&mut reading, &mut intake, is_idle), if under_way.has_room(&self.courier) => {
                    gathered?;
                    let upto = reading.upto;
                    let batch = std::mem::replace(&mut reading, Batch::new(upto));
                    if !batch.parts.is_empty() {
                        under_way.send(&self.courier, batch);
                    } else if is_idle {
                        // With nothing to do there is time to save: a kill then repeats nothing.
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

    /// Frames of the signal behind the batch, as many as make one request; waits for the first. What has been gathered is
    /// in `batch`, also where this is dropped before its end.
    async fn gather(&self, batch: &mut Batch, intake: &mut Intake<'_>, is_idle: bool) -> anyhow::Result<()> {
        let courier = &self.courier;
        let (frames, cancel) = (&courier.ends.frames, &courier.cancel);
        let bounds = courier.bounds();
        // Behind frames of other signals there may be more to come, but not for ever.
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

    /// Puts a frame into the batch; false where it no longer fits.
    fn take(
        &self,
        batch: &mut Batch,
        intake: &mut Intake<'_>,
        bounds: &BatchSettings,
        position: Position,
        frame: &Frame,
    ) -> bool {
        let courier = &self.courier;
        let (sink, signal) = (&courier.settings.id, courier.signal);
        let lost = position.0.saturating_sub(batch.upto.0 + 1);
        if lost > 0 && batch.upto.0 > 0 {
            let signal = signal.as_str();
            tracing::error!(sink, signal, frames = lost, "frames that were to be sent are no longer in the log");
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
                tracing::error!(sink, position = position.0, %error, "a frame cannot be read for the exporter");
                // It is a dead letter among what else goes into the batch.
                let items =
                    caught_now(|| courier.ends.frames.protobuf(frame).map(|request| wire::count(signal, &request)));
                let items = items.ok().and_then(Result::ok).unwrap_or_default();
                let left_out = vec![Rejected { items, reason: format!("it cannot be read: {error:#}") }];
                Part { left_out, ..Part::new(position, signal, Bytes::new(), frame.received_unix_nano) }
            }
        };
        if courier.is_past_bound(&part) {
            courier.dropped(part.items + part.left_out.iter().map(|unfit| unfit.items).sum::<u64>());
            batch.upto = position;
            return true;
        }
        batch.take(bounds, part)
    }

    /// Holds senders back, or lets them go on, by how far this reader is behind.
    fn hold_senders(&self, under_way: &UnderWay) {
        let queue = &self.courier.settings.queue;
        if queue.drops_oldest || (queue.bytes_max.is_none() && queue.age_max.is_none()) {
            return;
        }
        let frames = &self.courier.ends.frames;
        let oldest = under_way.received_unix_nano.front().copied().unwrap_or(i64::MAX);
        frames.hold_senders(&self.name(), queue.past(frames.bytes_behind(self.at), oldest));
    }

    async fn moved_to(&mut self, upto: Position, now: bool) {
        self.at = upto;
        self.courier.ends.stats.at(upto);
        if let Err(error) = self.save(now).await {
            // What was sent must not be sent again for it; after a restart it is.
            self.saved.1 = Instant::now();
            self.tell_failure("the cursor cannot be kept; tried again", &format!("{error:#}"));
            tokio::select! {
                () = self.courier.cancel.cancelled() => {}
                () = tokio::time::sleep(SAVE_EVERY) => {}
            }
        }
    }

    /// Nothing is under way: what failed before was given up, and nobody need wait for the target. Unless the cursor is what
    /// failed.
    fn waits_for_nothing(&self) {
        if self.at == self.saved.0 {
            self.courier.ends.stats.went_well();
        }
    }

    async fn save(&mut self, now: bool) -> anyhow::Result<()> {
        let (saved, when) = self.saved;
        if self.at != saved && (now || when.elapsed() >= SAVE_EVERY) {
            self.courier.ends.memory.set_cursor(&self.name(), self.at).await?;
            self.saved = (self.at, Instant::now());
        }
        Ok(())
    }

    fn name(&self) -> String {
        cursor_name(&self.courier.settings.id, self.courier.signal)
    }

    fn tell_failure(&self, what: &str, error: &str) {
        if self.courier.ends.stats.failed(error) {
            let (sink, signal) = (&self.courier.settings.id, self.courier.signal.as_str());
            tracing::error!(sink, signal, error, "{what}");
        }
    }
}

impl Drop for Delivery {
    /// Nobody is held back for a reader that is gone, however it went.
    fn drop(&mut self) {
        self.courier.ends.frames.hold_senders(&self.name(), None);
    }
}

impl UnderWay {
    fn has_room(&self, courier: &BatchSender) -> bool {
        let at_once = if courier.signal == Signal::Metrics { 1 } else { courier.settings.queue.consumers.max(1) };
        self.sending.len() < at_once
    }

    fn send(&mut self, courier: &Arc<BatchSender>, batch: Batch) {
        let (courier, upto) = (courier.clone(), batch.upto);
        self.received_unix_nano.push_back(batch.parts.first().map_or(i64::MAX, |part| part.received_unix_nano));
        let sending = tokio::spawn(async move { (upto, courier.deliver(batch.parts).await) });
        self.sending.push_back(AbortOnDropHandle::new(sending));
    }
}
