//! The actions of the Collector's `attributes` and `resource` processors, with the same semantics:
//! <https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/processor/attributesprocessor>.

use super::attributes::{Attributes, decoded, encoded};
use crate::delivery::attributes::as_string;
use crate::model::hex::hex;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use regex::bytes::Regex;
use ring::digest;

/// One action.
#[derive(Debug, Clone)]
pub struct Action {
    /// The keys it applies to.
    pub keys: Keys,
    /// What it does with them.
    pub kind: ActionKind,
}

/// Keys by name, by pattern, or both.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    /// The name.
    pub key: String,
    /// Pattern for the keys, for actions that accept more than one.
    pub pattern: Option<Regex>,
}

/// What an action does.
#[derive(Debug, Clone)]
pub enum ActionKind {
    /// Sets a key if it is absent.
    Insert(Source),
    /// Sets a key if it is present.
    Update(Source),
    /// Sets a key.
    Upsert(Source),
    /// Removes keys.
    Delete,
    /// Replaces values with their SHA-256, in hex.
    Hash,
    /// Sets a key for each named group of a pattern that matches the value.
    Extract(regex::Regex),
    /// Converts a value to another type, if it can be parsed as one.
    Convert(ConvertTo),
}

/// Where a value comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// The configuration.
    Value(Value),
    /// Another attribute; does nothing if it is absent.
    Attribute(String),
}

/// Target types of a conversion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConvertTo {
    /// An integer.
    Int,
    /// A floating-point number.
    Double,
    /// Text.
    Text,
}

impl Action {
    /// Applies the action; returns true if anything changed.
    pub(super) fn apply(&self, attributes: &mut Attributes<'_>) -> bool {
        let key = self.keys.key.as_bytes();
        match &self.kind {
            ActionKind::Insert(source) => attributes.get(key).is_none() && set(attributes, key, source),
            ActionKind::Update(source) => attributes.get(key).is_some() && set(attributes, key, source),
            ActionKind::Upsert(source) => set(attributes, key, source),
            ActionKind::Delete => attributes.remove(|found| self.keys.take(found)),
            ActionKind::Hash => {
                let hashed: Vec<Vec<u8>> =
                    attributes.keys().filter(|found| self.keys.take(found)).map(<[u8]>::to_vec).collect();
                hashed.iter().for_each(|key| hash(attributes, key));
                !hashed.is_empty()
            }
            ActionKind::Extract(pattern) => extract(attributes, key, pattern),
            ActionKind::Convert(to) => convert(attributes, key, *to),
        }
    }
}

impl Keys {
    fn take(&self, key: &[u8]) -> bool {
        let by_name = !self.key.is_empty() && self.key.as_bytes() == key;
        by_name || self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(key))
    }
}

fn set(attributes: &mut Attributes<'_>, key: &[u8], source: &Source) -> bool {
    let value = match source {
        Source::Value(value) => encoded(value.clone()),
        Source::Attribute(from) => match attributes.get(from.as_bytes()) {
            Some(value) => value.to_vec(),
            None => return false,
        },
    };
    attributes.set(key, value);
    true
}

/// Hashes like the Collector: text as is, a boolean as one byte, and numbers as eight bytes, little endian.
fn hash(attributes: &mut Attributes<'_>, key: &[u8]) {
    let bytes = match attributes.value(key) {
        Some(Value::StringValue(text)) => text.into_bytes(),
        Some(Value::BoolValue(truth)) => vec![u8::from(truth)],
        Some(Value::IntValue(number)) => number.to_le_bytes().to_vec(),
        Some(Value::DoubleValue(number)) => number.to_bits().to_le_bytes().to_vec(),
        _ => Vec::new(),
    };
    // Other types give empty text.
    let text = match bytes.as_slice() {
        [] => String::new(),
        bytes => hex(digest::digest(&digest::SHA256, bytes).as_ref()),
    };
    attributes.set(key, encoded(Value::StringValue(text)));
}

fn extract(attributes: &mut Attributes<'_>, key: &[u8], pattern: &regex::Regex) -> bool {
    let Some(Value::StringValue(text)) = attributes.value(key) else { return false };
    let Some(found) = pattern.captures(&text) else { return false };
    for name in pattern.capture_names().flatten() {
        let group = found.name(name).map_or("", |group| group.as_str());
        attributes.set(name.as_bytes(), encoded(Value::StringValue(group.to_owned())));
    }
    true
}

fn convert(attributes: &mut Attributes<'_>, key: &[u8], to: ConvertTo) -> bool {
    let Some(value) = attributes.get(key).and_then(decoded) else { return false };
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "as the Collector converts")]
    let converted = match (to, &value) {
        (ConvertTo::Int, Value::DoubleValue(number)) => Some(Value::IntValue(*number as i64)),
        (ConvertTo::Int, Value::BoolValue(truth)) => Some(Value::IntValue(i64::from(*truth))),
        (ConvertTo::Int, Value::StringValue(text)) => text.parse().ok().map(Value::IntValue),
        (ConvertTo::Double, Value::IntValue(number)) => Some(Value::DoubleValue(*number as f64)),
        (ConvertTo::Double, Value::BoolValue(truth)) => Some(Value::DoubleValue(f64::from(u8::from(*truth)))),
        (ConvertTo::Double, Value::StringValue(text)) => text.parse().ok().map(Value::DoubleValue),
        (ConvertTo::Text, Value::StringValue(_)) => None,
        (ConvertTo::Text, value) => Some(Value::StringValue(as_string(value).into_owned())),
        _ => None,
    };
    let Some(converted) = converted else { return false };
    attributes.set(key, encoded(converted));
    true
}
