//! How a frame lies in a segment, little endian: marker `u64`, position `u64`, length `u32`, CRC-32 of position, length
//! and body `u32`, body. The marker lets a reader find the next frame behind damaged bytes.

use bytes::Bytes;

/// Eight bytes that begin each frame, chosen at random.
pub(super) const MARKER: [u8; 8] = [0xf3, 0x53, 0x9c, 0x77, 0x61, 0x9e, 0x0a, 0xd5];
/// Bytes before the body.
pub(super) const OVERHEAD: usize = 8 + 8 + 4 + 4;

/// What stands at a place of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A whole frame: its position, and where its body begins and ends.
    Frame { position: u64, body: std::ops::Range<usize> },
    /// Nothing that could be a frame; the next marker, if any, is at this place.
    Damage { next: Option<usize> },
    /// The end.
    End,
}

/// What has been seen of a segment: it tells which position the next frame can have. A sender's bytes may look like a
/// frame, and must not be taken for one where damage has put them at a frame's place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    /// Position of the last frame.
    pub(super) last: u64,
    /// Damaged bytes since.
    pub(super) skipped: u64,
}

impl Seen {
    /// Nothing yet of a segment whose first frame has this position.
    pub(super) fn before(first: u64) -> Seen {
        Seen { last: first.saturating_sub(1), skipped: 0 }
    }

    pub(super) fn frame(&mut self, position: u64) {
        *self = Seen { last: position, skipped: 0 };
    }

    pub(super) fn damage(&mut self, bytes: u64) {
        self.skipped += bytes;
    }

    /// Frames follow one another, but for those that lay in the damaged bytes.
    pub(super) fn may_follow(self, position: u64) -> bool {
        let lost_max = self.skipped / OVERHEAD as u64;
        position > self.last && position - self.last - 1 <= lost_max
    }
}

/// The bytes before the body.
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

/// Reads what stands at `at` in the bytes of a segment, behind what has been seen.
pub(super) fn find(segment: &[u8], at: usize, seen: Seen) -> Found {
    if at >= segment.len() {
        return Found::End;
    }
    whole_frame(segment, at, seen).unwrap_or_else(|| Found::Damage { next: next_marker(segment, at + 1) })
}

/// The position of a frame that begins at `at` and ends just where the segment does, whether it is damaged or not.
pub(super) fn ends_with(segment: &[u8], at: usize, seen: Seen) -> Option<u64> {
    let (_, position, body) = framed(segment, at, seen)?;
    (body.end == segment.len()).then_some(position)
}

/// What stands before a frame's body, its position, and where the body should lie.
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
