//! Pool of workers: started on demand, kept warm while there is traffic, and ended when idle.

use super::answer::Finished;
use super::catalog::{Catalog, Offered};
use super::handle::{NotReady, Worker};
use super::launch::Launch;
use super::memory::{self, Held, Memory, WAIT, total_by_default};
use parking_lot::{Mutex, MutexGuard, RwLock};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};

/// How long an idle worker is kept, and how long the last one.
const IDLE: Duration = Duration::from_secs(30);
const LAST_IDLE: Duration = Duration::from_mins(5);
/// Maximum number of workers started for one query if each dies before it is ready.
const STARTS_MAX: usize = 3;
/// Interval at which the pool ends idle workers.
const LOOK: Duration = Duration::from_secs(5);

/// Limits of the pool.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// Maximum number of workers, each with one query; more queries wait.
    pub workers_max: usize,
    /// Memory limit of the operators of one query together.
    pub memory_bytes: usize,
    /// Memory limit of all workers together.
    pub memory_total_bytes: usize,
    /// How workers are started.
    pub launch: Launch,
}

impl Default for PoolSettings {
    fn default() -> Self {
        let memory_bytes = 256 << 20;
        PoolSettings {
            workers_max: 32,
            memory_bytes,
            memory_total_bytes: total_by_default(memory_bytes),
            launch: Launch::default(),
        }
    }
}

pub(super) struct Pool {
    settings: PoolSettings,
    memory: Memory,
    offered: RwLock<Arc<Catalog>>,
    /// Idle workers and since when; the last one is used first.
    idle: Mutex<Vec<(Instant, Worker)>>,
    slots: Semaphore,
    /// Number of queries that wait for a slot.
    wanted: AtomicUsize,
    starting: AtomicBool,
    finished: Box<dyn Fn(Finished) + Send + Sync>,
}

/// A waiting query, counted until this is dropped.
struct Waits<'a>(&'a AtomicUsize);

