//! Attributes, resources and scopes.

use super::DecodeError;
use super::read::{DEPTH_MAX, Object};
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

pub(super) fn resource(from: &Object<'_>) -> Result<Resource, DecodeError> {
    Ok(Resource {
        attributes: attributes(from, "attributes")?,
        dropped_attributes_count: from.u32("droppedAttributesCount")?,
        ..Resource::default()
    })
}

pub(super) fn scope(from: &Object<'_>) -> Result<InstrumentationScope, DecodeError> {
    Ok(InstrumentationScope {
        name: from.text("name")?,
        version: from.text("version")?,
        attributes: attributes(from, "attributes")?,
        dropped_attributes_count: from.u32("droppedAttributesCount")?,
    })
}

pub(super) fn attributes(from: &Object<'_>, key: &str) -> Result<Vec<KeyValue>, DecodeError> {
    from.list(key, |entry| key_value(entry, 0))
}

fn key_value(from: &Object<'_>, depth: usize) -> Result<KeyValue, DecodeError> {
    Ok(KeyValue {
        key: from.text("key")?,
        value: from.object("value", |value| any_value(value, depth))?,
        ..KeyValue::default()
    })
}

/// A value at `depth` values within values.
pub(super) fn any_value(from: &Object<'_>, depth: usize) -> Result<AnyValue, DecodeError> {
    let nests = ["arrayValue", "kvlistValue"].into_iter().find(|key| from.has(key));
    if let Some(key) = nests.filter(|_| depth >= DEPTH_MAX) {
        return Err(from.fault(key, &format!("at most {DEPTH_MAX} values within one another")));
    }
    let value = if from.has("stringValue") {
        Some(Value::StringValue(from.text("stringValue")?))
    } else if from.has("boolValue") {
        Some(Value::BoolValue(from.bool("boolValue")?))
    } else if from.has("intValue") {
        Some(Value::IntValue(from.i64("intValue")?))
    } else if from.has("doubleValue") {
        from.f64("doubleValue")?.map(Value::DoubleValue)
    } else if from.has("bytesValue") {
        Some(Value::BytesValue(from.base64("bytesValue")?))
    } else {
        match nests {
            Some("arrayValue") => from
                .object("arrayValue", |list| list.list("values", |value| any_value(value, depth + 1)))?
                .map(|values| Value::ArrayValue(ArrayValue { values })),
            Some(_) => from
                .object("kvlistValue", |map| map.list("values", |entry| key_value(entry, depth + 1)))?
                .map(|values| Value::KvlistValue(KeyValueList { values })),
            None => None,
        }
    };
    Ok(AnyValue { value })
}
