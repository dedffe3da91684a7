//! Writes derived data (span metrics, budgets, findings) as OTLP requests to the log, for exporters with `performance` as a
//! receiver in their pipelines. It is delivered there like any other request: once, in order, across restarts.
//!
//! Derived data produces no table rows, because the tables already contain it.

mod findings;
mod metrics;
mod otlp;

#[cfg(test)]
mod tests;

use super::config::Config;
use crate::engine::Engine;
use crate::ingest::Admission;
use crate::model::self_telemetry;
use crate::model::signal::Signal;
use crate::model::unix_time;
use crate::state::State;
use findings::Reported;
use opentelemetry_proto::tonic::resource::v1::Resource;
use otlp::text;
use prost::Message as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;

/// Kind of the state entry with the start time of the counters.
const BEGAN: &str = "derived_began";
/// Retry delay after a full log or a failure of the state database.
const PATIENCE: Duration = Duration::from_secs(1);

/// The derived data that exporters take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wanted {
    metrics: bool,
    logs: bool,
}

impl Wanted {
    fn of(config: &Config) -> Wanted {
        let of_targets = config.targets.iter().flat_map(|target| &target.feeds);
        let feeds: Vec<_> = of_targets.chain(config.debug.iter().flat_map(|debug| &debug.feeds)).collect();
        let takes = |signal| {
            feeds
                .iter()
                .any(|feed| feed.signal == signal && feed.receivers.iter().any(|id| id == self_telemetry::DERIVED))
        };
        Wanted { metrics: takes(Signal::Metrics), logs: takes(Signal::Logs) }
    }
}

/// Writes derived data that an exporter takes to the log until it is cancelled.
///
/// # Errors
/// Returns an error if the stored state of findings cannot be read.
pub(super) async fn run(
    config: Config,
    engine: Arc<Engine>,
    admission: Arc<Admission>,
    state: State,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let wanted = Wanted::of(&config);
    let into = Into { admission, service: own_resource(&config) };
    let (mut findings, mut reported) = (engine.findings(), Reported::read(&state).await?);
    let began_unix_nano = began(&state).await?;
    let mut ticks = tokio::time::interval(config.performance.metrics_flush_interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = cancel.cancelled() => return Ok(()),
            _ = ticks.tick(), if wanted.metrics => match engine.derived().await {
                Ok(scrape) => {
                    let request = metrics::request(&scrape, &into.service, began_unix_nano, unix_time::nanos(SystemTime::now()));
                    // Counters are cumulative, so the next request replaces a lost one.
                    let _said_by_the_next = into.put(Signal::Metrics, request.encode_to_vec()).await;
                }
                Err(error) => tracing::warn!(error = format!("{error:#}"), "cannot compute derived metrics"),
            },
            changed = findings.changed(), if wanted.logs => {
                if changed.is_err() {
                    return Ok(());
                }
                let now = findings.borrow_and_update().clone();
                let now_ms = i64::try_from(unix_time::nanos(SystemTime::now()) / 1_000_000).unwrap_or(i64::MAX);
                let (request, news) = reported.changes(&now, &into.service, now_ms);
                if news.is_empty() {
                    continue;
                }
                // Changes that could not be written are computed again at the next change of findings.
                if into.put(Signal::Logs, request.encode_to_vec()).await {
                    reported.keep(news, &state).await;
                } else {
                    findings.mark_changed();
                    tokio::time::sleep(PATIENCE).await;
                }
            }
        }
    }
}

/// Writes to the log.
struct Into {
    admission: Arc<Admission>,
    service: Resource,
}

impl Into {
    /// Returns whether the request is on disk.
    async fn put(&self, signal: Signal, body: Vec<u8>) -> bool {
        let put = self.admission.accept_derived(signal, body.into()).await;
        if let Err(refusal) = &put {
            tracing::warn!(signal = signal.as_str(), ?refusal, "cannot append derived data to the log");
        }
        put.is_ok()
    }
}

/// Returns the start time of the counters, ns since the epoch. It is stored, because the counters continue across restarts.
async fn began(state: &State) -> anyhow::Result<u64> {
    let kept = state.entries(BEGAN).await?;
    if let Some(began) = kept.first().and_then(|(_, bytes)| std::str::from_utf8(bytes).ok()?.parse().ok()) {
        return Ok(began);
    }
    let now = unix_time::nanos(SystemTime::now());
    state.change(BEGAN, &[("unix_nano", Some(now.to_string().as_bytes()))]).await?;
    Ok(now)
}

/// Returns the resource for data of no single service: budgets, and findings over several services.
fn own_resource(config: &Config) -> Resource {
    let own = [("service.name", "spanwise"), ("service.version", env!("CARGO_PKG_VERSION"))];
    let named = |name: &str| config.telemetry.resource.iter().any(|(given, _)| given == name);
    let own = own.into_iter().filter(|(name, _)| !named(name)).map(|(name, value)| text(name, value));
    let users = config.telemetry.resource.iter().map(|(name, value)| text(name, value));
    Resource { attributes: own.chain(users).collect(), ..Resource::default() }
}
