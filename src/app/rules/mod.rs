//! `spanwise export prometheus-rules`: the user's budgets as Prometheus rules over the scraped metrics.
//!
//! Budgets that span metrics can express use them, so that Prometheus evaluates these itself; the others use the values that
//! Spanwise has evaluated and that are scraped, too.

mod promql;
mod yaml;

#[cfg(test)]
mod tests;

use super::config::Config;
use crate::engine::functions::samples_min;
use crate::exporters::prometheus::{self, Translation};
use crate::model::budget::{Budget, BudgetKind};
use crate::model::scrape::{FamilyKind, SPAN_METRICS_BOUNDS_MS};
use promql::{Matcher, by, number, regex, selector};
use yaml::{Group, Rule};

/// Windows of the recorded error ratios.
const WINDOWS: [&str; 7] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"];
/// Burn rates over thirty days, by the multi-window method: factor, long window, short window, severity. A page is
/// critical, a ticket is a warning.
const BURNS: [(f64, &str, &str, &str); 4] = [
    (14.4, "1h", "5m", "critical"),
    (6.0, "6h", "30m", "critical"),
    (3.0, "1d", "2h", "warning"),
    (1.0, "3d", "6h", "warning"),
];
/// Minimum number of calls within the window to evaluate a service, as in the analyses.
const SERVICE_SAMPLES_MIN: u64 = 20;
/// Evaluation window of a budget's finding, and how long an alert keeps firing.
const WINDOW: &str = "5m";
const KEEPS_FIRING_FOR: &str = "1m";

/// Returns all rules as a Prometheus rule file.
#[must_use]
pub fn prometheus_rules(config: &Config) -> String {
    let scrape = config.prometheus.first().map(|(_, settings)| (settings.translation, settings.namespace.as_str()));
    let (translation, namespace) = scrape.unwrap_or_default();
    let names = Names::new(translation, namespace);
    let budgets = &config.performance.budgets;
    let mut groups = Vec::new();
    let of_metrics =
        |name: &str| budgets.iter().find(|budget| budget.kind == BudgetKind::Metrics && budget.name == name);
    let (availability, error_rate) = (of_metrics("availability"), of_metrics("errorRate"));
    if availability.is_some() || error_rate.is_some() {
        let windows = if availability.is_some() { &WINDOWS[..] } else { &WINDOWS[..1] };
        groups.push(Group {
            name: "spanwise-error-ratios",
            comments: vec!["The share of requests that failed, by service.".to_owned()],
            rules: windows.iter().map(|window| names.error_ratio(window)).collect(),
        });
    }
    groups.extend(availability.map(|budget| names.availability(budget)));
    groups.extend(error_rate.map(|budget| names.error_rate(budget)));
    let of_api: Vec<&Budget> = budgets.iter().filter(|budget| budget.kind == BudgetKind::Api).collect();
    if !of_api.is_empty() {
        groups.push(names.api(&of_api));
    }
    let judged: Vec<Rule> = budgets.iter().flat_map(|budget| names.judged(budget)).collect();
    if !judged.is_empty() {
        groups.push(Group {
            name: "spanwise-judged-budgets",
            comments: vec!["Span metrics do not hold these; they are as Spanwise has judged them.".to_owned()],
            rules: judged,
        });
    }
    let mut head = vec![format!("Budgets of {}, for what Spanwise's scrape serves.", config.file)];
    if config.prometheus.is_empty() {
        head.push("The configuration has no exporter `prometheus`, so nothing serves these metrics yet.".to_owned());
    }
    if groups.is_empty() {
        head.push("It sets no budgets.".to_owned());
    }
    yaml::print(&head, &groups)
}

/// Names of scraped metrics and labels.
struct Names {
    calls: String,
    bucket: String,
    count: String,
    judged: String,
    service: String,
    span: String,
    kind: String,
    status: String,
}

impl Names {
    fn new(translation: Translation, namespace: &str) -> Names {
        let metric = |name: &str, unit: &str, kind| {
            prometheus::metric_name(translation, namespace, name, unit, kind).unwrap_or_else(|| name.to_owned())
        };
        let label = |name: &str| prometheus::label_name(translation, name).unwrap_or_else(|| name.to_owned());
        let duration = metric("traces.span.metrics.duration", "ms", FamilyKind::Histogram);
        Names {
            calls: metric("traces.span.metrics.calls", "", FamilyKind::Counter),
            bucket: format!("{duration}_bucket"),
            count: format!("{duration}_count"),
            judged: metric("spanwise.finding.value", "", FamilyKind::Gauge),
            service: label("service.name"),
            span: label("span.name"),
            kind: label("span.kind"),
            status: label("status.code"),
        }
    }

