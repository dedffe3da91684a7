//! The writer thread: collects queued frames, writes them, calls fsync once, and replies.

use super::error::{AppendError, LogError};
use super::format;
use super::segments::{Segment, Segments, sync_dir};
use super::shared::{Append, Committed, Shared};
use crate::model::frame::Position;
use std::fs::{File, OpenOptions};
use std::io::{IoSlice, Write as _};
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::mpsc;

/// Maximum number of frames per fsync, so that the first of them does not wait for ever larger batches.
const BATCH_FRAMES: usize = 1024;

/// Failures injected by tests, from `SPANWISE_FAILPOINTS="log_fsync=error,log_write=enospc"`.
#[derive(Debug, Default, Clone, Copy)]
struct Failpoints {
    fsync_error: bool,
    write_enospc: bool,
}

impl Failpoints {
    fn from_environment() -> Failpoints {
        let text = std::env::var("SPANWISE_FAILPOINTS").unwrap_or_default();
        let has = |wanted: &str| text.split(',').any(|entry| entry.trim() == wanted);
        Failpoints { fsync_error: has("log_fsync=error"), write_enospc: has("log_write=enospc") }
    }
}

/// Starts the thread. It ends when the last [`super::Log`] is dropped, after writing all queued frames.
pub(super) fn start<T: Send + 'static>(
    shared: Arc<Shared>,
    mut appends: mpsc::UnboundedReceiver<Append<T>>,
    committed: mpsc::UnboundedSender<Committed<T>>,
) -> Result<(), LogError> {
    let dir = shared.settings.dir.clone();
    let mut writer = Writer { shared, file: None, failpoints: Failpoints::from_environment() };
    let thread = std::thread::Builder::new().name("log-writer".to_owned()).spawn(move || {
        let mut batch = Vec::new();
        while let Some(first) = appends.blocking_recv() {
            batch.push(first);
            while batch.len() < BATCH_FRAMES
                && let Ok(next) = appends.try_recv()
            {
                batch.push(next);
            }
            let outcome = writer.commit(&batch);
            answer(&writer.shared, &mut batch, &committed, outcome);
        }
    });
    thread.map(drop).map_err(|source| LogError { path: dir, doing: "cannot start the writer", source })
}

/// Notifies readers first, then the appenders. The rows are in the tables a moment later, when their reader has taken them.
fn answer<T>(
    shared: &Shared,
    batch: &mut Vec<Append<T>>,
    committed: &mpsc::UnboundedSender<Committed<T>>,
    outcome: Result<u64, AppendError>,
) {
    match outcome {
        Ok(first) => {
            let mut answers = Vec::with_capacity(batch.len());
            let mut position = first;
            for append in batch.drain(..) {
                if let Some(attachment) = append.attachment {
                    // The receiver is dropped only during shutdown; the frame is on disk all the same.
                    let _closing = committed.send(Committed { position: Position(position), attachment });
                }
                answers.push((append.answer, position));
                position += 1;
            }
            shared.newest.send_replace(position - 1);
            for (answer, position) in answers {
                let _gone = answer.send(Ok(Position(position)));
            }
        }
        Err(error) => {
            for append in batch.drain(..) {
                let _gone = append.answer.send(Err(error.clone()));
            }
        }
    }
}

struct Writer {
    shared: Arc<Shared>,
    file: Option<File>,
    failpoints: Failpoints,
}

impl Writer {
    /// Writes and syncs a batch, and returns the position of its first frame.
    fn commit<T>(&mut self, batch: &[Append<T>]) -> Result<u64, AppendError> {
        if let Some(failure) = self.shared.failure.get() {
            return Err(AppendError::Failed(failure.clone()));
        }
        let first = self.shared.segments().newest() + 1;
        match self.write(first, batch) {
            Ok(bytes) => {
                self.sync().map_err(|error| self.fail_sync(&error))?;
                self.account(first + batch.len() as u64 - 1, bytes);
                *self.shared.no_space() = None;
                Ok(first)
            }
            Err(error) => Err(self.undo(&error)),
        }
    }

