//! The memory of all workers together.
//!
//! Each worker has a limit of its own (`limits.rs`), which many of them would multiply. So the server looks at what they take:
//! a query waits while there is no room for one more, and where those that run are about to reach the bound, the ones that
//! take most are ended. Idle workers go first.

use super::dialect::SqlFault;
use crate::engine::query::QueryError;
use rustix::process::{Pid, Signal, kill_process};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

/// How long a query waits for memory at most.
pub(super) const WAIT: Duration = Duration::from_secs(5);
/// Room that has to be left for one more worker to start.
const START_BYTES: u64 = 64 << 20;
/// What a worker that starts or has a query counts as at least.
const BUSY_BYTES: u64 = 32 << 20;
/// What a worker that has nothing to do may keep beyond what it took at first.
const KEPT_BYTES: u64 = 32 << 20;
/// How often the server looks at their memory: while none has a query, while queries run, and while they take much.
const LOOK_IDLY: Duration = Duration::from_millis(100);
pub(super) const LOOK: Duration = Duration::from_millis(20);
const LOOK_OFTEN: Duration = Duration::from_millis(4);
/// What a query's memory grows by between two such looks at most, about.
const GROWTH_MAX: u64 = 16 << 20;
/// The share of the bound that is left for what queries take between two looks.
const RESERVE: u64 = 6;
/// Where nothing tells how much memory the machine has.
const UNKNOWN_BYTES: u64 = 8 << 30;

/// What one worker holds.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Its process; none before it has started, and where it is a thread of tests.
    id: OnceLock<u32>,
    bytes: AtomicU64,
    /// What it took when its growth was last looked at.
    watched_bytes: AtomicU64,
    /// What it took when it had started.
    first_bytes: AtomicU64,
    busy: AtomicBool,
    /// It was ended for memory.
    ends: AtomicBool,
    /// Its process is about to be waited for: from then on its id may be another's.
    waited_for: Mutex<bool>,
}

impl Held {
    /// Its process.
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

    /// What it will take at the next look if it goes on as it did since the last.
    fn look_ahead(&self) -> u64 {
        let bytes = self.look();
        let grown = bytes.saturating_sub(self.watched_bytes.swap(bytes, Ordering::Relaxed));
        bytes + grown.min(GROWTH_MAX)
    }

    /// What it took when it was last looked at, and has been promised.
    fn reserved(&self) -> u64 {
        let is_idle = self.first_bytes.load(Ordering::Relaxed) > 0 && !self.busy.load(Ordering::Relaxed);
        if is_idle { self.bytes() } else { self.bytes().max(BUSY_BYTES) }
    }

    /// It has started, and is idle.
    pub(super) fn is_ready(&self) {
        self.first_bytes.store(self.look().max(1), Ordering::Relaxed);
    }

    pub(super) fn set_busy(&self, busy: bool) {
        self.busy.store(busy, Ordering::Relaxed);
    }

    /// Whether it keeps much of what its last query took.
    pub(super) fn keeps_much(&self) -> bool {
        self.look() > self.first_bytes.load(Ordering::Relaxed) + KEPT_BYTES
    }

    fn end(&self) {
        let waited_for = self.waited_for.lock().unwrap_or_else(PoisonError::into_inner);
        if let (false, Some(id)) = (*waited_for, self.id.get().and_then(|id| Pid::from_raw(id.cast_signed()))) {
            self.ends.store(true, Ordering::Relaxed);
            // One that has ended meanwhile is as good.
            let _ended = kill_process(id, Signal::Kill);
        }
    }

    /// Its process is about to be waited for.
    pub(super) fn is_gone(&self) {
        *self.waited_for.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// Whether its process was killed, or has ended: it gives its memory back in a moment.
    fn is_ending(&self) -> bool {
        self.ends() || *self.waited_for.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Room for one more worker; none where there is too little. It is taken until what is returned is dropped.
    pub(super) fn reserve(&self) -> Option<Arc<Held>> {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        let reserved: u64 = workers.iter().filter_map(Weak::upgrade).map(|held| held.reserved()).sum();
        (reserved + START_BYTES <= self.full_bytes()).then(|| {
            let held = Arc::<Held>::default();
            workers.push(Arc::downgrade(&held));
            held
        })
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

    /// Ends the queries that take most, where all together take too much or are about to. `end_idle` ends an idle worker,
    /// where there is one.
    pub(super) fn relieve(&self, end_idle: impl FnOnce() -> bool) {
        let workers = self.workers().into_iter().filter(|held| !held.is_ending());
        let mut workers: Vec<_> = workers.map(|held| (held.look_ahead(), held)).collect();
        let mut used: u64 = workers.iter().map(|(bytes, _)| bytes).sum();
        workers.retain(|(_, held)| held.busy.load(Ordering::Relaxed));
        if workers.is_empty() || used <= self.full_bytes() || end_idle() {
            return;
        }
        workers.sort_unstable_by_key(|(bytes, _)| *bytes);
        while used > self.full_bytes()
            && let Some((bytes, most)) = workers.pop()
        {
            most.end();
            used -= bytes;
        }
    }

    /// How long until what they take has to be looked at again: soon, where they take much already.
    pub(super) fn pause(&self) -> Duration {
        let workers = self.workers();
        if !workers.iter().any(|held| held.busy.load(Ordering::Relaxed)) {
            return LOOK_IDLY;
        }
        let used: u64 = workers.iter().map(|held| held.bytes()).sum();
        if used < self.full_bytes() / 4 { LOOK } else { LOOK_OFTEN }
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