impl Waits<'_> {
    fn begin(wanted: &AtomicUsize) -> Waits<'_> {
        wanted.fetch_add(1, Ordering::AcqRel);
        Waits(wanted)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Pool {
    /// Creates a pool without workers.
    pub(super) fn new(
        settings: PoolSettings,
        offered: Offered,
        finished: Box<dyn Fn(Finished) + Send + Sync>,
    ) -> anyhow::Result<Pool> {
        Ok(Pool {
            offered: RwLock::new(Arc::new(Catalog::new(0, offered)?)),
            idle: Mutex::default(),
            slots: Semaphore::new(settings.workers_max),
            wanted: AtomicUsize::new(0),
            starting: AtomicBool::new(false),
            memory: Memory::new(settings.memory_total_bytes),
            settings,
            finished,
        })
    }

    /// Replaces the catalog for later queries.
    pub(super) fn offer(&self, offered: Offered) -> anyhow::Result<()> {
        let mut current = self.offered.write();
        let catalog = Catalog::new(current.generation + 1, offered)?;
        *current = Arc::new(catalog);
        Ok(())
    }

    /// Acquires a slot for one query; `None` if its client leaves or it times out before.
    pub(super) async fn slot(&self, timeout: Duration, gone: impl Future<Output = ()>) -> Option<SemaphorePermit<'_>> {
        let _waits = Waits::begin(&self.wanted);
        let slot = tokio::select! {
            () = gone => None,
            slot = tokio::time::timeout(timeout, self.slots.acquire()) => slot.ok(),
        };
        slot?.ok()
    }

    pub(super) fn catalog(&self) -> Arc<Catalog> {
        self.offered.read().clone()
    }

    /// Returns a worker with the catalog: an idle one or a new one, after waiting for memory if needed. If one dies
    /// before it is ready, no query was sent to it yet, so another is started.
    pub(super) async fn worker(
        &self,
        catalog: &Catalog,
        likely: &'static str,
        timeout: Duration,
    ) -> Result<Worker, NotReady> {
        let (began, mut starts, mut waits) = (Instant::now(), 0, None);
        loop {
            if let Some(worker) = self.idle_worker(catalog, likely).await {
                return Ok(worker);
            }
            let Some(held) = self.memory.reserve() else {
                if began.elapsed() >= WAIT.min(timeout) {
                    return Err(NotReady::NoMemory);
                }
                // Count as waiting, so that answers left unread for long are dropped and free their worker.
                waits.get_or_insert_with(|| Waits::begin(&self.wanted));
                tokio::time::sleep(memory::LOOK).await;
                continue;
            };
            waits = None;
            starts += 1;
            match self.start(held, catalog, likely).await {
                Err(NotReady::Died(death)) if starts < STARTS_MAX => {
                    tracing::warn!(%death, "a query worker died while it started: starting another");
                }
                outcome => return outcome,
            }
        }
    }

    async fn idle_worker(&self, catalog: &Catalog, likely: &'static str) -> Option<Worker> {
        loop {
            let (_, mut worker) = self.idle().pop()?;
            if worker.lives() && worker.learn(catalog, likely).await.is_ok() {
                return Some(worker);
            }
        }
    }

    async fn start(&self, held: Arc<Held>, catalog: &Catalog, likely: &'static str) -> Result<Worker, NotReady> {
        let (launch, memory_bytes) = (self.settings.launch.clone(), self.settings.memory_bytes);
        let starting = tokio::task::spawn_blocking(move || launch.start(memory_bytes)).await;
        let (started, socket) = starting.map_err(std::io::Error::other)??;
        held.is_process(started.id());
        let mut worker = Worker::new(started, socket, held)?;
        worker.learn(catalog, likely).await?;
        worker.held.is_ready();
        Ok(worker)
    }

    /// Starts another worker if none is idle, so that the next query does not wait for it.
    pub(super) fn reserve(self: Arc<Self>, likely: &'static str) {
        if !self.idle().is_empty() || self.starting.swap(true, Ordering::AcqRel) {
            return;
        }
        let Some(held) = self.memory.reserve() else {
            self.starting.store(false, Ordering::Release);
            return;
        };
        tokio::spawn(async move {
            match self.start(held, &self.catalog(), likely).await {
                // Insert at the front, because workers that have run queries are warmer.
                Ok(worker) => self.idle().insert(0, (Instant::now(), worker)),
                Err(error) => tracing::warn!(%error, "no worker could be started ahead of the next query"),
            }
            self.starting.store(false, Ordering::Release);
        });
    }

    /// Reports an answered query.
    pub(super) fn finished(&self, query: Finished) {
        (self.finished)(query);
    }

    /// Returns whether a query waits for a worker.
    pub(super) fn is_short(&self) -> bool {
        self.wanted.load(Ordering::Acquire) > 0
    }

    /// Ends the idle worker with the most memory. Returns false if none is idle.
    fn end_idle(&self) -> bool {
        let mut idle = self.idle();
        let most = (0..idle.len()).max_by_key(|place| idle[*place].1.held.bytes());
        let worker = most.map(|place| idle.remove(place));
        drop(idle);
        worker.is_some()
    }

    pub(super) fn put_back(&self, worker: Worker) {
        worker.held.set_busy(false);
        if !worker.is_last && !worker.held.ends() {
            self.idle().push((Instant::now(), worker));
        }
    }

    /// Private memory of all workers in bytes.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.memory.look()
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Instant, Worker)>> {
        self.idle.lock()
    }

    /// Ends workers that have been idle for long or keep much memory.
    fn thin(&self) {
        let mut gone = Vec::new();
        let mut idle = self.idle();
        let kept = idle.len();
        let all: Vec<_> = idle.drain(..).enumerate().collect();
        for (place, (since, worker)) in all {
            let patience = if place + 1 == kept { LAST_IDLE } else { IDLE };
            if since.elapsed() < patience && !worker.held.keeps_much() {
                idle.push((since, worker));
            } else {
                gone.push(worker);
            }
        }
        drop(idle);
        drop(gone);
    }
}

/// Ends idle workers regularly until the pool is dropped.
pub(super) async fn end_unused(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(pool) = pool.upgrade() else { return };
        pool.thin();
    }
}

/// Monitors the memory of workers until the pool is dropped, on a separate thread that queries cannot block.
pub(super) fn mind_memory(pool: Weak<Pool>) -> std::io::Result<()> {
    let minding = move || {
        loop {
            let Some(pool) = pool.upgrade() else { return };
            let pause = pool.memory.relieve(|| pool.end_idle());
            drop(pool);
            std::thread::sleep(pause);
        }
    };
    std::thread::Builder::new().name("query-memory".to_owned()).spawn(minding).map(drop)
}
