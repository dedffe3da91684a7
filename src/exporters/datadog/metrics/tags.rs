//! Tags of points and scopes.

use crate::delivery::attributes::{Attributes, as_string};
use crate::exporters::datadog::numbers::shortest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};

/// Formats `key:value`; no tag has an empty value.
fn tag(key: &str, value: &str) -> String {
    if value.is_empty() { format!("{key}:n/a") } else { format!("{key}:{value}") }
}

fn tag_of((key, value): (&str, Option<&Value>)) -> String {
    tag(key, &value.map(as_string).unwrap_or_default())
}

/// Returns the tags of a scope.
pub(super) fn scope(scope: Option<&InstrumentationScope>) -> Vec<String> {
    let (name, version) = scope.map_or(("", ""), |scope| (&scope.name, &scope.version));
    let mut tags = vec![tag("instrumentation_scope", name), tag("instrumentation_scope_version", version)];
    tags.extend(Attributes::of(scope.map_or(&[], |scope| &scope.attributes)).iter().map(tag_of));
    tags
}

/// Returns the tags of a point: of its attributes, then those shared by all points of the scope. Resource attributes that
/// become tags replace those of the point with the same key.
pub(super) fn point(attributes: &[KeyValue], resource: &[KeyValue], shared: &[String]) -> Vec<String> {
    let resource = Attributes::of(resource);
    let own = Attributes::of(attributes).iter().map(|(key, value)| {
        let of_resource = resource.iter().find(|(other, _)| *other == key);
        tag_of(of_resource.unwrap_or((key, value)))
    });
    let of_resource = resource.iter().filter(|(key, _)| !attributes.iter().any(|own| own.key == *key)).map(tag_of);
    own.chain(of_resource).chain(shared.iter().cloned()).collect()
}

/// Formats a number like Datadog's checks: `0.5`, `1.0`, `inf`.
pub(super) fn number(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if number == 0.0 {
        return "0".to_owned();
    }
    let shortest = shortest(number);
    if number.fract() == 0.0 { format!("{shortest}.0") } else { shortest }
}
