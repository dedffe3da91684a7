//! `otel-config.yaml`: a configuration in the Collector's form, read completely, with all faults reported at once.
//!
//! The result is validated: later errors can only come from the environment. Each section of the file has a module here with
//! its keys, their defaults, and the alternatives to unsupported components.

mod alerting;
mod budgets;
mod collector;
mod embedded;
mod environment;
mod exporters;
mod extensions;
mod feeds;
mod known_pipelines;
mod listening;
mod memory;
mod overrides;
mod performance;
mod processors;
mod receivers;
mod service;
mod span_metrics;
mod telemetry;

#[cfg(test)]
mod tests;

pub use budgets::API_PATTERNS;
pub use embedded::{DEFAULT_FILE, EMBEDDED, EMBEDDED_NAME};
pub use extensions::{HealthConfig, SqlConfig, StoreConfig};
pub use memory::MemoryConfig;
pub use performance::{PerformanceConfig, RetentionConfig};
pub use receivers::ReceiverConfig;
pub use telemetry::{LogEncoding, LogLevel, MetricsLevel, OutwardTelemetry, TelemetryConfig};

use crate::alerts::ChannelSettings;
use crate::catalog::component::{Component, Reading};
use crate::catalog::yaml::{self, Gather, MapReader};
use crate::exporters::debug::DebugSettings;
use crate::exporters::exporter_type::ExporterSettings;
use crate::exporters::prometheus::PrometheusSettings;
use crate::ingest::IngestSettings;
use crate::log::LogSettings;
use crate::model::budget::{AlertLimit, Budget};
use crate::model::fault::{Fault, Faults};
use crate::net::Endpoint;
use service::Sections;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Reads the configuration again.
pub type ReloadFn = Arc<dyn Fn() -> Result<Config, Faults> + Send + Sync>;

/// The validated contents of a file.
#[derive(Debug, Clone)]
pub struct Config {
    /// Name of the file.
    pub file: String,
    /// Receivers of telemetry.
    pub receivers: Vec<ReceiverConfig>,
    /// Limits of ingestion.
    pub ingest: IngestSettings,
    /// The durable log.
    pub log: LogSettings,
    /// The data directory.
    pub store: StoreConfig,
    /// Memory limits of the server.
    pub memory: MemoryConfig,
    /// Settings of the analyses.
    pub performance: PerformanceConfig,
    /// Exporters that read the log.
    pub targets: Vec<ExporterSettings>,
    /// Exporters that print.
    pub debug: Vec<DebugSettings>,
    /// Addresses that Prometheus scrapes.
    pub prometheus: Vec<(Endpoint, PrometheusSettings)>,
    /// Alert channels.
    pub channels: Vec<ChannelSettings>,
    /// Settings of SQL.
    pub sql: SqlConfig,
    /// The health endpoint.
    pub health: Option<HealthConfig>,
    /// Own telemetry.
    pub telemetry: TelemetryConfig,
    /// Notes: not faults, but worth knowing.
    pub notes: Vec<String>,
}

/// The result of reading a file: its configuration or its faults, and its notes in either case.
#[derive(Debug)]
pub struct Read {
    /// The configuration, or all faults, by line.
    pub config: Result<Config, Faults>,
    /// Notes: not faults, but worth knowing.
    pub notes: Vec<String>,
}

impl From<Faults> for Read {
    fn from(faults: Faults) -> Read {
        Read { config: Err(faults), notes: Vec::new() }
    }
}

/// Reads a file, or the embedded default. `environment` returns the values of variables.
pub fn read(path: Option<&Path>, environment: &dyn Fn(&str) -> Option<String>) -> Read {
    let Some(path) = path else { return read_text(EMBEDDED_NAME, EMBEDDED, environment) };
    let file = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => read_text(&file, &text, environment),
        Err(error) => Faults(vec![Fault::new(file, 0, "", format!("cannot be read: {error}"))]).into(),
    }
}

/// Same as [`read`], without the notes.
///
/// # Errors
/// Returns all faults of the file, by line.
pub fn load(path: Option<&Path>, environment: &dyn Fn(&str) -> Option<String>) -> Result<Config, Faults> {
    read(path, environment).config
}

