//! Faults of texts that users write: all at once, with file and line, what was found and what was expected.

use crate::support::output;
use crate::support::server::SPANWISE;
use serde_json::Value;
use std::process::Command;

const FIVE_FAULTS: &str = "receivers:
  otlp:
    protocols:
      grpc: {endpoint: 0.0.0.0:4317}
      http: {endpoint: 127.0.0.1:99999}
conectors:
  performance: {}
exporters:
  otlp_grpc: {endpoint: 'host:4317', timeout: soon}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [otlp_grcp, otlp_grpc]}
";

async fn check(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(SPANWISE);
    command.arg("check").args(arguments);
    let output = output(command).await;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn five_faults_are_told_at_once_with_their_lines() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("bad.yaml");
    std::fs::write(&file, FIVE_FAULTS).unwrap();
    let file = file.to_str().unwrap();
    let (code, _, told) = check(&["--config", file]).await;
    assert_eq!(code, Some(2), "{told}");
    for (line, words) in [(4, "allow_unauthenticated"), (5, "99999"), (6, "connectors"), (9, "soon"), (12, "otlp_grpc")]
    {
        let place = format!("{file}:{line}:");
        assert!(
            told.lines().any(|fault| fault.starts_with(&place) && fault.contains(words)),
            "line {line} {words}: {told}"
        );
    }
    let (code, printed, _) = check(&["--config", file, "--json"]).await;
    let answer: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!((code, answer["faults"].as_array().map(Vec::len) >= Some(5)), (Some(2), true), "{answer}");
}

#[tokio::test]
async fn a_pipeline_with_a_type_error_is_told_with_its_line() {
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("mine")).unwrap();
    let pipeline = "/*---\ntitle: Mine\nkind: finding\nkey: [service_name]\nunit: ms\nmessage: m\n---\nWhy. */\nSELECT service_name,\n  1 + [1] AS value\nFROM spans\n";
    std::fs::write(folder.path().join("mine/mine.sql"), pipeline).unwrap();
    let config = format!(
        "receivers: {{otlp: {{protocols: {{grpc: }}}}}}\nconnectors: {{performance: {{pipelines: '{}'}}}}\nservice: {{pipelines: {{traces: {{receivers: [otlp], exporters: [performance]}}}}}}\n",
        folder.path().join("mine").display()
    );
    let file = folder.path().join("good.yaml");
    std::fs::write(&file, config).unwrap();
    let (code, _, told) = check(&["--config", file.to_str().unwrap()]).await;
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("mine.sql:"), "{told}");
}

#[tokio::test]
async fn the_default_is_good() {
    let folder = tempfile::TempDir::new().unwrap();
    let mut command = Command::new(SPANWISE);
    command.arg("check").current_dir(folder.path());
    let output = output(command).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
