//! `MessagePack` as read by Datadog's Agent and intake: maps with names as keys.

use bytes::Bytes;
use rmp::decode::{read_map_len, read_str_from_slice};
use rmp::encode::{
    write_array_len, write_bin, write_bool, write_f64, write_map_len, write_sint, write_str, write_uint,
};
use std::collections::BTreeMap;

/// Returns the texts at the beginning of a map, by name.
pub(super) fn head(body: &[u8]) -> Vec<(&str, &str)> {
    let (mut rest, mut found) = (body, Vec::new());
    if read_map_len(&mut rest).is_err() {
        return found;
    }
    while let Ok((name, after)) = read_str_from_slice(rest)
        && let Ok((text, after)) = read_str_from_slice(after)
    {
        found.push((name, text));
        rest = after;
    }
    found
}

/// Writes to memory, which cannot fail.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// Returns the output.
    pub(super) fn done(self) -> Bytes {
        self.0.into()
    }

    /// Writes a signed integer.
    pub(super) fn signed(&mut self, key: &str, number: i64) {
        self.value(key);
        let _infallible = write_sint(&mut self.0, number);
    }

    /// Writes entries by key.
    pub(super) fn entries<T>(&mut self, key: &str, of: &BTreeMap<String, T>, mut write: impl FnMut(&T, &mut Writer)) {
        self.value(key);
        self.map(of.len());
        for (key, value) in of {
            self.value(key);
            write(value, self);
        }
    }

    /// Writes a floating-point number without a key.
    pub(super) fn double(&mut self, number: f64) {
        let _infallible = write_f64(&mut self.0, number);
    }

    /// Writes the head of a map with this many fields.
    #[allow(clippy::cast_possible_truncation, reason = "nothing in memory has four billion entries")]
    pub(super) fn map(&mut self, fields: usize) {
        let _infallible = write_map_len(&mut self.0, fields as u32);
    }

    /// Writes text without a key.
    pub(super) fn value(&mut self, text: &str) {
        let _infallible = write_str(&mut self.0, text);
    }

    /// Writes text.
    pub(super) fn text(&mut self, key: &str, text: &str) {
        self.value(key);
        self.value(text);
    }

    /// Writes an unsigned integer.
    pub(super) fn number(&mut self, key: &str, number: u64) {
        self.value(key);
        let _infallible = write_uint(&mut self.0, number);
    }

    /// Writes a boolean.
    pub(super) fn truth(&mut self, key: &str, truth: bool) {
        self.value(key);
        let _infallible = write_bool(&mut self.0, truth);
    }

    /// Writes bytes.
    pub(super) fn bytes(&mut self, key: &str, bytes: &[u8]) {
        self.value(key);
        let _infallible = write_bin(&mut self.0, bytes);
    }

    /// Writes a list.
    #[allow(clippy::cast_possible_truncation, reason = "nothing in memory has four billion entries")]
    pub(super) fn list<T>(&mut self, key: &str, items: &[T], mut write: impl FnMut(&T, &mut Writer)) {
        self.value(key);
        let _infallible = write_array_len(&mut self.0, items.len() as u32);
        for item in items {
            write(item, self);
        }
    }
}
