//! Layer 1: the durable log and its readers. It does not interpret the bytes that it stores.
//!
//! Frames are appended to segment files. An append returns when its frame is on disk: the writer thread collects the queued
//! frames, writes them, calls fsync once for all of them, and only then replies. After a failed fsync the kernel may have
//! dropped the pages, so nothing is retried: the log stops and reports the failure.

mod durable_log;
mod error;
mod files;
mod format;
mod heads;
mod reader;
mod segments;
mod shared;
mod writer;

#[cfg(test)]
mod tests;

pub use durable_log::{Log, Opened};
pub use error::{AppendError, LogError};
pub use files::{SegmentFiles, Whole, WholeSegment};
pub use heads::{BEGINNING, Head, Heads, SegmentView};
pub use reader::Reader;
pub use segments::Recovery;
pub use shared::{Committed, LogSettings};
