//! Settings of the file exporter.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// Format of the requests in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FileFormat {
    /// OTLP JSON.
    #[default]
    Json,
    /// Protobuf.
    Proto,
}

/// When a file is renamed and a new one begun, and which renamed files are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// Maximum size of a file in bytes. A larger request gets a file of its own.
    pub bytes_max: u64,
    /// Maximum age of a renamed file; zero: unlimited.
    pub age_max: Duration,
    /// Maximum number of renamed files; zero: unlimited.
    pub backups_max: usize,
}

/// Settings of `exporters.file`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSettings {
    /// The file.
    pub path: PathBuf,
    /// Format of the requests.
    pub format: FileFormat,
    /// Whether each request is compressed with zstd.
    pub is_compressed: bool,
    /// Whether the folder of the file is created.
    pub creates_folder: bool,
    /// Rotation, if the file is not to grow without limit.
    pub rotation: Option<Rotation>,
}

/// Returns the folder of a file; `.` if the path names none.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl FileSettings {
    /// Returns whether each request is a line. Otherwise its length comes first: four bytes, big-endian.
    #[must_use]
    pub fn has_lines(&self) -> bool {
        self.format == FileFormat::Json && !self.is_compressed
    }
}
