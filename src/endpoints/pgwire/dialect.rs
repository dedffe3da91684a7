//! Parses statements of `PostgreSQL` clients, in a query worker. Queries over only catalogs are planned by [`pgcatalog`]; those
//! that read a table by `DataFusion`, which also has the catalogs as tables.

use super::copies;
use super::cursors;
use super::session_command::{self, Said};
use super::shared::CATALOG;
use super::text::{foreign, is_query, readable};
use super::{errors, functions, parameters, rows, syntax};
use crate::endpoints::pgcatalog::{self, Client, Planned as Cataloged, Reads, Snapshot, UserColumn, UserTable};
use crate::engine::{Dialect, Meaning, Settings, SqlFault, TableAbout, postgres};
use arrow::datatypes::Field;
use async_trait::async_trait;
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::TableType;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement as Planned;
use datafusion::sql::sqlparser::ast::Statement;
use futures::FutureExt as _;
use pgwire::api::Type;
use pgwire::error::{PgWireError, PgWireResult};
use std::sync::Arc;

/// Dialect of `PostgreSQL` clients.
#[derive(Default)]
pub struct PgDialect {}

impl PgDialect {
    /// Name of the dialect in a request.
    pub const NAME: &'static str = "postgres";
}

#[async_trait]
impl Dialect for PgDialect {
    fn name(&self) -> &'static str {
        PgDialect::NAME
    }

    fn extend(&self, context: &SessionContext, tables: &[TableAbout]) -> Result<()> {
        let snapshot = Arc::new(pgcatalog::snapshot(described(context, tables)));
        let state = context.state_ref();
        let mut state = state.write();
        let builder = SessionStateBuilder::new_from_existing(state.clone());
        *state = builder.with_query_planner(Arc::new(pgcatalog::Planner)).build();
        state.config_mut().set_extension(snapshot.clone());
        drop(state);
        if let Some(catalog) = context.catalog(CATALOG) {
            catalog.register_schema("pg_catalog", Arc::new(pgcatalog::Tables(snapshot)))?;
        }
        functions::register(context);
        Ok(())
    }

    fn apply(&self, settings: &Settings, config: &mut SessionConfig) -> Result<(), SqlFault> {
        if let Some(zone) = settings.get("timezone") {
            config.options_mut().execution.time_zone = Some(zone.clone());
        }
        config.set_extension(Arc::new(session_command::told(settings)));
        Ok(())
    }

    fn parse(&self, _state: &SessionState, sql: &str) -> Result<Vec<Planned>, SqlFault> {
        let statements = syntax::parse(sql).map_err(|error| errors::fault(errors::syntax(sql, &error.to_string())))?;
        Ok(statements.into_iter().map(|statement| Planned::Statement(Box::new(statement))).collect())
    }

    async fn plan(&self, state: &SessionState, statement: Planned) -> Result<Meaning, SqlFault> {
        plan(state, statement).await.map_err(errors::fault)
    }

    fn fault(&self, error: &DataFusionError) -> SqlFault {
        errors::fault(errors::datafusion(error))
    }
}

/// Describes the tables for the catalogs.
fn described(context: &SessionContext, about: &[TableAbout]) -> Vec<UserTable> {
    let Some(schema) = context.catalog(CATALOG).and_then(|catalog| catalog.schema("public")) else { return Vec::new() };
    let table = |name: String| {
        let provider = schema.table(&name).now_or_never()?.ok()??;
        let about = about.iter().find(|table| table.name == name);
        let docs = about.map(|table| table.column_docs.as_slice()).unwrap_or_default();
        let column = |(at, field): (usize, &Arc<Field>)| UserColumn {
            name: field.name().clone(),
            kind: kind(field),
            nullable: field.is_nullable(),
            doc: docs.get(at).cloned(),
        };
        let columns = provider.schema().fields().iter().enumerate().map(column).collect();
        let is_view = provider.table_type() == TableType::View;
        let definition = provider.get_table_definition().map(str::to_owned);
        Some(UserTable { is_view, definition, doc: about.map(|table| table.doc.clone()), columns, name })
    };
    schema.table_names().into_iter().filter_map(table).collect()
}

/// Returns the type oid of a column on the wire.
fn kind(field: &Arc<Field>) -> u32 {
    let kind = if foreign(field.data_type()) { None } else { rows::kind(field).ok() };
    kind.unwrap_or(Type::JSON).oid()
}

async fn plan(state: &SessionState, statement: Planned) -> PgWireResult<Meaning> {
    let Planned::Statement(mut statement) = statement else { return Err(errors::user("0A000", "not offered")) };
    let said = match &*statement {
        Statement::Declare { .. } | Statement::Fetch { .. } => Some(cursors::read(&statement)?.into()),
        Statement::Copy { to: true, .. } => {
            let (query, form) = copies::read(&statement)?;
            Some(Said::Copy(query, form))
        }
        other => Said::of(other),
    };
    if let Some(said) = said {
        let said = serde_json::to_value(said).map_err(|error| errors::user("XX000", error.to_string()))?;
        return Ok(Meaning::Said(said));
    }
    if let Some(refusal) = refusal(&statement) {
        return Err(refusal);
    }
    let snapshot = state.config().get_extension::<Snapshot>();
    let client = state.config().get_extension::<Client>().unwrap_or_default();
    if let Some(snapshot) = snapshot {
        if let Some(meaning) = cataloged(&snapshot, &client, &statement)? {
            return Ok(meaning);
        }
        syntax::rewrite(&mut statement, &snapshot, &client);
    }
    let mut statement = Planned::Statement(statement);
    postgres::rewrite(&mut statement);
    let plan = state.statement_to_plan(statement).await.map_err(|error| errors::datafusion(&error))?;
    let plan = readable(plan).map_err(|error| errors::datafusion(&error))?;
    if !is_query(&plan) {
        return Err(errors::user("25006", format!("cannot execute {} in a read-only server", plan.display())));
    }
    let parameters = parameters::inferred(&plan)?;
    Ok(Meaning::Query { plan, parameters })
}

/// Plans a query that reads catalogs and no tables.
fn cataloged(snapshot: &Arc<Snapshot>, client: &Arc<Client>, statement: &Statement) -> PgWireResult<Option<Meaning>> {
    let Statement::Query(query) = statement else { return Ok(None) };
    let reads = pgcatalog::reads(query, snapshot);
    if reads == Reads::Tables {
        return Ok(None);
    }
    match Cataloged::new(snapshot.clone(), client, query, &[]) {
        Ok(planned) => {
            let (plan, parameters) =
                pgcatalog::plan(planned, client.clone()).map_err(|error| errors::datafusion(&error))?;
            Ok(Some(Meaning::Query { plan, parameters }))
        }
        // Without relations, `DataFusion` may still know all functions of the query.
        Err(fault) if reads == Reads::Functions && matches!(fault.code, "42883" | "0A000" | "42703") => Ok(None),
        Err(fault) => Err(errors::user(fault.code, fault.message)),
    }
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
        Statement::Prepare { .. } | Statement::Execute { .. } => {
            let message =
                "statements that are prepared in SQL are not offered: the driver's own prepared statements are";
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