/// Looks up a variable of this process.
#[must_use]
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Parses text in the form of `otel-config.yaml`; `file` is its name in faults.
///
/// # Errors
/// Returns all faults, by line.
pub fn parse(file: &str, text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<Config, Faults> {
    read_text(file, text, environment).config
}

fn read_text(file: &str, text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Read {
    let mut root = match yaml::parse(file, text) {
        Ok(root) => root,
        Err(faults) => return faults.into(),
    };
    let gather = Gather::new(file);
    let secrets = environment::expand(&gather, &mut root, environment);
    let masked = |faults: Vec<Fault>| faults.into_iter().map(|fault| environment::mask(fault, &secrets));
    let reading = Reading::new(file, &gather);
    let (mut config, mut unused) = (None, Vec::new());
    if let Some(top) = gather.map(&root, "") {
        let parts = Parts::read(&reading, &top);
        unused = parts.unused();
        read_aside(file, &reading, &parts);
        config = configure(file, &reading, &top, parts);
        top.finish();
    }
    let (aside, faults): (Vec<Fault>, Vec<Fault>) =
        gather.take().into_iter().partition(|fault| unused.iter().any(|path| is_within(&fault.key, path)));
    for Fault { line, key, message, .. } in aside {
        reading.note(line, key, format!("{message} (this is not used, so it is not an error)"));
    }
    let notes: Vec<String> = masked(reading.take_notes()).map(|note| note.to_string()).collect();
    match config {
        Some(config) if faults.is_empty() => Read { config: Ok(Config { notes: notes.clone(), ..config }), notes },
        _ => Read { config: Err(Faults(masked(faults).collect())), notes },
    }
}

/// Returns whether a key is that of a component or below it.
fn is_within(key: &str, component: &str) -> bool {
    key.strip_prefix(component).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The sections of a file before their contents are read.
struct Parts<'a> {
    all: Sections<'a>,
    used: Sections<'a>,
    /// Components that nothing refers to. As in a Collector they are allowed and have no effect.
    aside: Sections<'a>,
    service: Option<service::Service>,
}

impl<'a> Parts<'a> {
    fn read(reading: &Reading<'a>, top: &MapReader<'a>) -> Parts<'a> {
        let all = Sections {
            receivers: reading.section(top, "receivers"),
            processors: reading.section(top, "processors"),
            exporters: reading.section(top, "exporters"),
            connectors: reading.section(top, "connectors"),
            extensions: reading.section(top, "extensions"),
        };
        let service = service::read(reading, top);
        let is_used = |component: &Component<'a>, section: &str| {
            service.as_ref().is_none_or(|service| service.uses(&all, component, section))
        };
        let (used, aside) = all.split(is_used);
        Parts { all, used, aside, service }
    }

    /// Returns the paths of the unused components.
    fn unused(&self) -> Vec<String> {
        self.aside.all().into_iter().flat_map(|(_, components)| components.iter().map(|one| one.path.clone())).collect()
    }
}

/// Reads the unused components only for their faults, and adds a note for each.
fn read_aside(file: &str, reading: &Reading<'_>, parts: &Parts<'_>) {
    let aside = Reading::aside(file, reading.gather);
    let Sections { receivers, processors, exporters, connectors, extensions } = &parts.aside;
    receivers::read(&aside, receivers);
    processors::read(&aside, processors);
    exporters::read(&aside, None, exporters, &processors::Processors::default());
    // Skipped if there are none: the reader would load the embedded file for the defaults, which has no unused connectors
    // either, and so on.
    if !connectors.is_empty() {
        performance::read(&aside, connectors, defaults);
    }
    extensions::read(&aside, extensions);
    for (section, components) in parts.aside.all() {
        let message = match section {
            "extensions" => "is not in service.extensions, so it is not started",
            _ => "is in no pipeline, so it is not used",
        };
        components.iter().for_each(|component| reading.note(component.line, &component.path, message));
    }
}

