//! `service`: the pipelines and their components.

use crate::catalog::component::{Component, Reading};
use crate::catalog::yaml::{Entry, MapReader, Value};
use crate::model::fault::{did_you_mean, hint};
use crate::model::signal::Signal;

/// A component id in a list, with its line.
pub(super) struct Named {
    pub(super) id: String,
    pub(super) line: usize,
}

/// An entry of `service.pipelines`.
pub(super) struct Pipeline {
    pub(super) path: String,
    pub(super) line: usize,
    pub(super) signal: Signal,
    pub(super) receivers: Vec<Named>,
    pub(super) processors: Vec<Named>,
    pub(super) exporters: Vec<Named>,
}

/// The section `service`.
pub(super) struct Service {
    pub(super) extensions: Vec<Named>,
    pub(super) pipelines: Vec<Pipeline>,
    /// Pipelines of an unknown signal: the components that they name count as used.
    strange: Vec<Pipeline>,
    /// Whether a list of components could not be read: components in no other list may be in it.
    unread: bool,
}

/// The sections with components.
pub(super) struct Sections<'a> {
    pub(super) receivers: Vec<Component<'a>>,
    pub(super) processors: Vec<Component<'a>>,
    pub(super) exporters: Vec<Component<'a>>,
    pub(super) connectors: Vec<Component<'a>>,
    pub(super) extensions: Vec<Component<'a>>,
}

impl<'a> Sections<'a> {
    /// Returns the sections with their names.
    pub(super) fn all(&self) -> [(&'static str, &[Component<'a>]); 5] {
        [
            ("receivers", &self.receivers),
            ("processors", &self.processors),
            ("exporters", &self.exporters),
            ("connectors", &self.connectors),
            ("extensions", &self.extensions),
        ]
    }

    /// Splits the components into used and unused ones.
    pub(super) fn split(&self, is_used: impl Fn(&Component<'a>, &str) -> bool) -> (Sections<'a>, Sections<'a>) {
        let some = |wanted: bool| {
            let [receivers, processors, exporters, connectors, extensions] = self.all().map(|(section, components)| {
                components.iter().filter(|component| is_used(component, section) == wanted).cloned().collect()
            });
            Sections { receivers, processors, exporters, connectors, extensions }
        };
        (some(true), some(false))
    }
}

/// Reads the required section `service`.
pub(super) fn read(reading: &Reading<'_>, top: &MapReader<'_>) -> Option<Service> {
    if !top.need("service") {
        return None;
    }
    let map = top.map("service")?;
    let extensions = names(&map, "extensions");
    // `telemetry::read` reads it later, when all listeners are known.
    let _read_later = map.get("telemetry");
    let mut service = Service {
        unread: !extensions.complete,
        extensions: extensions.named,
        pipelines: Vec::new(),
        strange: Vec::new(),
    };
    let pipelines = if map.need("pipelines") { map.map("pipelines") } else { None };
    service.unread |= pipelines.is_none();
    if let Some(pipelines) = pipelines {
        if pipelines.entries().is_empty() {
            map.fault("pipelines", "expected at least one pipeline such as `traces`, found none");
            service.unread = true;
        }
        for entry in pipelines.entries() {
            service.pipeline(reading, &pipelines, entry);
        }
    }
    map.finish();
    Some(service)
}

/// The component ids of a list.
struct Names {
    named: Vec<Named>,
    /// False if a part of it could not be read.
    complete: bool,
}

fn names(map: &MapReader<'_>, key: &str) -> Names {
    let mut names = Names { named: Vec::new(), complete: true };
    let Some(node) = map.get(key).filter(|node| node.value != Value::Null) else { return names };
    if let Value::Text(id) = &node.value {
        // The intended id is clear, so it is used to avoid further faults.
        map.fault(key, format!("expected a list such as [{id}], found text {id:?}"));
        names.named.push(Named { id: id.clone(), line: node.line });
        return names;
    }
    let items = map.list(key);
    names.complete = items.is_some();
    for (index, node) in items.unwrap_or_default().iter().enumerate() {
        let path = format!("{}[{index}]", map.path(key));
        match &node.value {
            Value::Text(id) if stands_in(&names.named, id) => {
                map.gather().fault(node.line, path, format!("{id:?} is already in this list"));
            }
            Value::Text(id) => names.named.push(Named { id: id.clone(), line: node.line }),
            _ => {
                names.complete = false;
                map.gather().expected(node, path, "the id of a component");
            }
        }
    }
    names
}

