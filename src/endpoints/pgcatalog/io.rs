//! Parses and formats values as text, as in `PostgreSQL`.

use super::fault::{Fault, Result};
use super::names::Names;
use super::types::{self, Oid};
use super::value::{Array, Value};
use crate::engine::postgres::{
    array_items, clock, date_text, float_text, list_item, read_bool, read_date, read_timestamp, read_timestamptz,
    timestamp_text, timestamptz_text,
};
use std::fmt::Write as _;

const DAY_US: i64 = 86_400_000_000;

/// Formats a value in the text form of its type; `None` for NULL.
pub(super) fn format(names: &Names<'_>, value: &Value, kind: Oid) -> Option<String> {
    Some(match value {
        Value::Null => return None,
        Value::Bool(yes) => if *yes { "t" } else { "f" }.to_owned(),
        Value::Int(number) if types::is_reg(kind) => names.written(Oid::try_from(*number).unwrap_or_default(), kind),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => float_text(*number),
        Value::Text(text) => text.to_string(),
        Value::Time(us) if kind == types::DATE => date_text(i32::try_from(us.div_euclid(DAY_US)).unwrap_or_default()),
        Value::Time(us) if kind == types::TIMESTAMPTZ => timestamptz_text(*us, &names.client.zone()),
        Value::Time(us) => timestamp_text(*us),
        Value::Span(us) => span(*us),
        Value::Array(array) if matches!(kind, types::INT2VECTOR | types::OIDVECTOR) => {
            let items: Vec<String> = array.items.iter().filter_map(|item| format(names, item, types::OID)).collect();
            items.join(" ")
        }
        Value::Array(array) => list(names, array, names.elem(kind)),
        Value::Record(row) => {
            let cell = |value: &Value| {
                let text = format(names, value, type_of(value)).unwrap_or_default();
                if !value.is_null() && (text.is_empty() || text.contains([',', '(', ')', '"', '\\', ' '])) {
                    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\"\""))
                } else {
                    text
                }
            };
            format!("({})", row.iter().map(cell).collect::<Vec<_>>().join(","))
        }
    })
}

/// Returns the default type in which a value is formatted.
pub(super) fn type_of(value: &Value) -> Oid {
    match value {
        Value::Bool(_) => types::BOOL,
        Value::Int(_) => types::INT8,
        Value::Float(_) => types::FLOAT8,
        Value::Time(_) => types::TIMESTAMPTZ,
        Value::Span(_) => types::INTERVAL,
        Value::Array(_) => types::TEXT_ARRAY,
        Value::Record(_) => types::RECORD,
        Value::Null | Value::Text(_) => types::TEXT,
    }
}

fn list(names: &Names<'_>, array: &Array, item: Oid) -> String {
    let cell = |value: &Value| match format(names, value, item) {
        None => "NULL".to_owned(),
        Some(text) => list_item(text),
    };
    format!("{{{}}}", array.items.iter().map(cell).collect::<Vec<_>>().join(","))
}

fn span(us: i64) -> String {
    let (days, rest) = (us / DAY_US, us % DAY_US);
    let mut text = String::new();
    if days != 0 {
        let _infallible = write!(text, "{days} day{}", if days.abs() == 1 { "" } else { "s" });
    }
    if rest != 0 || days == 0 {
        if !text.is_empty() {
            text.push(' ');
        }
        if rest < 0 {
            text.push('-');
        }
        text.push_str(&clock(rest.unsigned_abs()));
    }
    text
}

/// Parses a text as a value of a type.
pub(super) fn parse(names: &Names<'_>, text: &str, kind: Oid) -> Result<Value> {
    let trimmed = text.trim();
    let fault = || Fault::invalid_text(&names.type_name(kind), text);
    Ok(match kind {
        types::BOOL => Value::Bool(read_bool(trimmed).map_err(|_| fault())?),
        types::CHAR => Value::text(text.chars().take(1).collect::<String>()),
        types::NAME => Value::text(text.chars().take(63).collect::<String>()),
        kind if types::is_reg(kind) => names.read(text, kind)?,
        kind if types::is_integer(kind) => {
            let number: i64 = trimmed.parse().map_err(|_| fault())?;
            in_range(number, kind)?
        }
        types::FLOAT4 | types::FLOAT8 | types::NUMERIC => Value::Float(trimmed.parse().map_err(|_| fault())?),
        types::TIMESTAMP | types::TIMESTAMPTZ | types::DATE => instant(names, trimmed, kind)?,
        types::INT2VECTOR | types::OIDVECTOR => {
            let items: std::result::Result<Vec<i64>, _> = trimmed.split_whitespace().map(str::parse).collect();
            Value::vector(items.map_err(|_| fault())?.into_iter().map(Value::Int).collect())
        }
        kind if names.is_array(kind) => {
            let item = names.elem(kind);
            let items = array_items(text).ok_or_else(fault)?;
            let value = |text: Option<String>| text.map_or(Ok(Value::Null), |text| parse(names, &text, item));
            Value::array(items.into_iter().map(value).collect::<Result<_>>()?)
        }
        _ => Value::text(text),
    })
}

