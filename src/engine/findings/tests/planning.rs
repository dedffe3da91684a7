//! When a statement is optimized.

use super::*;

async fn planned(sql: &str, filling: &[&str]) -> Arc<Statement> {
    let context = SessionContext::new();
    for table in ["t", "other"] {
        let batch = RecordBatch::try_from_iter([
            ("k", Arc::new(StringArray::from(vec!["a"])) as ArrayRef),
            ("value", Arc::new(Float64Array::from(vec![50.0])) as ArrayRef),
            ("samples", Arc::new(Int64Array::from(vec![2])) as ArrayRef),
        ]);
        context.register_batch(table, batch.unwrap()).unwrap();
    }
    let text = PIPELINE.replace("SELECT k, value, samples FROM t", sql);
    let settings = EvaluatorSettings {
        lag_ms: 0,
        timeout: Duration::from_secs(10),
        alerting: Vec::new(),
        overrides: BTreeMap::new(),
        budgets: Vec::new(),
    };
    let mut evaluator = Evaluator::new(&[parse("p.sql", &text).unwrap()], settings, &[]);
    evaluator.wait_for(filling.iter().map(|&table| table.to_owned()).collect());
    assert!(evaluator.evaluate(&context, 10_000).await.runs.iter().all(|run| run.error.is_none()));
    evaluator.wait_for(Vec::new());
    assert_eq!(evaluator.evaluate(&context, 20_000).await.findings.len(), 1);
    evaluator.pipelines[0].statement.clone().unwrap()
}

#[tokio::test]
async fn a_finding_is_optimized_once_also_if_a_table_was_still_being_filled() {
    let sql = "SELECT k, value, samples FROM t WHERE value > 1 AND $window_end > to_timestamp_millis(5)";
    assert!(planned(sql, &[]).await.is_optimized());
    assert!(planned(sql, &["other"]).await.is_optimized());
    assert!(planned(sql, &["t"]).await.is_optimized());
}

/// Otherwise `now()` would be the time of the first evaluation for ever.
#[tokio::test]
async fn what_depends_on_the_time_of_the_run_is_optimized_each_time() {
    let sql = "SELECT k, value, samples FROM t WHERE now() > to_timestamp_millis(5)";
    assert!(!planned(sql, &[]).await.is_optimized());
}
