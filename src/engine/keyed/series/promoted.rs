//! Attributes promoted to a column by the user's schema: in the scrape they are still labels.

use crate::model::scrape::Attributes;
use crate::model::table::{Source, TableDef};
use arrow::array::RecordBatch;
use arrow::util::display::array_value_to_string;

/// A column and the attribute that it was made from.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Promoted {
    column: String,
    attribute: String,
    of_resource: bool,
}

/// Returns the promoted columns of both metric tables, except the service, which is always added.
pub(super) fn of(tables: &[TableDef]) -> Vec<Promoted> {
    let mut all: Vec<Promoted> = Vec::new();
    for table in tables.iter().filter(|table| ["metrics", "histograms"].contains(&table.name.as_str())) {
        for column in table.columns.iter().filter(|column| column.name != "service_name") {
            let resource = column.from.iter().find_map(|from| match from {
                Source::Resource(attribute) => Some((attribute, true)),
                _ => None,
            });
            let item = column.from.iter().find_map(|from| match from {
                Source::Attribute(attribute) => Some((attribute, false)),
                _ => None,
            });
            let Some((attribute, of_resource)) = resource.or(item) else { continue };
            let promoted = Promoted { column: column.name.clone(), attribute: attribute.clone(), of_resource };
            if !all.contains(&promoted) {
                all.push(promoted);
            }
        }
    }
    all
}

impl Promoted {
    /// Adds the attribute to the attributes or the resource that it came from.
    pub(super) fn put_back(&self, batch: &RecordBatch, row: usize, item: &mut Attributes, resource: &mut Attributes) {
        let Some(column) = batch.column_by_name(&self.column).filter(|column| column.is_valid(row)) else { return };
        let Ok(value) = array_value_to_string(column, row) else { return };
        let attributes = if self.of_resource { resource } else { item };
        attributes.entry(self.attribute.clone()).or_insert(value);
    }
}
