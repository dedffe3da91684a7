//! What a reader takes out of the log: frames of its receivers, through the processors of their pipelines and what the
//! target has requests go through in order.

use super::ends::{FrameSource, Ordered};
use crate::log::Position;
use crate::model::frame::Frame;
use crate::model::own;
use crate::sinks::settings::Feed;
use bytes::{Bytes, BytesMut};
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;

/// What was received so long before the cursor is looked at again after a restart, for what is kept in order's sake.
/// Senders of metrics export at least once a minute.
const LEARNS_FROM: Duration = Duration::from_mins(10);

/// Of one signal.
pub(super) struct Intake<'a> {
    feeds: &'a [Feed],
    frames: &'a dyn FrameSource,
    ordered: Option<Box<dyn Ordered>>,
    /// The last frame that was passed, and what came of it: it may be asked for again, and is passed once.
    passed: Option<(Position, Option<Bytes>)>,
}

impl<'a> Intake<'a> {
    pub(super) fn new(feeds: &'a [Feed], frames: &'a dyn FrameSource, ordered: Option<Box<dyn Ordered>>) -> Intake<'a> {
        Intake { feeds, frames, ordered, passed: None }
    }

    /// What of a frame is to be sent; `None` where nothing is.
    ///
    /// # Errors
    /// When the frame cannot be read.
    pub(super) fn pass(&mut self, position: Position, frame: &Frame) -> anyhow::Result<Option<Bytes>> {
        if let Some((passed, body)) = &self.passed
            && *passed == position
        {
            return Ok(body.clone());
        }
        let body = self.read(frame)?;
        self.passed = Some((position, body.clone()));
        Ok(body)
    }

    fn read(&mut self, frame: &Frame) -> anyhow::Result<Option<Bytes>> {
        // Own telemetry goes where `service.telemetry` sends it; sent here, too, each sending would cause the next.
        if frame.receiver == own::RECEIVER || !self.feeds.iter().any(|feed| feed.takes(frame)) {
            return Ok(None);
        }
        let request = self.frames.protobuf(frame)?;
        let mut processed =
            self.feeds.iter().filter(|feed| feed.takes(frame)).map(|feed| feed.process(request.clone()));
        let first = processed.next().unwrap_or_default();
        // Requests one behind the other are one request.
        let all = processed.fold(first, |all, more| {
            let mut both = BytesMut::from(all);
            both.extend_from_slice(&more);
            both.freeze()
        });
        Ok(Some(match &mut self.ordered {
            Some(ordered) => ordered.pass(all)?,
            None => all,
        }))
    }

    /// Shows what the target keeps order by the frames before `upto`, of which nothing is sent again.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(super) async fn learn(&mut self, upto: Position, cancel: &CancellationToken) -> anyhow::Result<()> {
        if self.ordered.is_none() || upto == Position::default() {
            return Ok(());
        }
        let next = self.frames.next(upto).await?;
        let nanoseconds = next.and_then(|(_, frame)| u64::try_from(frame.received_unix_nano).ok());
        let until = nanoseconds.map_or_else(SystemTime::now, |ns| SystemTime::UNIX_EPOCH + Duration::from_nanos(ns));
        let mut at = self.frames.before_time(until.checked_sub(LEARNS_FROM).unwrap_or(SystemTime::UNIX_EPOCH));
        while at < upto
            && !cancel.is_cancelled()
            && let Some((position, frame)) = self.frames.next(at).await?
            && position <= upto
        {
            // What cannot be read was told of when it was to be sent.
            let _unsent = self.read(&frame);
            at = position;
        }
        Ok(())
    }
}
