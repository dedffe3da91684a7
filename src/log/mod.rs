//! Layer 1: the durable log and its readers. It does not interpret the bytes that it stores.
//!
//! Frames are appended to segment files. An append returns when its frame is on disk: the writer thread collects the queued
//! frames, writes them, calls fsync once for all of them, and only then replies. After a failed fsync the kernel may have
//! dropped the pages, so nothing is retried: the log stops and reports the failure.

mod files;
mod format;
mod heads;
mod reader;
mod segments;
mod writer;

pub use files::{SegmentFiles, Whole, WholeSegment};
pub use heads::{BEGINNING, Head, Heads, SegmentView};
pub use reader::Reader;

use crate::model::frame::Position;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Location and limits of the log.
#[derive(Debug, Clone)]
pub struct LogSettings {
    /// Directory of the segments.
    pub dir: PathBuf,
    /// Limit on the bytes on disk. Above it the oldest segments are deleted; if readers still need them, senders get
    /// backpressure.
    pub bytes_max: u64,
    /// Age after which segments that all readers have read are deleted.
    pub age_max: Duration,
    /// Size in bytes at which a new segment is started.
    pub segment_bytes: u64,
    /// Limit on the bytes queued for the disk.
    pub queue_bytes_max: usize,
}

impl Default for LogSettings {
    fn default() -> Self {
        LogSettings {
            dir: PathBuf::from("spanwise-data/log"),
            bytes_max: 10 << 30,
            age_max: Duration::from_hours(24),
            segment_bytes: 64 << 20,
            queue_bytes_max: 64 << 20,
        }
    }
}

/// A frame that is on disk, with its in-memory attachment.
#[derive(Debug)]
pub struct Committed<T> {
    /// Position of the frame.
    pub position: Position,
    /// Attachment passed to the append.
    pub attachment: T,
}

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

/// The log; cheap to clone.
pub struct Log<T> {
    shared: Arc<Shared>,
    queue: mpsc::UnboundedSender<Append<T>>,
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Log { shared: self.shared.clone(), queue: self.queue.clone() }
    }
}

/// An open log, the attachments of frames committed from now on, and the result of the recovery.
pub type Opened<T> = (Log<T>, mpsc::UnboundedReceiver<Committed<T>>, Recovery);

/// A frame queued for the disk.
struct Append<T> {
    pub(crate) header: Bytes,
    pub(crate) payload: Bytes,
    pub(crate) attachment: Option<T>,
    pub(crate) answer: oneshot::Sender<Result<Position, AppendError>>,
}

impl<T> Append<T> {
    fn bytes(&self) -> usize {
        format::OVERHEAD + self.header.len() + self.payload.len()
    }
}

/// State shared by appenders, readers and the writer.
struct Shared {
    pub(crate) settings: LogSettings,
    segments: parking_lot::RwLock<segments::Segments>,
    pub(crate) newest: watch::Sender<u64>,
    pub(crate) queued_bytes: std::sync::atomic::AtomicUsize,
    pub(crate) failure: std::sync::OnceLock<String>,
    /// Readers that ask for backpressure, with the reason.
    holds: parking_lot::RwLock<BTreeMap<String, String>>,
    /// The error of the last write that found the disk full; `None` once there is room again.
    no_space: parking_lot::Mutex<Option<String>>,
}

impl<T: Send + 'static> Log<T> {
    /// Opens the directory, repairs the end of the last segment, and starts the writer.
    ///
    /// # Errors
    /// Returns an error if the directory cannot be created, read or written.
    pub fn open(settings: LogSettings) -> Result<Opened<T>, LogError> {
        let (segments, recovery) = segments::Segments::open(&settings.dir)?;
        let newest = watch::Sender::new(segments.newest());
        let shared = Arc::new(Shared {
            settings,
            segments: parking_lot::RwLock::new(segments),
            newest,
            queued_bytes: std::sync::atomic::AtomicUsize::new(0),
            failure: std::sync::OnceLock::new(),
            holds: parking_lot::RwLock::default(),
            no_space: parking_lot::Mutex::default(),
        });
        let (queue, appends) = mpsc::unbounded_channel();
        let (committed, commits) = mpsc::unbounded_channel();
        writer::start(shared.clone(), appends, committed)?;
        Ok((Log { shared, queue }, commits, recovery))
    }

    /// Appends a frame and waits until it is on disk. An attachment is sent as [`Committed`] before this returns and before
    /// [`Log::newest`] includes the frame, in order of position. The log limits the bytes of frames, not those of
    /// attachments: a caller without room for one appends without it, and the frame is read again when it is needed.
    ///
    /// # Errors
    /// Returns an error if a limit is reached or the disk fails; the frame must then not be acknowledged.
    pub async fn append(&self, header: Bytes, payload: Bytes, attachment: Option<T>) -> Result<Position, AppendError> {
        if let Some(failure) = self.shared.failure.get() {
            return Err(AppendError::Failed(failure.clone()));
        }
        let (answer, verdict) = oneshot::channel();
        let append = Append { header, payload, attachment, answer };
        let _room = self.shared.take_room(append.bytes())?;
        self.queue.send(append).map_err(|_| AppendError::Closed)?;
        verdict.await.unwrap_or(Err(AppendError::Closed))
    }
}

