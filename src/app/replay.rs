//! The start after a stop or a kill: the hot tables are rebuilt from the log, and recent requests known again.

use super::frames::{FrameLog, decode};
use crate::ingest::Admission;
use crate::ingest::decode::Decoder;
use crate::log::Position;
use crate::model::decoded::Rejected;
use crate::model::frame::Frame;
use crate::store::HotStore;
use std::time::{Instant, SystemTime};

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
    let gone_unix_nano = know_again(log, decoder, admission, after)?;
    store.begin_after(after, gone_unix_nano);
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

/// Makes requests up to `upto` known again whose rows do not fit in memory, as far back as resends are told; when the last
/// of them was received. Only those are decoded of which something was refused, for the answer to a resend.
fn know_again(log: &FrameLog, decoder: &Decoder, admission: &Admission, upto: Position) -> anyhow::Result<i64> {
    let mut newest_unix_nano = 0;
    let Some(since) = SystemTime::now().checked_sub(admission.dedup_window()) else { return Ok(newest_unix_nano) };
    let mut reader = log.read_after(log.before_time(since).min(upto));
    while let Some((position, body)) = reader.read_next()?.filter(|(position, _)| *position <= upto) {
        let known = Frame::read(body.clone()).map_err(anyhow::Error::from).and_then(|frame| {
            let refused = !frame.rejected.is_empty();
            let rejected = if refused { decode(decoder, body)?.1.rejected } else { Rejected::default() };
            Ok((frame, rejected))
        });
        match known {
            Ok((frame, rejected)) => {
                newest_unix_nano = newest_unix_nano.max(frame.received_unix_nano);
                admission.remember(&frame, rejected);
            }
            // Of its rows readers tell.
            Err(error) => tracing::debug!(position = position.0, %error, "a frame of the log cannot be known again"),
        }
    }
    Ok(newest_unix_nano)
}

#[cfg(test)]
mod tests;
