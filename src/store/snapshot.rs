//! A table that reads its rows at query time, so that each query sees one consistent snapshot.

use super::held::{Condition, Held};
use arrow::array::AsArray as _;
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, ScalarValue};
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use std::fmt;
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
        let span_us = time_column.and_then(|name| {
            let times = batch.column_by_name(name)?.as_primitive_opt::<TimestampMicrosecondType>()?;
            Some((arrow::compute::min(times)?, arrow::compute::max(times)?))
        });
        Arc::new(Part { batch, span_us, held: Held::default() })
    }
}

type Take = dyn Fn() -> Vec<Arc<Part>> + Send + Sync;

/// The table. Parts in which no row can pass the query's filters are skipped.
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
        SnapshotTable { schema, time_column: time_column.map(str::to_owned), take: Arc::new(take) }
    }
}

impl SnapshotTable {
    /// Sets the column that time filters use.
    #[must_use]
    pub fn time_column(&self) -> Option<&str> {
        self.time_column.as_deref()
    }

    /// Returns its current rows, without the parts that have none within the bounds.
    #[must_use]
    pub fn batches(&self, bounds: TimeBounds) -> Vec<RecordBatch> {
        self.parts(bounds).map(|part| part.batch.clone()).collect()
    }

    fn parts(&self, bounds: TimeBounds) -> impl Iterator<Item = Arc<Part>> {
        (self.take)().into_iter().filter(move |part| part.span_us.is_none_or(|span| bounds.may_hold(span)))
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
        let bounds = self.time_column().map(|column| TimeBounds::of(filters, column)).unwrap_or_default();
        let conditions = Condition::among(filters, |name| self.schema.index_of(name).ok());
        let parts = self.parts(bounds).filter(|part| part.held.may_pass(&part.batch, &conditions));
        let batches = parts.map(|part| part.batch.clone()).collect();
        Ok(MemorySourceConfig::try_new_exec(&[batches], self.schema.clone(), projection.cloned())?)
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}

/// Time bounds of a query's filters, in microseconds, inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeBounds {
    /// Least time of the rows.
    pub from: i64,
    /// Greatest time of the rows.
    pub to: i64,
}

impl Default for TimeBounds {
    fn default() -> Self {
        TimeBounds { from: i64::MIN, to: i64::MAX }
    }
}

impl TimeBounds {
    /// Returns the bounds that filters set on a column.
    #[must_use]
    pub fn of(filters: &[Expr], column: &str) -> TimeBounds {
        let mut bounds = TimeBounds::default();
        filters.iter().for_each(|filter| bounds.narrow(filter, column));
        bounds
    }

    fn narrow(&mut self, filter: &Expr, column: &str) {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = filter else { return };
        if *op == Operator::And {
            self.narrow(left, column);
            self.narrow(right, column);
            return;
        }
        let (op, time) = match (&**left, &**right) {
            (Expr::Column(name), other) if name.name == column => (*op, micros(other)),
            (other, Expr::Column(name)) if name.name == column => match op.swap() {
                Some(op) => (op, micros(other)),
                None => return,
            },
            _ => return,
        };
        let Some(time) = time else { return };
        match op {
            Operator::Gt | Operator::GtEq => self.from = self.from.max(time),
            Operator::Lt | Operator::LtEq => self.to = self.to.min(time),
            Operator::Eq => {
                self.from = self.from.max(time);
                self.to = self.to.min(time);
            }
            _ => {}
        }
    }

    fn may_hold(&self, (least, greatest): (i64, i64)) -> bool {
        greatest >= self.from && least <= self.to
    }
}

fn micros(expression: &Expr) -> Option<i64> {
    match expression {
        Expr::Literal(ScalarValue::TimestampMicrosecond(time, _), _) => *time,
        Expr::Literal(ScalarValue::TimestampNanosecond(time, _), _) => time.map(|time| time / 1000),
        Expr::Literal(ScalarValue::TimestampMillisecond(time, _), _) => time.map(|time| time.saturating_mul(1000)),
        _ => None,
    }
}
