//! Layer 4: SQL over HTTP and the Postgres wire, findings, health. It does not know how tables are stored.

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

/// How long a client may read nothing of what is sent to it, on any wire.
const STALL: Duration = Duration::from_mins(1);

/// What the endpoints ask.
#[async_trait]
pub trait QueryService: Send + Sync {
    /// What the statements of a text are. Texts are parsed and planned where queries run, in processes of their own: never
    /// by an endpoint.
    async fn read(&self, request: &Request) -> Result<Vec<Read>, QueryError>;

    /// The columns that an answer would have.
    async fn describe(&self, request: &Request) -> Result<SchemaRef, QueryError>;

    /// Answers a query, bit by bit: the next rows are made when they are asked for, and whoever drops the answer ends the
    /// query.
    async fn run(&self, request: &Request) -> Result<Answer, QueryError>;

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

    /// What is still going on since the start, though all is well.
    fn catching_up(&self) -> Option<String>;
}
