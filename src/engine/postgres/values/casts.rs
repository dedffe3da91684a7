//! Casts between types, as in `PostgreSQL`.

use super::interval::{DAY_US, Span};
use super::literals::{read_bool, read_bytes, read_list};
use super::write::{Booleans, plain, texts};
use super::{number, stamp};
use crate::engine::postgres::kinds::{DIGITS, INTERVAL, Kind, TIMESTAMP};
use crate::engine::postgres::zones::Zone;
use arrow::array::{
    Array, ArrayRef, AsArray as _, BinaryArray, BooleanArray, Decimal128Array, ListArray, PrimitiveArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNanoType, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use std::sync::Arc;

/// Returns `PostgreSQL`'s name of a type.
pub(crate) fn name_of(kind: &DataType) -> String {
    match Kind::of(kind) {
        Kind::Unknown => "unknown",
        Kind::Bool => "boolean",
        Kind::Int2 => "smallint",
        Kind::Int4 => "integer",
        Kind::Int8 => "bigint",
        Kind::Float4 => "real",
        Kind::Float8 => "double precision",
        Kind::Numeric => "numeric",
        Kind::Text => "text",
        Kind::Bytes => "bytea",
        Kind::Date => "date",
        Kind::Time => "time without time zone",
        Kind::Timestamp => "timestamp without time zone",
        Kind::TimestampTz => "timestamp with time zone",
        Kind::Interval => "interval",
        Kind::Map => "jsonb",
        Kind::List => match kind {
            DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
                return format!("{}[]", name_of(item.data_type()));
            }
            _ => "anyarray",
        },
        Kind::Any => return kind.to_string(),
    }
    .to_owned()
}

/// Returns whether a cast is implemented here; Arrow makes the others.
pub(crate) fn is_ours(from: &DataType, to: &DataType) -> bool {
    let (source, target) = (Kind::of(from), Kind::of(to));
    if matches!(source, Kind::Unknown | Kind::Any) || matches!(target, Kind::Unknown | Kind::Any | Kind::Map) {
        return false;
    }
    match (source, target) {
        (Kind::List, Kind::List) => match (from, to) {
            (DataType::List(from), DataType::List(to)) => is_ours(from.data_type(), to.data_type()),
            _ => false,
        },
        (Kind::Numeric, Kind::Numeric) => true,
        // Same kind in another representation, and widening.
        (source, target) if source == target => false,
        (Kind::Int2, Kind::Int4 | Kind::Int8)
        | (Kind::Int4, Kind::Int8)
        | (Kind::Float4, Kind::Float8)
        | (Kind::Int2 | Kind::Int4 | Kind::Int8, Kind::Float8 | Kind::Float4) => false,
        (_, Kind::List) => source == Kind::Text,
        _ => true,
    }
}

/// Casts values to another type.
pub(crate) fn cast(array: &ArrayRef, to: &DataType, zone: &Zone) -> Result<ArrayRef> {
    if array.data_type() == to {
        return Ok(array.clone());
    }
    if !is_ours(array.data_type(), to) {
        return Ok(arrow::compute::cast(array, to)?);
    }
    let array = plain(array)?;
    if array.data_type() == to {
        return Ok(array);
    }
    let cast = match Kind::of(to) {
        Kind::Text => Arc::new(texts(&array, None, zone, Booleans::Words)?) as ArrayRef,
        Kind::Bool => booleans(&array)?,
        Kind::Int2 => integers::<Int16Type>(&array, (i16::MIN.into(), i16::MAX.into()), "smallint")?,
        Kind::Int4 => integers::<Int32Type>(&array, (i32::MIN.into(), i32::MAX.into()), "integer")?,
        Kind::Int8 => integers::<Int64Type>(&array, (i64::MIN, i64::MAX), "bigint")?,
        Kind::Float8 => floats(&array)?,
        Kind::Float4 => Arc::new(floats(&array)?.as_primitive::<Float64Type>().unary::<_, Float32Type>(
            #[expect(clippy::cast_possible_truncation, reason = "what real holds")]
            |value| value as f32,
        )),
        Kind::Numeric => numbers(&array, to)?,
        Kind::Date => dates(&array, zone)?,
        Kind::Time => times(&array, zone)?,
        Kind::Timestamp | Kind::TimestampTz => stamps(&array, Kind::of(to) == Kind::TimestampTz, zone)?,
        Kind::Interval => intervals(&array)?,
        Kind::Bytes => bytes(&array)?,
        Kind::List => lists(&array, to, zone)?,
        Kind::Unknown | Kind::Any | Kind::Map => return impossible(&array, to),
    };
    // Same kind, in the requested representation.
    if cast.data_type() == to { Ok(cast) } else { Ok(arrow::compute::cast(&cast, to)?) }
}

fn impossible<T>(array: &ArrayRef, to: &DataType) -> Result<T> {
    exec_err!("cannot cast type {} to {}", name_of(array.data_type()), name_of(to))
}

