//! The identity of a series: a digest of everything that is part of it in OpenTelemetry's data model.

use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Computes digests; reuses its buffer.
#[derive(Default)]
pub(super) struct Digest {
    bytes: Vec<u8>,
}

impl Digest {
    /// Returns the digest of some words, starting from `seed`.
    pub(super) fn words(&mut self, seed: u64, words: &[&str]) -> u64 {
        self.bytes.clear();
        for word in words {
            put(&mut self.bytes, word.as_bytes());
        }
        xxh3_64_with_seed(&self.bytes, seed)
    }

    /// Returns the digest of attributes in any order, starting from `seed`.
    pub(super) fn attributes(&mut self, seed: u64, attributes: &[KeyValue]) -> u64 {
        self.bytes.clear();
        put_map(&mut self.bytes, attributes);
        xxh3_64_with_seed(&self.bytes, seed)
    }
}

/// Appends bytes with a length prefix, so that different lists never have the same encoding.
fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn put_map(out: &mut Vec<u8>, attributes: &[KeyValue]) {
    let mut sorted: Vec<&KeyValue> = attributes.iter().collect();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    out.extend_from_slice(&(sorted.len() as u64).to_le_bytes());
    for kv in sorted {
        put(out, kv.key.as_bytes());
        put_value(out, kv.value.as_ref());
    }
}

fn put_value(out: &mut Vec<u8>, value: Option<&AnyValue>) {
    match value.and_then(|value| value.value.as_ref()) {
        None | Some(Value::StringValueStrindex(_)) => out.push(0),
        Some(Value::StringValue(text)) => {
            out.push(1);
            put(out, text.as_bytes());
        }
        Some(Value::BoolValue(value)) => out.extend_from_slice(&[2, u8::from(*value)]),
        Some(Value::IntValue(number)) => {
            out.push(3);
            out.extend_from_slice(&number.to_le_bytes());
        }
        Some(Value::DoubleValue(number)) => {
            out.push(4);
            out.extend_from_slice(&number.to_bits().to_le_bytes());
        }
        Some(Value::BytesValue(bytes)) => {
            out.push(5);
            put(out, bytes);
        }
        Some(Value::ArrayValue(list)) => {
            out.push(6);
            out.extend_from_slice(&(list.values.len() as u64).to_le_bytes());
            list.values.iter().for_each(|value| put_value(out, Some(value)));
        }
        Some(Value::KvlistValue(map)) => {
            out.push(7);
            put_map(out, &map.values);
        }
    }
}
