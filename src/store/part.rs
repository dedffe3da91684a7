//! Rows of a table that a query reads as a unit, or skips as a unit.

use super::held::{Condition, Held};
use super::packed::Packed;
use super::wanted::{TimeBounds, Wanted, span_us};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use std::sync::Arc;

/// Rows with the time range in microseconds that they span, if the table has a time column.
#[derive(Debug)]
pub struct Part {
    /// The rows.
    pub batch: RecordBatch,
    /// Least and greatest time, inclusive; `None` if unknown.
    pub span_us: Option<(i64, i64)>,
    held: Held,
}

impl Part {
    /// Creates a part with its time in `time_column`.
    #[must_use]
    pub fn new(batch: RecordBatch, time_column: Option<&str>) -> Arc<Part> {
        let span_us = time_column.and_then(|name| span_us(&batch, name));
        Arc::new(Part { batch, span_us, held: Held::default() })
    }
}

/// A part, packed or not.
#[derive(Debug, Clone)]
pub enum Stored {
    /// As it was received.
    Open(Arc<Part>),
    /// In compact form.
    Packed(Arc<Packed>),
}

impl Stored {
    /// Returns the number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self {
            Stored::Open(part) => part.batch.num_rows(),
            Stored::Packed(packed) => packed.rows(),
        }
    }

    /// Returns the rows with these columns, or with all.
    ///
    /// # Errors
    /// When a column would exceed the size that Arrow allows.
    pub fn read(&self, columns: Option<&[usize]>) -> Result<RecordBatch, ArrowError> {
        match (self, columns) {
            (Stored::Open(part), None) => Ok(part.batch.clone()),
            (Stored::Open(part), Some(columns)) => part.batch.project(columns),
            (Stored::Packed(packed), columns) => packed.read(columns, None),
        }
    }

    /// Returns these columns, or all, of at least the rows that match; `None` if none can.
    ///
    /// # Errors
    /// When a column would exceed the size that Arrow allows.
    pub fn passing(&self, columns: Option<&[usize]>, wanted: &Wanted) -> Result<Option<RecordBatch>, ArrowError> {
        match self {
            Stored::Open(_) if !self.may_pass(&wanted.conditions) => Ok(None),
            Stored::Open(_) => self.read(columns).map(Some),
            Stored::Packed(packed) => packed.passing(columns, wanted),
        }
    }

    /// Returns whether a row may meet all conditions.
    pub(super) fn may_pass(&self, conditions: &[Condition]) -> bool {
        match self {
            Stored::Open(part) => part.held.may_pass(&part.batch, conditions),
            Stored::Packed(packed) => packed.may_pass(conditions),
        }
    }

    /// Returns whether a row may have a time within the bounds.
    pub(super) fn may_hold(&self, bounds: TimeBounds) -> bool {
        let span_us = match self {
            Stored::Open(part) => part.span_us,
            Stored::Packed(packed) => packed.span_us,
        };
        span_us.is_none_or(|span| bounds.may_hold(span))
    }
}
