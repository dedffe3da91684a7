//! Resource values that describe its host, checked for type and length.

use crate::delivery::attributes::{Attributes, as_string};
use opentelemetry_proto::tonic::common::v1::any_value::Value;

/// Maximum length of a text.
const TEXT_BYTES_MAX: usize = 1 << 10;

/// An attribute that is present; it may have no value.
pub(super) struct Found<'a>(pub(super) Option<&'a Value>);

/// Returns the first attribute with a key, as in the Collector.
pub(super) fn first<'a>(attributes: &Attributes<'a>, key: &str) -> Option<Found<'a>> {
    attributes.iter().find(|(known, _)| *known == key).map(|(_, value)| Found(value))
}

pub(super) fn unexpected(key: &str, expected: &str, found: Option<&Value>) -> String {
    let found = match found {
        None => "no value",
        Some(Value::StringValue(_) | Value::StringValueStrindex(_)) => "text",
        Some(Value::BoolValue(_)) => "a truth value",
        Some(Value::IntValue(_) | Value::DoubleValue(_)) => "a number",
        Some(Value::BytesValue(_)) => "bytes",
        Some(Value::ArrayValue(_)) => "a list",
        Some(Value::KvlistValue(_)) => "a map",
    };
    format!("{key}: expected {expected}, found {found}")
}

pub(super) fn text(attributes: &Attributes<'_>, key: &str) -> Result<Option<String>, String> {
    match first(attributes, key) {
        None => Ok(None),
        Some(Found(Some(value @ (Value::StringValue(_) | Value::IntValue(_))))) => {
            let text = as_string(value);
            bounded(key, text.len(), TEXT_BYTES_MAX)?;
            Ok(Some(text.into_owned()))
        }
        Some(Found(other)) => Err(unexpected(key, "text", other)),
    }
}

/// Rejects values longer than the maximum.
pub(super) fn bounded(key: &str, bytes: usize, bytes_max: usize) -> Result<(), String> {
    if bytes <= bytes_max { Ok(()) } else { Err(format!("{key}: more than {bytes_max} bytes, truncated")) }
}

pub(super) fn texts<'a>(attributes: &Attributes<'a>, key: &str) -> Result<Option<Vec<&'a str>>, String> {
    let list = match first(attributes, key) {
        None => return Ok(None),
        Some(Found(Some(Value::ArrayValue(list)))) if !list.values.is_empty() => list,
        Some(Found(Some(Value::ArrayValue(_)))) => {
            return Err(format!("{key}: expected a list of texts, found an empty one"));
        }
        Some(Found(other)) => return Err(unexpected(key, "a list of texts", other)),
    };
    let texts = list.values.iter().map(|entry| match &entry.value {
        Some(Value::StringValue(text)) => bounded(key, text.len(), TEXT_BYTES_MAX).map(|()| text.as_str()),
        other => Err(unexpected(key, "a list of texts", other.as_ref())),
    });
    texts.collect::<Result<_, _>>().map(Some)
}
