//! SQL over the Postgres wire, for psql, drivers and Grafana. Statements are read by the [`PgDialect`] in a query worker,
//! beside `PostgreSQL`'s catalogs, and run by the [`QueryService`], under the same limits as any other query.

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

/// The catalog that tables stand in.
const CATALOG: &str = "datafusion";
/// Connections past the limit that are still told so, or that may ask for a query to be cancelled.
const SPARE_CONNECTIONS: usize = 16;

/// Settings of `extensions.sql.postgres`.
#[derive(Debug, Clone)]
pub struct PgSettings {
    /// User that a client must name, where there is a password.
    pub user: String,
    /// Password that a client must give (SCRAM-SHA-256).
    pub password: Option<Secret>,
    /// Connections at once; more are told so and closed.
    pub connections_max: usize,
}

/// Patience and size of one connection.
#[derive(Debug, Clone)]
struct Bounds {
    /// To log in.
    login: Duration,
    /// Between two messages.
    idle: Duration,
    /// For a client that does not read what is sent.
    stall: Duration,
    /// Of a message before the login.
    login_bytes_max: usize,
    /// Of a message after it: a statement, or its parameters.
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

/// Serves until `cancel`; queries under way are answered, for some seconds, and connections then closed.
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
    // Whoever is left is dropped with the set.
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

/// What connections share.
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
