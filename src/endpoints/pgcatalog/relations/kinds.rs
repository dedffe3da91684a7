//! `pg_type`: `PostgreSQL`'s own types, and the rows of each relation.

use super::filler::Filler;
use crate::endpoints::pgcatalog::definitions::Definition;
use crate::endpoints::pgcatalog::snapshot::Snapshot;
use crate::endpoints::pgcatalog::system::{INFORMATION_SCHEMA, OWNER, PG_CATALOG, PUBLIC};
use crate::endpoints::pgcatalog::types::Oid;
use crate::endpoints::pgcatalog::value::{Row, Value};
use std::collections::HashSet;

const NAMES: [&str; 18] = [
    "oid",
    "typname",
    "typnamespace",
    "typowner",
    "typlen",
    "typtype",
    "typcategory",
    "typisdefined",
    "typdelim",
    "typrelid",
    "typelem",
    "typarray",
    "typinput",
    "typoutput",
    "typreceive",
    "typsend",
    "typalign",
    "typstorage",
];

pub(super) fn rows(snapshot: &Snapshot, definition: &Definition) -> Vec<Row> {
    let mut rows = snapshot.system.rows("pg_type", &definition.columns).unwrap_or_default();
    let place = |name: &str| definition.columns.iter().position(|column| &*column.name == name).unwrap_or_default();
    let (oid, kind, elem, namespace) = (place("oid"), place("typtype"), place("typelem"), place("typnamespace"));
    // Rows of relations have the oids of the PostgreSQL that they were taken from.
    let of_rows: HashSet<Value> =
        rows.iter().filter(|row| row[kind].as_text() == Some("c")).map(|row| row[oid].clone()).collect();
    rows.retain(|row| !of_rows.contains(&row[oid]) && !of_rows.contains(&row[elem]));
    let mut rows: Vec<Row> = rows.into_iter().map(|row| in_namespace(&row, namespace)).collect();
    rows.extend(of_relations(snapshot, definition));
    rows
}

/// The standard's domains are in its own schema, whatever its oid was.
fn in_namespace(row: &Row, column: usize) -> Row {
    if row[column] == Value::from(PG_CATALOG) {
        return row.clone();
    }
    let mut row = row.to_vec();
    row[column] = INFORMATION_SCHEMA.into();
    row.into()
}

fn of_relations(snapshot: &Snapshot, definition: &Definition) -> Vec<Row> {
    let mut filler = Filler::new(definition, &NAMES);
    let procedure = |name: &str| Value::from(snapshot.system.procedures(name).first().copied().unwrap_or_default());
    let functions = |kind: &str| ["in", "out", "recv", "send"].map(|suffix| procedure(&format!("{kind}_{suffix}")));
    let mut add = |name: &str, namespace: Oid, (oid, relation, elem, array): (Oid, Oid, Oid, Oid)| {
        let [input, output, receive, send] = functions(if elem == 0 { "record" } else { "array" });
        filler.add([
            oid.into(),
            name.into(),
            namespace.into(),
            OWNER.into(),
            Value::Int(-1),
            if elem == 0 { "c" } else { "b" }.into(),
            if elem == 0 { "C" } else { "A" }.into(),
            true.into(),
            ",".into(),
            relation.into(),
            elem.into(),
            array.into(),
            input,
            output,
            receive,
            send,
            "d".into(),
            "x".into(),
        ]);
    };
    for own in &snapshot.system.definitions {
        add(&own.name, Snapshot::namespace(&own.schema), (own.row_type, own.oid, 0, 0));
    }
    for table in &snapshot.tables {
        add(&table.table.name, PUBLIC, (table.row_type, table.oid, 0, table.array_type));
        add(&format!("_{}", table.table.name), PUBLIC, (table.array_type, 0, table.row_type, 0));
    }
    filler.rows()
}
