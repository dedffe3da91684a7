//! `service.telemetry`: Spanwise's own telemetry.

use super::exporters::outward_endpoint;
use crate::catalog::component::Reading;
use crate::catalog::values::Values as _;
use crate::catalog::yaml::{MapReader, Value};
use crate::delivery::settings::Secret;
use std::collections::BTreeMap;
use std::time::Duration;

/// Level of logging.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogLevel {
    /// Everything, for developers of Spanwise.
    Trace,
    /// Details for troubleshooting.
    Debug,
    /// Information for operators.
    #[default]
    Info,
    /// Potential problems.
    Warn,
    /// Failures.
    Error,
}

impl LogLevel {
    /// Returns the name of the level in a filter.
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

/// Format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogEncoding {
    /// Text for people.
    #[default]
    Console,
    /// One JSON object per line.
    Json,
}

/// Level of own metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum MetricsLevel {
    /// No metrics.
    None,
    /// The essential metrics.
    Basic,
    /// The usual metrics.
    #[default]
    Normal,
    /// All metrics.
    Detailed,
}

/// Target of own telemetry besides the own tables.
#[derive(Debug, Clone, PartialEq)]
pub struct OutwardTelemetry {
    /// Address of the target.
    pub endpoint: String,
    /// Headers of every request.
    pub headers: Vec<(String, Secret)>,
    /// Interval of exports; `None` if not configured.
    pub interval: Option<Duration>,
}

/// The section `service.telemetry`.
#[derive(Debug, Clone, PartialEq)]
pub struct TelemetryConfig {
    /// Level of logging.
    pub level: LogLevel,
    /// Format of log lines.
    pub encoding: LogEncoding,
    /// Whether own logs are stored in the own tables.
    pub logs_stored: bool,
    /// Target of own logs besides standard error and the own tables.
    pub logs_to: Option<OutwardTelemetry>,
    /// Level of own metrics.
    pub metrics: MetricsLevel,
    /// Target of own metrics besides the own tables.
    pub metrics_to: Option<OutwardTelemetry>,
    /// Whether own work is traced.
    pub traces: bool,
    /// Target of own traces besides the own tables.
    pub traces_to: Option<OutwardTelemetry>,
    /// Attributes of the own resource.
    pub resource: BTreeMap<String, String>,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        TelemetryConfig {
            level: LogLevel::default(),
            encoding: LogEncoding::default(),
            logs_stored: true,
            logs_to: None,
            metrics: MetricsLevel::default(),
            metrics_to: None,
            traces: true,
            traces_to: None,
            resource: BTreeMap::new(),
        }
    }
}

const LEVELS: [(&str, MetricsLevel); 4] = [
    ("none", MetricsLevel::None),
    ("basic", MetricsLevel::Basic),
    ("normal", MetricsLevel::Normal),
    ("detailed", MetricsLevel::Detailed),
];

/// Reads `service.telemetry`, after the rest of the service.
pub(super) fn read(reading: &Reading<'_>, top: &MapReader<'_>) -> TelemetryConfig {
    let map = top.map("service").and_then(|map| map.map("telemetry"));
    map.map_or_else(TelemetryConfig::default, |map| section(reading, map))
}

fn section(reading: &Reading<'_>, map: MapReader<'_>) -> TelemetryConfig {
    let mut config = TelemetryConfig::default();
    if let Some(map) = map.map("logs") {
        logs(reading, map, &mut config);
    }
    if let Some(map) = map.map("metrics") {
        metrics(reading, map, &mut config);
    }
    if let Some(map) = map.map("traces") {
        traces(reading, map, &mut config);
    }
    if let Some(map) = map.map("resource") {
        resource(reading, &map, &mut config.resource);
    }
    map.finish();
    config
}

/// Reads attributes by name, or in the form of OpenTelemetry's declarative configuration: `attributes: [{name, value}]`.
fn resource(reading: &Reading<'_>, map: &MapReader<'_>, resource: &mut BTreeMap<String, String>) {
    let declared = map.get("attributes").is_some_and(|node| matches!(node.value, Value::List(_)));
    if declared {
        for item in map.maps("attributes") {
            let name = item.need_str("name");
            if let Some(value) = item.text("value").filter(|_| !name.is_empty()) {
                resource.insert(name, value);
            }
            item.get("type");
            item.finish();
        }
        reading.without_effect(map, &["schema_url", "detectors", "detection/development"]);
        reading.not_yet(map, &[("attributes_list", "write them into `attributes`, as {name, value}")]);
    }
    let of_the_form = ["attributes", "schema_url", "detectors", "detection/development", "attributes_list"];
    for entry in map.entries().iter().filter(|entry| !declared || !of_the_form.contains(&entry.key.as_str())) {
        // As in the Collector, an empty value removes an attribute.
        if let Some(value) = map.text(&entry.key) {
            resource.insert(entry.key.clone(), value);
        }
    }
}

fn logs(reading: &Reading<'_>, map: MapReader<'_>, config: &mut TelemetryConfig) {
    let levels = [LogLevel::Trace, LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error];
    let known = "one of trace, debug, info, warn, error";
    let find = |text: &str| levels.into_iter().find(|level| level.as_str() == text.to_ascii_lowercase());
    config.level = map.parsed("level", known, find).unwrap_or_default();
    let encodings = [("console", LogEncoding::Console), ("json", LogEncoding::Json)];
    config.encoding = map.word("encoding", &encodings).unwrap_or_default();
    config.logs_stored = map.bool("store").unwrap_or(true);
    config.logs_to = outward(reading, &map, &LOGS);
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
    config.metrics = map.word("level", &LEVELS).unwrap_or_default();
    config.metrics_to = outward(reading, &map, &METRICS);
    reading.note_key(&map, "address", IN_THE_SCRAPE);
    reading.without_effect(&map, &["views"]);
    map.finish();
}

