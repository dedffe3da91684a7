//! Sends one batch to completion: split to fit the target's limits, mapped, retried until there is a result, with rejected
//! items recorded as dead letters.

use super::backoff::Backoff;
use super::batch::{self, Part};
use super::breaker::{Breaker, OPEN_AFTER};
use super::dead_letter_writer::{DeadLetterWriter, PATIENCE};
use super::exporter::{DeliveryContext, Mapped, Outcome, Payload, Rejected};
use super::settings::DeliverySettings;
use super::streaks::Streaks;
use crate::delivery::settings::BatchSettings;
use crate::delivery::stats::ExporterStats;
use crate::model::panics::{Panicked, caught};
use crate::model::self_telemetry;
use crate::model::signal::Signal;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use tracing::field::Empty;

/// How often a waiting batch is checked against the reader's limit.
const BOUND_LOOKED_AT_EVERY: std::time::Duration = std::time::Duration::from_secs(1);
/// Minimum request size to try, however little the target accepts.
const BYTES_MAX_LEAST: usize = 64 << 10;
/// How often sending a batch may panic before it is split; a single item that panics is a dead letter. A bug in mapping or
/// sending panics every time, a transient fault does not.
const PANICS_MAX: u32 = 3;

/// Sends batches of one signal to one target; several may be in flight.
pub(super) struct BatchSender {
    pub(super) settings: DeliverySettings,
    pub(super) signal: Signal,
    pub(super) context: DeliveryContext,
    pub(super) cancel: CancellationToken,
    breaker: Breaker,
    /// Limit on the size of a request, in bytes; lowered when the target finds one too large.
    bytes_max: AtomicUsize,
    streaks: Streaks,
}

/// Outcome of sending a mapped request.
enum Ended {
    /// All items have been dealt with.
    Done,
    /// The process is shutting down; nothing more is sent.
    Cancelled,
    /// Nothing was accepted; its parts are to be sent in two.
    Cut(Vec<Part>, Vec<Part>),
}

/// Result for one payload.
enum SendResult {
    Answered(Outcome),
    /// Past the reader's limit.
    Dropped,
}

/// The target's message for a request.
fn said(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Delivered { message, .. } => message,
        Outcome::PartialSuccess { reason, .. }
        | Outcome::Retry { reason, .. }
        | Outcome::TooLarge(reason)
        | Outcome::Rejected(reason)
        | Outcome::PermanentError(reason) => reason,
    }
}

impl BatchSender {
    pub(super) fn new(
        settings: DeliverySettings,
        signal: Signal,
        context: DeliveryContext,
        cancel: CancellationToken,
    ) -> BatchSender {
        let bytes_max = AtomicUsize::new(settings.batch.bytes_max);
        let (breaker, streaks) = (Breaker::default(), Streaks::default());
        BatchSender { settings, signal, context, cancel, breaker, bytes_max, streaks }
    }

    /// Batch limits, adjusted to what the target is known to accept.
    pub(super) fn bounds(&self) -> BatchSettings {
        BatchSettings { bytes_max: self.bytes_max.load(Ordering::Relaxed), ..self.settings.batch.clone() }
    }

    /// Sends parts until they are accepted, rejected, or past the reader's limit; returns false if cancelled before that.
    pub(super) async fn deliver(&self, parts: Vec<Part>) -> bool {
        let mut dead_letters = DeadLetterWriter::new(&self.settings.id, self.signal, &self.context);
        let is_dealt_with = self.deliver_parts(&mut dead_letters, parts).await;
        // Failed dead letter writes must not cause resending; only a restart does.
        while !dead_letters.write().await {
            if self.wait(PATIENCE).await.is_none() {
                return false;
            }
        }
        is_dealt_with
    }

