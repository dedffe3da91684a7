//! Scan of a server's table in a worker's plan.

use super::codec::rows_in;
use super::link::Link;
use super::message::{FromWorker, SCAN_FRAMES, Scan};
use super::sieve::Sieve;
use crate::store::TimeBounds;
use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, exec_datafusion_err, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, Partitioning, PhysicalExpr};
use datafusion::physical_expr_common::physical_expr::snapshot_physical_expr;
use datafusion::physical_plan::coop::make_cooperative;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType, SchedulingType};
use datafusion::physical_plan::filter_pushdown::{
    ChildPushdownResult, FilterPushdownPhase, FilterPushdownPropagation, PushedDown,
};
use datafusion::physical_plan::limit::LimitStream;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet, MetricsSet};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};
use futures::{TryStreamExt as _, stream};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use tokio::sync::mpsc::UnboundedReceiver;

/// Rows of a table to request.
#[derive(Debug, Clone)]
pub(super) struct RemoteRows {
    pub(super) table: String,
    pub(super) columns: Option<Vec<usize>>,
    pub(super) bounds: TimeBounds,
    pub(super) schema: SchemaRef,
    pub(super) link: Arc<Link>,
    /// Filters of operators above. The server skips rows as far as it can evaluate them; the operators still apply them.
    pub(super) filters: Vec<Arc<dyn PhysicalExpr>>,
    /// Number of rows that are enough.
    pub(super) limit: Option<usize>,
}

/// The scan.
#[derive(Debug, Clone)]
pub(super) struct RemoteScan {
    rows: RemoteRows,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl RemoteScan {
    pub(super) fn new(rows: RemoteRows) -> RemoteScan {
        let order = EquivalenceProperties::new(rows.schema.clone());
        let one = Partitioning::UnknownPartitioning(1);
        let properties = PlanProperties::new(order, one, EmissionType::Incremental, Boundedness::Bounded)
            .with_scheduling_type(SchedulingType::Cooperative);
        RemoteScan { rows, properties: Arc::new(properties), metrics: ExecutionPlanMetricsSet::new() }
    }
}

impl DisplayAs for RemoteScan {
    fn fmt_as(&self, _form: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "RemoteScan: table={}, columns={}", self.rows.table, self.rows.schema.fields().len())?;
        if let Some(limit) = self.rows.limit {
            write!(f, ", fetch={limit}")?;
        }
        let filters: Vec<String> = self.rows.filters.iter().map(ToString::to_string).collect();
        if filters.is_empty() { Ok(()) } else { write!(f, ", filters=[{}]", filters.join(", ")) }
    }
}

impl ExecutionPlan for RemoteScan {
    fn name(&self) -> &'static str {
        "RemoteScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        datafusion::physical_plan::apply_expression_roots(&self.rows.filters, f)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _options: datafusion::physical_plan::ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("a scan of a table has no children") }
    }

    fn with_new_children(self: Arc<Self>, children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        if children.is_empty() { Ok(self) } else { internal_err!("a scan of a table has no children") }
    }

    fn fetch(&self) -> Option<usize> {
        self.rows.limit
    }

    fn with_fetch(&self, limit: Option<usize>) -> Option<Arc<dyn ExecutionPlan>> {
        Some(Arc::new(RemoteScan::new(RemoteRows { limit, ..self.rows.clone() })))
    }

    fn handle_child_pushdown_result(
        &self,
        _phase: FilterPushdownPhase,
        pushed: ChildPushdownResult,
        _config: &ConfigOptions,
    ) -> Result<FilterPushdownPropagation<Arc<dyn ExecutionPlan>>> {
        // Reports no filter as applied, so that the operators above keep them.
        let kept = vec![PushedDown::No; pushed.parent_filters.len()];
        let mut rows = self.rows.clone();
        rows.filters.extend(pushed.parent_filters.into_iter().map(|pushed| pushed.filter));
        let node: Arc<dyn ExecutionPlan> = Arc::new(RemoteScan::new(rows));
        Ok(FilterPushdownPropagation::with_parent_pushdown_result(kept).with_updated_node(node))
    }

    fn metrics(&self) -> Option<MetricsSet> {
        Some(self.metrics.clone_inner())
    }

    fn execute(&self, partition: usize, _context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let rows = stream::try_unfold(Reading::NotYet(self.rows.clone()), |reading| async move {
            let mut open = match reading {
                Reading::NotYet(rows) => Open::begin(&rows)?,
                Reading::Open(open) => open,
            };
            Ok(open.next().await?.map(|batch| (batch, Reading::Open(open))))
        });
        let metrics = BaselineMetrics::new(&self.metrics, partition);
        let counted = metrics.clone();
        let rows = rows.inspect_ok(move |batch| counted.record_output(batch.num_rows()));
        let rows = make_cooperative(Box::pin(RecordBatchStreamAdapter::new(self.rows.schema.clone(), rows)));
        let Some(limit) = self.rows.limit else { return Ok(rows) };
        let unused = BaselineMetrics::new(&ExecutionPlanMetricsSet::new(), partition);
        Ok(Box::pin(LimitStream::new(rows, 0, Some(limit), unused)))
    }
}

