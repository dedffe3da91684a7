//! A rollup table in memory: parts by resolution, expiry boundaries, and the limit on series.
//!
//! A flush adds only to the finest rows. Compaction merges those that are new since the last compaction into coarser
//! rows; until then, readers see the finest rows.

use super::cap::Cap;
use super::merge::{Merger, RESOLUTION, WINDOW_START, fit};
use super::retention::Retention;
use crate::model::null_columns::memory_bytes;
use crate::model::table::TableDef;
use crate::state::RollupPart;
use crate::store::{Part, SnapshotTable};
use arrow::array::{AsArray as _, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::kernels::cmp::{gt_eq, lt};
use arrow::datatypes::TimestampMicrosecondType;
use datafusion::common::Result;
use datafusion::prelude::SessionContext;
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Parts of fewer rows are merged.
const SMALL_ROWS: usize = 20_000;
/// Minimum number of such parts of one resolution.
const JOIN_FROM: usize = 30;

/// One rollup table.
pub(crate) struct RollupTable {
    pub(crate) definition: TableDef,
    /// For flushes and compaction.
    merger: Merger,
    /// For readers of all rows, so that a scrape does not wait for a flush.
    shown: Merger,
    inner: Mutex<Inner>,
}

struct Inner {
    parts: Vec<KeptPart>,
    /// Id of the newest finest part that the coarser rows include.
    coarsened: i64,
    /// Boundaries (µs), finest first: before them, the next coarser resolution replaces the rows of a resolution.
    expired_us: Vec<i64>,
    cap: Cap,
    overflowed: u64,
}

struct KeptPart {
    id: i64,
    resolution_s: i64,
    part: Arc<Part>,
}

impl KeptPart {
    /// All-time rows are always merged into one part, because none of their parts is complete.
    fn is_small(&self) -> bool {
        self.resolution_s == 0 || self.part.batch.num_rows() < SMALL_ROWS
    }
}

/// A part to be stored, which replaces others.
pub(crate) struct NewPart {
    pub(crate) resolution_s: i64,
    /// Ids of the parts that it replaces.
    pub(crate) removed: Vec<i64>,
    pub(crate) batch: RecordBatch,
}

impl RollupTable {
    /// Creates an empty table that plans its merges in `context`.
    pub(crate) fn new(definition: TableDef, series_max: usize, context: &SessionContext) -> Result<Arc<RollupTable>> {
        let (merger, shown) =
            (Merger::new(&definition, "parts_of", context)?, Merger::new(&definition, "shown_of", context)?);
        let expired_us = vec![i64::MIN; definition.resolutions_s.len()];
        let inner = Inner { parts: Vec::new(), coarsened: 0, expired_us, cap: Cap::new(series_max), overflowed: 0 };
        Ok(Arc::new(RollupTable { definition, merger, shown, inner: Mutex::new(inner) }))
    }

    /// Restores a stored part. After the last one, [`RollupTable::hide`] counts the series.
    pub(crate) fn restore(&self, part: RollupPart) -> Result<()> {
        let batch = fit(&[part.batch], &self.definition)?;
        self.add(part.id, part.resolution_s, batch);
        Ok(())
    }

    /// Merges the rows of a flush. Returns the finest resolution in seconds, and the rows to add to it.
    pub(crate) async fn addition(&self, outputs: &[RecordBatch]) -> Result<(i64, RecordBatch)> {
        let rows = fit(outputs, &self.definition)?;
        let rows = {
            let mut inner = self.inner();
            let (rows, over) = inner.cap.apply(&self.definition, rows)?;
            inner.overflowed += over;
            rows
        };
        let finest_s = self.definition.resolutions_s.first().copied().unwrap_or_default();
        Ok((finest_s, self.merger.merge(vec![rows], finest_s).await?))
    }

    /// Merges new finest parts into coarser rows. Returns the id of the newest such part, and the coarser rows.
    pub(crate) async fn coarsen(&self) -> Result<Option<(i64, Vec<NewPart>)>> {
        let (upto, mut finer) = {
            let inner = self.inner();
            let new = || inner.parts.iter().filter(|kept| self.is_unheld(&inner, kept));
            let batches: Vec<RecordBatch> = new().map(|kept| kept.part.batch.clone()).collect();
            (new().map(|kept| kept.id).max(), batches)
        };
        let Some(upto) = upto else { return Ok(None) };
        let mut parts = Vec::new();
        for resolution_s in self.definition.resolutions_s.iter().skip(1).copied() {
            // Merge from the next finer resolution, which has fewer rows.
            let batch = self.merger.merge(finer, resolution_s).await?;
            finer = vec![batch.clone()];
            parts.push(NewPart { resolution_s, removed: Vec::new(), batch });
        }
        Ok(Some((upto, parts)))
    }

    /// Id of the newest finest part that the coarser rows include.
    pub(crate) fn coarsened(&self) -> i64 {
        self.inner().coarsened
    }

    /// Sets the id of the newest finest part that the coarser rows include.
    pub(crate) fn set_coarsened(&self, id: i64) {
        self.inner().coarsened = id;
    }

    /// Id of the newest part.
    pub(crate) fn newest_part(&self) -> i64 {
        self.inner().parts.iter().map(|kept| kept.id).max().unwrap_or_default()
    }

    /// Returns whether the coarser rows do not include a part yet.
    fn is_unheld(&self, inner: &Inner, kept: &KeptPart) -> bool {
        let has_coarser = self.definition.resolutions_s.len() > 1;
        has_coarser && self.is_finest(kept.resolution_s) && kept.id > inner.coarsened
    }

    /// Returns whether a resolution is the finest. Only series with finest rows count toward the limit: all others have
    /// been silent for at least the retention of those rows.
    pub(crate) fn is_finest(&self, resolution_s: i64) -> bool {
        self.definition.resolutions_s.first() == Some(&resolution_s)
    }

    /// Adds a stored part.
    pub(crate) fn add(&self, id: i64, resolution_s: i64, batch: RecordBatch) {
        let part = Part::new(batch, Some(WINDOW_START));
        self.inner().parts.push(KeptPart { id, resolution_s, part });
    }

    /// Merges the small parts of each resolution that has many.
    pub(crate) async fn join(&self) -> Result<Vec<NewPart>> {
        let mut joined = Vec::new();
        for resolution_s in &self.definition.resolutions_s {
            let (removed, batches): (Vec<i64>, Vec<RecordBatch>) = self
                .inner()
                .parts
                .iter()
                .filter(|kept| kept.resolution_s == *resolution_s && kept.is_small())
                .map(|kept| (kept.id, kept.part.batch.clone()))
                .unzip();
            if removed.len() >= JOIN_FROM {
                let batch = self.merger.merge(batches, *resolution_s).await?;
                joined.push(NewPart { resolution_s: *resolution_s, removed, batch });
            }
        }
        Ok(joined)
    }

    /// Replaces parts by stored ones, given with their ids. Afterwards, the coarser rows include the finest parts up to
    /// `coarsened`. Atomic for readers, so that they see each row once.
    pub(crate) fn replace(&self, parts: Vec<(i64, NewPart)>, coarsened: i64) {
        let kept = |(id, NewPart { resolution_s, removed, batch }): (i64, NewPart)| {
            (removed, KeptPart { id, resolution_s, part: Part::new(batch, Some(WINDOW_START)) })
        };
        let parts: Vec<(Vec<i64>, KeptPart)> = parts.into_iter().map(kept).collect();
        let mut inner = self.inner();
        for (removed, part) in parts {
            inner.parts.retain(|kept| !removed.contains(&kept.id));
            inner.parts.push(part);
        }
        inner.coarsened = coarsened;
    }

    /// Expiry boundary (µs) of each resolution, finest first.
    pub(crate) fn expired_us(&self) -> Vec<i64> {
        self.inner().expired_us.clone()
    }

    /// Restores the boundaries of [`RollupTable::expired_us`], and hides rows that have expired by now.
    pub(crate) fn hide(&self, kept_us: &[i64], now_ms: i64, retention: Retention) -> Result<()> {
        let mut inner = self.inner();
        let boundaries = self.boundaries(now_ms, retention);
        let latest = |(place, us): (usize, i64)| kept_us.get(place).map_or(us, |kept| us.max(*kept));
        inner.expired_us = boundaries.into_iter().enumerate().map(latest).collect();
        self.note_again(&mut inner)
    }

    fn boundaries(&self, now_ms: i64, retention: Retention) -> Vec<i64> {
        let resolutions_s = &self.definition.resolutions_s;
        let boundary = |(index, resolution_s): (usize, &i64)| {
            // Align to windows of the next coarser resolution, so that a coarser row replaces all of its finer rows or none.
            let coarser_s = resolutions_s.get(index + 1).unwrap_or(resolution_s).max(&1);
            let before_s = now_ms.saturating_sub(retention.of(*resolution_s)).div_euclid(1000);
            (before_s.div_euclid(*coarser_s) * coarser_s).saturating_mul(1_000_000)
        };
        resolutions_s.iter().enumerate().map(boundary).collect()
    }

    /// Expires rows older than the retention, which coarser rows replace. Returns the ids of the parts without visible rows.
    pub(crate) fn expire(&self, now_ms: i64, retention: Retention) -> Result<Vec<i64>> {
        let mut inner = self.inner();
        // Boundaries never move back: rows that were dropped early to free memory are gone.
        let boundaries = self.boundaries(now_ms, retention);
        let finest_us = inner.expired_us.first().copied();
        inner.expired_us = inner.expired_us.iter().zip(boundaries).map(|(before, now)| now.max(*before)).collect();
        let is_gone = |kept: &&KeptPart| {
            let before_us = self.expired_before_us(&inner, kept);
            let is_old =
                kept.part.span_us.zip(before_us).is_some_and(|((_, greatest), before_us)| greatest < before_us);
            is_old && !self.is_unheld(&inner, kept)
        };
        let gone: Vec<i64> = inner.parts.iter().filter(is_gone).map(|kept| kept.id).collect();
        inner.parts.retain(|kept| !gone.contains(&kept.id));
        if !gone.is_empty() || finest_us != inner.expired_us.first().copied() {
            self.note_again(&mut inner)?;
        }
        Ok(gone)
    }

    /// Returns the expiry boundary (µs) of a part.
    fn expired_before_us(&self, inner: &Inner, kept: &KeptPart) -> Option<i64> {
        let index = self.definition.resolutions_s.iter().position(|known| *known == kept.resolution_s)?;
        inner.expired_us.get(index).copied()
    }

    /// Returns the live rows of parts that have expired by at least half. Their memory is only freed when these replace them.
    pub(crate) fn trimmed(&self) -> Vec<NewPart> {
        let inner = self.inner();
        let trimmed = |kept: &KeptPart| {
            if self.is_unheld(&inner, kept) {
                return None;
            }
            let live = between(&kept.part, self.expired_before_us(&inner, kept)?, i64::MAX)?.batch.clone();
            let is_worth_it = live.num_rows() <= kept.part.batch.num_rows() / 2;
            is_worth_it.then(|| NewPart { resolution_s: kept.resolution_s, removed: vec![kept.id], batch: live })
        };
        inner.parts.iter().filter_map(trimmed).collect()
    }

    /// Counts the series again from the finest rows that have not expired. A part may contain both.
    fn note_again(&self, inner: &mut Inner) -> Result<()> {
        let from_us = inner.expired_us.first().copied().unwrap_or(i64::MIN);
        let finest = inner.parts.iter().filter(|kept| self.is_finest(kept.resolution_s));
        let live: Vec<Arc<Part>> = finest.filter_map(|kept| between(&kept.part, from_us, i64::MAX)).collect();
        inner.cap.clear();
        live.iter().try_for_each(|part| Ok(inner.cap.note(&self.definition, &part.batch)?))
    }

    /// Returns all rows of a resolution as one batch, one row per window and key.
    pub(crate) async fn merged(&self, resolution_s: i64) -> Result<RecordBatch> {
        let of = |kept: &&KeptPart| kept.resolution_s == resolution_s;
        let batches: Vec<RecordBatch> =
            self.inner().parts.iter().filter(of).map(|kept| kept.part.batch.clone()).collect();
        self.shown.merge(batches, resolution_s).await
    }

    /// Memory of the parts in bytes, by resolution in seconds.
    pub(crate) fn memory_by_resolution(&self) -> BTreeMap<i64, usize> {
        let mut bytes = BTreeMap::new();
        for kept in &self.inner().parts {
            *bytes.entry(kept.resolution_s).or_default() += memory_bytes(&kept.part.batch);
        }
        bytes
    }

    /// Number of rows that were counted under overflow series.
    pub(crate) fn overflowed(&self) -> u64 {
        self.inner().overflowed
    }

    /// Returns the table for queries: the finest rows, and coarser rows where those have expired.
    pub(crate) fn provider(self: &Arc<Self>) -> SnapshotTable {
        let table = self.clone();
        SnapshotTable::new(self.definition.schema(), Some(WINDOW_START), move || table.seamless())
    }

    /// Returns a table with the rows of one resolution. Rows that are not merged into it yet are shown in its windows.
    pub(crate) fn provider_of(self: &Arc<Self>, resolution_s: i64) -> SnapshotTable {
        let table = self.clone();
        SnapshotTable::new(self.definition.schema(), Some(WINDOW_START), move || {
            let inner = table.inner();
            let seen = |kept: &KeptPart| match kept.resolution_s == resolution_s {
                true => Some(kept.part.clone()),
                false if table.is_unheld(&inner, kept) => in_windows_of(&kept.part.batch, resolution_s),
                false => None,
            };
            inner.parts.iter().filter_map(seen).collect()
        })
    }

    fn seamless(&self) -> Vec<Arc<Part>> {
        let inner = self.inner();
        // Late rows may lie before the expiry boundary: no coarser row includes them yet.
        let is_new = |kept: &&KeptPart| self.is_unheld(&inner, kept);
        let mut parts: Vec<Arc<Part>> = inner.parts.iter().filter(is_new).map(|kept| kept.part.clone()).collect();
        for (index, resolution_s) in self.definition.resolutions_s.iter().enumerate() {
            let from_us = inner.expired_us[index];
            // A coarser resolution is visible only up to the expiry boundary of the finer one.
            let to_us = if index == 0 { i64::MAX } else { inner.expired_us[index - 1] };
            let seen = inner.parts.iter().filter(|kept| kept.resolution_s == *resolution_s && !is_new(kept));
            parts.extend(seen.filter_map(|kept| between(&kept.part, from_us, to_us)));
        }
        parts
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

/// Returns the rows of a part with a window start in `from_us..to_us`.
fn between(part: &Arc<Part>, from_us: i64, to_us: i64) -> Option<Arc<Part>> {
    let (least, greatest) = part.span_us?;
    if least >= from_us && greatest < to_us {
        return Some(part.clone());
    }
    if greatest < from_us || least >= to_us {
        return None;
    }
    let times = part.batch.column_by_name(WINDOW_START)?.as_primitive_opt::<TimestampMicrosecondType>()?;
    let bound = |us| TimestampMicrosecondArray::new_scalar_utc(us);
    let mask = arrow::compute::and(&gt_eq(times, &bound(from_us)).ok()?, &lt(times, &bound(to_us)).ok()?).ok()?;
    let batch = arrow::compute::filter_record_batch(&part.batch, &mask).ok()?;
    Some(Part::new(batch, Some(WINDOW_START)))
}

/// Moves rows to the windows of a coarser resolution, possibly several per window and key, as in any part.
fn in_windows_of(batch: &RecordBatch, resolution_s: i64) -> Option<Arc<Part>> {
    let starts = batch.column_by_name(WINDOW_START)?.as_primitive_opt::<TimestampMicrosecondType>()?;
    let window_us = resolution_s.max(1) * 1_000_000;
    let starts = starts.unary::<_, TimestampMicrosecondType>(|us| us.div_euclid(window_us) * window_us);
    let schema = batch.schema();
    let mut columns = batch.columns().to_vec();
    *columns.get_mut(schema.index_of(WINDOW_START).ok()?)? = Arc::new(starts.with_timezone("UTC"));
    *columns.get_mut(schema.index_of(RESOLUTION).ok()?)? =
        Arc::new(Int64Array::from_value(resolution_s, batch.num_rows()));
    Some(Part::new(RecordBatch::try_new(schema, columns).ok()?, Some(WINDOW_START)))
}

/// Creates scalars of the type of `window_start`.
trait UtcScalar {
    fn new_scalar_utc(us: i64) -> arrow::array::Scalar<TimestampMicrosecondArray>;
}

impl UtcScalar for TimestampMicrosecondArray {
    fn new_scalar_utc(us: i64) -> arrow::array::Scalar<TimestampMicrosecondArray> {
        arrow::array::Scalar::new(TimestampMicrosecondArray::from(vec![us]).with_timezone("UTC"))
    }
}