    fn servers(&self) -> Vec<Matcher> {
        vec![Matcher::is(&self.kind, "SPAN_KIND_SERVER")]
    }

    fn error_ratio(&self, window: &str) -> Rule {
        let by = by(&[&self.service]);
        let all = selector(&self.calls, &self.servers());
        let mut failed = self.servers();
        failed.push(Matcher::is(&self.status, "STATUS_CODE_ERROR"));
        let failed = selector(&self.calls, &failed);
        // A service without failures has no series of failures, and an error ratio of zero.
        let (all, failed) =
            (format!("sum {by} (rate({all}[{window}]))"), format!("sum {by} (rate({failed}[{window}]))"));
        Rule::record(ratio(window), format!("({failed} or 0 * {all}) / {all}"))
    }

    fn availability(&self, budget: &Budget) -> Group {
        let allowed = (100.0 - budget.limit) / 100.0;
        let mut comments = vec![
            format!("Availability of {}% over 30 days, by how fast what may fail is used up.", number(budget.limit)),
            "A span of a server fails by its status: 5xx, and what a gRPC server is to blame for.".to_owned(),
        ];
        let mut rules = Vec::new();
        for (factor, long, short, severity) in BURNS {
            let threshold = factor * allowed;
            if threshold >= 1.0 {
                comments.push(format!("A burn rate of {factor} is more than all requests, so {long} has no rule."));
                continue;
            }
            let threshold = number(threshold);
            let expression = format!("{} > {threshold} and {} > {threshold}", ratio(long), ratio(short));
            let summary = format!(
                "{}: {{{{ $value | humanizePercentage }}}} of requests failed within {long}, {factor} times what {}% allows",
                shown(&self.service),
                number(budget.limit)
            );
            let rule = Rule::alert("SpanwiseAvailabilityBudget", expression, &summary);
            rules.push(rule.label("severity", severity).label("budget", &budget.name).label("window", long));
        }
        Group { name: "spanwise-availability", comments, rules }
    }

    fn error_rate(&self, budget: &Budget) -> Group {
        let enough = selector(&self.calls, &self.servers());
        let enough = enough_calls(&by(&[&self.service]), &enough, SERVICE_SAMPLES_MIN);
        let rules = severities(budget).map(|(severity, limit)| {
            let expression = format!("{} > {} and {enough}", ratio(WINDOW), number(limit / 100.0));
            let summary = format!(
                "{}: {{{{ $value | humanizePercentage }}}} of requests fail, over the {} of {}%",
                shown(&self.service),
                word(budget),
                number(budget.limit)
            );
            let rule = Rule::alert("SpanwiseErrorRateBudget", expression, &summary).keeps(KEEPS_FIRING_FOR);
            rule.label("severity", severity).label("budget", &budget.name)
        });
        Group {
            name: "spanwise-error-rate",
            comments: vec!["The rate within five minutes.".to_owned()],
            rules: rules.into(),
        }
    }

    fn api(&self, budgets: &[&Budget]) -> Group {
        let mut comments = vec![
            "Durations by operation, which is the name of a span here. Where a limit is a bound of the buckets, the share".into(),
            "of calls within it is exact; elsewhere the percentile is a guess within a bucket.".into(),
        ];
        let last = SPAN_METRICS_BOUNDS_MS.last().copied().unwrap_or_default();
        let mut rules = Vec::new();
        for budget in budgets {
            for (severity, limit) in severities(budget) {
                if limit > last {
                    comments.push(format!(
                        "{:?} has no rule of severity {severity}: {} ms is beyond {last} ms, the last bound of the buckets.",
                        budget.name,
                        number(limit)
                    ));
                    continue;
                }
                rules.push(self.duration(budget, severity, limit));
            }
        }
        Group { name: "spanwise-api", comments, rules }
    }

