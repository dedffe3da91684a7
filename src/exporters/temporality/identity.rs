//! Identity of a stream of points: a digest over resource, scope, metric and attributes.

use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::resource::v1::Resource;
use xxhash_rust::xxh3::Xxh3;

/// A digest of 128 bits: collisions are too rare to matter.
pub(in crate::exporters) type Digest = u128;

/// Digest of a resource.
pub(in crate::exporters) fn of_resource(resource: Option<&Resource>) -> Digest {
    let mut hasher = Xxh3::new();
    attributes(&mut hasher, resource.map_or(&[], |resource| &resource.attributes));
    hasher.digest128()
}

/// Digest of a scope within `outer`.
pub(in crate::exporters) fn of_scope(outer: Digest, scope: Option<&InstrumentationScope>) -> Digest {
    let mut hasher = within(outer);
    if let Some(scope) = scope {
        text(&mut hasher, &scope.name);
        text(&mut hasher, &scope.version);
        attributes(&mut hasher, &scope.attributes);
    }
    hasher.digest128()
}

/// Digest of a metric within `outer`; `kind` names its type.
pub(in crate::exporters) fn of_metric(outer: Digest, metric: &Metric, kind: &str) -> Digest {
    let mut hasher = within(outer);
    text(&mut hasher, &metric.name);
    text(&mut hasher, &metric.unit);
    text(&mut hasher, kind);
    hasher.digest128()
}

/// Digest of one type within `outer`; `kind` names the type.
pub(in crate::exporters) fn of_kind(outer: Digest, kind: &str) -> Digest {
    let mut hasher = within(outer);
    text(&mut hasher, kind);
    hasher.digest128()
}

/// Digest of texts in order.
pub(in crate::exporters) fn of_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Digest {
    let mut hasher = Xxh3::new();
    texts.into_iter().for_each(|one| text(&mut hasher, one));
    hasher.digest128()
}

/// Digest of a stream within `outer`.
pub(in crate::exporters) fn of_point(outer: Digest, own: &[KeyValue]) -> Digest {
    let mut hasher = within(outer);
    attributes(&mut hasher, own);
    hasher.digest128()
}

fn within(outer: Digest) -> Xxh3 {
    let mut hasher = Xxh3::new();
    hasher.update(&outer.to_le_bytes());
    hasher
}

/// Prefixed with its length, so that different texts never give the same bytes.
fn text(hasher: &mut Xxh3, text: &str) {
    hasher.update(&(text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}

/// Ordered by key: the sender's order has no meaning.
fn attributes(hasher: &mut Xxh3, attributes: &[KeyValue]) {
    let mut sorted: Vec<&KeyValue> = attributes.iter().collect();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    for attribute in sorted {
        text(hasher, &attribute.key);
        let value = attribute.value.as_ref().map(prost::Message::encode_to_vec).unwrap_or_default();
        hasher.update(&(value.len() as u64).to_le_bytes());
        hasher.update(&value);
    }
    hasher.update(&(attributes.len() as u64).to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::common::v1::AnyValue;
    use opentelemetry_proto::tonic::common::v1::any_value::Value;

    fn pair(key: &str, value: &str) -> KeyValue {
        let value = Some(AnyValue { value: Some(Value::StringValue(value.into())) });
        KeyValue { key: key.into(), value, ..KeyValue::default() }
    }

    #[test]
    fn the_order_of_attributes_means_nothing_and_all_else_does() {
        let of = |attributes: &[KeyValue]| of_point(7, attributes);
        let (a, b) = (pair("a", "1"), pair("b", "2"));
        assert_eq!(of(&[a.clone(), b.clone()]), of(&[b.clone(), a.clone()]));
        assert_ne!(of(std::slice::from_ref(&a)), of(&[a.clone(), b.clone()]));
        assert_ne!(of(&[pair("ab", "c")]), of(&[pair("a", "bc")]));
        assert_ne!(of_point(8, std::slice::from_ref(&a)), of(&[a]));
        let metric = |unit: &str| Metric { name: "m".into(), unit: unit.into(), ..Metric::default() };
        assert_ne!(of_metric(1, &metric("s"), "sum"), of_metric(1, &metric("ms"), "sum"));
        assert_ne!(of_metric(1, &metric("s"), "sum"), of_metric(1, &metric("s"), "histogram"));
    }
}