    async fn deliver_parts(&self, dead_letters: &mut DeadLetterWriter<'_>, parts: Vec<Part>) -> bool {
        // Each piece with the number of panics it has left.
        let mut waiting = vec![(parts, PANICS_MAX)];
        let mut backoff = Backoff::new(&self.settings.retry);
        while let Some((parts, panics_left)) = waiting.pop() {
            // Frames are as large as the sender made them; the target has its own limits.
            if !batch::fits(&self.bounds(), &parts)
                && let Some((first, rest)) = batch::split(self.signal, &parts)
            {
                waiting.extend([(rest, panics_left), (first, panics_left)]);
                continue;
            }
            match caught(self.deliver_piece(dead_letters, &parts)).await {
                Ok(Ended::Done) => {}
                Ok(Ended::Cancelled) => return false,
                Ok(Ended::Cut(first, rest)) => waiting.extend([(rest, panics_left), (first, panics_left)]),
                Err(panicked) => {
                    self.has_panicked(&panicked);
                    let wait = if panics_left > 1 { backoff.next(None) } else { None };
                    if let Some(wait) = wait {
                        waiting.push((parts, panics_left - 1));
                        if self.wait(wait).await.is_none() {
                            return false;
                        }
                    } else if let Some((first, rest)) = batch::split(self.signal, &parts) {
                        waiting.extend([(rest, 1), (first, 1)]);
                    } else {
                        dead_letters.parts(&parts, &format!("the exporter panicked on it: {panicked}")).await;
                    }
                }
            }
        }
        true
    }

    async fn deliver_piece(&self, dead_letters: &mut DeadLetterWriter<'_>, parts: &[Part]) -> Ended {
        let with_items = parts.iter().filter(|part| part.items > 0);
        with_items.for_each(|part| self.context.exporter.observe(self.signal, &part.body));
        let mapped = match parts.iter().map(|part| part.items).sum() {
            // Only left-out items.
            0 => Ok(Mapped::default()),
            1.. => self.context.exporter.map_placed(self.signal, &batch::placed(parts)),
        };
        let mut mapped = match mapped {
            Ok(mapped) => mapped,
            Err(error) => {
                dead_letters.parts(parts, &format!("it cannot be mapped for the target: {error:#}")).await;
                return Ended::Done;
            }
        };
        mapped.rejected.extend(batch::left_out(parts));
        self.send_all(mapped, parts, dead_letters).await
    }

    async fn send_all(&self, mapped: Mapped, parts: &[Part], dead_letters: &mut DeadLetterWriter<'_>) -> Ended {
        dead_letters.at(parts);
        let is_whole = mapped.payloads.len() == 1 && mapped.rejected.is_empty();
        let (mut waiting, mut rejected_items) = (VecDeque::from(mapped.payloads), mapped.rejected);
        let (mut is_begun, mut is_taken_in_part) = (false, false);
        while let Some(mut payload) = waiting.pop_front() {
            let before = payload.items;
            let Some(result) = self.send(&mut payload, dead_letters, parts).await else { return Ended::Cancelled };
            if let SendResult::Answered(Outcome::TooLarge(_)) = result {
                self.send_less(&payload);
            }
            is_taken_in_part |= payload.items < before;
            let is_untouched = !is_begun && payload.items == before;
            if is_untouched && let Some((first, rest)) = self.better_cut(&result, parts) {
                return Ended::Cut(first, rest);
            }
            is_begun = true;
            dead_letters.items(std::mem::take(&mut rejected_items)).await;
            let halves = match &result {
                SendResult::Answered(Outcome::TooLarge(_)) => self.context.exporter.split(&payload),
                // If the target accepted nothing of a single frame, the whole frame is at fault; otherwise only a piece may be.
                SendResult::Answered(Outcome::Rejected(_)) if parts.len() > 1 || is_taken_in_part => {
                    self.context.exporter.split(&payload)
                }
                _ => None,
            };
            if let Some((first, rest)) = halves {
                waiting.push_front(rest);
                waiting.push_front(first);
                continue;
            }
            match result {
                SendResult::Dropped => self.dropped(payload.items),
                SendResult::Answered(Outcome::Delivered { rejected, message }) => {
                    // The target may report any number.
                    let rejected = rejected.min(payload.items);
                    ExporterStats::add(&self.context.stats.sent_items, payload.items - rejected);
                    is_taken_in_part |= rejected < payload.items;
                    if rejected > 0 {
                        dead_letters.items(vec![Rejected { items: rejected, reason: message }]).await;
                    }
                }
                SendResult::Answered(
                    Outcome::TooLarge(reason)
                    | Outcome::Rejected(reason)
                    | Outcome::PermanentError(reason)
                    | Outcome::Retry { reason, .. }
                    | Outcome::PartialSuccess { reason, .. },
                ) => {
                    if is_whole && is_untouched {
                        dead_letters.parts(parts, &reason).await;
                    } else {
                        dead_letters.items(vec![Rejected { items: payload.items, reason }]).await;
                    }
                }
            }
        }
        dead_letters.items(rejected_items).await;
        Ended::Done
    }

