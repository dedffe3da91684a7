//! Findings over rows that nobody sends.

use super::*;

#[tokio::test]
async fn a_finding_over_rows_that_nobody_sends_reads_none() {
    let mut bench = Bench::new().await;
    let mut call = span(300 * SECOND_US, "SELECT", 2.0);
    call.as_object_mut().unwrap().extend(tables::object(json!({
        "kind": "CLIENT", "db_query_text": "SELECT 1", "trace_id": "t", "span_id": "a", "parent_span_id": "p",
    })));
    bench.send("spans", vec![call, span(300 * SECOND_US, "GET /a", 5.0)]);
    bench.engine.flush().await.unwrap();
    bench.engine.evaluate(500_000).await.unwrap();
    let read = |id: &str| format!("SELECT rows_read FROM pipelines WHERE id = '{id}'");
    for page in ["bundle_budget", "page_load_budget"] {
        assert_eq!(bench.number(&read(page)).await, 0, "{page}");
    }
    assert!(bench.number(&read("n_plus_one")).await > 0);

    let mut page = span(301 * SECOND_US, "documentLoad", 1200.0);
    page["kind"] = "INTERNAL".into();
    bench.send("spans", vec![page]);
    bench.engine.evaluate(501_000).await.unwrap();
    assert!(bench.number(&read("page_load_budget")).await > 0);
}
