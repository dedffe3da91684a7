//! External queries: assigns a worker to each and drives its call.

use super::answer::{Answer, Event, Events, Finished, Taken};
use super::call::{Driven, End, died};
use super::catalog::Offered;
use super::codec::Frame;
use super::handle::{NotReady, START};
use super::memory;
use super::message::{CREDITS, Read, Task};
use super::pool::{self, Pool, PoolSettings};
use super::request::Request;
use crate::engine::query::{QueryError, Workers};
use crate::model::self_telemetry::WORK;
use arrow::datatypes::SchemaRef;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// External queries and the workers that answer them.
pub struct Queries {
    pool: Arc<Pool>,
    threads: Workers,
}

impl Queries {
    /// Creates the queries without workers. Calls `finished` for each answered query.
    ///
    /// # Errors
    /// Returns an error if no threads can be started.
    pub fn new(
        settings: PoolSettings,
        offered: Offered,
        finished: impl Fn(Finished) + Send + Sync + 'static,
    ) -> anyhow::Result<Queries> {
        let threads = Workers::for_queries()?;
        let pool = Arc::new(Pool::new(settings, offered, Box::new(finished))?);
        threads.spawn(pool::end_unused(Arc::downgrade(&pool)));
        pool::mind_memory(Arc::downgrade(&pool))?;
        Ok(Queries { pool, threads })
    }

    /// Private memory of the query workers in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.pool.memory_bytes()
    }

    /// Replaces the tables for later queries.
    ///
    /// # Errors
    /// Returns an error if the tables cannot be encoded for workers.
    pub fn offer(&self, offered: Offered) -> anyhow::Result<()> {
        self.pool.offer(offered)
    }

    /// Describes the statements of a text.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub async fn read(&self, request: &Request) -> Result<Vec<Read>, QueryError> {
        match self.begin(request, Task::Read)?.next().await? {
            Event::Read(read) => Ok(read),
            _ => Err(QueryError::ended("a text without statements")),
        }
    }

    /// Returns the columns of the answer.
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
        // Room for all that a worker may send without credit, so that sending never blocks.
        let (sender, receiver) = mpsc::channel(CREDITS + 5);
        let (taken, timeout) = (Arc::<Taken>::default(), request.limits.timeout);
        let carried = carry(self.pool.clone(), (request.dialect, call), sender, taken.clone(), timeout);
        self.threads.spawn(carried).ok_or_else(|| QueryError::ended("the server is stopping"))?;
        // The time until a worker has the call does not count toward the query's timeout.
        Ok(Events { receiver, taken, timeout, left: timeout + START })
    }
}

/// Returns the error of a query for which no worker could be started.
fn not_ready(error: &NotReady) -> QueryError {
    QueryError::ended(&format!("no query worker could be started: {error}"))
}

/// Finds a worker for a call and drives it.
async fn carry(
    pool: Arc<Pool>,
    (dialect, call): (&'static str, Frame),
    events: mpsc::Sender<Event>,
    taken: Arc<Taken>,
    timeout: Duration,
) {
    let slot = pool.slot(timeout, events.closed()).await;
    let Some(_slot) = slot else {
        let _gone = events.try_send(Event::Failed(QueryError::TimedOut(timeout)));
        return;
    };
    let catalog = pool.catalog();
    let worker = tokio::select! {
        () = events.closed() => return,
        worker = pool.worker(&catalog, dialect, timeout) => worker,
    };
    let mut worker = match worker {
        Ok(worker) => worker,
        Err(NotReady::NoMemory) => {
            let _gone = events.try_send(Event::Failed(memory::none_left()));
            return;
        }
        Err(error) => {
            tracing::error!(%error, "no query worker could be started");
            let _gone = events.try_send(Event::Failed(not_ready(&error)));
            return;
        }
    };
    worker.held.set_busy(true);
    pool.clone().reserve(dialect);
    let _gone = events.try_send(Event::Begun);
    if worker.out.send(call).await.is_err() {
        let _gone = events.try_send(Event::Failed(died(&worker.death().await)));
        return;
    }
    let driven = Driven::new(&mut worker, catalog.offered.clone(), events.clone(), taken, timeout, &pool);
    match driven.drive().await {
        End::Idle => pool.put_back(worker),
        End::Left => {
            // The client has its answer already.
            drop(events);
            if worker.settle().await {
                pool.put_back(worker);
            }
        }
        End::Died => {
            let death = worker.death().await;
            let error = if worker.held.ends() {
                tracing::warn!("a query was ended: all of them take as much memory as they may together");
                memory::took_most()
            } else {
                tracing::warn!(%death, "a query's worker ended");
                died(&death)
            };
            let _gone = events.try_send(Event::Failed(error));
        }
    }
}
