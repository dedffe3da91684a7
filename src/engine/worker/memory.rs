//! Memory of all workers together.
//!
//! The limit of each worker (`limits.rs`) does not limit their sum. So the server monitors their memory: a query waits
//! while there is no room for another worker, and when the running ones approach the limit, those that take the most
//! are killed. Idle workers are killed first.

use super::dialect::SqlFault;
use crate::engine::query::QueryError;
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

/// Maximum time that a query waits for memory.
pub(super) const WAIT: Duration = Duration::from_secs(5);
/// Memory that must be free to start a worker.
const START_BYTES: u64 = 64 << 20;
/// Minimum that a starting or busy worker counts.
const BUSY_BYTES: u64 = 32 << 20;
/// Memory that an idle worker may keep in addition to its initial memory.
const KEPT_BYTES: u64 = 32 << 20;
/// Intervals at which the server checks the memory: while no query runs, while queries run, and while they take much.
const LOOK_IDLY: Duration = Duration::from_millis(100);
pub(super) const LOOK: Duration = Duration::from_millis(20);
const LOOK_OFTEN: Duration = Duration::from_millis(4);
/// Approximate maximum growth of a query's memory between two such checks.
const GROWTH_MAX: u64 = 16 << 20;
/// Reserve for growth between two checks: the limit divided by this.
const RESERVE: u64 = 6;
/// Assumed memory of the machine if it is unknown.
const UNKNOWN_BYTES: u64 = 8 << 30;

/// Memory of one worker.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Id of its process; unset before it has started, and for threads in tests.
    id: OnceLock<u32>,
    bytes: AtomicU64,
    /// Memory at the last check of its growth.
    watched_bytes: AtomicU64,
    /// Memory after its start.
    first_bytes: AtomicU64,
    busy: AtomicBool,
    /// Whether it was killed to free memory.
    ends: AtomicBool,
    /// Whether its process is being waited for: its id may then be reused.
    waited_for: Mutex<bool>,
}

impl Held {
    /// Sets its process.
    pub(super) fn is_process(&self, id: Option<u32>) {
        if let Some(id) = id {
            let _first = self.id.set(id);
        }
    }

    fn look(&self) -> u64 {
        let bytes = self.id.get().and_then(|id| private_bytes(*id)).unwrap_or(0);
        self.bytes.store(bytes, Ordering::Relaxed);
        bytes
    }

    /// Estimates its memory at the next check from its growth since the last one.
    fn look_ahead(&self) -> u64 {
        let bytes = self.look();
        let grown = bytes.saturating_sub(self.watched_bytes.swap(bytes, Ordering::Relaxed));
        bytes + grown.min(GROWTH_MAX)
    }

    /// Returns its memory at the last look, at least the amount reserved for a busy worker.
    fn reserved(&self) -> u64 {
        let is_idle = self.first_bytes.load(Ordering::Relaxed) > 0 && !self.busy.load(Ordering::Relaxed);
        if is_idle { self.bytes() } else { self.bytes().max(BUSY_BYTES) }
    }

    /// Marks it as started and idle.
    pub(super) fn is_ready(&self) {
        self.first_bytes.store(self.look().max(1), Ordering::Relaxed);
    }

    pub(super) fn set_busy(&self, busy: bool) {
        self.busy.store(busy, Ordering::Relaxed);
    }

    /// Returns whether it still has much memory from its last query.
    pub(super) fn keeps_much(&self) -> bool {
        self.look() > self.first_bytes.load(Ordering::Relaxed) + KEPT_BYTES
    }

    fn end(&self) {
        let waited_for = self.waited_for.lock();
        if let (false, Some(id)) = (*waited_for, self.id.get().and_then(|id| Pid::from_raw(id.cast_signed()))) {
            self.ends.store(true, Ordering::Relaxed);
            // It may have ended already.
            let _ended = kill_process(id, Signal::Kill);
        }
    }

    /// Marks its process as being waited for.
    pub(super) fn is_gone(&self) {
        *self.waited_for.lock() = true;
    }

    /// Returns whether its process was killed or has ended: it frees its memory in a moment.
    fn is_ending(&self) -> bool {
        self.ends() || *self.waited_for.lock()
    }

    /// Returns whether it was killed to free memory.
    pub(super) fn ends(&self) -> bool {
        self.ends.load(Ordering::Relaxed)
    }

