//! Settings of `exporters.slack` and `exporters.webhook`.

use crate::delivery::settings::{RetrySettings, Secret};
use crate::model::finding::Severity;
use std::time::Duration;

/// Protocol of an alert channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelKind {
    /// JSON to any URL.
    Webhook,
    /// A Slack incoming webhook.
    Slack,
}

/// An alert channel.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelSettings {
    /// The exporter's id.
    pub id: String,
    /// Its protocol.
    pub kind: ChannelKind,
    /// Where to send; a secret, because anyone who has the URL can post.
    pub url: Secret,
    /// Headers of every request.
    pub headers: Vec<(String, Secret)>,
    /// Findings below this severity are not sent.
    pub severity_min: Severity,
    /// Also send when a finding is resolved.
    pub send_resolved: bool,
    /// Timeout of one request.
    pub timeout: Duration,
    /// Retry policy.
    pub retry: RetrySettings,
}
