//! A document with dotted keys: fields from many sources are collected, conflicts resolved, and the result written as nested
//! objects.

use super::json::{Json, id};
use crate::delivery::attributes::{Attributes, as_string};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use std::borrow::Cow;
use std::cmp::Ordering;
use std::time::{Duration, SystemTime};

/// Value of a key.
#[derive(Debug, Clone)]
pub(super) enum Value<'a> {
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Cow<'a, str>),
    List(Vec<Value<'a>>),
    Map(Document<'a>),
    Null,
}

/// How often a value may be moved to make way for nested fields; beyond that it is left out. Each move costs a pass over all
/// fields, and keys such as `a`, `a.value`, `a.value.value` … would displace each other endlessly.
const MOVES_MAX: usize = 8;

/// Fields with dotted keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Document<'a> {
    fields: Vec<(Cow<'a, str>, Value<'a>)>,
}

impl<'a> Document<'a> {
    pub(super) fn add(&mut self, key: impl Into<Cow<'a, str>>, value: Value<'a>) {
        self.fields.push((whole_key(key.into()), value));
    }

    /// Adds a text unless it is empty.
    pub(super) fn text(&mut self, key: &'a str, text: impl Into<Cow<'a, str>>) {
        let text = text.into();
        if !text.is_empty() {
            self.add(key, Value::Text(text));
        }
    }

    /// Adds the id of a trace or a span, if there is one.
    pub(super) fn id(&mut self, key: &'a str, bytes: &[u8]) {
        if let Some(id) = id(bytes) {
            self.add(key, Value::Text(id.into()));
        }
    }

    /// Adds a time in ns since the epoch.
    pub(super) fn time(&mut self, key: &'a str, unix_nano: u64) {
        let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(unix_nano);
        self.add(key, Value::Text(humantime::format_rfc3339_nanos(time).to_string().into()));
    }

    /// Adds attributes under their own keys.
    pub(super) fn attributes(&mut self, attributes: Attributes<'a>) {
        attributes.iter().for_each(|(key, value)| self.attribute(key, value));
    }

    /// Adds an attribute; the entries of a map get keys of their own, and empty values are left out.
    pub(super) fn attribute(&mut self, key: impl Into<Cow<'a, str>>, value: Option<&'a Any>) {
        match value {
            None | Some(Any::StringValueStrindex(_)) => {}
            Some(Any::KvlistValue(map)) => {
                let key = key.into();
                for (inner, value) in entries(&map.values) {
                    self.attribute(format!("{key}.{inner}"), value);
                }
            }
            Some(Any::ArrayValue(list)) if list.values.is_empty() => {}
            Some(value) => self.add(key, Value::of(value)),
        }
    }

    /// Writes it as nested objects. Of a duplicate key, the last field counts. If a key is both a value and an object, the
    /// value moves to `key.value`; a `protected` one keeps its place, and the fields below it are left out.
    pub(super) fn write(mut self, out: &mut Vec<u8>, protected: fn(&str) -> bool) {
        self.settle(protected);
        self.nested(&mut Json::new(out));
    }

    fn settle(&mut self, protected: fn(&str) -> bool) {
        for pass in 0.. {
            // Stable: among equals the last one added stays last.
            self.fields.sort_by(|(a, _), (b, _)| by_segment(a, b));
            self.fields.reverse();
            self.fields.dedup_by(|(a, _), (b, _)| a == b);
            self.fields.reverse();
            let mut is_settled = true;
            let mut kept: Vec<(Cow<'a, str>, Value<'a>)> = Vec::with_capacity(self.fields.len());
            let mut guarded: Option<String> = None;
            for (key, value) in std::mem::take(&mut self.fields) {
                if guarded.as_deref().is_some_and(|above| lies_below(&key, above)) {
                    continue;
                }
                if let Some((above, _)) = kept.last_mut().filter(|(above, _)| lies_below(&key, above)) {
                    if protected(above) {
                        guarded = Some(above.to_string());
                        continue;
                    }
                    if pass < MOVES_MAX {
                        *above = Cow::Owned(format!("{above}.value"));
                        is_settled = false;
                    } else {
                        kept.pop();
                    }
                }
                kept.push((key, value));
            }
            self.fields = kept;
            if is_settled {
                break;
            }
        }
        let inner = self.fields.iter_mut().map(|(_, value)| value);
        inner.for_each(|value| value.settle(protected));
    }

    fn nested(&self, json: &mut Json<'_>) {
        json.begin_map();
        let mut opened: Vec<&str> = Vec::new();
        for (key, value) in &self.fields {
            let (path, name) = key.rsplit_once('.').map_or((None, key.as_ref()), |(path, name)| (Some(path), name));
            let path = || path.into_iter().flat_map(|path| path.split('.'));
            let common = opened.iter().zip(path()).take_while(|(a, b)| **a == *b).count();
            opened.drain(common..).for_each(|_| json.end_map());
            for segment in path().skip(common) {
                json.key(segment);
                json.begin_map();
                opened.push(segment);
            }
            json.key(name);
            value.write(json);
        }
        opened.iter().for_each(|_| json.end_map());
        json.end_map();
    }
}

