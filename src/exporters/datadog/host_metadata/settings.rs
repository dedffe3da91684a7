//! `exporters.datadog.host_metadata`.

use crate::delivery::settings::RetrySettings;
use std::time::Duration;

/// How host metadata is reported.
#[derive(Debug, Clone, PartialEq)]
pub struct HostMetadataSettings {
    /// Whether it is reported.
    pub enabled: bool,
    /// Whether the first resource sets the name of the local host.
    pub from_first_resource: bool,
    /// Tags of the local host.
    pub tags: Vec<String>,
    /// How often all hosts are sent.
    pub reporter_period: Duration,
    /// Minimum interval between two reports of one host: its tags may change with every request. Not configurable.
    pub apart: Duration,
    /// Retry policy of the exporter.
    pub retry: RetrySettings,
}

impl Default for HostMetadataSettings {
    fn default() -> Self {
        HostMetadataSettings {
            enabled: true,
            from_first_resource: false,
            tags: Vec::new(),
            reporter_period: Duration::from_mins(30),
            apart: Duration::from_mins(1),
            retry: RetrySettings::default(),
        }
    }
}
