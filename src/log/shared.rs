//! What appenders, readers and the writer of a log share.

use super::error::AppendError;
use super::format;
use super::segments::Segments;
use crate::model::frame::Position;
use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

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

/// A frame queued for the disk.
pub(super) struct Append<T> {
    pub(super) header: Bytes,
    pub(super) payload: Bytes,
    pub(super) attachment: Option<T>,
    pub(super) answer: oneshot::Sender<Result<Position, AppendError>>,
}

impl<T> Append<T> {
    pub(super) fn bytes(&self) -> usize {
        format::OVERHEAD + self.header.len() + self.payload.len()
    }
}

/// State shared by appenders, readers and the writer.
pub(super) struct Shared {
    pub(super) settings: LogSettings,
    pub(super) segments: RwLock<Segments>,
    pub(super) newest: watch::Sender<u64>,
    pub(super) queued_bytes: AtomicUsize,
    pub(super) failure: OnceLock<String>,
    /// Readers that ask for backpressure, with the reason.
    pub(super) holds: RwLock<BTreeMap<String, String>>,
    /// The error of the last write that found the disk full; `None` once there is room again.
    pub(super) no_space: Mutex<Option<String>>,
}

impl Shared {
    pub(super) fn segments(&self) -> RwLockReadGuard<'_, Segments> {
        self.segments.read()
    }

    pub(super) fn held(&self) -> Option<AppendError> {
        let holds = self.holds.read();
        let (reader, reason) = holds.first_key_value()?;
        Some(AppendError::Held { reader: reader.clone(), reason: reason.clone() })
    }

    /// Returns the error of the last write that found the disk full, if any.
    pub(super) fn no_space(&self) -> MutexGuard<'_, Option<String>> {
        self.no_space.lock()
    }

    /// Reserves room in the queue for the lifetime of the guard.
    pub(super) fn take_room(self: &Arc<Self>, bytes: usize) -> Result<Room, AppendError> {
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

/// Room in the queue, given back when it is dropped.
pub(super) struct Room {
    shared: Arc<Shared>,
    bytes: usize,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.shared.queued_bytes.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}
