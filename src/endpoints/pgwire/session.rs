//! One connection: statements are parsed, planned and answered.

use super::errors;
use super::login::Login;
use super::text::readable;
use crate::endpoints::QueryService;
use crate::engine::QueryAnswer;
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use async_trait::async_trait;
use datafusion::common::ParamValues;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement as Planned;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion_postgres::arrow_pg::datatypes::df;
use datafusion_postgres::datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use datafusion_postgres::hooks::HookClient;
use datafusion_postgres::hooks::set_show::SetShowHook;
use datafusion_postgres::hooks::transactions::TransactionStatementHook;
use datafusion_postgres::pgwire::api::auth::StartupHandler;
use datafusion_postgres::pgwire::api::portal::{Format, Portal};
use datafusion_postgres::pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use datafusion_postgres::pgwire::api::results::Response;
use datafusion_postgres::pgwire::api::stmt::QueryParser;
use datafusion_postgres::pgwire::api::store::PortalStore;
use datafusion_postgres::pgwire::api::{ClientInfo, ClientPortalStore, ErrorHandler, PgWireServerHandlers, Type};
use datafusion_postgres::pgwire::error::{PgWireError, PgWireResult};
use datafusion_postgres::pgwire::messages::PgWireBackendMessage;
use datafusion_postgres::pgwire::types::format::FormatOptions;
use datafusion_postgres::{DfSessionService, Parser, QueryHook};
use futures::Sink;
use std::fmt::Debug;
use std::sync::Arc;

/// What clients say of their session is answered as they expect; it changes nothing here.
fn session_hooks() -> Vec<Arc<dyn QueryHook>> {
    vec![Arc::new(SetShowHook), Arc::new(TransactionStatementHook)]
}

/// A connection's state.
pub(super) struct Connection {
    talk: Arc<Talk>,
    login: Arc<Login>,
}

struct Talk {
    context: SessionContext,
    service: Arc<dyn QueryService>,
    sql: PostgresCompatibilityParser,
    parser: Arc<Parser>,
    hooks: Vec<Arc<dyn QueryHook>>,
}

type Prepared = (String, Option<(Statement, LogicalPlan)>);

impl Connection {
    pub(super) fn new(context: SessionContext, service: Arc<dyn QueryService>, login: Arc<Login>) -> Connection {
        let mut parsing = session_hooks();
        parsing.push(Arc::new(Readable));
        let parser = DfSessionService::new_with_hooks(Arc::new(context.clone()), parsing).query_parser();
        let (sql, hooks) = (PostgresCompatibilityParser::new(), session_hooks());
        Connection { talk: Arc::new(Talk { context, service, sql, parser, hooks }), login }
    }
}

impl PgWireServerHandlers for Connection {
    fn simple_query_handler(&self) -> Arc<impl SimpleQueryHandler> {
        self.talk.clone()
    }

    fn extended_query_handler(&self) -> Arc<impl ExtendedQueryHandler> {
        self.talk.clone()
    }

    fn startup_handler(&self) -> Arc<impl StartupHandler> {
        self.login.clone()
    }

    fn error_handler(&self) -> Arc<impl ErrorHandler> {
        Arc::new(Faults)
    }
}

struct Faults;

impl ErrorHandler for Faults {
    fn on_error<C>(&self, _client: &C, error: &mut PgWireError)
    where
        C: ClientInfo,
    {
        errors::refine(error);
    }
}

impl Talk {
    async fn plan(&self, statement: &Statement) -> PgWireResult<LogicalPlan> {
        plan(&self.context, statement).await
    }

    async fn answer(&self, plan: LogicalPlan, format: &Format, options: FormatOptions) -> PgWireResult<Response> {
        let answer = self.service.execute(plan).await.map_err(|error| errors::query(&error))?;
        if answer.truncated {
            return Err(errors::user(
                "54000",
                "the answer has more rows than extensions.sql.rows_max gives: add a LIMIT",
            ));
        }
        let frame = self.context.read_batches(batches(answer)).map_err(|error| errors::datafusion(&error))?;
        let response = df::encode_dataframe(frame, format, Some(Arc::new(options))).await?;
        Ok(Response::Query(response))
    }
}

