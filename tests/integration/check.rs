//! `spanwise check` reports all faults at once, each with its line.

use crate::support::server::SPANWISE;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn check(config: &Path, arguments: &[&str]) -> Output {
    let output = Command::new(SPANWISE).arg("check").arg("--config").arg(config).args(arguments).output();
    output.expect("spanwise runs")
}

/// Returns the exit status and the faults as (file name, line, message).
pub(crate) fn faults(config: &Path) -> (Option<i32>, Vec<(String, u64, String)>) {
    let output = check(config, &["--json"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let answer: Value = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr));
    });
    let faults = answer["faults"].as_array().expect("faults").iter().map(|fault| {
        let file = Path::new(fault["file"].as_str().unwrap_or_default());
        let file = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let told =
            format!("{}: {}", fault["key"].as_str().unwrap_or_default(), fault["message"].as_str().unwrap_or_default());
        (file, fault["line"].as_u64().unwrap_or_default(), told)
    });
    (output.status.code(), faults.collect())
}

/// Each fault of the configuration is reported once, with its line, what was found and what was expected.
#[test]
fn five_faults_are_five_faults_at_their_lines() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("otel-config.yaml");
    let text = "\
receivers:
  otlp:
    protocols:
      grpc: {endpoint: \"127.0.0.1:four\"}
connectors:
  performance:
    intervall: 5s
    budgets:
      api: {search: fast}
exporters:
  otlp_grpc: {endpoint: \"127.0.0.1:4999\", compression: brotli}
extensions:
  store: {memory: lots}
service:
  extensions: [store]
  pipelines:
    traces: {receivers: [otlp], exporters: [performance, otlp_grpc]}
";
    std::fs::write(&config, text).expect("written");
    let (code, found) = faults(&config);
    let expected = [
        (4, "four", "receivers.otlp.protocols.grpc.endpoint"),
        (7, "did you mean \"interval\"?", "connectors.performance.intervall"),
        (9, "fast", "connectors.performance.budgets.api.search"),
        (11, "brotli", "exporters.otlp_grpc.compression"),
        (13, "lots", "extensions.store.memory"),
    ];
    for (line, part, key) in expected {
        let at: Vec<_> = found.iter().filter(|(_, found, _)| *found == line).collect();
        assert!(at.len() == 1 && at[0].2.contains(part) && at[0].2.contains(key), "line {line}, {key}: {found:#?}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    assert_eq!(code, Some(2));
    // The human-readable output has the same faults, with file and line.
    let output = check(&config, &[]);
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told).into_owned();
    for (line, part, _) in expected {
        assert!(told.contains(&format!("otel-config.yaml:{line}:")) && told.contains(part), "{line}: {told}");
    }
    assert_eq!(output.status.code(), Some(2));
}

/// A server refuses to start with the same faults.
#[test]
fn a_server_refuses_what_check_refuses() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("otel-config.yaml");
    std::fs::write(&config, "receivers: {otlp: {protokols: {}}}\nservice: {pipelines: {}}\n").expect("written");
    let output = Command::new(SPANWISE).arg("--config").arg(&config).output().expect("spanwise runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("did you mean \"protocols\"?"), "{told}");
}

/// A user's pipeline with SQL that does not match the tables is reported with file and line.
#[test]
fn a_pipeline_with_a_type_error_is_told_by_file_and_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipelines = folder.path().join("pipelines");
    std::fs::create_dir(&pipelines).expect("made");
    let sql = "\
/*---
title: Names, added up
kind: finding
window: 5m
key: [service_name]
direction: above
warning: 1
unit: ms
message: \"{service_name}: {value}\"
examples:
  - name: none
    given: {requests: []}
    expect: []
---
Names cannot be added. */
SELECT
  service_name,
  sum(operation) AS value,
  1 AS samples
FROM requests
GROUP BY 1
";
    std::fs::write(pipelines.join("added_names.sql"), sql).expect("written");
    let config = folder.path().join("otel-config.yaml");
    let text = format!(
        "receivers: {{otlp: {{protocols: {{http: {{}}}}}}}}\nconnectors: {{performance: {{pipelines: {:?}}}}}\n\
         service:\n  pipelines: {{traces: {{receivers: [otlp], exporters: [performance]}}}}\n",
        pipelines.display()
    );
    std::fs::write(&config, text).expect("written");
    let (code, found) = faults(&config);
    let [(file, line, told)] = &found[..] else { panic!("expected one fault: {found:#?}") };
    assert_eq!((file.as_str(), code), ("added_names.sql", Some(2)), "{told}");
    assert!((16..=20).contains(line), "the line is one of the statement's: {line}: {told}");
    assert!(told.contains("sum"), "{told}");
    let output = Command::new(SPANWISE).arg("--config").arg(&config).current_dir(folder.path()).output();
    let output = output.expect("spanwise runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "a server does not start on it either: {told}");
    assert!(told.contains("added_names.sql:1") && !told.contains("bug report"), "{told}");
}

/// The embedded configuration and the one in the repository are valid.
#[test]
fn the_default_configuration_has_no_fault() {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("otel-config.yaml");
    assert_eq!(faults(&default), (Some(0), Vec::new()));
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(SPANWISE).args(["check"]).current_dir(folder.path()).output().expect("spanwise runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}
