//! Formats values as text, for the Postgres wire and for casts to text.

use super::interval::Span;
use super::{number, stamp};
use crate::engine::postgres::field_metadata::{QUOTIENT, SCALE, TRIMMED};
use crate::engine::postgres::zones::Zone;
use crate::model::hex::hex;
use arrow::array::{Array, ArrayRef, AsArray as _, PrimitiveArray, StringArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, DurationMicrosecondType, Field, Float32Type, Float64Type, Int16Type,
    Int32Type, Int64Type, IntervalMonthDayNanoType, Schema, Time64MicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use arrow::record_batch::RecordBatch;
use arrow::util::display::array_value_to_string;
use datafusion::common::{DataFusionError, Result};
use std::sync::Arc;

/// Format of booleans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Booleans {
    /// `true`, as in casts.
    Words,
    /// `t`, as on the wire.
    Letters,
}

/// Formats all values.
pub(crate) fn texts(array: &ArrayRef, field: Option<&Field>, zone: &Zone, booleans: Booleans) -> Result<StringArray> {
    if *array.data_type() == DataType::Null {
        return Ok(StringArray::new_null(array.len()));
    }
    let array = plain(array)?;
    let writer =
        Writer { scale: field.and_then(|field| field.metadata().get(SCALE)).map(String::as_str), zone, booleans };
    (0..array.len()).map(|row| if array.is_null(row) { Ok(None) } else { writer.text(&array, row).map(Some) }).collect()
}

/// Converts an array to one of the types that can be formatted.
pub(crate) fn plain(array: &ArrayRef) -> Result<ArrayRef> {
    use super::super::kinds::{INTERVAL, Kind, TIMESTAMP, timestamptz};
    let kind = array.data_type();
    let wanted = match Kind::of(kind) {
        Kind::Timestamp => TIMESTAMP,
        Kind::TimestampTz => timestamptz(),
        Kind::Text => DataType::Utf8,
        Kind::Bytes => DataType::Binary,
        Kind::Date => DataType::Date32,
        Kind::Time => super::super::kinds::TIME,
        Kind::Interval if matches!(kind, DataType::Duration(_)) => return of_duration(array),
        Kind::Interval => INTERVAL,
        Kind::Int2 => DataType::Int16,
        Kind::Int4 => DataType::Int32,
        Kind::Int8 if *kind == DataType::UInt64 => DataType::Decimal128(super::super::kinds::DIGITS, 0),
        Kind::Int8 => DataType::Int64,
        Kind::Float4 => DataType::Float32,
        Kind::Numeric => match kind {
            DataType::Decimal256(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal32(_, scale) => {
                DataType::Decimal128(super::super::kinds::DIGITS, *scale)
            }
            _ => return Ok(array.clone()),
        },
        _ => return Ok(array.clone()),
    };
    if *kind == wanted { Ok(array.clone()) } else { Ok(arrow::compute::cast(array, &wanted)?) }
}

/// Converts a duration to an interval.
fn of_duration(array: &ArrayRef) -> Result<ArrayRef> {
    let us = arrow::compute::cast(array, &DataType::Duration(TimeUnit::Microsecond))?;
    let us = us.as_primitive::<DurationMicrosecondType>();
    let spans = us.iter().map(|us| us.map(|us| Span::us(us).value()).transpose());
    Ok(Arc::new(spans.collect::<Result<PrimitiveArray<IntervalMonthDayNanoType>>>()?))
}

/// Formats a value as JSON.
pub(crate) fn json(array: &ArrayRef, row: usize) -> Result<String> {
    let value = array.slice(row, 1);
    let schema = Arc::new(Schema::new(vec![Field::new("v", value.data_type().clone(), true)]));
    let batch = RecordBatch::try_new(schema, vec![value])?;
    let mut line = Vec::new();
    arrow::json::LineDelimitedWriter::new(&mut line).write(&batch)?;
    let line = String::from_utf8(line).map_err(|error| DataFusionError::Execution(error.to_string()))?;
    let value = line.trim_end().strip_prefix("{\"v\":").and_then(|rest| rest.strip_suffix('}'));
    Ok(value.unwrap_or("null").to_owned())
}

struct Writer<'a> {
    scale: Option<&'a str>,
    zone: &'a Zone,
    booleans: Booleans,
}

