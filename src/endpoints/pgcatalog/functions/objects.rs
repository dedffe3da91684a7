//! Functions of catalog objects: names, definitions, descriptions and sizes.

use super::signature::{Builtin, int, lax, oid, strict, text};
use crate::endpoints::pgcatalog::fault::Result;
use crate::endpoints::pgcatalog::names::{self, Names};
use crate::endpoints::pgcatalog::statement::Statement;
use crate::endpoints::pgcatalog::system::OWNER;
use crate::endpoints::pgcatalog::types::{
    ANY, BOOL, INT2, INT4, INT8, NAME, OID, REGCLASS, REGCOLLATION, REGNAMESPACE, REGOPER, REGPROC, REGPROCEDURE,
    REGROLE, REGTYPE, TEXT, TEXT_ARRAY,
};
use crate::endpoints::pgcatalog::value::Value;

type Oid = u32;

pub(super) const FUNCTIONS: &[Builtin] = &[
    lax("format_type", &[OID, INT4], TEXT, |run, a| {
        if a[0].is_null() {
            return Ok(Value::Null);
        }
        let modifier = a.get(1).and_then(Value::as_int).unwrap_or(-1);
        Ok(run.names().type_name_with(oid(a, 0)?, modifier).into())
    }),
    // There are no column defaults, constraints or indexes.
    strict("pg_get_expr", &[ANY, OID, BOOL], TEXT, |_, a| Ok(a[0].clone())).optional(1),
    strict("pg_get_constraintdef", &[OID, BOOL], TEXT, null).optional(1),
    strict("pg_get_indexdef", &[OID, INT4, BOOL], TEXT, null).optional(2),
    strict("pg_get_ruledef", &[OID, BOOL], TEXT, null).optional(1),
    strict("pg_get_triggerdef", &[OID, BOOL], TEXT, null).optional(1),
    strict("pg_get_viewdef", &[REGCLASS, ANY], TEXT, |run, a| {
        let view = oid(a, 0)?;
        let own = run.snapshot.table_of(view).and_then(|table| table.table.definition.as_deref());
        let text = own.or_else(|| run.snapshot.relation_of(view).and_then(|relation| relation.definition.view));
        Ok(text.map(|text| format!(" {};", text.trim().trim_end_matches(';').trim_end())).into())
    })
    .optional(1),
    strict("pg_get_functiondef", &[OID], TEXT, null),
    strict("pg_get_function_sqlbody", &[OID], TEXT, null),
    strict("pg_get_function_arg_default", &[OID, INT4], TEXT, null),
    strict("pg_get_partkeydef", &[OID], TEXT, null),
    strict("pg_get_partition_constraintdef", &[OID], TEXT, null),
    strict("pg_get_statisticsobjdef", &[OID], TEXT, null),
    strict("pg_get_statisticsobjdef_columns", &[OID], TEXT, null),
    strict("pg_get_statisticsobjdef_expressions", &[OID], TEXT_ARRAY, null),
    strict("pg_get_replica_identity_index", &[REGCLASS], REGCLASS, null),
    strict("pg_get_serial_sequence", &[TEXT, TEXT], TEXT, null),
    strict("pg_get_function_arguments", &[OID], TEXT, arguments),
    strict("pg_get_function_identity_arguments", &[OID], TEXT, arguments),
    strict("pg_get_function_result", &[OID], TEXT, |run, a| {
        let Some(row) = Procedure::of(run, oid(a, 0)?) else { return Ok(Value::Null) };
        let of = if row.value("proretset").is_true() { "SETOF " } else { "" };
        Ok(format!("{of}{}", run.names().type_name(row.oid("prorettype"))).into())
    }),
    strict("pg_get_userbyid", &[OID], NAME, |run, a| {
        let role = oid(a, 0)?;
        Ok(if role == OWNER { run.client.user.as_str().into() } else { format!("unknown (OID={role})").into() })
    }),
    strict("pg_table_is_visible", &[OID], BOOL, |run, a| {
        let class = run.snapshot.class(oid(a, 0)?);
        Ok(class.map(|(schema, _)| matches!(schema, "public" | "pg_catalog")).into())
    }),
    strict("pg_type_is_visible", &[OID], BOOL, |run, a| {
        Ok(run.snapshot.type_info(oid(a, 0)?).map(|info| info.kind != 'd').into())
    }),
    strict("pg_function_is_visible", &[OID], BOOL, |run, a| {
        Ok(run.snapshot.system.procedure(oid(a, 0)?).map(|_| true).into())
    }),
    strict("pg_operator_is_visible", &[OID], BOOL, yes),
    strict("pg_opclass_is_visible", &[OID], BOOL, yes),
    strict("pg_opfamily_is_visible", &[OID], BOOL, yes),
    strict("pg_collation_is_visible", &[OID], BOOL, yes),
    strict("pg_conversion_is_visible", &[OID], BOOL, yes),
    strict("pg_ts_config_is_visible", &[OID], BOOL, yes),
    strict("pg_ts_dict_is_visible", &[OID], BOOL, yes),
    strict("pg_ts_parser_is_visible", &[OID], BOOL, yes),
    strict("pg_ts_template_is_visible", &[OID], BOOL, yes),
    strict("pg_statistics_obj_is_visible", &[OID], BOOL, yes),
    strict("obj_description", &[OID, NAME], TEXT, |run, a| {
        let of = a.get(1).and_then(Value::as_text).and_then(|name| run.snapshot.class_named(Some("pg_catalog"), name));
        Ok(description(run, "pg_description", oid(a, 0)?, of, 0))
    })
    .optional(1),
    strict("col_description", &[OID, INT4], TEXT, |run, a| {
        let of = run.snapshot.class_named(Some("pg_catalog"), "pg_class");
        Ok(description(run, "pg_description", oid(a, 0)?, of, int(a, 1)?))
    }),
    strict("shobj_description", &[OID, NAME], TEXT, null),
    strict("pg_describe_object", &[OID, OID, INT4], TEXT, |run, a| {
        Ok(run.names().class_name(oid(a, 1)?).map(|name| format!("table {name}")).into())
    }),
    strict("to_regclass", &[TEXT], REGCLASS, |run, a| look(run, a, REGCLASS)),
    strict("to_regtype", &[TEXT], REGTYPE, |run, a| look(run, a, REGTYPE)),
    strict("to_regproc", &[TEXT], REGPROC, |run, a| look(run, a, REGPROC)),
    strict("to_regprocedure", &[TEXT], REGPROCEDURE, |run, a| look(run, a, REGPROCEDURE)),
    strict("to_regnamespace", &[TEXT], REGNAMESPACE, |run, a| look(run, a, REGNAMESPACE)),
    strict("to_regrole", &[TEXT], REGROLE, |run, a| look(run, a, REGROLE)),
    strict("to_regoper", &[TEXT], REGOPER, |run, a| look(run, a, REGOPER)),
    strict("to_regcollation", &[TEXT], REGCOLLATION, |run, a| look(run, a, REGCOLLATION)),
    // The disk usage of a table is unknown: rows are in memory and in a shared log.
    strict("pg_relation_size", &[REGCLASS, TEXT], INT8, zero).optional(1),
    strict("pg_total_relation_size", &[REGCLASS], INT8, zero),
    strict("pg_table_size", &[REGCLASS], INT8, zero),
    strict("pg_indexes_size", &[REGCLASS], INT8, zero),
    strict("pg_database_size", &[ANY], INT8, zero),
    strict("pg_tablespace_size", &[ANY], INT8, zero),
    strict("pg_column_size", &[ANY], INT4, |_, a| Ok(Value::Int(i64::try_from(a[0].bytes()).unwrap_or_default()))),
    strict("pg_size_pretty", &[INT8], TEXT, |_, a| Ok(pretty(int(a, 0)?).into())),
    strict("pg_tablespace_location", &[OID], TEXT, |_, _| Ok("".into())),
    strict("pg_relation_filepath", &[REGCLASS], TEXT, null),
    strict("pg_relation_filenode", &[REGCLASS], OID, null),
    strict("pg_relation_is_publishable", &[REGCLASS], BOOL, |_, _| Ok(false.into())),
    strict("pg_relation_is_updatable", &[REGCLASS, BOOL], INT4, zero),
    strict("pg_column_is_updatable", &[REGCLASS, INT2, BOOL], BOOL, |_, _| Ok(false.into())),
    strict("pg_index_column_has_property", &[REGCLASS, INT4, TEXT], BOOL, null),
    strict("pg_index_has_property", &[REGCLASS, TEXT], BOOL, null),
    strict("pg_indexam_has_property", &[OID, TEXT], BOOL, |_, a| {
        Ok(matches!(text(a, 1)?, "can_order" | "can_unique" | "can_multi_col" | "can_exclude" | "can_include").into())
    }),
    strict("pg_sequence_last_value", &[REGCLASS], INT8, null),
    strict("pg_stat_get_numscans", &[OID], INT8, zero),
    strict("pg_stat_get_live_tuples", &[OID], INT8, zero),
    strict("pg_stat_get_dead_tuples", &[OID], INT8, zero),
    strict("pg_stat_get_blocks_fetched", &[OID], INT8, zero),
    strict("pg_stat_get_blocks_hit", &[OID], INT8, zero),
    strict("pg_stat_get_tuples_returned", &[OID], INT8, zero),
    strict("pg_stat_get_tuples_fetched", &[OID], INT8, zero),
    strict("row_security_active", &[REGCLASS], BOOL, |_, _| Ok(false.into())),
    lax("pg_collation_for", &[ANY], TEXT, null),
    strict("pg_encoding_to_char", &[INT4], NAME, |_, a| Ok(if int(a, 0)? == 6 { "UTF8" } else { "" }.into())),
    strict("pg_char_to_encoding", &[NAME], INT4, |_, a| {
        Ok(Value::Int(if matches!(text(a, 0)?.to_uppercase().as_str(), "UTF8" | "UTF-8") { 6 } else { -1 }))
    }),
    strict("pg_encoding_max_length", &[INT4], INT4, |_, _| Ok(Value::Int(4))),
];

