//! Feeds committed frames into the hot tables, in order.

use super::frames::{FrameLog, decode_or_report};
use crate::ingest::Attached;
use crate::ingest::decode::Decoder;
use crate::log::{Committed, LogError, Reader};
use crate::model::frame::Position;
use crate::store::HotStore;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;

/// Retry delay after a failed read of the log.
const RETRY: Duration = Duration::from_secs(1);

/// Appends the rows of committed frames to the hot tables.
pub(super) struct Feed {
    log: FrameLog,
    decoder: Arc<Decoder>,
    store: Arc<HotStore>,
    /// The last frame that was appended.
    last: Position,
    committed: UnboundedReceiver<Committed<Attached>>,
    /// A frame taken from `committed` before its turn.
    ahead: Option<Committed<Attached>>,
    /// Reads frames without attached rows, while there are any.
    reader: Option<Reader>,
}

impl Feed {
    /// Creates a feed for the frames after the newest one in the hot tables.
    pub(super) fn new(
        log: &FrameLog,
        decoder: &Arc<Decoder>,
        store: &Arc<HotStore>,
        committed: UnboundedReceiver<Committed<Attached>>,
    ) -> Feed {
        let (log, decoder, store, last) = (log.clone(), decoder.clone(), store.clone(), store.newest());
        Feed { log, decoder, store, last, committed, ahead: None, reader: None }
    }

    /// Runs until it is dropped.
    pub(super) async fn run(mut self) {
        loop {
            self.log.wait_beyond(self.last).await;
            self.take_in().await;
        }
    }

    /// Appends the frames committed so far. Attachments are sent before their frame is visible as committed: one that is
    /// missing by then will not arrive, and its frame is read from the log.
    async fn take_in(&mut self) {
        let newest = self.log.newest();
        while self.last < newest {
            let next = self.ahead.take().or_else(|| self.committed.try_recv().ok());
            match next {
                Some(frame) if frame.position.0 == self.last.0 + 1 => {
                    self.store.append(frame.position, frame.attachment.decoded());
                    self.last = frame.position;
                }
                next => {
                    let upto = next.as_ref().map_or(newest, |frame| Position(frame.position.0 - 1));
                    self.ahead = next;
                    self.read_up_to(upto).await;
                }
            }
        }
        self.reader = None;
    }

    /// Reads the frames after the last one, with retries until it succeeds: the hot tables must not have gaps.
    async fn read_up_to(&mut self, upto: Position) {
        while self.last < upto {
            let reader = self.reader.take().unwrap_or_else(|| self.log.read_after(self.last));
            let (after, decoder, store) = (self.last, self.decoder.clone(), self.store.clone());
            let reading = move || append_between(after, upto, reader, &decoder, &store);
            let read = tokio::task::spawn_blocking(reading).await.map_err(anyhow::Error::from);
            // Frames read before the failure were appended; the next reader starts after them.
            self.last = self.store.newest();
            match read.and_then(|read| Ok(read?)) {
                Ok(reader) => self.reader = reader,
                Err(error) => {
                    tracing::error!(%error, "cannot read the log; retrying in {RETRY:?}");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }
}

/// Decodes the frames after `after` up to `upto` from the log; the reader may start earlier. Returns the reader if it can
/// continue after `upto`. Blocking.
fn append_between(
    after: Position,
    upto: Position,
    mut reader: Reader,
    decoder: &Decoder,
    store: &HotStore,
) -> Result<Option<Reader>, LogError> {
    while let Some((position, body)) = reader.read_next()?.filter(|(position, _)| *position <= upto) {
        if position <= after {
            continue;
        }
        match decode_or_report(decoder, position, body) {
            Some(decoded) => store.append(position, &decoded),
            None => store.advance(position),
        }
        if position == upto {
            return Ok(Some(reader));
        }
    }
    // The last frames are damaged, so there are no rows to append. The reader may have passed the frame after them.
    store.advance(upto);
    Ok(None)
}

#[cfg(test)]
mod tests;
