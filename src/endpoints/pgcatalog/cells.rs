//! Rows of the catalogs as Arrow batches. Arrow has no equivalent of their `PostgreSQL` types (`oid`, `name`, `"char"`,
//! `regclass`, …), so a cell contains both the text and the binary form of a value; only the wire knows which of them a client
//! wants. The name and type of a column are in its metadata, because names can be repeated.

use super::bind::SetConfig;
use super::client::Client;
use super::planned::Planned;
use super::value::Row;
use super::wire;
use arrow::array::{ArrayRef, BinaryBuilder, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::Result;
use std::collections::HashMap;
use std::sync::Arc;

const NAME: &str = "spanwise.pg_name";
const KIND: &str = "spanwise.pg_type";
const SETS: &str = "spanwise.pg_sets";
const PARAMETERS: &str = "spanwise.pg_parameters";
/// Flag in the length of a text that equals its binary form.
const SAME: u32 = 1 << 31;

/// Returns the schema of a query's rows.
pub(super) fn schema(planned: &Planned) -> SchemaRef {
    let field = |(at, (name, kind)): (usize, (&str, u32))| {
        let metadata = [(NAME.to_owned(), name.to_owned()), (KIND.to_owned(), kind.to_string())];
        Field::new(format!("column {}", at + 1), DataType::Binary, true).with_metadata(metadata.into())
    };
    let fields: Vec<Field> = planned.columns().enumerate().map(field).collect();
    let mut metadata = HashMap::new();
    if !planned.bound.sets.is_empty() {
        metadata.insert(SETS.to_owned(), serde_json::to_string(&planned.bound.sets).unwrap_or_default());
    }
    if !planned.parameters().is_empty() {
        let kinds: Vec<u32> = planned.parameters().iter().map(|kind| wire::reported(*kind)).collect();
        metadata.insert(PARAMETERS.to_owned(), serde_json::to_string(&kinds).unwrap_or_default());
    }
    Arc::new(Schema::new_with_metadata(fields, metadata))
}

/// Returns the session settings that a query changes.
pub(in crate::endpoints) fn sets(schema: &Schema) -> Vec<SetConfig> {
    let sets = schema.metadata().get(SETS).map(|sets| serde_json::from_str(sets));
    sets.and_then(std::result::Result::ok).unwrap_or_default()
}

/// Returns the type oids of a query's parameters; empty if it is not a query over the catalogs.
pub(in crate::endpoints) fn parameters(schema: &Schema) -> Vec<u32> {
    let kinds = schema.metadata().get(PARAMETERS).map(|kinds| serde_json::from_str(kinds));
    kinds.and_then(std::result::Result::ok).unwrap_or_default()
}

/// Encodes rows as cells.
pub(super) fn batch(planned: &Planned, client: &Client, rows: &[Row]) -> Result<RecordBatch> {
    let schema = schema(planned);
    let mut columns: Vec<ArrayRef> = Vec::new();
    for column in 0..schema.fields().len() {
        let mut cells = BinaryBuilder::new();
        for row in rows {
            match (planned.write(client, row, column, false), planned.write(client, row, column, true)) {
                (Some(text), Some(binary)) => cells.append_value(cell(&text, &binary)),
                _ => cells.append_null(),
            }
        }
        columns.push(Arc::new(cells.finish()));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
}

fn cell(text: &[u8], binary: &[u8]) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap_or(SAME - 1);
    if text == binary {
        return [&(length | SAME).to_le_bytes(), text].concat();
    }
    [&length.to_le_bytes(), text, binary].concat()
}

/// Returns name and type oid of a column of cells; `None` for other columns.
pub(in crate::endpoints) fn described(field: &Field) -> Option<(&str, u32)> {
    let kind = field.metadata().get(KIND)?.parse().ok()?;
    Some((field.metadata().get(NAME)?, kind))
}

/// Returns the text or binary form of a cell.
pub(in crate::endpoints) fn read(cell: &[u8], binary: bool) -> Option<&[u8]> {
    let (length, forms) = cell.split_first_chunk()?;
    let length = u32::from_le_bytes(*length);
    let (text, other) = forms.split_at_checked((length & !SAME) as usize)?;
    Some(if binary && length & SAME == 0 { other } else { text })
}