async fn plan(context: &SessionContext, statement: &Statement) -> PgWireResult<LogicalPlan> {
    let statement = Planned::Statement(Box::new(statement.clone()));
    let planned = context.state().statement_to_plan(statement).await.and_then(readable);
    planned.map_err(|error| errors::datafusion(&error))
}

/// The rows; an answer without rows still has columns.
fn batches(answer: QueryAnswer) -> Vec<RecordBatch> {
    if answer.batches.is_empty() { vec![RecordBatch::new_empty(answer.schema)] } else { answer.batches }
}

#[async_trait]
impl SimpleQueryHandler for Talk {
    async fn do_query<C>(&self, client: &mut C, query: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let statements = self.sql.parse(query).map_err(|error| errors::user("42601", error.to_string()))?;
        if statements.is_empty() {
            return Ok(vec![Response::EmptyQuery]);
        }
        let mut responses = Vec::with_capacity(statements.len());
        'statements: for statement in statements {
            for hook in &self.hooks {
                if let Some(response) = hook.handle_simple_query(&statement, &self.context, client).await {
                    responses.push(response?);
                    continue 'statements;
                }
            }
            let plan = self.plan(&statement).await?;
            let options = FormatOptions::from_client_metadata(client.metadata());
            responses.push(self.answer(plan, &Format::UnifiedText, options).await?);
        }
        Ok(responses)
    }
}

#[async_trait]
impl ExtendedQueryHandler for Talk {
    type Statement = Prepared;
    type QueryParser = Parser;

    fn query_parser(&self) -> Arc<Parser> {
        self.parser.clone()
    }

    async fn do_query<C>(&self, client: &mut C, portal: &Portal<Prepared>, _rows_max: usize) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let prepared = &portal.statement.statement;
        let (_, Some((statement, plan))) = prepared else { return Ok(Response::EmptyQuery) };
        let params = parameters(&self.parser, portal, plan)?;
        for hook in &self.hooks {
            let handled = hook.handle_extended_query(statement, plan, &params, &self.context, client).await;
            if let Some(response) = handled {
                return response;
            }
        }
        let bound = plan.clone().replace_params_with_values(&params).map_err(|error| errors::datafusion(&error))?;
        let options = FormatOptions::from_client_metadata(client.metadata());
        self.answer(bound, &portal.result_column_format, options).await
    }
}

/// The values that a client bound, in the types that the plan wants.
fn parameters(parser: &Parser, portal: &Portal<Prepared>, plan: &LogicalPlan) -> PgWireResult<ParamValues> {
    let inferred = plan.get_parameter_types().map_err(|error| errors::datafusion(&error))?;
    let mut inferred: Vec<(usize, Option<DataType>)> = inferred
        .into_iter()
        .map(|(name, kind)| (name.trim_start_matches('$').parse().unwrap_or(usize::MAX), kind))
        .collect();
    inferred.sort_by_key(|(number, _)| *number);
    let kinds: Vec<Option<&DataType>> = inferred.iter().map(|(_, kind)| kind.as_ref()).collect();
    let wire: Vec<Type> = parser.get_parameter_types(&portal.statement.statement)?;
    let wire: Vec<Option<&Type>> = wire.iter().map(Some).collect();
    df::deserialize_parameters_with_server_types(portal, &kinds, &wire)
}

/// Plans prepared statements so that what is described is what is sent: maps as text.
struct Readable;

#[async_trait]
impl QueryHook for Readable {
    async fn handle_simple_query(
        &self,
        _statement: &Statement,
        _context: &SessionContext,
        _client: &mut dyn HookClient,
    ) -> Option<PgWireResult<Response>> {
        None
    }

    async fn handle_extended_parse_query(
        &self,
        statement: &Statement,
        context: &SessionContext,
        _client: &(dyn ClientInfo + Send + Sync),
    ) -> Option<PgWireResult<LogicalPlan>> {
        Some(plan(context, statement).await)
    }

    async fn handle_extended_query(
        &self,
        _statement: &Statement,
        _plan: &LogicalPlan,
        _params: &ParamValues,
        _context: &SessionContext,
        _client: &mut dyn HookClient,
    ) -> Option<PgWireResult<Response>> {
        None
    }
}
