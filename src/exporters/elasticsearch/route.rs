//! Routing: the index or data stream of a document.

use super::bulk::Named;
use super::settings::Mode;
use crate::delivery::attributes::Attributes;
use std::borrow::Cow;

/// Maximum bytes of a part of a data stream's name.
const PART_BYTES_MAX: usize = 100;
/// Characters that a part must not contain.
const FORBIDDEN: &str = "\\/*?\"<>| ,#:";

/// Destination of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Index<'a> {
    /// The index or data stream.
    pub(super) name: Cow<'a, str>,
    /// Its parts, if it is a data stream.
    pub(super) stream: Option<Stream>,
    /// Which parts of it were set by the document's sender.
    pub(super) named: Named,
}

/// Parts of a data stream's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) kind: &'static str,
    pub(super) dataset: String,
    pub(super) namespace: String,
}

/// Input for routing a document.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) item: Attributes<'a>,
    pub(super) scope: Attributes<'a>,
    pub(super) scope_name: &'a str,
    pub(super) resource: Attributes<'a>,
}

impl Origin<'_> {
    /// Returns an attribute of the item, its scope or its resource, in this order.
    fn text(&self, key: &str) -> Option<Cow<'_, str>> {
        let found = [self.item, self.scope, self.resource].into_iter().find_map(|attributes| attributes.string(key));
        found.filter(|text| !text.is_empty())
    }
}

/// Returns the configured index; otherwise the one set by an attribute; otherwise the data stream `kind-dataset-namespace`.
pub(super) fn route<'a>(mode: Mode, kind: &'static str, configured: Option<&'a str>, origin: Origin<'_>) -> Index<'a> {
    if let Some(name) = configured {
        return Index { name: name.into(), stream: None, named: Named::default() };
    }
    if let Some(name) = origin.text("elasticsearch.index") {
        let named = Named { index: true, ..Named::default() };
        return Index { name: name.into_owned().into(), stream: None, named };
    }
    let (dataset, namespace) = (origin.text("data_stream.dataset"), origin.text("data_stream.namespace"));
    let named = Named { stream: dataset.is_some() || namespace.is_some(), ..Named::default() };
    let dataset = dataset.as_deref().or_else(|| receiver(origin.scope_name)).unwrap_or("generic");
    let suffix = match mode {
        Mode::Otel => ".otel",
        Mode::Ecs => "",
    };
    let dataset = part(dataset, true, suffix);
    let namespace = part(namespace.as_deref().unwrap_or("default"), false, "");
    let name = format!("{kind}-{dataset}-{namespace}").into();
    Index { name, stream: Some(Stream { kind, dataset, namespace }), named }
}

/// Extracts the Collector receiver from the name of its scope: `…/receiver/hostmetricsreceiver/internal/…`.
fn receiver(scope_name: &str) -> Option<&str> {
    let (_, name) = scope_name.split_once("/receiver/")?;
    let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
    let end = name[..end].rfind("receiver")? + "receiver".len();
    Some(&name[..end])
}

fn part(text: &str, is_dataset: bool, suffix: &str) -> String {
    let is_forbidden = |c: char| FORBIDDEN.contains(c) || (is_dataset && c == '-');
    let mut part: String = text.chars().flat_map(|c| if is_forbidden(c) { '_' } else { c }.to_lowercase()).collect();
    part.truncate(part.floor_char_boundary(PART_BYTES_MAX - suffix.len()));
    part + suffix
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};

    fn text(key: &str, value: &str) -> KeyValue {
        let value = Some(AnyValue { value: Some(Value::StringValue(value.into())) });
        KeyValue { key: key.into(), value, ..KeyValue::default() }
    }

    fn name(mode: Mode, item: &[KeyValue], resource: &[KeyValue], scope_name: &str) -> String {
        let (item, resource) = (Attributes::of(item), Attributes::of(resource));
        let origin = Origin { item, scope: Attributes::of(&[]), scope_name, resource };
        route(mode, "logs", None, origin).name.into_owned()
    }

    #[test]
    fn data_streams_are_named_as_the_collector_names_them() {
        assert_eq!(name(Mode::Ecs, &[], &[], ""), "logs-generic-default");
        assert_eq!(name(Mode::Otel, &[], &[], ""), "logs-generic.otel-default");
        let resource = [text("data_stream.dataset", "Nginx-Access"), text("data_stream.namespace", "eu-1 a")];
        assert_eq!(name(Mode::Ecs, &[], &resource, ""), "logs-nginx_access-eu-1_a");
        let item = [text("data_stream.dataset", "own")];
        assert_eq!(name(Mode::Ecs, &item, &resource, ""), "logs-own-eu-1_a", "the item is nearer");
        let scope = "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/hostmetricsreceiver/internal/x";
        assert_eq!(name(Mode::Otel, &[], &[], scope), "logs-hostmetricsreceiver.otel-default");
        assert_eq!(name(Mode::Otel, &item, &[], scope), "logs-own.otel-default");
        assert_eq!(name(Mode::Ecs, &[text("elasticsearch.index", "mine")], &resource, ""), "mine");
    }

    #[test]
    fn a_part_keeps_its_bound() {
        let long = [text("data_stream.dataset", &"ä".repeat(80))];
        let name = name(Mode::Otel, &long, &[], "");
        assert_eq!(name, format!("logs-{}.otel-default", "ä".repeat(47)), "95 bytes hold 47 of two bytes");
    }
}
