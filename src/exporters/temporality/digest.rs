//! Identifies the series of a point by 128 bits of its resource, scope, metric and attributes.

use crate::delivery::attributes::{Attributes, as_string};
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use xxhash_rust::xxh3::Xxh3;

/// What all points of a metric share.
#[derive(Clone)]
pub(super) struct Digest(Xxh3);

impl Digest {
    pub(super) fn of(resource: Option<&Resource>, scope: Option<&InstrumentationScope>) -> Digest {
        let mut hash = Xxh3::new();
        add_attributes(&mut hash, resource.map_or(&[], |resource| &resource.attributes));
        if let Some(scope) = scope {
            add(&mut hash, &scope.name);
            add(&mut hash, &scope.version);
            add_attributes(&mut hash, &scope.attributes);
        }
        Digest(hash)
    }

    pub(super) fn metric(&self, name: &str) -> Digest {
        let mut hash = self.0.clone();
        add(&mut hash, name);
        Digest(hash)
    }

    pub(super) fn point(&self, attributes: &[KeyValue]) -> u128 {
        let mut hash = self.0.clone();
        add_attributes(&mut hash, attributes);
        hash.digest128()
    }
}

fn add(hash: &mut Xxh3, text: &str) {
    // Includes the length, so that different lists of texts never give the same bytes.
    hash.update(&(text.len() as u64).to_le_bytes());
    hash.update(text.as_bytes());
}

/// Ordered by key: SDKs write the same attributes in any order.
fn add_attributes(hash: &mut Xxh3, attributes: &[KeyValue]) {
    let mut sorted: Vec<_> = Attributes::of(attributes).iter().collect();
    sorted.sort_by_key(|(key, _)| *key);
    hash.update(&(sorted.len() as u64).to_le_bytes());
    for (key, value) in sorted {
        add(hash, key);
        add(hash, &value.map(as_string).unwrap_or_default());
    }
}
