//! Resources, scopes and attributes.

use super::object::Object;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, EntityRef, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;

pub(super) fn resource(object: &mut Object<'_>, resource: &Resource) {
    object.list("attributes", &resource.attributes, attribute);
    object.u32("droppedAttributesCount", resource.dropped_attributes_count);
    object.list("entityRefs", &resource.entity_refs, entity);
}

fn entity(object: &mut Object<'_>, entity: &EntityRef) {
    object.text("schemaUrl", &entity.schema_url);
    object.text("type", &entity.r#type);
    object.texts("idKeys", &entity.id_keys);
    object.texts("descriptionKeys", &entity.description_keys);
}

pub(super) fn scope(object: &mut Object<'_>, scope: &InstrumentationScope) {
    object.text("name", &scope.name);
    object.text("version", &scope.version);
    object.list("attributes", &scope.attributes, attribute);
    object.u32("droppedAttributesCount", scope.dropped_attributes_count);
}

pub(super) fn attribute(object: &mut Object<'_>, attribute: &KeyValue) {
    object.text("key", &attribute.key);
    if let Some(of) = &attribute.value {
        object.object("value", of, value);
    }
}

/// Writes a value; an empty one is an empty object.
pub(super) fn value(object: &mut Object<'_>, value: &AnyValue) {
    match &value.value {
        Some(Value::StringValue(text)) => object.any_text("stringValue", text),
        Some(Value::BoolValue(truth)) => object.any_bool("boolValue", *truth),
        Some(Value::IntValue(number)) => object.any_i64("intValue", *number),
        Some(Value::DoubleValue(number)) => object.any_f64("doubleValue", *number),
        Some(Value::BytesValue(bytes)) => object.base64("bytesValue", bytes),
        Some(Value::ArrayValue(array)) => {
            object.object("arrayValue", array, |object, array| object.list("values", &array.values, self::value));
        }
        Some(Value::KvlistValue(list)) => {
            object.object("kvlistValue", list, |object, list| object.list("values", &list.values, attribute));
        }
        // An index into the strings of a profile, which requests of other signals do not have.
        Some(Value::StringValueStrindex(_)) | None => {}
    }
}
