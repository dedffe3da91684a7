//! Access to the segment files for copying a log that another process may be writing.

use super::error::LogError;
use super::segments::{list, walk};
use bytes::Bytes;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// The segments of a directory, kept open so that they can be read after they are deleted.
pub struct SegmentFiles {
    dir: PathBuf,
    held: Vec<Held>,
}

struct Held {
    first: u64,
    path: PathBuf,
    file: File,
}

/// Contents of the segments at one moment, up to the last whole frame.
pub struct Whole {
    /// The segments, oldest first.
    pub files: Vec<WholeSegment>,
    /// Position of the last frame.
    pub newest: u64,
}

/// A segment in a copy.
pub struct WholeSegment {
    /// The file's name.
    pub name: String,
    /// The file, positioned at its start.
    pub file: File,
    /// Length in bytes of the whole frames.
    pub bytes: u64,
}

impl SegmentFiles {
    /// Opens all segments.
    ///
    /// # Errors
    /// Returns an error if the directory or a segment cannot be read.
    pub fn open(dir: &Path) -> Result<SegmentFiles, LogError> {
        let mut files = SegmentFiles { dir: dir.to_owned(), held: Vec::new() };
        files.refresh()?;
        Ok(files)
    }

    /// Opens the segments started since.
    ///
    /// # Errors
    /// Same as [`SegmentFiles::open`].
    pub fn refresh(&mut self) -> Result<(), LogError> {
        let last = self.held.last().map(|held| held.first);
        for (first, path) in list(&self.dir).map_err(failed("cannot list the folder", &self.dir))? {
            if last.is_some_and(|last| first <= last) {
                continue;
            }
            match File::open(&path) {
                Ok(file) => self.held.push(Held { first, path, file }),
                // It was deleted after it was listed: every reader has read it.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(failed("cannot open the segment", &path)(source)),
            }
        }
        Ok(())
    }

    /// Returns the current contents of the segments. Blocking.
    ///
    /// # Errors
    /// Returns an error if a segment cannot be read.
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

/// Returns the end of the last whole frame. A frame that is being written after it is not acknowledged yet.
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
