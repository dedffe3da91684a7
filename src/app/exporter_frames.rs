//! Reads the log for exporters. Each frame is read once for all exporters and signals that keep up; one that lags behind the
//! others reads by itself until it has caught up.

use super::frames::FrameLog;
use crate::delivery::FrameSource;
use crate::ingest::decode::as_protobuf;
use crate::log::Reader;
use crate::model::frame::{Frame, Position};
use crate::model::signal::{Encoding, Signal};
use anyhow::Context as _;
use async_trait::async_trait;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// How long a reader waits at a damaged end of the log before it looks again.
const DAMAGED_END: Duration = Duration::from_secs(1);
/// Bytes read at a time.
const READ_BYTES: usize = 1 << 20;
/// Bytes of the newest frames that are kept for readers that are a little behind.
const KEPT_BYTES: usize = 8 << 20;

/// The newest frames that were read from the log.
pub(super) struct SharedFrames {
    log: FrameLog,
    window: Mutex<Window>,
    /// Held while reading, so that nobody reads the same frames at the same time. A read goes on if its caller is cancelled.
    reading: Arc<tokio::sync::Mutex<()>>,
}

impl SharedFrames {
    pub(super) fn new(log: FrameLog) -> Arc<SharedFrames> {
        Arc::new(SharedFrames { log, window: Mutex::default(), reading: Arc::default() })
    }

    fn look_up(&self, after: Position) -> Place {
        self.window.lock().look_up(after)
    }

    /// Returns the frame after `after`, or [`Place::Behind`] if it is no longer kept, or [`Place::Next`] if there is none.
    async fn next(self: &Arc<Self>, after: Position) -> anyhow::Result<Place> {
        match self.look_up(after) {
            Place::Next => {}
            place => return Ok(place),
        }
        let reading = self.reading.clone().lock_owned().await;
        match self.look_up(after) {
            Place::Next => {}
            // Somebody else has read it meanwhile.
            place => return Ok(place),
        }
        let shared = self.clone();
        let read = move || {
            let _until_it_is_added = reading;
            let mut reader = {
                let mut window = shared.window.lock();
                window.reader_after(&shared.log, after)
            };
            // Without the lock: others look up frames meanwhile.
            let frames = read_some(&mut reader)?;
            let mut window = shared.window.lock();
            window.add(reader, frames);
            anyhow::Ok(window.look_up(after))
        };
        tokio::task::spawn_blocking(read).await.context("reading the log")?
    }
}

/// Where a reader is in relation to the kept frames.
enum Place {
    /// The frame after it.
    Found(Position, Frame),
    /// At the end of the kept frames, or beyond it.
    Next,
    /// Before their beginning.
    Behind,
}

/// The kept frames, in order.
#[derive(Default)]
struct Window {
    reader: Option<Reader>,
    /// The kept frames start after this one.
    from: Position,
    /// The last frame that was read.
    last: Position,
    bytes: usize,
    frames: VecDeque<(Position, Frame)>,
}

impl Window {
    fn look_up(&self, after: Position) -> Place {
        if after < self.from {
            return Place::Behind;
        }
        let index = self.frames.partition_point(|(position, _)| *position <= after);
        self.frames.get(index).map_or(Place::Next, |(position, frame)| Place::Found(*position, frame.clone()))
    }

    /// Returns a reader of the frames after the kept ones. If `after` is beyond them, they begin anew there: the foremost
    /// reader decides what is kept.
    fn reader_after(&mut self, log: &FrameLog, after: Position) -> Reader {
        let is_beyond = after > self.last;
        if is_beyond {
            *self = Window { from: after, last: after, ..Window::default() };
        }
        self.reader.take().unwrap_or_else(|| log.read_after(self.last))
    }

    fn add(&mut self, reader: Reader, frames: Vec<(Position, Frame)>) {
        self.reader = Some(reader);
        for (position, frame) in frames {
            debug_assert!(position > self.last, "frames are added in order");
            self.bytes += frame.payload.len();
            self.last = position;
            self.frames.push_back((position, frame));
        }
        while self.bytes > KEPT_BYTES && self.frames.len() > 1 {
            let Some((position, frame)) = self.frames.pop_front() else { return };
            self.bytes -= frame.payload.len();
            self.from = position;
        }
    }
}

