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

use super::{QueryService, graceful_shutdown};
use crate::delivery::settings::Secret;
use crate::net::{Listener, Tls};
use pgwire::api::{ConnectionManager, RandomPidSecretKeyGenerator};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The `DataFusion` catalog that contains the tables.
const CATALOG: &str = "datafusion";
/// Number of connections beyond the limit that still get an error message, or can send a cancel request.
const SPARE_CONNECTIONS: usize = 16;

/// Settings of `extensions.sql.postgres`.
#[derive(Debug, Clone)]
pub struct PgSettings {
    /// Required user name, if a password is set.
    pub user: String,
    /// Required password (SCRAM-SHA-256).
    pub password: Option<Secret>,
    /// Maximum number of concurrent connections; further ones get an error message and are closed.
    pub connections_max: usize,
}

/// Timeouts and size limits of a connection.
#[derive(Debug, Clone)]
struct Bounds {
    /// Timeout of the login.
    login: Duration,
    /// Timeout between two messages.
    idle: Duration,
    /// Timeout for a client that does not read what is sent.
    stall: Duration,
    /// Maximum size of a message before the login.
    login_bytes_max: usize,
    /// Maximum size of a message after the login: a statement, or its parameters.
    message_bytes_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            login: Duration::from_secs(30),
            idle: Duration::from_hours(1),
            stall: super::STALL,
            login_bytes_max: 32 << 10,
            message_bytes_max: 16 << 20,
        }
    }
}

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

/// State shared by all connections.
struct Shared {
    service: Arc<dyn QueryService>,
    settings: PgSettings,
    bounds: Bounds,
    connections: Arc<Semaphore>,
    spare: Arc<Semaphore>,
    manager: Arc<ConnectionManager>,
    keys: Arc<RandomPidSecretKeyGenerator>,
}

impl Shared {
    fn new(settings: PgSettings, service: Arc<dyn QueryService>, bounds: Bounds) -> Arc<Shared> {
        Arc::new(Shared {
            service,
            bounds,
            connections: Arc::new(Semaphore::new(settings.connections_max)),
            spare: Arc::new(Semaphore::new(SPARE_CONNECTIONS)),
            settings,
            manager: Arc::default(),
            keys: Arc::default(),
        })
    }
}
