//! What the decoder knows about a table before a request: its columns, and the mapping of attributes to columns.

use crate::model::null_columns::NullColumns;
use crate::model::table::{ColumnType, Source, TableDef};
use arrow::datatypes::{Schema, SchemaRef};
use std::collections::HashMap;
use std::sync::Arc;

/// A mapping from an attribute to a column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Promotion {
    /// Index of the promoted column.
    pub(super) slot: usize,
    /// Index in `from`: the lowest one present wins.
    pub(super) rank: usize,
    /// The value is a path with a query, and the column gets only the path.
    pub(super) cuts_query: bool,
}

pub(super) type Promotions = HashMap<String, Vec<Promotion>, foldhash::fast::RandomState>;

/// A table's columns and promotions.
#[derive(Debug)]
pub(super) struct TablePlan {
    pub(super) name: &'static str,
    pub(super) schema: SchemaRef,
    pub(super) kinds: Vec<ColumnType>,
    /// Null columns, for those without a value in a request.
    pub(super) nulls: NullColumns,
    /// The column index of each promoted slot.
    pub(super) slots: Vec<usize>,
    /// The slot of `service_name`, which has a default.
    pub(super) service_slot: Option<usize>,
    pub(super) item: Promotions,
    pub(super) resource: Promotions,
    pub(super) scope: Promotions,
}

/// Index of a column that the table does not have: writes to it are ignored.
pub(super) const NO_COLUMN: usize = usize::MAX;

impl TablePlan {
    /// Creates the plan of one table; without columns, and so without rows, if the catalog does not define it.
    pub(super) fn new(name: &'static str, tables: &[TableDef]) -> TablePlan {
        let mut plan = TablePlan {
            name,
            schema: Arc::new(Schema::empty()),
            kinds: Vec::new(),
            nulls: NullColumns::new(Arc::new(Schema::empty())),
            slots: Vec::new(),
            service_slot: None,
            item: Promotions::default(),
            resource: Promotions::default(),
            scope: Promotions::default(),
        };
        let Some(table) = tables.iter().find(|table| table.name == name) else { return plan };
        plan.schema = table.schema();
        plan.nulls = NullColumns::new(plan.schema.clone());
        plan.kinds = table.columns.iter().map(|column| column.kind).collect();
        for (index, column) in table.columns.iter().enumerate().filter(|(_, column)| !column.from.is_empty()) {
            let slot = plan.slots.len();
            plan.slots.push(index);
            if column.name == "service_name" {
                plan.service_slot = Some(slot);
            }
            for (rank, source) in column.from.iter().enumerate() {
                let (promotions, attribute) = match source {
                    Source::Attribute(attribute) => (&mut plan.item, attribute),
                    Source::Resource(attribute) => (&mut plan.resource, attribute),
                    Source::Scope(attribute) => (&mut plan.scope, attribute),
                };
                // The old `http.target` combines path and query.
                let cuts_query = attribute == "http.target" && column.name == "url_path";
                promotions.entry(attribute.clone()).or_default().push(Promotion { slot, rank, cuts_query });
            }
        }
        plan
    }

    /// Returns the index of a column.
    pub(super) fn column(&self, name: &str) -> usize {
        self.schema.index_of(name).unwrap_or(NO_COLUMN)
    }

    /// Returns the slot of a promoted column.
    pub(super) fn slot(&self, name: &str) -> Option<usize> {
        let column = self.schema.index_of(name).ok()?;
        self.slots.iter().position(|known| *known == column)
    }
}

/// Declares a struct of column indices, with one field per column name.
macro_rules! columns {
    ($(#[$doc:meta])* struct $name:ident { $($field:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug)]
        struct $name { $($field: usize),* }

        impl $name {
            fn of(plan: &crate::ingest::decode::plan::TablePlan) -> $name {
                $name { $($field: plan.column(stringify!($field))),* }
            }
        }
    };
}
pub(super) use columns;
