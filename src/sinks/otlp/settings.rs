//! Settings of `exporters.otlp_grpc` and `exporters.otlp_http`.

use crate::sinks::delivery::DeliverySettings;
use crate::sinks::settings::{Compression, Feed, RateSettings, Secret, TlsSettings};
use std::time::Duration;

/// How OTLP is spoken to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC.
    Grpc,
    /// HTTP.
    Http,
}

/// An OTLP target.
#[derive(Debug, Clone)]
pub struct OtlpSettings {
    /// How it is spoken to.
    pub protocol: Protocol,
    /// Its address: `host:port` or a URL.
    pub endpoint: String,
    /// URL of the traces alone, over HTTP.
    pub traces_endpoint: Option<String>,
    /// URL of the metrics alone, over HTTP.
    pub metrics_endpoint: Option<String>,
    /// URL of the logs alone, over HTTP.
    pub logs_endpoint: Option<String>,
    /// Headers of every request.
    pub headers: Vec<(String, Secret)>,
    /// How it is trusted.
    pub tls: TlsSettings,
    /// How requests are compressed.
    pub compression: Compression,
    /// How long one request may take.
    pub timeout: Duration,
    /// How it is delivered to; with the exporter's id: `otlp_grpc/backup`.
    pub delivery: DeliverySettings,
    /// How fast it is sent to.
    pub rate: RateSettings,
    /// What it gets.
    pub feeds: Vec<Feed>,
}