    /// Splits a batch that the target has rejected as a whole, if its parts may be accepted.
    fn better_cut(&self, result: &SendResult, parts: &[Part]) -> Option<(Vec<Part>, Vec<Part>)> {
        match result {
            SendResult::Answered(Outcome::TooLarge(_)) => batch::split(self.signal, parts),
            // One rejected frame must not cost the others in the batch.
            SendResult::Answered(Outcome::Rejected(_)) if parts.len() > 1 => {
                let (first, rest) = parts.split_at(parts.len() / 2);
                Some((first.to_vec(), rest.to_vec()))
            }
            _ => None,
        }
    }

    /// Sends until there is a result; `Retry` as the result means that retries are exhausted. Items accepted meanwhile are
    /// removed from the payload. Returns `None` on shutdown.
    async fn send(
        &self,
        payload: &mut Payload,
        dead_letters: &mut DeadLetterWriter<'_>,
        parts: &[Part],
    ) -> Option<SendResult> {
        let mut backoff = Backoff::new(&self.settings.retry);
        loop {
            let turn = tokio::select! {
                // Biased, so that a request that can be sent at once is sent even on shutdown.
                biased;
                turn = self.breaker.turn() => turn,
                () = self.cancel.cancelled() => return None,
                () = self.until_past_bound(parts) => return Some(SendResult::Dropped),
                never = dead_letters.write_meanwhile() => match never {},
            };
            tokio::select! {
                biased;
                () = self.context.rate.pass(payload.body.len()) => {}
                () = self.cancel.cancelled() => return None,
                never = dead_letters.write_meanwhile() => match never {},
            }
            let outcome = self.attempt(payload).await;
            let takes_nothing = self.streaks.count(payload.route, payload.items, &outcome);
            let (turn, asked, reason) = match outcome {
                Outcome::Retry { after, reason } => {
                    self.is_failing(&reason, after);
                    (turn, after, reason)
                }
                Outcome::PartialSuccess { taken, refused, again, after, reason } => {
                    self.is_answered(
                        takes_nothing,
                        refused.first().map_or(&reason, |rejected_items| &rejected_items.reason),
                    );
                    // Let the others send: the target is up.
                    drop(turn);
                    ExporterStats::add(&self.context.stats.sent_items, taken);
                    dead_letters.items(refused).await;
                    let Some(again) = again else {
                        payload.items = 0;
                        return Some(SendResult::Answered(Outcome::delivered()));
                    };
                    *payload = again;
                    // Terminates, because the payload shrinks each time.
                    if taken > 0 && after == Some(std::time::Duration::ZERO) {
                        continue;
                    }
                    self.context.stats.failed(&reason);
                    (None, after, reason)
                }
                result => {
                    self.is_answered(takes_nothing, said(&result));
                    return Some(SendResult::Answered(result));
                }
            };
            let Some(wait) = backoff.next(asked) else {
                return Some(SendResult::Answered(Outcome::Retry { after: asked, reason }));
            };
            tokio::select! {
                waited = self.wait(wait) => waited?,
                () = self.until_past_bound(parts) => return Some(SendResult::Dropped),
                never = dead_letters.write_meanwhile() => match never {},
            }
            drop(turn);
        }
    }

    /// Records that the target answered. A target that accepts nothing is backed off from all the same.
    fn is_answered(&self, takes_nothing: bool, reason: &str) {
        if takes_nothing {
            self.is_failing(reason, Some(self.settings.retry.max_interval));
        } else {
            self.is_up();
        }
    }

