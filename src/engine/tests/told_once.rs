//! One failure is one alert, and the first alert contains its exception: through the real rollups, pipelines and state
//! machine, on a simulated clock.

use super::*;
use crate::model::budget::{Budget, BudgetKind};
use std::collections::BTreeSet;

/// Interval of evaluations.
const STEP_S: i64 = 10;
/// Start time: in the middle of a window of the finest rollup.
const BEGIN_S: i64 = 7_200 + 3;

fn error_budget(limit: f64, critical: f64) -> Budget {
    Budget {
        kind: BudgetKind::Metrics,
        name: "errorRate".to_owned(),
        operation_match: "*".to_owned(),
        service_match: "*".to_owned(),
        percentile: None,
        limit,
        critical,
        is_default: false,
        unit: "%".to_owned(),
        below: false,
    }
}

/// A span that ends at a second, after a duration.
fn at(end_s: i64, kind: &str, operation: &str, fails: bool) -> Value {
    let mut span = span((end_s - 1) * SECOND_US, operation, 1000.0);
    span["kind"] = json!(kind);
    span["end_time_unix_nano"] = json!(end_s * 1_000_000_000);
    span["trace_id"] = json!(format!("{operation} {end_s}"));
    if fails {
        span["error"] = json!(true);
        span["status_code"] = json!("ERROR");
        span["exception_type"] = json!("Broken");
        span["exception_message"] = json!("as planted");
    }
    span
}

fn with(mut span: Value, columns: &[(&str, &str)]) -> Value {
    columns.iter().for_each(|(column, value)| span[*column] = json!(value));
    span
}

/// Returns what fires, as `pipeline key`, at each evaluation over `seconds`, where each step sends the spans of `sent`.
/// Each new failure must have its exception in the first evaluation in which it fires.
async fn fired(bench: &mut Bench, seconds: i64, sent: impl Fn(i64) -> Vec<Value>) -> Vec<BTreeSet<String>> {
    let mut fired = Vec::new();
    for step in 1..=seconds / STEP_S {
        let now_s = BEGIN_S + step * STEP_S;
        let spans: Vec<Value> = (now_s - STEP_S..now_s).flat_map(&sent).collect();
        if !spans.is_empty() {
            bench.send("spans", spans);
        }
        bench.engine.flush().await.unwrap();
        bench.engine.evaluate(now_s * 1000).await.unwrap();
        let findings = bench.engine.findings().borrow().clone();
        let firing = findings.iter().filter(|finding| finding.state == FindingState::Firing);
        fired.push(
            firing
                .map(|finding| {
                    let exceptions = finding.evidence.text("exceptions").unwrap_or_default();
                    assert!(exceptions.ends_with("x Broken: as planted"), "at {now_s} s: {finding:#?}");
                    let key: Vec<&str> = finding.key.iter().map(|(_, value)| value.as_str()).collect();
                    format!("{} {}", finding.pipeline, key.join(" "))
                })
                .collect(),
        );
    }
    fired
}

/// Returns what fired at the end, and the maximum that fired at once.
fn end_and_most(fired: &[BTreeSet<String>]) -> (Vec<&str>, usize) {
    let end = fired.last().map(|names| names.iter().map(String::as_str).collect()).unwrap_or_default();
    (end, fired.iter().map(BTreeSet::len).max().unwrap_or(0))
}

async fn bench(budgets: Vec<Budget>) -> Bench {
    Bench::judging(settings(), move |rules| {
        rules.budgets.clone_from(&budgets);
        // This test does not cover durations.
        let disabled = crate::engine::findings::PipelineOverride { disabled: true, ..Default::default() };
        let slow = ["slow_request", "slow_statement", "n_plus_one", "api_budget"];
        rules.overrides = slow.map(|id| (id.to_owned(), disabled.clone())).into();
    })
    .await
}