fn configure(file: &str, reading: &Reading<'_>, top: &MapReader<'_>, parts: Parts<'_>) -> Option<Config> {
    let Parts { all, used, service, .. } = parts;
    // Receivers are read first, so that exporters that send to them are detected.
    let receivers = receivers::read(reading, &used.receivers);
    let processors = processors::read(reading, &used.processors);
    let exporters = exporters::read(reading, service.as_ref(), &used.exporters, &processors);
    let performance = performance::read(reading, &used.connectors, defaults);
    let extensions = extensions::read(reading, &used.extensions);
    let memory = memory::Given { rollups: performance.memory_bytes, ..extensions.memory }.share(reading);
    let service = service?;
    let telemetry = telemetry::read(reading, top);
    service.check_names(reading, &all);
    processors::check_samplers(reading, &service);
    processors::check_filters(reading, &service, &processors);
    processors::note_editors(reading, &service);
    exporters::check_places(reading, &service, &exporters);
    exporters::note_scrape(reading, &service, &used.exporters);
    exporters::check_connectors(reading, &service);
    performance::check_attached(reading, &service, &performance.id);
    Some(Config {
        file: file.to_owned(),
        receivers,
        ingest: IngestSettings {
            inflight_bytes_max: memory.inflight,
            dedup_bytes_max: memory.resends,
            ..extensions.ingest
        },
        log: extensions.log,
        store: extensions.store,
        memory,
        performance,
        targets: exporters.targets,
        debug: exporters.debug,
        prometheus: exporters.prometheus,
        channels: exporters.channels,
        sql: extensions.sql,
        health: extensions.health,
        telemetry,
        notes: Vec::new(),
    })
}

/// Returns the budgets and alerts of the embedded default, for files without any.
fn defaults() -> (Vec<Budget>, Vec<AlertLimit>) {
    // The embedded file sets both, so there is no recursion; a test checks that it has no faults.
    let read = parse(EMBEDDED_NAME, EMBEDDED, &|_| None);
    read.map(|config| (config.performance.budgets, config.performance.alerting)).unwrap_or_default()
}

/// Returns the data directory of a file, even if the file has other faults: the user who makes a backup may not have the
/// secrets of the server.
///
/// # Errors
/// Returns an error if the file cannot be read or is not YAML.
pub fn store_directory(path: Option<&Path>, environment: &dyn Fn(&str) -> Option<String>) -> Result<PathBuf, Faults> {
    let file = path.map_or_else(|| EMBEDDED_NAME.to_owned(), |path| path.display().to_string());
    let text = path.map_or_else(|| Ok(EMBEDDED.to_owned()), std::fs::read_to_string);
    let text = text.map_err(|error| Faults(vec![Fault::new(&file, 0, "", format!("cannot be read: {error}"))]))?;
    let mut root = yaml::parse(&file, &text)?;
    environment::expand(&Gather::new(&file), &mut root, environment);
    let directory = match root.get("extensions").map(|node| &node.value) {
        Some(yaml::Value::Map(entries)) => entries
            .iter()
            .find(|entry| entry.key.split('/').next() == Some("store"))
            .and_then(|entry| entry.node.get("directory"))
            .and_then(yaml::Node::scalar),
        _ => None,
    };
    Ok(directory
        .filter(|directory| !directory.is_empty())
        .map_or_else(|| PathBuf::from(extensions::DIRECTORY), PathBuf::from))
}

/// Returns the existing directories of schemas and of pipelines that a file names, even if it has other faults.
#[must_use]
pub fn folders(
    path: Option<&Path>,
    environment: &dyn Fn(&str) -> Option<String>,
) -> (Option<PathBuf>, Option<PathBuf>) {
    let text = path.map_or_else(|| Ok(EMBEDDED.to_owned()), std::fs::read_to_string);
    let Ok(Ok(mut root)) = text.map(|text| yaml::parse("", &text)) else { return (None, None) };
    environment::expand(&Gather::new(""), &mut root, environment);
    let Some(yaml::Value::Map(connectors)) = root.get("connectors").map(|node| &node.value) else {
        return (None, None);
    };
    let performance = connectors.iter().find(|entry| entry.key.split('/').next() == Some("performance"));
    let folder = |key| {
        let named = performance.and_then(|entry| entry.node.get(key)).and_then(yaml::Node::scalar);
        named.map(PathBuf::from).filter(|path| path.is_dir())
    };
    (folder("schemas"), folder("pipelines"))
}
