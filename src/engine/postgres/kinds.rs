//! `PostgreSQL`'s types, and its implicit conversions between them.

use arrow::datatypes::{DataType, Field, IntervalUnit, TimeUnit};
use std::sync::Arc;

/// A `PostgreSQL` type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Type of NULL.
    Unknown,
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric,
    Text,
    Bytes,
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Interval,
    List,
    Map,
    /// As a parameter type: accepts every type unchanged.
    Any,
}

/// Maximum number of digits of a numeric.
pub(crate) const DIGITS: u8 = 38;
/// Scale of a numeric converted from a float: the digits that a double represents.
pub(crate) const FLOAT_SCALE: i8 = 15;

/// Type `timestamp`.
pub(crate) const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);
/// Type `time`.
pub(crate) const TIME: DataType = DataType::Time64(TimeUnit::Microsecond);
/// Type `interval`.
pub(crate) const INTERVAL: DataType = DataType::Interval(IntervalUnit::MonthDayNano);

/// Type `timestamptz`.
pub(crate) fn timestamptz() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Returns the type of a list.
pub(crate) fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

impl Kind {
    pub(crate) fn of(kind: &DataType) -> Kind {
        match kind {
            DataType::Null => Kind::Unknown,
            DataType::Boolean => Kind::Bool,
            DataType::Int8 | DataType::UInt8 | DataType::Int16 => Kind::Int2,
            DataType::UInt16 | DataType::Int32 => Kind::Int4,
            DataType::UInt32 | DataType::Int64 | DataType::UInt64 => Kind::Int8,
            DataType::Float16 | DataType::Float32 => Kind::Float4,
            DataType::Float64 => Kind::Float8,
            DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) | DataType::Decimal256(..) => {
                Kind::Numeric
            }
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Kind::Text,
            DataType::Dictionary(_, value) => Kind::of(value),
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
                Kind::Bytes
            }
            DataType::Date32 | DataType::Date64 => Kind::Date,
            DataType::Time32(_) | DataType::Time64(_) => Kind::Time,
            DataType::Timestamp(_, None) => Kind::Timestamp,
            DataType::Timestamp(_, Some(_)) => Kind::TimestampTz,
            DataType::Interval(_) | DataType::Duration(_) => Kind::Interval,
            DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => Kind::List,
            DataType::Map(..) | DataType::Struct(_) => Kind::Map,
            _ => Kind::Any,
        }
    }

    pub(crate) fn is_integer(self) -> bool {
        matches!(self, Kind::Int2 | Kind::Int4 | Kind::Int8)
    }

    pub(crate) fn is_number(self) -> bool {
        self.is_integer() || matches!(self, Kind::Float4 | Kind::Float8 | Kind::Numeric)
    }

    /// Returns the Arrow type of this kind for a value of another type.
    pub(crate) fn arrow(self, given: &DataType) -> DataType {
        match self {
            Kind::Unknown | Kind::Any | Kind::List | Kind::Map => given.clone(),
            Kind::Bool => DataType::Boolean,
            Kind::Int2 => DataType::Int16,
            Kind::Int4 => DataType::Int32,
            Kind::Int8 => DataType::Int64,
            Kind::Float4 => DataType::Float32,
            Kind::Float8 => DataType::Float64,
            Kind::Numeric => numeric(given),
            Kind::Text => DataType::Utf8,
            Kind::Bytes => DataType::Binary,
            Kind::Date => DataType::Date32,
            Kind::Time => TIME,
            Kind::Timestamp => TIMESTAMP,
            Kind::TimestampTz => timestamptz(),
            Kind::Interval => INTERVAL,
        }
    }
}

/// Returns the numeric type that can represent another type.
pub(crate) fn numeric(given: &DataType) -> DataType {
    match given {
        DataType::Decimal128(..) => given.clone(),
        DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal256(_, scale) => {
            DataType::Decimal128(DIGITS, *scale)
        }
        DataType::Boolean | DataType::Null => DataType::Decimal128(DIGITS, 0),
        kind if kind.is_integer() => DataType::Decimal128(DIGITS, 0),
        _ => DataType::Decimal128(DIGITS, FLOAT_SCALE),
    }
}

/// Returns the cost of an implicit conversion; `None` if there is none. Among overloaded functions, the one with the least cost
/// is selected; costs follow `PostgreSQL`'s preference of exact types, then float8 and timestamptz.
pub(crate) fn cost(from: Kind, to: Kind) -> Option<u32> {
    use Kind::{
        Any, Date, Float4, Float8, Int2, Int4, Int8, Interval, List, Map, Numeric, Text, Time, Timestamp, TimestampTz,
        Unknown,
    };
    Some(match (from, to) {
        (from, to) if from == to => 0,
        (Unknown, Text) | (Int2, Int4) | (Int4, Int8) | (Float4, Float8) | (_, Any) => 1,
        (Unknown, _)
        | (Int2, Int8)
        | (Numeric, Float8)
        | (Date | Timestamp, TimestampTz)
        | (Time, Interval)
        | (Int2 | Int4 | Int8, Float4) => 2,
        (Int2 | Int4 | Int8, Float8) | (Date, Timestamp) | (Numeric, Float4) => 3,
        (Int2 | Int4 | Int8, Numeric) => 4,
        (Text, List | Map) => return None,
        (Text, _) => 5,
        (Int8, Int4 | Int2) | (Int4, Int2) => 6,
        (Float4 | Float8, Numeric) | (TimestampTz, Timestamp) => 7,
        _ => return None,
    })
}
