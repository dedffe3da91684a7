//! Budgets and alerts: severities, defaults, shares, and slow requests.

#![expect(clippy::float_cmp, reason = "limits are rounded to nine digits")]

use super::*;
use crate::model::budget::Budget;
use crate::model::pipeline::Param;

fn budgets(settings: &str) -> Vec<Budget> {
    good(&performance(&format!("budgets: {{{settings}}}"))).performance.budgets
}

fn limits(budgets: &[Budget], name: &str) -> (f64, f64) {
    let budget = budgets.iter().find(|budget| budget.name == name).unwrap_or_else(|| panic!("{name}"));
    // Ignores the floating-point noise of 100 - 99.9.
    let short = |number: f64| (number * 1e9).round() / 1e9;
    (short(budget.limit), short(budget.critical))
}

#[test]
fn a_budget_is_critical_at_twice_itself_or_at_what_the_user_says() {
    let common = "api: {search: 200ms, detail: {limit: 100ms, critical: 150ms}}, bundle: {css: 100kb}, \
                  metrics: {errorRate: 0.1%, availability: 99.9%, apdex: 0.9}";
    let found = budgets(common);
    for (name, limit, critical) in [
        ("search", 200.0, 400.0),
        ("detail", 100.0, 150.0),
        ("css", 1e5, 2e5),
        ("errorRate", 0.1, 0.2),
        ("availability", 99.9, 99.8),
        ("apdex", 0.9, 0.8),
    ] {
        assert_eq!(limits(&found, name), (limit, critical), "{name}");
    }
    let found = budgets(&format!("criticalMultiple: 5x, {common}"));
    assert_eq!([limits(&found, "search").1, limits(&found, "detail").1], [1000.0, 150.0]);
    assert_eq!([limits(&found, "availability").1, limits(&found, "apdex").1], [99.5, 0.5]);
    let found = budgets(&format!("criticalMultiple: 1, {common}"));
    assert_eq!(limits(&found, "search"), (200.0, 200.0));
    assert_eq!(
        faults(&performance("budgets: {criticalMultiple: 0.5, api: {search: {limit: 200ms, critical: 100ms}}}")),
        [
            "c.yaml:3: connectors.performance.budgets.criticalMultiple: expected a number of times the limit, at least 1, \
             such as 2, found number 0.5",
            "c.yaml:3: connectors.performance.budgets.api.search.critical: expected at least the warning limit, which is \
             200, found 100",
        ]
    );
}

#[test]
fn a_budget_that_the_user_did_not_set_is_a_default() {
    let of = |text: &str| good(text).performance.budgets;
    assert!(of(&performance("interval: 5s")).iter().all(|budget| budget.is_default));
    assert_eq!(of(&performance("interval: 5s")).len(), 3);
    assert!(budgets("api: {search: 200ms}").iter().all(|budget| !budget.is_default));
    let embedded = parse(EMBEDDED_NAME, EMBEDDED, &|_| None).unwrap_or_else(|faults| panic!("{faults}"));
    assert!(embedded.performance.budgets.iter().all(|budget| budget.is_default));
    // A user's file with the same text is not the default.
    let copied = parse(FILE, EMBEDDED, &|_| None).unwrap_or_else(|faults| panic!("{faults}"));
    assert!(copied.performance.budgets.iter().all(|budget| !budget.is_default));
}

#[test]
fn a_bare_share_of_one_or_more_is_a_fault_that_names_both_readings() {
    for (written, found, both, write) in [
        ("1", "1", "100% or 1%", "write one of them"),
        ("1.0", "1", "100% or 1%", "write one of them"),
        ("\"1\"", "1", "100% or 1%", "write one of them"),
        ("2", "2", "200% or 2%", "write 2%"),
        ("99.95", "99.95", "9995% or 99.95%", "write 99.95%"),
    ] {
        for key in ["errorRate", "availability"] {
            let told = faults(&performance(&format!("budgets: {{metrics: {{{key}: {written}}}}}")));
            let expected = format!(
                "c.yaml:3: connectors.performance.budgets.metrics.{key}: expected a share such as 0.1% or 0.001, found \
                 {found}, which could be {both}; {write}"
            );
            assert_eq!(told, [expected], "{written}");
        }
    }
    for (written, percent) in [("1%", 1.0), ("100%", 100.0), ("0.5", 50.0), ("0.999", 99.9), ("0", 0.0)] {
        assert_eq!(
            limits(&budgets(&format!("metrics: {{errorRate: {written}}}")), "errorRate").0,
            percent,
            "{written}"
        );
    }
    // A bare number in `alerting` is in the unit of its key.
    let config = good(&performance("alerting: {errorRate: {warning: 1}}"));
    assert_eq!(config.performance.alerting[0].warning, Some(1.0));
}

#[test]
fn what_is_slow_and_how_much_of_it_may_be_is_the_users() {
    let of = |settings: &str| good(&performance(settings)).performance.overrides;
    assert!(of("alerting: {}").is_empty());
    let card = of("alerting: {slowRequest: {threshold: 1000, share: 0}}");
    assert_eq!(card["requests"].params, [("slow_ms".to_owned(), Param::Float(1000.0))].into());
    let expected = [
        ("threshold_ms".to_owned(), Param::Float(1000.0)),
        ("share_percent".to_owned(), Param::Float(0.0)),
        ("slow_min".to_owned(), Param::Int(1)),
    ];
    assert_eq!(card["slow_request"].params, expected.into());
    let some = of("alerting: {slowRequest: {share: 5, window: 10m}}");
    assert_eq!(some["slow_request"].params, [("share_percent".to_owned(), Param::Float(5.0))].into());
    assert_eq!(some["slow_request"].window_ms, Some(600_000));
    assert!(!some.contains_key("requests"));
    // The title contains the threshold from any of the settings; those under `findings` take precedence.
    let by_rollup = of("findings: {requests: {params: {slow_ms: 300}}, slow_request: {params: {slow_min: 2}}}\n\
                        alerting: {slowRequest: {threshold: 2s, share: 0}}");
    assert_eq!(by_rollup["slow_request"].params["threshold_ms"], Param::Float(300.0));
    assert_eq!(by_rollup["slow_request"].params["slow_min"], Param::Int(2));
    assert_eq!(
        faults(&performance("alerting: {slowRequest: {}, slowRequests: {share: 1}}")),
        [
            "c.yaml:3: connectors.performance.alerting.slowRequest.share: expected threshold, share or both, found neither",
            "c.yaml:3: connectors.performance.alerting.slowRequests: unknown key; did you mean \"slowRequest\"?",
        ]
    );
    let told = faults(&performance("alerting: {slowRequest: {threshold: soon, share: 101}}"));
    assert!(told.len() == 2 && told[0].contains("threshold: expected a number of milliseconds"), "{told:?}");
}
