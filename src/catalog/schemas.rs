//! Parses `schemas/*.yaml`: each file defines one table. The decoder, the SQL reference and the docs use these definitions.
//!
//! A user's folder can contain files of the same format. A file with the name of a built-in signal table adds promoted columns
//! to it, or changes the sources of promoted columns; a file with a new name adds a rollup table.

use crate::catalog::yaml::{self, Gather, MapReader};
use crate::model::fault::{Fault, Faults, hint};
use crate::model::table::{ColumnDef, ColumnType, Merge, Source, TableDef, TableKind};
use std::path::Path;

#[cfg(test)]
mod tests;

/// Built-in tables, one per line.
const BUILTIN: &[(&str, &str)] = &[
    ("schemas/spans.yaml", include_str!("../../schemas/spans.yaml")),
    ("schemas/span_events.yaml", include_str!("../../schemas/span_events.yaml")),
    ("schemas/span_links.yaml", include_str!("../../schemas/span_links.yaml")),
    ("schemas/metrics.yaml", include_str!("../../schemas/metrics.yaml")),
    ("schemas/histograms.yaml", include_str!("../../schemas/histograms.yaml")),
    ("schemas/logs.yaml", include_str!("../../schemas/logs.yaml")),
    ("schemas/requests.yaml", include_str!("../../schemas/requests.yaml")),
    ("schemas/span_metrics.yaml", include_str!("../../schemas/span_metrics.yaml")),
    ("schemas/queries.yaml", include_str!("../../schemas/queries.yaml")),
    ("schemas/outgoing_calls.yaml", include_str!("../../schemas/outgoing_calls.yaml")),
    ("schemas/jobs.yaml", include_str!("../../schemas/jobs.yaml")),
    ("schemas/failures.yaml", include_str!("../../schemas/failures.yaml")),
    ("schemas/caches.yaml", include_str!("../../schemas/caches.yaml")),
    ("schemas/pools.yaml", include_str!("../../schemas/pools.yaml")),
    ("schemas/resources.yaml", include_str!("../../schemas/resources.yaml")),
    ("schemas/databases.yaml", include_str!("../../schemas/databases.yaml")),
    ("schemas/applications.yaml", include_str!("../../schemas/applications.yaml")),
    ("schemas/budgets.yaml", include_str!("../../schemas/budgets.yaml")),
    ("schemas/findings.yaml", include_str!("../../schemas/findings.yaml")),
    ("schemas/firings.yaml", include_str!("../../schemas/firings.yaml")),
    ("schemas/alerts.yaml", include_str!("../../schemas/alerts.yaml")),
    ("schemas/exporters.yaml", include_str!("../../schemas/exporters.yaml")),
    ("schemas/dead_letters.yaml", include_str!("../../schemas/dead_letters.yaml")),
    ("schemas/pipelines.yaml", include_str!("../../schemas/pipelines.yaml")),
    ("schemas/coverage.yaml", include_str!("../../schemas/coverage.yaml")),
    ("schemas/memory.yaml", include_str!("../../schemas/memory.yaml")),
];

const KINDS: [(&str, TableKind); 3] =
    [("signal", TableKind::Signal), ("rollup", TableKind::Rollup), ("state", TableKind::State)];

const MERGES: [(&str, Merge); 9] = [
    ("key", Merge::Key),
    ("sum", Merge::Sum),
    ("max", Merge::Max),
    ("min", Merge::Min),
    ("last", Merge::Last),
    ("sketch", Merge::Sketch),
    ("distinct", Merge::Distinct),
    ("buckets", Merge::Buckets),
    ("exemplars", Merge::Exemplars),
];

/// Parses the built-in tables, in the order in which they are listed.
///
/// # Errors
/// All faults of all files.
pub fn builtin() -> Result<Vec<TableDef>, Faults> {
    let mut faults = Vec::new();
    let mut tables = Vec::new();
    for (file, text) in BUILTIN {
        match parse(file, text) {
            Ok(table) => tables.push(table),
            Err(found) => faults.extend(found.0),
        }
    }
    if faults.is_empty() { Ok(tables) } else { Err(Faults(faults)) }
}

/// Parses one file.
///
/// # Errors
/// All faults of the file.
pub fn parse(file: &str, text: &str) -> Result<TableDef, Faults> {
    let root = yaml::parse(file, text)?;
    let gather = Gather::new(file);
    let table = gather.map(&root, "").map(|map| table(file, map));
    gather.done()?;
    table.ok_or_else(Faults::default)
}

