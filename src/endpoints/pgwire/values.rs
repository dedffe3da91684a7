//! Values on the wire, as `PostgreSQL` writes them: texts for clients that ask for texts, and numbers of any length.

use super::errors;
use crate::engine::postgres::{Zone, texts};
use arrow::array::{Array as _, ArrayRef, AsArray as _, StringArray};
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef};
use arrow::record_batch::RecordBatch;
use datafusion_postgres::arrow_pg::encoder::encode_value;
use datafusion_postgres::pgwire::api::Type;
use datafusion_postgres::pgwire::api::results::{DataRowEncoder, FieldFormat, FieldInfo};
use datafusion_postgres::pgwire::error::PgWireResult;
use datafusion_postgres::pgwire::messages::data::DataRow;
use datafusion_postgres::pgwire::types::format::FormatOptions;
use std::sync::Arc;

/// A column, ready to be written.
enum Column {
    Texts(StringArray),
    /// Numbers in binary, with their scale.
    Numbers(ArrayRef, i8),
    /// What the library writes.
    Other(ArrayRef, FieldRef),
}

/// The rows of a batch.
pub(super) fn rows(
    fields: Arc<Vec<FieldInfo>>,
    batch: &RecordBatch,
) -> PgWireResult<impl Iterator<Item = PgWireResult<DataRow>> + Send + use<>> {
    let schema = batch.schema();
    let columns = batch.columns().iter().zip(schema.fields().iter()).zip(fields.iter());
    let columns = columns.map(|((array, field), info)| column(array, field, info)).collect::<PgWireResult<Vec<_>>>()?;
    let mut encoder = DataRowEncoder::new(fields.clone());
    Ok((0..batch.num_rows()).map(move |row| {
        for (column, info) in columns.iter().zip(fields.iter()) {
            write(&mut encoder, column, info, row)?;
        }
        Ok(encoder.take_row())
    }))
}

fn column(array: &ArrayRef, field: &FieldRef, info: &FieldInfo) -> PgWireResult<Column> {
    let options = info.format_options();
    if info.format() == FieldFormat::Text && is_ours(field, options) {
        let zone = Zone::set(&options.time_zone).unwrap_or_else(Zone::utc);
        let texts = texts(array, field, &zone).map_err(|error| errors::datafusion(&error))?;
        return Ok(Column::Texts(texts));
    }
    match field.data_type() {
        DataType::Decimal128(_, scale) if info.format() == FieldFormat::Binary => {
            Ok(Column::Numbers(array.clone(), *scale))
        }
        _ => Ok(Column::Other(array.clone(), field.clone())),
    }
}

/// Whether the texts are ours: styles that a client has set are the library's to follow.
fn is_ours(field: &Field, options: &FormatOptions) -> bool {
    match field.data_type() {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => false,
        DataType::Interval(_) | DataType::Duration(_) => options.interval_style.eq_ignore_ascii_case("postgres"),
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => {
            options.date_style.to_uppercase().starts_with("ISO")
        }
        DataType::Float32 | DataType::Float64 => options.extra_float_digits > 0,
        _ => true,
    }
}

fn write(encoder: &mut DataRowEncoder, column: &Column, info: &FieldInfo, row: usize) -> PgWireResult<()> {
    match column {
        Column::Texts(texts) => {
            let text = texts.is_valid(row).then(|| texts.value(row));
            encoder.encode_field_with_type_and_format(&text, &Type::TEXT, FieldFormat::Text, info.format_options())
        }
        Column::Numbers(numbers, scale) => {
            let numbers = numbers.as_primitive::<Decimal128Type>();
            let bytes = numbers.is_valid(row).then(|| numeric(numbers.value(row), *scale));
            let options = info.format_options();
            encoder.encode_field_with_type_and_format(&bytes, &Type::BYTEA, FieldFormat::Binary, options)
        }
        Column::Other(array, field) => encode_value(encoder, array, row, field, info),
    }
}

/// A number in groups of four digits, as `numeric_send` of `PostgreSQL` gives it.
fn numeric(value: i128, scale: i8) -> Vec<u8> {
    let scale = usize::try_from(scale).unwrap_or(0);
    // Groups begin at the point.
    let padded = scale.next_multiple_of(4);
    let digits = format!("{}{}", value.unsigned_abs(), "0".repeat(padded - scale));
    let digits = format!("{digits:0>width$}", width = digits.len().next_multiple_of(4).max(padded));
    let groups: Vec<i16> = digits
        .as_bytes()
        .chunks(4)
        .map(|group| group.iter().fold(0, |all, digit| all * 10 + i16::from(digit - b'0')))
        .collect();
    let whole = groups.len() - padded / 4;
    let first = groups.iter().position(|group| *group != 0).unwrap_or(groups.len());
    let last = groups.iter().rposition(|group| *group != 0).map_or(first, |last| last + 1);
    let kept = &groups[first..last];
    let short = |number: usize| i16::try_from(number).unwrap_or(i16::MAX);
    let weight = if kept.is_empty() { 0 } else { short(whole) - short(first) - 1 };
    let mut bytes = Vec::with_capacity(8 + kept.len() * 2);
    bytes.extend(short(kept.len()).to_be_bytes());
    bytes.extend(weight.to_be_bytes());
    bytes.extend(if value < 0 { 0x4000_u16 } else { 0 }.to_be_bytes());
    bytes.extend(short(scale).to_be_bytes());
    kept.iter().for_each(|group| bytes.extend(group.to_be_bytes()));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups by hand: 12345.678 is 1 | 2345 . 6780, and -0.05 is 0500 of weight -1.
    #[test]
    fn numbers_go_in_groups() {
        let parts = |value, scale| -> Vec<i16> {
            numeric(value, scale).as_chunks::<2>().0.iter().map(|pair| i16::from_be_bytes(*pair)).collect()
        };
        assert_eq!(parts(12_345_678, 3), [3, 1, 0, 3, 1, 2345, 6780]);
        assert_eq!(parts(-5, 2), [1, -1, 0x4000, 2, 500]);
        assert_eq!(parts(30_000, 0), [1, 1, 0, 0, 3]);
        assert_eq!(parts(0, 2), [0, 0, 0, 2]);
        assert_eq!(parts(12, 6), [1, -2, 0, 6, 1200]);
    }
}
