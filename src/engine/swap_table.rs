//! Tables with exchangeable rows, for statements that run repeatedly.

use super::outcome::Outcome;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNode as _, TreeNodeRecursion};
use datafusion::datasource::source_as_provider;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, LogicalPlan, TableType, Volatility};
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{ExecutionPlan, collect};
use parking_lot::Mutex;
use std::sync::Arc;

/// The current rows of a table.
#[derive(Debug, Clone, Default)]
pub(crate) struct SwapTable(Arc<Mutex<Vec<RecordBatch>>>);

impl SwapTable {
    /// Replaces the rows.
    pub(crate) fn fill(&self, batches: Vec<RecordBatch>) {
        *self.0.lock() = batches;
    }

    /// Returns the slot as a table.
    pub(crate) fn table(&self, schema: SchemaRef) -> Arc<dyn TableProvider> {
        Arc::new(SlotTable(Shown { slot: self.clone(), schema }))
    }

    /// Returns the rows.
    pub(crate) fn batches(&self) -> Vec<RecordBatch> {
        self.0.lock().clone()
    }

    fn rows(&self) -> usize {
        self.0.lock().iter().map(RecordBatch::num_rows).sum()
    }
}

/// A slot as a table. Reads the rows when a plan runs, not when it is planned, so that one plan serves many runs.
#[derive(Debug)]
struct SlotTable(Shown);

#[derive(Debug, Clone)]
struct Shown {
    slot: SwapTable,
    schema: SchemaRef,
}

#[async_trait]
impl TableProvider for SlotTable {
    fn schema(&self) -> SchemaRef {
        self.0.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let rows: Arc<dyn PartitionStream> = Arc::new(self.0.clone());
        let schema = self.0.schema.clone();
        Ok(Arc::new(StreamingTableExec::try_new(schema, vec![rows], projection, [], false, limit)?))
    }
}

impl PartitionStream for Shown {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batches = futures::stream::iter(self.slot.batches().into_iter().map(Ok));
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), batches))
    }
}

/// Returns whether a plan has only functions whose result depends on their arguments alone. Planning replaces others, such as
/// `now()`, by the value at the time of planning.
pub(crate) fn is_immutable(plan: &LogicalPlan) -> Result<bool> {
    let mut is_immutable = true;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                if let Expr::ScalarFunction(call) = part {
                    is_immutable &= call.func.signature().volatility == Volatility::Immutable;
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(is_immutable)
}

/// A physical plan that runs repeatedly over the current rows of its slots. Planning takes milliseconds, more than most runs.
#[derive(Debug)]
pub(crate) struct Repeated {
    plan: Arc<dyn ExecutionPlan>,
    /// One slot for each read of a table.
    slots: Vec<SwapTable>,
}

impl Repeated {
    /// Makes a plan repeatable; `None` if a later run could need a different plan.
    pub(crate) fn of(logical: &LogicalPlan, plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Repeated>> {
        let mut slots = Vec::new();
        let mut lasts = true;
        logical.apply_with_subqueries(|node| {
            match node {
                LogicalPlan::TableScan(scan) => {
                    let provider = source_as_provider(&scan.source)?;
                    match provider.downcast_ref::<SlotTable>() {
                        Some(table) => slots.push(table.0.slot.clone()),
                        None => lasts = false,
                    }
                }
                LogicalPlan::RecursiveQuery(_) => lasts = false,
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        let lasts = lasts && is_immutable(logical)?;
        Ok(lasts.then(|| Repeated { plan: plan.clone(), slots }))
    }

    /// Runs the plan.
    pub(crate) async fn run(&self, task: Arc<TaskContext>) -> Result<Outcome> {
        let rows_read = self.slots.iter().map(SwapTable::rows).sum::<usize>() as u64;
        let batches = collect(reset_plan_states(self.plan.clone())?, task).await?;
        Ok(Outcome { batches, rows_read })
    }
}