/// Adds the tables of a user's folder: `*.yaml` in the order of their names.
///
/// # Errors
/// All faults of all files, or of the folder.
pub fn load_dir(dir: &Path, mut tables: Vec<TableDef>) -> Result<Vec<TableDef>, Faults> {
    let mut faults = Vec::new();
    let folder_fault = |error: std::io::Error| {
        Faults(vec![Fault::new(dir.display().to_string(), 0, "", format!("cannot be read: {error}"))])
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(folder_fault)? {
        let path = entry.map_err(folder_fault)?.path();
        if path.extension().is_some_and(|ext| ext == "yaml" || ext == "yml") {
            paths.push(path);
        }
    }
    paths.sort();
    for path in paths {
        let file = path.display().to_string();
        let laid = std::fs::read_to_string(&path)
            .map_err(|error| Faults(vec![Fault::new(&file, 0, "", format!("cannot be read: {error}"))]))
            .and_then(|text| parse(&file, &text))
            .and_then(|table| lay_over(&file, table, &mut tables));
        if let Err(found) = laid {
            faults.extend(found.0);
        }
    }
    if faults.is_empty() { Ok(tables) } else { Err(Faults(faults)) }
}

/// Merges one user table into the others.
fn lay_over(file: &str, own: TableDef, tables: &mut Vec<TableDef>) -> Result<(), Faults> {
    let gather = Gather::new(file);
    let Some(base) = tables.iter_mut().find(|table| table.name == own.name) else {
        if own.kind == TableKind::Rollup {
            tables.push(own);
            return Ok(());
        }
        let hint = hint(&own.name, tables.iter().map(|table| table.name.as_str()));
        let message = format!("expected a built-in signal table or a new rollup, found {:?}{hint}", own.name);
        gather.fault(0, "table", message);
        return gather.done();
    };
    if base.kind != TableKind::Signal || own.kind != TableKind::Signal {
        gather.fault(0, "table", format!("expected a signal table to add columns to, found {:?}", own.name));
        return gather.done();
    }
    for column in own.columns {
        let place = format!("columns.{}", column.name);
        if column.from.is_empty() {
            gather.fault(0, place, "expected `from` with the attributes that the column is promoted from, found none");
            continue;
        }
        match base.columns.iter_mut().find(|known| known.name == column.name) {
            None => base.columns.push(column),
            Some(known) if known.from.is_empty() => {
                gather.fault(0, place, "the decoder fills this column; it cannot be promoted from an attribute");
            }
            Some(known) if known.kind != column.kind => {
                let message = format!("expected type {}, found {}", known.kind.word(), column.kind.word());
                gather.fault(0, place, message);
            }
            Some(known) => *known = column,
        }
    }
    gather.done()
}

fn table(file: &str, map: MapReader<'_>) -> TableDef {
    let name = map.need_str("table");
    let stem = Path::new(file).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    if !name.is_empty() && name != stem {
        map.fault("table", format!("expected {stem:?} as the file is named, found {name:?}"));
    }
    let kind = map.word("kind", &KINDS);
    map.need("kind");
    let kind = kind.unwrap_or(TableKind::Signal);
    let doc = map.need_str("doc");
    let resolutions_s = resolutions(&map, kind);
    map.need("columns");
    let columns = columns(&map, kind).into_iter().map(|(column, _)| column).collect();
    map.finish();
    TableDef { name, kind, doc, resolutions_s, columns }
}

/// Reads `columns` with their lines: of a schema file, or of a rollup that declares its own table.
pub(super) fn columns(map: &MapReader<'_>, kind: TableKind) -> Vec<(ColumnDef, usize)> {
    let mut columns: Vec<(ColumnDef, usize)> = Vec::new();
    for reader in map.maps("columns") {
        let line = reader.line();
        let gather = reader.gather();
        let place = reader.path("name");
        let column = column(reader, kind);
        if columns.iter().any(|(known, _)| known.name == column.name) {
            gather.fault(line, place, format!("the column {:?} is given twice", column.name));
        }
        columns.push((column, line));
    }
    for (column, line) in &columns {
        if let Some(message) = fill_fault(column, &columns) {
            map.gather().fault(*line, map.path("columns"), message);
        }
    }
    let needs_time = columns.iter().any(|(column, _)| column.merge == Some(Merge::Last));
    if needs_time && !columns.iter().any(|(column, _)| column.name == "last_time") {
        map.fault("columns", "`merge: last` needs a column `last_time`, found none");
    }
    columns
}

/// Returns why a column cannot be filled from the column that it names.
fn fill_fault(column: &ColumnDef, columns: &[(ColumnDef, usize)]) -> Option<String> {
    let from = column.filled_from.as_ref()?;
    let is_number = |kind| matches!(kind, ColumnType::Int64 | ColumnType::Float64);
    match columns.iter().map(|(known, _)| known).find(|known| known.name == *from) {
        Some(known) if known.name != column.name && is_number(known.kind) && is_number(column.kind) => None,
        Some(known) => {
            let (kind, found) = (column.kind.word(), known.kind.word());
            Some(format!(
                "{}: filled_from: expected another column of numbers for {kind}, found {from:?}, {found}",
                column.name
            ))
        }
        None => {
            let hint = hint(from, columns.iter().map(|(known, _)| known.name.as_str()));
            Some(format!("{}: filled_from: expected a column of this table, found {from:?}{hint}", column.name))
        }
    }
}

/// Reads `resolutions` in seconds, finest first; 0 for `total`.
pub(super) fn resolutions(map: &MapReader<'_>, kind: TableKind) -> Vec<i64> {
    let mut seconds: Vec<i64> = Vec::new();
    for word in map.strs("resolutions") {
        match resolution(&word) {
            Some(value) if seconds.last().is_none_or(|last| *last < value && *last > 0) => seconds.push(value),
            Some(_) => map.fault("resolutions", format!("expected finest first, and `total` alone, found {word:?}")),
            None => map.fault("resolutions", format!("expected 10s, 1m, 1h and the like, or total, found {word:?}")),
        }
    }
    match (kind, seconds.is_empty()) {
        (TableKind::Rollup, true) => map.fault("resolutions", "expected resolutions of a rollup, found none"),
        (TableKind::Signal | TableKind::State, false) => map.fault("resolutions", "only a rollup has resolutions"),
        _ => {}
    }
    seconds
}

/// Parses `10s`, `1m` or `1h` to seconds; `total` to 0.
fn resolution(word: &str) -> Option<i64> {
    if word == "total" {
        return Some(0);
    }
    let (number, unit) = word.split_at_checked(word.len().checked_sub(1)?)?;
    let unit_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    number.parse::<i64>().ok().filter(|n| *n > 0)?.checked_mul(unit_s)
}

/// Returns whether SQL accepts the name without quotes.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    !name.is_empty() && name.chars().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit())
}

