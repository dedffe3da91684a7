//! State of a connection, shared by the simple and the extended protocol.

use super::cursors::Cursor;
use super::savepoints::Savepoints;
use super::session_command::{self, Said};
use super::shared::Shared;
use super::statements::{Prepared, Preparer, Query};
use super::{errors, rows};
use crate::endpoints::query_span;
use crate::engine::Answer;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::{Sink, SinkExt as _};
use parking_lot::{Mutex, MutexGuard};
use pgwire::api::portal::{Format, Portal};
use pgwire::api::results::QueryResponse;
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore, ConnectionHandle, DEFAULT_NAME};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::TransactionStatus;
use pgwire::messages::startup::ParameterStatus;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Maximum number of prepared statements, and of partially read results, per connection.
pub(super) const STATEMENTS_MAX: usize = 1000;
pub(super) const PORTALS_MAX: usize = 16;

/// Session of one connection.
pub(super) struct Session {
    pub(super) shared: Arc<Shared>,
    pub(super) preparer: Arc<Preparer>,
    pub(super) statements: Mutex<HashSet<String>>,
    pub(super) portals: Mutex<HashMap<String, Arc<Portal<Prepared>>>>,
    pub(super) cursors: tokio::sync::Mutex<HashMap<String, Cursor>>,
    pub(super) savepoints: Mutex<Savepoints>,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>) -> Session {
        let preparer = Arc::new(Preparer(shared.clone()));
        let (statements, portals, cursors) = (Mutex::default(), Mutex::default(), tokio::sync::Mutex::default());
        Session { shared, preparer, statements, portals, cursors, savepoints: Mutex::default() }
    }

    /// Removes the prepared statements that a session statement drops.
    pub(super) fn forget_statements<C>(&self, client: &mut C, said: &Said)
    where
        C: ClientInfo + ClientPortalStore,
        C::PortalStore: PortalStore,
    {
        let mut known = held(&self.statements);
        let dropped: Vec<String> = match said {
            Said::Deallocate(Some(name)) => vec![name.clone()],
            Said::Deallocate(None) => known.iter().cloned().collect(),
            Said::Forget(tag) if tag == session_command::DISCARD_ALL => known.iter().cloned().collect(),
            _ => Vec::new(),
        };
        for name in dropped {
            client.portal_store().rm_statement(&name);
            known.remove(&name);
        }
    }

    /// Runs a query with bound parameters.
    pub(super) async fn answer<C: ClientInfo>(
        &self,
        client: &C,
        (query, parameters): (&Query, Option<RecordBatch>),
        format: &Format,
    ) -> PgWireResult<QueryResponse> {
        let options = session_command::options(client);
        let request = query.request(&self.shared, client, parameters);
        let running = query_span::run("postgres", &*self.shared.service, &request).await;
        let timeout = session_command::timeout(client);
        let running = running.map_err(|error| session_command::failed(timeout, error))?;
        let fields = rows::fields(&running.answer.described, format, &options)?;
        let batches = running.into_stream(move |error| session_command::failed(timeout, error), whole);
        Ok(rows::response(fields, batches, cancels(client)))
    }

    pub(super) async fn described<C: ClientInfo>(
        &self,
        client: &C,
        (query, parameters): (&Query, Option<RecordBatch>),
    ) -> PgWireResult<SchemaRef> {
        if !query.has_parameters() {
            return Ok(query.schema().clone());
        }
        let request = query.request(&self.shared, client, parameters);
        let described = unless_cancelled(client, self.shared.service.describe(&request)).await?;
        described.map_err(|error| session_command::failed(session_command::timeout(client), error))
    }
}

/// Runs work that the library does not cancel, until the client cancels it.
pub(super) async fn unless_cancelled<T>(client: &impl ClientInfo, work: impl Future<Output = T>) -> PgWireResult<T> {
    unless(cancels(client), work).await
}

/// Like [`unless_cancelled`], for work that borrows the client; `cancels` receives the cancel request.
pub(super) async fn unless<T>(
    cancels: Option<Arc<ConnectionHandle>>,
    work: impl Future<Output = T>,
) -> PgWireResult<T> {
    let Some(cancels) = cancels else { return Ok(work.await) };
    let mut cancelled = cancels.start_query().await;
    tokio::select! {
        done = work => Ok(done),
        Ok(()) = &mut cancelled => Err(PgWireError::QueryCanceled),
    }
}

/// Rejects truncated results, because clients could not distinguish them from complete ones.
pub(super) fn whole(answer: &Answer) -> PgWireResult<()> {
    if answer.truncated() {
        let message = "the answer has more rows than extensions.sql.rows_max gives: add a LIMIT";
        return Err(errors::user("54000", message));
    }
    Ok(())
}

/// Returns the handle that receives cancel requests.
pub(super) fn cancels(client: &impl ClientInfo) -> Option<Arc<ConnectionHandle>> {
    client.session_extensions().get::<Arc<ConnectionHandle>>().map(|handle| handle.as_ref().clone())
}

/// Reports a changed time zone to the client: drivers use it to interpret times.
pub(super) async fn tell_zone<C>(client: &mut C, said: &session_command::Said) -> PgWireResult<()>
where
    C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send,
    PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
{
    let changes = match said {
        session_command::Said::Set(name, _) => name == "timezone",
        session_command::Said::Forget(_) => true,
        _ => false,
    };
    if changes {
        let zone = session_command::timezone(client).unwrap_or("UTC").to_owned();
        let status = ParameterStatus::new("TimeZone".to_owned(), zone);
        client.send(PgWireBackendMessage::ParameterStatus(status)).await?;
    }
    Ok(())
}

/// In a failed transaction, rejects all statements except its end and a rollback to a savepoint.
pub(super) fn in_order<C: ClientInfo>(client: &C, statement: &Prepared) -> PgWireResult<()> {
    let recovers = matches!(statement, Prepared::Said(said) if said.recovers());
    if client.transaction_status() == TransactionStatus::Error && !recovers {
        return Err(errors::aborted());
    }
    Ok(())
}

pub(super) fn held<T>(names: &Mutex<T>) -> MutexGuard<'_, T> {
    names.lock()
}

/// Adds a name, up to a limit.
pub(super) fn hold(names: &Mutex<HashSet<String>>, name: Option<&String>, most: usize, what: &str) -> PgWireResult<()> {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(()) };
    let mut names = held(names);
    if names.len() >= most && !names.contains(name) {
        return Err(errors::user("53400", format!("at most {most} {what} are kept for a connection: close some")));
    }
    names.insert(name.clone());
    Ok(())
}

impl Session {
    /// Stores a portal under its name, up to a limit.
    pub(super) fn keep(&self, portal: &Arc<Portal<Prepared>>) -> PgWireResult<()> {
        let mut portals = held(&self.portals);
        if portal.name != DEFAULT_NAME && portals.len() >= PORTALS_MAX && !portals.contains_key(&portal.name) {
            let message = format!("at most {PORTALS_MAX} portals are kept for a connection: close some");
            return Err(errors::user("53400", message));
        }
        if portal.name != DEFAULT_NAME {
            portals.insert(portal.name.clone(), portal.clone());
        }
        Ok(())
    }
}
