//! A rollup table in memory: parts by resolution, what has expired, and the bound on series.

use super::cap::Cap;
use super::merge::{Merger, WINDOW_START, fit};
use crate::model::table::TableDef;
use crate::store::{Part, RollupPart, SnapshotTable};
use arrow::array::{AsArray as _, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::kernels::cmp::{gt_eq, lt};
use arrow::datatypes::TimestampMicrosecondType;
use datafusion::common::Result;
use datafusion::prelude::SessionContext;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Parts of up to this many rows are joined.
const SMALL_ROWS: usize = 20_000;
/// As soon as there are this many of one resolution.
const JOIN_FROM: usize = 30;

/// How long each resolution is kept, ms: 10 s, 1 m, 1 h rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Rows of ten seconds.
    pub fine_ms: i64,
    /// Rows of a minute.
    pub minute_ms: i64,
    /// Rows of an hour.
    pub hour_ms: i64,
}

/// One rollup table.
pub(crate) struct RollupTable {
    pub(crate) definition: TableDef,
    merger: Merger,
    inner: Mutex<Inner>,
}

struct Inner {
    parts: Vec<KeptPart>,
    /// Rows of a resolution before these times (µs) are stood in for by the next coarser one, finest first.
    expired_us: Vec<i64>,
    cap: Cap,
    overflowed: u64,
}

struct KeptPart {
    id: i64,
    resolution_s: i64,
    part: Part,
}

impl KeptPart {
    /// Rows of all time are one part however many they are: a part of them is never complete.
    fn is_small(&self) -> bool {
        self.resolution_s == 0 || self.part.batch.num_rows() < SMALL_ROWS
    }
}

/// Parts that one part shall stand in for.
pub(crate) struct Joined {
    pub(crate) resolution_s: i64,
    pub(crate) removed: Vec<i64>,
    pub(crate) batch: RecordBatch,
}

impl RollupTable {
    /// An empty table that plans its merges in `context`.
    pub(crate) fn new(definition: TableDef, series_max: usize, context: &SessionContext) -> Result<Arc<RollupTable>> {
        let merger = Merger::new(&definition, context)?;
        let expired_us = vec![i64::MIN; definition.resolutions_s.len()];
        let inner = Inner { parts: Vec::new(), expired_us, cap: Cap::new(series_max), overflowed: 0 };
        Ok(Arc::new(RollupTable { definition, merger, inner: Mutex::new(inner) }))
    }

    /// Puts back a part that an earlier process kept. Once all are there, [`RollupTable::hide`] counts their series.
    pub(crate) fn restore(&self, part: RollupPart) -> Result<()> {
        let batch = fit(&[part.batch], &self.definition)?;
        self.add(part.id, part.resolution_s, batch);
        Ok(())
    }

    /// What a flush's rows add to each resolution.
    pub(crate) async fn additions(&self, outputs: &[RecordBatch]) -> Result<Vec<(i64, RecordBatch)>> {
        let rows = fit(outputs, &self.definition)?;
        let rows = {
            let mut inner = self.inner();
            let (rows, over) = inner.cap.apply(&self.definition, rows)?;
            inner.overflowed += over;
            rows
        };
        let mut additions = Vec::new();
        let mut finer = rows;
        for resolution_s in &self.definition.resolutions_s {
            // Each resolution merges the rows of the finer one before it, which are fewer.
            finer = self.merger.merge(vec![finer], *resolution_s).await?;
            additions.push((*resolution_s, finer.clone()));
        }
        Ok(additions)
    }

    /// What takes a place among the series is what has rows of the finest resolution: one that stands in coarser rows
    /// alone has been silent for as long as those are kept, and counts no more.
    fn is_finest(&self, resolution_s: i64) -> bool {
        self.definition.resolutions_s.first() == Some(&resolution_s)
    }

    /// Adds a part that is durable.
    pub(crate) fn add(&self, id: i64, resolution_s: i64, batch: RecordBatch) {
        let part = Part::new(batch, Some(WINDOW_START));
        self.inner().parts.push(KeptPart { id, resolution_s, part });
    }