    /// Memory at the last check.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// Memory of all workers.
#[derive(Debug)]
pub(super) struct Memory {
    bytes_max: u64,
    workers: Mutex<Vec<Weak<Held>>>,
}

impl Memory {
    pub(super) fn new(bytes_max: usize) -> Memory {
        Memory { bytes_max: bytes_max as u64, workers: Mutex::default() }
    }

    /// Reserves room for another worker until the result is dropped; `None` if there is too little.
    pub(super) fn reserve(&self) -> Option<Arc<Held>> {
        let mut workers = self.workers.lock();
        let reserved: u64 = workers.iter().filter_map(Weak::upgrade).map(|held| held.reserved()).sum();
        (reserved + START_BYTES <= self.full_bytes()).then(|| {
            let held = Arc::<Held>::default();
            workers.push(Arc::downgrade(&held));
            held
        })
    }

    fn workers(&self) -> Vec<Arc<Held>> {
        let mut workers = self.workers.lock();
        workers.retain(|held| held.strong_count() > 0);
        workers.iter().filter_map(Weak::upgrade).collect()
    }

    /// Current memory of all workers.
    pub(super) fn look(&self) -> u64 {
        self.workers().iter().map(|held| held.look()).sum()
    }

    /// Memory in bytes above which workers are killed.
    fn full_bytes(&self) -> u64 {
        self.bytes_max - self.bytes_max / RESERVE
    }

    /// Kills the workers that take the most if all together exceed the limit or are about to. `end_idle` ends an idle
    /// worker, if there is one. Returns the time until the next check, which is shorter if much memory is in use.
    pub(super) fn relieve(&self, end_idle: impl FnOnce() -> bool) -> Duration {
        let mut workers = self.workers();
        workers.retain(|held| !held.is_ending());
        let is_busy = |held: &Held| held.busy.load(Ordering::Relaxed);
        if !workers.iter().any(|held| is_busy(held)) {
            return LOOK_IDLY;
        }
        let mut workers: Vec<_> = workers.into_iter().map(|held| (held.look_ahead(), held)).collect();
        let mut used: u64 = workers.iter().map(|(bytes, _)| bytes).sum();
        let pause = if used < self.full_bytes() / 4 { LOOK } else { LOOK_OFTEN };
        if used <= self.full_bytes() || end_idle() {
            return pause;
        }
        workers.retain(|(_, held)| is_busy(held));
        workers.sort_unstable_by_key(|(bytes, _)| *bytes);
        while used > self.full_bytes()
            && let Some((bytes, most)) = workers.pop()
        {
            most.end();
            used -= bytes;
        }
        pause
    }
}

/// Returns the error of a query for which there is no memory.
pub(super) fn none_left() -> QueryError {
    let message = format!(
        "there is no memory left for one more query (extensions.sql.memory_total), and none came free within {WAIT:?}: try again"
    );
    QueryError::Failed(SqlFault::new("53300", message))
}

/// Returns the error of a query that was killed.
pub(super) fn took_most() -> QueryError {
    let message = "the queries that run take all the memory that extensions.sql.memory_total gives them together, and this \
        one takes most: it was ended; try again";
    QueryError::Failed(SqlFault::new("53200", message))
}

/// Default memory limit of all workers: a quarter of the memory of the machine or container.
pub(crate) fn total_by_default(query_bytes: usize) -> usize {
    let quarter = machine_bytes().unwrap_or(UNKNOWN_BYTES) / 4;
    usize::try_from(quarter).unwrap_or(usize::MAX).max(least_total(query_bytes))
}

/// Minimum that allows one query to use its full memory.
pub(crate) fn least_total(query_bytes: usize) -> usize {
    query_bytes.saturating_add(query_bytes / 2).saturating_add(usize::try_from(START_BYTES).unwrap_or(0))
}

fn machine_bytes() -> Option<u64> {
    let machine = kilobytes(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")?;
    let container = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let container = container.and_then(|text| text.trim().parse::<u64>().ok());
    Some(container.map_or(machine, |container| container.min(machine)))
}

/// Private memory of a process, resident or swapped out.
fn private_bytes(id: u32) -> Option<u64> {
    let status = status(id)?;
    Some(kilobytes(&status, "RssAnon:")? + kilobytes(&status, "VmSwap:").unwrap_or(0))
}

/// Resident memory of a process.
pub(crate) fn resident_bytes(id: u32) -> Option<u64> {
    kilobytes(&status(id)?, "VmRSS:")
}

fn status(id: u32) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{id}/status")).ok()
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
