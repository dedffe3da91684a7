//! Limit on the number of series: beyond it, rows are counted under an overflow series.
//!
//! High-cardinality keys such as operation and statement become `(overflow)`. `low_cardinality` keys such as service
//! and kind keep their value, so that filters and groups by them still cover every row.

use crate::model::table::{ColumnDef, ColumnType, Merge, TableDef};
use arrow::array::{Array as _, ArrayRef, AsArray as _, BooleanArray, RecordBatch, StringArray};
use arrow::compute::kernels::zip::zip;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use std::collections::{BTreeMap, HashSet};

/// Value of a key column in overflow series.
pub(crate) const OVERFLOW: &str = "(overflow)";
/// Number of values of a `low_cardinality` column that overflow series keep; other values become `(overflow)` as well.
const VALUES_MAX: usize = 100;

/// The series of a table.
#[derive(Debug, Default)]
pub(super) struct Cap {
    seen: HashSet<u64>,
    /// Values that overflow series keep, by column.
    kept: BTreeMap<String, HashSet<String>>,
    series_max: usize,
}

impl Cap {
    pub(super) fn new(series_max: usize) -> Cap {
        Cap { series_max, ..Cap::default() }
    }

    pub(super) fn clear(&mut self) {
        self.seen.clear();
        self.kept.clear();
    }

    /// Registers the series of stored rows. Overflow series do not count toward the limit.
    pub(super) fn note(&mut self, table: &TableDef, batch: &RecordBatch) -> Result<(), ArrowError> {
        let over = overflowed(table, batch);
        for (digest, over) in digests(table, batch)?.into_iter().zip(&over) {
            if !over {
                self.seen.insert(digest);
            }
        }
        for column in keys(table).filter(|column| column.low_cardinality) {
            let Some(values) = texts(batch, column) else { continue };
            for row in (0..batch.num_rows()).filter(|row| over[*row] && values.is_valid(*row)) {
                self.keeps(&column.name, values.value(row));
            }
        }
        Ok(())
    }

    /// Replaces the keys of series beyond the limit by those of an overflow series. Returns the rows and the number of
    /// replaced ones.
    pub(super) fn apply(&mut self, table: &TableDef, batch: RecordBatch) -> Result<(RecordBatch, u64), ArrowError> {
        let mut over = Vec::with_capacity(batch.num_rows());
        for digest in digests(table, &batch)? {
            let known = self.seen.contains(&digest);
            if !known && self.seen.len() < self.series_max {
                self.seen.insert(digest);
            }
            over.push(!known && !self.seen.contains(&digest));
        }
        let count = over.iter().filter(|over| **over).count() as u64;
        if count == 0 {
            return Ok((batch, 0));
        }
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(table.columns.len());
        for column in &table.columns {
            let values = batch.column(batch.schema().index_of(&column.name)?);
            columns.push(if is_key(column) { self.replaced(column, values, &over)? } else { values.clone() });
        }
        Ok((RecordBatch::try_new(table.schema(), columns)?, count))
    }

    /// Returns a key column in which the values of the rows in `over` are replaced.
    fn replaced(&mut self, column: &ColumnDef, values: &ArrayRef, over: &[bool]) -> Result<ArrayRef, ArrowError> {
        let mut replaced = over.to_vec();
        if let Some(texts) = values.as_string_opt::<i32>().filter(|_| column.low_cardinality) {
            for (row, replaced) in replaced.iter_mut().enumerate() {
                *replaced = *replaced && texts.is_valid(row) && !self.keeps(&column.name, texts.value(row));
            }
        }
        zip(&BooleanArray::from(replaced), &StringArray::new_scalar(OVERFLOW), values)
    }

    /// Returns whether overflow series keep a value; the first values are kept.
    fn keeps(&mut self, column: &str, value: &str) -> bool {
        let kept = self.kept.entry(column.to_owned()).or_default();
        kept.contains(value) || kept.len() < VALUES_MAX && kept.insert(value.to_owned())
    }
}

/// Returns the key columns, which identify a series.
fn keys(table: &TableDef) -> impl Iterator<Item = &ColumnDef> {
    table.columns.iter().filter(|column| is_key(column))
}

fn is_key(column: &ColumnDef) -> bool {
    column.merge == Some(Merge::Key) && column.kind == ColumnType::String
}

fn texts<'a>(batch: &'a RecordBatch, column: &ColumnDef) -> Option<&'a StringArray> {
    batch.column_by_name(&column.name)?.as_string_opt::<i32>()
}

/// Returns for each row whether it belongs to an overflow series.
fn overflowed(table: &TableDef, batch: &RecordBatch) -> Vec<bool> {
    let columns: Vec<&StringArray> = keys(table).filter_map(|column| texts(batch, column)).collect();
    let is_over = |values: &&StringArray, row| values.is_valid(row) && values.value(row) == OVERFLOW;
    (0..batch.num_rows()).map(|row| columns.iter().any(|values| is_over(values, row))).collect()
}

/// Returns a digest of each row's key without its window.
fn digests(table: &TableDef, batch: &RecordBatch) -> Result<Vec<u64>, ArrowError> {
    let keys: Vec<ArrayRef> = keys(table).filter_map(|column| batch.column_by_name(&column.name).cloned()).collect();
    let converter = RowConverter::new(keys.iter().map(|_| SortField::new(DataType::Utf8)).collect())?;
    let rows = converter.convert_columns(&keys)?;
    Ok(rows.iter().map(|row| xxhash_rust::xxh3::xxh3_64(row.as_ref())).collect())
}
