//! Names and labels of series, from resource, scope and point.

use super::settings::RemoteWriteSettings;
use crate::delivery::attributes::{Attributes, as_string};
use crate::exporters::prometheus::names::FamilyName;
use crate::exporters::prometheus::{Selection, Translation};
use crate::exporters::temporality::identity::{self, Digest};
use crate::exporters::temporality::to_cumulative::{Origin, SeriesKeys};
use crate::model::scrape::FamilyKind;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::Metric;
use std::collections::BTreeMap;

/// Labels of a series, sorted.
pub(super) type Labels = BTreeMap<String, String>;

/// Attributes already covered by `job` and `instance`.
const IDENTITY: [&str; 3] = ["service.namespace", "service.name", "service.instance.id"];
/// Scope attributes that would clash with the scope's own fields.
const SCOPE_FIELDS: [&str; 3] = ["name", "version", "schema_url"];

/// How names are built.
pub(super) struct Naming {
    translation: Translation,
    namespace: String,
    external: Labels,
    promoted: Selection,
    with_scope: bool,
}

/// What all points of a resource share.
pub(super) struct OfResource {
    identity: Labels,
    /// Attributes that each of its points gets, by their original names.
    promoted: BTreeMap<String, String>,
}

impl Naming {
    pub(super) fn new(settings: &RemoteWriteSettings) -> Naming {
        let translation = settings.translation;
        let named = |(name, value): (&String, &String)| Some((translation.label(name)?.into_owned(), value.clone()));
        Naming {
            translation,
            namespace: translation.namespace(&settings.namespace),
            external: settings.external_labels.iter().filter_map(named).collect(),
            promoted: settings.resource_labels.clone(),
            with_scope: settings.with_scope,
        }
    }

    /// Returns the name of a metric's family; `None` if nothing of it is left.
    pub(super) fn family(&self, metric: &Metric, kind: FamilyKind) -> Option<FamilyName> {
        self.translation.family(&self.namespace, &metric.name, &metric.unit, kind)
    }

    /// Returns the name of the series that describes a resource.
    pub(super) fn info_name(&self) -> String {
        if self.namespace.is_empty() { "target_info".to_owned() } else { format!("{}_target_info", self.namespace) }
    }

    pub(super) fn of_resource(&self, attributes: Attributes<'_>) -> OfResource {
        let text = |key: &str| attributes.string(key).filter(|text| !text.is_empty());
        let mut identity = Labels::new();
        if let Some(name) = text("service.name") {
            let job = text("service.namespace").map_or_else(|| name.to_string(), |space| format!("{space}/{name}"));
            identity.insert("job".to_owned(), job);
        }
        if let Some(instance) = text("service.instance.id") {
            identity.insert("instance".to_owned(), instance.into_owned());
        }
        let mut promoted = BTreeMap::new();
        if !self.promoted.is_empty() {
            promoted = plain(attributes);
            promoted.retain(|name, _| self.promoted.takes(name));
        }
        OfResource { identity, promoted }
    }

    /// Returns the labels of the series that describes a resource; `None` without attributes, or without `job` and `instance`.
    pub(super) fn info(&self, attributes: Attributes<'_>, resource: &OfResource) -> Option<Labels> {
        let mut rest = plain(attributes);
        rest.retain(|name, _| !IDENTITY.contains(&name.as_str()));
        if rest.is_empty() || resource.identity.is_empty() {
            return None;
        }
        let mut labels = self.translated(rest);
        self.complete(&mut labels, resource, &Labels::new());
        labels.insert("__name__".to_owned(), self.info_name());
        Some(labels)
    }

    /// Returns the labels of a scope.
    pub(super) fn of_scope(&self, scope: Option<&InstrumentationScope>) -> Labels {
        let mut labels = Labels::new();
        let Some(scope) = scope.filter(|_| self.with_scope) else { return labels };
        for (name, value) in plain(Attributes::of(&scope.attributes)) {
            let label = format!("otel_scope_{name}");
            if !SCOPE_FIELDS.contains(&name.as_str())
                && let Some(label) = self.translation.label(&label)
            {
                labels.insert(label.into_owned(), value);
            }
        }
        for (label, value) in [("otel_scope_name", &scope.name), ("otel_scope_version", &scope.version)] {
            if !value.is_empty() {
                labels.insert(label.to_owned(), value.clone());
            }
        }
        labels
    }

    /// Returns the labels of a point's series, without its name.
    pub(super) fn of_point(&self, attributes: Attributes<'_>, resource: &OfResource, scope: &Labels) -> Labels {
        let mut all = plain(attributes);
        all.extend(resource.promoted.iter().map(|(name, value)| (name.clone(), value.clone())));
        let mut labels = self.translated(all);
        self.complete(&mut labels, resource, scope);
        labels
    }

    /// Translates attributes to labels; attributes with the same label name are joined in the order of the original names.
    fn translated(&self, attributes: BTreeMap<String, String>) -> Labels {
        let mut labels = Labels::new();
        for (name, value) in attributes {
            let Some(label) = self.translation.label(&name) else { continue };
            // A label with the series' own name would be another metric.
            if label == "__name__" {
                continue;
            }
            match labels.get_mut(label.as_ref()) {
                Some(held) => {
                    held.push(';');
                    held.push_str(&value);
                }
                None => {
                    labels.insert(label.into_owned(), value);
                }
            }
        }
        labels
    }

    fn complete(&self, labels: &mut Labels, resource: &OfResource, scope: &Labels) {
        labels.extend(resource.identity.clone());
        for (name, value) in &self.external {
            labels.entry(name.clone()).or_insert_with(|| value.clone());
        }
        labels.extend(scope.clone());
    }
}

impl SeriesKeys for Naming {
    fn key(&self, of: Origin<'_>, attributes: &[KeyValue]) -> Option<Digest> {
        let name = self.family(of.metric, of.kind)?.full;
        let resource = self.of_resource(Attributes::of(of.resource.map_or(&[], |resource| &resource.attributes)));
        let labels = self.of_point(Attributes::of(attributes), &resource, &self.of_scope(of.scope));
        let texts = labels.iter().flat_map(|(label, value)| [label.as_str(), value.as_str()]);
        Some(identity::of_texts(std::iter::once(name.as_str()).chain(texts)))
    }
}

/// Formats attributes as text; an empty value is the same as no label.
fn plain(attributes: Attributes<'_>) -> BTreeMap<String, String> {
    let mut plain = BTreeMap::new();
    for (name, value) in attributes.iter() {
        let text = value.map(as_string).filter(|text| !text.is_empty());
        match text {
            Some(text) => plain.insert(name.to_owned(), text.into_owned()),
            None => plain.remove(name),
        };
    }
    plain
}
