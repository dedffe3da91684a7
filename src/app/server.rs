//! The running server: startup order, concurrent tasks and shutdown.

use super::config::{Config, ReloadFn};
use super::definitions::{definitions, engine_settings};
use super::exporters::Exporters;
use super::folder::{cursors, open};
use super::frames::{FrameLog, refetch};
use super::intake::Intake;
use super::listeners;
use super::replay::Replay;
use super::services::Services;
use super::shutdown::Signals;
use super::telemetry::{self, Measured};
use crate::endpoints;
use crate::engine::{self, Definitions, Engine};
use crate::ingest::Admission;
use crate::ingest::decode::Decoder;
use crate::net::{Listener, Tls};
use crate::state::State;
use crate::store::HotStore;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::signal::unix::Signal;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Shutdown timeout for requests in flight, and then for exporters.
const DRAIN: Duration = Duration::from_secs(5);
/// Interval of deleting log segments that all readers have read.
const CUT_EVERY: Duration = Duration::from_secs(10);

/// A server that is ready: its addresses and its engine.
pub struct Ready {
    /// Protocol and address of each listener: `OTLP/gRPC`, `127.0.0.1:4317`.
    pub listening: Vec<(String, String)>,
    /// The engine.
    pub engine: Arc<Engine>,
    /// Time since the start of [`run`].
    pub took: Duration,
}

/// Runs until SIGTERM or Ctrl-C; SIGHUP reloads.
///
/// # Errors
/// Same as [`run`].
pub async fn run_server(config: Config, reload: ReloadFn, signals: Signals) -> anyhow::Result<()> {
    run(config, Some(reload), tell_ready, signals).await
}

fn tell_ready(ready: &Ready) {
    for (what, address) in &ready.listening {
        tracing::info!("listening: {what} on {address}");
    }
    tracing::info!(milliseconds = ready.took.as_millis(), "ready");
}

/// Runs a server until it is cancelled, then drains it: requests in flight are completed, received data is counted, and
/// exporters send what they can in five seconds; the rest stays in the log.
///
/// # Errors
/// Returns [`crate::model::fault::Faults`] of pipelines and schemas, or an error if something cannot be opened or an
/// essential part fails.
pub async fn run(
    config: Config,
    reload: Option<ReloadFn>,
    on_ready: impl FnOnce(&Ready),
    signals: Signals,
) -> anyhow::Result<()> {
    let began = Instant::now();
    // It fails only if a provider is already installed, which is fine.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    let definitions = definitions(&config.performance).await?;
    let mut bound = listeners::bind(&config).await?;
    signals.cancel.run_until_cancelled(super::exporters::check(&config)).await.transpose()?;
    let opened = open(&config).await?;
    let intake = Intake::start(&config, &definitions.tables, opened);
    let (tls, mut tasks) = (bound.tls(), JoinSet::new());
    let mut listening = intake.serve(std::mem::take(&mut bound.receivers), &mut tasks, &signals.cancel)?;
    tracing::info!(milliseconds = began.elapsed().as_millis(), "receiving");
    let parts = Parts::start(&config, definitions, intake).await?;
    let mut running = Running::new(parts, tasks, tls, signals.cancel);
    listening.extend(running.serve(&config, bound)?);
    let ready = Ready { listening, engine: running.parts.engine.clone(), took: began.elapsed() };
    running.parts.services.ready(&ready.listening);
    on_ready(&ready);
    running.until_cancelled(reload, signals.hangups).await
}

/// The parts behind the listeners.
struct Parts {
    log: FrameLog,
    state: State,
    store: Arc<HotStore>,
    admission: Arc<Admission>,
    engine: Arc<Engine>,
    services: Arc<Services>,
    exporters: Arc<Exporters>,
    replay: Arc<Replay>,
    decoder: Arc<Decoder>,
    own: Option<telemetry::Own>,
    feeding: tokio::task::JoinHandle<()>,
    _lock: std::fs::File,
}

impl Parts {
    async fn start(config: &Config, definitions: Definitions, intake: Intake) -> anyhow::Result<Parts> {
        let Intake { log, state, decoder, store, admission, replay, feeding, lock } = intake;
        let engine = {
            let (log, decoder) = (log.clone(), decoder.clone());
            let refetch: Arc<engine::Refetch> = Arc::new(move |after| refetch(&log, &decoder, after));
            Engine::start(engine_settings(config), definitions, store.clone(), state.clone(), refetch).await?
        };
        let exporters = Exporters::start(config, &log, &state, &engine);
        exporters.fill(&engine);
        super::memory_table::fill(config, &engine, store.clone(), admission.clone());
        let measured = Arc::new(Measured {
            admission: admission.clone(),
            log: log.clone(),
            store: store.clone(),
            exporters: exporters.clone(),
        });
        let own = Some(telemetry::start(&config.telemetry, &measured)?);
        let services = Services::new(engine.clone(), log.clone(), replay.clone(), &config.sql);
        Ok(Parts {
            log,
            state,
            store,
            admission,
            engine,
            services,
            exporters,
            replay,
            decoder,
            own,
            feeding,
            _lock: lock,
        })
    }
}

/// Tasks that run concurrently.
struct Running {
    parts: Parts,
    cancel: CancellationToken,
    /// Listeners and workers; each ends on `cancel`, and its error stops the server.
    tasks: JoinSet<anyhow::Result<()>>,
    engine: tokio::task::JoinHandle<()>,
    engine_cancel: CancellationToken,
    /// Certificates of the listeners.
    tls: Vec<Arc<Tls>>,
}