/// Reads the next frames of the log. Blocking.
fn read_some(reader: &mut Reader) -> anyhow::Result<Vec<(Position, Frame)>> {
    let (mut bytes, mut frames) = (0, Vec::new());
    while bytes < READ_BYTES {
        let Some((position, body)) = reader.read_next()? else { break };
        bytes += body.len();
        let frame = Frame::read(body).unwrap_or_else(|error| {
            tracing::error!(position = position.0, %error, "skipped a frame of the log that cannot be read");
            nothing()
        });
        frames.push((position, frame));
    }
    Ok(frames)
}

/// Returns an empty frame in place of one that cannot be read, so that readers continue after it.
fn nothing() -> Frame {
    Frame {
        receiver: String::new(),
        signal: Signal::Traces,
        encoding: Encoding::Protobuf,
        received_unix_nano: 0,
        digest: 0,
        rejected: Vec::new(),
        payload: bytes::Bytes::new(),
    }
}

/// One exporter's view of the log.
pub(super) struct LogFrames {
    shared: Arc<SharedFrames>,
    /// What it reads by itself while it lags behind.
    own: Arc<Mutex<Option<Own>>>,
}

/// Frames that one exporter reads.
struct Own {
    reader: Reader,
    /// The frames read ahead start after this one.
    from: Position,
    /// The last frame that was read.
    last: Position,
    frames: VecDeque<(Position, Frame)>,
}

impl LogFrames {
    pub(super) fn new(shared: &Arc<SharedFrames>) -> Arc<LogFrames> {
        Arc::new(LogFrames { shared: shared.clone(), own: Arc::default() })
    }

    async fn next_of_own(&self, after: Position) -> anyhow::Result<Option<(Position, Frame)>> {
        let (log, own) = (self.shared.log.clone(), self.own.clone());
        // Within the closure, so that a cancelled caller loses nothing of what was read.
        let read = move || {
            let mut kept = own.lock();
            let usable = kept.take().filter(|own| (own.from..=own.last).contains(&after));
            let mut reading = usable.unwrap_or_else(|| Own::after(&log, after));
            // After an error the reader is beyond what was read before it: the next call begins again.
            let next = reading.next(after)?;
            *kept = Some(reading);
            anyhow::Ok(next)
        };
        tokio::task::spawn_blocking(read).await.context("reading the log")?
    }
}

impl Own {
    fn after(log: &FrameLog, after: Position) -> Own {
        Own { reader: log.read_after(after), from: after, last: after, frames: VecDeque::new() }
    }

    /// Returns the frame after `after`. It stays until the next one is requested: a caller without room for it asks again.
    fn next(&mut self, after: Position) -> anyhow::Result<Option<(Position, Frame)>> {
        while let Some((position, _)) = self.frames.front().filter(|(position, _)| *position <= after) {
            self.from = *position;
            self.frames.pop_front();
        }
        if self.frames.is_empty() {
            self.frames.extend(read_some(&mut self.reader)?);
            self.last = self.frames.back().map_or(self.last, |(position, _)| *position);
        }
        Ok(self.frames.front().cloned())
    }
}

#[async_trait]
impl FrameSource for LogFrames {
    async fn next(&self, after: Position) -> anyhow::Result<Option<(Position, Frame)>> {
        if self.shared.log.newest() <= after {
            return Ok(None);
        }
        match self.shared.next(after).await? {
            Place::Behind => self.next_of_own(after).await,
            place => {
                // Not held up by a read of its own whose caller was cancelled.
                if let Some(mut own) = self.own.try_lock() {
                    *own = None;
                }
                if let Place::Found(position, frame) = place {
                    return Ok(Some((position, frame)));
                }
                // The newest frames are damaged: callers wait for what is committed after `after`, which they are.
                tokio::time::sleep(DAMAGED_END).await;
                Ok(None)
            }
        }
    }

    async fn wait_beyond(&self, after: Position) {
        self.shared.log.wait_beyond(after).await;
    }

    fn protobuf(&self, frame: &Frame) -> anyhow::Result<bytes::Bytes> {
        Ok(as_protobuf(frame)?)
    }

    fn before_time(&self, time: std::time::SystemTime) -> Position {
        self.shared.log.before_time(time)
    }

    fn bytes_behind(&self, after: Position) -> u64 {
        self.shared.log.bytes_behind(after)
    }

    fn hold_senders(&self, reader: &str, reason: Option<String>) {
        self.shared.log.hold(reader, reason);
    }
}
