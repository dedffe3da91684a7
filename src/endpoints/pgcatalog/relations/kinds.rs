//! `pg_type`: `PostgreSQL`'s own types, and the row types of relations.

use super::filler::Filler;
use crate::endpoints::pgcatalog::definitions::Definition;
use crate::endpoints::pgcatalog::snapshot::Snapshot;
use crate::endpoints::pgcatalog::system::{OWNER, PUBLIC};
use crate::endpoints::pgcatalog::types::Oid;
use crate::endpoints::pgcatalog::value::{Row, Value};

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
    rows.extend(of_relations(snapshot, definition));
    rows
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
