//! What all connections share: settings, limits, and the service that runs queries.

use crate::delivery::settings::Secret;
use crate::endpoints::{QueryService, STALL};
use pgwire::api::{ConnectionManager, RandomPidSecretKeyGenerator};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// The `DataFusion` catalog that contains the tables.
pub(super) const CATALOG: &str = "datafusion";
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
pub(super) struct Bounds {
    /// Timeout of the login.
    pub(super) login: Duration,
    /// Timeout between two messages.
    pub(super) idle: Duration,
    /// Timeout for a client that does not read what is sent.
    pub(super) stall: Duration,
    /// Maximum size of a message before the login.
    pub(super) login_bytes_max: usize,
    /// Maximum size of a message after the login: a statement, or its parameters.
    pub(super) message_bytes_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            login: Duration::from_secs(30),
            idle: Duration::from_hours(1),
            stall: STALL,
            login_bytes_max: 32 << 10,
            message_bytes_max: 16 << 20,
        }
    }
}

/// State shared by all connections.
pub(super) struct Shared {
    pub(super) service: Arc<dyn QueryService>,
    pub(super) settings: PgSettings,
    pub(super) bounds: Bounds,
    pub(super) connections: Arc<Semaphore>,
    pub(super) spare: Arc<Semaphore>,
    pub(super) manager: Arc<ConnectionManager>,
    pub(super) keys: Arc<RandomPidSecretKeyGenerator>,
}

impl Shared {
    pub(super) fn new(settings: PgSettings, service: Arc<dyn QueryService>, bounds: Bounds) -> Arc<Shared> {
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
