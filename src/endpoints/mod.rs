//! Layer 4: SQL over HTTP and the Postgres wire, findings, health. It does not know how tables are stored.

pub mod health;
pub mod http;
pub mod pgwire;

mod ending;
mod work;

#[cfg(test)]
mod testing;

use crate::engine::{QueryAnswer, QueryError, QueryLimits, Workers};
use crate::model::finding::Finding;
use crate::model::pipeline::PipelineDef;
use crate::model::table::TableDef;
use async_trait::async_trait;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use std::sync::Arc;
use std::time::Duration;

/// How long a client may read nothing of what is sent to it, on any wire.
const STALL: Duration = Duration::from_mins(1);

/// What the endpoints ask.
#[async_trait]
pub trait QueryService: Send + Sync {
    /// Answers a statement that only reads, within the limits.
    async fn query(&self, sql: &str) -> Result<QueryAnswer, QueryError>;

    /// Runs a plan that only reads, within the limits.
    async fn execute(&self, plan: LogicalPlan) -> Result<QueryAnswer, QueryError>;

    /// A session over all tables, for planning alone.
    fn session(&self) -> SessionContext;

    /// The threads on which an endpoint reads statements itself, where [`QueryService::query`] does not see them.
    fn workers(&self) -> &Workers;

    /// What one query may take.
    fn limits(&self) -> QueryLimits;

    /// All judged keys, those firing first.
    fn findings(&self) -> Arc<Vec<Finding>>;

    /// The tables.
    fn tables(&self) -> Vec<TableDef>;

    /// The pipelines.
    fn pipelines(&self) -> Vec<PipelineDef>;

    /// What listens where, for people: `OTLP/gRPC (otlp)`, `127.0.0.1:4317`.
    fn listening(&self) -> Vec<(String, String)>;

    /// Each component and whether it is well.
    fn health(&self) -> Vec<(String, Result<(), String>)>;
}
