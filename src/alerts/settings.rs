//! Settings of `exporters.slack` and `exporters.webhook`.

use crate::delivery::settings::{RetrySettings, Secret};
use crate::model::finding::Severity;
use std::time::Duration;

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