impl<'a> Value<'a> {
    fn of(value: &'a Any) -> Value<'a> {
        match value {
            Any::BoolValue(truth) => Value::Bool(*truth),
            Any::IntValue(number) => Value::Int(*number),
            Any::DoubleValue(number) => Value::Double(*number),
            Any::ArrayValue(list) => {
                let inner = list.values.iter().map(|inner| inner.value.as_ref().map_or(Value::Null, Value::of));
                Value::List(inner.collect())
            }
            Any::KvlistValue(map) => {
                let mut document = Document::default();
                entries(&map.values).for_each(|(key, value)| document.attribute(key, value));
                Value::Map(document)
            }
            text => Value::Text(as_string(text)),
        }
    }

    fn settle(&mut self, protected: fn(&str) -> bool) {
        match self {
            Value::Map(document) => document.settle(protected),
            Value::List(list) => list.iter_mut().for_each(|value| value.settle(protected)),
            _ => {}
        }
    }

    fn write(&self, json: &mut Json<'_>) {
        match self {
            Value::Bool(truth) => json.bool(*truth),
            Value::Int(number) => json.int(*number),
            Value::Double(number) => json.double(*number),
            Value::Text(text) => json.text(text),
            Value::Null => json.null(),
            Value::Map(document) => document.nested(json),
            Value::List(list) => {
                json.begin_list();
                list.iter().for_each(|value| value.write(json));
                json.end_list();
            }
        }
    }
}

fn entries(list: &[KeyValue]) -> impl Iterator<Item = (&str, Option<&Any>)> {
    Attributes::of(list).iter()
}

/// Removes empty names from the path of a key; no index accepts them.
fn whole_key(key: Cow<'_, str>) -> Cow<'_, str> {
    if key.split('.').all(|segment| !segment.is_empty()) {
        return key;
    }
    let segments = key.split('.').map(|segment| if segment.is_empty() { "_" } else { segment });
    segments.collect::<Vec<_>>().join(".").into()
}

/// Returns true if a key names a field below another one.
fn lies_below(key: &str, above: &str) -> bool {
    key.strip_prefix(above).is_some_and(|rest| rest.starts_with('.'))
}

/// Compares by path segment, so that fields below a key follow it directly.
fn by_segment(a: &str, b: &str) -> Ordering {
    let rank = |byte: u8| if byte == b'.' { 0 } else { u16::from(byte) + 1 };
    a.bytes().map(rank).cmp(b.bytes().map(rank))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(fields: &[(&'static str, i64)], protected: fn(&str) -> bool) -> String {
        let mut document = Document::default();
        fields.iter().for_each(|(key, number)| document.add(*key, Value::Int(*number)));
        let mut out = Vec::new();
        document.write(&mut out, protected);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn dots_become_objects_and_the_last_of_a_key_counts() {
        let fields = [("b.c", 1), ("a", 2), ("b.d.e", 3), ("b.c", 4), ("b-c", 5)];
        assert_eq!(written(&fields, |_| false), r#"{"a":2,"b":{"c":4,"d":{"e":3}},"b-c":5}"#);
        assert_eq!(written(&[], |_| false), "{}");
    }

    #[test]
    fn a_value_that_is_an_object_too_makes_room() {
        // `-` sorts before `.`: the two conflicting keys are not adjacent in byte order.
        assert_eq!(written(&[("a", 1), ("a-b", 2), ("a.b", 3)], |_| false), r#"{"a":{"b":3,"value":1},"a-b":2}"#);
        // An existing `value` is kept.
        assert_eq!(written(&[("a", 1), ("a.value", 2)], |_| false), r#"{"a":{"value":2}}"#);
        assert_eq!(written(&[("a", 1), ("a.value.x", 2)], |_| false), r#"{"a":{"value":{"value":1,"x":2}}}"#);
        let protected = |key: &str| key == "a";
        assert_eq!(written(&[("a", 1), ("a.b", 2), ("a.b.c", 3), ("d", 4)], protected), r#"{"a":1,"d":4}"#);
    }

    /// Keys that would displace each other endlessly are resolved in a few moves, with some left out.
    #[test]
    fn a_chain_of_values_is_settled_soon() {
        let key = |depth: usize| format!("a{}", ".value".repeat(depth));
        let mut document = Document::default();
        (0..2000).for_each(|depth| document.add(key(depth % 40), Value::Int(1)));
        let mut out = Vec::new();
        document.write(&mut out, |_| false);
        let written: serde_json::Value = serde_json::from_slice(&out).unwrap();
        // Only the last has nothing below it.
        assert_eq!(written.pointer(&format!("/a{}", "/value".repeat(39))), Some(&1.into()), "{written}");
    }

    #[test]
    fn no_name_is_empty() {
        assert_eq!(
            written(&[("", 1), ("a..b", 2), (".c", 3)], |_| false),
            r#"{"_":{"c":3,"value":1},"a":{"_":{"b":2}}}"#
        );
    }

    #[test]
    fn json_has_no_numbers_that_are_none() {
        let mut document = Document::default();
        let list = vec![Value::Double(f64::NAN), Value::Double(1.0), Value::Double(f64::INFINITY)];
        document.add("a", Value::List(list));
        document.time("@timestamp", 1_700_000_000_000_000_001);
        let mut out = Vec::new();
        document.write(&mut out, |_| false);
        let expected = r#"{"@timestamp":"2023-11-14T22:13:20.000000001Z","a":[null,1.0,null]}"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
