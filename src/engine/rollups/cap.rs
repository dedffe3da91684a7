//! The bound on series: beyond it, rows are counted under an overflow series instead of their own.
//!
//! What makes series many, such as operations and statements, then reads `(overflow)`. The keys that are
//! `low_cardinality`, such as the service and its kind, stay: whoever filters or groups by them still sees every row.

use crate::model::table::{ColumnDef, ColumnType, Merge, TableDef};
use arrow::array::{Array as _, ArrayRef, AsArray as _, BooleanArray, RecordBatch, StringArray};
use arrow::compute::kernels::zip::zip;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use std::collections::{BTreeMap, HashSet};

/// What stands in a column of the key whose own value is not kept.
pub(crate) const OVERFLOW: &str = "(overflow)";
/// Values of one `low_cardinality` column that the overflow series keep apart; the others read `(overflow)` there, too.
const VALUES_MAX: usize = 100;

/// The series that a table has.
#[derive(Debug, Default)]
pub(super) struct Cap {
    seen: HashSet<u64>,
    /// Values that the overflow series keep apart, by column.
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

    /// Notes the series of rows that are kept already. Overflow series take no other's place.
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

    /// The rows, those of series beyond the bound under an overflow series; and how many rows those are.
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

    /// A column of the key, as the overflow series have it where a row is `over`.
    fn replaced(&mut self, column: &ColumnDef, values: &ArrayRef, over: &[bool]) -> Result<ArrayRef, ArrowError> {
        let mut replaced = over.to_vec();
        if let Some(texts) = values.as_string_opt::<i32>().filter(|_| column.low_cardinality) {
            for (row, replaced) in replaced.iter_mut().enumerate() {
                *replaced = *replaced && texts.is_valid(row) && !self.keeps(&column.name, texts.value(row));
            }
        }
        zip(&BooleanArray::from(replaced), &StringArray::new_scalar(OVERFLOW), values)
    }

    /// Whether overflow series keep a value apart; the first ones that come are kept.
    fn keeps(&mut self, column: &str, value: &str) -> bool {
        let kept = self.kept.entry(column.to_owned()).or_default();
        kept.contains(value) || kept.len() < VALUES_MAX && kept.insert(value.to_owned())
    }
}

/// The columns that tell one series from another.
fn keys(table: &TableDef) -> impl Iterator<Item = &ColumnDef> {
    table.columns.iter().filter(|column| is_key(column))
}

fn is_key(column: &ColumnDef) -> bool {
    column.merge == Some(Merge::Key) && column.kind == ColumnType::String
}

fn texts<'a>(batch: &'a RecordBatch, column: &ColumnDef) -> Option<&'a StringArray> {
    batch.column_by_name(&column.name)?.as_string_opt::<i32>()
}

/// Which rows are of an overflow series.
fn overflowed(table: &TableDef, batch: &RecordBatch) -> Vec<bool> {
    let columns: Vec<&StringArray> = keys(table).filter_map(|column| texts(batch, column)).collect();
    let is_over = |values: &&StringArray, row| values.is_valid(row) && values.value(row) == OVERFLOW;
    (0..batch.num_rows()).map(|row| columns.iter().any(|values| is_over(values, row))).collect()
}

/// A digest of each row's key without its window.
fn digests(table: &TableDef, batch: &RecordBatch) -> Result<Vec<u64>, ArrowError> {
    let keys: Vec<ArrayRef> = keys(table).filter_map(|column| batch.column_by_name(&column.name).cloned()).collect();
    let converter = RowConverter::new(keys.iter().map(|_| SortField::new(DataType::Utf8)).collect())?;
    let rows = converter.convert_columns(&keys)?;
    Ok(rows.iter().map(|row| xxhash_rust::xxh3::xxh3_64(row.as_ref())).collect())
}
