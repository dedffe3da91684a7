//! All sockets, bound before anything is opened: a port that is taken is told at once, and nothing is half started.

use super::config::{Config, ReceiverConfig};
use crate::sinks::prometheus::PrometheusSettings;
use anyhow::Context as _;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// The listeners.
pub(super) struct Bound {
    pub(super) receivers: Vec<(ReceiverConfig, Option<TcpListener>, Option<TcpListener>)>,
    pub(super) prometheus: Vec<(TcpListener, PrometheusSettings)>,
    pub(super) http: Option<TcpListener>,
    pub(super) postgres: Option<TcpListener>,
    pub(super) health: Option<TcpListener>,
}

pub(super) async fn bind(config: &Config) -> anyhow::Result<Bound> {
    let mut receivers = Vec::new();
    for receiver in &config.receivers {
        let id = &receiver.id;
        let grpc = receiver.grpc.as_ref().map(|(address, _)| *address);
        let http = receiver.http.as_ref().map(|(address, _)| *address);
        let grpc = one(grpc, &format!("receivers.{id}.protocols.grpc.endpoint")).await?;
        let http = one(http, &format!("receivers.{id}.protocols.http.endpoint")).await?;
        receivers.push((receiver.clone(), grpc, http));
    }
    let mut prometheus = Vec::new();
    for (address, settings) in &config.prometheus {
        if let Some(listener) = one(Some(*address), "exporters.prometheus.endpoint").await? {
            prometheus.push((listener, settings.clone()));
        }
    }
    Ok(Bound {
        receivers,
        prometheus,
        http: one(config.sql.http, "extensions.sql.http.endpoint").await?,
        postgres: one(config.sql.postgres, "extensions.sql.postgres.endpoint").await?,
        health: one(config.health.as_ref().map(|health| health.address), "extensions.health_check.endpoint").await?,
    })
}

async fn one(address: Option<SocketAddr>, key: &str) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = address else { return Ok(None) };
    let bound = TcpListener::bind(address).await;
    bound.map(Some).with_context(|| format!("{key}: cannot listen on {address}; is another program there?"))
}