fn traces(reading: &Reading<'_>, map: MapReader<'_>, config: &mut TelemetryConfig) {
    config.traces = map.word("level", &LEVELS).unwrap_or_default() != MetricsLevel::None;
    config.traces_to = outward(reading, &map, &TRACES);
    reading.note_key(&map, "sampler", "has no effect: own spans are sampled by name and second");
    reading.without_effect(&map, &["propagators", "limits"]);
    map.finish();
}

/// Keys of a signal's exporters in the Collector's file, in the form of OpenTelemetry's declarative configuration.
struct Way {
    /// Key of the list of readers or processors.
    key: &'static str,
    /// Supported readers or processors.
    drivers: &'static [&'static str],
    /// Key of the export interval.
    interval: &'static str,
    /// Keys that are accepted and ignored.
    idle: &'static [&'static str],
    /// Exporters that are accepted and ignored, with the reason.
    unneeded: &'static [(&'static str, &'static str)],
}

const IN_THE_SCRAPE: &str = "has no effect: own metrics are in the scrape of the prometheus exporter";
const ON_STDERR: &str = "has no effect: own logs go to standard error";
const BATCHED: &[&str] = &["export_timeout", "max_queue_size", "max_export_batch_size"];

const METRICS: Way = Way {
    key: "readers",
    drivers: &["periodic"],
    interval: "interval",
    idle: &["timeout", "cardinality_limits", "producers"],
    unneeded: &[("console", ON_STDERR), ("prometheus", IN_THE_SCRAPE)],
};
const LOGS: Way = Way {
    key: "processors",
    drivers: &["batch", "simple"],
    interval: "schedule_delay",
    idle: BATCHED,
    unneeded: &[("console", ON_STDERR)],
};
const TRACES: Way = Way { unneeded: &[("console", "has no effect: own traces are in the table spans")], ..LOGS };

/// Returns the first OTLP exporter of the readers or processors; a second one is a fault.
fn outward(reading: &Reading<'_>, map: &MapReader<'_>, way: &Way) -> Option<OutwardTelemetry> {
    let mut found: Option<OutwardTelemetry> = None;
    for item in map.maps(way.key) {
        if way.key == METRICS.key {
            reading.note_key(&item, "pull", IN_THE_SCRAPE);
        }
        for driver in way.drivers {
            let Some(driving) = item.map(driver) else { continue };
            let outward = pushed(reading, &driving, way);
            if outward.is_some() && found.is_some() {
                item.fault(driver, format!("expected one OTLP exporter under {}, found a second", way.key));
            }
            found = found.or(outward);
            driving.finish();
        }
        item.finish();
    }
    found
}

fn pushed(reading: &Reading<'_>, map: &MapReader<'_>, way: &Way) -> Option<OutwardTelemetry> {
    // A bare number is in milliseconds here, as in OpenTelemetry's declarative configuration.
    let millis = "a number of milliseconds, or a duration such as 60s";
    let interval = map.parsed(way.interval, millis, |text| match text.parse::<u64>() {
        Ok(ms) => Some(Duration::from_millis(ms)).filter(|interval| !interval.is_zero()),
        Err(_) => crate::model::units::duration(text),
    });
    reading.without_effect(map, way.idle);
    let exporter = map.map("exporter")?;
    for (key, message) in way.unneeded {
        reading.note_key(&exporter, key, message);
    }
    let elsewhere = "is not supported yet; write `otlp_grpc` with the gRPC endpoint of the same target";
    if let Some(node) = exporter.get("otlp_http").filter(|node| node.holds_something()) {
        reading.gather.fault(node.line, exporter.path("otlp_http"), elsewhere);
    }
    let (older, newer) = (exporter.map("otlp"), exporter.map("otlp_grpc"));
    exporter.finish();
    if let Some(otlp) = &older {
        let protocol = otlp.text("protocol").unwrap_or_default();
        if protocol != "grpc" {
            otlp.fault("protocol", format!("expected grpc, the only supported protocol, found {protocol:?}"));
        }
    }
    let otlp = older.or(newer)?;
    let endpoint = if otlp.need("endpoint") { outward_endpoint(reading, &otlp, "endpoint", false) } else { None };
    let insecure = insecure(reading, &otlp);
    let headers = otlp.headers("headers");
    reading
        .without_effect(&otlp, &["compression", "timeout", "temporality_preference", "default_histogram_aggregation"]);
    reading.not_yet(&otlp, &[("headers_list", "write them into `headers`, as {name, value}")]);
    otlp.finish();
    Some(OutwardTelemetry { endpoint: url(&endpoint?, insecure), headers, interval })
}

/// Returns whether an endpoint without a scheme uses plain text: the older form has the key beside it, the newer one under
/// `tls`.
fn insecure(reading: &Reading<'_>, otlp: &MapReader<'_>) -> bool {
    let trusted = "name the server by an https:// URL whose certificate the system trusts";
    reading.not_yet(otlp, &[("certificate", trusted), ("client_certificate", trusted), ("client_key", trusted)]);
    let beside = otlp.bool("insecure").unwrap_or(false);
    let Some(tls) = otlp.map("tls") else { return beside };
    let below = tls.bool("insecure").unwrap_or(false);
    reading.not_yet(&tls, &[("ca_file", trusted), ("cert_file", trusted), ("key_file", trusted)]);
    tls.finish();
    beside || below
}

/// Returns the URL of an endpoint. A scheme selects TLS or plain text; without one, `insecure` does.
fn url(endpoint: &str, insecure: bool) -> String {
    if endpoint.contains("://") {
        return endpoint.to_owned();
    }
    format!("{}://{endpoint}", if insecure { "http" } else { "https" })
}
