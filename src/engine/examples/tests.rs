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

#[tokio::test]
async fn limits_of_alerting_are_of_a_pipeline_that_has_them() {
    let tables = schemas::builtin().unwrap_or_else(|faults| panic!("{faults}"));
    let text = "/*---\ntitle: T\nkind: finding\nkey: [k]\nalerting: mine\nalerting_only: true\nunit: ms\nmessage: m\n\
        example:\n  alerting: {warning: 1}\n  expect:\n    - {k: a, state: firing, severity: warning}\n\
        ---\nx */\nSELECT 'a' AS k, 2.0 AS value, 1 AS samples\n";
    assert!(run_examples(&pipelines::parse("p.sql", text).unwrap(), &tables).await.is_empty());
    let without = text.replace("alerting: mine\nalerting_only: true\n", "");
    let faults = run_examples(&pipelines::parse("p.sql", &without).unwrap(), &tables).await;
    assert!(faults[0].to_string().contains("names no key of `alerting`"), "{}", faults[0]);
}
