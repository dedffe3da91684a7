//! Tables that a rollup declares in its own front-matter, so that a user's rollup needs only one file.

use crate::catalog::schemas;
use crate::catalog::yaml::{MapReader, Value};
use crate::model::fault::{Fault, did_you_mean};
use crate::model::pipeline::{ColumnPlace, DeclaredTable, PipelineDef, PipelineKind};
use crate::model::table::{ColumnDef, ColumnType, Merge, TableDef, TableKind};
use arrow::datatypes::DataType;
use std::collections::HashMap;

#[cfg(test)]
mod tests;

/// The columns that every rollup has without declaring them.
const WINDOW_START: &str = "window_start";
const RESOLUTION: &str = "resolution";
/// Default resolutions in seconds, the same as those of the built-in rollups.
const RESOLUTIONS_S: [i64; 3] = [10, 60, 3600];

/// Reads `columns`, `resolutions` and `doc`. Returns `None` without `columns`: the table is then defined in `schemas/`.
pub(super) fn read(map: &MapReader<'_>, name: &str, title: &str) -> Option<DeclaredTable> {
    if !map.has("columns") {
        for key in ["resolutions", "doc"] {
            if map.has(key) {
                map.fault(key, "is of a table that is declared here, by its `columns`; without them, remove it");
            }
        }
        return None;
    }
    if !name.is_empty() && !schemas::is_name(name) {
        map.fault("table", format!("expected lower-case letters, digits and _, found {name:?}"));
    }
    let mut columns = vec![implied_window_start(), implied_resolution()];
    let mut places = Vec::new();
    for (index, (column, line)) in schemas::columns(map, TableKind::Rollup).into_iter().enumerate() {
        let key = format!("{}[{index}]", map.path("columns"));
        if [WINDOW_START, RESOLUTION].contains(&column.name.as_str()) {
            map.gather().fault(line, format!("{key}.name"), format!("every rollup has {:?}; remove it", column.name));
            continue;
        }
        // A repeated column is already reported as a fault, and a table must not contain it twice.
        if columns.iter().any(|known| known.name == column.name) {
            continue;
        }
        columns.push(column);
        places.push(ColumnPlace { line, key });
    }
    let empty = map.list("columns").is_some_and(<[_]>::is_empty);
    if empty || map.get("columns").is_some_and(|node| node.value == Value::Null) {
        map.fault("columns", "expected the columns of the table, found none");
    }
    let given = map.has("resolutions");
    let resolutions_s = if given { schemas::resolutions(map, TableKind::Rollup) } else { RESOLUTIONS_S.to_vec() };
    let doc = map.str("doc").unwrap_or_else(|| format!("{}.", title.trim_end_matches('.')));
    let table = TableDef { name: name.to_owned(), kind: TableKind::Rollup, doc, resolutions_s, columns };
    Some(DeclaredTable { table, places })
}

fn implied_window_start() -> ColumnDef {
    implied(WINDOW_START, ColumnType::TimestampUs, None, "When the window begins, UTC.")
}

fn implied_resolution() -> ColumnDef {
    implied(RESOLUTION, ColumnType::Int64, Some("s"), "Length of the window; 0 is all time.")
}

fn implied(name: &str, kind: ColumnType, unit: Option<&str>, doc: &str) -> ColumnDef {
    ColumnDef {
        name: name.to_owned(),
        kind,
        unit: unit.map(str::to_owned),
        low_cardinality: false,
        from: Vec::new(),
        merge: Some(Merge::Key),
        filled_from: None,
        doc: doc.to_owned(),
    }
}

/// Adds the tables that pipelines declare to those of `schemas/`. Returns a fault for each conflict.
pub fn lay_over(tables: &mut Vec<TableDef>, pipelines: &[PipelineDef]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut taken: HashMap<String, String> = HashMap::new();
    for table in tables.iter() {
        taken.extend(names_of(table).into_iter().map(|name| (name, format!("the table {}", table.name))));
    }
    for view in pipelines.iter().filter(|pipeline| pipeline.kind == PipelineKind::View) {
        taken.insert(view.id.clone(), format!("the view of {}", view.file));
    }
    let mut first: HashMap<&str, (&PipelineDef, &DeclaredTable)> = HashMap::new();
    for pipeline in pipelines {
        // An invalid name is already reported as a fault of its file.
        let Some(declared) = pipeline.declares.as_ref().filter(|declared| schemas::is_name(&declared.table.name))
        else {
            continue;
        };
        let name = declared.table.name.as_str();
        if let Some((other, before)) = first.get(name) {
            faults.extend(difference(pipeline, declared, other, before));
            continue;
        }
        if let Some((name, owner)) = names_of(&declared.table).iter().find_map(|name| taken.get_key_value(name)) {
            let message = format!(
                "{name:?} is there already, as {owner}: name yours otherwise, or remove `columns` to fill a rollup that is there"
            );
            faults.push(Fault::new(&pipeline.file, pipeline.table_line, "table", message));
            continue;
        }
        let owner = format!("the table {name} of {}", pipeline.file);
        taken.extend(names_of(&declared.table).into_iter().map(|name| (name, owner.clone())));
        first.insert(name, (pipeline, declared));
        tables.push(declared.table.clone());
    }
    faults
}

