//! Attributes, resources and scopes.

use super::super::tidy::{LIST_COST, MAP_COST, NESTING_EXPECTED};
use super::read::Reader;
use super::scan::Read;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList, any_value::Value,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

/// Expected form of ids, for messages.
pub(super) const TRACE_ID: &str = "32 hex digits";
pub(super) const SPAN_ID: &str = "16 hex digits";

pub(super) fn resource(reader: &mut Reader<'_>, resource: &mut Resource, key: &str) -> Read<()> {
    match key {
        "attributes" => reader.parts(&mut resource.attributes, key_value),
        "droppedAttributesCount" => reader.kept(|reader| reader.set_u32(&mut resource.dropped_attributes_count)),
        "entityRefs" => reader.parts(&mut resource.entity_refs, entity),
        _ => reader.pass(),
    }
}

fn entity(reader: &mut Reader<'_>, entity: &mut EntityRef, key: &str) -> Read<()> {
    match key {
        "schemaUrl" => reader.set_text(&mut entity.schema_url),
        "type" => reader.set_text(&mut entity.r#type),
        "idKeys" => reader.add_texts(&mut entity.id_keys),
        "descriptionKeys" => reader.add_texts(&mut entity.description_keys),
        _ => reader.pass(),
    }
}

pub(super) fn scope(reader: &mut Reader<'_>, scope: &mut InstrumentationScope, key: &str) -> Read<()> {
    match key {
        "name" => reader.kept(|reader| reader.set_text(&mut scope.name)),
        "version" => reader.kept(|reader| reader.set_text(&mut scope.version)),
        "attributes" => reader.parts(&mut scope.attributes, key_value),
        "droppedAttributesCount" => reader.kept(|reader| reader.set_u32(&mut scope.dropped_attributes_count)),
        _ => reader.pass(),
    }
}

pub(super) fn key_value(reader: &mut Reader<'_>, entry: &mut KeyValue, key: &str) -> Read<()> {
    match key {
        "key" => reader.set_text(&mut entry.key),
        "value" => reader.optional(&mut entry.value, any_value),
        _ => reader.pass(),
    }
}

/// The last of several values counts, as in protobuf.
pub(super) fn any_value(reader: &mut Reader<'_>, value: &mut AnyValue, key: &str) -> Read<()> {
    let read = match key {
        "stringValue" => reader.text()?.map(Value::StringValue),
        "boolValue" => reader.bool()?.map(Value::BoolValue),
        "intValue" => reader.i64()?.map(Value::IntValue),
        "doubleValue" => reader.f64()?.map(Value::DoubleValue),
        "bytesValue" => reader.base64()?.map(Value::BytesValue),
        "arrayValue" => {
            let mut list = None;
            reader.nested(&mut list, LIST_COST, NESTING_EXPECTED, array)?;
            list.map(Value::ArrayValue)
        }
        "kvlistValue" => {
            let mut map = None;
            reader.nested(&mut map, MAP_COST, NESTING_EXPECTED, map_entries)?;
            map.map(Value::KvlistValue)
        }
        _ => return reader.pass(),
    };
    if read.is_some() {
        value.value = read;
    }
    Ok(())
}

fn array(reader: &mut Reader<'_>, list: &mut ArrayValue, key: &str) -> Read<()> {
    match key {
        "values" => reader.list_with_gaps(&mut list.values, any_value),
        _ => reader.pass(),
    }
}

fn map_entries(reader: &mut Reader<'_>, map: &mut KeyValueList, key: &str) -> Read<()> {
    match key {
        "values" => reader.list(&mut map.values, key_value),
        _ => reader.pass(),
    }
}
