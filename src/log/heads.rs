//! Finding the frames of a segment by what stands before their bodies. Bodies are skipped, so that a segment of any size is
//! walked in little time; each is checked when it is read.

use super::format::{Found, MARKER, OVERHEAD, Seen, find};
use super::segments::Segment;
use super::{LogError, Position};
use bytes::Bytes;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

/// Bytes of a body that its [`Head`] keeps, at most.
pub const BEGINNING: usize = 40;
/// What is read of a frame that is skipped.
const HEAD_BYTES: usize = OVERHEAD + BEGINNING;
/// What is read at once where frames are short, so that not each of them costs a system call.
const WINDOW_BYTES: usize = 64 << 10;

/// A frame that was found, and not yet checked.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// Its position.
    pub position: Position,
    at: u64,
    body_bytes: u32,
    beginning: [u8; BEGINNING],
}

impl Head {
    /// How its body begins, as far as it was kept. The checksum of the body has not been compared.
    #[must_use]
    pub fn beginning(&self) -> &[u8] {
        &self.beginning[..BEGINNING.min(self.body_bytes as usize)]
    }

    fn end(&self) -> u64 {
        self.at + OVERHEAD as u64 + u64::from(self.body_bytes)
    }
}

/// A segment as it is at one moment.
#[derive(Debug, Clone)]
pub struct SegmentView {
    segment: Segment,
    last: Position,
}

impl SegmentView {
    pub(super) fn new(segment: Segment, last: Position) -> SegmentView {
        SegmentView { segment, last }
    }

    /// Position of the first frame that it may hold.
    #[must_use]
    pub fn first(&self) -> Position {
        Position(self.segment.first)
    }

    /// Position of the last frame that it may hold.
    #[must_use]
    pub fn last(&self) -> Position {
        self.last
    }

    /// Its frames, found without reading them. `None` where it has been deleted meanwhile. Blocking.
    ///
    /// # Errors
    /// When it cannot be read.
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
    /// In their order; those that lie in damaged bytes are left out.
    pub all: Vec<Head>,
    file: File,
    first: u64,
    path: PathBuf,
}

impl Heads {
    /// The body of one of these frames; `None` where it is damaged. Blocking.
    ///
    /// # Errors
    /// When the segment cannot be read.
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

/// Goes from frame to frame through the committed bytes of a segment.
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
            // What stands here is damaged, or the length of the frame before it is. From that one on each is checked.
            at = heads.pop().map_or(0, |head| head.at);
            seen = Seen::before(first);
            heads.last().into_iter().for_each(|head| seen.frame(head.position.0));
            checked(file, at, committed, seen, &mut heads)?;
            break;
        }
    }
    Ok(heads)
}

/// What a frame that begins with `bytes` says of itself; `None` where it cannot be one.
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

/// Walks the rest of a segment with its checksums, past damage.
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

/// Bytes of a segment around the place that is looked at.
struct Window<'a> {
    file: &'a File,
    committed: u64,
    bytes: Vec<u8>,
    start: u64,
}

impl Window<'_> {
    /// The bytes from `at` on, at least those of a head where there are as many; of `short` frames, more at once.
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
