//! The segments as files, for a copy of a log that another process may be writing.

use super::LogError;
use super::segments::{list, walk};
use bytes::Bytes;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// The segments of a folder, held open: what is deleted meanwhile can still be read.
pub struct SegmentFiles {
    dir: PathBuf,
    held: Vec<Held>,
}

struct Held {
    first: u64,
    path: PathBuf,
    file: File,
}

/// What stands in the segments at one moment, up to the last whole frame.
pub struct Whole {
    /// Oldest first.
    pub files: Vec<WholeSegment>,
    /// Position of the last frame.
    pub newest: u64,
}

/// One segment.
pub struct WholeSegment {
    /// The file's name.
    pub name: String,
    /// The file, from its beginning.
    pub file: File,
    /// Bytes that hold whole frames.
    pub bytes: u64,
}

impl SegmentFiles {
    /// Opens all that are there.
    ///
    /// # Errors
    /// When the folder or a segment cannot be read.
    pub fn open(dir: &Path) -> Result<SegmentFiles, LogError> {
        let mut files = SegmentFiles { dir: dir.to_owned(), held: Vec::new() };
        files.refresh()?;
        Ok(files)
    }

    /// Opens those that were begun since.
    ///
    /// # Errors
    /// As [`SegmentFiles::open`].
    pub fn refresh(&mut self) -> Result<(), LogError> {
        let last = self.held.last().map(|held| held.first);
        for (first, path) in list(&self.dir).map_err(failed("cannot list the folder", &self.dir))? {
            if last.is_some_and(|last| first <= last) {
                continue;
            }
            match File::open(&path) {
                Ok(file) => self.held.push(Held { first, path, file }),
                // Deleted since it was listed: every reader has read it.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(failed("cannot open the segment", &path)(source)),
            }
        }
        Ok(())
    }

    /// What stands in them now. Blocking.
    ///
    /// # Errors
    /// When a segment cannot be read.
    pub fn whole(self) -> Result<Whole, LogError> {
        let mut whole = Whole { files: Vec::new(), newest: 0 };
        let last = self.held.len().saturating_sub(1);
        for (index, held) in self.held.into_iter().enumerate() {
            let Held { first, path, mut file } = held;
            whole.newest = whole.newest.max(first.saturating_sub(1));
            let bytes = if index == last { end(&mut file, first, &mut whole.newest) } else { length(&file) };
            let bytes = bytes.map_err(failed("cannot read the segment", &path))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            whole.files.push(WholeSegment { name, file, bytes });
        }
        Ok(whole)
    }
}

fn length(file: &File) -> std::io::Result<u64> {
    Ok(file.metadata()?.len())
}

/// Where the last whole frame ends. What is being written behind it is not acknowledged yet.
fn end(file: &mut File, first: u64, newest: &mut u64) -> std::io::Result<u64> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    file.seek(SeekFrom::Start(0))?;
    let walked = walk(&Bytes::from(bytes), first);
    *newest = (*newest).max(walked.newest);
    Ok(walked.good_to)
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> LogError + use<> {
    let path = path.to_owned();
    move |source| LogError { path, doing, source }
}
