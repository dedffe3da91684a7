//! Tables with the rows of an example.

use crate::engine::error_text::line;
use crate::engine::keyed::new_rows_schema;
use crate::model::hex::hex;
use crate::model::pipeline::{ExampleRows, PipelineKind};
use crate::model::sketch::Sketch;
use crate::model::table::{TableDef, TableKind};
use crate::statements::{self, Call};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::json::ReaderBuilder;
use datafusion::prelude::SessionContext;
use serde_json::{Map, Value};

/// The column of `spans` that decoding derives from the others of a database call.
const FINGERPRINT: &str = "db_fingerprint";

/// Returns the names and schemas under which a table is visible: for a signal table also `new_<name>`, which rollups
/// read, and for a rollup also its coarser resolutions.
pub(super) fn views_of(table: &TableDef) -> Vec<(String, SchemaRef)> {
    let mut views = vec![(table.name.clone(), table.schema())];
    if table.kind == TableKind::Signal {
        views.push((format!("new_{}", table.name), new_rows_schema(table)));
    }
    views.extend(table.coarse_views().into_iter().map(|(_, view)| (view, table.schema())));
    views
}

/// Replaces the empty table by one with rows.
pub(super) fn register(
    context: &SessionContext,
    tables: &[TableDef],
    kind: PipelineKind,
    name: &str,
    rows: &ExampleRows,
) -> Result<(), String> {
    let new = format!("new_{name}");
    let views = || tables.iter().flat_map(views_of);
    let wanted = if kind == PipelineKind::Rollup && views().any(|(view, _)| view == new) { &new } else { name };
    let Some((_, schema)) = views().find(|(view, _)| view == wanted) else {
        return Err(format!("given: no table {name:?}"));
    };
    let table = tables.iter().find(|table| views_of(table).iter().any(|(view, _)| view == wanted));
    let mut rows = rows.clone();
    for row in &mut rows {
        // Fill missing columns as the table does.
        for column in table.map(|table| table.columns.as_slice()).unwrap_or_default() {
            let from = column.filled_from.as_ref().filter(|_| !row.contains_key(&column.name));
            if let Some(value) = from.and_then(|from| row.get(from)).cloned() {
                row.insert(column.name.clone(), value);
            }
        }
        if schema.field_with_name(FINGERPRINT).is_ok() {
            derive(row);
        }
        for (column, value) in row.iter_mut() {
            let field = schema.field_with_name(column).map_err(|_| format!("given.{name}: no column {column:?}"))?;
            fit(field.data_type(), value);
        }
    }
    let mut decoder = ReaderBuilder::new(schema).build_decoder().map_err(|error| error.to_string())?;
    decoder.serialize(&rows).map_err(|error| format!("given.{name}: {error}"))?;
    let Some(batch) = decoder.flush().map_err(|error| format!("given.{name}: {error}"))? else { return Ok(()) };
    let registered = context.deregister_table(wanted).and_then(|_| context.register_batch(wanted, batch));
    registered.map(drop).map_err(|error| line(&error))
}

/// Adds the statement of a span, as decoding does.
pub(in crate::engine) fn derive(row: &mut Map<String, Value>) {
    let text = |column: &str| row.get(column).and_then(Value::as_str);
    let statement = statements::of(&Call {
        system: text("db_system_name"),
        query: text("db_query_text"),
        summary: text("db_query_summary"),
        operation: text("db_operation_name"),
        collection: text("db_collection_name"),
    });
    if let Some(statement) = statement {
        row.entry(FINGERPRINT).or_insert_with(|| Value::from(&*statement));
    }
}

/// Replaces a list of numbers by their sketch, which has no form in JSON.
fn fit(kind: &DataType, value: &mut Value) {
    if let (DataType::Binary, Value::Array(numbers)) = (kind, &value) {
        let mut sketch = Sketch::default();
        numbers.iter().filter_map(Value::as_f64).for_each(|number| sketch.insert(number));
        *value = Value::from(hex(&sketch.to_bytes()));
    }
}
