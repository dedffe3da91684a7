use super::*;

const GOOD: &str = "/*---
title: T
kind: finding
window: 10m
key: [service_name]
warning: 5
unit: ms
message: m
params: {limit: 50}
example:
  expect:
    - {service_name: a, state: ok}
---
Why.

More. */
SELECT 1
";

#[test]
fn a_file_has_front_matter_prose_and_a_statement() {
    let pipeline = parse("pipelines/x/slow_thing.sql", GOOD).unwrap();
    assert_eq!((pipeline.id.as_str(), pipeline.window_ms), ("slow_thing", 600_000));
    assert_eq!((pipeline.prose.as_str(), pipeline.sql.as_str(), pipeline.sql_line), ("Why.\n\nMore.", "SELECT 1", 17));
    let finding = pipeline.finding.unwrap();
    assert_eq!((finding.key, finding.warning), (vec!["service_name".to_owned()], Some(5.0)));
    assert_eq!(pipeline.params["limit"], Param::Int(50));
    assert_eq!(pipeline.examples[0].expect[0]["state"], "ok");
}

#[test]
fn all_faults_come_at_once_with_their_lines() {
    let text = GOOD.replace("window: 10m", "window: soon").replace("warning: 5", "waring: 5").replace("unit: ms\n", "");
    let faults = parse("p.sql", &text).unwrap_err().to_string();
    for expected in [
        "p.sql:4: window: expected a duration",
        "p.sql:6: waring: unknown key; did you mean \"warning\"?",
        "unit: is missing",
    ] {
        assert!(faults.contains(expected), "{expected:?} in:\n{faults}");
    }
}

#[test]
fn what_could_not_work_is_a_fault() {
    for (file, from, to, expected) in [
        ("p.sql", "window: 10m", "window: 0s", "p.sql:4: window: expected a duration such as 5m, at least 1s"),
        ("p.sql", "warning: 5", "warning: 5\ncritical: 4", "p.sql:7: critical: expected at least the warning limit"),
        (
            "p.sql",
            "warning: 5",
            "warning: 5\ncritical: 6\ndirection: below",
            "p.sql:7: critical: expected at most the warning limit",
        ),
        ("My Thing.sql", "T", "T", "My Thing.sql: expected a file named in lower-case letters"),
    ] {
        let faults = parse(file, &GOOD.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(faults.starts_with(expected), "{expected:?} in:\n{faults}");
    }
}

#[test]
fn two_files_of_one_name_are_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    for below in ["a", "b"] {
        std::fs::create_dir(folder.path().join(below)).unwrap();
        std::fs::write(folder.path().join(below).join("p.sql"), GOOD).unwrap();
    }
    let faults = read_dir(folder.path(), Vec::new()).faults;
    assert_eq!(faults.len(), 1, "{faults:?}");
    assert!(faults[0].file.ends_with("b/p.sql") && faults[0].message.contains("a/p.sql"), "{faults:?}");
}

#[test]
fn a_file_of_another_editor_reads_the_same() {
    let plain = parse("p.sql", GOOD).unwrap();
    for text in [GOOD.replace('\n', "\r\n"), format!("\u{feff}{GOOD}")] {
        assert_eq!(parse("p.sql", &text).unwrap(), plain);
    }
}

#[test]
fn a_file_without_its_parts_is_told_so() {
    for (text, expected) in [
        ("SELECT 1", "p.sql:1: expected the front-matter"),
        ("/*---\ntitle: x\n", "p.sql:1: the front-matter has no closing line"),
        ("/*---\ntitle: x\n---\nprose", "p.sql:3: the prose has no closing"),
        ("/*---\ntitle: x\n---\nprose */\n", "expected a statement"),
    ] {
        let faults = parse("p.sql", text).unwrap_err().to_string();
        assert!(faults.contains(expected), "{expected:?} in:\n{faults}");
    }
}

#[test]
fn the_built_in_pipelines_load_and_each_has_an_example() {
    let pipelines = builtin().unwrap_or_else(|faults| panic!("{faults}"));
    let without: Vec<_> = pipelines.iter().filter(|p| p.examples.is_empty()).map(|p| &p.file).collect();
    assert!(without.is_empty(), "{without:?}");
}

#[test]
fn every_built_in_file_is_in_the_list() {
    let mut paths = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    find_sql(&root.join("pipelines"), &mut paths).unwrap();
    let listed: Vec<_> = BUILTIN.iter().map(|(file, _)| root.join(file)).collect();
    let missing: Vec<_> = paths.iter().filter(|path| !listed.contains(path)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn counters_are_of_a_rollup_of_metrics() {
    let text = "/*---\ntitle: T\nkind: rollup\ntable: t\nreads: [spans]\ncounters: [hits]\n---\nx */\nSELECT 1 AS n\n";
    let faults = parse("p.sql", text).unwrap_err().to_string();
    assert!(faults.contains("p.sql:6: counters: names metrics that count"), "{faults}");
    let pipeline = parse("p.sql", &text.replace("[spans]", "[metrics]")).unwrap();
    assert_eq!(pipeline.counters, ["hits"]);
}
