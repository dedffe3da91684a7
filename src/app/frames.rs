//! The rows of frames of the log: for the engine when they have been evicted from memory, and at startup.

use crate::ingest::Attached;
use crate::ingest::decode::Decoder;
use crate::log::Log;
use crate::model::decoded::Decoded;
use crate::model::frame::Frame;
use crate::model::frame::Position;
use crate::model::panics::caught_now;
use crate::model::self_telemetry;
use crate::store::NewRows;

/// Bytes of decoded rows read from the log at once.
const REFETCH_BYTES: usize = 64 << 20;

/// The log with decoded rows as attachments.
pub(super) type FrameLog = Log<Attached>;

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
