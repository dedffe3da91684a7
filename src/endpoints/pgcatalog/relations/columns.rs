//! `pg_attribute`.

use super::filler::Filler;
use crate::endpoints::pgcatalog::definitions::Definition;
use crate::endpoints::pgcatalog::snapshot::Snapshot;
use crate::endpoints::pgcatalog::types::Oid;
use crate::endpoints::pgcatalog::value::{Row, Value};

const NAMES: [&str; 16] = [
    "attrelid",
    "attname",
    "atttypid",
    "attstattarget",
    "attlen",
    "attnum",
    "attcacheoff",
    "atttypmod",
    "attndims",
    "attbyval",
    "attalign",
    "attstorage",
    "attnotnull",
    "attislocal",
    "attcollation",
    "attidentity",
];

pub(super) fn rows(snapshot: &Snapshot, definition: &Definition) -> Vec<Row> {
    let mut filler = Filler::new(definition, &NAMES);
    for table in &snapshot.tables {
        for (number, column) in (1..).zip(&table.table.columns) {
            add(snapshot, &mut filler, table.oid, number, &column.name, column.kind, !column.nullable);
        }
    }
    for own in &snapshot.system.definitions {
        for (number, (column, not_null)) in (1..).zip(own.columns.iter().zip(&own.not_null)) {
            add(snapshot, &mut filler, own.oid, number, &column.name, column.ty.oid, *not_null);
        }
    }
    filler.rows()
}

fn add(
    snapshot: &Snapshot,
    filler: &mut Filler<'_>,
    relation: Oid,
    number: i64,
    name: &str,
    kind: Oid,
    not_null: bool,
) {
    let info = snapshot.type_info(kind);
    let (len, collation) = info.map_or((-1, 0), |info| (info.len, info.collation));
    let is_array = info.is_some_and(|info| info.category == 'A' && info.len == -1);
    filler.add([
        relation.into(),
        name.into(),
        kind.into(),
        Value::Int(-1),
        Value::Int(len),
        Value::Int(number),
        Value::Int(-1),
        Value::Int(-1),
        Value::Int(i64::from(is_array)),
        (1..=8).contains(&len).into(),
        match len {
            1 => "c",
            2 => "s",
            8 => "d",
            _ => "i",
        }
        .into(),
        if len == -1 { "x" } else { "p" }.into(),
        not_null.into(),
        true.into(),
        collation.into(),
        "".into(),
    ]);
}
