//! SQL over the Postgres wire protocol, for psql, drivers and Grafana. Statements are parsed by the [`PgDialect`] in a query
//! worker, with `PostgreSQL`'s catalogs, and run by the [`QueryService`] under the same limits as any other query.

mod binary;
mod copies;
mod cursor_command;
mod cursors;
mod dialect;
mod errors;
mod extended;
mod functions;
mod literals;
mod login;
mod parameters;
mod portals;
mod rows;
mod savepoints;
mod session;
mod session_command;
mod session_text;
mod shared;
mod simple;
mod socket;
mod statements;
mod syntax;
mod text;
mod values;
mod wire;

#[cfg(test)]
mod tests;

pub use dialect::PgDialect;
pub use shared::PgSettings;

use super::{QueryService, graceful_shutdown};
use crate::net::{Listener, Tls};
use shared::{Bounds, Shared};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Serves until `cancel`; queries in progress can finish within some seconds, then connections are closed.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: impl Into<Listener>,
    settings: PgSettings,
    service: Arc<dyn QueryService>,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    serve_within(listener, Shared::new(settings, service, Bounds::default()), cancel).await;
    Ok(())
}

async fn serve_within(listener: impl Into<Listener>, shared: Arc<Shared>, cancel: CancellationToken) {
    let listener = listener.into();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = cancel.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept_tcp() => match accepted {
                Ok((stream, _)) => {
                    drop(connections.spawn(connect(stream, listener.tls(), shared.clone(), cancel.clone())));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection over the Postgres wire could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    // Dropping the set closes the remaining connections.
    let _ = tokio::time::timeout(graceful_shutdown::QUERY_GRACE + Duration::from_secs(1), all).await;
}

async fn connect(stream: TcpStream, tls: Option<Arc<Tls>>, shared: Arc<Shared>, cancel: CancellationToken) {
    let permit = shared.connections.clone().try_acquire_owned();
    let spare = if permit.is_err() { shared.spare.clone().try_acquire_owned().ok() } else { None };
    if permit.is_err() && spare.is_none() {
        return;
    }
    if spare.is_some() {
        tracing::debug!(limit = shared.settings.connections_max, "more connections than may be over the Postgres wire");
    }
    if let Err(error) = socket::talk(stream, tls, shared, permit.is_err(), cancel).await {
        tracing::debug!(%error, "a connection over the Postgres wire broke");
    }
}
