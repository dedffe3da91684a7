//! Both ends of a delivery: frames of the log, and an exporter.

use super::rate::Rate;
use super::wire;
use crate::delivery::stats::ExporterStats;
use crate::model::frame::Frame;
use crate::model::frame::Position;
use crate::model::signal::Signal;
use crate::state::State;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Frames of the log, in order.
#[async_trait]
pub trait FrameSource: Send + Sync {
    /// Returns the next frame after `after`; `None` if there is none yet.
    async fn next(&self, after: Position) -> anyhow::Result<Option<(Position, Frame)>>;

    /// Waits until there is a frame after `after`.
    async fn wait_beyond(&self, after: Position);

    /// Returns the frame's items that were not rejected, as an OTLP request in protobuf.
    ///
    /// # Errors
    /// When the frame cannot be decoded.
    fn protobuf(&self, frame: &Frame) -> anyhow::Result<Bytes>;

    /// Returns a position after which all frames received at `time` or later are.
    fn before_time(&self, time: SystemTime) -> Position;

    /// Bytes of the log after `after`, estimated within a segment.
    fn bytes_behind(&self, after: Position) -> u64;

    /// Makes senders back off on behalf of `reader`, until called with `None`.
    fn hold_senders(&self, reader: &str, reason: Option<String>);
}

/// One request to a target, as produced by the exporter's mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload {
    /// The signal of its items.
    pub signal: Signal,
    /// Which intake of the target accepts it: defined by the exporter, such as a path.
    pub route: &'static str,
    /// Number of received items (spans, data points, log records) it represents.
    pub items: u64,
    /// The body, uncompressed.
    pub body: Bytes,
}

impl Payload {
    /// Wraps a request as it was received.
    #[must_use]
    pub fn of_request(signal: Signal, request: Bytes) -> Payload {
        Payload { signal, route: "", items: wire::count(signal, &request), body: request }
    }
}

/// A request that is sent together with others, and its position in the log. The contents at a position never change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The frame it came in.
    pub position: Position,
    /// Number of items of the frame before it, if it is a piece of one.
    pub items_before: u64,
    /// The request.
    pub request: Bytes,
}

impl Placed {
    /// Joins all requests into one: concatenated protobuf messages are one message with their lists joined.
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

/// Items that a target cannot accept, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Number of items.
    pub items: u64,
    /// Human-readable reason.
    pub reason: String,
}

/// A request of received telemetry, mapped for a target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapped {
    /// Requests to send, in this order. Each is within the target's own limits.
    pub payloads: Vec<Payload>,
    /// Items that cannot be mapped.
    pub rejected: Vec<Rejected>,
}

/// Outcome of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The target accepted it, except for these items.
    Delivered {
        /// Number of items that the target rejected.
        rejected: u64,
        /// Reason.
        message: String,
    },
    /// The target returned a verdict for each item.
    PartialSuccess {
        /// Number of accepted items.
        taken: u64,
        /// Rejected items.
        refused: Vec<Rejected>,
        /// Items to retry.
        again: Option<Payload>,
        /// How long the target asks to wait before the retry; zero retries at once if some items were accepted.
        after: Option<Duration>,
        /// Reason for the retry.
        reason: String,
    },
    /// Retry, no earlier than the target asks for.
    Retry {
        /// How long the target asks to wait.
        after: Option<Duration>,
        /// Reason.
        reason: String,
    },
    /// Too large for the target.
    TooLarge(String),
    /// Part of it will never be accepted; the rest is sent without that part.
    Rejected(String),
    /// The target will never accept it.
    PermanentError(String),
}

impl Outcome {
    /// The target accepted all of it.
    #[must_use]
    pub const fn delivered() -> Outcome {
        Outcome::Delivered { rejected: 0, message: String::new() }
    }
}

/// Transforms requests in log order before they are batched. May be stateful: it sees each request of its signal once and in
/// order. After a restart it gets requests before the cursor again, to rebuild its state.
pub trait StatefulStage: Send {
    /// Transforms a request.
    ///
    /// # Errors
    /// When the request cannot be read.
    fn pass(&mut self, request: Bytes) -> anyhow::Result<Bytes>;

    /// Sets the time, in Unix nanoseconds, from which it sees everything received. Called before any request is passed.
    fn seen_since(&mut self, _unix_nano: u64) {}

    /// Items left out of the request passed last, and why.
    fn left_out(&mut self) -> Vec<Rejected> {
        Vec::new()
    }

    /// Rebuilds state from a request that was dealt with before a restart. By default the request is passed again and the
    /// result discarded.
    ///
    /// # Errors
    /// When the request cannot be read.
    fn learn(&mut self, request: Bytes) -> anyhow::Result<()> {
        self.pass(request).map(drop)
    }
}

/// A target: maps received requests to its own, sends them, and reports the outcome of each. Batching, retries, ordering and
/// dead letters are handled outside.
#[async_trait]
pub trait Exporter: Send + Sync {
    /// Maps an OTLP request. Deterministic: the same bytes give the same payloads. Returns the request unchanged by default.
    ///
    /// # Errors
    /// When the request cannot be read.
    fn map(&self, signal: Signal, request: &Bytes) -> anyhow::Result<Mapped> {
        Ok(Mapped { payloads: vec![Payload::of_request(signal, request.clone())], rejected: Vec::new() })
    }

    /// Learns from a request that is about to be mapped, what is sent apart from it in `background`. Called again if the request
    /// is mapped again.
    fn observe(&self, _signal: Signal, _request: &Bytes) {}

    /// Maps requests that are sent together, for targets that need the origin of each item. By default they are joined and
    /// mapped as one request.
    ///
    /// # Errors
    /// When they cannot be read.
    fn map_placed(&self, signal: Signal, requests: &[Placed]) -> anyhow::Result<Mapped> {
        self.map(signal, &Placed::joined(requests))
    }

    /// Stage that requests of a signal pass before they are batched, for state that `map` does not have.
    fn stateful_stage(&self, _signal: Signal) -> Option<Box<dyn StatefulStage>> {
        None
    }

    /// Splits a payload that was too large or partly unacceptable in two; `None` if it cannot be split. Only called if a
    /// request became several payloads and an earlier one already has a verdict; before that, its parts are split and mapped
    /// again.
    fn split(&self, _payload: &Payload) -> Option<(Payload, Payload)> {
        None
    }

    /// Sends one request.
    async fn send(&self, payload: &Payload) -> Outcome;

    /// Background work of a target. Dropped when delivery ends. Does nothing by default.
    async fn background(&self) {}
}

/// Everything the delivery of one signal works with.
#[derive(Clone)]
pub struct DeliveryContext {
    /// Access to the log.
    pub frames: Arc<dyn FrameSource>,
    /// The exporter, shared by all signals.
    pub exporter: Arc<dyn Exporter>,
    /// State kept across restarts.
    pub state: State,
    /// Its counters.
    pub stats: Arc<ExporterStats>,
    /// The rate limit, shared by all signals.
    pub rate: Arc<Rate>,
}