fn each<T>(array: &ArrayRef, mut of: impl FnMut(usize) -> Result<T>) -> Result<Vec<Option<T>>> {
    (0..array.len()).map(|row| if array.is_null(row) { Ok(None) } else { of(row).map(Some) }).collect()
}

fn primitive<T: ArrowPrimitiveType>(array: &ArrayRef, of: impl FnMut(usize) -> Result<T::Native>) -> Result<ArrayRef> {
    Ok(Arc::new(each(array, of)?.into_iter().collect::<PrimitiveArray<T>>()))
}

/// Returns a text without copying it.
fn text(array: &ArrayRef, row: usize) -> &str {
    array.as_string::<i32>().value(row)
}

fn booleans(array: &ArrayRef) -> Result<ArrayRef> {
    let of = |row: usize| match array.data_type() {
        DataType::Utf8 => read_bool(text(array, row)),
        DataType::Int32 => Ok(array.as_primitive::<Int32Type>().value(row) != 0),
        DataType::Int64 => Ok(array.as_primitive::<Int64Type>().value(row) != 0),
        _ => impossible(array, &DataType::Boolean),
    };
    Ok(Arc::new(BooleanArray::from(each(array, of)?)))
}

fn integers<T: ArrowPrimitiveType>(array: &ArrayRef, bounds: (i64, i64), kind: &str) -> Result<ArrayRef>
where
    T::Native: TryFrom<i64>,
{
    let within = |value: i64| T::Native::try_from(value).map_err(|_| number::out_of_range(kind));
    primitive::<T>(array, |row| {
        within(match array.data_type() {
            DataType::Utf8 => number::read_int(text(array, row), bounds, kind)?,
            DataType::Boolean => array.as_boolean().value(row).into(),
            DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
            DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
            DataType::Int64 => array.as_primitive::<Int64Type>().value(row),
            DataType::Float32 => {
                number::float_to_int(array.as_primitive::<Float32Type>().value(row).into(), bounds, kind)?
            }
            DataType::Float64 => number::float_to_int(array.as_primitive::<Float64Type>().value(row), bounds, kind)?,
            DataType::Decimal128(_, scale) => {
                let value = array.as_primitive::<Decimal128Type>().value(row);
                let whole = number::rescaled(value, *scale, 0).and_then(|value| i64::try_from(value).ok());
                whole.ok_or_else(|| number::out_of_range(kind))?
            }
            _ => return impossible(array, &T::DATA_TYPE),
        })
    })
}

fn floats(array: &ArrayRef) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Utf8 => primitive::<Float64Type>(array, |row| number::read_float(text(array, row))),
        DataType::Decimal128(_, scale) => {
            let values = array.as_primitive::<Decimal128Type>();
            primitive::<Float64Type>(array, |row| Ok(number::to_float(values.value(row), *scale)))
        }
        DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::Float32 | DataType::Float64 => {
            Ok(arrow::compute::cast(array, &DataType::Float64)?)
        }
        _ => impossible(array, &DataType::Float64),
    }
}

fn numbers(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let DataType::Decimal128(precision, scale) = *to else { return Ok(arrow::compute::cast(array, to)?) };
    let most = number::power_of_ten(precision.into());
    let within = |value: Option<i128>| {
        let value = value.filter(|value| most.is_none_or(|most| value.abs() < most));
        value.ok_or_else(|| {
            exec_datafusion_err!(
                "numeric field overflow: expected at most {precision} digits, {scale} of them after the point"
            )
        })
    };
    let values = each(array, |row| {
        let (value, from) = match array.data_type() {
            DataType::Utf8 => {
                let text = text(array, row);
                number::read_number(text)
                    .ok_or_else(|| exec_datafusion_err!("invalid input syntax for type numeric: {text:?}"))?
            }
            DataType::Int16 => (array.as_primitive::<Int16Type>().value(row).into(), 0),
            DataType::Int32 => (array.as_primitive::<Int32Type>().value(row).into(), 0),
            DataType::Int64 => (array.as_primitive::<Int64Type>().value(row).into(), 0),
            DataType::Float32 => {
                of_float(array.as_primitive::<Float32Type>().value(row).to_string().parse().unwrap_or(f64::NAN))?
            }
            DataType::Float64 => of_float(array.as_primitive::<Float64Type>().value(row))?,
            DataType::Decimal128(_, from) => (array.as_primitive::<Decimal128Type>().value(row), *from),
            _ => return impossible(array, to),
        };
        within(number::rescaled(value, from, scale))
    })?;
    let values: Decimal128Array = values.into_iter().collect();
    Ok(Arc::new(values.with_precision_and_scale(precision, scale)?))
}

fn of_float(value: f64) -> Result<(i128, i8)> {
    number::of_float(value)
        .ok_or_else(|| exec_datafusion_err!("{} is not offered as a numeric", number::float_text(value)))
}

fn dates(array: &ArrayRef, zone: &Zone) -> Result<ArrayRef> {
    primitive::<Date32Type>(array, |row| match array.data_type() {
        DataType::Utf8 => stamp::read_date(text(array, row), zone),
        DataType::Timestamp(_, of) => {
            let us = array.as_primitive::<TimestampMicrosecondType>().value(row);
            stamp::days_of(if of.is_some() { zone.local(us) } else { us })
        }
        _ => impossible(array, &DataType::Date32),
    })
}

