//! Spanwise's own metrics, through the OpenTelemetry SDK: into its own tables, and outward where the user says so.
//!
//! They are read from counters when they are sent and cost nothing in between. What comes in by this way is not counted
//! as received, so that Spanwise does not feed on itself.

use crate::app::config::{MetricsLevel, OutwardTelemetry, TelemetryConfig};
use crate::app::frames::FrameLog;
use crate::ingest::Admission;
use crate::model::signal::{Encoding, Signal};
use crate::store::HotStore;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry_otlp::{WithExportConfig as _, WithTonicConfig as _};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use prost::Message as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often own metrics are sent into the own tables.
const EVERY: Duration = Duration::from_secs(15);
/// The receiver that own telemetry comes in by.
const RECEIVER: &str = "spanwise";

/// What is measured.
pub(super) struct Measured {
    pub(super) admission: Arc<Admission>,
    pub(super) log: FrameLog,
    pub(super) store: Arc<HotStore>,
}

/// Starts measuring; `None` where the user wants nothing measured.
pub(super) fn start(config: &TelemetryConfig, measured: &Arc<Measured>) -> anyhow::Result<Option<SdkMeterProvider>> {
    if config.metrics == MetricsLevel::None {
        return Ok(None);
    }
    let own = Inward { admission: measured.admission.clone(), runtime: tokio::runtime::Handle::current() };
    let mut provider = SdkMeterProvider::builder()
        .with_resource(resource(config))
        .with_reader(PeriodicReader::builder(own).with_interval(EVERY).build());
    if let Some(outward) = &config.metrics_to {
        let reader = PeriodicReader::builder(exporter(outward)?).with_interval(outward.interval).build();
        provider = provider.with_reader(reader);
    }
    let provider = provider.build();
    instruments(&provider.meter("spanwise"), measured);
    Ok(Some(provider))
}

fn resource(config: &TelemetryConfig) -> Resource {
    let own = [("service.name", "spanwise"), ("service.version", env!("CARGO_PKG_VERSION"))];
    let own = own.map(|(name, value)| KeyValue::new(name, value));
    let users = config.resource.iter().map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    Resource::builder_empty().with_attributes(own).with_attributes(users).build()
}

fn exporter(outward: &OutwardTelemetry) -> anyhow::Result<opentelemetry_otlp::MetricExporter> {
    let mut headers = tonic::metadata::MetadataMap::new();
    for (name, value) in &outward.headers {
        let name = tonic::metadata::MetadataKey::from_bytes(name.as_bytes())?;
        headers.insert(name, value.reveal().parse()?);
    }
    let builder = opentelemetry_otlp::MetricExporter::builder().with_tonic().with_endpoint(&outward.endpoint);
    Ok(builder.with_metadata(headers).build()?)
}

fn instruments(meter: &Meter, measured: &Arc<Measured>) {
    type Counter = fn(&crate::ingest::admission::Counters) -> &AtomicU64;
    let counters: [(&'static str, &'static str, &'static str, Counter); 5] = [
        ("spanwise.receiver.requests", "{request}", "Requests acknowledged, resends included.", |all| &all.requests),
        ("spanwise.receiver.items", "{item}", "Spans, points and log records acknowledged.", |all| &all.items),
        ("spanwise.receiver.items.rejected", "{item}", "Items refused out of good requests.", |all| {
            &all.items_rejected
        }),
        ("spanwise.receiver.resends", "{request}", "Requests known as resends.", |all| &all.resends),
        ("spanwise.receiver.requests.refused", "{request}", "Requests refused whole.", |all| &all.refused),
    ];
    for (name, unit, description, counter) in counters {
        let measured = measured.clone();
        let observe = move |observer: &dyn opentelemetry::metrics::AsyncInstrument<u64>| {
            observer.observe(counter(measured.admission.counters()).load(Ordering::Relaxed), &[]);
        };
        meter.u64_observable_counter(name).with_unit(unit).with_description(description).with_callback(observe).build();
    }
    let log = measured.clone();
    meter
        .u64_observable_gauge("spanwise.log.size")
        .with_unit("By")
        .with_description("Bytes of the durable log on disk.")
        .with_callback(move |observer| observer.observe(log.log.disk_bytes(), &[]))
        .build();
    let store = measured.clone();
    meter
        .u64_observable_gauge("spanwise.table.size")
        .with_unit("By")
        .with_description("Memory that the rows of a table take.")
        .with_callback(move |observer| {
            for coverage in store.store.coverage() {
                observer.observe(coverage.bytes, &[KeyValue::new("table", coverage.table)]);
            }
        })
        .build();
    meter
        .u64_observable_gauge("process.memory.usage")
        .with_unit("By")
        .with_description("Physical memory of this process.")
        .with_callback(|observer| {
            if let Some(bytes) = resident_bytes() {
                observer.observe(bytes, &[]);
            }
        })
        .build();
}

/// The process's resident memory, as Linux tells it; `None` elsewhere.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Puts own metrics where those of others go, without the socket.
struct Inward {
    admission: Arc<Admission>,
    runtime: tokio::runtime::Handle,
}

impl PushMetricExporter for Inward {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let body = ExportMetricsServiceRequest::from(metrics).encode_to_vec();
        let admission = self.admission.clone();
        // The reader's thread is none of the runtime's.
        let accepted = self.runtime.spawn(async move {
            admission.accept_own(RECEIVER, Signal::Metrics, Encoding::Protobuf, body.into()).await
        });
        match accepted.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(refusal)) => Err(OTelSdkError::InternalFailure(format!("{refusal:?}"))),
            Err(error) => Err(OTelSdkError::InternalFailure(error.to_string())),
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}
