//! Compaction merges small parts, drops expired rows, and forgets silent series.

use super::flush::{COUNTERS, ENGINE, EPOCH, Flusher};
use super::rollups::{NewPart, Retention, RollupTable};
use super::settings::EngineSettings;
use super::tables::Tables;
use crate::state::State;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Time without points after which a counter is forgotten.
const SILENT_MS: i64 = 3_600_000;
/// Kind of the state entries with the expiry boundaries of a table.
const EXPIRED: &str = "expired";
/// Kind of the state entries with the newest finest part that a table's coarser rows include.
const COARSENED: &str = "coarsened";

/// Restores the stored rows of rollups, and hides those that have expired.
pub(crate) async fn restore(
    tables: impl Iterator<Item = &Arc<RollupTable>>,
    state: &State,
    retention: Retention,
    now_ms: i64,
) -> anyhow::Result<()> {
    let kept: BTreeMap<String, Vec<u8>> = state.entries(EXPIRED).await?.into_iter().collect();
    let coarsened: BTreeMap<String, Vec<u8>> = state.entries(COARSENED).await?.into_iter().collect();
    let mut begun = Vec::new();
    for table in tables {
        let name = &table.definition.name;
        for part in state.parts_of(name).await? {
            table.restore(part)?;
        }
        let known = coarsened.get(name).and_then(|bytes| Some(i64::from_le_bytes(bytes.as_slice().try_into().ok()?)));
        // Earlier versions wrote coarser rows at each flush.
        let upto = known.unwrap_or_else(|| table.newest_part());
        if known.is_none() {
            begun.push((name.as_str(), upto.to_le_bytes()));
        }
        table.set_coarsened(upto);
        let bytes = kept.get(name).map(Vec::as_slice).unwrap_or_default();
        let kept_us: Vec<i64> = bytes.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect();
        table.hide(&kept_us, now_ms, retention)?;
    }
    let begun: Vec<(&str, Option<&[u8]>)> = begun.iter().map(|(name, bytes)| (*name, Some(&bytes[..]))).collect();
    Ok(state.change(COARSENED, &begun).await?)
}

/// Runs one compaction.
pub(crate) async fn compaction(
    tables: &Tables,
    state: &State,
    flusher: &mut Flusher,
    settings: &EngineSettings,
    now_ms: i64,
) -> anyhow::Result<()> {
    for table in tables.rollups.values() {
        if let Some((upto, parts)) = table.coarsen().await? {
            replace(table, state, parts, upto).await?;
        }
        replace(table, state, table.join().await?, table.coarsened()).await?;
    }
    expire(tables, state, settings, now_ms).await?;
    let before_ms = now_ms - SILENT_MS;
    let before_unix_nano = before_ms * 1_000_000;
    let kept_ms = i64::try_from(settings.values_kept.as_millis()).unwrap_or(i64::MAX);
    flusher.last_values.lock().expire(now_ms.saturating_sub(kept_ms));
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

/// Replaces parts by the merged ones. Afterwards, the coarser rows include the finest parts up to `coarsened`.
async fn replace(
    table: &Arc<RollupTable>,
    state: &State,
    parts: Vec<NewPart>,
    mut coarsened: i64,
) -> anyhow::Result<()> {
    if parts.is_empty() {
        return Ok(());
    }
    let name = &table.definition.name;
    let mut txn = state.begin().await?;
    let mut ids = Vec::with_capacity(parts.len());
    for part in &parts {
        txn.remove_parts(&part.removed).await?;
        let id = txn.add_part(name, part.resolution_s, &part.batch).await?;
        if table.is_finest(part.resolution_s) {
            // The coarser rows already include the parts that it replaces.
            coarsened = coarsened.max(id);
        }
        ids.push(id);
    }
    txn.put(COARSENED, name, &coarsened.to_le_bytes()).await?;
    txn.commit().await?;
    table.replace(ids.into_iter().zip(parts).collect(), coarsened);
    Ok(())
}

/// Drops expired rows, and shortens the retention while the rows exceed their memory limit.
async fn expire(tables: &Tables, state: &State, settings: &EngineSettings, now_ms: i64) -> anyhow::Result<()> {
    let (limit, mut retention) = (settings.rollup_bytes_max, settings.retention);
    loop {
        drop_expired(tables, state, retention, now_ms).await?;
        let taken = tables.rollup_bytes_by_resolution();
        let bytes: usize = taken.values().sum();
        // Once over the limit, free an eighth more, so that the rows until the next compaction fit as well.
        let target = if retention == settings.retention { limit } else { limit - limit / 8 };
        if bytes <= target {
            break;
        }
        let Some(shorter) = retention.shorter(&taken) else {
            tracing::error!(
                bytes,
                limit,
                "rollups take more memory than they may, even without a past: lower series_max"
            );
            break;
        };
        retention = shorter;
    }
    if retention != settings.retention {
        let kept =
            |ms: i64| humantime::format_duration(Duration::from_millis(ms.unsigned_abs() / 1000 * 1000)).to_string();
        tracing::warn!(
            limit,
            fine = kept(retention.fine_ms),
            minute = kept(retention.minute_ms),
            hour = kept(retention.hour_ms),
            "rollups reached the limit of their memory (connectors.performance.memory): rows are kept shorter"
        );
    }
    Ok(())
}

/// Drops rows older than the retention.
async fn drop_expired(tables: &Tables, state: &State, retention: Retention, now_ms: i64) -> anyhow::Result<()> {
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
    for table in tables.rollups.values() {
        replace(table, state, table.trimmed(), table.coarsened()).await?;
    }
    Ok(())
}
