//! Limits that the user sets: precedence, limits without data, and keys that are not evaluated any more.

use super::*;
use crate::model::budget::{AlertLimit, Budget, BudgetKind};

fn settings() -> EvaluatorSettings {
    EvaluatorSettings {
        lag_ms: 0,
        timeout: Duration::from_secs(10),
        alerting: Vec::new(),
        overrides: [("p".to_owned(), at_once())].into(),
        budgets: Vec::new(),
    }
}

fn alerting() -> EvaluatorSettings {
    let limit = AlertLimit { key: "some.limit".to_owned(), warning: Some(20.0), critical: Some(40.0), window_ms: None };
    EvaluatorSettings { alerting: vec![limit], ..settings() }
}

fn of(text: &str, settings: EvaluatorSettings, restored: &[(String, Vec<u8>)]) -> Evaluator {
    Evaluator::new(&[parse("p.sql", text).unwrap()], settings, restored)
}

#[tokio::test]
async fn a_limit_of_alerting_that_no_data_feeds_has_no_data_until_there_is_some() {
    let text = PIPELINE.replace("warning: 10\ncritical: 100\n", "alerting: some.limit\nalerting_only: true\n");
    let mut e = of(&text, alerting(), &[]);
    let nothing = step(&mut e, 0, Some(&[])).await;
    let found = &nothing.findings[..];
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].state, found[0].limit), (FindingState::NoData, Some(20.0)));
    assert_eq!(*found[0].key, [("k".to_owned(), String::new())]);
    assert_eq!(found[0].title, "T: no data");
    assert_eq!(step(&mut e, 5, Some(&[])).await.findings.len(), 1, "it stays");

    let some = step(&mut e, 10, Some(&[("a", 30.0, 2)])).await;
    assert_eq!(states(&some), [FindingState::Firing]);
    assert_eq!(some.deletes, [nothing.findings[0].id.clone()]);
    // A silent key reports that itself, without an additional one.
    assert_eq!(states(&step(&mut e, 15, Some(&[])).await), [FindingState::Firing]);
    assert!(step(&mut of(&text, settings(), &[]), 0, Some(&[])).await.findings.is_empty(), "nobody asked");
}

const OWN_LIMIT: &str = "SELECT k, value, samples, 15.0 AS warning FROM t";

#[tokio::test]
async fn a_limit_of_the_users_wins_over_that_of_the_row() {
    let text = PIPELINE.replace("SELECT k, value, samples FROM t", OWN_LIMIT);
    let rows: &[(&str, f64, i64)] = &[("a", 30.0, 2)];
    let by_row = step(&mut of(&text, settings(), &[]), 0, Some(rows)).await;
    assert_eq!((states(&by_row), by_row.findings[0].limit), (vec![FindingState::Firing], Some(15.0)));
    let changes = PipelineOverride { warning: Some(90.0), ..at_once() };
    let by_user = EvaluatorSettings { overrides: [("p".to_owned(), changes)].into(), ..settings() };
    let by_user = step(&mut of(&text, by_user, &[]), 0, Some(rows)).await;
    assert_eq!((states(&by_user), by_user.findings[0].limit), (vec![FindingState::Ok], Some(90.0)));
}

fn budget(name: &str, operation_match: &str) -> Budget {
    Budget {
        kind: BudgetKind::Api,
        name: name.to_owned(),
        operation_match: operation_match.to_owned(),
        service_match: "*".to_owned(),
        percentile: Some(95.0),
        limit: 10.0,
        critical: 20.0,
        is_default: false,
        unit: "ms".to_owned(),
        below: false,
    }
}

#[tokio::test]
async fn a_key_of_a_budget_that_is_gone_is_gone_too() {
    // The test's table replaces the budgets and their values.
    let text = PIPELINE.replace("key: [k]", "key: [budget, operation]").replace(
        "SELECT k, value, samples FROM t",
        "SELECT 'mine' AS budget, k AS operation, value, samples FROM t /* budgets */",
    );
    let with = |budgets: Vec<Budget>| EvaluatorSettings { budgets, ..settings() };
    let fired = step(&mut of(&text, with(vec![budget("mine", "GET *")]), &[]), 0, Some(&[("GET /a", 50.0, 2)])).await;
    assert_eq!(states(&fired), [FindingState::Firing]);
    let kept = |budgets: Vec<Budget>| of(&text, with(budgets), &fired.puts).findings().len();
    assert_eq!(kept(vec![budget("mine", "GET *")]), 1);
    assert_eq!(kept(Vec::new()), 0, "removed");
    assert_eq!(kept(vec![budget("yours", "GET *")]), 0, "renamed");
    assert_eq!(kept(vec![budget("mine", "POST *")]), 0, "narrowed");
    assert_eq!(kept(vec![Budget { unit: "%".to_owned(), ..budget("mine", "GET *") }]), 0, "another's");
    assert_eq!(kept(vec![Budget { service_match: "shop".to_owned(), ..budget("mine", "*") }]), 1, "the key has none");
}

#[tokio::test]
async fn a_title_says_how_it_stands() {
    let mut e = changed(at_once(), &[]);
    let mut title = async |now_s, rows: &[(&str, f64, i64)]| {
        let finding = step(&mut e, now_s, Some(rows)).await.findings.remove(0);
        (finding.title, finding.headroom)
    };
    assert_eq!(title(0, &[("a", 4.0, 2)]).await, ("T: a: 4 ms, inside its limit of 10 ms".to_owned(), Some(60.0)));
    assert_eq!(title(5, &[("a", 15.0, 2)]).await, ("a takes 15 ms, over 10 ms".to_owned(), Some(-50.0)));
    assert_eq!(title(10, &[("a", 4.0, 2)]).await.0, "T: a: 4 ms, inside its limit of 10 ms");
    assert_eq!(title(15, &[("a", 4.0, 1)]).await.0, "T: a: too little to judge, 1 sample");
    assert_eq!(title(20, &[("a", 4.0, 2)]).await.0, "T: a: 4 ms, inside its limit of 10 ms");
    assert_eq!(title(25, &[]).await.0, "T: a: no data");
}

#[tokio::test]
async fn a_critical_limit_that_the_user_leaves_out_stays_the_default_and_a_warning_goes() {
    let text = PIPELINE.replace("warning: 10\n", "warning: 10\nalerting: some.limit\n");
    let judged = async |warning: Option<f64>, critical: Option<f64>| {
        let limit = AlertLimit { key: "some.limit".to_owned(), warning, critical, window_ms: None };
        let mut e = of(&text, EvaluatorSettings { alerting: vec![limit], ..settings() }, &[]);
        let rows: &[(&str, f64, i64)] = &[("a", 15.0, 2), ("b", 30.0, 2), ("c", 150.0, 2)];
        let mut found = step(&mut e, 0, Some(rows)).await.findings;
        found.sort_by(|a, b| a.key.cmp(&b.key));
        found.into_iter().map(|finding| finding.severity).collect::<Vec<_>>()
    };
    let (warning, critical) = (Some(Severity::Warning), Some(Severity::Critical));
    assert_eq!(judged(Some(20.0), None).await, [None, warning, critical], "critical at 100 by default");
    assert_eq!(judged(Some(120.0), None).await, [None, None, warning], "the default would be milder than the warning");
    assert_eq!(judged(None, Some(20.0)).await, [None, critical, critical]);
    assert_eq!(judged(Some(12.0), Some(20.0)).await, [warning, critical, critical]);
}
