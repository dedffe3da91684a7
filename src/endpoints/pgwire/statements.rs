//! Statements: parsed, told apart, planned, and their parameters put in.

use super::parameters::{self, Sent};
use super::said::Said;
use super::text::{is_query, readable};
use super::{Shared, errors};
use crate::engine::{Reader, shape};
use crate::model::own::WORK;
use arrow::datatypes::DataType;
use async_trait::async_trait;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement as Planned;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::{Dialect, PostgreSqlDialect};
use datafusion_postgres::pgwire::api::portal::{Format, Portal};
use datafusion_postgres::pgwire::api::results::{FieldFormat, FieldInfo};
use datafusion_postgres::pgwire::api::stmt::QueryParser;
use datafusion_postgres::pgwire::api::{ClientInfo, Type};
use datafusion_postgres::pgwire::error::{PgWireError, PgWireResult};
use datafusion_postgres::pgwire::types::format::FormatOptions;
use std::sync::Arc;

/// A statement, ready to be answered.
#[derive(Debug, Clone)]
pub(super) enum Prepared {
    /// Of the session.
    Said(Said),
    /// A query; what of it is not one, the service refuses.
    Query(Arc<Query>),
}

/// A planned query.
#[derive(Debug)]
pub(super) struct Query {
    /// What is asked, without its literals, where own telemetry wants it.
    pub(super) shape: Option<String>,
    plan: LogicalPlan,
    /// Types of its parameters, where the plan tells them.
    inferred: Vec<Option<DataType>>,
}

/// The statements of a text, planned.
pub(super) async fn prepare(shared: &Arc<Shared>, sql: &str) -> PgWireResult<Vec<Prepared>> {
    let (service, reader) = (&shared.service, PgReader { shared: shared.clone(), context: shared.context()? });
    service.workers().read(Arc::new(reader), sql.to_owned(), service.limits()).await
}

/// Statements as Postgres's clients write them.
struct PgReader {
    shared: Arc<Shared>,
    context: SessionContext,
}

impl Reader for PgReader {
    type Read = Prepared;
    type Error = PgWireError;

    fn dialect(&self) -> &dyn Dialect {
        &PostgreSqlDialect {}
    }

    fn parse(&self, sql: &str) -> PgWireResult<Vec<Planned>> {
        let statements = self.shared.sql.parse(sql).map_err(|error| errors::syntax(sql, &error.to_string()))?;
        Ok(statements.into_iter().map(|statement| Planned::Statement(Box::new(statement))).collect())
    }

    async fn plan(&self, statement: Planned) -> PgWireResult<Prepared> {
        let Planned::Statement(statement) = statement else { return Err(errors::user("0A000", "not offered")) };
        if let Some(said) = Said::of(&statement) {
            return Ok(Prepared::Said(said));
        }
        if let Some(refusal) = refusal(&statement) {
            return Err(refusal);
        }
        let shape = tracing::enabled!(target: WORK, tracing::Level::INFO).then(|| shape(&statement.to_string()));
        let statement = Planned::Statement(statement);
        let plan =
            self.context.state().statement_to_plan(statement).await.map_err(|error| errors::datafusion(&error))?;
        let plan = readable(plan).map_err(|error| errors::datafusion(&error))?;
        if !is_query(&plan) {
            return Err(errors::user("25006", format!("cannot execute {} in a read-only server", plan.display())));
        }
        let inferred = parameters::inferred(&plan)?;
        Ok(Prepared::Query(Arc::new(Query { shape, plan, inferred })))
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

impl Query {
    /// The types of the parameters on the wire.
    fn wire_types(&self, said: &[Option<Type>]) -> Vec<Type> {
        (0..self.inferred.len()).map(|at| parameters::wire_type(of(said, at), self.inferred(at))).collect()
    }

    fn inferred(&self, at: usize) -> Option<&DataType> {
        self.inferred.get(at).and_then(Option::as_ref)
    }

    /// The plan with NULL for each parameter: it has the columns of any answer.
    pub(super) fn described(&self, said: &[Option<Type>]) -> PgWireResult<LogicalPlan> {
        self.with((0..self.inferred.len()).map(|at| parameters::null(of(said, at), self.inferred(at))).collect())
    }

    /// The plan with what a client has bound.
    pub(super) fn bound(&self, portal: &Portal<Prepared>) -> PgWireResult<LogicalPlan> {
        let (expected, found) = (self.inferred.len(), portal.parameters.len());
        // A client may name the type of a parameter that is not there, and then sends it.
        if found < expected {
            return Err(errors::user("08P01", format!("expected {expected} parameters, found {found}")));
        }
        let said = &portal.statement.parameter_types;
        let value = |at: usize| match portal.parameters.get(at).and_then(Option::as_ref) {
            None => Ok(parameters::null(of(said, at), self.inferred(at))),
            Some(bytes) => {
                let (said, inferred) = (of(said, at), self.inferred(at));
                Sent { number: at + 1, bytes, binary: is_binary(&portal.parameter_format, at), said, inferred }.read()
            }
        };
        self.with((0..expected).map(value).collect::<PgWireResult<_>>()?)
    }

    fn with(&self, values: Vec<ScalarValue>) -> PgWireResult<LogicalPlan> {
        if values.is_empty() {
            return Ok(self.plan.clone());
        }
        let bound = self.plan.clone().replace_params_with_values(&values.into());
        bound.map_err(|error| errors::datafusion(&error))
    }
}

fn of(types: &[Option<Type>], at: usize) -> Option<&Type> {
    types.get(at).and_then(Option::as_ref)
}

fn is_binary(format: &Format, at: usize) -> bool {
    match format {
        Format::UnifiedText => false,
        Format::UnifiedBinary => true,
        Format::Individual(codes) => codes.get(at) == Some(&1),
    }
}

/// Prepares what comes over the extended protocol.
pub(super) struct Preparer(pub(super) Arc<Shared>);

#[async_trait]
impl QueryParser for Preparer {
    type Statement = Prepared;

    async fn parse_sql<C>(&self, _client: &C, sql: &str, _types: &[Option<Type>]) -> PgWireResult<Option<Prepared>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        let mut statements = prepare(&self.0, sql).await?;
        if statements.len() > 1 {
            return Err(errors::user("42601", "cannot insert multiple commands into a prepared statement"));
        }
        Ok(statements.pop())
    }

    fn get_parameter_types(&self, statement: &Prepared) -> PgWireResult<Vec<Type>> {
        Ok(match statement {
            Prepared::Said(_) => Vec::new(),
            Prepared::Query(query) => query.wire_types(&[]),
        })
    }

    fn get_result_schema(&self, statement: &Prepared, format: Option<&Format>) -> PgWireResult<Vec<FieldInfo>> {
        let format = format.unwrap_or(&Format::UnifiedText);
        match statement {
            Prepared::Said(said) => Ok(said.fields(first(format))),
            Prepared::Query(query) => {
                let plan = query.described(&[])?;
                super::rows::fields(plan.schema().as_arrow(), format, &Arc::new(FormatOptions::default()))
            }
        }
    }
}

/// The format of the only column.
pub(super) fn first(format: &Format) -> FieldFormat {
    if is_binary(format, 0) { FieldFormat::Binary } else { FieldFormat::Text }
}

/// What a description says of a statement's parameters.
pub(super) fn parameter_types(query: &Query, said: &[Option<Type>]) -> Vec<Type> {
    query.wire_types(said)
}
