//! Layer 4: SQL over HTTP and the Postgres wire, findings, health. It does not know how tables are stored.

pub mod health;
pub mod http;
pub mod pgwire;

mod ending;
mod work;

#[cfg(test)]
mod testing;

use crate::engine::{QueryAnswer, QueryError};
use crate::model::finding::Finding;
use crate::model::pipeline::PipelineDef;
use crate::model::table::TableDef;
use async_trait::async_trait;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use std::sync::Arc;

/// What the endpoints ask.
#[async_trait]
pub trait QueryService: Send + Sync {
    /// Answers a statement that only reads, within the limits.
    async fn query(&self, sql: &str) -> Result<QueryAnswer, QueryError>;

    /// Runs a plan that only reads, within the limits.
    async fn execute(&self, plan: LogicalPlan) -> Result<QueryAnswer, QueryError>;

    /// A session over all tables, for planning alone.
    fn session(&self) -> SessionContext;

    /// Bytes that a statement may have, where an endpoint plans it and [`QueryService::query`] does not see it.
    fn sql_bytes_max(&self) -> usize {
        crate::engine::QueryLimits::default().sql_bytes_max
    }

    /// All judged keys, those firing first.
    fn findings(&self) -> Arc<Vec<Finding>>;

    /// The tables.
    fn tables(&self) -> Vec<TableDef>;

    /// The pipelines.
    fn pipelines(&self) -> Vec<PipelineDef>;

    /// Each component and whether it is well.
    fn health(&self) -> Vec<(String, Result<(), String>)>;
}