impl Service {
    /// Reads one entry of `pipelines`.
    fn pipeline(&mut self, reading: &Reading<'_>, pipelines: &MapReader<'_>, entry: &Entry) {
        let path = pipelines.path(&entry.key);
        let kind = entry.key.split('/').next().unwrap_or_default();
        let signal = Signal::ALL.into_iter().find(|signal| signal.as_str() == kind);
        if signal.is_none() {
            let hint = hint(kind, Signal::ALL.map(Signal::as_str));
            let message = format!(
                "expected traces, metrics or logs, or one with a name such as traces/shop, found {kind:?}{hint}"
            );
            reading.gather.fault(entry.line, &path, message);
        }
        let Some(map) = reading.gather.map(&entry.node, &path) else {
            self.unread = true;
            return;
        };
        let mut some = |key, what: Option<&str>| {
            let Names { named, complete } = names(&map, key);
            self.unread |= !complete;
            if let Some(what) = what.filter(|_| complete && named.is_empty() && signal.is_some()) {
                map.fault(key, format!("expected at least one {what}, found none"));
            }
            named
        };
        let receivers = some("receivers", Some("receiver"));
        let exporters = some("exporters", Some("exporter"));
        let processors = some("processors", None);
        map.finish();
        // Components named in a pipeline of an unknown signal count as used, but have no effect.
        let list = if signal.is_some() { &mut self.pipelines } else { &mut self.strange };
        let signal = signal.unwrap_or(Signal::Traces);
        list.push(Pipeline { path, line: entry.line, signal, receivers, processors, exporters });
    }

    /// Checks that every name refers to a component.
    pub(super) fn check_names(&self, reading: &Reading<'_>, sections: &Sections<'_>) {
        let connectors = ids(&sections.connectors);
        for pipeline in &self.pipelines {
            let lists = [
                ("receivers", &pipeline.receivers, [&ids(&sections.receivers)[..], &connectors[..]].concat()),
                ("processors", &pipeline.processors, ids(&sections.processors)),
                ("exporters", &pipeline.exporters, [&ids(&sections.exporters)[..], &connectors[..]].concat()),
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
    }

    /// Returns whether a component is used: it is named, or a wrong name may refer to it. All count as used if a list could
    /// not be read.
    pub(super) fn uses<'a>(&self, sections: &Sections<'a>, component: &Component<'a>, section: &str) -> bool {
        if self.unread {
            return true;
        }
        let pipelines = || self.pipelines.iter().chain(&self.strange);
        let receivers = || pipelines().flat_map(|pipeline| &pipeline.receivers);
        let exporters = || pipelines().flat_map(|pipeline| &pipeline.exporters);
        let named: Vec<&Named> = match section {
            "receivers" => receivers().collect(),
            "processors" => pipelines().flat_map(|pipeline| &pipeline.processors).collect(),
            "exporters" => exporters().collect(),
            "extensions" => self.extensions.iter().collect(),
            // `performance` is attached automatically if no pipeline names it.
            _ if component.kind == "performance" => return true,
            _ => receivers().chain(exporters()).collect(),
        };
        let known = || sections.all().into_iter().flat_map(|(_, components)| components.iter().map(|known| known.id));
        let is_meant = |named: &&Named| {
            named.id == component.id
                || (known().all(|known| known != named.id) && did_you_mean(&named.id, known()) == Some(component.id))
        };
        named.iter().any(is_meant)
    }
}

fn check_name(reading: &Reading<'_>, named: &Named, path: &str, section: &str, known: &[&str]) {
    if known.contains(&named.id.as_str()) {
        return;
    }
    let of_performance = named.id.split('/').next() == Some("performance");
    let hint = match did_you_mean(&named.id, known.iter().copied()) {
        Some(word) => format!("; did you mean {word:?}?"),
        None if of_performance => format!("; write `connectors: {{{}: }}`", named.id),
        None => "; define it there, or take it out of the list".to_owned(),
    };
    let section = if of_performance { "connectors" } else { section };
    reading.gather.fault(named.line, path, format!("{:?} is not defined under {section}{hint}", named.id));
}

fn ids<'a>(components: &'a [Component<'_>]) -> Vec<&'a str> {
    components.iter().map(|component| component.id).collect()
}

pub(super) fn stands_in(named: &[Named], id: &str) -> bool {
    named.iter().any(|named| named.id == id)
}

/// Returns whether an id is that of a connector, which links the output of one pipeline to the input of another.
pub(super) fn is_connector(id: &str) -> bool {
    matches!(id.split('/').next(), Some("performance" | "span_metrics" | "spanmetrics"))
}