#[expect(clippy::unnecessary_wraps, reason = "the form that all functions have")]
fn null(_: &Statement<'_>, _: &[Value]) -> Result<Value> {
    Ok(Value::Null)
}

#[expect(clippy::unnecessary_wraps, reason = "the form that all functions have")]
fn yes(_: &Statement<'_>, _: &[Value]) -> Result<Value> {
    Ok(true.into())
}

#[expect(clippy::unnecessary_wraps, reason = "the form that all functions have")]
fn zero(_: &Statement<'_>, _: &[Value]) -> Result<Value> {
    Ok(Value::Int(0))
}

fn look(run: &Statement<'_>, a: &[Value], kind: Oid) -> Result<Value> {
    let name = text(a, 0)?;
    // A number is an oid; an unknown name is NULL.
    Ok(match name.trim().parse::<u32>() {
        Ok(number) => number.into(),
        Err(_) => run.names().lookup(name.trim(), kind).into(),
    })
}

fn description(run: &Statement<'_>, table: &str, object: Oid, of: Option<Oid>, column: i64) -> Value {
    let Some(relation) = run.snapshot.relation(None, table) else { return Value::Null };
    let rows = run.snapshot.rows(relation);
    let index = run.snapshot.index(relation, 0);
    // objoid, classoid, objsubid, description.
    let fits =
        |row: &&std::sync::Arc<[Value]>| of.is_none_or(|of| row[1] == Value::from(of)) && row[2] == Value::Int(column);
    let places = index.get(&Value::from(object)).map_or(&[][..], Vec::as_slice);
    places.iter().map(|place| &rows[*place]).find(fits).map(|row| row[3].clone()).unwrap_or_default()
}

