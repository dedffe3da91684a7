//! Who may connect: anyone on loopback, or whoever knows the password.

use super::PgSettings;
use crate::sinks::settings::Secret;
use async_trait::async_trait;
use datafusion_postgres::pgwire::api::auth::noop::NoopStartupHandler;
use datafusion_postgres::pgwire::api::auth::sasl::SASLAuthStartupHandler;
use datafusion_postgres::pgwire::api::auth::sasl::scram::{ScramAuth, gen_salted_password};
use datafusion_postgres::pgwire::api::auth::{
    AuthSource, DefaultServerParameterProvider, LoginInfo, Password, StartupHandler,
};
use datafusion_postgres::pgwire::api::{ClientInfo, PgWireConnectionState};
use datafusion_postgres::pgwire::error::{PgWireError, PgWireResult};
use datafusion_postgres::pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use futures::Sink;
use std::fmt::Debug;
use std::sync::Arc;

const ITERATIONS: usize = 4096;

/// How a connection begins.
pub(super) enum Login {
    /// Without a password.
    Open(Open),
    /// With SCRAM-SHA-256.
    Scram(Box<SASLAuthStartupHandler<DefaultServerParameterProvider>>),
}

pub(super) struct Open;

impl NoopStartupHandler for Open {}

impl Login {
    pub(super) fn new(settings: &PgSettings) -> Arc<Login> {
        let Some(password) = settings.password.clone() else { return Arc::new(Login::Open(Open)) };
        let known = Known { user: settings.user.clone(), password };
        let mut scram = ScramAuth::new(Arc::new(known));
        scram.set_iterations(ITERATIONS);
        let parameters = Arc::new(DefaultServerParameterProvider::default());
        Arc::new(Login::Scram(Box::new(SASLAuthStartupHandler::new(parameters).with_scram(scram))))
    }
}

#[async_trait]
impl StartupHandler for Login {
    async fn on_startup<C>(&self, client: &mut C, message: PgWireFrontendMessage) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let _state: PgWireConnectionState = client.state();
        match self {
            Login::Open(open) => StartupHandler::on_startup(open, client, message).await,
            Login::Scram(scram) => scram.on_startup(client, message).await,
        }
    }
}

/// The one user.
#[derive(Debug)]
struct Known {
    user: String,
    password: Secret,
}

#[async_trait]
impl AuthSource for Known {
    async fn get_password(&self, login: &LoginInfo) -> PgWireResult<Password> {
        let salt: [u8; 16] = rand::random();
        // Another user gets a password that nobody knows, so that names cannot be tried.
        let own = login.user() == Some(self.user.as_str());
        let password = if own { self.password.reveal().to_owned() } else { format!("{:x}", rand::random::<u128>()) };
        let salted = gen_salted_password(&password, &salt, ITERATIONS);
        Ok(Password::new(Some(salt.to_vec()), salted))
    }
}
