//! One connection's statements, answered in both protocols.

use super::statements::{self, Prepared, Preparer, Query, first};
use super::{Shared, errors, rows, said};
use crate::endpoints::work;
use crate::engine::{Answer, QueryError};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion_postgres::pgwire::api::portal::{Format, Portal};
use datafusion_postgres::pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use datafusion_postgres::pgwire::api::results::{DescribePortalResponse, DescribeStatementResponse, Response};
use datafusion_postgres::pgwire::api::stmt::StoredStatement;
use datafusion_postgres::pgwire::api::store::{Entry, PortalStore};
use datafusion_postgres::pgwire::api::{ClientInfo, ClientPortalStore, ConnectionHandle, DEFAULT_NAME};
use datafusion_postgres::pgwire::error::{PgWireError, PgWireResult};
use datafusion_postgres::pgwire::messages::PgWireBackendMessage;
use datafusion_postgres::pgwire::messages::extendedquery::{
    Bind, BindComplete, Close, CloseComplete, Parse, ParseComplete, Sync as PgSync, TARGET_TYPE_BYTE_STATEMENT,
};
use datafusion_postgres::pgwire::messages::response::{ReadyForQuery, TransactionStatus};
use datafusion_postgres::pgwire::messages::startup::ParameterStatus;
use futures::{Sink, SinkExt as _, StreamExt as _, TryStreamExt as _, stream};
use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Queries of one text.
const QUERIES_MAX: usize = 16;
/// Statements that a client may keep prepared, and answers that it may keep half read.
const STATEMENTS_MAX: usize = 1000;
const PORTALS_MAX: usize = 16;

/// One connection's session.
pub(super) struct Session {
    shared: Arc<Shared>,
    preparer: Arc<Preparer>,
    statements: Mutex<HashSet<String>>,
    portals: Mutex<HashSet<String>>,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>) -> Session {
        let preparer = Arc::new(Preparer(shared.clone()));
        Session { shared, preparer, statements: Mutex::default(), portals: Mutex::default() }
    }

    /// The rows of a query, which begins when the first of them are asked for.
    fn rows<C: ClientInfo>(&self, client: &C, query: &Query) -> PgWireResult<Response> {
        let options = said::options(client);
        let fields = rows::fields(query.schema(), &Format::UnifiedText, &options)?;
        let (shared, request) = (self.shared.clone(), query.request(&self.shared, client, None));
        let timeout = said::timeout(client);
        let batches = stream::once(async move {
            let running = work::run("postgres", &*shared.service, &request).await;
            let running = running.map_err(|error| failed(timeout, error))?;
            PgWireResult::Ok(running.into_stream(move |error| failed(timeout, error), whole))
        });
        Ok(Response::Query(rows::response(fields, batches.try_flatten().boxed(), cancels(client))))
    }

    /// The answer of a query whose parameters are bound.
    async fn answer<C: ClientInfo>(
        &self,
        client: &C,
        (query, parameters): (&Query, Option<RecordBatch>),
        format: &Format,
    ) -> PgWireResult<Response> {
        let options = said::options(client);
        let request = query.request(&self.shared, client, parameters);
        let running = work::run("postgres", &*self.shared.service, &request).await;
        let timeout = said::timeout(client);
        let running = running.map_err(|error| failed(timeout, error))?;
        let fields = rows::fields(&running.answer.described, format, &options)?;
        let batches = running.into_stream(move |error| failed(timeout, error), whole);
        Ok(Response::Query(rows::response(fields, batches, cancels(client))))
    }

    async fn described<C: ClientInfo>(
        &self,
        client: &C,
        (query, parameters): (&Query, Option<RecordBatch>),
    ) -> PgWireResult<SchemaRef> {
        if !query.has_parameters() {
            return Ok(query.schema().clone());
        }
        let request = query.request(&self.shared, client, parameters);
        let described = unless_cancelled(client, self.shared.service.describe(&request)).await?;
        described.map_err(|error| failed(said::timeout(client), error))
    }
}

/// Waits for work that the library does not watch over, until the client asks for it to be cancelled.
async fn unless_cancelled<T>(client: &impl ClientInfo, work: impl Future<Output = T>) -> PgWireResult<T> {
    let Some(cancels) = cancels(client) else { return Ok(work.await) };
    let mut cancelled = cancels.start_query().await;
    tokio::select! {
        done = work => Ok(done),
        Ok(()) = &mut cancelled => Err(PgWireError::QueryCanceled),
    }
}

