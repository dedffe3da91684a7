//! What a reader takes from the log: frames of its receivers, passed through the processors of their pipelines and the target's
//! stateful stage.

use super::exporter::{FrameSource, Rejected, StatefulStage};
use crate::delivery::settings::Feed;
use crate::model::frame::Frame;
use crate::model::frame::Position;
use crate::model::panics::caught_now;
use crate::model::self_telemetry;
use crate::model::unix_time;
use bytes::{Bytes, BytesMut};
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;

/// How far before the cursor frames are read again after a restart, to rebuild the state of a stateful stage. Senders of
/// metrics export at least once a minute.
const LEARNS_FROM: Duration = Duration::from_mins(10);

/// Intake of one signal.
pub(super) struct Intake<'a> {
    feeds: &'a [Feed],
    frames: &'a dyn FrameSource,
    ordered: Option<Box<dyn StatefulStage>>,
    /// The last frame passed and its result: it may be requested again, but is passed only once.
    passed: Option<(Position, Option<Passed>)>,
}

/// The part of a frame to send.
#[derive(Debug, Clone)]
pub(super) struct Passed {
    pub(super) request: Bytes,
    /// Items that are meant for the reader but left out, and why.
    pub(super) left_out: Vec<Rejected>,
}

impl<'a> Intake<'a> {
    pub(super) fn new(
        feeds: &'a [Feed],
        frames: &'a dyn FrameSource,
        ordered: Option<Box<dyn StatefulStage>>,
    ) -> Intake<'a> {
        Intake { feeds, frames, ordered, passed: None }
    }

    /// Returns the part of a frame to send; `None` if there is nothing.
    ///
    /// # Errors
    /// When the frame cannot be read.
    pub(super) fn pass(&mut self, position: Position, frame: &Frame) -> anyhow::Result<Option<Passed>> {
        if let Some((passed, body)) = &self.passed
            && *passed == position
        {
            return Ok(body.clone());
        }
        let body = match (self.read(frame)?, &mut self.ordered) {
            (Some(request), Some(ordered)) => {
                let request = ordered.pass(request)?;
                Some(Passed { request, left_out: ordered.left_out() })
            }
            (request, _) => request.map(|request| Passed { request, left_out: Vec::new() }),
        };
        self.passed = Some((position, body.clone()));
        Ok(body)
    }

    /// Returns the part of a frame that is meant for the reader.
    fn read(&self, frame: &Frame) -> anyhow::Result<Option<Bytes>> {
        // Own telemetry goes where `service.telemetry` sends it; sent here too, each request would cause the next.
        if frame.receiver == self_telemetry::RECEIVER || !self.feeds.iter().any(|feed| feed.takes(frame)) {
            return Ok(None);
        }
        let request = self.frames.protobuf(frame)?;
        let mut processed =
            self.feeds.iter().filter(|feed| feed.takes(frame)).map(|feed| feed.process(request.clone()));
        let first = processed.next().unwrap_or_default();
        // Concatenated requests are one request.
        let all = processed.fold(first, |all, more| {
            let mut both = BytesMut::from(all);
            both.extend_from_slice(&more);
            both.freeze()
        });
        Ok(Some(all))
    }

    /// Rebuilds the state of the stateful stage from the frames before `upto`, which are not sent again. The reader reads
    /// everything received since it began.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(super) async fn learn(
        &mut self,
        upto: Position,
        began_unix_nano: u64,
        cancel: &CancellationToken,
    ) -> anyhow::Result<()> {
        let Some(ordered) = &mut self.ordered else { return Ok(()) };
        if upto == Position::default() {
            ordered.seen_since(began_unix_nano);
            return Ok(());
        }
        let next = self.frames.next(upto).await?;
        let until = next.map_or_else(SystemTime::now, |(_, frame)| received(&frame));
        let from = until.checked_sub(LEARNS_FROM).unwrap_or(SystemTime::UNIX_EPOCH);
        let mut at = self.frames.before_time(from);
        let first = self.frames.next(at).await?.map_or(from, |(_, frame)| received(&frame));
        // If the log no longer reaches back that far, there may have been more before its first frame.
        let seen_since = if at == Position::default() { from } else { from.max(first) };
        ordered.seen_since(began_unix_nano.max(unix_time::nanos(seen_since)));
        while at < upto
            && !cancel.is_cancelled()
            && let Some((position, frame)) = self.frames.next(at).await?
            && position <= upto
        {
            // Unreadable frames were already reported when they were due to be sent.
            let learnt = caught_now(|| {
                if let (Ok(Some(request)), Some(ordered)) = (self.read(&frame), &mut self.ordered) {
                    let _told = ordered.learn(request);
                    let _told_before = ordered.left_out();
                }
            });
            if let Err(panicked) = learnt {
                tracing::error!(position = position.0, error = %panicked, "a frame cannot be read again and is skipped");
            }
            at = position;
        }
        Ok(())
    }
}

fn received(frame: &Frame) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::try_from(frame.received_unix_nano).unwrap_or_default())
}
