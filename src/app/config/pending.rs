//! Settings of parts that bring these types themselves: whoever joins the parts swaps the imports of this file.

use crate::model::finding::Severity;
use crate::model::signal::Signal;
use crate::sinks::settings::{BatchSettings, Compression, RetrySettings, Secret, TlsSettings};
use std::collections::BTreeMap;
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
    /// Speak JSON, over HTTP.
    pub json: bool,
    /// Signals that it gets.
    pub signals: Vec<Signal>,
}

/// How much is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verbosity {
    /// A line a request.
    #[default]
    Basic,
    /// A line an item.
    Normal,
    /// Everything.
    Detailed,
}

/// A target that prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebugSettings {
    /// The exporter's id.
    pub id: String,
    /// How much is printed.
    pub verbosity: Verbosity,
    /// Signals that it gets.
    pub signals: Vec<Signal>,
}

/// Settings of `exporters.prometheus`.
#[derive(Debug, Clone)]
pub struct PrometheusSettings {
    /// Put before every name, with an underscore.
    pub namespace: String,
    /// Labels of every series.
    pub const_labels: BTreeMap<String, String>,
    /// Print when a value was measured.
    pub send_timestamps: bool,
    /// Where it is served.
    pub path: String,
    /// Scrapes answered at once.
    pub scrapes_max: usize,
    /// How long one scrape may take.
    pub timeout: Duration,
    /// Token that a scraper must bear.
    pub auth_token: Option<Secret>,
}

/// What an alert channel speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelKind {
    /// JSON to any URL.
    Webhook,
    /// An incoming webhook of Slack.
    Slack,
}

/// An alert channel.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelSettings {
    /// The exporter's id.
    pub id: String,
    /// What it speaks.
    pub kind: ChannelKind,
    /// Where it is sent; the URL itself lets anyone write.
    pub url: Secret,
    /// Headers of every request.
    pub headers: Vec<(String, Secret)>,
    /// Findings below it are not told.
    pub severity_min: Severity,
    /// Tell when a finding is over.
    pub send_resolved: bool,
    /// How long one request may take.
    pub timeout: Duration,
    /// What follows a failure.
    pub retry: RetrySettings,
}

/// Bounds of a query from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryLimits {
    /// How long it may run.
    pub timeout: Duration,
    /// Rows that it may give.
    pub rows_max: usize,
    /// Memory that it may take.
    pub memory_bytes_max: usize,
    /// Length of its text.
    pub sql_bytes_max: usize,
}

impl Default for QueryLimits {
    fn default() -> Self {
        QueryLimits {
            timeout: Duration::from_secs(30),
            rows_max: 100_000,
            memory_bytes_max: 256 << 20,
            sql_bytes_max: 256 << 10,
        }
    }
}
