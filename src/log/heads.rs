//! Finds the frames of a segment by their headers. Bodies are skipped, so a segment of any size is scanned quickly; each
//! body is checked when it is read.

use super::error::LogError;
use super::format::{Found, MARKER, OVERHEAD, Seen, find};
use super::segments::Segment;
use crate::model::frame::Position;
use bytes::Bytes;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

/// Maximum number of body bytes that a [`Head`] keeps.
pub const BEGINNING: usize = 40;
/// Bytes read of a frame whose body is skipped.
const HEAD_BYTES: usize = OVERHEAD + BEGINNING;
/// Bytes read at once where frames are short, to save a system call per frame.
const WINDOW_BYTES: usize = 64 << 10;

/// A frame that was found but not yet checked.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// Position of the frame.
    pub position: Position,
    at: u64,
    body_bytes: u32,
    beginning: [u8; BEGINNING],
}

impl Head {
    /// Returns the start of the body, as far as it was kept. The checksum of the body has not been verified.
    #[must_use]
    pub fn beginning(&self) -> &[u8] {
        &self.beginning[..BEGINNING.min(self.body_bytes as usize)]
    }

    fn end(&self) -> u64 {
        self.at + OVERHEAD as u64 + u64::from(self.body_bytes)
    }
}

/// A snapshot of a segment.
#[derive(Debug, Clone)]
pub struct SegmentView {
    segment: Segment,
    last: Position,
}

impl SegmentView {
    pub(super) fn new(segment: Segment, last: Position) -> SegmentView {
        SegmentView { segment, last }
    }

    /// Returns the position of the first frame that it may contain.
    #[must_use]
    pub fn first(&self) -> Position {
        Position(self.segment.first)
    }

    /// Returns the position of the last frame that it may contain.
    #[must_use]
    pub fn last(&self) -> Position {
        self.last
    }

    /// Finds its frames without reading their bodies. Returns `None` if it has been deleted meanwhile. Blocking.
    ///
    /// # Errors
    /// Returns an error if it cannot be read.
    pub fn heads(&self) -> Result<Option<Heads>, LogError> {
        let Segment { path, first, bytes, .. } = &self.segment;
        let failed = |doing| move |source| LogError { path: path.clone(), doing, source };
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(failed("cannot open the segment"))?,
        };
        let all = walk(&file, *first, *bytes).map_err(failed("cannot read the segment"))?;
        Ok(Some(Heads { all, file, first: *first, path: path.clone() }))
    }
}

/// The frames of one segment.
#[derive(Debug)]
pub struct Heads {
    /// Frames in order, without those in damaged bytes.
    pub all: Vec<Head>,
    file: File,
    first: u64,
    path: PathBuf,
}

impl Heads {
    /// Returns the body of one of these frames, or `None` if it is damaged. Blocking.
    ///
    /// # Errors
    /// Returns an error if the segment cannot be read.
    pub fn read(&self, head: &Head) -> Result<Option<Bytes>, LogError> {
        let mut bytes = vec![0; OVERHEAD + head.body_bytes as usize];
        let read = self.file.read_exact_at(&mut bytes, head.at);
        read.map_err(|source| LogError { path: self.path.clone(), doing: "cannot read the segment", source })?;
        let bytes = Bytes::from(bytes);
        if let Found::Frame { body, .. } = find(&bytes, 0, Seen::before(head.position.0)) {
            return Ok(Some(bytes.slice(body)));
        }
        let (segment, damaged_from, damaged_to) = (self.first, head.at, head.end());
        tracing::warn!(segment, damaged_from, damaged_to, "skipped damaged bytes of the log");
        Ok(None)
    }
}

/// Walks the frames in the committed bytes of a segment.
fn walk(file: &File, first: u64, committed: u64) -> io::Result<Vec<Head>> {
    let mut window = Window { file, committed, bytes: Vec::new(), start: 0 };
    let (mut heads, mut at, mut seen) = (Vec::<Head>::new(), 0, Seen::before(first));
    while at < committed {
        let short = heads.last().is_none_or(|head| (head.body_bytes as usize) < WINDOW_BYTES / 4);
        if let Some(head) = head(window.at(at, short)?, at, committed, seen) {
            at = head.end();
            seen.frame(head.position.0);
            heads.push(head);
        } else {
            // Either these bytes or the length of the frame before them is damaged, so checksums are verified from that
            // frame on.
            at = heads.pop().map_or(0, |head| head.at);
            seen = Seen::before(first);
            heads.last().into_iter().for_each(|head| seen.frame(head.position.0));
            checked(file, at, committed, seen, &mut heads)?;
            break;
        }
    }
    Ok(heads)
}

/// Parses the header of a frame that starts with `bytes`; returns `None` if it cannot be one.
fn head(bytes: &[u8], at: u64, committed: u64, seen: Seen) -> Option<Head> {
    let (before, body) = bytes.split_at_checked(OVERHEAD)?;
    let position = u64::from_le_bytes(before[8..16].try_into().ok()?);
    let body_bytes = u32::from_le_bytes(before[16..20].try_into().ok()?);
    let mut beginning = [0; BEGINNING];
    let kept = BEGINNING.min(body.len()).min(body_bytes as usize);
    beginning[..kept].copy_from_slice(&body[..kept]);
    let head = Head { position: Position(position), at, body_bytes, beginning };
    (before[..8] == MARKER && seen.may_follow(position) && head.end() <= committed).then_some(head)
}

/// Walks the rest of a segment with checksums and skips damage.
fn checked(file: &File, from: u64, committed: u64, mut seen: Seen, heads: &mut Vec<Head>) -> io::Result<()> {
    let mut bytes = vec![0; usize::try_from(committed - from).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut bytes, from)?;
    let mut at = 0;
    loop {
        match find(&bytes, at, seen) {
            Found::Frame { position, body } => {
                heads.extend(head(&bytes[at..], from + at as u64, committed, seen));
                seen.frame(position);
                at = body.end;
            }
            Found::Damage { next: Some(next) } => {
                seen.damage((next - at) as u64);
                at = next;
            }
            Found::Damage { next: None } | Found::End => return Ok(()),
        }
    }
}

/// Buffered bytes of a segment around the current offset.
struct Window<'a> {
    file: &'a File,
    committed: u64,
    bytes: Vec<u8>,
    start: u64,
}

impl Window<'_> {
    /// Returns the bytes from `at` on, at least a whole head if the segment has as many; reads ahead for `short` frames.
    fn at(&mut self, at: u64, short: bool) -> io::Result<&[u8]> {
        let left = usize::try_from(self.committed.saturating_sub(at)).unwrap_or(usize::MAX);
        let held = at.checked_sub(self.start).and_then(|skip| usize::try_from(skip).ok());
        let held = held.filter(|skip| self.bytes.len().saturating_sub(*skip) >= HEAD_BYTES.min(left));
        if let Some(skip) = held {
            return Ok(&self.bytes[skip..]);
        }
        self.bytes.resize(left.min(if short { WINDOW_BYTES } else { HEAD_BYTES }), 0);
        self.start = at;
        self.file.read_exact_at(&mut self.bytes, at)?;
        Ok(&self.bytes)
    }
}
