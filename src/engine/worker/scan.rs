//! The server's side of a scan: sends the rows that a worker requests, one frame at a time.

use super::catalog::Offered;
use super::codec::{Frame, FrameOut, rows_of};
use super::message::{FRAME_BYTES, Scan, ToWorker};
use super::sieve::Sieve;
use crate::store::{Stored, TimeBounds, Wanted};
use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use datafusion::catalog::TableProvider as _;
use datafusion::common::{Result, exec_datafusion_err};
use std::collections::VecDeque;

/// Maximum number of rows per batch, which suits the plan's operators.
const BATCH_ROWS: usize = 8192;
/// Maximum number of rows that are filtered for one frame. Then the rows that passed are sent, however few, because the
/// worker may have a narrower sieve by now.
const LOOKED_AT: usize = 32 * BATCH_ROWS;

/// A running scan over a snapshot of the table.
pub(super) struct Scanning {
    pub(super) id: u32,
    /// Parts that are not read yet.
    parts: VecDeque<Stored>,
    /// Rows of a part that are not filtered yet.
    rest: Option<RecordBatch>,
    wanted: Wanted,
    /// Rows that passed and are not sent yet.
    passed: Option<RecordBatch>,
    columns: Option<Vec<usize>>,
    schema: Schema,
    sieve: Option<Sieve>,
    /// Whether the newest remaining rows come first.
    backwards: bool,
    left: usize,
    /// Number of frames that the worker waits for.
    pub(super) owed: usize,
    /// Number of filtered rows.
    pub(super) rows: u64,
}

impl Scanning {
    pub(super) fn begin(offered: &Offered, scan: Scan) -> Result<Scanning> {
        let table = offered.tables.get(&scan.table);
        let table = table.ok_or_else(|| exec_datafusion_err!("there is no table {:?}", scan.table))?;
        let schema = table.rows.schema();
        let schema = match &scan.columns {
            Some(columns) => schema.project(columns)?,
            None => schema.as_ref().clone(),
        };
        let bounds = TimeBounds { from: scan.from_us, to: scan.to_us };
        let parts = table.rows.parts(bounds);
        Ok(Scanning {
            id: scan.id,
            parts: parts.collect(),
            rest: None,
            wanted: Wanted::within(bounds),
            passed: None,
            columns: scan.columns,
            schema,
            sieve: scan.sieve,
            backwards: false,
            left: scan.limit.unwrap_or(usize::MAX),
            owed: 1,
            rows: 0,
        })
    }

    /// Sets a new sieve. If it wants greater values, the newest rows come first: times ascend in the order in which
    /// rows arrive, and so do columns that correlate with them.
    pub(super) fn narrow(&mut self, sieve: Option<Sieve>) {
        if let Some(sieve) = sieve {
            self.backwards |= sieve.wants_greater();
            self.sieve = Some(sieve);
        }
    }

    /// Returns the next frame and whether it is the end of the scan.
    pub(super) fn next(&mut self) -> Result<(Frame, bool)> {
        let (mut frame, looked_at, mut ended) = (FrameOut::new(&self.schema)?, self.rows + LOOKED_AT as u64, false);
        let mut is_empty = true;
        while frame.bytes < FRAME_BYTES && self.rows < looked_at {
            let Some(passed) = self.passed()? else {
                ended = true;
                break;
            };
            let rows = rows_of(&passed, FRAME_BYTES).min(BATCH_ROWS).min(self.left);
            let taken = passed.slice(0, rows.min(passed.num_rows()));
            self.left -= taken.num_rows();
            let rest = passed.num_rows() - taken.num_rows();
            self.passed = (rest > 0).then(|| passed.slice(taken.num_rows(), rest));
            if taken.num_rows() > 0 {
                frame.add(&taken)?;
                is_empty = false;
            }
        }
        if ended && is_empty {
            return Ok((Frame::new(&ToWorker::End { scan: self.id }, Vec::new())?, true));
        }
        Ok((Frame::new(&ToWorker::Rows { scan: self.id }, frame.finish()?)?, false))
    }

    /// Returns the rest of the rows that passed last, or filters the next ones.
    fn passed(&mut self) -> Result<Option<RecordBatch>> {
        if self.left == 0 {
            return Ok(None);
        }
        if let Some(passed) = self.passed.take() {
            return Ok(Some(passed));
        }
        let Some(rows) = self.rows()? else { return Ok(None) };
        self.rows += rows.num_rows() as u64;
        Ok(Some(match &self.sieve {
            Some(sieve) => sieve.apply(&rows)?,
            None => rows,
        }))
    }

    /// Returns the next rows to filter.
    fn rows(&mut self) -> Result<Option<RecordBatch>> {
        let mut rest = self.rest.take();
        while rest.is_none() {
            let part = if self.backwards { self.parts.pop_back() } else { self.parts.pop_front() };
            let Some(part) = part else { return Ok(None) };
            rest = part.passing(self.columns.as_deref(), &self.wanted)?.filter(|rows| rows.num_rows() > 0);
        }
        let Some(part) = rest else { return Ok(None) };
        let rows = part.num_rows().min(BATCH_ROWS);
        let left = part.num_rows() - rows;
        let (taken, left) = match (left, self.backwards) {
            (0, _) => (part, None),
            (left, true) => (part.slice(left, rows), Some(part.slice(0, left))),
            (left, false) => (part.slice(0, rows), Some(part.slice(rows, left))),
        };
        self.rest = left;
        Ok(Some(taken))
    }
}
