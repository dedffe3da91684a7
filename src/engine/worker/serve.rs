//! Main loop of a worker. One thread reads from the server and never blocks on anything else, so that a worker ends
//! with its server even while its other threads compute.

use super::catalog::CatalogText;
use super::codec;
use super::dialect::{Dialect, Settings, SqlFault};
use super::link::Link;
use super::message::{CREDITS, Failure, FailureKind, FromWorker, ToWorker};
use super::plans::{Kept, carry_out};
use super::session::{Sessions, threads};
use crate::engine::panics::caught;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::{AbortHandle, JoinHandle};

/// Stack size of a thread that parses and plans. A stack overflow ends the worker.
const STACK_BYTES: usize = 64 << 20;

/// Runs calls until the server closes the socket. The plans share `memory_bytes`; `confine` is called once after the
/// threads exist and before the first message is handled.
///
/// # Errors
/// Returns an error if the socket fails, if an invalid message is received, or if `confine` fails.
pub fn serve(
    socket: UnixStream,
    dialects: Vec<Arc<dyn Dialect>>,
    memory_bytes: usize,
    confine: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(threads()).thread_name("query").thread_stack_size(STACK_BYTES).enable_all();
    let runtime = builder.build()?;
    let link = Link::new(socket.try_clone()?);
    let (ended, ends) = channel();
    let closing = {
        let (handle, link) = (runtime.handle().clone(), link.clone());
        std::thread::Builder::new().name("ends".to_owned()).spawn(move || close(&ends, &handle, &link))?
    };
    confine()?;
    let mut worker =
        Worker { runtime, link, dialects, memory_bytes, sessions: None, kept: Arc::default(), running: None };
    let mut socket = io::BufReader::with_capacity(64 << 10, socket);
    while let Some((message, body)) = codec::read(&mut socket)? {
        if let Some(call) = worker.take(message, body)
            && ended.send(call).is_err()
        {
            break;
        }
    }
    drop((ended, closing));
    worker.runtime.shutdown_background();
    Ok(())
}

/// Tells the server when all tasks of a call have ended, also after an abort: the tasks of a plan continue until their
/// current step ends.
fn close(ends: &Receiver<JoinHandle<()>>, handle: &Handle, link: &Link) {
    while let Ok(call) = ends.recv() {
        let _aborted = handle.block_on(call);
        while handle.metrics().num_alive_tasks() > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        if link.send(&FromWorker::Idle, Vec::new()).is_err() {
            return;
        }
    }
}

struct Worker {
    runtime: Runtime,
    link: Arc<Link>,
    dialects: Vec<Arc<dyn Dialect>>,
    memory_bytes: usize,
    sessions: Option<Arc<Sessions>>,
    kept: Arc<Kept>,
    running: Option<AbortHandle>,
}

impl Worker {
    /// Handles a message. Returns the call that it started, if any.
    fn take(&mut self, message: ToWorker, body: Vec<u8>) -> Option<JoinHandle<()>> {
        match message {
            ToWorker::Catalog { catalog, likely } => self.catalog(catalog, likely),
            ToWorker::Rows { scan } => self.link.rows(scan, body),
            ToWorker::End { scan } => self.link.end(scan),
            ToWorker::Credit { frames } => self.link.credit.add_permits(frames),
            ToWorker::Cancel => {
                if let Some(running) = self.running.take() {
                    running.abort();
                }
            }
            ToWorker::Call(call) => {
                // Discard credit left over from the last answer.
                self.link.credit.forget_permits(self.link.credit.available_permits());
                self.link.credit.add_permits(CREDITS);
                // The server sends the catalog first.
                let sessions = self.sessions.clone()?;
                let (link, kept) = (self.link.clone(), self.kept.clone());
                let call = self.runtime.spawn(async move {
                    let outcome = caught(carry_out(&link, &sessions, &kept, call, body)).await;
                    let last = match outcome {
                        Ok(Ok(last)) => last,
                        Ok(Err(failure)) => FromWorker::Failed(failure),
                        Err(panicked) => FromWorker::Failed(Failure {
                            kind: FailureKind::Failed,
                            fault: SqlFault::new("XX000", panicked.to_string()),
                        }),
                    };
                    // Ignore errors, because the server may be gone.
                    let _gone = link.send(&last, Vec::new());
                });
                self.running = Some(call.abort_handle());
                return Some(call);
            }
        }
        None
    }

    /// Creates sessions over a new catalog. No call runs meanwhile.
    fn catalog(&mut self, catalog: CatalogText, likely: String) {
        let sessions = Arc::new(Sessions::over(catalog, &self.dialects, &self.link, self.memory_bytes));
        let made = {
            let sessions = sessions.clone();
            self.runtime.spawn(async move {
                let made = caught(sessions.state(&likely, &Settings::new())).await;
                made.map_err(|panicked| panicked.to_string())?.map(drop).map_err(|fault| fault.message)
            })
        };
        let made: Result<Result<(), String>, _> = self.runtime.block_on(made);
        let said = match made {
            Ok(Ok(())) => {
                self.sessions = Some(sessions);
                self.kept.clear();
                FromWorker::Ready
            }
            Ok(Err(message)) => FromWorker::Refused(message),
            Err(error) => FromWorker::Refused(error.to_string()),
        };
        // If the server is gone, the next read fails.
        let _gone = self.link.send(&said, Vec::new());
    }
}
