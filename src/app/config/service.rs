//! `service`: which components stand in which pipelines.

use super::components::{Component, Reading};
use super::telemetry::{self, TelemetryConfig};
use crate::catalog::yaml::{MapReader, Value};
use crate::model::fault::did_you_mean;
use crate::model::signal::Signal;
use crate::sinks::settings::Feed;

/// A name in a list, with its line.
pub(super) struct Named {
    pub(super) id: String,
    pub(super) line: usize,
}

/// One entry of `service.pipelines`.
pub(super) struct Pipeline {
    pub(super) path: String,
    pub(super) line: usize,
    pub(super) signal: Signal,
    pub(super) receivers: Vec<Named>,
    pub(super) processors: Vec<Named>,
    pub(super) exporters: Vec<Named>,
}

/// `service`.
pub(super) struct Service {
    pub(super) extensions: Vec<Named>,
    pub(super) pipelines: Vec<Pipeline>,
    pub(super) telemetry: TelemetryConfig,
    path: String,
}

/// The sections that pipelines name.
pub(super) struct Sections<'a> {
    pub(super) receivers: Vec<Component<'a>>,
    pub(super) processors: Vec<Component<'a>>,
    pub(super) exporters: Vec<Component<'a>>,
    pub(super) connectors: Vec<Component<'a>>,
    pub(super) extensions: Vec<Component<'a>>,
}

/// Reads `service`, which must be there.
pub(super) fn read(reading: &Reading<'_>, top: &MapReader<'_>) -> Option<Service> {
    if !top.need("service") {
        return None;
    }
    let map = top.map("service")?;
    let extensions = names(&map, "extensions");
    let telemetry = map.map("telemetry").map_or_else(TelemetryConfig::default, |map| telemetry::read(reading, map));
    let mut found = Vec::new();
    if map.need("pipelines")
        && let Some(pipelines) = map.map("pipelines")
    {
        if pipelines.entries().is_empty() {
            map.fault("pipelines", "expected at least one pipeline such as `traces`, found none");
        }
        for entry in pipelines.entries() {
            let path = pipelines.path(&entry.key);
            let kind = entry.key.split('/').next().unwrap_or_default();
            let Some(signal) = Signal::ALL.into_iter().find(|signal| signal.as_str() == kind) else {
                let hint = did_you_mean(kind, Signal::ALL.map(Signal::as_str));
                let hint = hint.map_or(String::new(), |word| format!("; did you mean {word:?}?"));
                let message = format!(
                    "expected traces, metrics or logs, or one with a name such as traces/shop, found {kind:?}{hint}"
                );
                reading.gather.fault(entry.line, path, message);
                continue;
            };
            if let Some(map) = reading.gather.map(&entry.node, &path) {
                found.push(pipeline(map, path, entry.line, signal));
            }
        }
    }
    let path = map.path("pipelines");
    map.finish();
    Some(Service { extensions, pipelines: found, telemetry, path })
}

fn pipeline(map: MapReader<'_>, path: String, line: usize, signal: Signal) -> Pipeline {
    let some = |key, what| {
        let named = names(&map, key);
        if named.is_empty() {
            map.fault(key, format!("expected at least one {what}, found none"));
        }
        named
    };
    let receivers = some("receivers", "receiver");
    let exporters = some("exporters", "exporter");
    let processors = names(&map, "processors");
    map.finish();
    Pipeline { path, line, signal, receivers, processors, exporters }
}

fn names(map: &MapReader<'_>, key: &str) -> Vec<Named> {
    let mut named: Vec<Named> = Vec::new();
    for (index, node) in map.list(key).unwrap_or_default().iter().enumerate() {
        let path = format!("{}[{index}]", map.path(key));
        match &node.value {
            Value::Text(id) if named.iter().any(|other| other.id == *id) => {
                map.gather().fault(node.line, path, format!("{id:?} stands in this list already"));
            }
            Value::Text(id) => named.push(Named { id: id.clone(), line: node.line }),
            _ => map.gather().expected(node, path, "the id of a component"),
        }
    }
    named
}

impl Service {
    /// What the pipelines in which an exporter stands lead to it, by signal.
    pub(super) fn feeds_of(&self, exporter: &str) -> Vec<Feed> {
        let standing = || self.pipelines.iter().filter(|pipeline| stands_in(&pipeline.exporters, exporter));
        let feed = |signal: Signal| {
            let of_signal = standing().filter(|pipeline| pipeline.signal == signal);
            let mut receivers: Vec<String> =
                of_signal.flat_map(|pipeline| pipeline.receivers.iter().map(|named| named.id.clone())).collect();
            receivers.sort_unstable();
            receivers.dedup();
            (!receivers.is_empty()).then_some(Feed { signal, receivers })
        };
        Signal::ALL.into_iter().filter_map(feed).collect()
    }

    /// Every name leads to a component, and every component is named.
    pub(super) fn check_names(&self, reading: &Reading<'_>, sections: &Sections<'_>) {
        let (receivers, exporters) = (ids(&sections.receivers), ids(&sections.exporters));
        let connectors = ids(&sections.connectors);
        for pipeline in &self.pipelines {
            let lists = [
                ("receivers", &pipeline.receivers, [&receivers[..], &connectors[..]].concat()),
                ("processors", &pipeline.processors, ids(&sections.processors)),
                ("exporters", &pipeline.exporters, [&exporters[..], &connectors[..]].concat()),
            ];
            for (section, named, known) in lists {
                let path = format!("{}.{section}", pipeline.path);
                for named in named {
                    check_name(reading, named, &path, section, &known);
                }
            }
        }
        for named in &self.extensions {
            check_name(reading, named, "service.extensions", "extensions", &ids(&sections.extensions));
        }
        self.check_unused(reading, sections);
    }

    fn check_unused(&self, reading: &Reading<'_>, sections: &Sections<'_>) {
        let in_pipeline = |id: &str| {
            let lists = self.pipelines.iter().flat_map(|p| [&p.receivers, &p.processors, &p.exporters]);
            lists.flatten().any(|named| named.id == id)
        };
        let standing = [&sections.receivers, &sections.processors, &sections.exporters];
        for component in standing.into_iter().flatten().filter(|component| !in_pipeline(component.id)) {
            let message = format!("stands in no pipeline; name it in one under {}, or remove it", self.path);
            component.fault(reading, message);
        }
        // `performance` is attached by itself where nobody names it.
        let others = sections.connectors.iter().filter(|connector| connector.kind != "performance");
        for component in others.filter(|component| !in_pipeline(component.id)) {
            component.fault(reading, format!("stands in no pipeline; name it under {}, or remove it", self.path));
        }
        for component in &sections.extensions {
            if !stands_in(&self.extensions, component.id) {
                let message = format!("is not started; add {:?} to service.extensions, or remove it", component.id);
                component.fault(reading, message);
            }
        }
    }
}

fn check_name(reading: &Reading<'_>, named: &Named, path: &str, section: &str, known: &[&str]) {
    if known.contains(&named.id.as_str()) {
        return;
    }
    let hint = match did_you_mean(&named.id, known.iter().copied()) {
        Some(word) => format!("; did you mean {word:?}?"),
        None => String::new(),
    };
    let section = if named.id.split('/').next() == Some("performance") { "connectors" } else { section };
    reading.gather.fault(named.line, path, format!("{:?} is not defined under {section}{hint}", named.id));
}

fn ids<'a>(components: &'a [Component<'_>]) -> Vec<&'a str> {
    components.iter().map(|component| component.id).collect()
}

pub(super) fn stands_in(named: &[Named], id: &str) -> bool {
    named.iter().any(|named| named.id == id)
}
