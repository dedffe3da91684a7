//! The log as exporters read it, and as the engine reads what has left memory.

use crate::ingest::decode::{Decoder, as_protobuf};
use crate::log::{Log, Position, Reader};
use crate::model::decoded::Decoded;
use crate::model::frame::Frame;
use crate::sinks::delivery::FrameSource;
use crate::store::NewRows;
use anyhow::Context as _;
use async_trait::async_trait;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Read ahead for one exporter.
const AHEAD_BYTES: usize = 4 << 20;
/// Decoded rows that are read out of the log at once.
const REFETCH_BYTES: usize = 64 << 20;

/// What the log carries along.
pub(super) type FrameLog = Log<Arc<Decoded>>;

/// One exporter's way through the log. It reads on from where it last stood, so nothing is looked up twice.
pub(super) struct LogFrames {
    log: FrameLog,
    ahead: Arc<Mutex<Ahead>>,
}

#[derive(Default)]
struct Ahead {
    reader: Option<Reader>,
    /// The frame that was handed out last.
    after: Position,
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
}

impl Ahead {
    fn next(&mut self, log: &FrameLog, after: Position) -> anyhow::Result<Option<(Position, Frame)>> {
        if self.reader.is_none() || self.after != after {
            self.reader = Some(log.read_after(after));
            self.frames.clear();
        }
        if self.frames.is_empty() {
            self.fill()?;
        }
        let next = self.frames.pop_front();
        self.after = next.as_ref().map_or(after, |(position, _)| *position);
        Ok(next)
    }

    fn fill(&mut self) -> anyhow::Result<()> {
        let mut bytes = 0;
        let Some(reader) = &mut self.reader else { return Ok(()) };
        while bytes < AHEAD_BYTES {
            let Some((position, body)) = reader.next()? else { break };
            bytes += body.len();
            match Frame::read(body) {
                Ok(frame) => self.frames.push_back((position, frame)),
                Err(error) => {
                    tracing::error!(position = position.0, %error, "a frame of the log cannot be read; passed over")
                }
            }
        }
        Ok(())
    }
}

/// Rows of frames behind a position, read from the log and decoded again.
pub(super) fn refetch(log: &FrameLog, decoder: &Decoder, after: Position) -> anyhow::Result<NewRows> {
    let mut new = NewRows { upto: after, ..NewRows::default() };
    let mut reader = log.read_after(after);
    let mut bytes = 0;
    while bytes < REFETCH_BYTES {
        let Some((position, body)) = reader.next()? else { break };
        match decode(decoder, body) {
            Ok((_, decoded)) => {
                bytes += decoded.memory_bytes();
                new.add(position, &decoded);
            }
            Err(error) => {
                tracing::error!(position = position.0, %error, "a frame of the log cannot be decoded; passed over");
                new.upto = position;
            }
        }
    }
    Ok(new)
}

/// A frame and its rows.
pub(super) fn decode(decoder: &Decoder, body: bytes::Bytes) -> anyhow::Result<(Frame, Decoded)> {
    let frame = Frame::read(body)?;
    let decoded = decoder.decode(frame.signal, frame.encoding, &frame.payload, frame.received_unix_nano)?;
    Ok((frame, decoded))
}