#[tokio::test]
async fn a_budget_of_the_users_that_is_as_severe_tells_of_its_operations_alone() {
    let both = |second| {
        ["GET /a", "GET /b"].map(|operation| at(second, "SERVER", operation, true)).into_iter().collect::<Vec<_>>()
    };
    let mut plain = bench(Vec::new()).await;
    let fired_plain = fired(&mut plain, 120, both).await;
    assert_eq!(end_and_most(&fired_plain), (vec!["error_rate shop GET /a", "error_rate shop GET /b"], 2));

    let mut budgeted = bench(vec![error_budget(1.0, 2.0)]).await;
    let fired_budgeted = fired(&mut budgeted, 120, both).await;
    assert_eq!(end_and_most(&fired_budgeted), (vec!["error_rate_budget errorRate shop"], 1));
}

#[tokio::test]
async fn what_is_worse_than_the_budget_is_told_by_its_operation_alone() {
    // Six of ten requests: a warning for the budget. All of GET /a: critical.
    let mix = |second| {
        let bad = (0..6).map(move |_| at(second, "SERVER", "GET /a", true));
        bad.chain((0..4).map(move |_| at(second, "SERVER", "GET /b", false))).collect::<Vec<_>>()
    };
    let mut bench = bench(vec![error_budget(50.0, 75.0)]).await;
    let fired = fired(&mut bench, 120, mix).await;
    assert_eq!(end_and_most(&fired), (vec!["error_rate shop GET /a"], 1));
}

#[tokio::test]
async fn what_begins_to_fail_later_is_told_of_beside_a_budget_that_fires() {
    let mut bench = bench(vec![error_budget(1.0, 2.0)]).await;
    // GET /a fails in one of ten, GET /b begins to fail after three minutes.
    let mix = |second| {
        let first = (0..10).map(move |n| at(second, "SERVER", "GET /a", n == 0));
        let later = (0..2).map(move |_| at(second, "SERVER", "GET /b", second > BEGIN_S + 180));
        first.chain(later).collect::<Vec<_>>()
    };
    let fired = fired(&mut bench, 420, mix).await;
    let (end, most) = end_and_most(&fired);
    assert_eq!((end, most), (vec!["error_rate shop GET /b", "error_rate_budget errorRate shop"], 2));
    let before = fired[180 / 10 - 1].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(before, ["error_rate_budget errorRate shop"]);
}

#[tokio::test]
async fn a_rise_ends_where_the_absolute_limit_begins_to_tell_of_it() {
    let mut bench = bench(Vec::new()).await;
    // None fail for ten minutes, then 3 %, and all after twenty minutes.
    let mix = |second: i64| {
        let failing = match second - BEGIN_S {
            ..600 => 0,
            600..1200 => i64::from(second % 3 == 0),
            _ => 10,
        };
        (0..10).map(move |n| at(second, "SERVER", "GET /a", n < failing)).collect::<Vec<_>>()
    };
    let fired = fired(&mut bench, 1500, mix).await;
    assert_eq!(fired[1190 / 10 - 1], BTreeSet::from(["error_rate_rise shop GET /a".to_owned()]));
    assert_eq!(end_and_most(&fired), (vec!["error_rate shop GET /a"], 1));
}

#[tokio::test]
async fn each_kind_of_work_that_fails_fires_one_finding_and_no_other() {
    let statement = [("db_system_name", "postgresql"), ("db_query_text", "SELECT 1"), ("server_address", "db")];
    let operation = [("db_system_name", "redis"), ("db_operation_name", "GET"), ("server_address", "db")];
    let summary = [("db_system_name", "mysql"), ("db_query_text", ""), ("db_query_summary", "SELECT t")];
    let commented = [("db_system_name", "mysql"), ("db_query_text", "/* nothing */"), ("server_address", "db")];
    let called = [("server_address", "pay")];
    let cases: [(Value, &str); 8] = [
        (at(0, "SERVER", "GET /a", true), "error_rate shop GET /a"),
        (at(0, "CONSUMER", "orders", true), "failing_job shop orders"),
        (at(0, "INTERNAL", "nightly", true), "failing_job shop nightly"),
        (with(at(0, "CLIENT", "SELECT", true), &statement), "failing_statement shop postgresql  SELECT ?"),
        (with(at(0, "CLIENT", "GET", true), &operation), "failing_statement shop redis  GET"),
        (with(at(0, "CLIENT", "SELECT", true), &summary), "failing_statement shop mysql  SELECT t"),
        (with(at(0, "CLIENT", "query", true), &commented), "failing_dependency shop db query"),
        (with(at(0, "CLIENT", "POST", true), &called), "failing_dependency shop pay POST"),
    ];
    for (planted, expected) in cases {
        let mut bench = bench(Vec::new()).await;
        let again = |second: i64| {
            let mut span = planted.clone();
            span["start_time"] = json!((second - 1) * SECOND_US);
            span["end_time_unix_nano"] = json!(second * 1_000_000_000);
            vec![span]
        };
        let fired = fired(&mut bench, 60, again).await;
        let all: BTreeSet<&str> = fired.iter().flatten().map(String::as_str).collect();
        assert_eq!(all, BTreeSet::from([expected]), "{planted:#}");
    }
}

