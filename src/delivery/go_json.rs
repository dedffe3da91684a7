//! JSON byte for byte as Go's `encoding/json` writes it, as the Collector and Datadog's Agent embed it in text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Which characters are escaped (`SetEscapeHTML`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escapes {
    /// Those that JSON requires, and line separators.
    Json,
    /// Also those with a meaning in HTML: Go's default.
    Html,
}

/// Unwraps a value that may be missing.
pub(crate) fn inner(value: Option<&AnyValue>) -> Option<&Value> {
    value.and_then(|value| value.value.as_ref())
}

/// Writes a value, maps sorted by key; returns false if it contains a number that JSON cannot express.
pub(crate) fn value(value: Option<&Value>, escapes: Escapes, out: &mut String) -> bool {
    match value {
        None => out.push_str("null"),
        Some(Value::DoubleValue(number)) if !number.is_finite() => return false,
        Some(Value::StringValue(letters)) => text(letters, escapes, out),
        Some(Value::BytesValue(bytes)) => text(&STANDARD.encode(bytes), escapes, out),
        Some(Value::ArrayValue(list)) => {
            return all(list.values.iter(), ('[', ']'), out, |of, out| self::value(of.value.as_ref(), escapes, out));
        }
        Some(Value::KvlistValue(map)) => {
            let by_key: BTreeMap<&str, &KeyValue> =
                map.values.iter().map(|entry| (entry.key.as_str(), entry)).collect();
            return all(by_key.into_iter(), ('{', '}'), out, |(key, entry), out| {
                text(key, escapes, out);
                out.push(':');
                self::value(inner(entry.value.as_ref()), escapes, out)
            });
        }
        Some(Value::BoolValue(truth)) => out.push_str(if *truth { "true" } else { "false" }),
        Some(Value::IntValue(whole)) => out.push_str(&whole.to_string()),
        Some(Value::DoubleValue(double)) => out.push_str(&number(*double)),
        Some(Value::StringValueStrindex(_)) => {}
    }
    true
}

/// Writes a comma-separated list in brackets, until an entry cannot be written.
fn all<T>(
    things: impl Iterator<Item = T>,
    (opening, closing): (char, char),
    out: &mut String,
    mut write: impl FnMut(T, &mut String) -> bool,
) -> bool {
    out.push(opening);
    for (index, thing) in things.enumerate() {
        if index > 0 {
            out.push(',');
        }
        if !write(thing, out) {
            return false;
        }
    }
    out.push(closing);
    true
}

/// Writes quoted text.
pub(crate) fn text(letters: &str, escapes: Escapes, out: &mut String) {
    out.push('"');
    for letter in letters.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => escape(letter, out),
            '<' | '>' | '&' if escapes == Escapes::Html => escape(letter, out),
            letter => out.push(letter),
        }
    }
    out.push('"');
}

fn escape(letter: char, out: &mut String) {
    let _infallible = write!(out, "\\u{:04x}", u32::from(letter));
}

/// Formats a number like JavaScript and Go's `encoding/json`: plain between 1e-6 and 1e21, else with an exponent.
pub(crate) fn number(number: f64) -> String {
    let size = number.abs();
    match number {
        number if number.is_nan() => "NaN".to_owned(),
        number if number.is_infinite() => (if number > 0.0 { "Infinity" } else { "-Infinity" }).to_owned(),
        number if size == 0.0 || (1e-6..1e21).contains(&size) => number.to_string(),
        number => {
            let text = format!("{number:e}");
            match text.split_once('e') {
                Some((digits, power)) if !power.starts_with('-') => format!("{digits}e+{power}"),
                _ => text,
            }
        }
    }
}
