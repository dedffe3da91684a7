//! Spanwise's own metrics, logs and traces, through the OpenTelemetry SDK: into its own tables, and to an external target if
//! configured.
//!
//! To avoid feedback, own telemetry is not counted as received and not forwarded by exporters of pipelines; work and logs
//! while it is processed are neither traced nor exported.

mod bridge;
mod inward;
mod measured;
mod metrics;
mod outward;
mod sampler;

#[cfg(test)]
mod tests;

pub(super) use bridge::{Bridge, is_said, is_work};
pub(super) use measured::Measured;

use crate::app::config::TelemetryConfig;
use crate::model::self_telemetry::SCOPE;
use bridge::Outlet;
use inward::Inward;
use opentelemetry::KeyValue;
use opentelemetry::logs::LoggerProvider as _;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{self, BatchLogProcessor, SdkLoggerProvider};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{self, BatchSpanProcessor, SdkTracerProvider};
use sampler::Sparing;
use std::sync::Arc;
use std::time::Duration;

/// Default export interval of own logs and traces. Each export costs a flush of the log to disk.
const EVERY: Duration = Duration::from_secs(5);
/// Timeout of the last export at shutdown: an unavailable target must not delay the end.
const LAST: Duration = Duration::from_secs(2);

/// Running own telemetry.
pub(super) struct Own {
    metrics: Option<SdkMeterProvider>,
    logs: Option<SdkLoggerProvider>,
    traces: Option<SdkTracerProvider>,
    outlet: Arc<Outlet>,
}

/// Starts all configured own telemetry, including the earlier log events. Must be called within the runtime.
///
/// # Errors
/// Returns an error if an external target cannot be used.
pub(super) fn start(config: &TelemetryConfig, measured: &Arc<Measured>) -> anyhow::Result<Own> {
    let resource = resource(config);
    let metrics = metrics::start(config, resource.clone(), measured)?;
    let logs = start_logs(config, resource.clone(), measured)?;
    let traces = start_traces(config, resource, measured)?;
    let outlet = bridge::outlet().clone();
    outlet.open(
        logs.as_ref().map(|provider| provider.logger(SCOPE)),
        traces.as_ref().map(|provider| provider.tracer(SCOPE)),
    );
    Ok(Own { metrics, logs, traces, outlet })
}

impl Own {
    /// Exports the remaining data. Blocking: do not call it on the async workers.
    pub(super) fn shutdown(self) {
        self.outlet.close();
        // In parallel: an unavailable target must not use up the time of the others.
        std::thread::scope(|scope| {
            scope.spawn(|| self.metrics.map(|provider| provider.shutdown_with_timeout(LAST)));
            scope.spawn(|| self.logs.map(|provider| provider.shutdown_with_timeout(LAST)));
            scope.spawn(|| self.traces.map(|provider| provider.shutdown_with_timeout(LAST)));
        });
    }
}

fn resource(config: &TelemetryConfig) -> Resource {
    let own = [("service.name", "spanwise"), ("service.version", env!("CARGO_PKG_VERSION"))];
    let own = own.map(|(name, value)| KeyValue::new(name, value));
    let users = config.resource.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    Resource::builder_empty().with_attributes(own).with_attributes(users).build()
}

fn start_logs(
    config: &TelemetryConfig,
    resource: Resource,
    measured: &Measured,
) -> anyhow::Result<Option<SdkLoggerProvider>> {
    if !config.logs_stored && config.logs_to.is_none() {
        return Ok(None);
    }
    let batches = |every| logs::BatchConfigBuilder::default().with_scheduled_delay(every).build();
    let mut provider = SdkLoggerProvider::builder().with_resource(resource);
    if config.logs_stored {
        let inward = BatchLogProcessor::builder(Inward::new(measured.admission.clone()));
        provider = provider.with_log_processor(inward.with_batch_config(batches(EVERY)).build());
    }
    if let Some(to) = &config.logs_to {
        let outward = BatchLogProcessor::builder(outward::logs(to)?);
        let every = to.interval.unwrap_or(EVERY);
        provider = provider.with_log_processor(outward.with_batch_config(batches(every)).build());
    }
    Ok(Some(provider.build()))
}

fn start_traces(
    config: &TelemetryConfig,
    resource: Resource,
    measured: &Measured,
) -> anyhow::Result<Option<SdkTracerProvider>> {
    if !config.traces {
        return Ok(None);
    }
    let batches = |every| trace::BatchConfigBuilder::default().with_scheduled_delay(every).build();
    let inward = BatchSpanProcessor::builder(Inward::new(measured.admission.clone()));
    let mut provider = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_sampler(Sparing::default())
        .with_span_processor(inward.with_batch_config(batches(EVERY)).build());
    if let Some(to) = &config.traces_to {
        let outward = BatchSpanProcessor::builder(outward::traces(to)?);
        let every = to.interval.unwrap_or(EVERY);
        provider = provider.with_span_processor(outward.with_batch_config(batches(every)).build());
    }
    Ok(Some(provider.build()))
}