    /// Logs a panic, and slows down on repeated panics.
    fn has_panicked(&self, panicked: &Panicked) {
        let (exporter, signal, error) = (&self.settings.id, self.signal.as_str(), panicked.to_string());
        tracing::error!(
            exporter,
            signal,
            error,
            "the exporter panicked on a batch (a bug in Spanwise): retrying the batch, split down to the item at fault"
        );
        self.context.stats.failed(&error);
        if self.streaks.refused("") {
            self.is_failing(&error, Some(self.settings.retry.max_interval));
        }
    }

    /// Waits until these parts are past the reader's limit; for ever if the reader never drops.
    async fn until_past_bound(&self, parts: &[Part]) {
        let Some(last) = parts.last().filter(|_| self.settings.queue.drops_oldest) else {
            return std::future::pending().await;
        };
        while !self.is_past_bound(last) {
            tokio::time::sleep(BOUND_LOOKED_AT_EVERY).await;
        }
    }

    /// Sleeps; returns `None` on shutdown.
    async fn wait(&self, wait: std::time::Duration) -> Option<()> {
        self.cancel.run_until_cancelled(tokio::time::sleep(wait)).await
    }

    /// Returns true if the part is so far behind that the reader skips it.
    pub(super) fn is_past_bound(&self, part: &Part) -> bool {
        let queue = &self.settings.queue;
        queue.drops_oldest
            && queue.past(self.context.frames.bytes_behind(part.position), part.received_unix_nano).is_some()
    }

    async fn attempt(&self, payload: &Payload) -> Outcome {
        let (exporter, signal, items) = (&self.settings.id, payload.signal.as_str(), payload.items);
        let (route, bytes) = (payload.route, payload.body.len());
        let work = tracing::info_span!(target: self_telemetry::WORK, "deliver", exporter, signal, route, items, bytes, outcome = Empty, error = Empty);
        let outcome = self.context.exporter.send(payload).instrument(work.clone()).await;
        let (became, error) = match &outcome {
            Outcome::Delivered { rejected: 0, .. } => ("delivered", None),
            Outcome::Delivered { message, .. } => ("delivered in part", Some(message)),
            Outcome::PartialSuccess { again: None, .. } => ("delivered in part", None),
            Outcome::PartialSuccess { reason, .. } => ("delivered in part", Some(reason)),
            Outcome::Retry { reason, .. } => ("to be sent again", Some(reason)),
            Outcome::TooLarge(reason) => ("too large", Some(reason)),
            Outcome::Rejected(reason) | Outcome::PermanentError(reason) => ("refused", Some(reason)),
        };
        work.record("outcome", became).record("error", error.map(String::as_str));
        outcome
    }

    fn is_failing(&self, reason: &str, asked: Option<std::time::Duration>) {
        self.context.stats.failed(reason);
        if self.breaker.failed(asked) == OPEN_AFTER {
            let (exporter, signal) = (&self.settings.id, self.signal.as_str());
            tracing::warn!(
                exporter,
                signal,
                reason,
                "the target accepts nothing: retrying until it does, unsent data stays in the log"
            );
        }
    }

    fn is_up(&self) {
        self.context.stats.went_well();
        let attempts = self.breaker.answered();
        if attempts >= OPEN_AFTER {
            tracing::info!(exporter = self.settings.id, signal = self.signal.as_str(), attempts, "the target is back");
        }
    }

    /// Counts items that the reader dropped.
    pub(super) fn dropped(&self, items: u64) {
        if self.context.stats.dropped(items) {
            tracing::error!(
                exporter = self.settings.id,
                signal = self.signal.as_str(),
                "beyond the limit of the sending_queue: the oldest items are dropped, and counted in the table exporters"
            );
        }
    }

    /// Lowers the request size after a `TooLarge`, so that not every request is sent twice.
    fn send_less(&self, payload: &Payload) {
        let least = (payload.body.len() / 2).max(BYTES_MAX_LEAST);
        self.bytes_max.fetch_min(least, Ordering::Relaxed);
    }
}
