//! Partial rows made one, by the merge words of the table's schema.

use crate::engine::functions;
use crate::model::table::{Merge, TableDef};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::execution::config::SessionConfig;
use datafusion::prelude::SessionContext;

/// The columns that every rollup begins with.
pub(super) const WINDOW_START: &str = "window_start";
pub(super) const RESOLUTION: &str = "resolution";

/// Merges rows of one rollup table.
pub(crate) struct Merger {
    schema: SchemaRef,
    columns: String,
    keys: String,
}

impl Merger {
    pub(crate) fn new(table: &TableDef) -> Merger {
        let mut columns = Vec::new();
        let mut keys = Vec::new();
        for column in table.columns.iter().filter(|column| column.name != WINDOW_START && column.name != RESOLUTION) {
            let name = format!("\"{}\"", column.name);
            let merged = match column.merge.unwrap_or(Merge::Key) {
                Merge::Key => {
                    keys.push(name.clone());
                    name.clone()
                }
                Merge::Sum => format!("sum({name})"),
                Merge::Max => format!("max({name})"),
                Merge::Min => format!("min({name})"),
                Merge::Last => format!("last_value({name} ORDER BY last_time)"),
                Merge::Sketch => format!("sketch_merge({name})"),
                Merge::Distinct => format!("distinct_merge({name})"),
                Merge::Buckets => format!("buckets_merge({name})"),
                Merge::Exemplars => format!("exemplars_merge({name})"),
            };
            columns.push(format!("{merged} AS {name}"));
        }
        Merger { schema: table.schema(), columns: columns.join(", "), keys: keys.join(", ") }
    }

    /// The rows of `batches` in windows of `resolution_s` seconds, one a window and key; 0 is all time.
    pub(crate) async fn merge(&self, batches: Vec<RecordBatch>, resolution_s: i64) -> Result<RecordBatch> {
        let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(1));
        functions::register(&context);
        let rows = arrow::compute::concat_batches(&self.schema, &batches)?;
        context.register_batch("parts", rows)?;
        let window = match resolution_s {
            0 => "arrow_cast(0, 'Timestamp(Microsecond, Some(\"UTC\"))')".to_owned(),
            seconds => format!("date_bin(INTERVAL '{seconds} seconds', {WINDOW_START})"),
        };
        // The keys stand behind the window and the resolution, which is one value.
        let sql = format!(
            "SELECT {window} AS {WINDOW_START}, CAST({resolution_s} AS BIGINT) AS {RESOLUTION}, {} FROM parts GROUP BY 1, {}",
            self.columns, self.keys
        );
        let merged = context.sql(&sql).await?.collect().await?;
        fit(&merged, &self.schema)
    }
}

/// Rows in the columns and types of a schema; columns that are not there are null.
pub(crate) fn fit(batches: &[RecordBatch], schema: &SchemaRef) -> Result<RecordBatch> {
    let mut fitted = Vec::with_capacity(batches.len());
    for batch in batches {
        let column = |field: &std::sync::Arc<arrow::datatypes::Field>| match batch.column_by_name(field.name()) {
            Some(column) => arrow::compute::cast(column, field.data_type()),
            None => Ok(arrow::array::new_null_array(field.data_type(), batch.num_rows())),
        };
        let columns = schema.fields().iter().map(column).collect::<Result<_, _>>()?;
        fitted.push(RecordBatch::try_new(schema.clone(), columns)?);
    }
    Ok(arrow::compute::concat_batches(schema, &fitted)?)
}
