//! Settings of `exporters.datadog`.

use super::host_metadata::HostMetadataSettings;
use super::metrics::{MetricsSettings, RATES};
use super::traces::TraceSettings;
use crate::delivery::settings::{ClientSettings, Secret};
use crate::exporters::temporality::{Initial, Rules};
use crate::model::unix_time;
use std::time::{Duration, SystemTime};

/// Datadog's sites, by domain.
pub const SITES: [&str; 8] = [
    "datadoghq.com",
    "us3.datadoghq.com",
    "us5.datadoghq.com",
    "datadoghq.eu",
    "ap1.datadoghq.com",
    "ap2.datadoghq.com",
    "ddog-gov.com",
    "us2.ddog-gov.com",
];

/// Default limit of tracked cumulative series: some 60 MB.
const SERIES_MAX: usize = 1_000_000;
/// How long a series without points is tracked, as in the Collector's exporter.
const IDLE_MAX: Duration = Duration::from_hours(1);

/// Which Datadog endpoint to send to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Way {
    /// The intakes used by the Agent.
    #[default]
    Intake,
    /// The OTLP intake, which accepts only delta metrics.
    Otlp,
    /// An Agent with its own key, site and host; only traces and their statistics.
    Agent,
}

/// Default address of an Agent for traces.
const AGENT: &str = "http://127.0.0.1:8126";

/// Addresses of the intakes, without a path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Endpoints {
    /// Series and sketches.
    pub metrics: String,
    /// Logs.
    pub logs: String,
    /// Traces and their statistics.
    pub traces: String,
}

impl Endpoints {
    /// Returns the endpoints of a site, or of an Agent on this machine.
    #[must_use]
    pub fn of(way: Way, site: &str) -> Endpoints {
        match way {
            Way::Intake => Endpoints {
                metrics: format!("https://api.{site}"),
                logs: format!("https://http-intake.logs.{site}"),
                traces: format!("https://trace.agent.{site}"),
            },
            Way::Otlp => {
                let all = format!("https://otlp.{site}");
                Endpoints { metrics: all.clone(), logs: all.clone(), traces: all }
            }
            Way::Agent => Endpoints { traces: AGENT.to_owned(), ..Endpoints::default() },
        }
    }
}

/// Datadog's public API, for events and key validation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApiSettings {
    /// Its address, without a path.
    pub endpoint: String,
    /// Whether an invalid key aborts the start.
    pub fail_on_invalid_key: bool,
}

/// How cumulative values are made delta.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeltaSettings {
    /// How a counter's first value is treated.
    pub initial: Initial,
    /// Maximum number of tracked series.
    pub series_max: usize,
    /// A series without points for this long is forgotten.
    pub idle_max: Duration,
}

impl Default for DeltaSettings {
    fn default() -> Self {
        DeltaSettings { initial: Initial::Auto, series_max: SERIES_MAX, idle_max: IDLE_MAX }
    }
}

/// A Datadog target.
#[derive(Debug, Clone)]
pub struct DatadogSettings {
    /// Which Datadog endpoint to send to.
    pub way: Way,
    /// The key from `api.key`; empty for an Agent.
    pub api_key: Secret,
    /// Its addresses.
    pub endpoints: Endpoints,
    /// Its API.
    pub api: ApiSettings,
    /// Client settings.
    pub client: ClientSettings,
    /// How traces are mapped.
    pub traces: TraceSettings,
    /// How metrics are mapped; includes the default host, which also applies to logs.
    pub metrics: MetricsSettings,
    /// How cumulative values are made delta.
    pub delta: DeltaSettings,
    /// How host metadata is reported; an Agent reports its own.
    pub host_metadata: HostMetadataSettings,
}

impl DatadogSettings {
    /// Returns the delta rules. `marks` tells whether our own mapping reads the result.
    pub(super) fn rules(&self, marks: bool) -> Rules {
        Rules {
            // Datadog's OTLP intake accepts no cumulative values at all.
            sums: self.metrics.sums_to_delta || !marks,
            initial: self.delta.initial,
            since_unix_nano: unix_time::nanos(SystemTime::now()),
            rates: if marks { &RATES } else { &[] },
            marks,
            series_max: self.delta.series_max,
            idle_max: self.delta.idle_max,
        }
    }
}
