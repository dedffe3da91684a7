//! Rows as CSV according to RFC 4180: lines end in CRLF, and values that contain a comma, a quote or a line break are quoted.
//! Null is empty, an empty text is `""`. Times are RFC 3339, binary is hex; lists, maps and structs are JSON.

use crate::engine::postgres::shown;
use arrow::array::{Array as _, ArrayRef, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use std::fmt::Write as _;
use std::sync::Arc;

/// Formats the header line.
pub(super) fn names(schema: &Schema) -> String {
    let mut line = String::new();
    for (place, field) in schema.fields().iter().enumerate() {
        separate(&mut line, place);
        quote(&mut line, shown(field.name()));
    }
    line.push_str("\r\n");
    line
}

/// Formats rows, one per line.
pub(super) fn lines(batch: &RecordBatch) -> Result<String, ArrowError> {
    let columns: Vec<ArrayRef> = batch.columns().iter().map(flat).collect::<Result<_, _>>()?;
    let options = FormatOptions::new().with_display_error(false);
    let formats: Vec<ArrayFormatter<'_>> =
        columns.iter().map(|column| ArrayFormatter::try_new(column, &options)).collect::<Result<_, _>>()?;
    let (mut lines, mut value) = (String::new(), String::new());
    for row in 0..batch.num_rows() {
        for (place, (column, format)) in columns.iter().zip(&formats).enumerate() {
            separate(&mut lines, place);
            if column.is_null(row) {
                continue;
            }
            value.clear();
            write!(value, "{}", format.value(row)).map_err(|_| unwritten(batch, place))?;
            quote(&mut lines, infinite(column, &value));
        }
        lines.push_str("\r\n");
    }
    Ok(lines)
}

fn unwritten(batch: &RecordBatch, place: usize) -> ArrowError {
    ArrowError::CsvError(format!("a value of column {:?} cannot be written", batch.schema().field(place).name()))
}

fn separate(line: &mut String, place: usize) {
    if place > 0 {
        line.push(',');
    }
}

fn quote(line: &mut String, value: &str) {
    let plain = !value.is_empty() && !value.contains([',', '"', '\r', '\n']);
    // Quoted, because some readers trim spaces.
    if plain && !value.starts_with(' ') && !value.ends_with(' ') {
        line.push_str(value);
        return;
    }
    line.push('"');
    line.push_str(&value.replace('"', "\"\""));
    line.push('"');
}

/// Spells infinity as other programs do.
fn infinite<'a>(column: &ArrayRef, value: &'a str) -> &'a str {
    match value {
        "inf" if column.data_type().is_floating() => "Infinity",
        "-inf" if column.data_type().is_floating() => "-Infinity",
        other => other,
    }
}

/// Converts nested columns to JSON texts; other columns are unchanged.
fn flat(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match column.data_type() {
        DataType::Null => Ok(Arc::new(BooleanArray::new_null(column.len()))),
        kind if kind.is_nested() => json(column),
        _ => Ok(column.clone()),
    }
}

fn json(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let schema = Arc::new(Schema::new(vec![Field::new("v", column.data_type().clone(), true)]));
    let batch = RecordBatch::try_new(schema, vec![column.clone()])?;
    let mut text = Vec::new();
    arrow::json::LineDelimitedWriter::new(&mut text).write(&batch)?;
    let text = String::from_utf8(text).map_err(|error| ArrowError::CsvError(error.to_string()))?;
    // One line per row: {"v":…}, or {} for null.
    let value = |(row, line): (usize, &str)| {
        let value = line.strip_prefix("{\"v\":").and_then(|rest| rest.strip_suffix('}'));
        value.filter(|_| column.is_valid(row)).map(str::to_owned)
    };
    Ok(Arc::new(text.lines().enumerate().map(value).collect::<arrow::array::StringArray>()))
}
