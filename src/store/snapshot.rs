//! A table that reads its rows at query time, so that each query sees one consistent snapshot.

use super::held::Condition;
use super::packed::Packed;
use super::part::{Part, Stored};
use super::rows_source::RowsSource;
use super::wanted::{TimeBounds, Wanted};
use crate::model::null_columns::NullColumns;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::datasource::source::DataSourceExec;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use std::fmt;
use std::sync::Arc;

type Take = dyn Fn() -> Vec<Stored> + Send + Sync;

/// The table. Rows that cannot pass the query's filters are skipped, if that is known without reading them.
pub struct SnapshotTable {
    schema: SchemaRef,
    time_column: Option<String>,
    take: Arc<Take>,
}

impl SnapshotTable {
    /// Creates a table that calls `take` for its rows at each query.
    pub fn new(
        schema: SchemaRef,
        time_column: Option<&str>,
        take: impl Fn() -> Vec<Arc<Part>> + Send + Sync + 'static,
    ) -> SnapshotTable {
        SnapshotTable::stored(schema, time_column, move || take().into_iter().map(Stored::Open).collect())
    }

    /// Creates a table without a time column that calls `take` for its rows at each query, and packs them until they are read.
    pub fn packed<I: Iterator<Item = RecordBatch>>(
        schema: SchemaRef,
        take: impl Fn() -> I + Send + Sync + 'static,
    ) -> SnapshotTable {
        let nulls = Arc::new(NullColumns::new(schema.clone()));
        let pack = move |batch: RecordBatch| Stored::Packed(Arc::new(Packed::new(&batch, None, &nulls)));
        SnapshotTable::stored(schema, None, move || take().map(&pack).collect())
    }

    /// Creates a table like [`SnapshotTable::new`] whose rows may be packed.
    pub(super) fn stored(
        schema: SchemaRef,
        time_column: Option<&str>,
        take: impl Fn() -> Vec<Stored> + Send + Sync + 'static,
    ) -> SnapshotTable {
        SnapshotTable { schema, time_column: time_column.map(str::to_owned), take: Arc::new(take) }
    }

    /// Returns the column that time filters use.
    #[must_use]
    pub fn time_column(&self) -> Option<&str> {
        self.time_column.as_deref()
    }

    /// Returns its current rows, without the parts that have none within the bounds.
    pub fn parts(&self, bounds: TimeBounds) -> impl Iterator<Item = Stored> + use<> {
        (self.take)().into_iter().filter(move |part| part.may_hold(bounds))
    }

    /// Returns whether no current row can pass the filters.
    #[must_use]
    pub fn holds_none(&self, filters: &[Expr]) -> bool {
        let wanted = self.wanted(filters);
        !self.parts(wanted.bounds).any(|part| part.may_pass(&wanted.conditions))
    }

    fn wanted(&self, filters: &[Expr]) -> Wanted {
        let bounds = self.time_column().map(|column| TimeBounds::of(filters, column)).unwrap_or_default();
        Wanted { bounds, conditions: Condition::among(filters, |name| self.schema.index_of(name).ok()) }
    }

    /// Returns its current rows part by part, lazily.
    pub fn rows(&self) -> impl Iterator<Item = Result<RecordBatch>> + use<> {
        self.parts(TimeBounds::default()).map(|part| Ok(part.read(None)?))
    }
}

impl fmt::Debug for SnapshotTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotTable").field("time_column", &self.time_column).finish_non_exhaustive()
    }
}

#[async_trait]
impl TableProvider for SnapshotTable {
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
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let wanted = self.wanted(filters);
        let parts = self.parts(wanted.bounds).filter(|part| part.may_pass(&wanted.conditions)).collect();
        let source = RowsSource::new(parts, &self.schema, projection, wanted)?;
        Ok(DataSourceExec::from_data_source(source))
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}
