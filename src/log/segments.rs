//! The segment files of a log: listing, repair and deletion.

use super::error::LogError;
use super::format::{Found, Seen, ends_with, find};
use bytes::Bytes;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Result of checking the last segment when the log was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Number of whole frames.
    pub frames: u64,
    /// Bytes of these frames.
    pub bytes: u64,
    /// Bytes of an incomplete frame at the end, which was never acknowledged.
    pub truncated_bytes: u64,
    /// Number of places where damaged bytes of whole frames were skipped. These frames may have been acknowledged.
    pub damaged_frames: u64,
}

/// One file. Its name is its first position, so names sort in order.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    /// Position of the first frame that it may contain.
    pub(super) first: u64,
    /// Number of committed bytes.
    pub(super) bytes: u64,
    /// When the last frame was written.
    pub(super) touched: SystemTime,
}

/// All segments, oldest first; the last one is the one being written.
#[derive(Debug)]
pub(super) struct Segments {
    dir: PathBuf,
    list: Vec<Segment>,
    newest: u64,
}

impl Segments {
    /// Reads the directory and the last segment: skips damage and truncates an incomplete end.
    pub(super) fn open(dir: &Path) -> Result<(Segments, Recovery), LogError> {
        let failed = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| LogError { path, doing, source }
        };
        make_dir(dir).map_err(failed("cannot create the folder", dir))?;
        let found = list(dir).map_err(failed("cannot list the folder", dir))?.into_iter();
        let segment = |(first, path)| Segment { path, first, bytes: 0, touched: SystemTime::UNIX_EPOCH };
        let mut list: Vec<Segment> = found.map(segment).collect();
        let mut recovery = Recovery::default();
        let mut newest = list.first().map_or(0, |segment| segment.first.saturating_sub(1));
        let last = list.len().saturating_sub(1);
        for (index, segment) in list.iter_mut().enumerate() {
            // The name of a segment gives its first position even if all of its frames are damaged.
            newest = newest.max(segment.first.saturating_sub(1));
            let looked_at = if index == last { mend(segment, &mut newest, &mut recovery) } else { seal(segment) };
            looked_at.map_err(failed("cannot read the segment", &segment.path))?;
        }
        sync_dir(dir).map_err(failed("cannot sync the folder", dir))?;
        Ok((Segments { dir: dir.to_owned(), list, newest }, recovery))
    }

    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    pub(super) fn set_newest(&mut self, newest: u64) {
        self.newest = newest;
    }

    pub(super) fn oldest(&self) -> u64 {
        self.list.first().map_or(self.newest + 1, |segment| segment.first)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.list.iter().map(|segment| segment.bytes).sum()
    }

    pub(super) fn last(&self) -> Option<&Segment> {
        self.list.last()
    }

    pub(super) fn last_mut(&mut self) -> Option<&mut Segment> {
        self.list.last_mut()
    }

    /// Returns the path of the segment that starts at `first`.
    pub(super) fn path_of(&self, first: u64) -> PathBuf {
        self.dir.join(format!("{first:020}.log"))
    }

    pub(super) fn add(&mut self, segment: Segment) {
        self.list.push(segment);
    }

    /// Returns the segment that contains `position`, or the first one after it.
    pub(super) fn holding(&self, position: u64) -> Option<&Segment> {
        let next = self.list.partition_point(|segment| segment.first <= position);
        self.list.get(next.saturating_sub(1))
    }

    /// Returns the segment after the one that starts at `first`.
    pub(super) fn behind(&self, first: u64) -> Option<&Segment> {
        self.list.get(self.list.partition_point(|segment| segment.first <= first))
    }

    /// Returns the bytes after a position; within its segment, assumes frames of equal size.
    pub(super) fn bytes_behind(&self, position: u64) -> u64 {
        let next = self.list.partition_point(|segment| segment.first <= position);
        let whole: u64 = self.list[next..].iter().map(|segment| segment.bytes).sum();
        let Some(own) = next.checked_sub(1).and_then(|own| self.list.get(own)) else { return whole };
        let end = self.list.get(next).map_or(self.newest + 1, |behind| behind.first);
        let (frames, left) = (end.saturating_sub(own.first), end.saturating_sub(position.saturating_add(1)));
        let part = u128::from(own.bytes) * u128::from(left) / u128::from(frames.max(1));
        whole + u64::try_from(part).unwrap_or(u64::MAX)
    }

    /// Returns the position before the segments that were written to at or after `time`.
    pub(super) fn before_time(&self, time: SystemTime) -> u64 {
        let older = self.list.partition_point(|segment| segment.touched < time);
        self.list.get(older).map_or(self.newest, |segment| segment.first.saturating_sub(1))
    }

    /// Deletes the oldest segments that all readers have read and that are too old or exceed the size. Returns whether any
    /// was deleted. The last segment is always kept.
    pub(super) fn cut(&mut self, keep_after: u64, bytes_goal: u64, age_max: Duration) -> bool {
        let before = self.list.len();
        while self.list.len() > 1 && self.list[1].first <= keep_after.saturating_add(1) {
            let old = self.list[0].touched.elapsed().is_ok_and(|age| age > age_max);
            if !old && self.bytes() <= bytes_goal {
                break;
            }
            let segment = self.list.remove(0);
            if let Err(error) = fs::remove_file(&segment.path) {
                tracing::warn!(path = %segment.path.display(), %error, "cannot delete a segment of the log");
            }
        }
        self.list.len() < before
    }
}

