//! Settings of `exporters.otlp_grpc` and `exporters.otlp_http`.

use crate::model::signal::Signal;
use crate::sinks::settings::{BatchSettings, Compression, RetrySettings, Secret, TlsSettings};
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
#[derive(Debug, Clone, PartialEq)]
pub struct OtlpSettings {
    /// The exporter's id: `otlp_grpc/backup`.
    pub id: String,
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
    /// What follows a failure.
    pub retry: RetrySettings,
    /// How much is put into one request.
    pub batch: BatchSettings,
    /// Signals that it gets.
    pub signals: Vec<Signal>,
}
