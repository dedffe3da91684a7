//! Binds all sockets before anything is opened: a port in use is reported at once, with nothing half started.

use super::config::{Config, ReceiverConfig};
use crate::exporters::prometheus::PrometheusSettings;
use crate::net::{Endpoint, Listener, Protocols, Tls};
use std::sync::Arc;

/// A receiver with its sockets for gRPC and HTTP.
pub(super) type Receiver = (ReceiverConfig, Option<Listener>, Option<Listener>);

/// The bound listeners.
pub(super) struct Bound {
    pub(super) receivers: Vec<Receiver>,
    pub(super) prometheus: Vec<(Listener, PrometheusSettings)>,
    pub(super) http: Option<Listener>,
    pub(super) postgres: Option<Listener>,
    pub(super) health: Option<Listener>,
}

pub(super) async fn bind(config: &Config) -> anyhow::Result<Bound> {
    let mut receivers = Vec::new();
    for receiver in &config.receivers {
        let id = &receiver.id;
        let grpc = receiver.grpc.as_ref().map(|(endpoint, _)| endpoint);
        let http = receiver.http.as_ref().map(|(endpoint, _)| endpoint);
        let grpc = one(grpc, Protocols::Grpc, &format!("receivers.{id}.protocols.grpc.endpoint")).await?;
        let http = one(http, Protocols::Http, &format!("receivers.{id}.protocols.http.endpoint")).await?;
        receivers.push((receiver.clone(), grpc, http));
    }
    let mut prometheus = Vec::new();
    for (endpoint, settings) in &config.prometheus {
        if let Some(listener) = one(Some(endpoint), Protocols::Http, "exporters.prometheus.endpoint").await? {
            prometheus.push((listener, settings.clone()));
        }
    }
    let (sql, health) = (&config.sql, config.health.as_ref().map(|health| &health.endpoint));
    Ok(Bound {
        receivers,
        prometheus,
        http: one(sql.http.as_ref(), Protocols::Http, "extensions.sql.http.endpoint").await?,
        postgres: one(sql.postgres.as_ref(), Protocols::Postgres, "extensions.sql.postgres.endpoint").await?,
        health: one(health, Protocols::Http, "extensions.health_check.endpoint").await?,
    })
}

async fn one(endpoint: Option<&Endpoint>, protocols: Protocols, key: &str) -> anyhow::Result<Option<Listener>> {
    match endpoint {
        Some(endpoint) => Listener::bind(endpoint, protocols, key).await.map(Some),
        None => Ok(None),
    }
}

impl Bound {
    /// Returns the TLS configuration of each listener that has one.
    pub(super) fn tls(&self) -> Vec<Arc<Tls>> {
        let receivers = self.receivers.iter().flat_map(|(_, grpc, http)| [grpc, http]);
        let others = [&self.http, &self.postgres, &self.health];
        let named = receivers.chain(others).filter_map(Option::as_ref);
        named.chain(self.prometheus.iter().map(|(listener, _)| listener)).filter_map(Listener::tls).collect()
    }
}
