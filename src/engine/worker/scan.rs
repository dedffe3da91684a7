//! The server's side of a scan: the rows that a worker wants of a table, a frame at a time.

use super::catalog::Offered;
use super::codec::{Frame, FrameOut, rows_of};
use super::message::{FRAME_BYTES, Scan, ToWorker};
use crate::store::TimeBounds;
use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use datafusion::catalog::TableProvider as _;
use datafusion::common::{Result, exec_datafusion_err};
use std::vec::IntoIter;

/// Rows of a batch that are handed over at once: as many as the plan's operators like.
const BATCH_ROWS: usize = 8192;

/// A scan under way. It sees the table at the moment when it began.
pub(super) struct Scanning {
    pub(super) id: u32,
    parts: IntoIter<RecordBatch>,
    /// What is left of the part under way.
    part: Option<RecordBatch>,
    columns: Option<Vec<usize>>,
    schema: Schema,
    left: usize,
    /// Frames that the worker waits for.
    pub(super) owed: usize,
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
            parts: parts.into_iter(),
            part: None,
            columns: scan.columns,
            schema,
            left: scan.limit.unwrap_or(usize::MAX),
            owed: 1,
            rows: 0,
        })
    }

    /// The next frame; after the last one that of the end.
    pub(super) fn next(&mut self) -> Result<(Frame, bool)> {
        let (mut frame, before) = (FrameOut::new(&self.schema)?, self.rows);
        while frame.bytes < FRAME_BYTES {
            let Some(part) = self.part()? else { break };
            let rows = rows_of(&part, FRAME_BYTES).min(BATCH_ROWS).min(self.left);
            let taken = part.slice(0, rows.min(part.num_rows()));
            self.left -= taken.num_rows();
            self.rows += taken.num_rows() as u64;
            let rest = part.num_rows() - taken.num_rows();
            self.part = (rest > 0).then(|| part.slice(taken.num_rows(), rest));
            frame.add(&taken)?;
        }
        if self.rows == before {
            return Ok((Frame::new(&ToWorker::End { scan: self.id }, Vec::new())?, true));
        }
        Ok((Frame::new(&ToWorker::Rows { scan: self.id }, frame.finish()?)?, false))
    }

    /// What is left of the part under way, or the next one.
    fn part(&mut self) -> Result<Option<RecordBatch>> {
        if self.left == 0 {
            return Ok(None);
        }
        if let Some(part) = self.part.take() {
            return Ok(Some(part));
        }
        for part in self.parts.by_ref() {
            if part.num_rows() > 0 {
                return Ok(Some(match &self.columns {
                    Some(columns) => part.project(columns)?,
                    None => part,
                }));
            }
        }
        Ok(None)
    }
}
