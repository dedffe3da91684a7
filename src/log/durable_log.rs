//! The log: appends, readers and deletion.

use super::error::{AppendError, LogError};
use super::heads::SegmentView;
use super::reader::Reader;
use super::segments::{Recovery, Segments};
use super::shared::{Append, Committed, LogSettings, Shared};
use super::writer;
use crate::model::frame::Position;
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use std::future::Future;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};
use tokio::sync::{mpsc, oneshot, watch};

/// The log; cheap to clone.
pub struct Log<T> {
    pub(super) shared: Arc<Shared>,
    queue: mpsc::UnboundedSender<Append<T>>,
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Log { shared: self.shared.clone(), queue: self.queue.clone() }
    }
}

/// An open log, the attachments of frames committed from now on, and the result of the recovery.
pub type Opened<T> = (Log<T>, mpsc::UnboundedReceiver<Committed<T>>, Recovery);

impl<T: Send + 'static> Log<T> {
    /// Opens the directory, repairs the end of the last segment, and starts the writer.
    ///
    /// # Errors
    /// Returns an error if the directory cannot be created, read or written.
    pub fn open(settings: LogSettings) -> Result<Opened<T>, LogError> {
        let (segments, recovery) = Segments::open(&settings.dir)?;
        let newest = watch::Sender::new(segments.newest());
        let shared = Arc::new(Shared {
            settings,
            segments: RwLock::new(segments),
            newest,
            queued_bytes: AtomicUsize::new(0),
            failure: OnceLock::new(),
            holds: RwLock::default(),
            no_space: Mutex::default(),
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
