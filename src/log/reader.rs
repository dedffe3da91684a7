//! Reading committed frames in order.

use super::error::LogError;
use super::format::{Found, Seen, find};
use super::segments::Segment;
use super::shared::Shared;
use crate::model::frame::Position;
use bytes::Bytes;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::Arc;

/// Bytes read from a segment at a time; a longer frame is read whole.
const WINDOW_BYTES: u64 = 4 << 20;

/// A position in the log that advances. Blocking: do not use it on the async workers.
pub struct Reader {
    shared: Arc<Shared>,
    after: u64,
    segment: Option<Open>,
}

/// The segment being read, with a window of its bytes.
struct Open {
    first: u64,
    file: File,
    window: Bytes,
    window_start: u64,
    at: usize,
    seen: Seen,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, after: Position) -> Reader {
        Reader { shared, after: after.0, segment: None }
    }

    /// Returns the next frame and its body, or `None` at the committed end; a later call may return more.
    ///
    /// # Errors
    /// Returns an error if a segment cannot be read.
    pub fn read_next(&mut self) -> Result<Option<(Position, Bytes)>, LogError> {
        loop {
            if self.segment.is_none() && !self.open_next()? {
                return Ok(None);
            }
            let (committed, next) = self.standing();
            let Some(open) = &mut self.segment else { return Ok(None) };
            let place = open.window_start + open.at as u64;
            if place >= committed {
                // A segment that has a successor does not grow any more.
                let Some(next) = next else { return Ok(None) };
                self.open(next.first, &next.path)?;
                continue;
            }
            match find(&open.window, open.at, open.seen) {
                Found::Frame { position, body } => {
                    open.at = body.end;
                    open.seen.frame(position);
                    if position > self.after {
                        self.after = position;
                        return Ok(Some((Position(position), open.window.slice(body))));
                    }
                }
                found => open.advance(found, committed).map_err(|source| LogError {
                    path: self.shared.segments().path_of(open.first),
                    doing: "cannot read the segment",
                    source,
                })?,
            }
        }
    }

    /// Returns the committed bytes of the segment being read and the segment after it. Both are read at the same moment;
    /// otherwise bytes committed in between would be skipped.
    fn standing(&self) -> (u64, Option<Segment>) {
        let Some(open) = &self.segment else { return (0, None) };
        let segments = self.shared.segments();
        let own = segments.holding(open.first).filter(|segment| segment.first == open.first);
        (own.map_or(0, |segment| segment.bytes), segments.behind(open.first).cloned())
    }

    fn open_next(&mut self) -> Result<bool, LogError> {
        let segment = self.shared.segments().holding(self.after + 1).cloned();
        let Some(segment) = segment else { return Ok(false) };
        self.open(segment.first, &segment.path)?;
        Ok(true)
    }

    fn open(&mut self, first: u64, path: &std::path::Path) -> Result<(), LogError> {
        match File::open(path) {
            Ok(file) => {
                self.segment =
                    Some(Open { first, file, window: Bytes::new(), window_start: 0, at: 0, seen: Seen::before(first) });
                Ok(())
            }
            // It was deleted after it was looked up: its frames are gone for every reader.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.segment = None;
                self.after = self.after.max(self.shared.segments().oldest().saturating_sub(1));
                Ok(())
            }
            Err(source) => Err(LogError { path: path.to_owned(), doing: "cannot open the segment", source }),
        }
    }
}

impl Open {
    /// Reads more if the window contains no whole frame; at damage, moves to the next marker.
    fn advance(&mut self, found: Found, committed: u64) -> std::io::Result<()> {
        let place = self.window_start + self.at as u64;
        let window_end = self.window_start + self.window.len() as u64;
        if window_end < committed {
            // The frame may be longer than the window: read more from its start before treating it as damaged.
            let wanted = if self.at == 0 { (self.window.len() as u64 * 2).max(WINDOW_BYTES) } else { WINDOW_BYTES };
            let length = wanted.min(committed - place);
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
            self.file.seek(SeekFrom::Start(place))?;
            self.file.read_exact(&mut bytes)?;
            self.window = Bytes::from(bytes);
            self.window_start = place;
            self.at = 0;
            return Ok(());
        }
        let damaged_from = self.window_start + self.at as u64;
        self.at = match found {
            Found::Damage { next: Some(next) } => next,
            _ => self.window.len(),
        };
        if let Found::Damage { .. } = found {
            let damaged_to = self.window_start + self.at as u64;
            self.seen.damage(damaged_to - damaged_from);
            tracing::warn!(segment = self.first, damaged_from, damaged_to, "skipped damaged bytes of the log");
        }
        Ok(())
    }
}
