//! Labels of a series, and the names of one scrape: translated as configured, escaped as the client asks.

use super::escape::Escaping;
use super::names::{FamilyName, Translation, base_name};
use super::selection::Selection;
use crate::model::scrape::{Attributes, FamilyKind, Identity};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Labels that Spanwise sets itself; an attribute with such a name is printed as `exported_<name>`, like in Prometheus.
const OWN_LABELS: [&str; 8] =
    ["job", "instance", "le", "quantile", "otel_scope_name", "otel_scope_version", "otel_scope_schema_url", "__name__"];

/// Resource attributes that form `job` and `instance`.
pub(super) const IDENTITY: [&str; 3] = ["service.name", "service.namespace", "service.instance.id"];

/// Scope attributes with these names would clash with the scope's own fields.
const SCOPE_WORDS: [&str; 3] = ["name", "version", "schema_url"];

/// Sorted labels of a series.
pub(super) type Labels = BTreeMap<String, String>;

/// How names are built.
#[derive(Debug, Clone, Default)]
pub(super) struct Naming {
    pub(super) translation: Translation,
    pub(super) escaping: Escaping,
    /// Result of [`Translation::namespace`].
    pub(super) namespace: String,
    pub(super) const_labels: Labels,
    /// Resource attributes that become labels of each series.
    pub(super) resource_labels: Selection,
    /// Whether series omit the labels of their instrumentation scope.
    pub(super) without_scope: bool,
}

impl Naming {
    /// Returns the name of a family in this scrape.
    pub(super) fn family(&self, name: &str, unit: &str, kind: FamilyKind) -> Option<FamilyName> {
        let mut named = self.translation.family(&self.namespace, name, unit, kind)?;
        if let Cow::Owned(escaped) = self.escaping.metric(&named.full) {
            // After escaping, the name may no longer end in the unit.
            let base = base_name(&escaped, kind);
            named.unit =
                named.unit.filter(|unit| base.strip_suffix(unit.as_str()).is_some_and(|rest| rest.ends_with('_')));
            named.full = escaped;
        }
        Some(named)
    }

    /// Returns the name of the metric that describes resources.
    pub(super) fn target_info(&self) -> String {
        let name = if self.namespace.is_empty() {
            "target_info".to_owned()
        } else {
            format!("{}_target_info", self.namespace)
        };
        self.escaping.metric(&name).into_owned()
    }

    /// Returns the labels of a series.
    pub(super) fn labels(&self, of: &Identity) -> Labels {
        let resource = of.resource().filter(|_| !self.resource_labels.is_empty());
        let chosen = resource.into_iter().flat_map(|resource| resource.iter());
        let chosen: Vec<_> = chosen.filter(|(name, _)| self.resource_labels.takes(name)).collect();
        let mut labels = if chosen.is_empty() {
            self.merged(of.attributes())
        } else {
            let mut attributes = of.attributes().clone();
            attributes.extend(chosen.into_iter().map(|(name, value)| (name.clone(), value.clone())));
            self.merged(&attributes)
        };
        self.add_own(&mut labels, self.const_labels.clone());
        self.add_own(&mut labels, of.resource().map(|resource| job_and_instance(resource)).unwrap_or_default());
        if !self.without_scope {
            self.add_own(&mut labels, self.scope(of));
        }
        labels
    }

    /// Returns the labels of `target_info`; `None` for a resource with neither job nor instance.
    pub(super) fn target(&self, resource: &Attributes) -> Option<(Labels, Labels)> {
        let pair = job_and_instance(resource);
        if pair.is_empty() {
            return None;
        }
        let mut rest = resource.clone();
        rest.retain(|name, _| !IDENTITY.contains(&name.as_str()));
        let mut labels = self.merged(&rest);
        self.add_own(&mut labels, self.const_labels.clone());
        self.add_own(&mut labels, pair.clone());
        Some((pair, labels))
    }

    /// Converts attributes to labels. The values of attributes with the same label name are joined with `;`, in the order of
    /// the original names; an empty value is the same as no label.
    fn merged(&self, attributes: &Attributes) -> Labels {
        let mut labels = Labels::new();
        for (name, value) in attributes.iter().filter(|(_, value)| !value.is_empty()) {
            let Some(label) = self.translation.label(name) else { continue };
            let label = self.escaping.label(label);
            if OWN_LABELS.contains(&label.as_ref()) {
                join(&mut labels, format!("exported_{label}"), value);
            } else {
                join(&mut labels, label.into_owned(), value);
            }
        }
        labels
    }

