//! State by series that SQL cannot keep: the last point of each counter, and the last value of each series.

pub(crate) mod counters;
pub(crate) mod series;

mod points;

use crate::model::table::TableDef;
use arrow::array::{Array as _, AsArray as _, PrimitiveArray, RecordBatch, StringArray};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

/// Returns an accessor for a text column; null in all rows if the column is missing.
pub(super) fn text<'a>(batch: &'a RecordBatch, name: &str) -> impl Fn(usize) -> Option<&'a str> {
    let column: Option<&StringArray> = batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
    move |row| column.filter(|column| column.is_valid(row)).map(|column| column.value(row))
}

/// Returns an accessor for a numeric column.
fn number<'a, T: ArrowPrimitiveType>(
    batch: &'a RecordBatch,
    name: &str,
) -> impl Fn(usize) -> Option<T::Native> + use<'a, T> {
    let column: Option<&'a PrimitiveArray<T>> =
        batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<T>());
    move |row| column.filter(|column| column.is_valid(row)).map(|column| column.value(row))
}

/// Returns the schema of a signal table as rollups see it, with additional columns for the increase of counters.
pub(crate) fn new_rows_schema(table: &TableDef) -> SchemaRef {
    let added: &[(&str, DataType)] = match table.name.as_str() {
        "metrics" => &[("delta", DataType::Float64)],
        "histograms" => &[("delta_count", DataType::Int64), ("delta_sum", DataType::Float64)],
        _ => &[],
    };
    let mut fields: Vec<Arc<Field>> = table.schema().fields().iter().cloned().collect();
    fields.extend(added.iter().map(|(name, kind)| Arc::new(Field::new(*name, kind.clone(), true))));
    Arc::new(Schema::new(fields))
}
