//! Errors of the log.

use std::path::PathBuf;

/// The log cannot be opened or read.
#[derive(Debug, thiserror::Error)]
#[error("log {path}: {doing}: {source}")]
pub struct LogError {
    /// Path of the file or directory.
    pub path: PathBuf,
    /// The operation that failed.
    pub doing: &'static str,
    /// The error of the operating system.
    pub source: std::io::Error,
}

/// The frame was not appended; it is not on disk and must not be acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The queue or the disk budget is full: retry later.
    #[error("the log is full: {found} bytes of {limit} in {what}")]
    Full {
        /// `queue` or `log`.
        what: &'static str,
        /// The limit in bytes.
        limit: u64,
        /// Bytes in use.
        found: u64,
    },
    /// A reader is too far behind and asks for backpressure.
    #[error("{reader} is behind: {reason}")]
    Held {
        /// The reader's name.
        reader: String,
        /// How far behind it is, in words.
        reason: String,
    },
    /// The disk is full: retry when there is space.
    #[error("no space left for the log: {0}")]
    NoSpace(String),
    /// The disk failed. The log has stopped permanently.
    #[error("the log has stopped: {0}")]
    Failed(String),
    /// The log is being closed.
    #[error("the log is closed")]
    Closed,
}
