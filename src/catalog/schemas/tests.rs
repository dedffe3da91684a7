use super::*;

fn faults(text: &str) -> Vec<String> {
    parse("schemas/t.yaml", text).expect_err("is faulty").0.iter().map(ToString::to_string).collect()
}

#[test]
fn the_built_in_tables_are_sound_and_today_s_name_comes_first() {
    let tables = builtin().unwrap_or_else(|faults| panic!("{faults}"));
    let names: Vec<&str> = tables.iter().take(6).map(|table| table.name.as_str()).collect();
    assert_eq!(names, ["spans", "span_events", "span_links", "metrics", "histograms", "logs"]);
    let text = tables[0].column("db_query_text").expect("column");
    assert_eq!(text.from, [Source::Attribute("db.query.text".into()), Source::Attribute("db.statement".into())]);
    let service = tables[0].column("service_name").expect("column");
    assert_eq!(service.from, [Source::Resource("service.name".into())]);
    assert!(service.low_cardinality);
}

#[test]
fn a_rollup_is_read_with_its_resolutions_and_merges() {
    let table = parse(
        "schemas/t.yaml",
        "table: t\nkind: rollup\ndoc: d\nresolutions: [10s, 1m, 1h]\ncolumns:\n  - {name: calls, type: int64, merge: sum, doc: d}\n",
    )
    .unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(table.resolutions_s, [10, 60, 3600]);
    assert_eq!(table.columns[0].merge, Some(Merge::Sum));
}

#[test]
fn all_faults_of_a_file_are_told_with_their_lines() {
    let text = "table: x\nkind: signl\ndoc: d\ncolumns:\n  - {name: a, type: int, doc: d}\n  - {name: a, type: int64, frm: [q], doc: d}\n  - {name: B, type: map, from: [z]}\n";
    assert_eq!(
        faults(text),
        [
            "schemas/t.yaml:1: table: expected \"t\" as the file is named, found \"x\"",
            "schemas/t.yaml:2: kind: expected one of signal, rollup, state, found text \"signl\"; did you mean \"signal\"?",
            "schemas/t.yaml:5: columns[0].type: expected one of string, int64, float64, bool, timestamp_us, binary, map, \
             list_string, list_float64, list_int64, found text \"int\"; did you mean \"int64\"?",
            "schemas/t.yaml:6: columns[1].frm: unknown key; did you mean \"from\"?",
            "schemas/t.yaml:6: columns[1].name: the column \"a\" is given twice",
            "schemas/t.yaml:7: columns[2].name: expected lower-case letters, digits and _, found \"B\"",
            "schemas/t.yaml:7: columns[2].type: expected string, int64, float64 or bool for a promoted column, found map",
            "schemas/t.yaml:7: columns[2].doc: is missing",
        ]
    );
}

#[test]
fn merges_must_fit_and_only_rollups_have_them() {
    let rollup = "table: t\nkind: rollup\ndoc: d\nresolutions: [1m, 10s]\ncolumns:\n  - {name: a, type: string, merge: sum, doc: d}\n  - {name: b, type: string, doc: d}\n  - {name: c, type: string, merge: last, doc: d}\n";
    let found = faults(rollup).join("\n");
    for part in [
        "finest first",
        "cannot merge a column of type string",
        "columns[1].merge: is missing",
        "needs a column `last_time`",
    ] {
        assert!(found.contains(part), "{part} in {found}");
    }
    let state = "table: t\nkind: state\ndoc: d\nresolutions: [1m]\ncolumns:\n  - {name: a, type: int64, merge: sum, from: [x], doc: d}\n";
    assert_eq!(faults(state).len(), 3);
}

#[test]
fn a_column_is_filled_from_a_number_of_its_table() {
    let of = |more: &str| {
        format!(
            "table: t\nkind: rollup\ndoc: d\nresolutions: [10s]\ncolumns:\n  - {{name: calls, type: int64, merge: sum, doc: d}}\n  - {{name: service, type: string, merge: key, doc: d}}\n  - {{name: estimated, type: float64, merge: sum, filled_from: {more}, doc: d}}\n"
        )
    };
    let table = parse("schemas/t.yaml", &of("calls")).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(table.columns[2].filled_from.as_deref(), Some("calls"));
    for (from, expected) in
        [("call", "did you mean \"calls\"?"), ("service", "found \"service\", string"), ("estimated", "another column")]
    {
        let found = faults(&of(from)).join("\n");
        assert!(found.starts_with("schemas/t.yaml:8: columns") && found.contains(expected), "{found}");
    }
}

#[test]
fn a_user_adds_promoted_columns_and_cannot_break_what_the_decoder_fills() {
    let dir = tempfile::tempdir().expect("dir");
    let write = |text: &str| std::fs::write(dir.path().join("spans.yaml"), text).expect("write");
    let built_in = || builtin().unwrap_or_else(|faults| panic!("{faults}"));
    write(
        "table: spans\nkind: signal\ndoc: d\ncolumns:\n  - {name: tenant, type: string, from: [tenant.id], doc: d}\n",
    );
    let tables = load_dir(dir.path(), built_in()).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(tables[0].columns.last().map(|column| column.name.as_str()), Some("tenant"));

    write(
        "table: spans\nkind: signal\ndoc: d\ncolumns:\n  - {name: duration_ms, type: float64, from: [x], doc: d}\n  - {name: http_route, type: int64, from: [x], doc: d}\n  - {name: q, type: int64, doc: d}\n",
    );
    assert_eq!(load_dir(dir.path(), built_in()).expect_err("is faulty").0.len(), 3);
}