    fn write<T>(&mut self, first: u64, batch: &[Append<T>]) -> std::io::Result<u64> {
        self.roll(first)?;
        if self.failpoints.write_enospc {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        let Some(file) = &mut self.file else { return Err(std::io::ErrorKind::NotFound.into()) };
        let mut bytes = 0;
        for (position, append) in (first..).zip(batch) {
            let head = format::head(position, &append.header, &append.payload);
            let mut slices = [IoSlice::new(&head), IoSlice::new(&append.header), IoSlice::new(&append.payload)];
            let mut rest = &mut slices[..];
            while !rest.is_empty() {
                let written = file.write_vectored(rest)?;
                if written == 0 {
                    return Err(std::io::ErrorKind::WriteZero.into());
                }
                IoSlice::advance_slices(&mut rest, written);
            }
            bytes += append.bytes() as u64;
        }
        Ok(bytes)
    }

    /// Starts a new segment if there is none or the last one is full. Its name is made durable before its frames.
    fn roll(&mut self, first: u64) -> std::io::Result<()> {
        let (path, is_new) = {
            let segments = self.shared.segments();
            match segments.last() {
                Some(last) if last.bytes < self.shared.settings.segment_bytes => (last.path.clone(), false),
                _ => (segments.path_of(first), true),
            }
        };
        if !is_new && self.file.is_some() {
            return Ok(());
        }
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        if is_new {
            self.file = None;
            sync_dir(&self.shared.settings.dir)?;
            self.file = Some(file);
            self.with_segments(|segments| {
                segments.add(Segment { path, first, bytes: 0, touched: SystemTime::now() });
            });
        } else {
            self.file = Some(file);
        }
        Ok(())
    }

    fn sync(&self) -> std::io::Result<()> {
        if self.failpoints.fsync_error {
            return Err(std::io::Error::other("failpoint log_fsync=error"));
        }
        self.file.as_ref().map_or(Ok(()), File::sync_data)
    }

    /// Truncates the bytes that could not be synced: the system may return them as good, and a restart would take them as
    /// committed.
    fn fail_sync(&self, error: &std::io::Error) -> AppendError {
        let committed = self.shared.segments().last().map_or(0, |last| last.bytes);
        let undone = self.file.as_ref().map_or(Ok(()), |file| file.set_len(committed));
        if let Err(error) = undone {
            tracing::error!(%error, "cannot truncate the bytes that could not be synced");
        }
        self.stop(&format!("fsync: {error}"))
    }

    fn account(&self, newest: u64, bytes: u64) {
        self.with_segments(|segments| {
            segments.set_newest(newest);
            if let Some(last) = segments.last_mut() {
                last.bytes += bytes;
                last.touched = SystemTime::now();
            }
        });
    }

    /// Truncates what a failed write left behind. If the disk is full, the error is returned and the next frame is tried;
    /// any other error stops the log.
    fn undo(&mut self, error: &std::io::Error) -> AppendError {
        let committed = self.shared.segments().last().map_or(0, |last| last.bytes);
        let undone = self.file.take().map_or(Ok(()), |file| file.set_len(committed));
        let full = matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded);
        match undone {
            Ok(()) if full => {
                tracing::error!(%error, "no space left for the log: senders get a retryable error");
                *self.shared.no_space() = Some(error.to_string());
                AppendError::NoSpace(error.to_string())
            }
            _ => self.stop(&format!("write: {error}")),
        }
    }

    fn stop(&self, reason: &str) -> AppendError {
        tracing::error!(reason, "the log has stopped: no request is acknowledged until a restart");
        let failure = self.shared.failure.get_or_init(|| reason.to_owned());
        AppendError::Failed(failure.clone())
    }

    fn with_segments(&self, change: impl FnOnce(&mut Segments)) {
        change(&mut self.shared.segments.write());
    }
}
