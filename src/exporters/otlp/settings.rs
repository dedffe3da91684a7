//! Settings of `exporters.otlp_grpc` and `exporters.otlp_http`.

use crate::delivery::settings::ClientSettings;

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
    /// How requests are made.
    pub client: ClientSettings,
    /// What people are asked where the target lets nobody in: by the keys that hold what it knows us by.
    pub denied: &'static str,
}

/// What they are asked where it is headers that hold it.
pub const DENIED: &str = "are its `headers` right?";