/// Reads size and time of a segment that has a successor and so was complete once. Damage since then is left to readers to
/// detect, so that a start does not read the whole log.
fn seal(segment: &mut Segment) -> std::io::Result<()> {
    let found = fs::metadata(&segment.path)?;
    segment.touched = found.modified()?;
    segment.bytes = found.len();
    Ok(())
}

/// Lists the segments of a directory with their first positions, oldest first; empty if there is no directory.
pub(super) fn list(dir: &Path) -> std::io::Result<Vec<(u64, PathBuf)>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let first = path.file_name().and_then(|name| name.to_str()).and_then(|name| {
            name.strip_suffix(".log").filter(|stem| stem.len() == 20).and_then(|stem| stem.parse().ok())
        });
        if let Some(first) = first {
            found.push((first, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Result of walking the last segment.
pub(super) struct Walked {
    /// End of the last whole frame.
    pub(super) good_to: u64,
    /// Position of that frame; 0 if there is none.
    pub(super) newest: u64,
    recovery: Recovery,
}

/// Walks the last segment to the end of its last whole frame, skipping damage.
pub(super) fn walk(bytes: &Bytes, first: u64) -> Walked {
    let (mut at, mut good_to, mut newest, mut seen) = (0, 0, 0, Seen::before(first));
    let mut recovery = Recovery::default();
    loop {
        match find(bytes, at, seen) {
            Found::Frame { position, body } => {
                recovery.frames += 1;
                recovery.bytes += body.len() as u64;
                newest = newest.max(position);
                seen.frame(position);
                at = body.end;
                good_to = at;
            }
            Found::Damage { next: Some(next) } => {
                recovery.damaged_frames += 1;
                seen.damage((next - at) as u64);
                at = next;
            }
            Found::Damage { next: None } => {
                // A frame of full length was written completely, so any difference is later damage.
                if let Some(position) = ends_with(bytes, at, seen) {
                    recovery.damaged_frames += 1;
                    newest = newest.max(position);
                    good_to = bytes.len();
                }
                break;
            }
            Found::End => break,
        }
    }
    recovery.truncated_bytes = (bytes.len() - good_to) as u64;
    Walked { good_to: good_to as u64, newest, recovery }
}

/// Repairs the last segment. An incomplete frame at its end was never acknowledged and is truncated.
fn mend(segment: &mut Segment, newest: &mut u64, recovery: &mut Recovery) -> std::io::Result<()> {
    seal(segment)?;
    let walked = walk(&Bytes::from(fs::read(&segment.path)?), segment.first);
    *newest = (*newest).max(walked.newest);
    *recovery = walked.recovery;
    segment.bytes = walked.good_to;
    let file = OpenOptions::new().write(true).open(&segment.path)?;
    if recovery.truncated_bytes > 0 {
        file.set_len(segment.bytes)?;
    }
    // Bytes written but not synced before a kill are now read from the page cache, and count as committed from here on.
    file.sync_all()
}

/// Creates a directory durably: its name is on disk once its parent directory is synced.
fn make_dir(dir: &Path) -> std::io::Result<()> {
    let missing: Vec<&Path> = dir.ancestors().take_while(|folder| !folder.exists()).collect();
    fs::create_dir_all(dir)?;
    for made in missing {
        let parent = made.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync_dir(parent.unwrap_or(Path::new(".")))?;
    }
    Ok(())
}

/// Makes new names in the directory durable.
pub(super) fn sync_dir(dir: &Path) -> std::io::Result<()> {
    File::open(dir)?.sync_all()
}