/// Checks that an integer is in the range of a type.
pub(super) fn in_range(number: i64, kind: Oid) -> Result<Value> {
    let (range, name) = match kind {
        types::INT2 => (i64::from(i16::MIN)..=i64::from(i16::MAX), "smallint"),
        types::INT4 => (i64::from(i32::MIN)..=i64::from(i32::MAX), "integer"),
        types::INT8 => (i64::MIN..=i64::MAX, "bigint"),
        // -1 becomes the greatest oid, as in PostgreSQL.
        _ if (i64::from(i32::MIN)..0).contains(&number) => return Ok(Value::Int(number + (1 << 32))),
        _ => (0..=i64::from(u32::MAX), "oid"),
    };
    if range.contains(&number) {
        Ok(Value::Int(number))
    } else {
        Err(Fault::new("22003", format!("{name} out of range")))
    }
}

/// Parses a time to microseconds since the epoch.
fn instant(names: &Names<'_>, text: &str, kind: Oid) -> Result<Value> {
    let zone = names.client.zone();
    let read = match kind {
        types::DATE => read_date(text, &zone).map(|days| i64::from(days) * DAY_US),
        types::TIMESTAMP => read_timestamp(text, &zone),
        _ => read_timestamptz(text, &zone),
    };
    read.map(Value::Time).map_err(|error| {
        let code = if error.to_string().contains("out of range") { "22008" } else { "22007" };
        Fault::of(code, &error)
    })
}

/// Casts a value from one type to another.
pub(super) fn cast(names: &Names<'_>, value: &Value, from: Oid, to: Oid) -> Result<Value> {
    if from == to || value.is_null() {
        return Ok(value.clone());
    }
    Ok(match value {
        Value::Text(text) if types::is_text(to) && to != types::CHAR && to != types::NAME => Value::Text(text.clone()),
        Value::Text(text) => parse(names, text, to)?,
        Value::Bool(yes) if types::is_text(to) => Value::text(if *yes { "true" } else { "false" }),
        Value::Array(array) if matches!(to, types::INT2VECTOR | types::OIDVECTOR) => Value::vector(array.items.clone()),
        Value::Array(array) if names.is_array(to) => {
            let (of, item) = (names.elem(from), names.elem(to));
            let items = array.items.iter().map(|value| cast(names, value, of, item)).collect::<Result<_>>()?;
            Value::Array(std::sync::Arc::new(Array { lower: array.lower, items }))
        }
        // Casts between `"char"` and integers use the character code.
        Value::Int(number) if to == types::CHAR => {
            Value::text(u8::try_from(*number).map(char::from).unwrap_or_default().to_string())
        }
        value if types::is_text(to) => Value::from(format(names, value, from)),
        Value::Int(number) if types::is_integer(to) => in_range(*number, to)?,
        Value::Float(_) | Value::Bool(_) if types::is_integer(to) => in_range(value.as_int().unwrap_or_default(), to)?,
        Value::Int(_) if matches!(to, types::FLOAT4 | types::FLOAT8 | types::NUMERIC) => {
            Value::Float(value.as_float().unwrap_or_default())
        }
        Value::Int(number) if to == types::BOOL => Value::Bool(*number != 0),
        Value::Time(us) if to == types::DATE => Value::Time(us.div_euclid(DAY_US) * DAY_US),
        Value::Record(_) if to != types::RECORD => {
            let text = format(names, value, from).unwrap_or_default();
            parse(names, &text, to)?
        }
        value => value.clone(),
    })
}
