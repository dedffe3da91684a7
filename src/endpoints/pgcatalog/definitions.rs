//! Definitions of the relations in `pg_catalog` and `information_schema`, as in `PostgreSQL`.

use super::types::{Column, Oid, Types};
use std::collections::HashMap;
use std::sync::Arc;

/// The definitions, one per line.
const RELATIONS: &str = include_str!("relations.txt");
/// Views over other relations: `-- schema.name`, followed by the query.
const VIEWS: &str = include_str!("views.sql");

/// A relation.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    pub(super) schema: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) oid: Oid,
    /// Kind: `r` or `v`.
    pub(super) kind: char,
    pub(super) row_type: Oid,
    pub(super) columns: Arc<[Column]>,
    pub(super) not_null: Vec<bool>,
    /// Query of a view.
    pub(super) view: Option<&'static str>,
}

/// Returns all definitions, with type oids from `types`.
pub(super) fn all(types: &Types) -> Vec<Definition> {
    let views = views();
    RELATIONS.lines().filter(|line| !line.starts_with('#')).filter_map(|line| definition(line, types, &views)).collect()
}

fn views() -> HashMap<&'static str, &'static str> {
    let parts = VIEWS.split("\n-- ").skip(1);
    parts.filter_map(|part| part.split_once('\n')).map(|(name, text)| (name.trim(), text)).collect()
}

fn definition(line: &str, types: &Types, views: &HashMap<&str, &'static str>) -> Option<Definition> {
    let (head, columns) = line.split_once(": ")?;
    let mut words = head.split(' ');
    let name = words.next()?;
    let (schema, relation) = name.split_once('.')?;
    let oid = words.next()?.parse().ok()?;
    let kind = words.next()?.chars().next()?;
    let row_type = words.next()?.parse().ok()?;
    let mut not_null = Vec::new();
    let mut all = Vec::new();
    for column in columns.split(", ") {
        let (name, kind) = column.split_once(' ')?;
        not_null.push(kind.ends_with('!'));
        all.push(Column::new(name, column_type(kind.trim_end_matches('!'), types)?));
    }
    Some(Definition {
        schema: schema.into(),
        name: relation.into(),
        oid,
        kind,
        row_type,
        columns: all.into(),
        not_null,
        view: views.get(name).copied(),
    })
}

/// Looks up a type; `char` here means `PostgreSQL`'s `"char"`.
fn column_type(name: &str, types: &Types) -> Option<Oid> {
    match name.strip_suffix("[]") {
        Some(item) => types.array_of(column_type(item, types)?),
        None if name == "char" => Some(super::types::CHAR),
        None => types.named(name),
    }
}
