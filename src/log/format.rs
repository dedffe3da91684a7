//! Layout of a frame in a segment, little endian: marker `u64`, position `u64`, length `u32`, CRC-32 of position, length and
//! body `u32`, body. The marker lets a reader find the next frame after damaged bytes.

use bytes::Bytes;

/// Eight bytes that start each frame, chosen at random.
pub(super) const MARKER: [u8; 8] = [0xf3, 0x53, 0x9c, 0x77, 0x61, 0x9e, 0x0a, 0xd5];
/// Bytes before the body.
pub(super) const OVERHEAD: usize = 8 + 8 + 4 + 4;

/// What was found at an offset of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A whole frame: its position and the range of its body.
    Frame { position: u64, body: std::ops::Range<usize> },
    /// No valid frame; `next` is the offset of the next marker, if any.
    Damage { next: Option<usize> },
    /// The end of the segment.
    End,
}

/// State of a scan, which limits the positions that the next frame can have. A sender's bytes may look like a frame, and
/// must not be mistaken for one after damage has moved them to the offset of a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// Position of the last frame.
    pub(super) last: u64,
    /// Damaged bytes since that frame.
    pub(super) skipped: u64,
}

impl Seen {
    /// The start of a segment, before its first frame with this position.
    pub(super) fn before(first: u64) -> Seen {
        Seen { last: first.saturating_sub(1), skipped: 0 }
    }

    pub(super) fn frame(&mut self, position: u64) {
        *self = Seen { last: position, skipped: 0 };
    }

    pub(super) fn damage(&mut self, bytes: u64) {
        self.skipped += bytes;
    }

    /// Returns whether a frame may have this position. Positions are consecutive except for frames lost in damaged bytes.
    pub(super) fn may_follow(self, position: u64) -> bool {
        let lost_max = self.skipped / OVERHEAD as u64;
        position > self.last && position - self.last - 1 <= lost_max
    }
}

/// Encodes the bytes before the body.
pub(super) fn head(position: u64, header: &Bytes, payload: &Bytes) -> [u8; OVERHEAD] {
    let length = u32::try_from(header.len() + payload.len()).unwrap_or(u32::MAX);
    let mut head = [0; OVERHEAD];
    head[..8].copy_from_slice(&MARKER);
    head[8..16].copy_from_slice(&position.to_le_bytes());
    head[16..20].copy_from_slice(&length.to_le_bytes());
    let mut crc = crc32fast::Hasher::new();
    crc.update(&head[8..20]);
    crc.update(header);
    crc.update(payload);
    head[20..].copy_from_slice(&crc.finalize().to_le_bytes());
    head
}

/// Reads the frame at offset `at` of a segment, given the state of the scan.
pub(super) fn find(segment: &[u8], at: usize, seen: Seen) -> Found {
    if at >= segment.len() {
        return Found::End;
    }
    whole_frame(segment, at, seen).unwrap_or_else(|| Found::Damage { next: next_marker(segment, at + 1) })
}

/// Returns the position of a frame, damaged or not, that starts at `at` and ends exactly at the end of the segment.
pub(super) fn ends_with(segment: &[u8], at: usize, seen: Seen) -> Option<u64> {
    let (_, position, body) = framed(segment, at, seen)?;
    (body.end == segment.len()).then_some(position)
}

/// Returns the bytes before a frame's body, its position, and the expected range of the body.
fn framed(segment: &[u8], at: usize, seen: Seen) -> Option<(&[u8], u64, std::ops::Range<usize>)> {
    let head = segment.get(at..at + OVERHEAD)?;
    if head[..8] != MARKER {
        return None;
    }
    let position = u64::from_le_bytes(head[8..16].try_into().ok()?);
    if !seen.may_follow(position) {
        return None;
    }
    let length = u32::from_le_bytes(head[16..20].try_into().ok()?) as usize;
    Some((head, position, at + OVERHEAD..(at + OVERHEAD).checked_add(length)?))
}

fn whole_frame(segment: &[u8], at: usize, seen: Seen) -> Option<Found> {
    let (head, position, body) = framed(segment, at, seen)?;
    let crc = u32::from_le_bytes(head[20..24].try_into().ok()?);
    let bytes = segment.get(body.clone())?;
    let mut found = crc32fast::Hasher::new();
    found.update(&head[8..20]);
    found.update(bytes);
    (found.finalize() == crc).then_some(Found::Frame { position, body })
}

fn next_marker(segment: &[u8], from: usize) -> Option<usize> {
    let rest = segment.get(from..)?;
    rest.windows(MARKER.len()).position(|window| window == MARKER).map(|offset| from + offset)
}
