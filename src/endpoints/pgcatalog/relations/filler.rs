//! Builds catalog rows from the columns that are known.

use crate::endpoints::pgcatalog::definitions::Definition;
use crate::endpoints::pgcatalog::types;
use crate::endpoints::pgcatalog::value::{Row, Value};

/// Builds rows from some columns; the others get `PostgreSQL`'s neutral values.
pub(super) struct Filler<'a> {
    definition: &'a Definition,
    places: Vec<usize>,
    empty: Vec<Value>,
    rows: Vec<Row>,
}

impl<'a> Filler<'a> {
    pub(super) fn new(definition: &'a Definition, names: &[&str]) -> Filler<'a> {
        let place = |name: &&str| definition.columns.iter().position(|column| &*column.name == *name);
        let nothing = |(column, not_null): (&types::Column, &bool)| match column.ty.oid {
            _ if !not_null => Value::Null,
            types::BOOL => Value::Bool(false),
            types::FLOAT4 | types::FLOAT8 => Value::Float(0.0),
            types::INT2VECTOR | types::OIDVECTOR => Value::vector(Vec::new()),
            kind if types::is_integer(kind) => Value::Int(0),
            _ => Value::text(""),
        };
        let empty = definition.columns.iter().zip(&definition.not_null).map(nothing).collect();
        Filler { definition, places: names.iter().filter_map(place).collect(), empty, rows: Vec::new() }
    }

    pub(super) fn add<const N: usize>(&mut self, values: [Value; N]) {
        debug_assert_eq!(N, self.places.len(), "columns of {}", self.definition.name);
        let mut row = self.empty.clone();
        for (place, value) in self.places.iter().zip(values) {
            row[*place] = value;
        }
        self.rows.push(row.into());
    }

    pub(super) fn rows(self) -> Vec<Row> {
        self.rows
    }
}
