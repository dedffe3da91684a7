//! What of a batch the target will not take: counted at once, and kept as dead letters many in a write.

use super::batch::Part;
use super::exporter::{DeliveryContext, Rejected};
use crate::delivery::dead_letters::{self, DeadLetter};
use crate::log::Position;
use crate::model::signal::Signal;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};

/// Letters that are written together.
const TOGETHER_MAX: usize = 500;
/// How long the first of them waits for others, while others come.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// Where what is dead came from: the first of its frames, and which piece of what was made of it.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    position: Position,
    piece: u64,
    /// Dead letters that came from there before.
    letters: usize,
}

impl Place {
    fn of(part: &Part) -> Place {
        Place { position: part.position, piece: part.piece, letters: 0 }
    }
}

/// Of one batch. What waits in it when it is dropped is not lost: the cursor has not moved, so it is sent, and refused, again.
pub(super) struct DeadLetterWriter<'a> {
    sink: &'a str,
    signal: Signal,
    context: &'a DeliveryContext,
    place: Place,
    waiting: Vec<DeadLetter>,
    /// Since when the first of them waits, or when they last could not be written.
    since: Instant,
    is_held_up: bool,
}

impl<'a> DeadLetterWriter<'a> {
    pub(super) fn new(sink: &'a str, signal: Signal, context: &'a DeliveryContext) -> DeadLetterWriter<'a> {
        let (place, waiting, since) = (Place::default(), Vec::new(), Instant::now());
        DeadLetterWriter { sink, signal, context, place, waiting, since, is_held_up: false }
    }

    /// What is dead from now on was made of these.
    pub(super) fn at(&mut self, parts: &[Part]) {
        self.place = parts.first().map(Place::of).unwrap_or_default();
    }

    /// Buries parts whole, each at its own place.
    pub(super) async fn parts(&mut self, parts: &[Part], reason: &str) {
        for (number, part) in parts.iter().enumerate() {
            self.add(Place { letters: number, ..Place::of(part) }, part.items, reason.to_owned());
        }
        self.write_in_time().await;
    }

    /// Buries items out of what is being sent.
    pub(super) async fn items(&mut self, rejected: Vec<Rejected>) {
        for Rejected { items, reason } in rejected {
            self.add(self.place, items, reason);
            self.place.letters += 1;
        }
        self.write_in_time().await;
    }

    /// Writes what waits. False where the memory fails (a full disk): it waits on, and is to be written later.
    pub(super) async fn write(&mut self) -> bool {
        if self.waiting.is_empty() {
            return true;
        }
        self.tell();
        let (memory, of) = (&*self.context.state, (self.sink, self.signal.as_str()));
        let recorded = dead_letters::record(memory, of, &self.waiting).await;
        self.is_held_up = recorded.is_err();
        match recorded {
            Ok(()) => self.waiting.clear(),
            Err(error) => self.tell_failure(&format!("{error:#}")),
        }
        !self.is_held_up
    }

    /// Writes what waits beside a wait for something else, which may be for hours; never ends.
    pub(super) async fn write_meanwhile(&mut self) -> Infallible {
        loop {
            tokio::time::sleep(PATIENCE).await;
            self.write().await;
        }
    }

    fn tell_failure(&mut self, error: &str) {
        self.since = Instant::now();
        if self.context.stats.failed(error) {
            let (sink, signal) = (self.sink, self.signal.as_str());
            tracing::error!(sink, signal, error, "cannot store dead letters; retrying");
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
                    sink = self.sink,
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