/// Returns the SQL names of a table.
fn names_of(table: &TableDef) -> Vec<String> {
    let mut names = vec![table.name.clone()];
    names.extend((table.kind == TableKind::Signal).then(|| format!("new_{}", table.name)));
    names.extend(table.coarse_views().into_iter().map(|(_, name)| name));
    names
}

/// Returns the differences between a second declaration of a table and the first.
fn difference(
    pipeline: &PipelineDef,
    declared: &DeclaredTable,
    other: &PipelineDef,
    before: &DeclaredTable,
) -> Vec<Fault> {
    let there = format!("{}:{}", other.file, other.table_line);
    let mut faults = Vec::new();
    let mut fault = |line: usize, key: &str, what: String| {
        let message = format!("{what} {there}, which declares the same table; declare it once, and fill it from both");
        faults.push(Fault::new(&pipeline.file, line, key, message));
    };
    if declared.table.resolutions_s != before.table.resolutions_s {
        fault(pipeline.table_line, "resolutions", "are not those of".to_owned());
    }
    for (column, place) in declared.columns() {
        match before.table.column(&column.name) {
            Some(known) if known == column => {}
            Some(_) => fault(place.line, &place.key, format!("{:?} is not as in", column.name)),
            None => fault(place.line, &place.key, format!("{:?} is not in", column.name)),
        }
    }
    for (column, _) in before.columns() {
        if declared.table.column(&column.name).is_none() {
            fault(pipeline.table_line, "columns", format!("{:?} is missing, and is in", column.name));
        }
    }
    faults
}

/// Compares the columns of a rollup's statement with the table that it declares. Returns no faults if it declares none.
#[must_use]
pub fn held_against(pipeline: &PipelineDef, statement: &[(String, DataType)]) -> Vec<Fault> {
    let Some(declared) = &pipeline.declares else { return Vec::new() };
    let mut faults = Vec::new();
    let given = |name: &str| statement.iter().find(|(known, _)| known == name);
    let stray: Vec<&str> =
        statement.iter().map(|(name, _)| name.as_str()).filter(|name| declared.table.column(name).is_none()).collect();
    let mut meant = Vec::new();
    let mut missing = |line: usize, key: &str, name: &str| {
        let hint = did_you_mean(name, stray.iter().copied());
        meant.extend(hint);
        let hint = hint.map_or(String::new(), |word| format!("; did you mean {word:?}?"));
        let found = statement.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        let message = format!("expected a column {name:?} from the statement, found {found}{hint}");
        Fault::new(&pipeline.file, line, key, message)
    };
    match given(WINDOW_START) {
        None => faults.push(missing(pipeline.sql_line, "", WINDOW_START)),
        Some((_, found)) => faults.extend(
            unfit(found, ColumnType::TimestampUs, WINDOW_START)
                .map(|message| Fault::new(&pipeline.file, pipeline.sql_line, "", message)),
        ),
    }
    for (column, place) in declared.columns() {
        match given(&column.name) {
            None => faults.push(missing(place.line, &place.key, &column.name)),
            Some((_, found)) => faults.extend(
                unfit(found, column.kind, &column.name)
                    .map(|message| Fault::new(&pipeline.file, place.line, format!("{}.type", place.key), message)),
            ),
        }
    }
    for name in stray.iter().filter(|name| !meant.contains(name)) {
        let message = format!("the statement gives {name:?}, which `columns` does not declare: it would be lost");
        faults.push(Fault::new(&pipeline.file, pipeline.sql_line, "", message));
    }
    faults
}

/// Returns an error message if a column cannot store values of the found type.
fn unfit(found: &DataType, column: ColumnType, name: &str) -> Option<String> {
    if fits(found, column) {
        return None;
    }
    let expected = column.word();
    let found = ColumnType::WORDS
        .iter()
        .find(|(_, known)| fits(found, *known))
        .map_or_else(|| found.to_string(), |(word, _)| (*word).to_owned());
    Some(format!("expected {expected}, found {found} as {name:?} of the statement"))
}

/// Returns whether a column stores values of a type without loss.
fn fits(found: &DataType, column: ColumnType) -> bool {
    let item = |kind: ColumnType| match found {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            fits(item.data_type(), kind)
        }
        _ => false,
    };
    match (column, found) {
        (_, DataType::Null) => true,
        (_, DataType::Dictionary(_, values)) => fits(values, column),
        (ColumnType::String, _) => found.is_string(),
        (ColumnType::Int64, _) => found.is_integer(),
        (ColumnType::Float64, _) => found.is_numeric(),
        (ColumnType::Bool, _) => *found == DataType::Boolean,
        (ColumnType::TimestampUs, _) => matches!(found, DataType::Timestamp(_, _)),
        (ColumnType::Binary, _) => found.is_binary(),
        (ColumnType::Map, _) => matches!(found, DataType::Map(_, _)),
        (ColumnType::ListString, _) => item(ColumnType::String),
        (ColumnType::ListFloat64, _) => item(ColumnType::Float64),
        (ColumnType::ListInt64, _) => item(ColumnType::Int64),
    }
}
