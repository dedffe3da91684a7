//! JSON written as it is said, without a tree in between.

use crate::model::hex::hex;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;

/// Appends JSON; sets the commas.
pub(super) struct Json<'a> {
    out: &'a mut Vec<u8>,
    /// Whether something stands before what comes next, in the same list or map.
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

    /// The key of what comes next.
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

    /// A number with a point or an exponent, so that the field's type does not hang on its first value; JSON has no NaN and
    /// nothing infinite, which are `null`.
    pub(super) fn double(&mut self, number: f64) {
        self.next();
        let _infallible = serde_json::to_writer(&mut *self.out, &number);
    }

    fn bare(&mut self, word: &str) {
        self.next();
        self.out.extend_from_slice(word.as_bytes());
    }

    /// A value as it is; bytes in hexadecimal. Keys stay as they are, and of a key that stands twice the last counts.
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

/// The id of a trace or a span; `None` where it is none.
pub(super) fn id(bytes: &[u8]) -> Option<String> {
    bytes.iter().any(|byte| *byte != 0).then(|| hex(bytes))
}
