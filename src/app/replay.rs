//! The start after a stop or a kill: the hot tables are rebuilt from the log, and recent requests known again.

use super::frames::{FrameLog, decode};
use crate::ingest::Admission;
use crate::ingest::decode::Decoder;
use crate::store::HotStore;
use std::time::Instant;

/// What was read back.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Replayed {
    pub(super) frames: u64,
    pub(super) damaged: u64,
}

/// Reads the newest frames, as many as fit in memory. Blocking.
pub(super) fn replay(
    log: &FrameLog,
    decoder: &Decoder,
    store: &HotStore,
    admission: &Admission,
    memory_bytes_max: usize,
) -> anyhow::Result<Replayed> {
    let began = Instant::now();
    let mut told = began;
    let mut replayed = Replayed::default();
    // A frame takes about as much memory decoded as it takes on disk; what does not fit is dropped again, oldest first.
    let after = log.before_last(memory_bytes_max as u64);
    store.begin_after(after);
    let (first, newest) = (after.0, log.newest());
    let mut reader = log.read_after(after);
    while let Some((position, body)) = reader.read_next()? {
        match decode(decoder, body) {
            Ok((frame, decoded)) => {
                store.append(position, &decoded);
                admission.remember(&frame, decoded.rejected);
                replayed.frames += 1;
            }
            Err(error) => {
                replayed.damaged += 1;
                tracing::error!(position = position.0, %error, "a frame of the log cannot be decoded; passed over");
            }
        }
        if told.elapsed().as_secs() >= 2 {
            told = Instant::now();
            let percent = 100 * (position.0 - first) / (newest.0 - first).max(1);
            tracing::info!(frames = replayed.frames, percent, "reading the log back");
        }
    }
    store.advance(newest);
    Ok(replayed)
}
