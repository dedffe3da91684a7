//! Keeps resident memory within `extensions.store.memory`. Findings, their evaluation and the program have no limit of their own;
//! if they exceed the program's share, the limit of received rows is reduced.

use super::config::MemoryConfig;
use crate::engine::resident_bytes;
use crate::store::HotStore;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often resident memory is checked; shorter than an evaluation.
const LOOK: Duration = Duration::from_millis(500);
/// Number of checks within the limit before rows may grow again: longer than the 30 s between evaluations of raw rows.
const CALM: u32 = 90;
/// Number of checks after a cut until the next one, unless the excess grows: the memory of rows is free only once no running
/// query holds them.
const REST: u32 = 10;
/// Rows grow by this fraction of the limit, if twice that is free.
const STEP: usize = 32;

/// Sets the limit of received rows until `cancel`.
pub(super) async fn keep(store: Arc<HotStore>, memory: MemoryConfig, cancel: CancellationToken) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(LOOK);
    let mut bound = Bound { memory, rows: memory.rows, most: 0, calm: 0, rest: 0, excess: 0 };
    loop {
        tokio::select! {
            () = cancel.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        // What is read back from the log would not come back again.
        if store.is_filling() {
            continue;
        }
        let resident = resident_bytes(std::process::id()).and_then(|bytes| usize::try_from(bytes).ok());
        let before = bound.rows;
        bound.look(resident.unwrap_or_default(), store.memory_bytes());
        if bound.rows != before {
            store.limit(bound.rows);
            tracing::debug!(from = before, to = bound.rows, resident, "changed the memory limit of received rows");
        }
    }
}

/// The limit of received rows, in bytes.
struct Bound {
    memory: MemoryConfig,
    rows: usize,
    /// Maximum resident memory in the last checks within the limit.
    most: usize,
    /// Number of these checks.
    calm: u32,
    /// Number of checks until the next cut.
    rest: u32,
    /// The excess at the last cut.
    excess: usize,
}

impl Bound {
    /// Reduces the limit of rows by the excess; raises it in steps once memory has stayed free.
    fn look(&mut self, resident: usize, rows_used: usize) {
        let MemoryConfig { total, rows, rows_least, .. } = self.memory;
        self.most = self.most.max(resident);
        self.rest = self.rest.saturating_sub(1);
        if resident > total {
            (self.most, self.calm) = (0, 0);
            let excess = resident - total;
            let grown = if self.rest > 0 { excess.saturating_sub(self.excess) } else { excess };
            if grown > 0 {
                // A limit above the use would take no effect.
                let used = self.rows.min(rows_used.max(rows_least));
                self.rows = used.saturating_sub(grown).max(rows_least);
                (self.rest, self.excess) = (REST, excess);
            }
            return;
        }
        self.calm += 1;
        if self.calm >= CALM {
            let step = total / STEP;
            if self.most + 2 * step <= total {
                self.rows = (self.rows + step).min(rows);
            }
            (self.most, self.calm) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn bound() -> Bound {
        let memory = MemoryConfig {
            total: 512 * MIB,
            rows: 192 * MIB,
            rows_least: 64 * MIB,
            rollups: 0,
            inflight: 0,
            resends: 0,
        };
        Bound { memory, rows: memory.rows, most: 0, calm: 0, rest: 0, excess: 0 }
    }

    #[test]
    fn rows_give_way_to_an_excess() {
        let mut bound = bound();
        bound.look(500 * MIB, 192 * MIB);
        assert_eq!(bound.rows, 192 * MIB);
        bound.look(532 * MIB, 192 * MIB);
        assert_eq!(bound.rows, 172 * MIB);
        bound.look(532 * MIB, 172 * MIB);
        assert_eq!(bound.rows, 172 * MIB, "a running query may still hold what was evicted");
        bound.look(536 * MIB, 172 * MIB);
        assert_eq!(bound.rows, 168 * MIB, "4 MiB more");
        for _ in 0..REST {
            bound.look(500 * MIB, 168 * MIB);
        }
        bound.look(522 * MIB, 100 * MIB);
        assert_eq!(bound.rows, 90 * MIB, "they used 100 MiB");
        bound.look(900 * MIB, 90 * MIB);
        assert_eq!(bound.rows, 64 * MIB, "and keep some");
    }

    #[test]
    fn rows_get_back_what_stays_free() {
        let mut bound = bound();
        bound.look(1000 * MIB, 192 * MIB);
        for _ in 1..CALM {
            bound.look(300 * MIB, 64 * MIB);
        }
        assert_eq!(bound.rows, 64 * MIB, "one look is missing");
        bound.look(300 * MIB, 64 * MIB);
        assert_eq!(bound.rows, 80 * MIB, "a step of 16 MiB");
        for look in 0..CALM * 20 {
            // An evaluation now and then leaves too little.
            bound.look(if look % 60 == 0 { 490 * MIB } else { 300 * MIB }, 80 * MIB);
        }
        assert_eq!(bound.rows, 80 * MIB);
        for _ in 0..CALM * 20 {
            bound.look(300 * MIB, 80 * MIB);
        }
        assert_eq!(bound.rows, 192 * MIB, "no more than their share");
    }
}