impl Running {
    fn new(parts: Parts, tasks: JoinSet<anyhow::Result<()>>, tls: Vec<Arc<Tls>>, cancel: CancellationToken) -> Running {
        // The engine ends last, so that requests accepted during shutdown are counted.
        let engine_cancel = CancellationToken::new();
        let engine = tokio::spawn(parts.engine.clone().run(engine_cancel.clone()));
        Running { parts, cancel, tasks, engine, engine_cancel, tls }
    }

    /// Starts all listeners except those of receivers, and the background tasks.
    fn serve(&mut self, config: &Config, bound: listeners::Bound) -> anyhow::Result<Vec<(String, String)>> {
        let mut listening = Vec::new();
        for tls in self.tls.clone() {
            self.tasks.spawn(super::reload::certificates_in_time(tls, self.cancel.clone()));
        }
        let services = &self.parts.services;
        let cancel = || self.cancel.clone();
        for (listener, settings) in bound.prometheus {
            listening.push(("Prometheus scrape".to_owned(), format!("{}{}", url(&listener)?, settings.path)));
            let source = services.clone();
            self.tasks.spawn(crate::exporters::prometheus::serve(listener, source, settings, cancel()));
        }
        if let Some(listener) = bound.http {
            listening.push(("HTTP: page and SQL".to_owned(), url(&listener)?));
            let settings = super::services::http_settings(&config.sql);
            self.tasks.spawn(endpoints::http::serve(listener, settings, services.clone(), cancel()));
        }
        if let Some(listener) = bound.postgres {
            listening.push(("SQL (Postgres wire)".to_owned(), listener.local_addr()?.to_string()));
            let settings = super::services::postgres_settings(&config.sql);
            self.tasks.spawn(endpoints::pgwire::serve(listener, settings, services.clone(), cancel()));
        }
        if let (Some(listener), Some(health)) = (bound.health, &config.health) {
            listening.push(("health".to_owned(), format!("{}{}", url(&listener)?, health.path)));
            let settings = super::services::health_settings(health);
            self.tasks.spawn(endpoints::health::serve(listener, settings, services.clone(), cancel()));
        }
        let state = self.parts.state.clone();
        let (engine, admission) = (self.parts.engine.clone(), self.parts.admission.clone());
        self.tasks.spawn(super::derived::run(config.clone(), engine, admission, state, cancel()));
        self.tasks.spawn(cut(self.parts.log.clone(), self.parts.state.clone(), cursors(config), cancel()));
        let Parts { replay, decoder, engine, store, .. } = &self.parts;
        self.tasks.spawn(super::memory_bound::keep(store.clone(), config.memory, cancel()));
        self.tasks.spawn(fill(replay.clone(), decoder.clone(), engine.clone(), cancel()));
        Ok(listening)
    }

    /// Runs until cancelled; reloads on SIGHUP.
    async fn until_cancelled(mut self, reload: Option<ReloadFn>, mut hangups: Signal) -> anyhow::Result<()> {
        let outcome = loop {
            tokio::select! {
                () = self.cancel.cancelled() => break Ok(()),
                _ = hangups.recv() => {
                    super::reload::certificates(&self.tls).await;
                    if let Some(reload) = &reload {
                        super::reload::reload(reload, &self.parts.engine).await;
                    }
                },
                // Without the engine nothing is evaluated and no alert is sent.
                _ = &mut self.engine => break Err(anyhow::anyhow!("the engine ended early")),
                _ = &mut self.parts.feeding => break Err(anyhow::anyhow!("the hot tables receive no more rows")),
                ended = self.tasks.join_next() => match ended {
                    Some(Ok(Ok(()))) if self.cancel.is_cancelled() => break Ok(()),
                    Some(Ok(Ok(()))) => {}
                    Some(Ok(Err(error))) => break Err(error),
                    Some(Err(error)) => break Err(error.into()),
                    None => break Ok(()),
                },
            }
        };
        self.cancel.cancel();
        self.drain().await;
        outcome
    }

    async fn drain(mut self) {
        let listeners = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, listeners).await.is_err() {
            tracing::warn!("closing connections that are still open after {DRAIN:?}");
            self.tasks.abort_all();
        }
        if let Some(own) = self.parts.own.take() {
            let _what_is_left_is_lost_with_nobody_to_tell = tokio::task::spawn_blocking(move || own.shutdown()).await;
        }
        self.engine_cancel.cancel();
        if !self.engine.is_finished()
            && let Err(error) = self.engine.await
        {
            tracing::error!(%error, "the engine ended with an error");
        }
        self.parts.exporters.drain(DRAIN).await;
        self.parts.feeding.abort();
        self.parts.state.close().await;
        tracing::info!("stopped: all acknowledged data is on disk");
    }
}

/// Fills the hot tables with the data received by an earlier process.
async fn fill(
    replay: Arc<Replay>,
    decoder: Arc<Decoder>,
    engine: Arc<Engine>,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let filling = move || {
        replay.fill(&decoder, &cancel);
        engine.look_for_earlier_exceptions();
    };
    Ok(tokio::task::spawn_blocking(filling).await?)
}

fn url(listener: &Listener) -> anyhow::Result<String> {
    Ok(format!("{}://{}", listener.scheme(), listener.local_addr()?))
}

async fn cut(log: FrameLog, state: State, cursors: Vec<String>, cancel: CancellationToken) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(CUT_EVERY);
    loop {
        tokio::select! {
            () = cancel.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        match state.least_cursor(&cursors).await {
            Ok(least) => {
                let log = log.clone();
                tokio::task::spawn_blocking(move || log.cut(least)).await?;
            }
            Err(error) => tracing::error!(%error, "cannot read cursors; old segments of the log are not deleted"),
        }
    }
}
