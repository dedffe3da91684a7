//! Runs session statements: cursors, savepoints and settings.

use super::cursors::{Cursor, Declared, Fetched, KEPT_BYTES_MAX, Lasts};
use super::session::{PORTALS_MAX, Session, held, whole};
use super::session_command::{self, Said};
use super::statements::{Query, first};
use super::{errors, rows};
use crate::endpoints::{pgcatalog, query_span};
use arrow::array::RecordBatch;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use pgwire::api::ClientInfo;
use pgwire::api::portal::Format;
use pgwire::api::results::{FieldInfo, QueryResponse, Response, Tag};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::response::TransactionStatus;
use std::sync::Arc;

impl Session {
    /// Runs a session statement.
    pub(super) async fn said<C: ClientInfo>(
        &self,
        client: &mut C,
        said: &Said,
        format: &Format,
    ) -> PgWireResult<Response> {
        match said {
            Said::Fetch(fetched) => return self.fetch(client, fetched, format).await,
            Said::Close(name) => {
                let mut cursors = self.cursors.lock().await;
                match name {
                    None => cursors.clear(),
                    Some(name) => drop(cursors.remove(name).ok_or_else(|| no_cursor(name))?),
                }
                return Ok(Response::Execution(Tag::new("CLOSE CURSOR")));
            }
            Said::Commit | Said::Rollback => {
                let committed = *said == Said::Commit && client.transaction_status() != TransactionStatus::Error;
                let mut cursors = self.cursors.lock().await;
                cursors.retain(|_, cursor| match cursor.lasts {
                    Lasts::Transaction => false,
                    Lasts::IfCommitted => committed,
                    Lasts::Connection => true,
                });
                cursors.values_mut().for_each(|cursor| cursor.lasts = Lasts::Connection);
                held(&self.portals).clear();
                held(&self.savepoints).clear();
            }
            Said::Savepoint(name) => {
                in_block(client, "SAVEPOINT")?;
                held(&self.savepoints).set(name)?;
            }
            Said::Release(name) => {
                in_block(client, "RELEASE SAVEPOINT")?;
                held(&self.savepoints).release(name)?;
            }
            Said::RollbackTo(name) => {
                in_block(client, "ROLLBACK TO SAVEPOINT")?;
                let last = held(&self.savepoints).back_to(name)?;
                let mut cursors = self.cursors.lock().await;
                cursors.retain(|_, cursor| cursor.lasts == Lasts::Connection || cursor.number <= last);
                // Even if the transaction had failed.
                client.set_transaction_status(TransactionStatus::Transaction);
            }
            Said::Forget(tag) if tag.starts_with("DISCARD") => self.cursors.lock().await.clear(),
            _ => {}
        }
        said.answer(client, first(format))
    }

    /// Opens a cursor.
    pub(super) async fn declare<C: ClientInfo>(
        &self,
        client: &C,
        (declared, query): (&Declared, &Query),
        parameters: Option<RecordBatch>,
        in_transaction: bool,
    ) -> PgWireResult<Response> {
        if !declared.hold && !in_transaction {
            return Err(errors::user("25P01", "DECLARE CURSOR can only be used in transaction blocks"));
        }
        let mut cursors = self.cursors.lock().await;
        if cursors.contains_key(&declared.name) {
            return Err(errors::user("42P03", format!("cursor \"{}\" already exists", declared.name)));
        }
        if cursors.len() >= PORTALS_MAX {
            return Err(errors::user("53400", format!("at most {PORTALS_MAX} cursors are kept for a connection")));
        }
        let timeout = session_command::timeout(client);
        let running =
            query_span::run("postgres", &*self.shared.service, &query.request(&self.shared, client, parameters)).await;
        let running = running.map_err(|error| session_command::failed(timeout, error))?;
        let schema = running.answer.described.clone();
        let batches = running.into_stream(move |error| session_command::failed(timeout, error), whole);
        let number = held(&self.savepoints).cursor();
        cursors.insert(declared.name.clone(), Cursor::new(declared, (in_transaction, number), schema, batches));
        Ok(Response::Execution(Tag::new("DECLARE CURSOR")))
    }

    /// Fetches rows of a cursor, or of a partially read portal.
    async fn fetch<C: ClientInfo>(&self, client: &C, fetched: &Fetched, format: &Format) -> PgWireResult<Response> {
        let (rows, fields, count) = if let Some(cursor) = self.cursors.lock().await.get_mut(&fetched.name) {
            let options = session_command::options(client);
            let fields = Arc::new(rows::fields(&cursor.schema, format, &options)?);
            let (rows, count) = cursor.fetch(fetched, &fields).await?;
            (rows, fields, count)
        } else {
            let portal = held(&self.portals).get(&fetched.name).cloned();
            let portal = portal.ok_or_else(|| no_cursor(&fetched.name))?;
            if portal.state().try_lock().is_err() {
                return Err(errors::user("55000", format!("portal \"{}\" is being read", fetched.name)));
            }
            let mut found = portal.fetch(fetched.forward()?).await?.response;
            let (mut rows, mut bytes, fields) = (Vec::new(), 0, found.row_schema());
            while let Some(row) = found.data_rows().next().await {
                let row = row?;
                bytes += row.data.len();
                if bytes > KEPT_BYTES_MAX {
                    return Err(errors::user("54000", "one FETCH gives at most 64 MiB of rows: fetch fewer at a time"));
                }
                rows.push(row);
            }
            let count = rows.len();
            (rows, fields, count)
        };
        if fetched.is_move {
            return Ok(Response::Execution(Tag::new("MOVE").with_rows(count)));
        }
        let mut response = QueryResponse::new(fields, stream::iter(rows.into_iter().map(Ok)));
        response.set_command_tag("FETCH");
        Ok(Response::Query(response))
    }

    /// Returns the result columns of a session statement.
    pub(super) async fn said_fields<C: ClientInfo>(
        &self,
        client: &C,
        said: &Said,
        format: &Format,
    ) -> PgWireResult<Vec<FieldInfo>> {
        match said {
            Said::Fetch(fetched) if !fetched.is_move => {
                let cursors = self.cursors.lock().await;
                let cursor = cursors.get(&fetched.name).ok_or_else(|| no_cursor(&fetched.name))?;
                let options = session_command::options(client);
                rows::fields(&cursor.schema, format, &options)
            }
            _ => Ok(said.fields(first(format))),
        }
    }
}

fn in_block(client: &impl ClientInfo, what: &str) -> PgWireResult<()> {
    match client.transaction_status() {
        TransactionStatus::Idle => Err(errors::user("25P01", format!("{what} can only be used in transaction blocks"))),
        TransactionStatus::Transaction | TransactionStatus::Error => Ok(()),
    }
}

fn no_cursor(name: &str) -> PgWireError {
    errors::user("34000", format!("cursor \"{name}\" does not exist"))
}

/// Applies the settings that a query changes by `set_config`; `bound` contains its parameters.
pub(super) fn configure<C: ClientInfo>(client: &mut C, query: &Query, bound: &[Option<Bytes>]) -> PgWireResult<()> {
    for set in pgcatalog::sets(query.schema()) {
        let of =
            |at: usize| bound.get(at).and_then(Option::as_ref).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let value = set.parameter.map_or(set.value, of);
        session_command::set(client, &set.name, value.as_deref())?;
    }
    Ok(())
}
