//! Set-returning functions.

use super::signature::{SetFunction, Types, int, text};
use super::text::regex;
use crate::endpoints::pgcatalog::fault::{Fault, Result};
use crate::endpoints::pgcatalog::statement::Statement;
use crate::endpoints::pgcatalog::types::{
    self, ANY, ANYARRAY, BOOL, CHAR, Column, INT4, INT8, OID, Oid, REGCLASS, TEXT, TEXT_ARRAY,
};
use crate::endpoints::pgcatalog::value::{Row, Value};

pub(super) const FUNCTIONS: &[SetFunction] = &[
    set("unnest", &[ANYARRAY], |types| vec![Column::new("unnest", item(types))], |_, a| Ok(items(&a[0], single))),
    set("generate_series", &[INT8, INT8, INT8], |types| vec![Column::new("generate_series", whole(types))], series)
        .optional(1),
    set(
        "generate_subscripts",
        &[ANYARRAY, INT4, BOOL],
        |_| vec![Column::new("generate_subscripts", INT4)],
        |_, a| {
            let Some(array) = a[0].as_array().filter(|_| a[1] == Value::Int(1)) else { return Ok(Vec::new()) };
            let mut rows: Vec<Row> = (array.lower..).zip(&array.items).map(|(at, _)| row([Value::Int(at)])).collect();
            if a.get(2).is_some_and(Value::is_true) {
                rows.reverse();
            }
            Ok(rows)
        },
    )
    .optional(1),
    set(
        "_pg_expandarray",
        &[ANYARRAY],
        |types| vec![Column::new("x", item(types)), Column::new("n", INT4)],
        |_, a| Ok(items(&a[0], |at, value| row([value.clone(), Value::Int(at)]))),
    ),
    set(
        "regexp_split_to_table",
        &[TEXT, TEXT],
        |_| vec![Column::new("regexp_split_to_table", TEXT)],
        |run, a| Ok(regex(run, text(a, 1)?, "")?.split(text(a, 0)?).map(|part| row([part.into()])).collect()),
    ),
    set(
        "regexp_matches",
        &[TEXT, TEXT, TEXT],
        |_| vec![Column::new("regexp_matches", TEXT_ARRAY)],
        |run, a| {
            let flags = a.get(2).and_then(Value::as_text).unwrap_or_default();
            let found = regex(run, text(a, 1)?, flags)?;
            let groups = |captured: regex::Captures<'_>| {
                let all = if captured.len() > 1 { 1..captured.len() } else { 0..1 };
                row([Value::array(all.map(|at| captured.get(at).as_ref().map(regex::Match::as_str).into()).collect())])
            };
            let all = found.captures_iter(text(a, 0)?).map(groups);
            Ok(if flags.contains('g') { all.collect() } else { all.take(1).collect() })
        },
    )
    .optional(1),
    set(
        "string_to_table",
        &[TEXT, TEXT],
        |_| vec![Column::new("string_to_table", TEXT)],
        |_, a| Ok(text(a, 0)?.split(text(a, 1)?).map(|part| row([part.into()])).collect()),
    ),
    set(
        "pg_options_to_table",
        &[ANY],
        |_| vec![Column::new("option_name", TEXT), Column::new("option_value", TEXT)],
        |_, a| {
            Ok(items(&a[0], |_, value| {
                let (name, value) = value.as_text().unwrap_or_default().split_once('=').unwrap_or_default();
                row([name.into(), value.into()])
            }))
        },
    ),
    set(
        "aclexplode",
        &[ANY],
        |_| {
            let columns = [("grantor", OID), ("grantee", OID), ("privilege_type", TEXT), ("is_grantable", BOOL)];
            columns.map(|(name, kind)| Column::new(name, kind)).to_vec()
        },
        none,
    ),
    set(
        "pg_get_keywords",
        &[],
        |_| {
            let columns =
                [("word", TEXT), ("catcode", CHAR), ("barelabel", BOOL), ("catdesc", TEXT), ("baredesc", TEXT)];
            columns.map(|(name, kind)| Column::new(name, kind)).to_vec()
        },
        |run, _| Ok(run.snapshot.system.keywords.clone()),
    ),
    set("pg_listening_channels", &[], |_| vec![Column::new("pg_listening_channels", TEXT)], none),
    set(
        "pg_partition_ancestors",
        &[REGCLASS],
        |_| vec![Column::new("relid", REGCLASS)],
        |_, a| Ok(vec![row([a[0].clone()])]),
    ),
    set(
        "pg_partition_tree",
        &[REGCLASS],
        |_| {
            let columns = [("relid", REGCLASS), ("parentrelid", REGCLASS), ("isleaf", BOOL), ("level", INT4)];
            columns.map(|(name, kind)| Column::new(name, kind)).to_vec()
        },
        none,
    ),
    set("pg_tablespace_databases", &[OID], |_| vec![Column::new("pg_tablespace_databases", OID)], none),
    set("pg_get_publication_tables", &[TEXT], |_| vec![Column::new("relid", OID)], none),
];

/// Functions that queries over tables have no use for.
pub(super) const OF_CATALOGS: &[&str] = &[
    "_pg_expandarray",
    "pg_options_to_table",
    "aclexplode",
    "pg_get_keywords",
    "pg_listening_channels",
    "pg_partition_ancestors",
    "pg_partition_tree",
    "pg_tablespace_databases",
    "pg_get_publication_tables",
];

const fn set(
    name: &'static str,
    arguments: &'static [Oid],
    columns: fn(&Types<'_>) -> Vec<Column>,
    call: fn(&Statement<'_>, &[Value]) -> Result<Vec<Row>>,
) -> SetFunction {
    SetFunction { name, arguments, optional: 0, variadic: false, columns, call }
}

impl SetFunction {
    const fn optional(self, optional: usize) -> SetFunction {
        SetFunction { optional, ..self }
    }
}

fn row<const N: usize>(values: [Value; N]) -> Row {
    Row::from(values)
}

fn single(_: i64, value: &Value) -> Row {
    row([value.clone()])
}

fn items(array: &Value, of: impl Fn(i64, &Value) -> Row) -> Vec<Row> {
    let items = array.as_array().map_or(&[][..], |array| &array.items);
    (1..).zip(items).map(|(at, value)| of(at, value)).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "the form that all functions have")]
fn none(_: &Statement<'_>, _: &[Value]) -> Result<Vec<Row>> {
    Ok(Vec::new())
}

fn item(types: &Types<'_>) -> Oid {
    types.arguments.first().map_or(types::TEXT, |array| (types.elem)(array.oid))
}

fn whole(types: &Types<'_>) -> Oid {
    if types.arguments.iter().any(|kind| kind.oid == INT8) { INT8 } else { INT4 }
}

fn series(_: &Statement<'_>, a: &[Value]) -> Result<Vec<Row>> {
    let (from, to) = (int(a, 0)?, int(a, 1)?);
    let step = if a.len() > 2 { int(a, 2)? } else { 1 };
    if step == 0 {
        return Err(Fault::new("22023", "step size cannot equal zero"));
    }
    let (mut rows, mut at) = (Vec::new(), from);
    while (step > 0 && at <= to) || (step < 0 && at >= to) {
        rows.push(row([Value::Int(at)]));
        let Some(next) = at.checked_add(step) else { break };
        at = next;
    }
    Ok(rows)
}
