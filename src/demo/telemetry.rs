//! A service's own tracer and meter, sending OTLP over gRPC.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::WithExportConfig as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider};
use std::time::Duration;

/// Short, so that the first windows appear soon.
const SEND_EVERY: Duration = Duration::from_secs(1);

/// Tracer and meter of one service.
#[derive(Clone)]
pub(super) struct Telemetry {
    pub(super) tracer: SdkTracer,
    pub(super) meter: Meter,
    traces: SdkTracerProvider,
    metrics: SdkMeterProvider,
}

impl Telemetry {
    pub(super) fn start(service: &'static str, otlp_endpoint: &str) -> anyhow::Result<Telemetry> {
        let resource = Resource::builder_empty()
            .with_attributes([
                KeyValue::new("service.name", service),
                KeyValue::new("service.namespace", "shop"),
                KeyValue::new("service.instance.id", format!("{service}-1")),
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new("deployment.environment.name", "demo"),
            ])
            .build();
        let spans = opentelemetry_otlp::SpanExporter::builder().with_tonic().with_endpoint(otlp_endpoint).build()?;
        let points = opentelemetry_otlp::MetricExporter::builder().with_tonic().with_endpoint(otlp_endpoint).build()?;
        let processor = BatchSpanProcessor::builder(spans)
            .with_batch_config(
                BatchConfigBuilder::default().with_scheduled_delay(SEND_EVERY).with_max_queue_size(16_384).build(),
            )
            .build();
        let traces =
            SdkTracerProvider::builder().with_span_processor(processor).with_resource(resource.clone()).build();
        let metrics = SdkMeterProvider::builder()
            .with_reader(PeriodicReader::builder(points).with_interval(SEND_EVERY).build())
            .with_resource(resource)
            .build();
        Ok(Telemetry { tracer: traces.tracer("shop"), meter: metrics.meter("shop"), traces, metrics })
    }

    /// Flushes what is left. Blocks, so it runs off the async workers.
    pub(super) async fn stop(self) {
        let stopped = tokio::task::spawn_blocking(move || (self.traces.shutdown(), self.metrics.shutdown())).await;
        if let Ok((Err(error), _) | (_, Err(error))) = stopped {
            tracing::debug!(%error, "the demo's last telemetry was not sent");
        }
    }
}
