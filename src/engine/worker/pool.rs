//! The workers: started when they are needed, kept warm while there is traffic, and ended when there is none.

use super::call::{Answer, Driven, End, Event, Events, Finished, Request, SETTLE, Taken, died};
use super::catalog::Offered;
use super::codec::{Frame, Frames};
use super::launch::{Launch, Started};
use super::message::{CREDITS, FromWorker, Read, Task, ToWorker};
use crate::engine::query::{QueryError, Workers};
use crate::engine::tables::line;
use crate::model::own::WORK;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};
use tokio::io::{AsyncWriteExt as _, BufWriter};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::codec::FramedRead;

/// How long a worker may take to start and to plan the views.
const START: Duration = Duration::from_secs(30);
/// How long a worker stays that has nothing to do, and how long the last of them.
const IDLE: Duration = Duration::from_secs(30);
const LAST_IDLE: Duration = Duration::from_mins(5);
/// How often they are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// What the pool may take.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// Workers at a time, each with one query; more queries wait for one.
    pub workers_max: usize,
    /// Memory that the operators of one query may take together.
    pub memory_bytes: usize,
    /// How workers are started.
    pub launch: Launch,
}

impl Default for PoolSettings {
    fn default() -> Self {
        PoolSettings { workers_max: 32, memory_bytes: 256 << 20, launch: Launch::default() }
    }
}

/// Queries from outside, and the workers that answer them.
pub struct Queries {
    pool: Arc<Pool>,
    threads: Workers,
}

impl Queries {
    /// No workers yet. `finished` is told of each query that was answered.
    ///
    /// # Errors
    /// When no threads can be started.
    pub fn new(
        settings: PoolSettings,
        offered: Offered,
        finished: impl Fn(Finished) + Send + Sync + 'static,
    ) -> anyhow::Result<Queries> {
        let threads = Workers::for_queries()?;
        let slots = Semaphore::new(settings.workers_max);
        let offered = RwLock::new(Arc::new(Catalog::new(0, offered)?));
        let (idle, starting, wanted) = (Mutex::default(), AtomicBool::new(false), AtomicUsize::new(0));
        let pool = Arc::new(Pool { settings, offered, idle, slots, wanted, starting, finished: Box::new(finished) });
        threads.spawn(tend(Arc::downgrade(&pool)));
        Ok(Queries { pool, threads })
    }

    /// Offers other tables from the next query on.
    ///
    /// # Errors
    /// When they cannot be told to workers.
    pub fn offer(&self, offered: Offered) -> anyhow::Result<()> {
        let mut current = self.pool.offered.write().unwrap_or_else(PoisonError::into_inner);
        let catalog = Catalog::new(current.generation + 1, offered)?;
        *current = Arc::new(catalog);
        Ok(())
    }

    /// What the statements of a text are.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn read(&self, request: &Request) -> Result<Vec<Read>, QueryError> {
        match self.begin(request, Task::Read)?.next().await? {
            Event::Read(read) => Ok(read),
            _ => Err(QueryError::ended("a text without statements")),
        }
    }

    /// The columns that an answer would have.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn describe(&self, request: &Request) -> Result<SchemaRef, QueryError> {
        match self.begin(request, Task::Describe)?.next().await? {
            Event::Head { described, .. } => Ok(described),
            _ => Err(QueryError::ended("a description without columns")),
        }
    }

    /// Answers a query.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn run(&self, request: &Request) -> Result<Answer, QueryError> {
        Answer::begin(self.begin(request, Task::Run)?).await
    }

    fn begin(&self, request: &Request, task: Task) -> Result<Events, QueryError> {
        let (limit, found) = (request.limits.sql_bytes_max, request.sql.len());
        if found > limit {
            return Err(QueryError::TooLong { limit, found });
        }
        let shape = tracing::enabled!(target: WORK, tracing::Level::INFO);
        let call = request.call(task, shape)?;
        // Room for all that a worker may send unasked, so that nobody waits with a frame in hand.
        let (sender, receiver) = mpsc::channel(CREDITS + 5);
        let (taken, timeout) = (Arc::<Taken>::default(), request.limits.timeout);
        let carried = self.pool.clone().carry((request.dialect, call), sender, taken.clone(), timeout);
        self.threads.spawn(carried).ok_or_else(|| QueryError::ended("the server is stopping"))?;
        // Until a worker has it: a start takes no time of the query's.
        Ok(Events { receiver, taken, timeout, left: timeout + START })
    }
}

