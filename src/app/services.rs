//! Implements the services of the endpoints with the engine.

use super::config::{HealthConfig, SqlConfig};
use super::frames::FrameLog;
use super::replay::Replay;
use crate::endpoints::{self, QueryService};
use crate::engine::{Answer, Engine, QueryError, QueryLimits, Read, Request};
use crate::exporters::prometheus::ScrapeSource;
use crate::model::finding::Finding;
use crate::model::pipeline::PipelineDef;
use crate::model::scrape::Scrape;
use crate::model::table::TableDef;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Queries, findings, the scrape and health.
pub(super) struct Services {
    engine: Arc<Engine>,
    log: FrameLog,
    replay: Arc<Replay>,
    limits: QueryLimits,
    ready: AtomicBool,
    listening: OnceLock<Vec<(String, String)>>,
}

impl Services {
    pub(super) fn new(engine: Arc<Engine>, log: FrameLog, replay: Arc<Replay>, sql: &SqlConfig) -> Arc<Services> {
        let limits = sql.limits;
        Arc::new(Services { engine, log, replay, limits, ready: AtomicBool::new(false), listening: OnceLock::new() })
    }

    /// Marks the server as ready, with its addresses.
    pub(super) fn ready(&self, listening: &[(String, String)]) {
        let _set_once = self.listening.set(listening.to_vec());
        self.ready.store(true, Ordering::Release);
    }
}

#[async_trait]
impl QueryService for Services {
    async fn read(&self, request: &Request) -> Result<Vec<Read>, QueryError> {
        self.engine.queries().read(request).await
    }

    async fn describe(&self, request: &Request) -> Result<SchemaRef, QueryError> {
        self.engine.queries().describe(request).await
    }

    async fn run(&self, request: &Request) -> Result<Answer, QueryError> {
        self.engine.queries().run(request).await
    }

    fn limits(&self) -> QueryLimits {
        self.limits
    }

    fn findings(&self) -> Arc<Vec<Finding>> {
        self.engine.findings().borrow().clone()
    }

    fn tables(&self) -> Vec<TableDef> {
        self.engine.tables()
    }

    fn pipelines(&self) -> Vec<PipelineDef> {
        self.engine.rules().pipelines.clone()
    }

    fn listening(&self) -> Vec<(String, String)> {
        self.listening.get().cloned().unwrap_or_default()
    }

    fn health(&self) -> Vec<(String, Result<(), String>)> {
        let ready = if self.ready.load(Ordering::Acquire) { Ok(()) } else { Err("starting".to_owned()) };
        let engine = self.engine.health();
        vec![("log".to_owned(), self.log.health()), ("engine".to_owned(), engine), ("server".to_owned(), ready)]
    }

    fn catching_up(&self) -> Option<String> {
        self.replay.progress()
    }
}

#[async_trait]
impl ScrapeSource for Services {
    async fn scrape(&self) -> anyhow::Result<Scrape> {
        self.engine.scrape().await
    }
}

/// Returns the settings of SQL over HTTP.
pub(super) fn http_settings(sql: &SqlConfig) -> endpoints::http::HttpSettings {
    endpoints::http::HttpSettings {
        auth_token: sql.auth_token.clone(),
        // JSON needs up to six bytes per character.
        body_bytes_max: sql.limits.sql_bytes_max.saturating_mul(6) + 1024,
        hosts: sql.hosts.clone(),
        queries_max: sql.workers_max,
        ..endpoints::http::HttpSettings::default()
    }
}

/// Returns the settings of SQL over the PostgreSQL protocol.
pub(super) fn postgres_settings(sql: &SqlConfig) -> endpoints::pgwire::PgSettings {
    endpoints::pgwire::PgSettings { user: sql.user.clone(), password: sql.password.clone(), connections_max: 64 }
}

/// Returns the settings of the health endpoint.
pub(super) fn health_settings(health: &HealthConfig) -> endpoints::health::HealthSettings {
    endpoints::health::HealthSettings { path: health.path.clone() }
}
