//! Encodes values like `PostgreSQL`: texts for clients that request text, and binary numbers of any length.

use super::errors;
use crate::endpoints::pgcatalog::numeric;
use crate::engine::postgres::{Zone, texts};
use arrow::array::{Array as _, ArrayRef, AsArray as _, StringArray};
use arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef};
use arrow::record_batch::RecordBatch;
use arrow_pg::encoder::encode_value;
use pgwire::api::Type;
use pgwire::api::results::{DataRowEncoder, FieldFormat, FieldInfo};
use pgwire::error::PgWireResult;
use pgwire::messages::data::DataRow;
use pgwire::types::format::FormatOptions;
use std::sync::Arc;

/// A column prepared for encoding.
enum Column {
    Texts(StringArray),
    /// Numbers in binary, with their scale.
    Numbers(ArrayRef, i8),
    /// Values encoded by the library.
    Other(ArrayRef, FieldRef),
}

/// Encodes the rows of a batch.
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

/// Returns whether texts are formatted here; the library formats values that depend on styles set by the client.
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
