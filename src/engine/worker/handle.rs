//! One worker, from the server's side.

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

/// How long a worker may take to start and to plan the views.
pub(super) const START: Duration = Duration::from_secs(30);
/// How long the tasks of a plan may go on after the answer has ended, before their worker is.
pub(super) const SETTLE: Duration = Duration::from_millis(100);

/// Why a worker could not be given a query.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotReady {
    /// It died before it knew the tables: another one may do better.
    #[error("{0}")]
    Died(Death),
    /// Its process could not be started.
    #[error("its process could not be started: {0}")]
    NotStarted(#[from] io::Error),
    /// There is no memory for one more.
    #[error("there is no memory for it")]
    NoMemory,
    /// It lives, and is of no use.
    #[error("{0}")]
    Refuses(String),
}

/// A worker, from the server's side. It ends when this is dropped.
pub(super) struct Worker {
    started: Option<Started>,
    /// Frames for it; one that is taken out is written.
    pub(super) out: mpsc::Sender<Frame>,
    /// What it says.
    pub(super) frames: FramedRead<OwnedReadHalf, Frames<FromWorker>>,
    generation: Option<u64>,
    /// Its memory.
    pub(super) held: Arc<Held>,
    /// It comes behind all others, and has to end after this query.
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

    /// Whether it is still there, and has nothing to say.
    pub(super) fn lives(&mut self) -> bool {
        self.frames.next().now_or_never().is_none()
    }

    /// Tells it of the tables, where it knows others.
    pub(super) async fn learn(&mut self, catalog: &Catalog, likely: &str) -> Result<(), NotReady> {
        if self.generation == Some(catalog.generation) {
            return Ok(());
        }
        let (catalog_text, likely) = (catalog.text.clone(), likely.to_owned());
        let frame = Frame::new(&ToWorker::Catalog { catalog: catalog_text, likely }, Vec::new());
        let frame = frame.map_err(|error| NotReady::Refuses(format!("the tables cannot be sent: {error}")))?;
        // Where it does not take them it has died, which the socket says next.
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
            // A socket whose other end was closed with something unread is reset.
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

    /// Asks it to leave what it is at, and waits for a moment; whether it has.
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

    /// What it died of; it has, or is about to.
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
            // Until it has been waited for it stays in the system's table, and its memory counts. A killed process is gone
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
            // Whoever reads finds the worker gone.
            tracing::debug!(error = line(&error.into()), "a worker does not take what it is told");
            return;
        }
    }
}
