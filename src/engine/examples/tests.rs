use super::*;
use crate::catalog::{pipelines, schemas};

#[tokio::test]
async fn every_built_in_pipeline_does_what_its_examples_say() {
    let tables = schemas::builtin().unwrap_or_else(|faults| panic!("{faults}"));
    let mut faults = Vec::new();
    for pipeline in pipelines::builtin().unwrap_or_else(|faults| panic!("{faults}")) {
        faults.extend(run_examples(&pipeline, &tables).await);
    }
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[tokio::test]
async fn an_example_that_does_not_hold_is_told_with_its_line() {
    let tables = schemas::builtin().unwrap_or_else(|faults| panic!("{faults}"));
    let text =
        "/*---\ntitle: T\nkind: view\nexample:\n  name: wrong\n  expect:\n    - {n: 2}\n---\nx */\nSELECT 1 AS n\n";
    let pipeline = pipelines::parse("p.sql", text).unwrap();
    let faults = run_examples(&pipeline, &tables).await;
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0].to_string(), "p.sql:5: example \"wrong\": expected a row {\"n\":2}, found {\"n\":1}");
}
