//! The user's changes of pipelines, and the cost of pipelines.

use super::*;
use crate::engine::findings::PipelineOverride;
use crate::model::pipeline::Param;

fn changed(id: &str, changes: PipelineOverride) -> impl Fn(&mut Rules) {
    let id = id.to_owned();
    move |rules| drop(rules.overrides.insert(id.clone(), changes.clone()))
}

#[tokio::test]
async fn a_parameter_of_a_rollup_is_the_users() {
    let params = [("apdex_t_ms".to_owned(), Param::Float(100.0))].into();
    let changes = PipelineOverride { params, ..PipelineOverride::default() };
    let mut bench = Bench::judging(settings(), changed("requests", changes)).await;
    // T is 100 ms instead of 500: 50 ms is satisfied, 300 is within 4 T, 450 is not.
    bench.send("spans", [50.0, 300.0, 450.0].map(|ms| span(SECOND_US, "GET /a", ms)).to_vec());
    bench.engine.flush().await.unwrap();
    assert_eq!(bench.number("SELECT sum(apdex_satisfied) FROM requests").await, 1);
    assert_eq!(bench.number("SELECT sum(apdex_tolerating) FROM requests").await, 1);
}

#[tokio::test]
async fn a_rollup_and_a_view_that_are_disabled_are_not_there() {
    let disabled = PipelineOverride { disabled: true, ..PipelineOverride::default() };
    let mut bench = Bench::judging(settings(), changed("requests", disabled.clone())).await;
    bench.send("spans", vec![span(SECOND_US, "GET /a", 1.0)]);
    bench.engine.flush().await.unwrap();
    assert_eq!(bench.number("SELECT count(*) FROM requests").await, 0);
    assert_eq!(bench.number("SELECT runs FROM pipelines WHERE id = 'requests'").await, 0);
    assert_eq!(bench.number("SELECT sum(calls) FROM span_metrics").await, 1, "the others go on");
    let bench = Bench::judging(settings(), changed("requests_summary", disabled)).await;
    assert!(bench.engine.query("SELECT * FROM requests_summary", QueryLimits::default()).await.is_err());
}

#[tokio::test]
async fn a_view_shows_what_the_statements_that_read_it_cost() {
    let mut bench = Bench::new().await;
    bench.send("spans", (0..30).map(|n| span(n * SECOND_US, "GET /a", 1.0)).collect());
    bench.engine.flush().await.unwrap();
    for sql in ["SELECT * FROM requests_summary", "SELECT count(*) FROM requests_summary s", "SELECT * FROM requests"] {
        bench.rows(sql).await;
    }
    let cost =
        &bench.rows("SELECT runs, rows_read, milliseconds FROM pipelines WHERE id = 'requests_summary'").await[0];
    // Three windows of ten seconds, read twice.
    assert_eq!((&cost["runs"], &cost["rows_read"]), (&json!(2), &json!(6)));
    assert!(cost["milliseconds"].as_f64() > Some(0.0));
}
