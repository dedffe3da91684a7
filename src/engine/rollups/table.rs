//! A rollup table in memory: parts by resolution, what has expired, and the bound on series.
//!
//! A flush adds to the finest rows alone. Compaction makes coarser rows of those that are new since the last one; until then
//! they are seen as they are.

use super::cap::Cap;
use super::merge::{Merger, RESOLUTION, WINDOW_START, fit};
use super::retention::Retention;
use crate::model::null_columns::memory_bytes;
use crate::model::table::TableDef;
use crate::store::{Part, RollupPart, SnapshotTable};
use arrow::array::{AsArray as _, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::kernels::cmp::{gt_eq, lt};
use arrow::datatypes::TimestampMicrosecondType;
use datafusion::common::Result;
use datafusion::prelude::SessionContext;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Parts of up to this many rows are joined.
const SMALL_ROWS: usize = 20_000;
/// As soon as there are this many of one resolution.
const JOIN_FROM: usize = 30;

/// One rollup table.
pub(crate) struct RollupTable {
    pub(crate) definition: TableDef,
    /// Of flushes and compaction.
    merger: Merger,
    /// Of those who look at all rows: a scrape waits for no flush.
    shown: Merger,
    inner: Mutex<Inner>,
}

struct Inner {
    parts: Vec<KeptPart>,
    /// The newest of the finest parts whose rows the coarser rows hold.
    coarsened: i64,
    /// Rows of a resolution before these times (µs) are stood in for by the next coarser one, finest first.
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
    /// Rows of all time are one part however many they are: a part of them is never complete.
    fn is_small(&self) -> bool {
        self.resolution_s == 0 || self.part.batch.num_rows() < SMALL_ROWS
    }
}

/// A part that is to be kept, in place of others.
pub(crate) struct NewPart {
    pub(crate) resolution_s: i64,
    /// The parts that it replaces.
    pub(crate) removed: Vec<i64>,
    pub(crate) batch: RecordBatch,
}

impl RollupTable {
    /// An empty table that plans its merges in `context`.
    pub(crate) fn new(definition: TableDef, series_max: usize, context: &SessionContext) -> Result<Arc<RollupTable>> {
        let (merger, shown) =
            (Merger::new(&definition, "parts_of", context)?, Merger::new(&definition, "shown_of", context)?);
        let expired_us = vec![i64::MIN; definition.resolutions_s.len()];
        let inner = Inner { parts: Vec::new(), coarsened: 0, expired_us, cap: Cap::new(series_max), overflowed: 0 };
        Ok(Arc::new(RollupTable { definition, merger, shown, inner: Mutex::new(inner) }))
    }

    /// Puts back a part that an earlier process kept. Once all are there, [`RollupTable::hide`] counts their series.
    pub(crate) fn restore(&self, part: RollupPart) -> Result<()> {
        let batch = fit(&[part.batch], &self.definition)?;
        self.add(part.id, part.resolution_s, batch);
        Ok(())
    }

    /// What a flush's rows add to the finest resolution, in seconds.
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

    /// Makes coarser rows of the finest parts that are new; the newest of these, and the rows.
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
            // Each resolution merges the rows of the finer one before it, which are fewer.
            let batch = self.merger.merge(finer, resolution_s).await?;
            finer = vec![batch.clone()];
            parts.push(NewPart { resolution_s, removed: Vec::new(), batch });
        }
        Ok(Some((upto, parts)))
    }

    /// The newest of the finest parts whose rows the coarser rows hold.
    pub(crate) fn coarsened(&self) -> i64 {
        self.inner().coarsened
    }

    /// The coarser rows hold the rows of the finest parts up to `id`.
    pub(crate) fn set_coarsened(&self, id: i64) {
        self.inner().coarsened = id;
    }

    /// The newest part.
    pub(crate) fn newest_part(&self) -> i64 {
        self.inner().parts.iter().map(|kept| kept.id).max().unwrap_or_default()
    }

    /// Whether coarser rows are yet to be made of a part.
    fn is_unheld(&self, inner: &Inner, kept: &KeptPart) -> bool {
        let has_coarser = self.definition.resolutions_s.len() > 1;
        has_coarser && self.is_finest(kept.resolution_s) && kept.id > inner.coarsened
    }

    /// What takes a place among the series is what has rows of the finest resolution: one that stands in coarser rows
    /// alone has been silent for as long as those are kept, and counts no more.
    pub(crate) fn is_finest(&self, resolution_s: i64) -> bool {
        self.definition.resolutions_s.first() == Some(&resolution_s)
    }

    /// Adds a part that is durable.
    pub(crate) fn add(&self, id: i64, resolution_s: i64, batch: RecordBatch) {
        let part = Part::new(batch, Some(WINDOW_START));
        self.inner().parts.push(KeptPart { id, resolution_s, part });
    }

    /// Joins small parts of a resolution where there are many.
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

    /// Puts parts that are durable, with their ids, in place of those that they replace. The coarser rows then hold those of
    /// the finest parts up to `coarsened`. Whoever reads meanwhile sees all of it or nothing, so that each row is there once.
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

    /// Before which times (µs) the rows of each resolution have expired, finest first.
    pub(crate) fn expired_us(&self) -> Vec<i64> {
        self.inner().expired_us.clone()
    }

    /// Puts back what [`RollupTable::expired_us`] gave, and hides what has expired by now.
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
            // On whole windows of the next coarser rows, so that one of them stands for all of its finer rows or none.
            let coarser_s = resolutions_s.get(index + 1).unwrap_or(resolution_s).max(&1);
            let before_s = now_ms.saturating_sub(retention.of(*resolution_s)).div_euclid(1000);
            (before_s.div_euclid(*coarser_s) * coarser_s).saturating_mul(1_000_000)
        };
        resolutions_s.iter().enumerate().map(boundary).collect()
    }

    /// Lets the coarser rows stand in for what is older than the retention; ids of parts that nobody sees any more.
    pub(crate) fn expire(&self, now_ms: i64, retention: Retention) -> Result<Vec<i64>> {
        let mut inner = self.inner();
        // Never back: where finer rows went early for want of memory, they are gone.
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

    /// Before which time (µs) the rows of a part have expired.
    fn expired_before_us(&self, inner: &Inner, kept: &KeptPart) -> Option<i64> {
        let index = self.definition.resolutions_s.iter().position(|known| *known == kept.resolution_s)?;
        inner.expired_us.get(index).copied()
    }

    /// The live rows of parts of which at least half has expired. Their memory is freed only when these replace them.
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

    /// Counts the series anew, by the finest rows that have not expired. A part may hold both.
    fn note_again(&self, inner: &mut Inner) -> Result<()> {
        let from_us = inner.expired_us.first().copied().unwrap_or(i64::MIN);
        let finest = inner.parts.iter().filter(|kept| self.is_finest(kept.resolution_s));
        let live: Vec<Arc<Part>> = finest.filter_map(|kept| between(&kept.part, from_us, i64::MAX)).collect();
        inner.cap.clear();
        live.iter().try_for_each(|part| Ok(inner.cap.note(&self.definition, &part.batch)?))
    }

    /// All rows of one resolution as one batch, a row a window and key.
    pub(crate) async fn merged(&self, resolution_s: i64) -> Result<RecordBatch> {
        let of = |kept: &&KeptPart| kept.resolution_s == resolution_s;
        let batches: Vec<RecordBatch> =
            self.inner().parts.iter().filter(of).map(|kept| kept.part.batch.clone()).collect();
        self.shown.merge(batches, resolution_s).await
    }

    /// Bytes of memory that the parts take, by resolution in seconds.
    pub(crate) fn memory_by_resolution(&self) -> BTreeMap<i64, usize> {
        let mut bytes = BTreeMap::new();
        for kept in &self.inner().parts {
            *bytes.entry(kept.resolution_s).or_default() += memory_bytes(&kept.part.batch);
        }
        bytes
    }

    /// Rows that were counted under the overflow series.
    pub(crate) fn overflowed(&self) -> u64 {
        self.inner().overflowed
    }

    /// The table as people query it: the finest rows, and the coarser ones where those have expired.
    pub(crate) fn provider(self: &Arc<Self>) -> SnapshotTable {
        let table = self.clone();
        SnapshotTable::new(self.definition.schema(), Some(WINDOW_START), move || table.seamless())
    }

    /// The rows of one resolution alone. What is too new for it is seen in its windows all the same.
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
        // Rows that came late may stand where the finest have expired: nothing else holds them yet.
        let is_new = |kept: &&KeptPart| self.is_unheld(&inner, kept);
        let mut parts: Vec<Arc<Part>> = inner.parts.iter().filter(is_new).map(|kept| kept.part.clone()).collect();
        for (index, resolution_s) in self.definition.resolutions_s.iter().enumerate() {
            let from_us = inner.expired_us[index];
            // A coarser resolution is seen where the finer one has expired, and no later.
            let to_us = if index == 0 { i64::MAX } else { inner.expired_us[index - 1] };
            let seen = inner.parts.iter().filter(|kept| kept.resolution_s == *resolution_s && !is_new(kept));
            parts.extend(seen.filter_map(|kept| between(&kept.part, from_us, to_us)));
        }
        parts
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rows of a part whose windows begin in `from_us..to_us`.
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

/// Rows in the windows of a coarser resolution. There may be several of a window and key, as there are of any.
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

/// A scalar in the type of windows.
trait UtcScalar {
    fn new_scalar_utc(us: i64) -> arrow::array::Scalar<TimestampMicrosecondArray>;
}

impl UtcScalar for TimestampMicrosecondArray {
    fn new_scalar_utc(us: i64) -> arrow::array::Scalar<TimestampMicrosecondArray> {
        arrow::array::Scalar::new(TimestampMicrosecondArray::from(vec![us]).with_timezone("UTC"))
    }
}
