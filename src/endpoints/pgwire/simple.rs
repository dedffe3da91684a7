//! The simple query protocol: runs the statements of a text in sequence.

use super::cursor_command::configure;
use super::session::{Session, cancels, in_order, tell_zone, unless, unless_cancelled};
use super::statements::{self, Prepared, Query};
use super::{copies, errors};
use async_trait::async_trait;
use futures::{Sink, SinkExt as _};
use pgwire::api::portal::Format;
use pgwire::api::query::{SimpleQueryHandler, send_execution_response, send_query_response, send_ready_for_query};
use pgwire::api::results::Response;
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore, PgWireConnectionState};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::{EmptyQueryResponse, TransactionStatus};
use pgwire::messages::simplequery::Query as Text;
use std::fmt::Debug;

/// Maximum number of queries in one text.
const QUERIES_MAX: usize = 16;

#[async_trait]
impl SimpleQueryHandler for Session {
    /// Answers each statement before the next one runs, so that an error after `BEGIN` fails that transaction.
    async fn on_query<C>(&self, client: &mut C, text: Text) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        if !matches!(client.state(), PgWireConnectionState::ReadyForQuery) {
            return Err(PgWireError::NotReadyForQuery);
        }
        client.set_state(PgWireConnectionState::QueryInProgress);
        for response in self.do_query(client, &text.query).await? {
            send(client, response).await?;
        }
        client.set_state(PgWireConnectionState::ReadyForQuery);
        send_ready_for_query(client, client.transaction_status()).await
    }

    /// Runs the statements of a text and sends their responses. Returns responses that are not sent yet.
    async fn do_query<C>(&self, client: &mut C, text: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let statements = unless_cancelled(client, statements::prepare(&self.shared, client, text)).await??;
        if statements.is_empty() {
            return Ok(vec![Response::EmptyQuery]);
        }
        if statements.iter().filter(|statement| matches!(statement, Ok(Prepared::Query(_)))).count() > QUERIES_MAX {
            return Err(errors::user("54000", format!("expected at most {QUERIES_MAX} queries at once")));
        }
        for statement in statements {
            if statement.is_err() && client.transaction_status() == TransactionStatus::Error {
                return Err(errors::aborted());
            }
            self.statement(client, statement?).await?;
        }
        Ok(Vec::new())
    }
}

impl Session {
    async fn statement<C>(&self, client: &mut C, statement: Prepared) -> PgWireResult<()>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        in_order(client, &statement)?;
        let format = Format::UnifiedText;
        match statement {
            Prepared::Said(said) => {
                self.forget_statements(client, &said);
                // Fetching from a cursor can wait for rows.
                let response = unless(cancels(client), self.said(client, &said, &format)).await??;
                tell_zone(client, &said).await?;
                if said.ends() {
                    client.portal_store().clear_portals();
                }
                send(client, response).await
            }
            Prepared::Copy(query, form) => {
                query.unbound()?;
                let rows = unless_cancelled(client, self.answer(client, (&query, None), &form.format())).await??;
                copies::send(client, &form, rows).await
            }
            Prepared::Declare(declared, query) => {
                query.unbound()?;
                let in_transaction = client.transaction_status() != TransactionStatus::Idle;
                let declaring = self.declare(client, (&declared, &query), None, in_transaction);
                let response = unless_cancelled(client, declaring).await??;
                send(client, response).await
            }
            Prepared::Query(query) => {
                query.unbound()?;
                configure(client, &query, &[])?;
                let rows = unless_cancelled(client, self.answer(client, (&query, None), &format)).await??;
                send_query_response(client, rows, true).await
            }
        }
    }
}

/// Sends a response, and applies its transaction status.
async fn send<C>(client: &mut C, response: Response) -> PgWireResult<()>
where
    C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
    C::Error: Debug,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    match response {
        Response::EmptyQuery => {
            client.feed(PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new())).await?;
        }
        Response::Query(rows) => send_query_response(client, rows, true).await?,
        Response::Execution(tag) => send_execution_response(client, tag).await?,
        Response::TransactionStart(tag) => {
            client.set_transaction_status(client.transaction_status().to_in_transaction_state());
            send_execution_response(client, tag).await?;
        }
        Response::TransactionEnd(tag) => {
            client.set_transaction_status(client.transaction_status().to_idle_state());
            send_execution_response(client, tag).await?;
        }
        // No statement returns these.
        Response::Error(_) | Response::CopyIn(_) | Response::CopyOut(_) | Response::CopyBoth(_) => {}
    }
    Ok(())
}

impl Query {
    /// Returns an error if the query has parameters.
    fn unbound(&self) -> PgWireResult<()> {
        if self.has_parameters() {
            return Err(errors::user("42P02", "there is no parameter $1: the simple protocol has none"));
        }
        Ok(())
    }
}
