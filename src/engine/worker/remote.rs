//! The server's tables as a worker sees them: a running plan requests rows as it consumes them.

use super::link::Link;
use super::remote_scan::{RemoteRows, RemoteScan};
use crate::store::TimeBounds;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use std::sync::Arc;

/// A table of the server.
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
            schema,
            link: self.link.clone(),
            filters: Vec::new(),
            // Filters are applied in the worker, so `limit` rows may not be enough.
            limit: if filters.is_empty() { limit } else { None },
        };
        Ok(Arc::new(RemoteScan::new(rows)))
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}
