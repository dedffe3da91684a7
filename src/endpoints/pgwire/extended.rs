//! The extended query protocol: prepare, bind, and execute as portals.

use super::cursor_command::configure;
use super::session::{STATEMENTS_MAX, Session, held, hold, in_order, tell_zone, unless_cancelled};
use super::session_command;
use super::statements::{self, Prepared, Preparer};
use super::{errors, portals, rows};
use async_trait::async_trait;
use futures::{Sink, SinkExt as _};
use pgwire::api::portal::{Format, Portal};
use pgwire::api::query::{ExtendedQueryHandler, send_describe_response};
use pgwire::api::results::{DescribePortalResponse, DescribeStatementResponse, Response};
use pgwire::api::stmt::StoredStatement;
use pgwire::api::store::{Entry, PortalStore};
use pgwire::api::{ClientInfo, ClientPortalStore, DEFAULT_NAME};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::extendedquery::{
    Bind, BindComplete, Close, CloseComplete, Describe, Execute, Parse, ParseComplete, Sync as PgSync,
    TARGET_TYPE_BYTE_PORTAL, TARGET_TYPE_BYTE_STATEMENT,
};
use pgwire::messages::response::{ReadyForQuery, TransactionStatus};
use std::fmt::Debug;
use std::sync::Arc;

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
        let default = DEFAULT_NAME;
        let statement = message.statement_name.as_deref().unwrap_or(default);
        match client.portal_store().get_statement(statement) {
            Some(Entry::Value(statement)) => {
                let portal = Arc::new(Portal::try_new(&message, statement)?);
                self.keep(&portal)?;
                client.portal_store().put_portal(portal);
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

    /// A cursor can be described as a portal with its name.
    async fn on_describe<C>(&self, client: &mut C, message: Describe) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let is_portal = message.target_type == TARGET_TYPE_BYTE_PORTAL;
        let schema = match message.name.as_ref().filter(|_| is_portal) {
            Some(name) => self.cursors.lock().await.get(name).map(|cursor| cursor.schema.clone()),
            None => None,
        };
        let Some(schema) = schema else { return self._on_describe(client, message).await };
        let options = session_command::options(client);
        let fields = rows::fields(&schema, &Format::UnifiedText, &options)?;
        send_describe_response(client, &DescribePortalResponse::new(fields)).await
    }

    async fn on_execute<C>(&self, client: &mut C, message: Execute) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore<Statement = Prepared>,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        portals::execute(self, client, &message).await
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

    /// Ends portals: they last as long as their transaction, which ends here if there was no `BEGIN`.
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
            Prepared::Said(said) => {
                DescribeStatementResponse::new(Vec::new(), self.said_fields(client, said, &format).await?)
            }
            // These have parameters, but no columns.
            Prepared::Copy(query, _) | Prepared::Declare(_, query) => {
                DescribeStatementResponse::new(statements::parameter_types(query, &target.parameter_types), Vec::new())
            }
            Prepared::Query(query) => {
                let schema = self.described(client, (query, query.nulls(&target.parameter_types)?)).await?;
                let options = session_command::options(client);
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
            Prepared::Said(said) => self.said_fields(client, said, format).await?,
            Prepared::Copy(..) | Prepared::Declare(..) => Vec::new(),
            Prepared::Query(query) => {
                let options = session_command::options(client);
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
                self.forget_statements(client, said);
                let answer = self.said(client, said, format).await?;
                tell_zone(client, said).await?;
                Ok(answer)
            }
            // `COPY` data is streamed, not sent as a response.
            Prepared::Copy(..) => Err(errors::user("XX000", "COPY is no portal of rows")),
            Prepared::Declare(declared, query) => {
                let in_transaction = client.transaction_status() != TransactionStatus::Idle;
                self.declare(client, (declared, query), query.bound(portal)?, in_transaction).await
            }
            Prepared::Query(query) => {
                configure(client, query, &portal.parameters)?;
                self.answer(client, (query, query.bound(portal)?), format).await.map(Response::Query)
            }
        }
    }
}
