//! Minimum number of samples for quantiles in budgets, statements, and the user's pipelines.

use super::*;
use crate::engine::findings::PipelineOverride;
use crate::model::budget::{Budget, BudgetKind};
use crate::model::pipeline::PipelineDef;

fn budget(name: &str, percentile: f64) -> Budget {
    Budget {
        kind: BudgetKind::Api,
        name: name.to_owned(),
        operation_match: "*".to_owned(),
        service_match: "*".to_owned(),
        percentile: Some(percentile),
        limit: 100.0,
        critical: 200.0,
        is_default: false,
        unit: "ms".to_owned(),
        below: false,
    }
}

/// A user's pipeline that judges a column of a query.
fn own(id: &str, select: &str) -> PipelineDef {
    let front = "title: T\nkind: finding\nkey: [operation]\nwarning: 100\nunit: ms\nmessage: m";
    let text = format!("/*---\n{front}\n---\nx */\nSELECT operation, {select} GROUP BY 1\n");
    pipelines::parse(&format!("{id}.sql"), &text).unwrap_or_else(|faults| panic!("{faults}"))
}

async fn bench(change: impl Fn(&mut Rules)) -> Bench {
    Bench::judging(settings(), |rules| {
        rules.budgets = vec![budget("half", 50.0), budget("most", 95.0), budget("nearly all", 99.0)];
        // Of a view, of raw rows, and a value that is no quantile.
        rules.pipelines.push(own("of_view", "max(p95_ms) AS value, sum(calls) AS samples FROM requests_summary"));
        let of_rows = "approx_percentile_cont(duration_ms, 0.95) AS value, count(*) AS samples FROM spans";
        rules.pipelines.push(own("of_rows", of_rows));
        rules.pipelines.push(own("of_most", "max(duration_ms) AS value, count(*) AS samples FROM spans"));
        change(rules);
    })
    .await
}

/// Returns which findings fire for that many slow requests and statements, by pipeline and budget. Uses a new engine
/// for each number, because scans may rest after an evaluation.
async fn firing(requests: i64, change: impl Fn(&mut Rules)) -> Vec<String> {
    let mut bench = bench(change).await;
    let at = |n: i64| 300 * SECOND_US + n * 1000;
    bench.send("spans", (0..requests).map(|n| span(at(n), "GET /a", 150.0)).collect());
    let statement = |n: i64| {
        let mut row = span(at(n), "SELECT", 150.0);
        row["kind"] = "CLIENT".into();
        row["db_system_name"] = "postgresql".into();
        row["db_query_text"] = "SELECT a FROM t".into();
        row
    };
    bench.send("spans", (0..requests).map(statement).collect());
    bench.engine.flush().await.unwrap();
    bench.engine.evaluate(500_000).await.unwrap();
    let findings = bench.engine.findings().borrow().clone();
    let fires = findings.iter().filter(|finding| finding.state == FindingState::Firing);
    let mut names: Vec<String> = fires
        .filter(|finding| finding.key.iter().all(|(column, value)| column != "operation" || value == "GET /a"))
        .map(|finding| {
            let budget = finding.key.iter().find(|(column, _)| column == "budget");
            budget.map_or(finding.pipeline.clone(), |(_, budget)| budget.clone())
        })
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn p95_is_judged_from_twenty_samples_and_p99_from_a_hundred() {
    let of_p95 = ["half", "most", "of_most", "of_rows", "of_view", "slow_statement"];
    assert_eq!(firing(4, |_| {}).await, ["of_most"]);
    assert_eq!(firing(19, |_| {}).await, ["half", "of_most"]);
    assert_eq!(firing(20, |_| {}).await, of_p95);
    assert_eq!(firing(99, |_| {}).await, of_p95);
    let all = ["half", "most", "nearly all", "of_most", "of_rows", "of_view", "slow_statement"];
    assert_eq!(firing(100, |_| {}).await, all);
}

#[tokio::test]
async fn whoever_asks_by_sql_gets_the_nearest_rank_of_any_number() {
    let mut bench = bench(|_| {}).await;
    bench.send("spans", vec![span(300 * SECOND_US, "GET /once", 7.0)]);
    bench.engine.flush().await.unwrap();
    let rows = bench.rows("SELECT p95_ms FROM requests_summary WHERE operation = 'GET /once'").await;
    assert_eq!(rows[0]["p95_ms"], 7.0);
}

#[tokio::test]
async fn who_asks_for_fewer_samples_is_told_by_fewer() {
    let fewer = PipelineOverride { samples_min: Some(5), ..PipelineOverride::default() };
    let change = |rules: &mut Rules| {
        for id in ["api_budget", "slow_statement", "of_rows"] {
            rules.overrides.insert(id.to_owned(), fewer.clone());
        }
    };
    assert_eq!(firing(4, change).await, ["of_most"]);
    assert_eq!(firing(5, change).await, ["half", "most", "nearly all", "of_most", "of_rows", "slow_statement"]);
}