impl<T> Log<T> {
    /// Returns a reader of the committed frames after `after`.
    #[must_use]
    pub fn read_after(&self, after: Position) -> Reader {
        Reader::new(self.shared.clone(), after)
    }

    /// Returns the segment that contains a position, or the first one after it.
    #[must_use]
    pub fn segment_holding(&self, position: Position) -> Option<SegmentView> {
        let segments = self.shared.segments();
        let segment = segments.holding(position.0)?;
        let last = segments.behind(segment.first).map_or(segments.newest(), |behind| behind.first.saturating_sub(1));
        Some(SegmentView::new(segment.clone(), Position(last)))
    }

    /// Returns the oldest readable frame; for an empty log, the next one to be written.
    #[must_use]
    pub fn oldest(&self) -> Position {
        Position(self.shared.segments().oldest())
    }

    /// Returns the newest committed frame.
    #[must_use]
    pub fn newest(&self) -> Position {
        Position(*self.shared.newest.borrow())
    }

    /// Returns the number of bytes after a position. Within its segment this is an estimate that assumes frames of equal
    /// size.
    #[must_use]
    pub fn bytes_behind(&self, position: Position) -> u64 {
        self.shared.segments().bytes_behind(position.0)
    }

    /// Makes appends fail with backpressure on behalf of a reader, until it is called with `None`.
    pub fn hold(&self, reader: &str, reason: Option<String>) {
        let mut holds = self.shared.holds.write();
        match reason {
            Some(reason) => drop(holds.insert(reader.to_owned(), reason)),
            None => drop(holds.remove(reader)),
        }
    }

    /// Returns a position before all frames appended at or after `time`. Other frames of the same segments may follow it,
    /// too.
    #[must_use]
    pub fn before_time(&self, time: std::time::SystemTime) -> Position {
        Position(self.shared.segments().before_time(time))
    }

    /// Returns the size of all segments in bytes.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        self.shared.segments().bytes()
    }

    /// Waits until a frame after `position` is committed.
    pub fn wait_beyond(&self, position: Position) -> impl Future<Output = ()> + Send + use<T> {
        let mut newest = self.shared.newest.subscribe();
        async move {
            // An error means that the log was dropped: no frame will follow, and returning would make callers spin.
            if newest.wait_for(|newest| *newest > position.0).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Deletes whole segments that every reader has read (`keep_after` is the least cursor) and that exceed the configured
    /// age or size. On a full disk the oldest of them are deleted in any case.
    pub fn cut(&self, keep_after: Position) {
        let mut segments = self.shared.segments.write();
        let settings = &self.shared.settings;
        // Appends fail at the limit itself, so room is made a little before it.
        let mut bytes_goal = settings.bytes_max - settings.bytes_max / 8;
        if self.shared.no_space().is_some() {
            bytes_goal = bytes_goal.min(segments.bytes() - segments.bytes() / 8);
        }
        if segments.cut(keep_after.0, bytes_goal, settings.age_max) {
            // The next append tells whether this freed enough.
            *self.shared.no_space() = None;
        }
    }

    /// Checks that frames can be appended.
    ///
    /// # Errors
    /// Returns the reason why they cannot.
    pub fn health(&self) -> Result<(), String> {
        if let Some(failure) = self.shared.failure.get() {
            return Err(failure.clone());
        }
        if let Some(held) = self.shared.held() {
            return Err(format!("{held}; senders get backpressure"));
        }
        if let Some(said) = self.shared.no_space().as_ref() {
            return Err(format!("no space left on the disk: {said}; senders get backpressure"));
        }
        let (found, limit) = (self.disk_bytes(), self.shared.settings.bytes_max);
        if found >= limit {
            return Err(format!(
                "full: {found} bytes of {limit}, which a reader still needs (see the table exporters); senders get backpressure"
            ));
        }
        Ok(())
    }
}

impl Shared {
    fn segments(&self) -> parking_lot::RwLockReadGuard<'_, segments::Segments> {
        self.segments.read()
    }

    fn held(&self) -> Option<AppendError> {
        let holds = self.holds.read();
        let (reader, reason) = holds.first_key_value()?;
        Some(AppendError::Held { reader: reader.clone(), reason: reason.clone() })
    }

    /// Returns the error of the last write that found the disk full, if any.
    fn no_space(&self) -> parking_lot::MutexGuard<'_, Option<String>> {
        self.no_space.lock()
    }

    /// Reserves room in the queue for the lifetime of the guard.
    fn take_room(self: &Arc<Self>, bytes: usize) -> Result<Room, AppendError> {
        if let Some(held) = self.held() {
            return Err(held);
        }
        let on_disk = self.segments().bytes();
        if on_disk >= self.settings.bytes_max {
            return Err(AppendError::Full { what: "log", limit: self.settings.bytes_max, found: on_disk });
        }
        let before = self.queued_bytes.fetch_add(bytes, Ordering::AcqRel);
        let room = Room { shared: self.clone(), bytes };
        // A frame larger than the whole queue is accepted while the queue is empty; otherwise it never could be.
        if before > 0 && before + bytes > self.settings.queue_bytes_max {
            return Err(AppendError::Full {
                what: "queue",
                limit: self.settings.queue_bytes_max as u64,
                found: before as u64,
            });
        }
        Ok(room)
    }
}

struct Room {
    shared: Arc<Shared>,
    bytes: usize,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.shared.queued_bytes.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests;
