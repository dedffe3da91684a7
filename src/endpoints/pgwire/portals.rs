//! Portals: results that a client fetches in parts. Rows are streamed and never collected, however many a client requests at
//! once.

use super::copies;
use super::session::{Session, cancels, in_order, unless, unless_cancelled};
use super::statements::Prepared;
use futures::{Sink, SinkExt as _};
use pgwire::api::portal::PortalExecutionState;
use pgwire::api::query::{ExtendedQueryHandler as _, send_execution_response, send_partial_query_response};
use pgwire::api::results::{Response, Tag};
use pgwire::api::store::{Entry, PortalStore};
use pgwire::api::{ClientInfo, ClientPortalStore, DEFAULT_NAME, PgWireConnectionState};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::extendedquery::Execute;
use pgwire::messages::response::EmptyQueryResponse;
use std::fmt::Debug;

/// Runs a portal, or continues it.
pub(super) async fn execute<C>(session: &Session, client: &mut C, message: &Execute) -> PgWireResult<()>
where
    C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
    C::PortalStore: PortalStore<Statement = Prepared>,
    C::Error: Debug,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    if !matches!(client.state(), PgWireConnectionState::ReadyForQuery) {
        return Err(PgWireError::NotReadyForQuery);
    }
    client.set_state(PgWireConnectionState::QueryInProgress);
    let name = message.name.as_deref().unwrap_or(DEFAULT_NAME);
    // Zero and negative numbers mean all rows.
    let most = usize::try_from(message.max_rows).unwrap_or(0);
    let portal = match client.portal_store().get_portal(name) {
        Some(Entry::Value(portal)) => portal,
        Some(Entry::Empty) => {
            client.feed(PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new())).await?;
            client.set_state(PgWireConnectionState::ReadyForQuery);
            return Ok(());
        }
        None => return Err(PgWireError::PortalNotFound(name.to_owned())),
    };
    let state = portal.state();
    let mut state = state.lock().await;
    if let (PortalExecutionState::Initial, Prepared::Copy(query, form)) = (&*state, &portal.statement.statement) {
        in_order(client, &portal.statement.statement)?;
        *state = PortalExecutionState::Finished;
        let (parameters, format) = (query.bound(&portal)?, form.format());
        let rows = unless_cancelled(client, session.answer(client, (query, parameters), &format)).await??;
        copies::send(client, form, rows).await?;
        client.set_state(PgWireConnectionState::ReadyForQuery);
        return Ok(());
    }
    let mut status = client.transaction_status();
    if matches!(*state, PortalExecutionState::Initial) {
        let response = unless(cancels(client), session.do_query(client, &portal, most)).await??;
        // `ROLLBACK TO SAVEPOINT` changes the status.
        status = client.transaction_status();
        *state = PortalExecutionState::Finished;
        match response {
            Response::Query(rows) => *state = PortalExecutionState::Suspended(rows),
            Response::Execution(tag) => send_execution_response(client, tag).await?,
            Response::TransactionStart(tag) => {
                send_execution_response(client, tag).await?;
                status = status.to_in_transaction_state();
            }
            Response::TransactionEnd(tag) => {
                send_execution_response(client, tag).await?;
                status = status.to_idle_state();
                client.portal_store().rm_portal(DEFAULT_NAME);
            }
            Response::EmptyQuery => {
                client.feed(PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new())).await?;
            }
            // No statement returns these.
            Response::Error(_) | Response::CopyIn(_) | Response::CopyOut(_) | Response::CopyBoth(_) => {}
        }
        if !matches!(*state, PortalExecutionState::Suspended(_)) {
            client.set_state(PgWireConnectionState::ReadyForQuery);
            client.set_transaction_status(status);
            return Ok(());
        }
    }
    match &mut *state {
        PortalExecutionState::Suspended(rows) => {
            if !send_partial_query_response(client, rows, most).await? {
                *state = PortalExecutionState::Finished;
            }
        }
        _ => send_execution_response(client, Tag::new("SELECT").with_rows(0)).await?,
    }
    client.set_state(PgWireConnectionState::ReadyForQuery);
    client.set_transaction_status(status);
    Ok(())
}
