//! SQL over the Postgres wire, for psql, drivers and Grafana. Every statement is planned in a session of its connection
//! and run by the [`QueryService`], under the same limits as any other query.

mod errors;
mod login;
mod session;
mod text;

use super::QueryService;
use crate::sinks::settings::Secret;
use datafusion::prelude::SessionContext;
use datafusion_postgres::datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_postgres::datafusion_pg_catalog::setup_pg_catalog;
use datafusion_postgres::pgwire::tokio::process_socket;
use session::Connection;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The catalog that tables stand in.
const CATALOG: &str = "datafusion";

/// Settings of `extensions.sql.postgres`.
#[derive(Debug, Clone)]
pub struct PgSettings {
    /// User that a client must name, where there is a password.
    pub user: String,
    /// Password that a client must give (SCRAM-SHA-256).
    pub password: Option<Secret>,
    /// Connections at once; more are closed.
    pub connections_max: usize,
}

/// Serves until `cancel`; connections are then closed.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    settings: PgSettings,
    service: Arc<dyn QueryService>,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let server = Arc::new(Server {
        service,
        connections: Arc::new(Semaphore::new(settings.connections_max)),
        settings,
        base: Mutex::new(None),
    });
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = cancel.cancelled() => return Ok(()),
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => drop(connections.spawn(server.clone().talk(socket))),
                Err(error) => {
                    tracing::warn!(%error, "a connection over the Postgres wire could not be accepted");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            },
        }
    }
}

struct Server {
    service: Arc<dyn QueryService>,
    connections: Arc<Semaphore>,
    settings: PgSettings,
    /// The session that connections begin with: made anew when the service's own has changed.
    base: Mutex<Option<(String, SessionContext)>>,
}

impl Server {
    async fn talk(self: Arc<Self>, socket: TcpStream) {
        let Ok(_permit) = self.connections.clone().try_acquire_owned() else {
            tracing::warn!(
                limit = self.settings.connections_max,
                "too many connections over the Postgres wire: one is closed"
            );
            return;
        };
        let context = match self.base() {
            Ok(base) => SessionContext::new_with_state(base.state()),
            Err(error) => {
                tracing::error!(%error, "the catalog for the Postgres wire cannot be made");
                return;
            }
        };
        let login = login::Login::new(&self.settings);
        let connection = Arc::new(Connection::new(context, self.service.clone(), login));
        if let Err(error) = process_socket(socket, None, connection).await {
            tracing::debug!(%error, "a connection over the Postgres wire broke");
        }
    }

    /// The service's session with `pg_catalog` beside its tables.
    fn base(&self) -> datafusion::common::Result<SessionContext> {
        let current = self.service.session();
        let mut base = self.base.lock().unwrap_or_else(PoisonError::into_inner);
        let id = current.session_id();
        if let Some((of, context)) = &*base
            && *of == id
        {
            return Ok(context.clone());
        }
        let context = SessionContext::new_with_state(current.state());
        setup_pg_catalog(&context, CATALOG, EmptyContextProvider).map_err(|error| *error)?;
        *base = Some((id, context.clone()));
        Ok(context)
    }
}
