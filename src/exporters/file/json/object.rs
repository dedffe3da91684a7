//! Writes a JSON object. Default values are omitted.

use crate::model::hex::hex;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub(super) struct Object<'t> {
    text: &'t mut Vec<u8>,
    is_first: bool,
}

impl Object<'_> {
    /// Writes an object with the fields that `fields` adds.
    pub(super) fn write(text: &mut Vec<u8>, fields: impl FnOnce(&mut Object<'_>)) {
        text.push(b'{');
        fields(&mut Object { text, is_first: true });
        text.push(b'}');
    }

    /// Begins a field and returns where its value is written.
    fn value(&mut self, key: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.is_first) {
            self.text.push(b',');
        }
        self.text.push(b'"');
        self.text.extend_from_slice(key.as_bytes());
        self.text.extend_from_slice(b"\":");
        self.text
    }

    pub(super) fn text(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            string(self.value(key), text);
        }
    }

    /// Adds text, also if it is empty.
    pub(super) fn any_text(&mut self, key: &str, text: &str) {
        string(self.value(key), text);
    }

    pub(super) fn id(&mut self, key: &str, id: &[u8]) {
        if !id.is_empty() {
            string(self.value(key), &hex(id));
        }
    }

    pub(super) fn base64(&mut self, key: &str, bytes: &[u8]) {
        string(self.value(key), &STANDARD.encode(bytes));
    }

    pub(super) fn u64(&mut self, key: &str, number: u64) {
        if number != 0 {
            string(self.value(key), &number.to_string());
        }
    }

    /// Adds an integer of 64 bits, also if it is 0.
    pub(super) fn any_i64(&mut self, key: &str, number: i64) {
        string(self.value(key), &number.to_string());
    }

    pub(super) fn u32(&mut self, key: &str, number: u32) {
        if number != 0 {
            self.value(key).extend_from_slice(number.to_string().as_bytes());
        }
    }

    pub(super) fn i32(&mut self, key: &str, number: i32) {
        if number != 0 {
            self.value(key).extend_from_slice(number.to_string().as_bytes());
        }
    }

    pub(super) fn f64(&mut self, key: &str, number: f64) {
        if number.to_bits() != 0 {
            self.any_f64(key, number);
        }
    }

    /// Adds a number, also if it is 0.
    pub(super) fn any_f64(&mut self, key: &str, number: f64) {
        float(self.value(key), number);
    }

    pub(super) fn bool(&mut self, key: &str, truth: bool) {
        if truth {
            self.any_bool(key, truth);
        }
    }

    /// Adds a boolean, also if it is false.
    pub(super) fn any_bool(&mut self, key: &str, truth: bool) {
        self.value(key).extend_from_slice(if truth { b"true" } else { b"false" });
    }

    /// Adds an object.
    pub(super) fn object<T>(&mut self, key: &str, value: &T, fields: impl FnOnce(&mut Object<'_>, &T)) {
        Object::write(self.value(key), |object| fields(object, value));
    }

    /// Adds a list of objects.
    pub(super) fn list<T>(&mut self, key: &str, values: &[T], fields: impl Fn(&mut Object<'_>, &T)) {
        if !values.is_empty() {
            array(self.value(key), values, |text, value| Object::write(text, |object| fields(object, value)));
        }
    }

    pub(super) fn texts(&mut self, key: &str, values: &[String]) {
        if !values.is_empty() {
            array(self.value(key), values, |text, value| string(text, value));
        }
    }

    pub(super) fn u64s(&mut self, key: &str, values: &[u64]) {
        if !values.is_empty() {
            array(self.value(key), values, |text, value| string(text, &value.to_string()));
        }
    }

    pub(super) fn f64s(&mut self, key: &str, values: &[f64]) {
        if !values.is_empty() {
            array(self.value(key), values, |text, value| float(text, *value));
        }
    }
}

fn array<T>(text: &mut Vec<u8>, values: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    text.push(b'[');
    for (place, value) in values.iter().enumerate() {
        if place > 0 {
            text.push(b',');
        }
        write(text, value);
    }
    text.push(b']');
}

fn string(text: &mut Vec<u8>, value: &str) {
    // Writing to memory does not fail, and neither does text as JSON.
    let _written = serde_json::to_writer(text, value);
}

fn float(text: &mut Vec<u8>, number: f64) {
    if number.is_finite() {
        let _written = serde_json::to_writer(text, &number);
        return;
    }
    let word = match number {
        number if number.is_nan() => "NaN",
        number if number > 0.0 => "Infinity",
        _ => "-Infinity",
    };
    string(text, word);
}