    fn duration(&self, budget: &Budget, severity: &str, limit_ms: f64) -> Rule {
        let mut matchers = self.servers();
        for (label, pattern) in [(&self.service, &budget.service_match), (&self.span, &budget.operation_match)] {
            matchers.extend(regex(pattern).map(|regex| Matcher::fits(label, &regex)));
        }
        let percentile = budget.percentile.unwrap_or(95.0);
        let (share, limit) = (number(percentile / 100.0), number(limit_ms));
        let (each, count) = (by(&[&self.service, &self.span]), selector(&self.count, &matchers));
        let enough = enough_calls(&each, &count, samples_min(percentile / 100.0));
        let is_bound = SPAN_METRICS_BOUNDS_MS.iter().any(|bound| bound.to_bits() == limit_ms.to_bits());
        let (over, what) = if is_bound {
            // Prometheus 3 formats bucket bounds as 200.0; older versions keep the scraped form.
            matchers.push(Matcher::fits("le", &format!("{limit}(\\.0)?")));
            let within = selector(&self.bucket, &matchers);
            let within = format!("sum {each} (rate({within}[{WINDOW}])) / sum {each} (rate({count}[{WINDOW}]))");
            (
                format!("{within} < {share}"),
                format!("{{{{ $value | humanizePercentage }}}} of calls take {limit} ms or less"),
            )
        } else {
            let buckets = selector(&self.bucket, &matchers);
            let all = by(&["le", &self.service, &self.span]);
            let value = format!("histogram_quantile({share}, sum {all} (rate({buckets}[{WINDOW}])))");
            (format!("{value} > {limit}"), format!("p{} is about {{{{ $value }}}} ms", number(percentile)))
        };
        let summary = format!(
            "{} {}: {what}, over the {} of p{} {} ms",
            shown(&self.service),
            shown(&self.span),
            word(budget),
            number(percentile),
            number(budget.limit)
        );
        let rule = Rule::alert("SpanwiseApiBudget", format!("{over} and {enough}"), &summary).keeps(KEEPS_FIRING_FOR);
        rule.label("severity", severity).label("budget", &budget.name)
    }

    /// Returns the rules of a budget that span metrics cannot express; empty for the others.
    fn judged(&self, budget: &Budget) -> Vec<Rule> {
        let pipeline = match budget.kind {
            BudgetKind::PageLoad => "page_load_budget",
            BudgetKind::Bundle => "bundle_budget",
            BudgetKind::Metrics if budget.name == "apdex" => "apdex_budget",
            BudgetKind::Metrics | BudgetKind::Api => return Vec::new(),
        };
        let matchers = [Matcher::is("pipeline", pipeline), Matcher::is("budget", &budget.name)];
        let comparison = if budget.below { "<" } else { ">" };
        let unit = if budget.unit == "1" { String::new() } else { format!(" {}", budget.unit) };
        let service = shown("service_name");
        let summary = format!(
            "{service}: {} is {{{{ $value }}}}{unit}, past the {} of {}{unit}",
            budget.name,
            word(budget),
            number(budget.limit)
        );
        let rules = severities(budget).map(|(severity, limit)| {
            let expression = format!("{} {comparison} {}", selector(&self.judged, &matchers), number(limit));
            let rule = Rule::alert("SpanwiseJudgedBudget", expression, &summary).keeps(KEEPS_FIRING_FOR);
            rule.label("severity", severity).label("budget", &budget.name)
        });
        rules.into()
    }
}

/// Returns a template expression for the value of a label.
fn shown(label: &str) -> String {
    if promql::is_plain(label) {
        format!("{{{{ $labels.{label} }}}}")
    } else {
        format!("{{{{ index $labels {} }}}}", promql::text(label))
    }
}

/// Returns the severities of a budget with their limits.
fn severities(budget: &Budget) -> [(&'static str, f64); 2] {
    [("warning", budget.limit), ("critical", budget.critical)]
}

fn word(budget: &Budget) -> &'static str {
    if budget.is_default { "default budget" } else { "budget" }
}

/// Returns the name of a recorded error ratio.
fn ratio(window: &str) -> String {
    format!("spanwise:errors:ratio_rate{window}")
}

fn enough_calls(by: &str, calls: &str, least: u64) -> String {
    format!("sum {by} (increase({calls}[{WINDOW}])) >= {least}")
}
