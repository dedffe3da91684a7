//! Delivery.
use crate::log::Position;
use crate::model::frame::Frame;
use async_trait::async_trait;

/// Frames of the log, in order.
#[async_trait]
pub trait FrameSource: Send + Sync {
    /// The frame behind `after`; `None` where there is none yet.
    async fn next(&self, after: Position) -> anyhow::Result<Option<(Position, Frame)>>;

    /// Waits until there is one.
    async fn wait_beyond(&self, after: Position);
}

/// Kind of the entries that hold dead letters.
pub const DEAD_LETTERS: &str = "dead_letter";
