//! How the Postgres wire reads statements: in a query worker, as Postgres's clients write them, beside Postgres's catalog.

use super::said::Said;
use super::text::{is_query, readable};
use super::{catalog, errors, functions, parameters};
use crate::engine::{Dialect, Meaning, Settings, SqlFault, TableAbout};
use async_trait::async_trait;
use datafusion::common::{DataFusionError, Result};
use datafusion::execution::SessionState;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement as Planned;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion_postgres::datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use datafusion_postgres::pgwire::error::{PgWireError, PgWireResult};

/// Statements of Postgres's clients.
pub struct PgDialect {
    sql: PostgresCompatibilityParser,
}

impl PgDialect {
    /// Its name in a request.
    pub const NAME: &'static str = "postgres";
}

impl Default for PgDialect {
    fn default() -> Self {
        PgDialect { sql: PostgresCompatibilityParser::new() }
    }
}

#[async_trait]
impl Dialect for PgDialect {
    fn name(&self) -> &'static str {
        PgDialect::NAME
    }

    fn extend(&self, context: &SessionContext, _tables: &[TableAbout]) -> Result<()> {
        catalog::register(context)?;
        functions::register(context);
        Ok(())
    }

    async fn settle(&self, context: &SessionContext) -> Result<()> {
        catalog::number(context).await
    }

    fn apply(&self, settings: &Settings, config: &mut SessionConfig) -> Result<(), SqlFault> {
        if let Some(zone) = settings.get("timezone") {
            config.options_mut().execution.time_zone = Some(zone.clone());
        }
        Ok(())
    }

    fn parse(&self, _state: &SessionState, sql: &str) -> Result<Vec<Planned>, SqlFault> {
        let statements = self.sql.parse(sql).map_err(|error| errors::fault(errors::syntax(sql, &error.to_string())))?;
        Ok(statements.into_iter().map(|statement| Planned::Statement(Box::new(statement))).collect())
    }

    async fn plan(&self, state: &SessionState, statement: Planned) -> Result<Meaning, SqlFault> {
        plan(state, statement).await.map_err(errors::fault)
    }

    fn fault(&self, error: &DataFusionError) -> SqlFault {
        errors::fault(errors::datafusion(error))
    }
}

async fn plan(state: &SessionState, statement: Planned) -> PgWireResult<Meaning> {
    let Planned::Statement(statement) = statement else { return Err(errors::user("0A000", "not offered")) };
    if let Some(said) = Said::of(&statement) {
        let said = serde_json::to_value(said).map_err(|error| errors::user("XX000", error.to_string()))?;
        return Ok(Meaning::Said(said));
    }
    if let Some(refusal) = refusal(&statement) {
        return Err(refusal);
    }
    let statement = Planned::Statement(statement);
    let plan = state.statement_to_plan(statement).await.map_err(|error| errors::datafusion(&error))?;
    let plan = readable(plan).map_err(|error| errors::datafusion(&error))?;
    if !is_query(&plan) {
        return Err(errors::user("25006", format!("cannot execute {} in a read-only server", plan.display())));
    }
    let parameters = parameters::inferred(&plan)?;
    Ok(Meaning::Query { plan, parameters })
}

fn refusal(statement: &Statement) -> Option<PgWireError> {
    match statement {
        Statement::Query(_)
        | Statement::Explain { .. }
        | Statement::ExplainTable { .. }
        | Statement::ShowTables { .. }
        | Statement::ShowColumns { .. }
        | Statement::ShowFunctions { .. }
        | Statement::ShowDatabases { .. }
        | Statement::ShowSchemas { .. } => None,
        Statement::Declare { .. } | Statement::Fetch { .. } | Statement::Prepare { .. } | Statement::Execute { .. } => {
            let message = "cursors and statements that are prepared in SQL are not offered: the driver's own prepared \
                           statements and fetch sizes are";
            Some(errors::user("0A000", message))
        }
        other => {
            let text = other.to_string();
            let mut words = text.split_whitespace().map(str::to_uppercase);
            let first = words.next().unwrap_or_default();
            let more = matches!(first.as_str(), "CREATE" | "DROP" | "ALTER").then(|| words.next()).flatten();
            let verb = more.map_or(first.clone(), |second| format!("{first} {second}"));
            Some(errors::user("25006", format!("cannot execute {verb} in a read-only server")))
        }
    }
}