/// A client could not tell a cut answer from a whole one.
fn whole(answer: &Answer) -> PgWireResult<()> {
    if answer.truncated() {
        let message = "the answer has more rows than extensions.sql.rows_max gives: add a LIMIT";
        return Err(errors::user("54000", message));
    }
    Ok(())
}

fn failed(timeout: Option<Duration>, error: QueryError) -> PgWireError {
    errors::query(&said::limited(timeout, error))
}

/// Where a client's wish to cancel is heard.
fn cancels(client: &impl ClientInfo) -> Option<Arc<ConnectionHandle>> {
    client.session_extensions().get::<Arc<ConnectionHandle>>().map(|handle| handle.as_ref().clone())
}

/// Drivers follow the time zone in which they are told times.
async fn tell_zone<C>(client: &mut C, said: &said::Said) -> PgWireResult<()>
where
    C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    let changes = match said {
        said::Said::Set(name, _) => name == "timezone",
        said::Said::Forget(_) => true,
        _ => false,
    };
    if changes {
        let zone = said::timezone(client).unwrap_or("UTC").to_owned();
        let status = ParameterStatus::new("TimeZone".to_owned(), zone);
        client.send(PgWireBackendMessage::ParameterStatus(status)).await?;
    }
    Ok(())
}

/// After an error nothing but the transaction's end is taken.
fn in_order<C: ClientInfo>(client: &C, statement: &Prepared) -> PgWireResult<()> {
    let ends = matches!(statement, Prepared::Said(said) if said.ends());
    if client.transaction_status() == TransactionStatus::Error && !ends {
        let message = "current transaction is aborted, commands ignored until end of transaction block";
        return Err(errors::user("25P02", message));
    }
    Ok(())
}

fn held(names: &Mutex<HashSet<String>>) -> MutexGuard<'_, HashSet<String>> {
    names.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts a name in, up to a bound.
fn hold(names: &Mutex<HashSet<String>>, name: Option<&String>, most: usize, what: &str) -> PgWireResult<()> {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(()) };
    let mut names = held(names);
    if names.len() >= most && !names.contains(name) {
        return Err(errors::user("53400", format!("at most {most} {what} are kept for a connection: close some")));
    }
    names.insert(name.clone());
    Ok(())
}

#[async_trait]
impl SimpleQueryHandler for Session {
    async fn do_query<C>(&self, client: &mut C, query: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let statements = statements::prepare(&self.shared, client, query).await?;
        if statements.is_empty() {
            return Ok(vec![Response::EmptyQuery]);
        }
        let (mut responses, mut queries) = (Vec::with_capacity(statements.len()), 0);
        for prepared in statements {
            in_order(client, &prepared)?;
            match prepared {
                Prepared::Said(said) => {
                    if let said::Said::Deallocate(Some(name)) = &said {
                        client.portal_store().rm_statement(name);
                        held(&self.statements).remove(name);
                    }
                    responses.push(said.answer(client, first(&Format::UnifiedText))?);
                    tell_zone(client, &said).await?;
                }
                Prepared::Query(query) => {
                    queries += 1;
                    if queries > QUERIES_MAX {
                        return Err(errors::user("54000", format!("expected at most {QUERIES_MAX} queries at once")));
                    }
                    query.unbound()?;
                    responses.push(self.rows(client, &query)?);
                }
            }
        }
        Ok(responses)
    }
}

impl Query {
    /// Whether it can run as it is.
    fn unbound(&self) -> PgWireResult<()> {
        if self.has_parameters() {
            return Err(errors::user("42P02", "there is no parameter $1: the simple protocol has none"));
        }
        Ok(())
    }
}

#[async_trait]
impl ExtendedQueryHandler for Session {
    type Statement = Prepared;
    type QueryParser = Preparer;

    fn query_parser(&self) -> Arc<Preparer> {
        self.preparer.clone()
    }

