//! Rows in compact form: dictionaries for text, bytes for hexadecimal IDs, offsets from the minimum for integers, and run-length
//! encoding for maps and numbers that repeat.
//!
//! Reading returns the same rows in the table's schema. Rows that cannot match a filter are skipped before columns are decoded.

mod column;
mod ids;
mod nulls;
mod numbers;

use super::held::{Condition, Test};
use super::wanted::{Wanted, span_us};
use crate::model::null_columns::NullColumns;
use arrow::array::{ArrayRef, AsArray as _, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;
use column::Column;
use std::sync::Arc;

/// Rows in compact form.
#[derive(Debug)]
pub struct Packed {
    schema: SchemaRef,
    nulls: Arc<NullColumns>,
    rows: usize,
    columns: Vec<Column>,
    time: Option<usize>,
    /// Least and greatest time in microseconds, inclusive; `None` if unknown.
    pub(super) span_us: Option<(i64, i64)>,
}

impl Packed {
    /// Packs rows with their time in `time_column`.
    pub(super) fn new(batch: &RecordBatch, time_column: Option<&str>, nulls: &Arc<NullColumns>) -> Packed {
        let schema = batch.schema();
        Packed {
            nulls: nulls.clone(),
            rows: batch.num_rows(),
            columns: batch.columns().iter().map(Column::new).collect(),
            time: time_column.and_then(|name| schema.index_of(name).ok()),
            span_us: time_column.and_then(|name| span_us(batch, name)),
            schema,
        }
    }

    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Memory in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.columns.iter().map(|column| size_of::<Column>() + column.bytes()).sum()
    }

    /// Returns whether a row may meet all conditions.
    pub(super) fn may_pass(&self, conditions: &[Condition]) -> bool {
        let may_hold = |test: &Test| self.columns.get(test.column).is_none_or(|column| column.may_hold(&test.any_of));
        conditions.iter().all(|condition| condition.any.iter().any(may_hold))
    }

    /// Returns these columns, or all, of at least the rows that match; `None` if none can.
    pub(super) fn passing(
        &self,
        columns: Option<&[usize]>,
        wanted: &Wanted,
    ) -> Result<Option<RecordBatch>, ArrowError> {
        let picked = match self.mask(wanted)? {
            None => None,
            Some(mask) if mask.count_set_bits() == 0 => return Ok(None),
            // Picking most rows one by one costs more than their filter saves.
            Some(mask) if mask.count_set_bits() > self.rows / 2 => None,
            Some(mask) => Some(indices(&mask)),
        };
        self.read(columns, picked.as_ref()).map(Some)
    }

    /// Returns all rows, or the picked ones, with these columns or with all.
    pub(super) fn read(
        &self,
        columns: Option<&[usize]>,
        picked: Option<&UInt32Array>,
    ) -> Result<RecordBatch, ArrowError> {
        let (schema, all): (SchemaRef, Vec<usize>) = match columns {
            Some(columns) => (Arc::new(self.schema.project(columns)?), columns.to_vec()),
            None => (self.schema.clone(), (0..self.columns.len()).collect()),
        };
        let rows = picked.map_or(self.rows, UInt32Array::len);
        let arrays = all.into_iter().map(|column| self.column(column, picked, rows)).collect::<Result<_, _>>()?;
        RecordBatch::try_new_with_options(schema, arrays, &RecordBatchOptions::new().with_row_count(Some(rows)))
    }

    fn column(&self, index: usize, picked: Option<&UInt32Array>, rows: usize) -> Result<ArrayRef, ArrowError> {
        match &self.columns[index] {
            Column::Null => Ok(self.nulls.column(index, rows)),
            column => column.read(picked),
        }
    }

    /// Returns which rows may be wanted; `None` for all.
    fn mask(&self, wanted: &Wanted) -> Result<Option<BooleanBuffer>, ArrowError> {
        let mut mask: Option<BooleanBuffer> = None;
        let mut narrow = |by: BooleanBuffer| {
            mask = Some(match mask.take() {
                Some(mask) => &mask & &by,
                None => by,
            });
        };
        for condition in &wanted.conditions {
            let met = |test: &Test| self.columns.get(test.column)?.mask(&test.any_of, self.rows);
            // Nothing is known of the condition if nothing is known of one of its tests.
            let masks: Option<Vec<BooleanBuffer>> = condition.any.iter().map(met).collect();
            if let Some(by) = masks.into_iter().flatten().reduce(|one, other| &one | &other) {
                narrow(by);
            }
        }
        let bounds = wanted.bounds;
        let inside = self.span_us.is_none_or(|(least, greatest)| bounds.from <= least && greatest <= bounds.to);
        if let (false, Some(time)) = (inside, self.time) {
            let times = self.column(time, None, self.rows)?;
            let times = times.as_primitive::<TimestampMicrosecondType>();
            let within = BooleanArray::from_unary(times, |time| (bounds.from..=bounds.to).contains(&time));
            narrow(within.values().clone());
        }
        Ok(mask)
    }
}

fn indices(mask: &BooleanBuffer) -> UInt32Array {
    mask.set_indices_u32().collect::<Vec<u32>>().into()
}

#[cfg(test)]
mod tests;
