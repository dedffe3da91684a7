//! The memory of all workers together.
//!
//! Each worker has a limit of its own (`limits.rs`), which many of them would multiply. So the server looks at what they take:
//! a query waits while there is no room for one more, and where those that run come near the bound, the one that takes most
//! is ended. Workers that have nothing to do go first.

use super::dialect::SqlFault;
use crate::engine::query::QueryError;
use rustix::process::{Pid, Signal, kill_process};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// How long a query waits for memory at most.
pub(super) const WAIT: Duration = Duration::from_secs(5);
/// What one more worker takes at first, about.
const START_BYTES: u64 = 64 << 20;
/// What a worker that has nothing to do may keep beyond what it took at first.
const KEPT_BYTES: u64 = 32 << 20;
/// The share of the bound that is left for what queries take between two looks.
const RESERVE: u64 = 6;
/// Where nothing tells how much memory the machine has.
const UNKNOWN_BYTES: u64 = 8 << 30;

/// What one worker holds.
#[derive(Debug)]
pub(super) struct Held {
    /// Its process; none where it is a thread of tests.
    id: Option<u32>,
    bytes: AtomicU64,
    /// What it took when it had started.
    first_bytes: AtomicU64,
    busy: AtomicBool,
    /// It was ended for memory.
    ends: AtomicBool,
    /// Its process has not been waited for, so that its id is no other's.
    lives: Mutex<bool>,
}

impl Held {
    fn look(&self) -> u64 {
        let bytes = self.id.and_then(private_bytes).unwrap_or(0);
        self.bytes.store(bytes, Ordering::Relaxed);
        bytes
    }

    /// It has started.
    pub(super) fn is_ready(&self) {
        self.first_bytes.store(self.look(), Ordering::Relaxed);
    }

    pub(super) fn set_busy(&self, busy: bool) {
        self.busy.store(busy, Ordering::Relaxed);
    }

    /// Whether it keeps much of what its last query took.
    pub(super) fn keeps_much(&self) -> bool {
        self.look() > self.first_bytes.load(Ordering::Relaxed) + KEPT_BYTES
    }

    fn end(&self) {
        let lives = self.lives.lock().unwrap_or_else(PoisonError::into_inner);
        if let (true, Some(id)) = (*lives, self.id.and_then(|id| Pid::from_raw(id.cast_signed()))) {
            self.ends.store(true, Ordering::Relaxed);
            // One that has ended meanwhile is as good.
            let _ended = kill_process(id, Signal::Kill);
        }
    }

    /// Its process is about to be waited for.
    pub(super) fn is_gone(&self) {
        *self.lives.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }

    /// Whether it was ended for memory.
    pub(super) fn ends(&self) -> bool {
        self.ends.load(Ordering::Relaxed)
    }

    /// What it took when it was last looked at.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// What all of them hold.
#[derive(Debug)]
pub(super) struct Memory {
    bytes_max: u64,
    workers: Mutex<Vec<Weak<Held>>>,
}

impl Memory {
    pub(super) fn new(bytes_max: usize) -> Memory {
        Memory { bytes_max: bytes_max as u64, workers: Mutex::default() }
    }

    /// One more worker, in a process.
    pub(super) fn held(&self, id: Option<u32>) -> Arc<Held> {
        let held = Arc::new(Held {
            id,
            bytes: AtomicU64::new(0),
            first_bytes: AtomicU64::new(0),
            busy: AtomicBool::new(false),
            ends: AtomicBool::new(false),
            lives: Mutex::new(true),
        });
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&held));
        held
    }

    fn workers(&self) -> Vec<Arc<Held>> {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.retain(|held| held.strong_count() > 0);
        workers.iter().filter_map(Weak::upgrade).collect()
    }

    /// What all take now.
    pub(super) fn look(&self) -> u64 {
        self.workers().iter().map(|held| held.look()).sum()
    }

    /// Bytes from which on something has to end.
    fn full_bytes(&self) -> u64 {
        self.bytes_max - self.bytes_max / RESERVE
    }

    /// Whether there is room for one more worker.
    pub(super) fn has_room(&self) -> bool {
        self.look() + START_BYTES <= self.full_bytes()
    }

    /// Ends the query that takes most, where all together take too much. `end_idle` ends a worker that has nothing to do,
    /// where there is one.
    pub(super) fn relieve(&self, end_idle: impl FnOnce() -> bool) {
        let workers = self.workers();
        let is_busy = |held: &&Arc<Held>| held.busy.load(Ordering::Relaxed) && !held.ends();
        if !workers.iter().any(|held| is_busy(&held)) {
            return;
        }
        // What was ended gives its memory back in a moment.
        let used: u64 = workers.iter().filter(|held| !held.ends()).map(|held| held.look()).sum();
        if used <= self.full_bytes() || end_idle() {
            return;
        }
        if let Some(most) = workers.iter().filter(is_busy).max_by_key(|held| held.bytes()) {
            most.end();
        }
    }

    /// Whether a query runs.
    pub(super) fn is_busy(&self) -> bool {
        self.workers().iter().any(|held| held.busy.load(Ordering::Relaxed))
    }
}

/// The error of a query for which there was no room.
pub(super) fn none_left() -> QueryError {
    let message = format!(
        "there is no memory left for one more query (extensions.sql.memory_total), and none came free within {WAIT:?}: try again"
    );
    QueryError::Failed(SqlFault::new("53300", message))
}

/// The error of a query that was ended.
pub(super) fn took_most() -> QueryError {
    let message = "the queries that run take all the memory that extensions.sql.memory_total gives them together, and this \
        one takes most: it was ended; try again";
    QueryError::Failed(SqlFault::new("53200", message))
}

/// What all workers may take together where nobody says it: a quarter of the machine's memory, or of the container's.
pub(crate) fn total_by_default(query_bytes: usize) -> usize {
    let quarter = machine_bytes().unwrap_or(UNKNOWN_BYTES) / 4;
    usize::try_from(quarter).unwrap_or(usize::MAX).max(least_total(query_bytes))
}

/// The least that lets one query have the memory that it may.
pub(crate) fn least_total(query_bytes: usize) -> usize {
    query_bytes.saturating_add(query_bytes / 2).saturating_add(usize::try_from(START_BYTES).unwrap_or(0))
}

fn machine_bytes() -> Option<u64> {
    let machine = kilobytes(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")?;
    let container = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let container = container.and_then(|text| text.trim().parse::<u64>().ok());
    Some(container.map_or(machine, |container| container.min(machine)))
}

/// Memory that a process has for itself, in use or swapped out.
fn private_bytes(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    Some(kilobytes(&status, "RssAnon:")? + kilobytes(&status, "VmSwap:").unwrap_or(0))
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}
