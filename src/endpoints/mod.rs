//! Layer 4: SQL over HTTP and the Postgres wire, findings, health. Independent of how tables are stored.

pub mod health;
pub mod http;
pub mod pgwire;

mod graceful_shutdown;
mod pgcatalog;
mod query_span;

#[cfg(test)]
mod testing;

use crate::engine::{Answer, QueryError, QueryLimits, Read, Request};
use crate::model::finding::Finding;
use crate::model::pipeline::PipelineDef;
use crate::model::table::TableDef;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;

/// Timeout for a client that does not read what is sent, on any protocol.
const STALL: Duration = Duration::from_mins(1);

/// Services that the endpoints depend on.
#[async_trait]
pub trait QueryService: Send + Sync {
    /// Parses and plans the statements of a text. Runs in the worker processes of queries, never in an endpoint.
    async fn read(&self, request: &Request) -> Result<Vec<Read>, QueryError>;

    /// Returns the columns of a query's result.
    async fn describe(&self, request: &Request) -> Result<SchemaRef, QueryError>;

    /// Runs a query. Rows are produced as they are read; dropping the answer cancels the query.
    async fn run(&self, request: &Request) -> Result<Answer, QueryError>;

    /// Returns the limits of a query.
    fn limits(&self) -> QueryLimits;

    /// Returns all evaluated keys, firing ones first.
    fn findings(&self) -> Arc<Vec<Finding>>;

    /// Returns the tables.
    fn tables(&self) -> Vec<TableDef>;

    /// Returns the pipelines.
    fn pipelines(&self) -> Vec<PipelineDef>;

    /// Returns all listeners with protocol and address, for people: `OTLP/gRPC (otlp)`, `127.0.0.1:4317`.
    fn listening(&self) -> Vec<(String, String)>;

    /// Returns the health of each component.
    fn health(&self) -> Vec<(String, Result<(), String>)>;

    /// Returns which startup work is still in progress, while all components are healthy.
    fn catching_up(&self) -> Option<String>;
}
