//! `service.telemetry`: what Spanwise tells of itself.

use super::components::Reading;
use super::exporters::outward_endpoint;
use super::values::Values as _;
use crate::catalog::yaml::{MapReader, Value};
use crate::delivery::settings::Secret;
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
    /// How often it is sent; `None` where the file does not say.
    pub interval: Option<Duration>,
}

/// `service.telemetry`.
#[derive(Debug, Clone, PartialEq)]
pub struct TelemetryConfig {
    /// How much is logged.
    pub level: LogLevel,
    /// How it is written.
    pub encoding: LogEncoding,
    /// Whether own logs go into the own tables, too.
    pub logs_stored: bool,
    /// Where own logs go besides standard error and the own tables.
    pub logs_to: Option<OutwardTelemetry>,
    /// How much is measured.
    pub metrics: MetricsLevel,
    /// Where own metrics go besides the own tables.
    pub metrics_to: Option<OutwardTelemetry>,
    /// Whether own work is traced.
    pub traces: bool,
    /// Where own traces go besides the own tables.
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

/// Reads `service.telemetry` of a service that has been read.
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

/// Attributes by name, or in the form of OpenTelemetry's own configuration files: `attributes: [{name, value}]`.
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
        // The Collector removes an attribute by giving it nothing.
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

/// How the Collector's file says where a signal goes, in the form of OpenTelemetry's own configuration files.
struct Way {
    /// The list of exporters with what drives them.
    key: &'static str,
    /// What may drive an exporter.
    drivers: &'static [&'static str],
    /// What says how often the driver sends.
    interval: &'static str,
    /// Keys of the driver that are taken and change nothing.
    idle: &'static [&'static str],
    /// Exporters that are taken and change nothing, and why.
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

/// The OTLP exporter among readers or processors: the first; a second one is a fault.
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
    // Here the Collector counts milliseconds without a unit, as OpenTelemetry's own configuration files do.
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

/// Whether plain text is meant where the endpoint names no scheme: the older form says it beside, the newer under `tls`.
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

/// A scheme says whether there is TLS; without one, `insecure` does.
fn url(endpoint: &str, insecure: bool) -> String {
    if endpoint.contains("://") {
        return endpoint.to_owned();
    }
    format!("{}://{endpoint}", if insecure { "http" } else { "https" })
}