impl Writer<'_> {
    fn text(&self, array: &ArrayRef, row: usize) -> Result<String> {
        Ok(match array.data_type() {
            DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
            DataType::Boolean => match (array.as_boolean().value(row), self.booleans) {
                (true, Booleans::Words) => "true".to_owned(),
                (false, Booleans::Words) => "false".to_owned(),
                (true, Booleans::Letters) => "t".to_owned(),
                (false, Booleans::Letters) => "f".to_owned(),
            },
            DataType::Int16 => array.as_primitive::<Int16Type>().value(row).to_string(),
            DataType::Int32 => array.as_primitive::<Int32Type>().value(row).to_string(),
            DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
            DataType::Float64 => number::float_text(array.as_primitive::<Float64Type>().value(row)),
            DataType::Float32 => number::real_text(array.as_primitive::<Float32Type>().value(row)),
            DataType::Decimal128(_, scale) => self.number(array.as_primitive::<Decimal128Type>().value(row), *scale),
            DataType::Date32 => stamp::date_text(array.as_primitive::<Date32Type>().value(row)),
            DataType::Time64(_) => stamp::time_text(array.as_primitive::<Time64MicrosecondType>().value(row)),
            DataType::Timestamp(_, zone) => {
                let us = array.as_primitive::<TimestampMicrosecondType>().value(row);
                if zone.is_some() { stamp::timestamptz_text(us, self.zone) } else { stamp::timestamp_text(us) }
            }
            DataType::Interval(_) => Span::of(array.as_primitive::<IntervalMonthDayNanoType>().value(row)).text(),
            DataType::Binary => {
                format!("\\x{}", hex(array.as_binary::<i32>().value(row)))
            }
            DataType::List(_) => self.list(&array.as_list::<i32>().value(row))?,
            DataType::LargeList(_) => self.list(&array.as_list::<i64>().value(row))?,
            DataType::FixedSizeList(..) => self.list(&array.as_fixed_size_list().value(row))?,
            DataType::Map(..) | DataType::Struct(_) => json(array, row)?,
            _ => array_value_to_string(array, row)?,
        })
    }

    fn number(&self, value: i128, scale: i8) -> String {
        let shown = match self.scale {
            Some(QUOTIENT) => number::shown_scale(value, scale),
            Some(TRIMMED) => {
                let (mut value, mut shown) = (value, scale);
                while shown > 0 && value % 10 == 0 {
                    (value, shown) = (value / 10, shown - 1);
                }
                shown
            }
            _ => scale,
        };
        number::number_text(number::rescaled(value, scale, shown).unwrap_or(value), shown)
    }

    /// Formats `{1,NULL,"a b"}`.
    fn list(&self, items: &ArrayRef) -> Result<String> {
        let items = plain(items)?;
        let inner = Writer { booleans: Booleans::Letters, scale: None, zone: self.zone };
        let mut text = "{".to_owned();
        for row in 0..items.len() {
            if row > 0 {
                text.push(',');
            }
            if items.is_null(row) {
                text.push_str("NULL");
                continue;
            }
            let item = inner.text(&items, row)?;
            if items.data_type().is_nested() && !matches!(items.data_type(), DataType::Map(..) | DataType::Struct(_)) {
                text.push_str(&item);
            } else {
                text.push_str(&list_item(item));
            }
        }
        text.push('}');
        Ok(text)
    }
}

/// Quotes a text as a list item, if necessary.
pub(crate) fn list_item(item: String) -> String {
    let special = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | ',' | '"' | '\\');
    if item.is_empty() || item.eq_ignore_ascii_case("null") || item.contains(special) {
        return format!("\"{}\"", item.replace('\\', "\\\\").replace('"', "\\\""));
    }
    item
}