fn times(array: &ArrayRef, zone: &Zone) -> Result<ArrayRef> {
    primitive::<Time64MicrosecondType>(array, |row| match array.data_type() {
        DataType::Utf8 => stamp::read_time(text(array, row)),
        DataType::Timestamp(_, of) => {
            let us = array.as_primitive::<TimestampMicrosecondType>().value(row);
            Ok((if of.is_some() { zone.local(us) } else { us }).rem_euclid(DAY_US))
        }
        DataType::Interval(_) => {
            Ok(Span::of(array.as_primitive::<IntervalMonthDayNanoType>().value(row)).us.rem_euclid(DAY_US))
        }
        _ => impossible(array, &DataType::Time64(TimeUnit::Microsecond)),
    })
}

fn stamps(array: &ArrayRef, with_zone: bool, zone: &Zone) -> Result<ArrayRef> {
    let values = each(array, |row| {
        let us = |at: usize| array.as_primitive::<TimestampMicrosecondType>().value(at);
        Ok(match (array.data_type(), with_zone) {
            (DataType::Utf8, true) => stamp::read_timestamptz(text(array, row), zone)?,
            (DataType::Utf8, false) => stamp::read_timestamp(text(array, row), zone)?,
            (DataType::Timestamp(_, None), true) => zone.moment(us(row)),
            (DataType::Timestamp(_, Some(_)), false) => zone.local(us(row)),
            (DataType::Timestamp(..), _) => us(row),
            (DataType::Date32, _) => {
                let us = i64::from(array.as_primitive::<Date32Type>().value(row)) * DAY_US;
                if with_zone { zone.moment(us) } else { us }
            }
            _ => return impossible(array, &TIMESTAMP),
        })
    })?;
    let values: TimestampMicrosecondArray = values.into_iter().collect();
    Ok(if with_zone { Arc::new(values.with_timezone("UTC")) } else { Arc::new(values) })
}

fn intervals(array: &ArrayRef) -> Result<ArrayRef> {
    primitive::<IntervalMonthDayNanoType>(array, |row| match array.data_type() {
        DataType::Utf8 => {
            let text = text(array, row);
            let span = Span::read(text);
            span.ok_or_else(|| exec_datafusion_err!("invalid input syntax for type interval: {text:?}"))?.value()
        }
        DataType::Time64(_) => Span::us(array.as_primitive::<Time64MicrosecondType>().value(row)).value(),
        _ => impossible(array, &INTERVAL),
    })
}

fn bytes(array: &ArrayRef) -> Result<ArrayRef> {
    let values = each(array, |row| match array.data_type() {
        DataType::Utf8 => read_bytes(text(array, row)),
        _ => impossible(array, &DataType::Binary),
    })?;
    Ok(Arc::new(values.iter().map(|value| value.as_deref()).collect::<BinaryArray>()))
}

/// Casts a list item by item, or parses its text, `{1,2,NULL}`.
fn lists(array: &ArrayRef, to: &DataType, zone: &Zone) -> Result<ArrayRef> {
    let DataType::List(field) = to else { return impossible(array, to) };
    if let DataType::List(_) = array.data_type() {
        let list = array.as_list::<i32>();
        let values = cast(list.values(), field.data_type(), zone)?;
        return Ok(Arc::new(ListArray::try_new(field.clone(), list.offsets().clone(), values, list.nulls().cloned())?));
    }
    let DataType::Utf8 = array.data_type() else { return impossible(array, to) };
    let lists = each(array, |row| {
        let text = text(array, row);
        read_list(text).ok_or_else(|| exec_datafusion_err!("malformed array literal: {text:?}"))
    })?;
    let lengths = lists.iter().map(|list| list.as_ref().map_or(0, Vec::len));
    let offsets = OffsetBuffer::from_lengths(lengths);
    let nulls: NullBuffer = lists.iter().map(Option::is_some).collect::<Vec<bool>>().into();
    let items: arrow::array::StringArray = lists.into_iter().flatten().flatten().collect();
    let items = cast(&(Arc::new(items) as ArrayRef), field.data_type(), zone)?;
    Ok(Arc::new(ListArray::try_new(field.clone(), offsets, items, Some(nulls))?))
}

/// Converts a constant to a numeric with the scale of its text.
pub(crate) fn exact_number(array: &ArrayRef) -> Option<ArrayRef> {
    let array = plain(array).ok()?;
    let (value, scale) = match array.data_type() {
        _ if array.is_null(0) => return None,
        DataType::Utf8 => number::read_number(text(&array, 0))?,
        DataType::Float64 => number::of_float(array.as_primitive::<Float64Type>().value(0))?,
        _ => return None,
    };
    let values = Decimal128Array::from(vec![Some(value)]).with_precision_and_scale(DIGITS, scale).ok()?;
    Some(Arc::new(values))
}
