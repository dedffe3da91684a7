//! What a delivery stands between: frames of the log, and an exporter.

use super::rate::Rate;
use super::wire;
use crate::delivery::state_store::StateStore;
use crate::delivery::stats::ExporterStats;
use crate::log::Position;
use crate::model::frame::Frame;
use crate::model::signal::Signal;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Frames of the log, in order.
#[async_trait]
pub trait FrameSource: Send + Sync {
    /// The next frame behind `after`; `None` where there is none yet.
    async fn next(&self, after: Position) -> anyhow::Result<Option<(Position, Frame)>>;

    /// Waits until there is one.
    async fn wait_beyond(&self, after: Position);

    /// A frame's items that were not rejected, as an OTLP request in protobuf.
    ///
    /// # Errors
    /// When the frame cannot be decoded.
    fn protobuf(&self, frame: &Frame) -> anyhow::Result<Bytes>;

    /// A place from which on everything stands that was received at a time or later.
    fn before_time(&self, time: SystemTime) -> Position;

    /// Bytes of the log behind `after`, estimated within a segment.
    fn bytes_behind(&self, after: Position) -> u64;

    /// Has senders told to come again later, for `reader`'s sake, until it is called with `None`.
    fn hold_senders(&self, reader: &str, reason: Option<String>);
}

/// One request to a target, as the target's mapping made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// What it was made of.
    pub signal: Signal,
    /// Which of the target's intakes takes it: a word of the target's own, such as a path.
    pub route: &'static str,
    /// Received items (spans, data points, log records) that it stands for.
    pub items: u64,
    /// The body, not compressed.
    pub body: Bytes,
}

impl Payload {
    /// A request as it was received.
    #[must_use]
    pub fn of_request(signal: Signal, request: Bytes) -> Payload {
        Payload { signal, route: "", items: wire::count(signal, &request), body: request }
    }
}

/// One of the requests that are sent together, and its place in the log: what stands at a place is always the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The frame that it came in.
    pub position: Position,
    /// Items of the frame that stand before it, where it is a piece of one.
    pub items_before: u64,
    /// The request.
    pub request: Bytes,
}

impl Placed {
    /// All of them as one request: messages one behind the other are one message, whose lists are joined.
    #[must_use]
    pub fn joined(requests: &[Placed]) -> Bytes {
        if let [only] = requests {
            return only.request.clone();
        }
        let mut joined = BytesMut::with_capacity(requests.iter().map(|placed| placed.request.len()).sum());
        requests.iter().for_each(|placed| joined.extend_from_slice(&placed.request));
        joined.freeze()
    }
}

/// Items that a target cannot take, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// How many.
    pub items: u64,
    /// Why, for people.
    pub reason: String,
}

/// What a request of received telemetry becomes for a target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapped {
    /// Requests to send, in this order. Each keeps the target's own bounds.
    pub payloads: Vec<Payload>,
    /// What cannot be put into any.
    pub rejected: Vec<Rejected>,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The target took it, but for these items.
    Delivered {
        /// Items that the target refused out of it.
        rejected: u64,
        /// Why.
        message: String,
    },
    /// The target gave a verdict on each item.
    PartialSuccess {
        /// Items that it took.
        taken: u64,
        /// Items that it refused for good.
        refused: Vec<Rejected>,
        /// The others, to be sent again.
        again: Option<Payload>,
        /// How long the target asks to wait before that; where it is nothing, and it took something, they are sent at once.
        after: Option<Duration>,
        /// Why they are to be sent again.
        reason: String,
    },
    /// Send it again, not before the time that the target asks for.
    Retry {
        /// How long the target asks to wait.
        after: Option<Duration>,
        /// Why.
        reason: String,
    },
    /// It is too large for the target.
    TooLarge(String),
    /// Something in it is nothing that the target will ever take: what stands beside that is sent without it.
    Rejected(String),
    /// The target will never take it.
    PermanentError(String),
}

impl Outcome {
    /// The target took all of it.
    #[must_use]
    pub const fn delivered() -> Outcome {
        Outcome::Delivered { rejected: 0, message: String::new() }
    }
}

/// Changes requests in the order of the log, before they are put into batches. It may keep state: it sees each request of
/// its signal once and in order. After a restart it is shown those before the cursor again to learn from.
pub trait StatefulStage: Send {
    /// A request as it is to go on.
    ///
    /// # Errors
    /// When the request cannot be read.
    fn pass(&mut self, request: Bytes) -> anyhow::Result<Bytes>;

    /// Since when all that was received is shown to it, in Unix nanoseconds. It is told before anything is shown.
    fn seen_since(&mut self, _unix_nano: u64) {}

    /// What it has left out of the request that it passed last, and why.
    fn left_out(&mut self) -> Vec<Rejected> {
        Vec::new()
    }

    /// A request that has been passed and dealt with before a restart. As it is here: passed once more, and what comes of
    /// it is thrown away.
    ///
    /// # Errors
    /// When the request cannot be read.
    fn learn(&mut self, request: Bytes) -> anyhow::Result<()> {
        self.pass(request).map(drop)
    }
}

/// A target: it maps what was received to its own requests, sends them, and says what became of each. Batches, retries,
/// order and dead letters are not its business.
#[async_trait]
pub trait Exporter: Send + Sync {
    /// What an OTLP request becomes. The same bytes give the same payloads. As it is here: the request as it came.
    ///
    /// # Errors
    /// When the request cannot be read.
    fn map(&self, signal: Signal, request: &Bytes) -> anyhow::Result<Mapped> {
        Ok(Mapped { payloads: vec![Payload::of_request(signal, request.clone())], rejected: Vec::new() })
    }

    /// What requests that are sent together become, for a target whose requests tell where each item came from. As it is here:
    /// what they become as one request.
    ///
    /// # Errors
    /// When they cannot be read.
    fn map_placed(&self, signal: Signal, requests: &[Placed]) -> anyhow::Result<Mapped> {
        self.map(signal, &Placed::joined(requests))
    }

    /// What requests of a signal go through before they are batched, for what `map` cannot know: what came before.
    fn stateful_stage(&self, _signal: Signal) -> Option<Box<dyn StatefulStage>> {
        None
    }

    /// A payload that was too large, or that holds what the target will never take, as two; `None` where it cannot be cut.
    /// Only asked for where a request became several payloads and there was a verdict on an earlier one: before that, what
    /// they were made of is cut and mapped anew.
    fn split(&self, _payload: &Payload) -> Option<(Payload, Payload)> {
        None
    }

    /// Sends one request.
    async fn send(&self, payload: &Payload) -> Outcome;

    /// What a target does beside what it is sent, for as long as it is delivered to: it is dropped then. As it is here:
    /// nothing.
    async fn background(&self) {}
}

/// What the delivery of one signal works with.
#[derive(Clone)]
pub struct DeliveryContext {
    /// Its way through the log.
    pub frames: Arc<dyn FrameSource>,
    /// What it sends to; one for all signals.
    pub exporter: Arc<dyn Exporter>,
    /// What it remembers over restarts.
    pub state: Arc<dyn StateStore>,
    /// What is counted of it.
    pub stats: Arc<ExporterStats>,
    /// How fast it may send; one for all signals.
    pub rate: Arc<Rate>,
}