#[tokio::test]
async fn a_job_that_failed_a_moment_ago_has_its_exception_in_the_first_alert() {
    // It took longer than a window, and ended within the lag of findings.
    for kind in ["INTERNAL", "CONSUMER"] {
        let mut bench = bench(Vec::new()).await;
        let once = |second: i64| {
            let mut span = at(second, kind, "nightly", true);
            span["start_time"] = json!((second - 3000) * SECOND_US);
            if second == BEGIN_S + STEP_S - 1 { vec![span] } else { Vec::new() }
        };
        let fired = fired(&mut bench, 30, once).await;
        assert_eq!(fired[0], BTreeSet::from(["failing_job shop nightly".to_owned()]), "{kind}");
        assert_eq!(end_and_most(&fired).1, 1, "{kind}");
    }
}

/// A log record with an exception and a trace.
fn logged(trace: &str, at_s: i64) -> Value {
    json!({"time": at_s * SECOND_US, "time_unix_nano": at_s * 1_000_000_000, "service_name": "shop", "trace_id": trace,
           "attributes": {"exception.type": "Planted", "exception.message": "in a log"}})
}

#[tokio::test]
async fn an_exception_that_was_logged_is_known_after_a_restart() {
    let mut bench = bench(Vec::new()).await;
    let failing = |second: i64| with(at(second, "SERVER", "GET /a", true), &[("trace_id", "t1")]);
    bench.send("spans", (0..30).map(|n| failing(BEGIN_S + n)).collect());
    bench.send("logs", vec![logged("t1", BEGIN_S)]);
    bench.engine.flush().await.unwrap();
    let said = async |bench: &Bench, now_s: i64| {
        bench.engine.evaluate(now_s * 1000).await.unwrap();
        let findings = bench.engine.findings().borrow().clone();
        let of = findings.iter().find(|finding| finding.pipeline == "error_rate").unwrap().clone();
        (of.state, of.evidence.get("logged_exceptions"))
    };
    let expected = (FindingState::Firing, Some(json!("Planted: in a log")));
    assert_eq!(said(&bench, BEGIN_S + 60).await, expected);
    // With the log rows in memory, and without: they may not go back to the start of a firing.
    bench.restart().await;
    assert_eq!(said(&bench, BEGIN_S + 70).await, expected);
    bench.store = HotStore::new(&tables(), 64 << 20);
    bench.restart().await;
    assert_eq!(said(&bench, BEGIN_S + 80).await, expected);
}

#[tokio::test]
async fn an_exception_that_was_logged_before_a_restart_is_found_by_what_fails_after_it() {
    let mut bench = bench(Vec::new()).await;
    bench.send("logs", vec![logged("t1", BEGIN_S)]);
    bench.engine.flush().await.unwrap();
    bench.restart().await;
    let failing = |second: i64| with(at(second, "SERVER", "GET /a", true), &[("trace_id", "t1")]);
    bench.send("spans", (0..30).map(|n| failing(BEGIN_S + n)).collect());
    bench.engine.flush().await.unwrap();
    bench.engine.evaluate((BEGIN_S + 60) * 1000).await.unwrap();
    let findings = bench.engine.findings().borrow().clone();
    let of = findings.iter().find(|finding| finding.pipeline == "error_rate").unwrap();
    assert_eq!(of.evidence.get("logged_exceptions").unwrap_or_default(), "Planted: in a log");
}
