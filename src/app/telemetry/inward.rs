//! Export of own telemetry into the own tables: through admission like other requests, without a socket.

use crate::ingest::Admission;
use crate::model::self_telemetry::RECEIVER;
use crate::model::signal::{Encoding, Signal};
use opentelemetry::Context;
use opentelemetry::context::FutureExt as _;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::logs::tonic::group_logs_by_resource_and_scope;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::{LogBatch, LogExporter};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use prost::Message as _;
use std::sync::Arc;
use std::time::Duration;

/// Exports own telemetry of all signals into the own tables.
pub(super) struct Inward {
    admission: Arc<Admission>,
    runtime: tokio::runtime::Handle,
    resource: ResourceAttributesWithSchema,
}

impl Inward {
    /// Creates an exporter through `admission`; must be called within the runtime.
    pub(super) fn new(admission: Arc<Admission>) -> Inward {
        let (runtime, resource) = (tokio::runtime::Handle::current(), ResourceAttributesWithSchema::default());
        Inward { admission, runtime, resource }
    }

    async fn put(&self, signal: Signal, body: Vec<u8>) -> OTelSdkResult {
        let admission = self.admission.clone();
        let accept = async move { admission.accept_own(RECEIVER, signal, Encoding::Protobuf, body.into()).await };
        // The SDK's threads are not part of the runtime. The suppression of telemetry is passed on.
        let accepted = self.runtime.spawn(accept.with_context(Context::new().with_telemetry_suppressed()));
        match accepted.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(refusal)) => Err(OTelSdkError::InternalFailure(format!("{refusal:?}"))),
            Err(error) => Err(OTelSdkError::InternalFailure(error.to_string())),
        }
    }
}

impl std::fmt::Debug for Inward {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Inward")
    }
}

impl PushMetricExporter for Inward {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.put(Signal::Metrics, ExportMetricsServiceRequest::from(metrics).encode_to_vec()).await
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

impl LogExporter for Inward {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let resource_logs = group_logs_by_resource_and_scope(&batch, &self.resource);
        self.put(Signal::Logs, ExportLogsServiceRequest { resource_logs }.encode_to_vec()).await
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
    }
}

impl SpanExporter for Inward {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        self.put(Signal::Traces, ExportTraceServiceRequest { resource_spans }.encode_to_vec()).await
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
    }
}
