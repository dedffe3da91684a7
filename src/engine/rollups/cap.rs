//! The bound on series: beyond it, rows are counted under one overflow series instead of their own.

use crate::model::table::{ColumnType, Merge, TableDef};
use arrow::array::{ArrayRef, BooleanArray, RecordBatch, StringArray};
use arrow::compute::kernels::zip::zip;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use std::collections::HashSet;

/// What stands in the text columns of the key of the overflow series.
pub(crate) const OVERFLOW: &str = "(overflow)";

/// The series that a table has.
#[derive(Debug, Default)]
pub(super) struct Cap {
    seen: HashSet<u64>,
    series_max: usize,
}

impl Cap {
    pub(super) fn new(series_max: usize) -> Cap {
        Cap { seen: HashSet::new(), series_max }
    }

    pub(super) fn clear(&mut self) {
        self.seen.clear();
    }

    /// Notes the series of rows that are kept already.
    pub(super) fn note(&mut self, table: &TableDef, batch: &RecordBatch) -> Result<(), ArrowError> {
        self.seen.extend(digests(table, batch)?);
        Ok(())
    }

    /// The rows, those of series beyond the bound under the overflow series; and how many rows those are.
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
        let over = BooleanArray::from(over);
        let overflow = StringArray::new_scalar(OVERFLOW);
        let columns = table.columns.iter().map(|column| {
            let index = batch.schema().index_of(&column.name)?;
            let values = batch.column(index);
            if column.merge == Some(Merge::Key) && column.kind == ColumnType::String {
                zip(&over, &overflow, values)
            } else {
                Ok(values.clone())
            }
        });
        let columns: Vec<ArrayRef> = columns.collect::<Result<_, _>>()?;
        Ok((RecordBatch::try_new(table.schema(), columns)?, count))
    }
}

/// A digest of each row's key without its window.
fn digests(table: &TableDef, batch: &RecordBatch) -> Result<Vec<u64>, ArrowError> {
    let keys: Vec<ArrayRef> = table
        .columns
        .iter()
        .filter(|column| column.merge == Some(Merge::Key) && column.kind == ColumnType::String)
        .filter_map(|column| batch.column_by_name(&column.name).cloned())
        .collect();
    let converter = RowConverter::new(keys.iter().map(|_| SortField::new(DataType::Utf8)).collect())?;
    let rows = converter.convert_columns(&keys)?;
    Ok(rows.iter().map(|row| xxhash_rust::xxh3::xxh3_64(row.as_ref())).collect())
}
