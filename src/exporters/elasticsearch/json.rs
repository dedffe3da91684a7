//! Writes JSON directly, without building a tree.

use crate::model::hex::hex;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;

/// Appends JSON, including the commas.
pub(super) struct Json<'a> {
    out: &'a mut Vec<u8>,
    /// Whether the current list or map already has an entry.
    follows: bool,
}

impl<'a> Json<'a> {
    pub(super) const fn new(out: &'a mut Vec<u8>) -> Json<'a> {
        Json { out, follows: false }
    }

    fn next(&mut self) {
        if self.follows {
            self.out.push(b',');
        }
        self.follows = true;
    }

    fn open(&mut self, bracket: u8) {
        self.next();
        self.out.push(bracket);
        self.follows = false;
    }

    fn close(&mut self, bracket: u8) {
        self.out.push(bracket);
        self.follows = true;
    }

    pub(super) fn begin_map(&mut self) {
        self.open(b'{');
    }

    pub(super) fn end_map(&mut self) {
        self.close(b'}');
    }

    pub(super) fn begin_list(&mut self) {
        self.open(b'[');
    }

    pub(super) fn end_list(&mut self) {
        self.close(b']');
    }

    /// Writes the key of the next value.
    pub(super) fn key(&mut self, key: &str) {
        self.text(key);
        self.out.push(b':');
        self.follows = false;
    }

    pub(super) fn text(&mut self, text: &str) {
        self.next();
        // Writing to memory does not fail.
        let _infallible = serde_json::to_writer(&mut *self.out, text);
    }

    pub(super) fn null(&mut self) {
        self.bare("null");
    }

    pub(super) fn bool(&mut self, truth: bool) {
        self.bare(if truth { "true" } else { "false" });
    }

    pub(super) fn int(&mut self, number: i64) {
        self.next();
        let _infallible = serde_json::to_writer(&mut *self.out, &number);
    }

    pub(super) fn uint(&mut self, number: u64) {
        self.next();
        let _infallible = serde_json::to_writer(&mut *self.out, &number);
    }

    /// Writes a number with a point or an exponent, so that the field's type does not depend on its first value; NaN and
    /// infinities, which JSON does not have, become `null`.
    pub(super) fn double(&mut self, number: f64) {
        self.next();
        let _infallible = serde_json::to_writer(&mut *self.out, &number);
    }

    fn bare(&mut self, word: &str) {
        self.next();
        self.out.extend_from_slice(word.as_bytes());
    }

    /// Writes a value as is; bytes in hexadecimal. Keys stay unchanged, and of a duplicate key the last counts.
    pub(super) fn value(&mut self, value: Option<&Value>) {
        match value {
            None | Some(Value::StringValueStrindex(_)) => self.null(),
            Some(Value::StringValue(text)) => self.text(text),
            Some(Value::BoolValue(truth)) => self.bool(*truth),
            Some(Value::IntValue(number)) => self.int(*number),
            Some(Value::DoubleValue(number)) => self.double(*number),
            Some(Value::BytesValue(bytes)) => self.text(&hex(bytes)),
            Some(Value::ArrayValue(list)) => {
                self.begin_list();
                list.values.iter().for_each(|inner| self.value(inner.value.as_ref()));
                self.end_list();
            }
            Some(Value::KvlistValue(map)) => {
                let last: std::collections::BTreeMap<&str, Option<&AnyValue>> =
                    map.values.iter().map(|entry| (entry.key.as_str(), entry.value.as_ref())).collect();
                self.begin_map();
                for (key, inner) in last {
                    self.key(key);
                    self.value(inner.and_then(|inner| inner.value.as_ref()));
                }
                self.end_map();
            }
        }
    }
}

/// Formats the id of a trace or a span; `None` if it is invalid.
pub(super) fn id(bytes: &[u8]) -> Option<String> {
    bytes.iter().any(|byte| *byte != 0).then(|| hex(bytes))
}
