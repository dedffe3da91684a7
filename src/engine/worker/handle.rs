//! The server's handle of one worker.

use super::catalog::Catalog;
use super::codec::{Frame, Frames};
use super::launch::{Death, Started};
use super::memory::Held;
use super::message::{FromWorker, ToWorker};
use crate::engine::error_text::line;
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncWriteExt as _, BufWriter};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio_util::codec::FramedRead;

/// Maximum time for a worker to start and plan the views.
pub(super) const START: Duration = Duration::from_secs(30);
/// How long the tasks of a plan may continue after the end of the answer before their worker is killed.
pub(super) const SETTLE: Duration = Duration::from_millis(100);

/// Reason why a worker could not accept a query.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotReady {
    /// It died before it received the catalog; another worker may succeed.
    #[error("{0}")]
    Died(Death),
    /// Its process could not be started.
    #[error("its process could not be started: {0}")]
    NotStarted(#[from] io::Error),
    /// There is no memory for another worker.
    #[error("there is no memory for it")]
    NoMemory,
    /// It is alive but unusable.
    #[error("{0}")]
    Refuses(String),
}

/// The server's handle of a worker, which ends when this is dropped.
pub(super) struct Worker {
    started: Option<Started>,
    /// Frames to send; a task writes them to the socket.
    pub(super) out: mpsc::Sender<Frame>,
    /// Messages of the worker.
    pub(super) frames: FramedRead<OwnedReadHalf, Frames<FromWorker>>,
    generation: Option<u64>,
    /// Its memory.
    pub(super) held: Arc<Held>,
    /// Whether it has the lowest priority, and so must end after this query.
    pub(super) is_last: bool,
}

impl Worker {
    pub(super) fn new(started: Started, socket: StdUnixStream, held: Arc<Held>) -> io::Result<Worker> {
        socket.set_nonblocking(true)?;
        let (reader, writer) = UnixStream::from_std(socket)?.into_split();
        let (out, frames) = mpsc::channel(2);
        tokio::spawn(write(frames, writer));
        let frames = FramedRead::new(reader, Frames::default());
        Ok(Worker { started: Some(started), out, frames, generation: None, held, is_last: false })
    }

    /// Returns whether it is alive and has sent nothing unexpected.
    pub(super) fn lives(&mut self) -> bool {
        self.frames.next().now_or_never().is_none()
    }

    /// Sends the catalog if the worker has another one.
    pub(super) async fn learn(&mut self, catalog: &Catalog, likely: &str) -> Result<(), NotReady> {
        if self.generation == Some(catalog.generation) {
            return Ok(());
        }
        let (catalog_text, likely) = (catalog.text.clone(), likely.to_owned());
        let frame = Frame::new(&ToWorker::Catalog { catalog: catalog_text, likely }, Vec::new());
        let frame = frame.map_err(|error| NotReady::Refuses(format!("the tables cannot be sent: {error}")))?;
        // If this fails, the worker has died, and the read below reports it.
        let _gone = self.out.send(frame).await;
        match tokio::time::timeout(START, self.frames.next()).await {
            Ok(Some(Ok((FromWorker::Ready, _)))) => {
                self.generation = Some(catalog.generation);
                Ok(())
            }
            Ok(Some(Ok((FromWorker::Refused(message), _)))) => {
                Err(NotReady::Refuses(format!("the tables are refused: {message}")))
            }
            Ok(Some(Ok(_))) => Err(NotReady::Refuses("it speaks out of turn".to_owned())),
            // A socket is reset if its peer closes it with unread data.
            Ok(Some(Err(_)) | None) => Err(NotReady::Died(self.death().await)),
            Err(_) => Err(NotReady::Refuses(format!("it was not ready within {START:?}"))),
        }
    }

    pub(super) async fn say(&self, message: &ToWorker) -> io::Result<()> {
        let frame = Frame::new(message, Vec::new())?;
        self.out.send(frame).await.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    pub(super) fn put_last(&mut self) {
        self.is_last = true;
        if let Some(started) = &self.started {
            started.put_last();
        }
    }

    /// Cancels the worker's call and waits briefly. Returns whether the worker is idle.
    pub(super) async fn settle(&mut self) -> bool {
        if self.is_last {
            return false;
        }
        let settled = async {
            self.say(&ToWorker::Cancel).await?;
            loop {
                let said: Option<io::Result<(FromWorker, Bytes)>> = self.frames.next().await;
                match said {
                    Some(Ok((FromWorker::Idle, _))) => return io::Result::Ok(()),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error),
                    None => return Err(io::ErrorKind::BrokenPipe.into()),
                }
            }
        };
        matches!(tokio::time::timeout(SETTLE, settled).await, Ok(Ok(())))
    }

    /// Returns why the worker died; waits for its end.
    pub(super) async fn death(&mut self) -> Death {
        let gone = || Death::Unknown("it is not known why".to_owned());
        let Some(started) = self.started.take() else { return gone() };
        self.held.is_gone();
        tokio::task::spawn_blocking(move || {
            let death = started.death();
            drop(started);
            death
        })
        .await
        .unwrap_or_else(|_| gone())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(started) = self.started.take() {
            self.held.is_gone();
            started.kill();
            // Until it is waited for, it remains in the process table and its memory counts. A killed process ends
            // within milliseconds.
            let held = self.held.clone();
            let wait = move || {
                started.death();
                drop(held);
            };
            let waited = std::thread::Builder::new().name("worker-end".to_owned()).spawn(wait);
            if let Err(error) = waited {
                tracing::warn!(%error, "a worker that was ended is not waited for");
            }
        }
    }
}

async fn write(mut frames: mpsc::Receiver<Frame>, writer: OwnedWriteHalf) {
    let mut writer = BufWriter::with_capacity(64 << 10, writer);
    while let Some(frame) = frames.recv().await {
        let written = async {
            writer.write_all(&frame.head()?).await?;
            for part in &frame.body {
                writer.write_all(part).await?;
            }
            writer.flush().await
        };
        let outcome: io::Result<()> = written.await;
        if let Err(error) = outcome {
            // The reader notices that the worker is gone.
            tracing::debug!(error = line(&error.into()), "a worker does not take what it is told");
            return;
        }
    }
}
