//! The server's tables as a worker sees them: rows are asked for while a plan runs, as many as it takes.

use super::codec::{Frame, rows_in};
use super::message::{FromWorker, SCAN_FRAMES, Scan};
use crate::store::TimeBounds;
use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result, exec_datafusion_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::stream;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// The worker's end of the socket.
#[derive(Debug)]
pub(super) struct Link {
    writer: Mutex<UnixStream>,
    /// Where the rows of each scan go; what is under way is bounded by what was asked for.
    scans: Mutex<HashMap<u32, UnboundedSender<Vec<u8>>>>,
    next: AtomicU32,
    /// Frames of the answer that may be sent.
    pub(super) credit: Semaphore,
}

impl Link {
    pub(super) fn new(writer: UnixStream) -> Arc<Link> {
        let writer = Mutex::new(writer);
        Arc::new(Link { writer, scans: Mutex::default(), next: AtomicU32::new(0), credit: Semaphore::new(0) })
    }

    /// Sends a message; where the server is gone there is nobody to tell.
    pub(super) fn send(&self, message: &FromWorker, body: Vec<Buffer>) -> io::Result<()> {
        let frame = Frame::new(message, body)?;
        frame.write(&mut *self.writer.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Hands over rows that came for a scan; one that has ended does not want them.
    pub(super) fn rows(&self, scan: u32, bytes: Vec<u8>) {
        let scans = self.scans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(scan) = scans.get(&scan) {
            let _ended = scan.send(bytes);
        }
    }

    /// A scan has no more rows.
    pub(super) fn end(&self, scan: u32) {
        self.scans.lock().unwrap_or_else(PoisonError::into_inner).remove(&scan);
    }

    fn begin(&self) -> (u32, UnboundedReceiver<Vec<u8>>) {
        let (scan, (send, receive)) = (self.next.fetch_add(1, Ordering::Relaxed), unbounded_channel());
        self.scans.lock().unwrap_or_else(PoisonError::into_inner).insert(scan, send);
        (scan, receive)
    }
}

/// A table of the server's.
#[derive(Debug)]
pub(super) struct RemoteTable {
    pub(super) name: String,
    pub(super) schema: SchemaRef,
    pub(super) time_column: Option<String>,
    pub(super) link: Arc<Link>,
}

#[async_trait]
impl TableProvider for RemoteTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = match projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => self.schema.clone(),
        };
        let bounds = self.time_column.as_ref().map(|column| TimeBounds::of(filters, column)).unwrap_or_default();
        let rows = RemoteRows {
            table: self.name.clone(),
            columns: projection.cloned(),
            bounds,
            // A filter is applied here, to what came: so many rows need not be enough then.
            limit: if filters.is_empty() { limit } else { None },
            schema: schema.clone(),
            link: self.link.clone(),
        };
        Ok(Arc::new(StreamingTableExec::try_new(schema, vec![Arc::new(rows)], None, [], false, limit)?))
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}

#[derive(Debug, Clone)]
struct RemoteRows {
    table: String,
    columns: Option<Vec<usize>>,
    bounds: TimeBounds,
    limit: Option<usize>,
    schema: SchemaRef,
    link: Arc<Link>,
}

impl PartitionStream for RemoteRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = stream::try_unfold(Reading::NotYet(self.clone()), |reading| async move {
            let mut open = match reading {
                Reading::NotYet(rows) => Open::begin(&rows)?,
                Reading::Open(open) => open,
            };
            Ok(open.next().await?.map(|batch| (batch, Reading::Open(open))))
        });
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), rows))
    }
}

enum Reading {
    NotYet(RemoteRows),
    Open(Open),
}

/// A scan under way.
struct Open {
    scan: u32,
    link: Arc<Link>,
    frames: UnboundedReceiver<Vec<u8>>,
    batches: VecDeque<RecordBatch>,
    schema: SchemaRef,
}

impl Open {
    fn begin(rows: &RemoteRows) -> Result<Open> {
        let (scan, frames) = rows.link.begin();
        let open =
            Open { scan, link: rows.link.clone(), frames, batches: VecDeque::new(), schema: rows.schema.clone() };
        let wanted = Scan {
            id: scan,
            table: rows.table.clone(),
            columns: rows.columns.clone(),
            from_us: rows.bounds.from,
            to_us: rows.bounds.to,
            limit: rows.limit,
        };
        open.say(&FromWorker::Scan(wanted))?;
        for _ in 1..SCAN_FRAMES {
            open.say(&FromWorker::Next { scan })?;
        }
        Ok(open)
    }

    fn say(&self, message: &FromWorker) -> Result<()> {
        self.link.send(message, Vec::new()).map_err(DataFusionError::IoError)
    }

    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.batches.pop_front() {
                // The declared schema: what IPC says of it is the same but for details.
                let columns = batch.columns().to_vec();
                let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
                return Ok(Some(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?));
            }
            let Some(bytes) = self.frames.recv().await else { return Ok(None) };
            self.say(&FromWorker::Next { scan: self.scan })?;
            let rows = rows_in(Buffer::from_vec(bytes));
            self.batches = rows.map_err(|error| exec_datafusion_err!("rows of a table: {error}"))?.1.into();
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.link.end(self.scan);
        // Where the server is gone there is nobody to tell.
        let _gone = self.say(&FromWorker::Drop { scan: self.scan });
    }
}