    /// Joins small parts of a resolution where there are many.
    pub(crate) async fn join(&self) -> Result<Vec<Joined>> {
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
                joined.push(Joined { resolution_s: *resolution_s, removed, batch });
            }
        }
        Ok(joined)
    }

    /// Puts a part in place of those that it was joined from.
    pub(crate) fn replace(&self, joined: Joined, id: i64) {
        let mut inner = self.inner();
        inner.parts.retain(|kept| !joined.removed.contains(&kept.id));
        let part = Part::new(joined.batch, Some(WINDOW_START));
        inner.parts.push(KeptPart { id, resolution_s: joined.resolution_s, part });
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
        let kept_ms = |resolution_s: i64| match resolution_s {
            0 => i64::MAX / 2,
            1..60 => retention.fine_ms,
            60..3600 => retention.minute_ms,
            _ => retention.hour_ms,
        };
        let boundary = |resolution_s: &i64| {
            // On whole hours, so that a coarser row stands in for all of its finer ones or none.
            let before_ms = now_ms.saturating_sub(kept_ms(*resolution_s));
            before_ms.div_euclid(3_600_000).saturating_mul(3_600_000_000)
        };
        self.definition.resolutions_s.iter().map(boundary).collect()
    }

    /// Lets the coarser rows stand in for what is older than the retention; ids of parts that nobody sees any more.
    pub(crate) fn expire(&self, now_ms: i64, retention: Retention) -> Result<Vec<i64>> {
        let mut inner = self.inner();
        let resolutions = self.definition.resolutions_s.clone();
        // Never back: where finer rows went early for want of memory, they are gone.
        let boundaries = self.boundaries(now_ms, retention);
        let finest_us = inner.expired_us.first().copied();
        inner.expired_us = inner.expired_us.iter().zip(boundaries).map(|(before, now)| now.max(*before)).collect();
        let boundary = |kept: &KeptPart, expired: &[i64]| {
            let index = resolutions.iter().position(|resolution_s| *resolution_s == kept.resolution_s)?;
            kept.part.span_us.map(|(_, greatest)| greatest < expired[index])
        };
        let expired = inner.expired_us.clone();
        let gone: Vec<i64> =
            inner.parts.iter().filter(|kept| boundary(kept, &expired) == Some(true)).map(|kept| kept.id).collect();
        inner.parts.retain(|kept| !gone.contains(&kept.id));
        if !gone.is_empty() || finest_us != inner.expired_us.first().copied() {
            self.note_again(&mut inner)?;
        }
        Ok(gone)
    }

    /// Counts the series anew, by the finest rows that have not expired. A part may hold both.
    fn note_again(&self, inner: &mut Inner) -> Result<()> {
        let from_us = inner.expired_us.first().copied().unwrap_or(i64::MIN);
        let finest = inner.parts.iter().filter(|kept| self.is_finest(kept.resolution_s));
        let live: Vec<Part> = finest.filter_map(|kept| between(&kept.part, from_us, i64::MAX)).collect();
        inner.cap.clear();
        live.iter().try_for_each(|part| Ok(inner.cap.note(&self.definition, &part.batch)?))
    }

    /// All rows of one resolution as one batch, a row a window and key.
    pub(crate) async fn merged(&self, resolution_s: i64) -> Result<RecordBatch> {
        let of = |kept: &&KeptPart| kept.resolution_s == resolution_s;
        let batches: Vec<RecordBatch> =
            self.inner().parts.iter().filter(of).map(|kept| kept.part.batch.clone()).collect();
        self.merger.merge(batches, resolution_s).await
    }

    /// Bytes of memory that the parts take.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.inner().parts.iter().map(|kept| kept.part.batch.get_array_memory_size()).sum()
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

    /// The rows of one resolution alone.
    pub(crate) fn provider_of(self: &Arc<Self>, resolution_s: i64) -> SnapshotTable {
        let table = self.clone();
        SnapshotTable::new(self.definition.schema(), Some(WINDOW_START), move || {
            let inner = table.inner();
            inner.parts.iter().filter(|kept| kept.resolution_s == resolution_s).map(|kept| kept.part.clone()).collect()
        })
    }

    fn seamless(&self) -> Vec<Part> {
        let inner = self.inner();
        let mut parts = Vec::new();
        for (index, resolution_s) in self.definition.resolutions_s.iter().enumerate() {
            let from_us = inner.expired_us[index];
            // A coarser resolution is seen where the finer one has expired, and no later.
            let to_us = if index == 0 { i64::MAX } else { inner.expired_us[index - 1] };
            let seen = inner.parts.iter().filter(|kept| kept.resolution_s == *resolution_s);
            parts.extend(seen.filter_map(|kept| between(&kept.part, from_us, to_us)));
        }
        parts
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rows of a part whose windows begin in `from_us..to_us`.
fn between(part: &Part, from_us: i64, to_us: i64) -> Option<Part> {
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

/// A scalar in the type of windows.
trait UtcScalar {
    fn new_scalar_utc(us: i64) -> arrow::array::Scalar<TimestampMicrosecondArray>;
}

impl UtcScalar for TimestampMicrosecondArray {
    fn new_scalar_utc(us: i64) -> arrow::array::Scalar<TimestampMicrosecondArray> {
        arrow::array::Scalar::new(TimestampMicrosecondArray::from(vec![us]).with_timezone("UTC"))
    }
}