fn pretty(bytes: i64) -> String {
    let mut left = bytes;
    for unit in ["bytes", "kB", "MB", "GB", "TB"] {
        if left.abs() < 10_240 {
            return format!("{left} {unit}");
        }
        left = (left + left.signum() * 512) / 1024;
    }
    format!("{left} PB")
}

/// A row of `pg_proc`.
struct Procedure {
    row: crate::endpoints::pgcatalog::value::Row,
    columns: std::sync::Arc<[crate::endpoints::pgcatalog::types::Column]>,
}

impl Procedure {
    fn of(run: &Statement<'_>, oid: Oid) -> Option<Procedure> {
        let relation = run.snapshot.relation(None, "pg_proc")?;
        let rows = run.snapshot.rows(relation);
        let place = *run.snapshot.index(relation, 0).get(&Value::from(oid))?.first()?;
        Some(Procedure { row: rows[place].clone(), columns: relation.columns().clone() })
    }

    fn value(&self, name: &str) -> Value {
        let place = self.columns.iter().position(|column| &*column.name == name);
        place.map(|place| self.row[place].clone()).unwrap_or_default()
    }

    fn oid(&self, name: &str) -> Oid {
        self.value(name).as_int().and_then(|oid| Oid::try_from(oid).ok()).unwrap_or_default()
    }

    fn items(&self, name: &str) -> Vec<Value> {
        self.value(name).as_array().map(|array| array.items.clone()).unwrap_or_default()
    }
}

fn arguments(run: &Statement<'_>, a: &[Value]) -> Result<Value> {
    let Some(row) = Procedure::of(run, oid(a, 0)?) else { return Ok(Value::Null) };
    let all = row.items("proallargtypes");
    let kinds = if all.is_empty() { row.items("proargtypes") } else { all };
    let (modes, titles) = (row.items("proargmodes"), row.items("proargnames"));
    let run_names: Names<'_> = run.names();
    let mut parts = Vec::new();
    for (at, kind) in kinds.iter().enumerate() {
        let mode = match modes.get(at).and_then(Value::as_text) {
            // Skips the columns of a result, which are not arguments.
            Some("t") => continue,
            Some("o") => "OUT ",
            Some("b") => "INOUT ",
            Some("v") => "VARIADIC ",
            _ => "",
        };
        let title = titles.get(at).and_then(Value::as_text).filter(|title| !title.is_empty());
        let title = title.map(|title| names::quote(title) + " ").unwrap_or_default();
        let kind = kind.as_int().and_then(|oid| Oid::try_from(oid).ok()).unwrap_or_default();
        parts.push(format!("{mode}{title}{}", run_names.type_name(kind)));
    }
    Ok(parts.join(", ").into())
}
