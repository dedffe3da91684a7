//! Settings of `exporters.otlp_grpc` and `exporters.otlp_http`.

use crate::delivery::settings::ClientSettings;

/// Transport of an OTLP target.
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
    /// Its transport.
    pub protocol: Protocol,
    /// Its address: `host:port` or a URL.
    pub endpoint: String,
    /// URL for traces only, over HTTP.
    pub traces_endpoint: Option<String>,
    /// URL for metrics only, over HTTP.
    pub metrics_endpoint: Option<String>,
    /// URL for logs only, over HTTP.
    pub logs_endpoint: Option<String>,
    /// Client settings.
    pub client: ClientSettings,
    /// Hint for a target that denies access: names the keys that contain the credentials.
    pub denied: &'static str,
}

/// Hint if the credentials are in headers.
pub const DENIED: &str = "are its `headers` right?";
