//! Between what a delivery stands: frames of the log, and a target.

use crate::log::Position;
use crate::model::frame::Frame;
use crate::model::signal::Signal;
use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;

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
    /// Send it again, not before the time that the target asks for.
    Retry {
        /// How long the target asks to wait.
        after: Option<Duration>,
        /// Why.
        reason: String,
    },
    /// It is too large for the target.
    TooLarge(String),
    /// The target will never take it.
    Refused(String),
}

/// Sends requests to a target.
#[async_trait]
pub trait Sender: Send + Sync {
    /// Sends one request: `body` is protobuf, not compressed.
    async fn send(&self, signal: Signal, body: Bytes) -> Outcome;
}