/// What is offered, and how workers are told.
struct Catalog {
    generation: u64,
    offered: Arc<Offered>,
    text: super::catalog::CatalogText,
}

impl Catalog {
    fn new(generation: u64, offered: Offered) -> anyhow::Result<Catalog> {
        let text = offered.text()?;
        Ok(Catalog { generation, offered: Arc::new(offered), text })
    }
}

pub(super) struct Pool {
    settings: PoolSettings,
    offered: RwLock<Arc<Catalog>>,
    /// Those that have nothing to do, and since when; the last one is used first.
    idle: Mutex<Vec<(Instant, Worker)>>,
    slots: Semaphore,
    /// Queries that wait for a slot.
    wanted: AtomicUsize,
    starting: AtomicBool,
    finished: Box<dyn Fn(Finished) + Send + Sync>,
}

impl Pool {
    /// Finds a worker for a call and sees it through.
    async fn carry(
        self: Arc<Self>,
        (dialect, call): (&'static str, Frame),
        events: mpsc::Sender<Event>,
        taken: Arc<Taken>,
        timeout: Duration,
    ) {
        self.wanted.fetch_add(1, Ordering::AcqRel);
        let slot = tokio::select! {
            () = events.closed() => None,
            slot = tokio::time::timeout(timeout, self.slots.acquire()) => slot.ok(),
        };
        self.wanted.fetch_sub(1, Ordering::AcqRel);
        let Some(Ok(_slot)) = slot else {
            let _gone = events.try_send(Event::Failed(QueryError::TimedOut(timeout)));
            return;
        };
        let catalog = self.catalog();
        let worker = tokio::select! {
            () = events.closed() => return,
            worker = self.worker(&catalog, dialect) => worker,
        };
        let mut worker = match worker {
            Ok(worker) => worker,
            Err(error) => {
                tracing::error!(%error, "no worker for a query");
                let error = QueryError::ended(&format!("no worker could be started: {error}"));
                let _gone = events.try_send(Event::Failed(error));
                return;
            }
        };
        self.clone().reserve(dialect);
        let _gone = events.try_send(Event::Begun);
        if worker.out.send(call).await.is_err() {
            let _gone = events.try_send(Event::Failed(died(worker.death().await)));
            return;
        }
        let driven = Driven::new(&mut worker, catalog.offered.clone(), events.clone(), taken, timeout, &self);
        match driven.drive().await {
            End::Idle => self.put_back(worker),
            End::Left => {
                // Its client has its answer already.
                drop(events);
                if worker.settle().await {
                    self.put_back(worker);
                }
            }
            End::Died => {
                let death = worker.death().await;
                tracing::warn!(?death, "a query's worker died");
                let _gone = events.try_send(Event::Failed(died(death)));
            }
        }
    }

    fn catalog(&self) -> Arc<Catalog> {
        self.offered.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A worker that knows the catalog.
    async fn worker(&self, catalog: &Catalog, likely: &'static str) -> anyhow::Result<Worker> {
        loop {
            let idle = self.idle().pop();
            let Some((_, mut worker)) = idle else { break };
            if worker.lives() && worker.learn(catalog, likely).await.is_ok() {
                return Ok(worker);
            }
        }
        self.start(catalog, likely).await
    }

    async fn start(&self, catalog: &Catalog, likely: &'static str) -> anyhow::Result<Worker> {
        let (launch, memory_bytes) = (self.settings.launch.clone(), self.settings.memory_bytes);
        let (started, socket) = tokio::task::spawn_blocking(move || launch.start(memory_bytes)).await??;
        let mut worker = Worker::new(started, socket)?;
        worker.learn(catalog, likely).await?;
        Ok(worker)
    }

    /// Starts one more where none is left, so that the next query need not wait for it.
    fn reserve(self: Arc<Self>, likely: &'static str) {
        if !self.idle().is_empty() || self.starting.swap(true, Ordering::AcqRel) {
            return;
        }
        tokio::spawn(async move {
            match self.start(&self.catalog(), likely).await {
                // At the other end: those that have worked are warmer.
                Ok(worker) => self.idle().insert(0, (Instant::now(), worker)),
                Err(error) => tracing::warn!(%error, "no worker could be started ahead of the next query"),
            }
            self.starting.store(false, Ordering::Release);
        });
    }

    /// A query has been answered.
    pub(super) fn finished(&self, query: Finished) {
        (self.finished)(query);
    }

    /// Whether a query waits for a worker and has none.
    pub(super) fn is_short(&self) -> bool {
        self.wanted.load(Ordering::Acquire) > 0
    }

    fn put_back(&self, worker: Worker) {
        if !worker.is_last {
            self.idle().push((Instant::now(), worker));
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Instant, Worker)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends those that have had nothing to do for long.
    fn thin(&self) {
        let mut gone = Vec::new();
        let mut idle = self.idle();
        let kept = idle.len();
        let all: Vec<_> = idle.drain(..).enumerate().collect();
        for (place, (since, worker)) in all {
            let patience = if place + 1 == kept { LAST_IDLE } else { IDLE };
            if since.elapsed() < patience {
                idle.push((since, worker));
            } else {
                gone.push(worker);
            }
        }
        drop(idle);
        drop(gone);
    }
}

async fn tend(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(pool) = pool.upgrade() else { return };
        pool.thin();
    }
}

/// A worker, from the server's side. It ends when this is dropped.
pub(super) struct Worker {
    started: Option<Started>,
    /// Frames for it; one that is taken out is written.
    pub(super) out: mpsc::Sender<Frame>,
    /// What it says.
    pub(super) frames: FramedRead<OwnedReadHalf, Frames<FromWorker>>,
    generation: Option<u64>,
    /// It comes behind all others, and has to end after this query.
    pub(super) is_last: bool,
}

impl Worker {
    fn new(started: Started, socket: StdUnixStream) -> io::Result<Worker> {
        socket.set_nonblocking(true)?;
        let (reader, writer) = UnixStream::from_std(socket)?.into_split();
        let (out, frames) = mpsc::channel(2);
        tokio::spawn(write(frames, writer));
        let frames = FramedRead::new(reader, Frames::default());
        Ok(Worker { started: Some(started), out, frames, generation: None, is_last: false })
    }

    /// Whether it is still there, and has nothing to say.
    fn lives(&mut self) -> bool {
        self.frames.next().now_or_never().is_none()
    }

    /// Tells it of the tables, where it knows others.
    async fn learn(&mut self, catalog: &Catalog, likely: &str) -> anyhow::Result<()> {
        if self.generation == Some(catalog.generation) {
            return Ok(());
        }
        let (catalog_text, likely) = (catalog.text.clone(), likely.to_owned());
        self.say(&ToWorker::Catalog { catalog: catalog_text, likely }).await?;
        match tokio::time::timeout(START, self.frames.next()).await {
            Ok(Some(Ok((FromWorker::Ready, _)))) => {
                self.generation = Some(catalog.generation);
                Ok(())
            }
            Ok(Some(Ok((FromWorker::Refused(message), _)))) => anyhow::bail!("the tables are refused: {message}"),
            Ok(Some(Ok(_))) => anyhow::bail!("it speaks out of turn"),
            Ok(Some(Err(error))) => Err(error.into()),
            Ok(None) => anyhow::bail!("it ended at once: {:?}", self.death().await),
            Err(_) => anyhow::bail!("it was not ready within {START:?}"),
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
    async fn settle(&mut self) -> bool {
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
    async fn death(&mut self) -> super::launch::Death {
        let gone = || super::launch::Death::Other("it is not known why".to_owned());
        let Some(started) = self.started.take() else { return gone() };
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
            started.kill();
            // Until it has been waited for it stays in the system's table. A killed process is gone within milliseconds.
            let waited = std::thread::Builder::new().name("worker-end".to_owned()).spawn(move || started.death());
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
