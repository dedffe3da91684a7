//! The table `memory`: usage and limit of each part of the server.

use super::config::{Config, MemoryConfig};
use crate::engine::{COUNTERS_SHARE, Engine, StateRows, object, resident_bytes};
use crate::ingest::Admission;
use crate::store::HotStore;
use serde_json::json;
use std::sync::{Arc, Weak};

/// Registers the table; its rows are computed at each query.
pub(super) fn fill(config: &Config, engine: &Arc<Engine>, store: Arc<HotStore>, admission: Arc<Admission>) {
    let MemoryConfig { total, rollups, inflight, resends, .. } = config.memory;
    let (workers, of) = (config.sql.memory_total_bytes, Arc::downgrade(engine));
    engine.fill("memory", move || {
        // A weak reference, because the engine owns the closures that fill its tables.
        let Some(engine) = Weak::upgrade(&of) else { return StateRows::new() };
        let process = resident_bytes(std::process::id()).unwrap_or_default();
        let limited = |limit, setting| Some((limit, setting));
        let parts = [
            ("rows", store.memory_bytes(), limited(store.memory_bytes_max(), "extensions.store.rows")),
            ("rollups", engine.rollup_bytes(), limited(rollups, "connectors.performance.memory")),
            ("counters", engine.counter_bytes(), limited(rollups / COUNTERS_SHARE, "connectors.performance.memory")),
            ("findings", engine.finding_bytes(), None),
            ("inflight", admission.inflight_bytes(), limited(inflight, "extensions.store.inflight")),
            ("resends", admission.resends_bytes(), limited(resends, "extensions.store.resends.memory")),
            ("process", whole(process), limited(total, "extensions.store.memory")),
            ("query_workers", whole(engine.queries().memory_bytes()), limited(workers, "extensions.sql.memory_total")),
        ];
        let row = |(part, bytes, limit): (&str, usize, Option<(usize, &str)>)| {
            let (limit, setting) = limit.unzip();
            object(json!({"part": part, "bytes": bytes, "limit_bytes": limit, "setting": setting}))
        };
        parts.into_iter().map(row).collect()
    });
}

fn whole(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
