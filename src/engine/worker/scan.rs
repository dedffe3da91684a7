//! The server's side of a scan: the rows that a worker wants of a table, a frame at a time.

use super::catalog::Offered;
use super::codec::{Frame, FrameOut, rows_of};
use super::message::{FRAME_BYTES, Scan, ToWorker};
use super::sieve::Sieve;
use crate::store::TimeBounds;
use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use datafusion::catalog::TableProvider as _;
use datafusion::common::{Result, exec_datafusion_err};
use std::collections::VecDeque;

/// Rows of a batch that are handed over at once: as many as the plan's operators like.
const BATCH_ROWS: usize = 8192;
/// Rows that are looked at for one frame: what passes is sent then, however little it is, for the worker may know more of
/// what it wants by now.
const LOOKED_AT: usize = 32 * BATCH_ROWS;

/// A scan under way. It sees the table at the moment when it began.
pub(super) struct Scanning {
    pub(super) id: u32,
    /// What has not been looked at.
    parts: VecDeque<RecordBatch>,
    /// What passed of the rows that were looked at last, and has not been sent.
    passed: Option<RecordBatch>,
    columns: Option<Vec<usize>>,
    schema: Schema,
    sieve: Option<Sieve>,
    /// The newest rows come first from now on.
    backwards: bool,
    left: usize,
    /// Frames that the worker waits for.
    pub(super) owed: usize,
    /// Rows that were looked at.
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
        let parts = table.rows.batches(TimeBounds { from: scan.from_us, to: scan.to_us });
        Ok(Scanning {
            id: scan.id,
            parts: parts.into(),
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

    /// Takes what the worker knows by now of the rows that it wants. Where those are the ones with the greater values, the
    /// newest rows come first: times ascend with the order in which rows come in, and so does what follows them.
    pub(super) fn narrow(&mut self, sieve: Option<Sieve>) {
        if let Some(sieve) = sieve {
            self.backwards |= sieve.wants_greater();
            self.sieve = Some(sieve);
        }
    }

    /// The next frame; after the last one that of the end.
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

    /// What is left of the rows that passed last, or what passes of the next ones.
    fn passed(&mut self) -> Result<Option<RecordBatch>> {
        if self.left == 0 {
            return Ok(None);
        }
        if let Some(passed) = self.passed.take() {
            return Ok(Some(passed));
        }
        let Some(rows) = self.rows() else { return Ok(None) };
        self.rows += rows.num_rows() as u64;
        let rows = match &self.columns {
            Some(columns) => rows.project(columns)?,
            None => rows,
        };
        Ok(Some(match &self.sieve {
            Some(sieve) => sieve.apply(&rows)?,
            None => rows,
        }))
    }

    /// The next rows that have not been looked at.
    fn rows(&mut self) -> Option<RecordBatch> {
        let pop = if self.backwards { VecDeque::pop_back } else { VecDeque::pop_front };
        let part = std::iter::from_fn(|| pop(&mut self.parts)).find(|part| part.num_rows() > 0)?;
        let rows = part.num_rows().min(BATCH_ROWS);
        let rest = part.num_rows() - rows;
        if rest == 0 {
            return Some(part);
        }
        if self.backwards {
            self.parts.push_back(part.slice(0, rest));
            return Some(part.slice(rest, rows));
        }
        self.parts.push_front(part.slice(rows, rest));
        Some(part.slice(0, rows))
    }
}
