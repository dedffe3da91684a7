//! State by series, which SQL cannot keep: the last point of each counter, and the last value of each series.

pub(crate) mod counters;
pub(crate) mod series;

mod points;

use crate::model::table::TableDef;
use arrow::array::{Array as _, AsArray as _, PrimitiveArray, RecordBatch, StringArray};
use arrow::datatypes::{ArrowPrimitiveType, DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

/// A column of text; a column that is not there reads as null everywhere.
pub(super) fn text<'a>(batch: &'a RecordBatch, name: &str) -> impl Fn(usize) -> Option<&'a str> {
    let column: Option<&StringArray> = batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
    move |row| column.filter(|column| column.is_valid(row)).map(|column| column.value(row))
}

/// A column of numbers.
fn number<'a, T: ArrowPrimitiveType>(
    batch: &'a RecordBatch,
    name: &str,
) -> impl Fn(usize) -> Option<T::Native> + use<'a, T> {
    let column: Option<&'a PrimitiveArray<T>> =
        batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<T>());
    move |row| column.filter(|column| column.is_valid(row)).map(|column| column.value(row))
}

/// What rollups see of a signal table: counters with their increase beside them.
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
