//! Compaction: small parts are joined, what has expired is dropped, silent series are forgotten.

use super::flush::{COUNTERS, ENGINE, EPOCH, Flusher};
use super::rollups::{Joined, Retention, RollupTable};
use super::settings::EngineSettings;
use super::tables::Tables;
use crate::store::State;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

/// A counter that has been silent for this long is forgotten.
const SILENT_MS: i64 = 3_600_000;
/// The finest rows are never kept shorter than this, for the findings read them.
const FINE_MS_MIN: i64 = 600_000;

/// Kind of the entries that say which rows of a table have expired.
const EXPIRED: &str = "expired";

/// Puts back the rows of rollups that an earlier process kept, and hides what had expired, or has since.
pub(crate) async fn restore(
    tables: impl Iterator<Item = &Arc<RollupTable>>,
    state: &State,
    retention: Retention,
    now_ms: i64,
) -> anyhow::Result<()> {
    let kept: BTreeMap<String, Vec<u8>> = state.entries(EXPIRED).await?.into_iter().collect();
    for table in tables {
        let name = &table.definition.name;
        for part in state.parts_of(name).await? {
            table.restore(part)?;
        }
        let bytes = kept.get(name).map(Vec::as_slice).unwrap_or_default();
        let kept_us: Vec<i64> = bytes.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect();
        table.hide(&kept_us, now_ms, retention)?;
    }
    Ok(())
}

/// Does all of it once.
pub(crate) async fn compaction(
    tables: &Tables,
    state: &State,
    flusher: &mut Flusher,
    settings: &EngineSettings,
    now_ms: i64,
) -> anyhow::Result<()> {
    for table in tables.rollups.values() {
        let joined = table.join().await?;
        if !joined.is_empty() {
            replace(table, state, joined).await?;
        }
    }
    expire(tables, state, settings, now_ms).await?;
    let before_ms = now_ms - SILENT_MS;
    let before_unix_nano = before_ms * 1_000_000;
    let kept_ms = i64::try_from(settings.values_kept.as_millis()).unwrap_or(i64::MAX);
    flusher.last_values.lock().unwrap_or_else(PoisonError::into_inner).expire(now_ms.saturating_sub(kept_ms));
    flusher.counters.tell_overflow();
    let silent = flusher.counters.silent(before_ms);
    if !silent.is_empty() {
        let mut txn = state.begin().await?;
        for key in &silent {
            txn.delete(COUNTERS, key).await?;
        }
        let epoch_unix_nano = flusher.counters.epoch_unix_nano().max(before_unix_nano);
        txn.put(ENGINE, EPOCH, &epoch_unix_nano.to_le_bytes()).await?;
        txn.commit().await?;
        flusher.counters.forget(&silent, before_unix_nano);
    }
    Ok(())
}

async fn replace(table: &Arc<RollupTable>, state: &State, joined: Vec<Joined>) -> anyhow::Result<()> {
    let mut txn = state.begin().await?;
    let mut ids = Vec::with_capacity(joined.len());
    for part in &joined {
        txn.remove_parts(&part.removed).await?;
        ids.push(txn.add_part(&table.definition.name, part.resolution_s, &part.batch).await?);
    }
    txn.commit().await?;
    for (part, id) in joined.into_iter().zip(ids) {
        table.replace(part, id);
    }
    Ok(())
}

/// Drops expired rows, and more of the finest ones while they take more memory than they may.
async fn expire(tables: &Tables, state: &State, settings: &EngineSettings, now_ms: i64) -> anyhow::Result<()> {
    let mut retention = settings.retention;
    loop {
        let mut gone = Vec::new();
        for table in tables.rollups.values() {
            gone.extend(table.expire(now_ms, retention)?);
        }
        let mut txn = state.begin().await?;
        txn.remove_parts(&gone).await?;
        for (name, table) in &tables.rollups {
            let bytes: Vec<u8> = table.expired_us().into_iter().flat_map(i64::to_le_bytes).collect();
            txn.put(EXPIRED, name, &bytes).await?;
        }
        txn.commit().await?;
        let bytes: usize = tables.rollups.values().map(|table| table.memory_bytes()).sum();
        let shorter = shorter(retention);
        if bytes <= settings.rollup_bytes_max || shorter == retention {
            return Ok(());
        }
        tracing::warn!(
            bytes,
            limit = settings.rollup_bytes_max,
            "rollups take more memory than they may: dropping the finest rows early"
        );
        retention = shorter;
    }
}

fn shorter(retention: Retention) -> Retention {
    Retention {
        fine_ms: (retention.fine_ms / 2).max(FINE_MS_MIN.min(retention.fine_ms)),
        minute_ms: (retention.minute_ms / 2).max((6 * FINE_MS_MIN).min(retention.minute_ms)),
        hour_ms: retention.hour_ms,
    }
}
