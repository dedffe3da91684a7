//! OTLP attributes as exporters read them. All access goes through here, because their in-memory layout will change.

use super::go_json::{self, Escapes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use std::borrow::Cow;

/// Attributes of a resource, a scope or an item.
#[derive(Debug, Clone, Copy)]
pub struct Attributes<'a>(&'a [KeyValue]);

impl<'a> Attributes<'a> {
    /// Wraps attributes as they were decoded.
    #[must_use]
    pub const fn of(list: &'a [KeyValue]) -> Attributes<'a> {
        Attributes(list)
    }

    /// Returns the value of a key; of a duplicate key, the first, like `pcommon.Map.Get`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.0.iter().find(|entry| entry.key == key)?.value.as_ref()?.value.as_ref()
    }

    /// Returns the value of a key if it is text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&'a str> {
        match self.get(key)? {
            Value::StringValue(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the value of a key, whatever its type, formatted by [`as_string`].
    #[must_use]
    pub fn string(&self, key: &str) -> Option<Cow<'a, str>> {
        self.get(key).map(as_string)
    }

    /// Returns the value of a key if it is an integer.
    #[must_use]
    pub fn int(&self, key: &str) -> Option<i64> {
        match self.get(key)? {
            Value::IntValue(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns the value of a key if it is a floating-point number.
    #[must_use]
    pub fn double(&self, key: &str) -> Option<f64> {
        match self.get(key)? {
            Value::DoubleValue(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns the value of a key if it is a boolean.
    #[must_use]
    pub fn bool(&self, key: &str) -> Option<bool> {
        match self.get(key)? {
            Value::BoolValue(truth) => Some(*truth),
            _ => None,
        }
    }

    /// Iterates over all attributes in order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, Option<&'a Value>)> + use<'a> {
        self.0.iter().map(|entry| (entry.key.as_str(), entry.value.as_ref().and_then(|value| value.value.as_ref())))
    }

    /// Number of attributes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if there are no attributes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Formats a value as text like the Collector (`pcommon.Value.AsString` of pdata 1.67): text as is; numbers as in JSON; lists
/// and maps as JSON, maps sorted by key; bytes in base64.
#[must_use]
pub fn as_string(value: &Value) -> Cow<'_, str> {
    match value {
        Value::StringValue(text) => Cow::Borrowed(text),
        Value::BoolValue(truth) => Cow::Borrowed(if *truth { "true" } else { "false" }),
        Value::IntValue(number) => Cow::Owned(number.to_string()),
        Value::DoubleValue(number) => Cow::Owned(go_json::number(*number)),
        Value::BytesValue(bytes) => Cow::Owned(STANDARD.encode(bytes)),
        Value::ArrayValue(_) | Value::KvlistValue(_) => {
            let mut out = String::new();
            // A value that JSON cannot express (NaN, infinity) gives empty text, as in the Collector.
            Cow::Owned(if go_json::value(Some(value), Escapes::Json, &mut out) { out } else { String::new() })
        }
        Value::StringValueStrindex(_) => Cow::Borrowed(""),
    }
}

/// Converts a value to JSON; NaN and infinities become text.
#[must_use]
pub fn as_json(value: Option<&Value>) -> serde_json::Value {
    match value {
        None | Some(Value::StringValueStrindex(_)) => serde_json::Value::Null,
        Some(Value::StringValue(text)) => text.as_str().into(),
        Some(Value::BoolValue(truth)) => (*truth).into(),
        Some(Value::IntValue(number)) => (*number).into(),
        Some(Value::DoubleValue(number)) => serde_json::Number::from_f64(*number)
            .map_or_else(|| go_json::number(*number).into(), serde_json::Value::Number),
        Some(Value::BytesValue(bytes)) => STANDARD.encode(bytes).into(),
        Some(Value::ArrayValue(list)) => list.values.iter().map(|value| as_json(value.value.as_ref())).collect(),
        Some(Value::KvlistValue(map)) => map
            .values
            .iter()
            .map(|entry| (entry.key.clone(), as_json(entry.value.as_ref().and_then(|value| value.value.as_ref()))))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValueList};

    fn any(value: Value) -> AnyValue {
        AnyValue { value: Some(value) }
    }

    fn pair(key: &str, value: Value) -> KeyValue {
        KeyValue { key: key.into(), value: Some(any(value)), ..KeyValue::default() }
    }

    #[test]
    fn values_are_written_as_go_writes_them() {
        let numbers = [1.0, 0.5, 1e21, 1.5e-7, -0.0, 123_456_789.0, f64::NAN, f64::INFINITY];
        let written: Vec<_> = numbers.map(|number| as_string(&Value::DoubleValue(number)).into_owned()).to_vec();
        // Output of `pcommon.NewValueDouble(x).AsString()` of pdata 1.67.
        assert_eq!(written, ["1", "0.5", "1e+21", "1.5e-7", "-0", "123456789", "NaN", "Infinity"]);
        let list = Value::ArrayValue(ArrayValue { values: vec![any(Value::IntValue(1)), AnyValue::default()] });
        let map = KeyValueList { values: vec![pair("b", list), pair("a", Value::StringValue("<x> \"y\"\n".into()))] };
        assert_eq!(as_string(&Value::KvlistValue(map)), "{\"a\":\"<x> \\\"y\\\"\\n\",\"b\":[1,null]}");
        assert_eq!(as_string(&Value::BytesValue(b"fo".to_vec())), "Zm8=");
    }

    #[test]
    fn the_first_of_a_key_is_its_value() {
        let list = [pair("a", Value::IntValue(1)), pair("a", Value::StringValue("x".into()))];
        let attributes = Attributes::of(&list);
        assert_eq!((attributes.text("a"), attributes.int("a"), attributes.get("b")), (None, Some(1), None));
    }
}