    async fn on_parse<C>(&self, client: &mut C, message: Parse) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        hold(&self.statements, message.name.as_ref(), STATEMENTS_MAX, "prepared statements")?;
        let name = message.name.clone().unwrap_or_else(|| DEFAULT_NAME.to_owned());
        let parsed =
            unless_cancelled(client, StoredStatement::parse(client, &message, self.preparer.clone())).await??;
        match parsed {
            Some(statement) => client.portal_store().put_statement(Arc::new(statement)),
            None => client.portal_store().put_empty_statement(&name),
        }
        client.send(PgWireBackendMessage::ParseComplete(ParseComplete::new())).await?;
        Ok(())
    }

    async fn on_bind<C>(&self, client: &mut C, message: Bind) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        hold(&self.portals, message.portal_name.as_ref(), PORTALS_MAX, "portals")?;
        let default = DEFAULT_NAME;
        let statement = message.statement_name.as_deref().unwrap_or(default);
        match client.portal_store().get_statement(statement) {
            Some(Entry::Value(statement)) => {
                client.portal_store().put_portal(Arc::new(Portal::try_new(&message, statement)?));
            }
            Some(Entry::Empty) => {
                client.portal_store().put_empty_portal(message.portal_name.as_deref().unwrap_or(default));
            }
            None => {
                let message = format!("prepared statement {statement:?} does not exist");
                return Err(errors::user("26000", message));
            }
        }
        client.send(PgWireBackendMessage::BindComplete(BindComplete::new())).await?;
        Ok(())
    }

    async fn on_close<C>(&self, client: &mut C, message: Close) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let name = message.name.as_deref().unwrap_or(DEFAULT_NAME);
        if message.target_type == TARGET_TYPE_BYTE_STATEMENT {
            client.portal_store().rm_statement(name);
            held(&self.statements).remove(name);
        } else {
            client.portal_store().rm_portal(name);
            held(&self.portals).remove(name);
        }
        client.send(PgWireBackendMessage::CloseComplete(CloseComplete::new())).await?;
        Ok(())
    }

    /// Portals last as long as their transaction, which without `BEGIN` ends here.
    async fn on_sync<C>(&self, client: &mut C, _message: PgSync) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let status = client.transaction_status();
        if status == TransactionStatus::Idle {
            client.portal_store().clear_portals();
            held(&self.portals).clear();
        } else {
            client.portal_store().rm_portal(DEFAULT_NAME);
        }
        client.send(PgWireBackendMessage::ReadyForQuery(ReadyForQuery::new(status))).await?;
        Ok(())
    }

    async fn do_describe_statement<C>(
        &self,
        client: &mut C,
        target: &StoredStatement<Prepared>,
    ) -> PgWireResult<DescribeStatementResponse>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let format = Format::UnifiedText;
        Ok(match &target.statement {
            Prepared::Said(said) => DescribeStatementResponse::new(Vec::new(), said.fields(first(&format))),
            Prepared::Query(query) => {
                let schema = self.described(client, (query, query.nulls(&target.parameter_types)?)).await?;
                let options = said::options(client);
                let fields = rows::fields(&schema, &format, &options)?;
                DescribeStatementResponse::new(statements::parameter_types(query, &target.parameter_types), fields)
            }
        })
    }

    async fn do_describe_portal<C>(
        &self,
        client: &mut C,
        target: &Portal<Prepared>,
    ) -> PgWireResult<DescribePortalResponse>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let format = &target.result_column_format;
        Ok(DescribePortalResponse::new(match &target.statement.statement {
            Prepared::Said(said) => said.fields(first(format)),
            Prepared::Query(query) => {
                let options = said::options(client);
                rows::fields(&*self.described(client, (query, query.bound(target)?)).await?, format, &options)?
            }
        }))
    }

    async fn do_query<C>(&self, client: &mut C, portal: &Portal<Prepared>, _rows: usize) -> PgWireResult<Response>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let prepared = &portal.statement.statement;
        in_order(client, prepared)?;
        let format = &portal.result_column_format;
        match prepared {
            Prepared::Said(said) => {
                if let said::Said::Deallocate(Some(name)) = said {
                    client.portal_store().rm_statement(name);
                    held(&self.statements).remove(name);
                }
                let answer = said.answer(client, first(format))?;
                tell_zone(client, said).await?;
                Ok(answer)
            }
            Prepared::Query(query) => self.answer(client, (query, query.bound(portal)?), format).await,
        }
    }
}
