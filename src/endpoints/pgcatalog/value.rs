//! Values of catalog rows. Their meaning (an `oid`, a `regclass`) is given by the type, which is kept separately.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// One row.
pub(super) type Row = Arc<[Value]>;

/// A value.
#[derive(Debug, Clone, Default)]
pub(super) enum Value {
    /// NULL.
    #[default]
    Null,
    Bool(bool),
    /// Integers, and all kinds of oids.
    Int(i64),
    /// Floating-point numbers, and `numeric`.
    Float(f64),
    /// Text of any type.
    Text(Arc<str>),
    /// A time, in microseconds since the epoch.
    Time(i64),
    /// An interval, in microseconds.
    Span(i64),
    Array(Arc<Array>),
    Record(Row),
}

/// A one-dimensional array; `PostgreSQL`'s `int2vector` and `oidvector` begin at 0.
#[derive(Debug, Clone, Default)]
pub(super) struct Array {
    pub(super) lower: i64,
    pub(super) items: Vec<Value>,
}

impl Value {
    pub(super) fn text(text: impl AsRef<str>) -> Value {
        Value::Text(Arc::from(text.as_ref()))
    }

    pub(super) fn array(items: Vec<Value>) -> Value {
        Value::Array(Arc::new(Array { lower: 1, items }))
    }

    pub(super) fn vector(items: Vec<Value>) -> Value {
        Value::Array(Arc::new(Array { lower: 0, items }))
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    pub(super) fn is_true(&self) -> bool {
        matches!(self, Value::Bool(true))
    }

    pub(super) fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            #[expect(clippy::cast_possible_truncation, reason = "rounded, and out of range it saturates")]
            Value::Float(number) => Some(number.round_ties_even() as i64),
            Value::Bool(yes) => Some(i64::from(*yes)),
            _ => None,
        }
    }

    pub(super) fn as_float(&self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "as a cast to double precision loses")]
            Value::Int(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        if let Value::Text(text) = self { Some(text) } else { None }
    }

    pub(super) fn as_array(&self) -> Option<&Array> {
        if let Value::Array(array) = self { Some(array) } else { None }
    }

    /// Returns the approximate size in bytes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Value::Text(text) => text.len() + 24,
            Value::Array(array) => array.items.iter().map(Value::bytes).sum::<usize>() + 40,
            Value::Record(row) => row.iter().map(Value::bytes).sum::<usize>() + 24,
            _ => 24,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Value::Bool(_) => 0,
            Value::Int(_) | Value::Float(_) => 1,
            Value::Text(_) => 2,
            Value::Time(_) => 3,
            Value::Span(_) => 4,
            Value::Array(_) => 5,
            Value::Record(_) => 6,
            Value::Null => 7,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::text(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text.into())
    }
}

impl From<bool> for Value {
    fn from(yes: bool) -> Value {
        Value::Bool(yes)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Value {
        Value::Int(number.into())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Int(number)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

impl Ord for Value {
    /// Orders NULL after all other values, as in `ORDER BY`.
    fn cmp(&self, other: &Value) -> Ordering {
        match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::Int(a), Value::Int(b)) | (Value::Time(a), Value::Time(b)) | (Value::Span(a), Value::Span(b)) => {
                a.cmp(b)
            }
            (Value::Text(a), Value::Text(b)) => a.cmp(b),
            (Value::Array(a), Value::Array(b)) => a.items.cmp(&b.items),
            (Value::Record(a), Value::Record(b)) => a.cmp(b),
            (a, b) => match (a.as_number(), b.as_number()) {
                (Some(a), Some(b)) => a.total_cmp(&b),
                _ => a.rank().cmp(&b.rank()),
            },
        }
    }
}

impl Value {
    fn as_number(&self) -> Option<f64> {
        // -0 equals 0.
        if matches!(self, Value::Bool(_)) { None } else { self.as_float().map(|number| number + 0.0) }
    }
}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Value) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u8(self.rank());
        match self {
            Value::Null => {}
            Value::Bool(yes) => yes.hash(state),
            // An integer and a floating-point number can be equal, so they need the same hash.
            Value::Int(_) | Value::Float(_) => self.as_number().map(f64::to_bits).hash(state),
            Value::Text(text) => text.hash(state),
            Value::Time(number) | Value::Span(number) => number.hash(state),
            Value::Array(array) => array.items.hash(state),
            Value::Record(row) => row.hash(state),
        }
    }
}
