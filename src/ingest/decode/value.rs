//! Attribute values as text, numbers and booleans.

use crate::model::table::ColumnType;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use serde_json::Value as Json;
use std::borrow::Cow;

/// Returns text as it is, bytes in base64, anything else as JSON. `None` for an empty value.
pub(super) fn text(value: &AnyValue) -> Option<Cow<'_, str>> {
    Some(match value.value.as_ref()? {
        Value::StringValue(text) => Cow::Borrowed(text),
        Value::BoolValue(true) => Cow::Borrowed("true"),
        Value::BoolValue(false) => Cow::Borrowed("false"),
        Value::IntValue(number) => Cow::Owned(number.to_string()),
        Value::BytesValue(bytes) => Cow::Owned(base64(bytes)),
        Value::DoubleValue(number) => Cow::Owned(double_text(*number)),
        Value::ArrayValue(_) | Value::KvlistValue(_) => Cow::Owned(json(value).to_string()),
        // An index into a table that only profiles have.
        Value::StringValueStrindex(_) => return None,
    })
}

/// Returns whether a column of that type can store the value.
pub(super) fn fits(value: &AnyValue, kind: ColumnType) -> bool {
    match kind {
        ColumnType::String => !matches!(value.value, None | Some(Value::StringValueStrindex(_))),
        ColumnType::Int64 => int(value).is_some(),
        ColumnType::Float64 => float(value).is_some(),
        ColumnType::Bool => boolean(value).is_some(),
        _ => false,
    }
}

/// Returns an integer; accepts doubles and text, too.
pub(super) fn int(value: &AnyValue) -> Option<i64> {
    match value.value.as_ref()? {
        Value::IntValue(number) => Some(*number),
        Value::DoubleValue(number) => whole(*number),
        Value::StringValue(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Returns a number; accepts text, too.
pub(super) fn float(value: &AnyValue) -> Option<f64> {
    match value.value.as_ref()? {
        #[expect(clippy::cast_precision_loss, reason = "the column holds doubles")]
        Value::IntValue(number) => Some(*number as f64),
        Value::DoubleValue(number) => Some(*number),
        Value::StringValue(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Returns a boolean; accepts text, too.
pub(super) fn boolean(value: &AnyValue) -> Option<bool> {
    match value.value.as_ref()? {
        Value::BoolValue(value) => Some(*value),
        Value::StringValue(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// Returns the integer value of a double if doubles represent it exactly.
pub(super) fn whole(number: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "bounded and whole")]
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

fn double_text(number: f64) -> String {
    serde_json::Number::from_f64(number).map_or_else(|| not_finite(number).into(), |number| number.to_string())
}

/// JSON has no literals for these: protobuf's names are used.
fn not_finite(number: f64) -> &'static str {
    if number.is_nan() {
        "NaN"
    } else if number > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

/// Converts to plain JSON with native lists and maps. The readers limit the nesting.
fn json(value: &AnyValue) -> Json {
    match &value.value {
        None | Some(Value::StringValueStrindex(_)) => Json::Null,
        Some(Value::StringValue(text)) => text.as_str().into(),
        Some(Value::BoolValue(value)) => (*value).into(),
        Some(Value::IntValue(number)) => (*number).into(),
        Some(Value::DoubleValue(number)) if number.is_finite() => (*number).into(),
        Some(Value::DoubleValue(number)) => not_finite(*number).into(),
        Some(Value::BytesValue(bytes)) => base64(bytes).into(),
        Some(Value::ArrayValue(list)) => list.values.iter().map(json).collect(),
        Some(Value::KvlistValue(map)) => Json::Object(map.values.iter().map(json_entry).collect()),
    }
}

fn json_entry(entry: &KeyValue) -> (String, Json) {
    (entry.key.clone(), entry.value.as_ref().map_or(Json::Null, json))
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = BASE64[(group >> (18 - 6 * place) & 63) as usize];
            out.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

/// Decodes base64 in the standard or the URL alphabet, with or without padding, in one line or several.
pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    if text.contains(['\r', '\n']) {
        return from_base64(&text.replace(['\r', '\n'], ""));
    }
    let digits = text.trim_end_matches('=').as_bytes();
    if digits.len() % 4 == 1 {
        return None;
    }
    let mut out = Vec::with_capacity(digits.len() * 3 / 4);
    for chunk in digits.chunks(4) {
        let mut group = 0_u32;
        for digit in chunk {
            let common = match digit {
                b'-' => b'+',
                b'_' => b'/',
                other => *other,
            };
            group = group << 6 | u32::try_from(BASE64.iter().position(|known| *known == common)?).ok()?;
        }
        group <<= 6 * (4 - chunk.len());
        out.extend_from_slice(&group.to_be_bytes()[1..chunk.len()]);
    }
    Some(out)
}