    /// Adds labels of Spanwise; an attribute of the same name is renamed.
    fn add_own(&self, labels: &mut Labels, own: Labels) {
        for (name, value) in own.into_iter().filter(|(_, value)| !value.is_empty()) {
            let name = self.escaping.label(Cow::Owned(name)).into_owned();
            if let Some(value) = labels.remove(&name) {
                join(labels, format!("exported_{name}"), &value);
            }
            labels.insert(name, value);
        }
    }

    fn scope(&self, of: &Identity) -> Labels {
        let scope = of.scope();
        let mut labels = Labels::new();
        for (name, value) in
            scope.attributes.iter().filter(|(name, value)| !SCOPE_WORDS.contains(&name.as_str()) && !value.is_empty())
        {
            if let Some(label) = self.translation.label(&format!("otel_scope_{name}")) {
                join(&mut labels, label.into_owned(), value);
            }
        }
        for (name, value) in SCOPE_WORDS.iter().zip([&scope.name, &scope.version, &scope.schema_url]) {
            labels.insert(format!("otel_scope_{name}"), value.clone());
        }
        labels
    }
}

/// Returns `job` and `instance` of a resource, if it has the attributes for them.
fn job_and_instance(resource: &Attributes) -> Labels {
    let value = |name: &str| resource.get(name).filter(|value| !value.is_empty());
    let mut labels = Labels::new();
    if let Some(service) = value("service.name") {
        let job = value("service.namespace").map_or_else(|| service.clone(), |space| format!("{space}/{service}"));
        labels.insert("job".to_owned(), job);
    }
    if let Some(instance) = value("service.instance.id") {
        labels.insert("instance".to_owned(), instance.clone());
    }
    labels
}

fn join(labels: &mut Labels, name: String, value: &str) {
    match labels.get_mut(&name) {
        Some(held) => {
            held.push(';');
            held.push_str(value);
        }
        None => {
            labels.insert(name, value.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::scrape::Scope;
    use std::sync::Arc;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn identity() -> Identity {
        let scope = Scope {
            name: "lib".to_owned(),
            version: "1.2".to_owned(),
            schema_url: String::new(),
            attributes: map(&[("short.name", "l"), ("name", "other")]),
        };
        let resource = map(&[("service.name", "shop"), ("service.namespace", "eu"), ("host.name", "h")]);
        let attributes = map(&[("a.b", "1"), ("a_b", "2"), ("a-b", "0"), ("c", ""), ("job", "mine"), ("le", "7")]);
        Identity::new(attributes, Some(Arc::new(resource)), Arc::new(scope))
    }

    /// '-' sorts before '.', which sorts before '_'.
    #[test]
    fn labels_are_translated_joined_and_make_room_for_ours() {
        let naming = Naming { const_labels: map(&[("a_b", "const")]), ..Naming::default() };
        let expected = map(&[
            ("a_b", "const"),
            ("exported_a_b", "0;1;2"),
            ("exported_job", "mine"),
            ("exported_le", "7"),
            ("job", "eu/shop"),
            ("otel_scope_name", "lib"),
            ("otel_scope_short_name", "l"),
            ("otel_scope_version", "1.2"),
        ]);
        assert_eq!(naming.labels(&identity()), expected);
    }

    #[test]
    fn utf8_names_stay_unless_the_client_wants_them_escaped() {
        let naming = Naming { translation: Translation::NoTranslation, without_scope: true, ..Naming::default() };
        let utf8 = Naming { escaping: Escaping::AllowUtf8, ..naming.clone() };
        let expected = map(&[
            ("a-b", "0"),
            ("a.b", "1"),
            ("a_b", "2"),
            ("exported_job", "mine"),
            ("exported_le", "7"),
            ("job", "eu/shop"),
        ]);
        assert_eq!(utf8.labels(&identity()), expected);
        // After escaping, the names are equal again.
        assert_eq!(naming.labels(&identity())["a_b"], "0;1;2");
        let name = |naming: &Naming| naming.family("disk.free", "By", FamilyKind::Gauge).unwrap().full;
        assert_eq!((name(&utf8).as_str(), name(&naming).as_str()), ("disk.free", "disk_free"));
    }

    #[test]
    fn resource_attributes_become_labels_where_they_are_chosen() {
        let naming = |included: &[&str], excluded: &[&str]| Naming {
            resource_labels: Selection::new(included, excluded),
            without_scope: true,
            ..Naming::default()
        };
        let of = |naming: Naming| {
            let mut labels = naming.labels(&identity());
            labels.retain(|name, _| name.starts_with("host") || name.starts_with("service"));
            labels
        };
        assert_eq!(of(naming(&["host.*"], &[])), map(&[("host_name", "h")]));
        assert_eq!(of(naming(&[], &["service.*"])), map(&[("host_name", "h")]));
        assert_eq!(of(naming(&["*"], &["host*"])), map(&[("service_name", "shop"), ("service_namespace", "eu")]));
    }
}
