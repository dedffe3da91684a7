//! A frame: one acknowledged request as stored in the durable log, with what replay needs to reach the same verdict.
//!
//! Layout, little endian: `u8` format, `u8` signal, `u8` encoding, `u16` unused, `i64` receive time (ns since
//! the epoch), `u128` digest, `u16` receiver length, `u32` count of rejected items, receiver, rejected indices (`u32`
//! each), payload to the end.

use crate::model::signal::{Encoding, Signal};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use std::fmt;

/// Version of the frame header that this version writes.
const FORMAT: u8 = 1;
/// Two bytes that earlier versions wrote and nothing reads.
const UNUSED: u16 = 0;
/// Number of bytes before the receiver's name.
const FIXED_BYTES: usize = 1 + 1 + 1 + 2 + 8 + 16 + 2 + 4;

/// The sequence number of a frame, from 1; 0 is before all frames. Never reused, also across restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position(pub u64);

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One request as received, after decompression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Receiver id in the configuration, such as `otlp` or `otlp/edge`.
    pub receiver: String,
    /// Signal of the payload.
    pub signal: Signal,
    /// Encoding of the payload.
    pub encoding: Encoding,
    /// When it was received, nanoseconds since the Unix epoch.
    pub received_unix_nano: i64,
    /// Digest of signal and payload; the same for a resent request.
    pub digest: u128,
    /// Indices of the rejected items.
    pub rejected: Vec<u32>,
    /// The decompressed request body.
    pub payload: Bytes,
}

/// Header fields of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHead {
    /// As [`Frame::signal`].
    pub signal: Signal,
    /// As [`Frame::received_unix_nano`].
    pub received_unix_nano: i64,
    /// As [`Frame::digest`].
    pub digest: u128,
    /// Number of rejected items.
    pub rejected: u32,
}

/// The fixed-length fields.
struct Fixed {
    head: FrameHead,
    encoding: Encoding,
    receiver_bytes: usize,
}

impl FrameHead {
    /// Number of bytes needed to read it.
    pub const BYTES: usize = FIXED_BYTES;

    /// Reads the header from the beginning of a frame.
    ///
    /// # Errors
    /// When bytes are missing or a code is unknown.
    pub fn read(bytes: &[u8]) -> Result<FrameHead, FrameError> {
        Ok(fixed(&mut &bytes[..])?.head)
    }
}

/// Error of a frame that cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FrameError {
    /// Fewer bytes than the header declares.
    #[error("the frame has {found} bytes, its header needs {expected}")]
    Short {
        /// Number of bytes that the header declares.
        expected: usize,
        /// Number of bytes found.
        found: usize,
    },
    /// A byte without a meaning: from a newer version, or corrupted.
    #[error("the frame's {field} is {found}, which this version does not know")]
    Unknown {
        /// Name of the header field.
        field: &'static str,
        /// Its value.
        found: u8,
    },
}

impl Frame {
    /// Serializes the header. The payload follows it unchanged, so that it is never copied.
    #[must_use]
    pub fn header(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(FIXED_BYTES + self.receiver.len() + 4 * self.rejected.len());
        let receiver = &self.receiver.as_bytes()[..self.receiver.len().min(usize::from(u16::MAX))];
        out.put_u8(FORMAT);
        out.put_u8(signal_code(self.signal));
        out.put_u8(match self.encoding {
            Encoding::Protobuf => 0,
            Encoding::Json => 1,
        });
        out.put_u16_le(UNUSED);
        out.put_i64_le(self.received_unix_nano);
        out.put_u128_le(self.digest);
        out.put_u16_le(u16::try_from(receiver.len()).unwrap_or(u16::MAX));
        out.put_u32_le(u32::try_from(self.rejected.len()).unwrap_or(u32::MAX));
        out.put_slice(receiver);
        for index in &self.rejected {
            out.put_u32_le(*index);
        }
        out.freeze()
    }

    /// Reads a frame; the payload shares the memory of `bytes`.
    ///
    /// # Errors
    /// When bytes are missing or a code is unknown.
    pub fn read(mut bytes: Bytes) -> Result<Frame, FrameError> {
        let Fixed { head, encoding, receiver_bytes } = fixed(&mut bytes)?;
        let FrameHead { signal, received_unix_nano, digest, rejected: rejected_count } = head;
        need(bytes.len(), receiver_bytes.saturating_add((rejected_count as usize).saturating_mul(4)))?;
        let receiver = String::from_utf8_lossy(&bytes.split_to(receiver_bytes)).into_owned();
        let rejected = (0..rejected_count).map(|_| bytes.get_u32_le()).collect();
        Ok(Frame { receiver, signal, encoding, received_unix_nano, digest, rejected, payload: bytes })
    }
}

/// Returns the digest that identifies a resent request: 128-bit xxh3 of the signal and the decompressed body.
#[must_use]
pub fn digest(signal: Signal, payload: &[u8]) -> u128 {
    xxhash_rust::xxh3::xxh3_128_with_seed(payload, u64::from(signal_code(signal)))
}

fn signal_code(signal: Signal) -> u8 {
    match signal {
        Signal::Traces => 0,
        Signal::Metrics => 1,
        Signal::Logs => 2,
    }
}

fn fixed(bytes: &mut impl Buf) -> Result<Fixed, FrameError> {
    need(bytes.remaining(), FIXED_BYTES)?;
    let format = bytes.get_u8();
    if format != FORMAT {
        return Err(FrameError::Unknown { field: "format", found: format });
    }
    let signal = match bytes.get_u8() {
        0 => Signal::Traces,
        1 => Signal::Metrics,
        2 => Signal::Logs,
        found => return Err(FrameError::Unknown { field: "signal", found }),
    };
    let encoding = match bytes.get_u8() {
        0 => Encoding::Protobuf,
        1 => Encoding::Json,
        found => return Err(FrameError::Unknown { field: "encoding", found }),
    };
    let _unused = bytes.get_u16_le();
    let received_unix_nano = bytes.get_i64_le();
    let digest = bytes.get_u128_le();
    let receiver_bytes = usize::from(bytes.get_u16_le());
    let head = FrameHead { signal, received_unix_nano, digest, rejected: bytes.get_u32_le() };
    Ok(Fixed { head, encoding, receiver_bytes })
}

fn need(found: usize, expected: usize) -> Result<(), FrameError> {
    if found < expected {
        return Err(FrameError::Short { expected, found });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Frame {
        Frame {
            receiver: "otlp/edge".into(),
            signal: Signal::Metrics,
            encoding: Encoding::Json,
            received_unix_nano: 1_700_000_000_000_000_001,
            digest: digest(Signal::Metrics, b"abc"),
            rejected: vec![3, 9],
            payload: Bytes::from_static(b"abc"),
        }
    }

    #[test]
    fn reads_what_it_wrote() {
        let frame = frame();
        let bytes = [frame.header(), frame.payload.clone()].concat();
        let head = FrameHead {
            signal: frame.signal,
            received_unix_nano: frame.received_unix_nano,
            digest: frame.digest,
            rejected: 2,
        };
        assert_eq!(FrameHead::read(&bytes[..FrameHead::BYTES]), Ok(head));
        assert_eq!(Frame::read(bytes.into()), Ok(frame));
    }

    #[test]
    fn every_cut_of_the_header_is_an_error_and_no_panic() {
        let header = frame().header();
        for end in 0..header.len() {
            assert!(Frame::read(header.slice(..end)).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn the_same_bytes_of_another_signal_are_another_request() {
        assert_ne!(digest(Signal::Traces, b"abc"), digest(Signal::Logs, b"abc"));
    }
}
