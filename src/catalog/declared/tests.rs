use super::*;
use crate::catalog::{pipelines, schemas};

const HEAD: &str = "/*---\ntitle: Visits\nkind: rollup\ntable: visits\nreads: [spans]\n";
const COLUMNS: &str = "columns:
  - {name: service_name, type: string, merge: key, doc: d}
  - {name: calls, type: int64, unit: \"{call}\", merge: sum, doc: d}
  - {name: slowest_ms, type: float64, unit: ms, merge: max, doc: d}
";
const TAIL: &str = "---\nWhy. */\nSELECT 1\n";

fn parsed(file: &str, front: &str) -> PipelineDef {
    pipelines::parse(file, &format!("{HEAD}{front}{TAIL}")).unwrap_or_else(|faults| panic!("{faults}"))
}

fn told(faults: &[Fault]) -> Vec<String> {
    faults.iter().map(ToString::to_string).collect()
}

fn all_tables() -> Vec<TableDef> {
    schemas::builtin().unwrap_or_else(|faults| panic!("{faults}"))
}

#[test]
fn window_and_resolutions_are_those_of_every_rollup() {
    let declared = parsed("visits.sql", COLUMNS).declares.expect("a table");
    let queries = all_tables().into_iter().find(|table| table.name == "queries").expect("a rollup");
    assert_eq!(declared.table.columns[..2], queries.columns[..2]);
    assert_eq!(declared.table.resolutions_s, queries.resolutions_s);
    assert_eq!((declared.table.doc.as_str(), declared.table.columns.len()), ("Visits.", 5));
    assert_eq!(declared.places[1], ColumnPlace { line: 8, key: "columns[1]".to_owned() });
    let front = format!("{COLUMNS}resolutions: [1m]\ndoc: \"Each visit.\"\n");
    let declared = parsed("visits.sql", &front).declares.expect("a table");
    assert_eq!((declared.table.doc.as_str(), declared.table.resolutions_s), ("Each visit.", vec![60]));
    assert_eq!(parsed("visits.sql", "").declares, None);
}

#[test]
fn all_faults_of_a_declaration_come_at_once_with_their_lines() {
    let text = HEAD.replace("visits", "My Visits")
        + "columns:
  - {name: window_start, type: timestamp_us, merge: key, doc: d}
  - {name: a, type: int64, merge: summ, doc: d}
  - {name: b, type: string, merge: sum, doc: d}
  - {name: b, type: int64, merge: sum}
resolutions: [1h, 10s]
" + TAIL;
    let faults = pipelines::parse("v.sql", &text).expect_err("is faulty").to_string();
    let expected = [
        "v.sql:4: table: expected lower-case letters, digits and _, found \"My Visits\"",
        "v.sql:7: columns[0].name: every rollup has \"window_start\"; remove it",
        "v.sql:8: columns[1].merge: expected one of key, sum, max, min, last, sketch, distinct, buckets, exemplars, found \
         text \"summ\"; did you mean \"sum\"?",
        "v.sql:9: columns[2].merge: cannot merge a column of type string",
        "v.sql:10: columns[3].doc: is missing",
        "v.sql:10: columns[3].name: the column \"b\" is given twice",
        "v.sql:11: resolutions: expected finest first, and `total` alone, found \"10s\"",
    ];
    assert_eq!(faults.lines().collect::<Vec<_>>(), expected);
    let told = |front: &str| {
        let text = format!("{HEAD}{front}{TAIL}");
        pipelines::parse("v.sql", &text).expect_err("is faulty").to_string()
    };
    assert!(told("columns:\n").starts_with("v.sql:6: columns: expected the columns"), "{}", told("columns:\n"));
    assert!(told("resolutions: [1m]\n").starts_with("v.sql:6: resolutions: is of a table that is declared here"));
}

#[test]
fn a_name_that_is_taken_is_told_wherever_it_is_taken() {
    let named = |name: &str| {
        let text = format!("{HEAD}{COLUMNS}{TAIL}").replace("table: visits", &format!("table: {name}"));
        pipelines::parse("mine.sql", &text).unwrap_or_else(|faults| panic!("{faults}"))
    };
    let view = "/*---\ntitle: V\nkind: view\n---\nWhy. */\nSELECT 1\n";
    let view = pipelines::parse("visits_1m.sql", view).unwrap_or_else(|faults| panic!("{faults}"));
    for (name, owner) in [
        ("requests", "\"requests\" is there already, as the table requests:"),
        ("spans", "\"spans\" is there already, as the table spans:"),
        ("new_spans", "\"new_spans\" is there already, as the table spans:"),
        ("queries_1h", "\"queries_1h\" is there already, as the table queries:"),
        ("visits", "\"visits_1m\" is there already, as the view of visits_1m.sql:"),
    ] {
        let mut tables = all_tables();
        let found = told(&lay_over(&mut tables, &[view.clone(), named(name)]));
        assert!(found.len() == 1 && found[0].starts_with(&format!("mine.sql:4: table: {owner}")), "{found:?}");
        assert_eq!(tables.len(), all_tables().len(), "{name}");
    }
}

#[test]
fn two_may_fill_one_table_but_not_declare_it_differently() {
    let one = parsed("a.sql", COLUMNS);
    let mut tables = all_tables();
    let faults = lay_over(&mut tables, &[one.clone(), parsed("b.sql", COLUMNS), parsed("c.sql", "")]);
    assert_eq!((told(&faults), tables.len()), (Vec::new(), all_tables().len() + 1));
    let other = "columns:
  - {name: service_name, type: string, merge: key, doc: d}
  - {name: calls, type: float64, unit: \"{call}\", merge: sum, doc: d}
  - {name: errors, type: int64, merge: sum, doc: d}
resolutions: [1m]
";
    let ending = "a.sql:4, which declares the same table; declare it once, and fill it from both";
    let expected = [
        format!("b.sql:4: resolutions: are not those of {ending}"),
        format!("b.sql:8: columns[1]: \"calls\" is not as in {ending}"),
        format!("b.sql:9: columns[2]: \"errors\" is not in {ending}"),
        format!("b.sql:4: columns: \"slowest_ms\" is missing, and is in {ending}"),
    ];
    assert_eq!(told(&lay_over(&mut all_tables(), &[one, parsed("b.sql", other)])), expected);
}

#[test]
fn the_statement_gives_what_is_declared_and_in_that_type() {
    let pipeline = parsed("v.sql", COLUMNS);
    let utc = DataType::Timestamp(arrow::datatypes::TimeUnit::Nanosecond, None);
    let held = |columns: &[(&str, DataType)]| {
        let columns: Vec<_> = columns.iter().map(|(name, kind)| ((*name).to_owned(), kind.clone())).collect();
        told(&held_against(&pipeline, &columns))
    };
    let good = [
        ("window_start", utc.clone()),
        ("service_name", DataType::Utf8View),
        ("calls", DataType::UInt64),
        ("slowest_ms", DataType::Int32),
    ];
    assert_eq!(held(&good), Vec::<String>::new());
    let bad = [
        ("service_name", DataType::Int64),
        ("call", DataType::Int64),
        ("slowest_ms", DataType::Null),
        ("odd", DataType::Utf8),
    ];
    let found = "found service_name, call, slowest_ms, odd";
    let expected = [
        format!("v.sql:12: expected a column \"window_start\" from the statement, {found}"),
        "v.sql:7: columns[0].type: expected string, found int64 as \"service_name\" of the statement".to_owned(),
        format!("v.sql:8: columns[1]: expected a column \"calls\" from the statement, {found}; did you mean \"call\"?"),
        "v.sql:12: the statement gives \"odd\", which `columns` does not declare: it would be lost".to_owned(),
    ];
    assert_eq!(held(&bad), expected);
    assert!(fits(&DataType::new_list(DataType::Int64, true), ColumnType::ListInt64));
    assert!(!fits(&DataType::Float64, ColumnType::Int64), "a fraction would be lost");
}
