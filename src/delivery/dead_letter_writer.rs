//! Records the rejected items of a batch: counted at once, and stored as dead letters in batched writes.

use super::batch::Part;
use super::exporter::{DeliveryContext, Rejected};
use crate::model::frame::Position;
use crate::model::signal::Signal;
use crate::state::DeadLetter;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};

/// Dead letters per write.
const TOGETHER_MAX: usize = 500;
/// How long the first dead letter waits for more.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// Origin of a dead letter: the first frame of the request, and which piece of it.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    position: Position,
    piece: u64,
    /// Number of dead letters already recorded for this origin.
    letters: usize,
}

impl Place {
    fn of(part: &Part) -> Place {
        Place { position: part.position, piece: part.piece, letters: 0 }
    }
}

/// Writer for one batch. Dropping it loses nothing: the cursor has not advanced, so the pending items are sent, and rejected,
/// again.
pub(super) struct DeadLetterWriter<'a> {
    exporter: &'a str,
    signal: Signal,
    context: &'a DeliveryContext,
    place: Place,
    waiting: Vec<DeadLetter>,
    /// When the first pending dead letter was added, or when the last write failed.
    since: Instant,
    is_held_up: bool,
}

impl<'a> DeadLetterWriter<'a> {
    pub(super) fn new(exporter: &'a str, signal: Signal, context: &'a DeliveryContext) -> DeadLetterWriter<'a> {
        let (place, waiting, since) = (Place::default(), Vec::new(), Instant::now());
        DeadLetterWriter { exporter, signal, context, place, waiting, since, is_held_up: false }
    }

    /// Sets the origin of the dead letters that follow.
    pub(super) fn at(&mut self, parts: &[Part]) {
        self.place = parts.first().map(Place::of).unwrap_or_default();
    }

    /// Records whole parts, each with its own origin.
    pub(super) async fn parts(&mut self, parts: &[Part], reason: &str) {
        for (number, part) in parts.iter().enumerate() {
            self.add(Place { letters: number, ..Place::of(part) }, part.items, reason.to_owned());
        }
        self.write_in_time().await;
    }

    /// Records items of the request being sent.
    pub(super) async fn items(&mut self, rejected: Vec<Rejected>) {
        for Rejected { items, reason } in rejected {
            self.add(self.place, items, reason);
            self.place.letters += 1;
        }
        self.write_in_time().await;
    }

    /// Writes the pending dead letters. Returns false if the state database fails (a full disk): they stay pending.
    pub(super) async fn write(&mut self) -> bool {
        if self.waiting.is_empty() {
            return true;
        }
        self.tell();
        let of = (self.exporter, self.signal.as_str());
        let recorded = self.context.state.record_dead_letters(of, &self.waiting).await;
        self.is_held_up = recorded.is_err();
        match recorded {
            Ok(()) => self.waiting.clear(),
            Err(error) => self.tell_failure(&error.to_string()),
        }
        !self.is_held_up
    }

    /// Writes pending dead letters during another wait, which may take hours; never returns.
    pub(super) async fn write_meanwhile(&mut self) -> Infallible {
        loop {
            tokio::time::sleep(PATIENCE).await;
            self.write().await;
        }
    }

    fn tell_failure(&mut self, error: &str) {
        self.since = Instant::now();
        if self.context.stats.failed(error) {
            let (exporter, signal) = (self.exporter, self.signal.as_str());
            tracing::error!(exporter, signal, error, "cannot store dead letters; retrying");
        }
    }

    fn tell(&self) {
        let mut by_reason: BTreeMap<&str, u64> = BTreeMap::new();
        for letter in &self.waiting {
            let items = by_reason.entry(&letter.reason).or_default();
            *items = items.saturating_add(letter.items);
        }
        for (reason, items) in by_reason {
            if self.context.stats.is_news(reason) {
                tracing::error!(
                    exporter = self.exporter,
                    signal = self.signal.as_str(),
                    items,
                    reason,
                    "the target rejected items: see the table dead_letters (logged once per reason every ten minutes)"
                );
            }
        }
    }

    fn add(&mut self, place: Place, items: u64, reason: String) {
        self.context.stats.refused(items, &reason);
        if self.waiting.is_empty() {
            self.since = Instant::now();
        }
        let key = format!("{:020}.{:020}.{:06}", place.position.0, place.piece, place.letters);
        self.waiting.push(DeadLetter { key, position: Some(place.position.0), items, reason });
    }

    async fn write_in_time(&mut self) {
        let is_enough = self.waiting.len() >= TOGETHER_MAX && !self.is_held_up;
        if is_enough || self.since.elapsed() >= PATIENCE {
            self.write().await;
        }
    }
}
