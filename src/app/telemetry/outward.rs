//! Export of own telemetry over OTLP/gRPC to an external target.

use crate::app::config::OutwardTelemetry;
use opentelemetry_otlp::tonic_types::transport::ClientTlsConfig;
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter};
use opentelemetry_otlp::{WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{self, LogBatch};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{self, SpanData};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Creates an exporter of own metrics.
pub(super) fn metrics(to: &OutwardTelemetry) -> anyhow::Result<Telling<MetricExporter>> {
    Ok(Telling::of("metrics", aimed(MetricExporter::builder().with_tonic(), to)?.build()?))
}

/// Creates an exporter of own logs.
pub(super) fn logs(to: &OutwardTelemetry) -> anyhow::Result<Telling<LogExporter>> {
    Ok(Telling::of("logs", aimed(LogExporter::builder().with_tonic(), to)?.build()?))
}

/// Creates an exporter of own traces.
pub(super) fn traces(to: &OutwardTelemetry) -> anyhow::Result<Telling<SpanExporter>> {
    Ok(Telling::of("traces", aimed(SpanExporter::builder().with_tonic(), to)?.build()?))
}

fn aimed<B: WithExportConfig + WithTonicConfig>(builder: B, to: &OutwardTelemetry) -> anyhow::Result<B> {
    let mut headers = tonic::metadata::MetadataMap::new();
    for (name, value) in &to.headers {
        let name = tonic::metadata::MetadataKey::from_bytes(name.as_bytes())?;
        headers.insert(name, value.reveal().parse()?);
    }
    let builder = builder.with_endpoint(&to.endpoint).with_metadata(headers);
    let is_tls = to.endpoint.starts_with("https://");
    Ok(if is_tls { builder.with_tls_config(ClientTlsConfig::new().with_enabled_roots()) } else { builder })
}

/// Logs once when a target fails and once when it recovers: the SDK itself logs nothing, and a line per attempt would be too
/// many. The lines only go to standard error, because own logs do not report their own export.
#[derive(Debug)]
pub(super) struct Telling<E> {
    exporter: E,
    signal: &'static str,
    failing: AtomicBool,
}

impl<E> Telling<E> {
    fn of(signal: &'static str, exporter: E) -> Telling<E> {
        Telling { exporter, signal, failing: AtomicBool::new(false) }
    }

    fn tell(&self, outcome: OTelSdkResult) -> OTelSdkResult {
        let was_failing = self.failing.swap(outcome.is_err(), Ordering::Relaxed);
        match &outcome {
            Err(error) if !was_failing => {
                tracing::warn!(signal = self.signal, %error, "cannot export own telemetry; failed exports are not retried");
            }
            Ok(()) if was_failing => tracing::info!(signal = self.signal, "exporting own telemetry again"),
            _ => {}
        }
        outcome
    }
}

impl PushMetricExporter for Telling<MetricExporter> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.tell(self.exporter.export(metrics).await)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}

impl logs::LogExporter for Telling<LogExporter> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        self.tell(self.exporter.export(batch).await)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl trace::SpanExporter for Telling<SpanExporter> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.tell(self.exporter.export(batch).await)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
