//! Reads and edits a list of attributes in its wire format.

use crate::model::protobuf::{fields, put_field};
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message as _;
use std::borrow::Cow;

const KEY: u64 = 1;
const VALUE: u64 = 2;

/// Attributes of one message.
pub(super) struct Attributes<'a> {
    list: Vec<Attribute<'a>>,
}

struct Attribute<'a> {
    key: Cow<'a, [u8]>,
    /// An encoded `AnyValue`.
    value: Cow<'a, [u8]>,
    /// The attribute as received; `None` if it was changed.
    whole: Option<&'a [u8]>,
}

impl<'a> Attributes<'a> {
    /// The attributes in the fields `number` of a message.
    pub(super) fn of(message: &'a [u8], number: u64) -> Attributes<'a> {
        let attribute = |whole: &'a [u8]| {
            let (mut key, mut value) = (&[][..], &[][..]);
            for field in fields(whole) {
                match (field.number(), field.inner) {
                    (KEY, Some(inner)) => key = inner,
                    (VALUE, Some(inner)) => value = inner,
                    _ => {}
                }
            }
            Attribute { key: Cow::Borrowed(key), value: Cow::Borrowed(value), whole: Some(whole) }
        };
        let list = fields(message).filter_map(|field| field.inner_of(&[number])).map(attribute).collect();
        Attributes { list }
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.list.iter().map(|attribute| &*attribute.key)
    }

    /// Returns the encoded value of a key.
    pub(super) fn get(&self, key: &[u8]) -> Option<&[u8]> {
        self.list.iter().find(|attribute| *attribute.key == *key).map(|attribute| &*attribute.value)
    }

    /// Returns the decoded value of a key.
    pub(super) fn value(&self, key: &[u8]) -> Option<Value> {
        decoded(self.get(key)?)
    }

    /// Sets a key; appends it if it is new.
    pub(super) fn set(&mut self, key: &[u8], value: Vec<u8>) {
        let value = Cow::Owned(value);
        match self.list.iter_mut().find(|attribute| *attribute.key == *key) {
            Some(attribute) => (attribute.value, attribute.whole) = (value, None),
            None => self.list.push(Attribute { key: Cow::Owned(key.to_owned()), value, whole: None }),
        }
    }

    /// Removes keys; returns true if there were any.
    pub(super) fn remove(&mut self, is_removed: impl Fn(&[u8]) -> bool) -> bool {
        let before = self.list.len();
        self.list.retain(|attribute| !is_removed(&attribute.key));
        self.list.len() < before
    }

    /// Writes the attributes as fields `number`.
    pub(super) fn write(&self, number: u64, out: &mut Vec<u8>) {
        let mut written = Vec::new();
        for attribute in &self.list {
            if let Some(whole) = attribute.whole {
                put_field(out, number, whole);
                continue;
            }
            written.clear();
            put_field(&mut written, KEY, &attribute.key);
            put_field(&mut written, VALUE, &attribute.value);
            put_field(out, number, &written);
        }
    }
}

/// Decodes an `AnyValue`.
pub(super) fn decoded(value: &[u8]) -> Option<Value> {
    AnyValue::decode(value).ok()?.value
}

/// Encodes a value as an `AnyValue`.
pub(super) fn encoded(value: Value) -> Vec<u8> {
    AnyValue { value: Some(value) }.encode_to_vec()
}
