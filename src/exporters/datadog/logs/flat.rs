//! Flattens attributes to properties: each map entry is named by its path.

use crate::delivery::attributes::{as_json, as_string};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use serde_json::{Map, Value as Json};

/// Maps at this depth become text, as in the Agent; below a deeper list they are flat again.
const TEXT_AT_DEPTH: usize = 10;

/// Adds a value to the properties.
pub(super) fn put(name: &str, value: Option<&Value>, into: &mut Map<String, Json>) {
    put_at(name, value, 1, into);
}

fn put_at(name: &str, value: Option<&Value>, depth: usize, into: &mut Map<String, Json>) {
    let json = match value {
        Some(Value::ArrayValue(list)) => {
            let elements = list.values.iter().map(|element| element_of(element.value.as_ref(), depth + 1));
            Json::Array(elements.collect())
        }
        Some(Value::KvlistValue(map)) if depth != TEXT_AT_DEPTH => {
            for entry in &map.values {
                let path = if name.is_empty() { entry.key.clone() } else { format!("{name}.{}", entry.key) };
                put_at(&path, entry.value.as_ref().and_then(|value| value.value.as_ref()), depth + 1, into);
            }
            return;
        }
        Some(Value::StringValue(_) | Value::BoolValue(_) | Value::IntValue(_) | Value::DoubleValue(_)) => {
            as_json(value)
        }
        other => other.map(as_string).unwrap_or_default().into_owned().into(),
    };
    into.insert(name.to_owned(), json);
}

/// Converts a list element; a map becomes an object, flattened as well.
fn element_of(value: Option<&Value>, depth: usize) -> Json {
    let mut own = Map::new();
    put_at("", value, depth, &mut own);
    own.remove("").unwrap_or(Json::Object(own))
}
