//! Rows of catalog relations: `PostgreSQL`'s static rows, and rows derived from the tables.

mod columns;
mod filler;
mod kinds;
mod of_session;

pub(super) use of_session::of_session;

use filler::Filler;

use super::definitions::Definition;
use super::snapshot::{Numbered, Snapshot};
use super::system::{INFORMATION_SCHEMA, OWNER, PG_CATALOG, PUBLIC};
use super::types::Oid;
use super::value::{Row, Value};

/// Oid of `pg_class` itself, for `pg_description`.
const CLASS_OF_CLASSES: u32 = 1259;
const CLASS_OF_NAMESPACES: u32 = 2615;

/// Returns the rows that do not depend on the session.
pub(super) fn rows(snapshot: &Snapshot, definition: &Definition) -> Vec<Row> {
    if &*definition.schema != "pg_catalog" {
        return Vec::new();
    }
    match &*definition.name {
        "pg_class" => classes(snapshot, definition),
        "pg_attribute" => columns::rows(snapshot, definition),
        "pg_namespace" => namespaces(definition),
        "pg_type" => kinds::rows(snapshot, definition),
        "pg_description" => descriptions(snapshot, definition),
        "pg_timezone_names" => zones(definition),
        name => snapshot.system.rows(name, &definition.columns).unwrap_or_default(),
    }
}

fn classes(snapshot: &Snapshot, definition: &Definition) -> Vec<Row> {
    let names = [
        "oid",
        "relname",
        "relnamespace",
        "reltype",
        "relowner",
        "relam",
        "relfilenode",
        "reltuples",
        "relpersistence",
        "relkind",
        "relnatts",
        "relispopulated",
        "relreplident",
        "relhasrules",
    ];
    let mut filler = Filler::new(definition, &names);
    let mut add = |oid: Oid, name: &str, namespace: Oid, row_type: Oid, kind: char, columns: usize| {
        let is_table = kind == 'r';
        filler.add([
            oid.into(),
            name.into(),
            namespace.into(),
            row_type.into(),
            OWNER.into(),
            // Access method `heap`.
            Value::Int(if is_table { 2 } else { 0 }),
            Value::Int(if is_table { oid.into() } else { 0 }),
            // -1 means never vacuumed: the number of rows is unknown.
            Value::Float(if is_table { -1.0 } else { 0.0 }),
            "p".into(),
            kind.to_string().into(),
            Value::Int(i64::try_from(columns).unwrap_or_default()),
            true.into(),
            if is_table { "d" } else { "n" }.into(),
            (!is_table).into(),
        ]);
    };
    for table in &snapshot.tables {
        add(table.oid, &table.table.name, PUBLIC, table.row_type, kind(table), table.table.columns.len());
    }
    for own in &snapshot.system.definitions {
        let namespace = Snapshot::namespace(&own.schema);
        add(own.oid, &own.name, namespace, own.row_type, own.kind, own.columns.len());
    }
    filler.rows()
}

fn kind(table: &Numbered) -> char {
    if table.table.is_view { 'v' } else { 'r' }
}

fn namespaces(definition: &Definition) -> Vec<Row> {
    let mut filler = Filler::new(definition, &["oid", "nspname", "nspowner"]);
    for (oid, name) in [(PG_CATALOG, "pg_catalog"), (PUBLIC, "public"), (INFORMATION_SCHEMA, "information_schema")] {
        filler.add([oid.into(), name.into(), OWNER.into()]);
    }
    filler.rows()
}

fn descriptions(snapshot: &Snapshot, definition: &Definition) -> Vec<Row> {
    let mut rows = snapshot.system.rows("pg_description", &definition.columns).unwrap_or_default();
    let mut filler = Filler::new(definition, &["objoid", "classoid", "objsubid", "description"]);
    filler.add([PUBLIC.into(), CLASS_OF_NAMESPACES.into(), Value::Int(0), "the tables of Spanwise".into()]);
    for table in &snapshot.tables {
        let mut add = |number: i64, doc: &Option<String>| {
            if let Some(doc) = doc.as_deref().filter(|doc| !doc.is_empty()) {
                filler.add([table.oid.into(), CLASS_OF_CLASSES.into(), Value::Int(number), doc.into()]);
            }
        };
        add(0, &table.table.doc);
        (1..).zip(&table.table.columns).for_each(|(number, column)| add(number, &column.doc));
    }
    // Replaces the static description of the schema `public`.
    rows.retain(|row| row[0] != Value::Int(PUBLIC.into()));
    rows.extend(filler.rows());
    rows
}

fn zones(definition: &Definition) -> Vec<Row> {
    let mut filler = Filler::new(definition, &["name", "abbrev", "utc_offset", "is_dst"]);
    filler.add(["UTC".into(), "UTC".into(), Value::Span(0), false.into()]);
    filler.rows()
}