enum Reading {
    NotYet(RemoteRows),
    Open(Open),
}

/// A running scan.
struct Open {
    scan: u32,
    link: Arc<Link>,
    frames: UnboundedReceiver<Vec<u8>>,
    batches: VecDeque<RecordBatch>,
    schema: SchemaRef,
    filters: Vec<Arc<dyn PhysicalExpr>>,
    /// The sieve last sent to the server.
    sieve: Option<Sieve>,
}

impl Open {
    fn begin(rows: &RemoteRows) -> Result<Open> {
        let (scan, frames) = rows.link.begin();
        let (link, schema, filters) = (rows.link.clone(), rows.schema.clone(), rows.filters.clone());
        let mut open = Open { scan, link, frames, batches: VecDeque::new(), schema, filters, sieve: None };
        let wanted = Scan {
            id: scan,
            table: rows.table.clone(),
            columns: rows.columns.clone(),
            from_us: rows.bounds.from,
            to_us: rows.bounds.to,
            limit: rows.limit,
            sieve: open.news()?,
        };
        open.say(&FromWorker::Scan(wanted))?;
        for _ in 1..SCAN_FRAMES {
            open.say(&FromWorker::Next { scan, sieve: None })?;
        }
        Ok(open)
    }

    fn say(&self, message: &FromWorker) -> Result<()> {
        self.link.send(message, Vec::new()).map_err(DataFusionError::IoError)
    }

    /// Returns the current sieve if it differs from the one last sent.
    fn news(&mut self) -> Result<Option<Sieve>> {
        if self.filters.is_empty() {
            return Ok(None);
        }
        let current: Vec<_> = self.filters.iter().cloned().map(snapshot_physical_expr).collect::<Result<_>>()?;
        let sieve = Sieve::of(&current, &self.schema);
        if sieve == self.sieve {
            return Ok(None);
        }
        self.sieve.clone_from(&sieve);
        Ok(sieve)
    }

    async fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.batches.pop_front() {
                // Use the declared schema, which differs from that of IPC only in details.
                let columns = batch.columns().to_vec();
                let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
                return Ok(Some(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?));
            }
            let Some(bytes) = self.frames.recv().await else { return Ok(None) };
            let sieve = self.news()?;
            self.say(&FromWorker::Next { scan: self.scan, sieve })?;
            let rows = rows_in(Buffer::from_vec(bytes));
            self.batches = rows.map_err(|error| exec_datafusion_err!("rows of a table: {error}"))?.1.into();
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.link.end(self.scan);
        // Ignore errors, because the server may be gone.
        let _gone = self.say(&FromWorker::Drop { scan: self.scan });
    }
}
