//! Dialects: how a wire protocol parses and plans statements, and what it adds to a session beyond the tables.

use crate::engine::postgres;
use arrow::datatypes::DataType;
use async_trait::async_trait;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Settings of a connection (`SET timezone = …`), by name.
pub type Settings = BTreeMap<String, String>;

/// An error in a statement, for users and clients.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlFault {
    /// SQLSTATE, if the dialect has one.
    pub code: Option<String>,
    /// Error message.
    pub message: String,
    /// Position in the text, in characters from 1.
    pub position: Option<usize>,
}

impl SqlFault {
    /// Creates an error without a position.
    pub fn new(code: &str, message: impl Into<String>) -> SqlFault {
        SqlFault { code: Some(code.to_owned()), message: message.into(), position: None }
    }

    /// Creates an error without an SQLSTATE.
    pub fn plain(message: impl Into<String>) -> SqlFault {
        SqlFault { code: None, message: message.into(), position: None }
    }
}

impl std::fmt::Display for SqlFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

/// Description of a table in a session.
#[derive(Debug, Clone)]
pub struct TableAbout {
    /// Its name.
    pub name: String,
    /// Description.
    pub doc: String,
    /// Descriptions of the columns, in their order.
    pub column_docs: Vec<String>,
}

/// A planned statement.
#[derive(Debug, Clone)]
pub enum Meaning {
    /// A query.
    Query {
        /// Its plan, with placeholders for its parameters.
        plan: LogicalPlan,
        /// Types of `$1`, `$2`, …, as far as the plan determines them.
        parameters: Vec<Option<DataType>>,
    },
    /// A statement that the wire protocol itself answers (`SET`, `BEGIN`, …).
    Said(serde_json::Value),
    /// An invalid statement. Those before it in the text may be run.
    Failed(SqlFault),
}

/// Dialect of a wire protocol; used only in workers. Implementations need no limits on time or memory.
#[async_trait]
pub trait Dialect: Send + Sync + 'static {
    /// Its name in a request.
    fn name(&self) -> &'static str;

    /// Adds catalogs and functions to a session with the engine's functions, the tables, and the views over them.
    /// Called once per catalog.
    ///
    /// # Errors
    /// Returns an error if something cannot be registered.
    fn extend(&self, context: &SessionContext, tables: &[TableAbout]) -> Result<()>;

    /// Applies the settings of a connection.
    ///
    /// # Errors
    /// Returns an error if a value is invalid.
    fn apply(&self, _settings: &Settings, _config: &mut SessionConfig) -> Result<(), SqlFault> {
        Ok(())
    }

    /// Parses a text.
    ///
    /// # Errors
    /// Returns an error if it does not parse.
    fn parse(&self, state: &SessionState, sql: &str) -> Result<Vec<Statement>, SqlFault>;

    /// Plans a statement.
    ///
    /// # Errors
    /// Returns an error if the statement is invalid or not supported.
    async fn plan(&self, state: &SessionState, statement: Statement) -> Result<Meaning, SqlFault>;

    /// Converts an error to one of the dialect.
    fn fault(&self, error: &DataFusionError) -> SqlFault;
}

/// SQL as `DataFusion` itself parses it, without parameters.
pub struct Plain;

impl Plain {
    /// Its name in a request.
    pub const NAME: &'static str = "plain";
}

#[async_trait]
impl Dialect for Plain {
    fn name(&self) -> &'static str {
        Plain::NAME
    }

    fn extend(&self, _context: &SessionContext, _tables: &[TableAbout]) -> Result<()> {
        Ok(())
    }

    fn parse(&self, state: &SessionState, sql: &str) -> Result<Vec<Statement>, SqlFault> {
        let dialect = state.config_options().sql_parser.dialect;
        state.sql_to_statement(sql, &dialect).map(|statement| vec![statement]).map_err(|error| self.fault(&error))
    }

    async fn plan(&self, state: &SessionState, mut statement: Statement) -> Result<Meaning, SqlFault> {
        postgres::rewrite(&mut statement);
        let plan = state.statement_to_plan(statement).await.map_err(|error| self.fault(&error))?;
        Ok(Meaning::Query { plan, parameters: Vec::new() })
    }

    fn fault(&self, error: &DataFusionError) -> SqlFault {
        SqlFault::plain(crate::engine::error_text::line(error))
    }
}