fn column(map: MapReader<'_>, kind: TableKind) -> ColumnDef {
    let name = map.need_str("name");
    if !name.is_empty() && !is_name(&name) {
        map.fault("name", format!("expected lower-case letters, digits and _, found {name:?}"));
    }
    map.need("type");
    let column_type = map.word("type", &ColumnType::WORDS).unwrap_or(ColumnType::String);
    let from: Vec<Source> = map.strs("from").iter().map(|text| source(text)).collect();
    if !from.is_empty() && kind != TableKind::Signal {
        map.fault("from", "only a column of a signal table is promoted from attributes");
    }
    let promotable = [ColumnType::String, ColumnType::Int64, ColumnType::Float64, ColumnType::Bool];
    if !from.is_empty() && !promotable.contains(&column_type) {
        let found = column_type.word();
        map.fault("type", format!("expected string, int64, float64 or bool for a promoted column, found {found}"));
    }
    let merge = map.word("merge", &MERGES);
    match (kind, merge) {
        (TableKind::Rollup, None) => {
            map.need("merge");
        }
        (TableKind::Rollup, Some(merge)) if !fits(merge, column_type) => {
            map.fault("merge", format!("cannot merge a column of type {}", column_type.word()));
        }
        (TableKind::Signal | TableKind::State, Some(_)) => map.fault("merge", "only a column of a rollup merges"),
        _ => {}
    }
    let filled_from = map.str("filled_from");
    if filled_from.is_some() && kind != TableKind::Rollup {
        map.fault("filled_from", "only a column of a rollup is filled from another");
    }
    let column = ColumnDef {
        name,
        kind: column_type,
        unit: map.str("unit"),
        low_cardinality: map.bool("low_cardinality").unwrap_or(false),
        from,
        merge,
        filled_from,
        doc: map.need_str("doc"),
    };
    map.finish();
    column
}

/// Returns whether a merge function supports a column type.
fn fits(merge: Merge, kind: ColumnType) -> bool {
    match merge {
        Merge::Key | Merge::Last => true,
        Merge::Sum => matches!(kind, ColumnType::Int64 | ColumnType::Float64),
        Merge::Max | Merge::Min => matches!(kind, ColumnType::Int64 | ColumnType::Float64 | ColumnType::TimestampUs),
        Merge::Sketch | Merge::Distinct => kind == ColumnType::Binary,
        Merge::Buckets => kind == ColumnType::ListInt64,
        Merge::Exemplars => kind == ColumnType::String,
    }
}

fn source(text: &str) -> Source {
    match text.split_once(':') {
        Some(("resource", name)) => Source::Resource(name.to_owned()),
        Some(("scope", name)) => Source::Scope(name.to_owned()),
        _ => Source::Attribute(text.to_owned()),
    }
}
