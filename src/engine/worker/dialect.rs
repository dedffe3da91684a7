//! How a wire reads statements. This is the place where a session gets what one wire has and the tables do not.

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

/// What a connection has set (`SET timezone = …`), by name.
pub type Settings = BTreeMap<String, String>;

/// A fault of a statement, for people and for clients.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlFault {
    /// The SQLSTATE, where the dialect has one.
    pub code: Option<String>,
    /// What is wrong.
    pub message: String,
    /// Where in the text, in characters from 1.
    pub position: Option<usize>,
}

impl SqlFault {
    /// A fault without a place.
    pub fn new(code: &str, message: impl Into<String>) -> SqlFault {
        SqlFault { code: Some(code.to_owned()), message: message.into(), position: None }
    }

    /// A fault that has no SQLSTATE.
    pub fn plain(message: impl Into<String>) -> SqlFault {
        SqlFault { code: None, message: message.into(), position: None }
    }
}

impl std::fmt::Display for SqlFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

/// What a session knows of a table besides its columns.
#[derive(Debug, Clone)]
pub struct TableAbout {
    /// Its name.
    pub name: String,
    /// What it holds, for people.
    pub doc: String,
    /// What its columns hold, in their order.
    pub column_docs: Vec<String>,
}

/// What a statement is.
#[derive(Debug, Clone)]
pub enum Meaning {
    /// A query.
    Query {
        /// Its plan, with placeholders for its parameters.
        plan: LogicalPlan,
        /// The types of `$1`, `$2`, …, where the plan tells them.
        parameters: Vec<Option<DataType>>,
    },
    /// A statement that the wire itself answers (`SET`, `BEGIN`, …).
    Said(serde_json::Value),
    /// What cannot be understood. Those before it in its text may be carried out.
    Failed(SqlFault),
}

/// How a wire reads statements; used in the worker alone. Nothing here needs to be bounded in time or memory.
#[async_trait]
pub trait Dialect: Send + Sync + 'static {
    /// Its name in a request.
    fn name(&self) -> &'static str;

    /// Adds catalogs and functions to a session that has the engine's functions, the tables, and the views over them.
    /// Once for each catalog.
    ///
    /// # Errors
    /// When something cannot be registered.
    fn extend(&self, context: &SessionContext, tables: &[TableAbout]) -> Result<()>;

    /// Applies what a connection has set.
    ///
    /// # Errors
    /// When a value cannot be used.
    fn apply(&self, _settings: &Settings, _config: &mut SessionConfig) -> Result<(), SqlFault> {
        Ok(())
    }

    /// Parses a text.
    ///
    /// # Errors
    /// When it does not parse.
    fn parse(&self, state: &SessionState, sql: &str) -> Result<Vec<Statement>, SqlFault>;

    /// Plans a statement.
    ///
    /// # Errors
    /// When it cannot be understood, or is not offered.
    async fn plan(&self, state: &SessionState, statement: Statement) -> Result<Meaning, SqlFault>;

    /// An error in the dialect's words.
    fn fault(&self, error: &DataFusionError) -> SqlFault;
}

/// Statements as `DataFusion` itself reads them, without parameters.
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
