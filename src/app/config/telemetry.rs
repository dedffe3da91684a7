//! `service.telemetry`: what Spanwise tells of itself.

use super::components::Reading;
use super::exporters::outward_endpoint;
use super::values::Values as _;
use crate::catalog::yaml::MapReader;
use crate::sinks::settings::Secret;
use std::collections::BTreeMap;
use std::time::Duration;

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogLevel {
    /// All there is, for a developer of Spanwise.
    Trace,
    /// Steps, for whoever looks for a fault.
    Debug,
    /// What an operator wants to know.
    #[default]
    Info,
    /// What may become a fault.
    Warn,
    /// What failed.
    Error,
}

impl LogLevel {
    /// The word of the filter.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            LogLevel::Trace => "trace",
            LogLevel::Debug => "debug",
            LogLevel::Info => "info",
            LogLevel::Warn => "warn",
            LogLevel::Error => "error",
        }
    }
}

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogEncoding {
    /// For people.
    #[default]
    Console,
    /// For machines: one JSON object a line.
    Json,
}

/// How much Spanwise measures of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum MetricsLevel {
    /// Nothing.
    None,
    /// The essential.
    Basic,
    /// The usual.
    #[default]
    Normal,
    /// All.
    Detailed,
}

/// Where own telemetry goes besides the own tables.
#[derive(Debug, Clone, PartialEq)]
pub struct OutwardTelemetry {
    /// Where to.
    pub endpoint: String,
    /// Headers of every request.
    pub headers: Vec<(String, Secret)>,
    /// How often metrics are sent.
    pub interval: Duration,
}

/// `service.telemetry`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TelemetryConfig {
    /// How much is logged.
    pub level: LogLevel,
    /// How it is written.
    pub encoding: LogEncoding,
    /// How much is measured.
    pub metrics: MetricsLevel,
    /// Where own metrics go besides the own tables.
    pub metrics_to: Option<OutwardTelemetry>,
    /// Attributes of the own resource.
    pub resource: BTreeMap<String, String>,
}

pub(super) fn read(reading: &Reading<'_>, map: MapReader<'_>) -> TelemetryConfig {
    let mut config = TelemetryConfig::default();
    if let Some(map) = map.map("logs") {
        logs(reading, map, &mut config);
    }
    if let Some(map) = map.map("metrics") {
        metrics(reading, map, &mut config);
    }
    if let Some(map) = map.map("traces") {
        reading.not_yet(&map, &[("processors", "own metrics are offered: write them under metrics.readers")]);
        reading.without_effect(&map, &["level", "propagators", "sampler"]);
        map.finish();
    }
    if let Some(map) = map.map("resource") {
        for entry in map.entries() {
            // The Collector removes an attribute by giving it nothing.
            if let Some(value) = map.text(&entry.key) {
                config.resource.insert(entry.key.clone(), value);
            }
        }
    }
    map.finish();
    config
}

fn logs(reading: &Reading<'_>, map: MapReader<'_>, config: &mut TelemetryConfig) {
    let levels = [LogLevel::Trace, LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error];
    let known = "one of trace, debug, info, warn, error";
    let find = |text: &str| levels.into_iter().find(|level| level.as_str() == text.to_ascii_lowercase());
    config.level = map.parsed("level", known, find).unwrap_or_default();
    let encodings = [("console", LogEncoding::Console), ("json", LogEncoding::Json)];
    config.encoding = map.word("encoding", &encodings).unwrap_or_default();
    reading
        .not_yet(&map, &[("processors", "own logs go to standard error, from where any collector of logs takes them")]);
    reading.without_effect(
        &map,
        &[
            "development",
            "disable_caller",
            "disable_stacktrace",
            "disable_zap_resource",
            "sampling",
            "output_paths",
            "error_output_paths",
            "initial_fields",
        ],
    );
    map.finish();
}

fn metrics(reading: &Reading<'_>, map: MapReader<'_>, config: &mut TelemetryConfig) {
    let levels = [
        ("none", MetricsLevel::None),
        ("basic", MetricsLevel::Basic),
        ("normal", MetricsLevel::Normal),
        ("detailed", MetricsLevel::Detailed),
    ];
    config.metrics = map.word("level", &levels).unwrap_or_default();
    config.metrics_to = outward(reading, &map, "readers");
    reading.note_key(&map, "address", "has no effect: own metrics stand in the scrape of the prometheus exporter");
    reading.without_effect(&map, &["views"]);
    map.finish();
}

/// The OTLP exporter among readers or processors: the first; a second one is a fault.
fn outward(reading: &Reading<'_>, map: &MapReader<'_>, key: &str) -> Option<OutwardTelemetry> {
    let mut found: Option<OutwardTelemetry> = None;
    for item in map.maps(key) {
        if item.has("pull") {
            reading.note_key(
                &item,
                "pull",
                "has no effect: own metrics stand in the scrape of the prometheus exporter",
            );
        }
        for kind in ["periodic", "batch", "simple"] {
            let Some(pushing) = item.map(kind) else { continue };
            let outward = pushed(reading, &pushing);
            if outward.is_some() && found.is_some() {
                item.fault(kind, format!("expected one OTLP exporter under {key}, found a second"));
            }
            found = found.or(outward);
            pushing.finish();
        }
        item.finish();
    }
    found
}

fn pushed(reading: &Reading<'_>, map: &MapReader<'_>) -> Option<OutwardTelemetry> {
    // Here the Collector counts milliseconds without a unit, as OpenTelemetry's own configuration files do.
    let millis = "a number of milliseconds, or a duration such as 60s";
    let interval = map.parsed("interval", millis, |text| match text.parse::<u64>() {
        Ok(ms) => Some(Duration::from_millis(ms)).filter(|interval| !interval.is_zero()),
        Err(_) => crate::model::units::duration(text),
    });
    reading.without_effect(
        map,
        &[
            "timeout",
            "schedule_delay",
            "export_timeout",
            "max_queue_size",
            "max_export_batch_size",
            "cardinality_limits",
        ],
    );
    let exporter = map.map("exporter")?;
    reading.note_key(&exporter, "console", "has no effect: own logs go to standard error");
    reading.note_key(
        &exporter,
        "prometheus",
        "has no effect: own metrics stand in the scrape of the prometheus exporter",
    );
    let otlp = exporter.map("otlp");
    exporter.finish();
    let otlp = otlp?;
    let protocol = otlp.text("protocol").unwrap_or_default();
    if protocol != "grpc" {
        otlp.fault("protocol", format!("expected grpc, which is all that is offered yet, found {protocol:?}"));
    }
    let endpoint = if otlp.need("endpoint") { outward_endpoint(reading, &otlp, "endpoint", false) } else { None };
    let headers = otlp.headers("headers");
    reading.without_effect(
        &otlp,
        &[
            "insecure",
            "compression",
            "timeout",
            "temporality_preference",
            "default_histogram_aggregation",
            "headers_list",
        ],
    );
    reading.not_yet(&otlp, &[("tls", "name the server by an https:// URL whose certificate the system trusts")]);
    otlp.finish();
    Some(OutwardTelemetry { endpoint: endpoint?, headers, interval: interval.unwrap_or(Duration::from_mins(1)) })
}
