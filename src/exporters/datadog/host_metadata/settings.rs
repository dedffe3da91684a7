//! `exporters.datadog.host_metadata`.

use crate::delivery::settings::RetrySettings;
use std::time::Duration;

/// How Datadog is told of hosts.
#[derive(Debug, Clone, PartialEq)]
pub struct HostMetadataSettings {
    /// Whether it is.
    pub enabled: bool,
    /// The own host is the one that the first resource names.
    pub from_first_resource: bool,
    /// Tags of the own host.
    pub tags: Vec<String>,
    /// How often all hosts are told of.
    pub reporter_period: Duration,
    /// Least time between two tellings of one host, whose tag may change with every request. It has no key.
    pub apart: Duration,
    /// What follows a failure; the exporter's own.
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
