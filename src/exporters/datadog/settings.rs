//! Settings of `exporters.datadog`.

use super::host_metadata::HostMetadataSettings;
use super::metrics::{MetricsSettings, RATES};
use super::traces::TraceSettings;
use crate::delivery::settings::{ClientSettings, Secret};
use crate::exporters::temporality::{Initial, Rules};
use std::time::{Duration, SystemTime};

/// Sites of Datadog, by their domain.
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

/// Series of running totals that are followed unless the user says otherwise: some 60 MB.
const SERIES_MAX: usize = 1_000_000;
/// How long a series without points is followed, as in the Collector's exporter.
const IDLE_MAX: Duration = Duration::from_hours(1);

/// By which of its doors Datadog is sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Way {
    /// The intakes that the Agent sends to.
    #[default]
    Intake,
    /// The intake that takes OTLP, of metrics delta alone.
    Otlp,
    /// An Agent, which has a key, a site and a host of its own; traces and their statistics alone.
    Agent,
}

/// Where an Agent listens for traces unless it is told otherwise.
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
    /// Those of a site, or of an Agent on this machine.
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

/// Datadog's public API, which takes events and knows keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApiSettings {
    /// Its address, without a path.
    pub endpoint: String,
    /// Whether a key that it does not know ends the start.
    pub fail_on_invalid_key: bool,
}

/// How running totals are made delta.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeltaSettings {
    /// What becomes of a counter's first value.
    pub initial: Initial,
    /// Series that are followed at most.
    pub series_max: usize,
    /// A series without points for so long is forgotten.
    pub idle_max: Duration,
}

impl Default for DeltaSettings {
    fn default() -> Self {
        DeltaSettings { initial: Initial::Auto, series_max: SERIES_MAX, idle_max: IDLE_MAX }
    }
}

/// A way to Datadog.
#[derive(Debug, Clone)]
pub struct DatadogSettings {
    /// By which of its doors.
    pub way: Way,
    /// The key of `api.key`; empty for an Agent.
    pub api_key: Secret,
    /// Where it is.
    pub endpoints: Endpoints,
    /// Its API.
    pub api: ApiSettings,
    /// How it is spoken to.
    pub client: ClientSettings,
    /// How traces are mapped.
    pub traces: TraceSettings,
    /// How metrics are mapped; with the host of what names none, which goes for logs, too.
    pub metrics: MetricsSettings,
    /// How running totals are made delta.
    pub delta: DeltaSettings,
    /// How Datadog is told of hosts; of an Agent's it is told by the Agent.
    pub host_metadata: HostMetadataSettings,
}

/// The time, in Unix nanoseconds.
pub(super) fn now_unix_nano() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

impl DatadogSettings {
    /// What is made delta. `marks` says whether our own mapping reads what comes of it.
    pub(super) fn rules(&self, marks: bool) -> Rules {
        Rules {
            // Datadog's intake of OTLP takes no running totals at all.
            sums: self.metrics.sums_to_delta || !marks,
            initial: self.delta.initial,
            since_unix_nano: now_unix_nano(),
            rates: if marks { &RATES } else { &[] },
            marks,
            series_max: self.delta.series_max,
            idle_max: self.delta.idle_max,
        }
    }
}
