//! Typed access to a JSON object; every fault names its path, the value found and the value expected.

use super::super::rejects::unreadable_id;
use super::super::value::{from_base64, whole};
use super::DecodeError;
use serde_json::{Map, Value};
use std::fmt;

/// Values within values that are followed: more is refused.
pub(super) const DEPTH_MAX: usize = 32;

/// Where a value stands; only written out for a fault.
pub(super) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    part: Part<'a>,
}

enum Part<'a> {
    Root,
    Key(&'a str),
    Index(&'a str, usize),
}

impl Path<'_> {
    pub(super) const ROOT: Path<'static> = Path { parent: None, part: Part::Root };
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}")?;
            if !matches!(parent.part, Part::Root) {
                f.write_str(".")?;
            }
        }
        match self.part {
            Part::Root => Ok(()),
            Part::Key(key) => f.write_str(key),
            Part::Index(key, index) => write!(f, "{key}[{index}]"),
        }
    }
}

/// A JSON object and where it stands.
pub(super) struct Object<'a> {
    map: &'a Map<String, Value>,
    path: &'a Path<'a>,
}

impl<'a> Object<'a> {
    pub(super) fn of(value: &'a Value, path: &'a Path<'a>) -> Result<Object<'a>, DecodeError> {
        match value {
            Value::Object(map) => Ok(Object { map, path }),
            _ => Err(fault(path, "an object", value)),
        }
    }

    /// The value of a key; null is none.
    fn value(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// The fault that a key's value is not what was expected.
    pub(super) fn fault(&self, key: &str, expected: &str) -> DecodeError {
        let path = Path { parent: Some(self.path), part: Part::Key(key) };
        fault(&path, expected, self.map.get(key).unwrap_or(&Value::Null))
    }

    fn typed<T>(
        &self,
        key: &str,
        expected: &str,
        take: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, DecodeError> {
        match self.value(key) {
            None => Ok(None),
            Some(value) => take(value).map(Some).ok_or_else(|| self.fault(key, expected)),
        }
    }

    pub(super) fn text(&self, key: &str) -> Result<String, DecodeError> {
        let text = self.typed(key, "text", |value| value.as_str().map(str::to_owned))?;
        Ok(text.unwrap_or_default())
    }

    pub(super) fn bool(&self, key: &str) -> Result<bool, DecodeError> {
        Ok(self.typed(key, "true or false", Value::as_bool)?.unwrap_or_default())
    }

    pub(super) fn u64(&self, key: &str) -> Result<u64, DecodeError> {
        Ok(self.typed(key, "a whole number of 64 bits, 0 or more, as text or number", u64_of)?.unwrap_or_default())
    }

    pub(super) fn i64(&self, key: &str) -> Result<i64, DecodeError> {
        Ok(self.typed(key, "a whole number of 64 bits, as text or number", i64_of)?.unwrap_or_default())
    }

    pub(super) fn u32(&self, key: &str) -> Result<u32, DecodeError> {
        let take = |value| u32::try_from(u64_of(value)?).ok();
        Ok(self.typed(key, "a whole number of 32 bits, 0 or more", take)?.unwrap_or_default())
    }

    pub(super) fn i32(&self, key: &str) -> Result<i32, DecodeError> {
        let take = |value| i32::try_from(i64_of(value)?).ok();
        Ok(self.typed(key, "a whole number of 32 bits", take)?.unwrap_or_default())
    }

    pub(super) fn f64(&self, key: &str) -> Result<Option<f64>, DecodeError> {
        self.typed(key, "a number", f64_of)
    }

    /// An enum: its number, or its name.
    pub(super) fn word(&self, key: &str, number: impl FnOnce(&str) -> Option<i32>) -> Result<i32, DecodeError> {
        let take = |value: &Value| match value {
            Value::String(name) => number(name).or_else(|| name.parse().ok()),
            value => i32::try_from(i64_of(value)?).ok(),
        };
        Ok(self.typed(key, "the number of an enum's value, or its name", take)?.unwrap_or_default())
    }

    /// An id in hex digits. Its length, and whether it is one at all, is judged item by item.
    pub(super) fn id(&self, key: &str) -> Result<Vec<u8>, DecodeError> {
        let text = self.typed(key, "pairs of hex digits", Value::as_str)?;
        Ok(text.map(|text| from_hex(text).unwrap_or_else(|| unreadable_id(text))).unwrap_or_default())
    }

    /// An id that an item can do without: none where it cannot be read.
    pub(super) fn id_or_none(&self, key: &str) -> Result<Vec<u8>, DecodeError> {
        let text = self.typed(key, "pairs of hex digits", Value::as_str)?;
        Ok(text.and_then(from_hex).unwrap_or_default())
    }

    pub(super) fn base64(&self, key: &str) -> Result<Vec<u8>, DecodeError> {
        let bytes = self.typed(key, "bytes in base64", |value| from_base64(value.as_str()?))?;
        Ok(bytes.unwrap_or_default())
    }

    fn array(&self, key: &str) -> Result<&'a [Value], DecodeError> {
        let array = self.typed(key, "a list", |value| value.as_array().map(Vec::as_slice))?;
        Ok(array.unwrap_or_default())
    }

    /// A list of objects, each read by `read`.
    pub(super) fn list<T>(
        &self,
        key: &str,
        mut read: impl FnMut(&Object<'_>) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let values = self.array(key)?.iter().enumerate();
        let read = values.map(|(index, value)| {
            let path = Path { parent: Some(self.path), part: Part::Index(key, index) };
            read(&Object::of(value, &path)?)
        });
        read.collect()
    }

    /// An object, read by `read`.
    pub(super) fn object<T>(
        &self,
        key: &str,
        read: impl FnOnce(&Object<'_>) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let path = Path { parent: Some(self.path), part: Part::Key(key) };
        read(&Object::of(value, &path)?).map(Some)
    }

    pub(super) fn u64s(&self, key: &str) -> Result<Vec<u64>, DecodeError> {
        self.scalars(key, "a whole number of 64 bits, 0 or more, as text or number", u64_of)
    }

    pub(super) fn f64s(&self, key: &str) -> Result<Vec<f64>, DecodeError> {
        self.scalars(key, "a number", f64_of)
    }

    fn scalars<T>(&self, key: &str, expected: &str, take: impl Fn(&Value) -> Option<T>) -> Result<Vec<T>, DecodeError> {
        let values = self.array(key)?.iter().enumerate();
        let taken = values.map(|(index, value)| {
            let path = Path { parent: Some(self.path), part: Part::Index(key, index) };
            take(value).ok_or_else(|| fault(&path, expected, value))
        });
        taken.collect()
    }
}

fn fault(path: &Path<'_>, expected: &str, found: &Value) -> DecodeError {
    let place = if matches!(path.part, Part::Root) { "the body".to_owned() } else { path.to_string() };
    let found = match found {
        Value::Null => "null".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::Array(list) => format!("a list of {}", list.len()),
        Value::String(text) if text.chars().count() > 60 => {
            format!("text {:?}…", text.chars().take(60).collect::<String>())
        }
        Value::String(text) => format!("text {text:?}"),
        Value::Bool(_) | Value::Number(_) => found.to_string(),
    };
    DecodeError::new(format!("{place}: expected {expected}, found {found}"))
}

fn u64_of(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => text.parse().ok(),
        // A whole number may be written with a point or an exponent.
        Value::Number(number) => number.as_u64().or_else(|| u64::try_from(whole(number.as_f64()?)?).ok()),
        _ => None,
    }
}

fn i64_of(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?)),
        _ => None,
    }
}

fn f64_of(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            text => text.parse().ok().filter(|number: &f64| number.is_finite()),
        },
        _ => None,
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}
