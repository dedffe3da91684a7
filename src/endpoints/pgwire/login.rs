//! Authentication: none on loopback, otherwise by password.

use super::errors;
use super::shared::{PgSettings, Shared};
use crate::delivery::settings::Secret;
use async_trait::async_trait;
use futures::Sink;
use pgwire::api::auth::sasl::SASLAuthStartupHandler;
use pgwire::api::auth::sasl::scram::{ScramAuth, gen_salted_password};
use pgwire::api::auth::{
    AuthSource, DefaultServerParameterProvider, LoginInfo, Password, StartupHandler, finish_authentication,
    protocol_negotiation, save_startup_parameters_to_metadata,
};
use pgwire::api::{
    ClientInfo, ConnectionHandle, ConnectionManager, PidSecretKeyGenerator, RandomPidSecretKeyGenerator,
};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use std::fmt::Debug;
use std::sync::Arc;

const ITERATIONS: usize = 4096;

/// How a connection is authenticated.
pub(super) enum Login {
    /// No password.
    Open { manager: Arc<ConnectionManager>, keys: Arc<RandomPidSecretKeyGenerator> },
    /// SCRAM-SHA-256.
    Scram(Box<SASLAuthStartupHandler<DefaultServerParameterProvider>>),
    /// Rejected: the connection limit is reached.
    Full { connections_max: usize },
}

impl Login {
    pub(super) fn new(shared: &Shared, full: bool) -> Login {
        let (settings, manager, keys) = (&shared.settings, shared.manager.clone(), shared.keys.clone());
        if full {
            return Login::Full { connections_max: settings.connections_max };
        }
        let Some(known) = Known::of(settings) else { return Login::Open { manager, keys } };
        let mut scram = ScramAuth::new(Arc::new(known));
        scram.set_iterations(ITERATIONS);
        let handler = SASLAuthStartupHandler::new(Arc::new(parameters()))
            .with_scram(scram)
            .with_pid_secret_key_generator(keys)
            .with_connection_manager(manager);
        Login::Scram(Box::new(handler))
    }
}

/// Server parameters reported to a client when it connects.
fn parameters() -> DefaultServerParameterProvider {
    let mut parameters = DefaultServerParameterProvider::default();
    parameters.is_superuser = false;
    parameters.default_transaction_read_only = true;
    parameters
}

#[async_trait]
impl StartupHandler for Login {
    async fn on_startup<C>(&self, client: &mut C, message: PgWireFrontendMessage) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        match self {
            Login::Scram(scram) => scram.on_startup(client, message).await,
            Login::Full { connections_max } => {
                Err(errors::fatal("53300", format!("too many clients already: at most {connections_max} may connect")))
            }
            Login::Open { manager, keys } => {
                let PgWireFrontendMessage::Startup(startup) = &message else { return Ok(()) };
                protocol_negotiation(client, startup).await?;
                save_startup_parameters_to_metadata(client, startup);
                let (pid, key) = keys.generate(client);
                client.set_pid_and_secret_key(pid, key.clone());
                let (handle, guard) = manager.register(pid, key);
                client.session_extensions().insert::<Arc<ConnectionHandle>>(handle);
                client.session_extensions().insert(guard);
                finish_authentication(client, &parameters()).await
            }
        }
    }
}

/// The configured user.
#[derive(Debug)]
struct Known {
    user: String,
    password: Secret,
}

impl Known {
    fn of(settings: &PgSettings) -> Option<Known> {
        Some(Known { user: settings.user.clone(), password: settings.password.clone()? })
    }
}

#[async_trait]
impl AuthSource for Known {
    async fn get_password(&self, login: &LoginInfo) -> PgWireResult<Password> {
        let salt: [u8; 16] = rand::random();
        // Unknown users get a random password, so that valid user names cannot be discovered.
        let own = login.user() == Some(self.user.as_str());
        let password = if own { self.password.reveal().to_owned() } else { format!("{:x}", rand::random::<u128>()) };
        let salted = gen_salted_password(&password, &salt, ITERATIONS);
        Ok(Password::new(Some(salt.to_vec()), salted))
    }
}
