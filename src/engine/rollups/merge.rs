//! Merges partial rows into one row per window and key. The schema defines how each column is merged.

use crate::engine::run::Statement;
use crate::engine::swap_table::SwapTable;
use crate::model::table::{ColumnDef, Merge, TableDef};
use arrow::array::RecordBatch;
use datafusion::common::Result;
use datafusion::prelude::SessionContext;
use std::collections::BTreeMap;
use tokio::sync::Mutex;

/// First columns of every rollup.
pub(super) const WINDOW_START: &str = "window_start";
pub(super) const RESOLUTION: &str = "resolution";

/// Merges rows of one rollup table.
pub(crate) struct Merger {
    context: SessionContext,
    definition: TableDef,
    source: String,
    columns: String,
    keys: String,
    bench: Mutex<Bench>,
}

/// State of a merge; locked by one at a time.
struct Bench {
    slot: SwapTable,
    /// Planned statements, by resolution.
    statements: BTreeMap<i64, Statement>,
}

impl Merger {
    /// Creates a merger that plans in `context`. Mergers of one table with different purposes do not block each other.
    pub(crate) fn new(table: &TableDef, purpose: &str, context: &SessionContext) -> Result<Merger> {
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
        let source = format!("{purpose}_{}", table.name);
        let slot = SwapTable::default();
        // Remove the table of an earlier attempt that failed.
        context.deregister_table(&source)?;
        context.register_table(&source, slot.table(table.schema()))?;
        Ok(Merger {
            context: context.clone(),
            definition: table.clone(),
            source,
            columns: columns.join(", "),
            keys: keys.iter().flat_map(|name| [", ", name]).collect(),
            bench: Mutex::new(Bench { slot, statements: BTreeMap::new() }),
        })
    }

    /// Merges `batches` into windows of `resolution_s` seconds, one row per window and key; 0 means all time.
    pub(crate) async fn merge(&self, batches: Vec<RecordBatch>, resolution_s: i64) -> Result<RecordBatch> {
        let mut bench = self.bench.lock().await;
        bench.slot.fill(batches);
        if let std::collections::btree_map::Entry::Vacant(e) = bench.statements.entry(resolution_s) {
            let statement = Statement::plan(&self.context, &self.sql(resolution_s)).await?;
            e.insert(statement);
        }
        let merged = match bench.statements.get(&resolution_s) {
            Some(statement) => statement.run().await?.batches,
            None => Vec::new(),
        };
        bench.slot.fill(Vec::new());
        fit(&merged, &self.definition)
    }

    fn sql(&self, resolution_s: i64) -> String {
        let window = match resolution_s {
            0 => "arrow_cast(0, 'Timestamp(Microsecond, Some(\"UTC\"))')".to_owned(),
            seconds => format!("date_bin(INTERVAL '{seconds} seconds', {WINDOW_START})"),
        };
        // The keys follow the window and the resolution, which is constant.
        format!(
            "SELECT {window} AS {WINDOW_START}, CAST({resolution_s} AS BIGINT) AS {RESOLUTION}, {} FROM {} GROUP BY 1{}",
            self.columns, self.source, self.keys
        )
    }
}

/// Converts rows to the columns and types of a table. A missing column is filled from the column that its definition
/// names, or with null: rows may have been stored before the column existed.
pub(crate) fn fit(batches: &[RecordBatch], table: &TableDef) -> Result<RecordBatch> {
    let schema = table.schema();
    let mut fitted = Vec::with_capacity(batches.len());
    for batch in batches {
        let found = |column: &ColumnDef| {
            let filled_from = || batch.column_by_name(column.filled_from.as_deref()?);
            batch.column_by_name(&column.name).or_else(filled_from)
        };
        let column = |definition: &ColumnDef| match found(definition) {
            Some(column) => arrow::compute::cast(column, &definition.kind.arrow()),
            None => Ok(arrow::array::new_null_array(&definition.kind.arrow(), batch.num_rows())),
        };
        let columns = table.columns.iter().map(column).collect::<Result<_, _>>()?;
        fitted.push(RecordBatch::try_new(schema.clone(), columns)?);
    }
    Ok(arrow::compute::concat_batches(&schema, &fitted)?)
}
