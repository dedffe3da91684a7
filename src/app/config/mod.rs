//! `otel-config.yaml`: the Collector's form, read whole, with every fault at once.
//!
//! What comes out is checked: nothing in it can fail later but the machine. Each section of the file has its module
//! here, which knows its keys, their defaults, and what to write in place of a component that is not there.

mod alerting;
mod budgets;
mod collector;
mod components;
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
mod values;

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
use crate::catalog::yaml::{self, Gather, MapReader};
use crate::exporters::debug::DebugSettings;
use crate::exporters::kinds::ExporterSettings;
use crate::exporters::prometheus::PrometheusSettings;
use crate::ingest::IngestSettings;
use crate::log::LogSettings;
use crate::model::budget::{AlertLimit, Budget};
use crate::model::fault::{Fault, Faults};
use crate::net::Endpoint;
use components::{Component, Reading};
use service::Sections;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Reads the configuration again.
pub type ReloadFn = Arc<dyn Fn() -> Result<Config, Faults> + Send + Sync>;

/// Everything that a file says, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file that it was read from.
    pub file: String,
    /// Where telemetry comes in.
    pub receivers: Vec<ReceiverConfig>,
    /// Bounds of what comes in.
    pub ingest: IngestSettings,
    /// The durable log.
    pub log: LogSettings,
    /// Where tables are kept.
    pub store: StoreConfig,
    /// What the server may hold in memory.
    pub memory: MemoryConfig,
    /// What is analysed, and how.
    pub performance: PerformanceConfig,
    /// Targets that read the log.
    pub targets: Vec<ExporterSettings>,
    /// Targets that print.
    pub debug: Vec<DebugSettings>,
    /// Addresses that Prometheus scrapes.
    pub prometheus: Vec<(Endpoint, PrometheusSettings)>,
    /// Alert channels.
    pub channels: Vec<ChannelSettings>,
    /// How SQL is asked.
    pub sql: SqlConfig,
    /// Where health is told.
    pub health: Option<HealthConfig>,
    /// Own telemetry.
    pub telemetry: TelemetryConfig,
    /// What is no fault, and worth knowing.
    pub notes: Vec<String>,
}

/// What a file says: its configuration or its faults, and its notes in either case.
#[derive(Debug)]
pub struct Read {
    /// The configuration, or all faults, by line.
    pub config: Result<Config, Faults>,
    /// What is no fault, and worth knowing.
    pub notes: Vec<String>,
}

impl From<Faults> for Read {
    fn from(faults: Faults) -> Read {
        Read { config: Err(faults), notes: Vec::new() }
    }
}

/// Reads a file, or the embedded default. `environment` gives the values of variables.
pub fn read(path: Option<&Path>, environment: &dyn Fn(&str) -> Option<String>) -> Read {
    let Some(path) = path else { return read_text(EMBEDDED_NAME, EMBEDDED, environment) };
    let file = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => read_text(&file, &text, environment),
        Err(error) => Faults(vec![Fault::new(file, 0, "", format!("cannot be read: {error}"))]).into(),
    }
}

/// As [`read`], for those whom notes do not concern.
///
/// # Errors
/// All faults of the file, by line.
pub fn load(path: Option<&Path>, environment: &dyn Fn(&str) -> Option<String>) -> Result<Config, Faults> {
    read(path, environment).config
}

/// The variables of this process.
#[must_use]
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Reads a text in the form of `otel-config.yaml`; `file` is what its faults are to call it.
///
/// # Errors
/// All faults, by line.
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

/// Whether a key is a component's, or below it.
fn is_within(key: &str, component: &str) -> bool {
    key.strip_prefix(component).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The sections of a file, before what is in them is read.
struct Parts<'a> {
    all: Sections<'a>,
    used: Sections<'a>,
    /// Components that nothing names. As in a Collector they are no fault, and nothing comes of them.
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

    /// The paths of what is not used.
    fn unused(&self) -> Vec<String> {
        self.aside.all().into_iter().flat_map(|(_, components)| components.iter().map(|one| one.path.clone())).collect()
    }
}

/// Reads what is not used for its faults alone, and notes that it is not.
fn read_aside(file: &str, reading: &Reading<'_>, parts: &Parts<'_>) {
    let aside = Reading::aside(file, reading.gather);
    let Sections { receivers, processors, exporters, connectors, extensions } = &parts.aside;
    receivers::read(&aside, receivers);
    processors::read(&aside, processors);
    exporters::read(&aside, None, exporters, &processors::Processors::default());
    // Without any, their readers would take their defaults out of the embedded file, which has nothing aside either.
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
    // Receivers come first: what sends must not send to them.
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

/// The budgets and alerts of the embedded default, for files that speak of none.
fn defaults() -> (Vec<Budget>, Vec<AlertLimit>) {
    // The embedded file speaks of both, so this does not come back here; a test reads it without a fault.
    let read = parse(EMBEDDED_NAME, EMBEDDED, &|_| None);
    read.map(|config| (config.performance.budgets, config.performance.alerting)).unwrap_or_default()
}

/// The folder of everything that is kept, as a file names it, also where the file has faults elsewhere: who makes a backup
/// has not the secrets of the server.
///
/// # Errors
/// When the file cannot be read, or is no YAML.
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

/// The folders of schemas and of pipelines that a file names, also where it has faults elsewhere; those that are there.
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
