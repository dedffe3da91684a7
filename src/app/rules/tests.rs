//! The check of the rules with promtool is in `tests/integration/rules.rs`.

use super::promql::{Matcher, number, regex, selector, text};
use super::*;
use crate::app::config;
use crate::catalog::yaml::{self as catalog_yaml, Value};

fn of(budgets: &str) -> String {
    let file = format!(
        "connectors: {{performance: {{budgets: {{{budgets}}}}}}}\nreceivers: {{otlp: {{protocols: {{grpc: }}}}}}\nexporters: \
         {{prometheus: {{namespace: my.shop}}}}\nservice: {{pipelines: {{traces: {{receivers: [otlp], exporters: [performance]}}, \
         metrics: {{receivers: [otlp], exporters: [prometheus]}}}}}}\n"
    );
    prometheus_rules(&config::parse("c.yaml", &file, &|_| None).unwrap_or_else(|faults| panic!("{faults}")))
}

#[test]
fn the_file_is_yaml_and_names_what_the_scrape_serves() {
    let rules = of(
        "metrics: {availability: 99.9%, errorRate: 1%, apdex: 0.9}, api: {search: 200ms, slow: {match: '*', limit: 20s}}",
    );
    let parsed = catalog_yaml::parse("rules", &rules).unwrap_or_else(|faults| panic!("{faults}\n{rules}"));
    let Some(Value::List(groups)) = parsed.get("groups").map(|node| &node.value) else { panic!("{rules}") };
    assert_eq!(groups.len(), 5, "{rules}");
    for piece in [
        "rate(my_shop_traces_span_metrics_calls_total{span_kind=\"SPAN_KIND_SERVER\"}[3d])",
        "spanwise:errors:ratio_rate1h > 0.0144 and spanwise:errors:ratio_rate5m > 0.0144",
        "spanwise:errors:ratio_rate3d > 0.001 and spanwise:errors:ratio_rate6h > 0.001",
        "spanwise:errors:ratio_rate5m > 0.01 and sum by (service_name) (increase(",
        "my_shop_traces_span_metrics_duration_milliseconds_bucket{span_kind=\"SPAN_KIND_SERVER\", span_name=~\"GET .*[sS]",
        "le=~\"200(\\\\.0)?\"}[5m]))",
        "# \"slow\" has no rule of severity warning: 20000 ms is beyond 15000 ms",
        "my_shop_spanwise_finding_value{pipeline=\"apdex_budget\", budget=\"apdex\"} < 0.9",
    ] {
        assert!(rules.contains(piece), "{piece} in\n{rules}");
    }
    assert!(of("").ends_with("# It sets no budgets.\ngroups: []\n"));
}

#[test]
fn a_budget_that_allows_much_has_fewer_burn_rates() {
    // 14.4 and 6 times a fifth exceed 100 % of the requests.
    let rules = of("metrics: {availability: 80%}");
    assert_eq!(rules.matches("alert: SpanwiseAvailabilityBudget").count(), 2, "{rules}");
    assert_eq!(rules.matches("is more than all requests").count(), 2, "{rules}");
}

#[test]
fn globs_become_expressions_that_go_reads() {
    for (glob, expected) in [
        ("GET /a/*", "GET /a/.*"),
        ("{POST,PUT} /a?", "(?:POST|PUT) /a."),
        ("GET /a/[{]id[}]", "GET /a/[\\{]id[\\}]"),
        ("[!a-c]x.y", "[^a-c]x\\.y"),
        ("größe \\* \"q\"", "größe \\* \"q\""),
        ("a\\\\x41", "a\\\\x41"),
    ] {
        assert_eq!(regex(glob).as_deref(), Some(expected), "{glob}");
    }
    assert_eq!(regex("*"), None);
}

#[test]
fn names_that_need_quotes_have_them() {
    let matchers = [Matcher::is("service.name", "a"), Matcher::fits("le", "1|2")];
    assert_eq!(selector("calls_total", &matchers), "calls_total{\"service.name\"=\"a\", le=~\"1|2\"}");
    assert_eq!(selector("calls.total", &matchers), "{\"calls.total\", \"service.name\"=\"a\", le=~\"1|2\"}");
    assert_eq!(text("a\"b\\c\nd\u{85}"), "\"a\\\"b\\\\c\\u000ad\\u0085\"");
    assert_eq!([number(14.4 * 0.001), number(200.0), number(100.0 - 99.9)], ["0.0144", "200", "0.1"]);
}
