//! Reading the log for exporters, and for the engine when rows have been evicted from memory.

use crate::delivery::FrameSource;
use crate::ingest::Attached;
use crate::ingest::decode::{Decoder, as_protobuf};
use crate::log::{Log, Reader};
use crate::model::decoded::Decoded;
use crate::model::frame::Frame;
use crate::model::frame::Position;
use crate::model::panics::caught_now;
use crate::model::self_telemetry;
use crate::model::signal::{Encoding, Signal};
use crate::store::NewRows;
use anyhow::Context as _;
use async_trait::async_trait;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes read ahead for one exporter.
const AHEAD_BYTES: usize = 4 << 20;
/// Bytes of decoded rows read from the log at once.
const REFETCH_BYTES: usize = 64 << 20;

/// The log with decoded rows as attachments.
pub(super) type FrameLog = Log<Attached>;

/// One exporter's position in the log. It continues from its last read, so nothing is looked up twice.
pub(super) struct LogFrames {
    log: FrameLog,
    ahead: Arc<Mutex<Ahead>>,
}

#[derive(Default)]
struct Ahead {
    reader: Option<Reader>,
    /// The frames read ahead start after this one.
    from: Position,
    /// The last frame that was read.
    last: Position,
    frames: VecDeque<(Position, Frame)>,
}

impl LogFrames {
    pub(super) fn new(log: FrameLog) -> Arc<LogFrames> {
        Arc::new(LogFrames { log, ahead: Arc::default() })
    }
}

#[async_trait]
impl FrameSource for LogFrames {
    async fn next(&self, after: Position) -> anyhow::Result<Option<(Position, Frame)>> {
        if self.log.newest() <= after {
            return Ok(None);
        }
        let (log, ahead) = (self.log.clone(), self.ahead.clone());
        let read = move || {
            let mut ahead = ahead.lock().unwrap_or_else(PoisonError::into_inner);
            ahead.next(&log, after)
        };
        tokio::task::spawn_blocking(read).await.context("reading the log")?
    }

    async fn wait_beyond(&self, after: Position) {
        self.log.wait_beyond(after).await;
    }

    fn protobuf(&self, frame: &Frame) -> anyhow::Result<bytes::Bytes> {
        Ok(as_protobuf(frame)?)
    }

    fn before_time(&self, time: std::time::SystemTime) -> Position {
        self.log.before_time(time)
    }

    fn bytes_behind(&self, after: Position) -> u64 {
        self.log.bytes_behind(after)
    }

    fn hold_senders(&self, reader: &str, reason: Option<String>) {
        self.log.hold(reader, reason);
    }
}

impl Ahead {
    /// Returns the frame after `after`. The frame stays buffered until the next one is requested: a caller without room for
    /// it asks again.
    fn next(&mut self, log: &FrameLog, after: Position) -> anyhow::Result<Option<(Position, Frame)>> {
        if self.reader.is_none() || after < self.from || after > self.last {
            *self = Ahead { reader: Some(log.read_after(after)), from: after, last: after, frames: VecDeque::new() };
        }
        while let Some((position, _)) = self.frames.front().filter(|(position, _)| *position <= after) {
            self.from = *position;
            self.frames.pop_front();
        }
        if self.frames.is_empty() {
            self.fill()?;
        }
        Ok(self.frames.front().cloned())
    }

    fn fill(&mut self) -> anyhow::Result<()> {
        let mut bytes = 0;
        let Some(reader) = &mut self.reader else { return Ok(()) };
        while bytes < AHEAD_BYTES {
            let Some((position, body)) = reader.read_next()? else { break };
            bytes += body.len();
            let frame = Frame::read(body).unwrap_or_else(|error| {
                tracing::error!(position = position.0, %error, "skipped a frame of the log that cannot be read");
                nothing()
            });
            self.last = position;
            self.frames.push_back((position, frame));
        }
        Ok(())
    }
}

/// Returns an empty frame in place of one that cannot be read, so that readers continue after it.
fn nothing() -> Frame {
    Frame {
        receiver: String::new(),
        signal: Signal::Traces,
        encoding: Encoding::Protobuf,
        received_unix_nano: 0,
        decoder_version: 0,
        digest: 0,
        rejected: Vec::new(),
        payload: bytes::Bytes::new(),
    }
}

/// Reads and decodes the rows of frames after a position from the log.
pub(super) fn refetch(log: &FrameLog, decoder: &Decoder, after: Position) -> anyhow::Result<NewRows> {
    let mut new = NewRows { upto: after, ..NewRows::default() };
    let mut reader = log.read_after(after);
    let mut bytes = 0;
    while bytes < REFETCH_BYTES {
        let Some((position, body)) = reader.read_next()? else { break };
        new.upto = position;
        if let Some(decoded) = decode_or_report(decoder, position, body) {
            bytes += decoded.memory_bytes();
            new.add(position, &decoded);
        }
    }
    Ok(new)
}

/// Decodes the rows of a frame; a frame that cannot be decoded is reported and skipped.
pub(super) fn decode_or_report(decoder: &Decoder, position: Position, body: bytes::Bytes) -> Option<Decoded> {
    match decode(decoder, body) {
        Ok(decoded) => Some(decoded),
        Err(error) => {
            report_undecodable(position, &error);
            None
        }
    }
}

pub(super) fn report_undecodable(position: Position, error: &anyhow::Error) {
    tracing::error!(position = position.0, %error, "skipped a frame of the log that cannot be decoded");
}

/// Decodes the rows of a frame; derived data has none. A panic becomes an error of the frame.
pub(super) fn decode(decoder: &Decoder, body: bytes::Bytes) -> anyhow::Result<Decoded> {
    caught_now(|| decode_frame(decoder, body))?
}

fn decode_frame(decoder: &Decoder, body: bytes::Bytes) -> anyhow::Result<Decoded> {
    let Frame { receiver, signal, encoding, received_unix_nano, payload, .. } = Frame::read(body)?;
    if receiver == self_telemetry::DERIVED {
        return Ok(Decoded { received_unix_nano, ..Decoded::default() });
    }
    Ok(decoder.decode(signal, encoding, &payload, received_unix_nano)?)
}
