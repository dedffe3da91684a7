//! Reads parts of a table one after another, lazily.

use super::part::Stored;
use super::wanted::Wanted;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, Statistics, project_schema};
use datafusion::datasource::source::DataSource;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::coop::cooperative;
use datafusion::physical_plan::execution_plan::SchedulingType;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{DisplayFormatType, Partitioning};
use futures::stream::{self, StreamExt as _};
use std::fmt;
use std::sync::Arc;

/// Parts of a table with the columns and rows that a query asks for.
#[derive(Debug, Clone)]
pub(super) struct RowsSource {
    parts: Arc<[Stored]>,
    columns: Option<Arc<[usize]>>,
    /// Schema of these columns.
    schema: SchemaRef,
    wanted: Arc<Wanted>,
    /// Maximum number of rows to read.
    fetch: Option<usize>,
}

impl RowsSource {
    pub(super) fn new(
        parts: Vec<Stored>,
        schema: &SchemaRef,
        columns: Option<&Vec<usize>>,
        wanted: Wanted,
    ) -> Result<RowsSource> {
        Ok(RowsSource {
            parts: parts.into(),
            columns: columns.map(|columns| columns.as_slice().into()),
            schema: project_schema(schema, columns)?,
            wanted: Arc::new(wanted),
            fetch: None,
        })
    }
}

impl DataSource for RowsSource {
    fn open(&self, _partition: usize, _context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let Self { parts, columns, schema, wanted, fetch } = self.clone();
        let read = move |part: usize| Ok(parts[part].passing(columns.as_deref(), &wanted)?);
        let rows = stream::iter(0..self.parts.len()).filter_map(move |part| std::future::ready(read(part).transpose()));
        let limited = rows.scan(fetch.unwrap_or(usize::MAX), |left, rows| {
            let taken = (*left > 0).then(|| rows.map(|rows| rows.slice(0, rows.num_rows().min(*left))));
            *left -= taken.as_ref().and_then(|rows| rows.as_ref().ok()).map_or(0, RecordBatch::num_rows);
            std::future::ready(taken)
        });
        Ok(Box::pin(cooperative(RecordBatchStreamAdapter::new(schema, limited))))
    }

    fn fmt_as(&self, _kind: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "parts={}", self.parts.len())
    }

    fn output_partitioning(&self) -> Partitioning {
        Partitioning::UnknownPartitioning(1)
    }

    fn eq_properties(&self) -> EquivalenceProperties {
        EquivalenceProperties::new(self.schema.clone())
    }

    fn scheduling_type(&self) -> SchedulingType {
        SchedulingType::Cooperative
    }

    fn partition_statistics(&self, _partition: Option<usize>) -> Result<Arc<Statistics>> {
        let rows = self.parts.iter().map(Stored::rows).sum::<usize>().min(self.fetch.unwrap_or(usize::MAX));
        let num_rows = if self.wanted.is_all() { Precision::Exact(rows) } else { Precision::Inexact(rows) };
        Ok(Arc::new(Statistics { num_rows, ..Statistics::new_unknown(&self.schema) }))
    }

    fn with_fetch(&self, fetch: Option<usize>) -> Option<Arc<dyn DataSource>> {
        Some(Arc::new(RowsSource { fetch, ..self.clone() }))
    }

    fn fetch(&self) -> Option<usize> {
        self.fetch
    }

    fn try_swapping_with_projection(&self, _projection: &ProjectionExprs) -> Result<Option<Arc<dyn DataSource>>> {
        // The scan has the columns that the plan reads already.
        Ok(None)
    }

    fn apply_expressions(
        &self,
        _each: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }
}
