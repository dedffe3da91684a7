//! Budgets as Prometheus rules: promtool accepts the file, and hand-written series cause exactly the expected alerts.

use crate::support::peer;
use crate::support::server::SPANWISE;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

const CONFIG: &str = "
connectors:
  performance:
    budgets:
      api:
        search: 200ms
        checkout: {match: \"POST /checkout\", service: \"{bad,good}\", limit: 250ms}
        slow: {match: \"GET /größe \\\"x\\\" *\", limit: 1m}
      pageLoad: {firstContentfulPaint: 1.8s}
      bundle: {javascript: 500kb}
      metrics: {errorRate: 1.5%, availability: 99.9%, apdex: 0.9}
receivers: {otlp: {protocols: {grpc: }}}
exporters: {prometheus: {endpoint: 127.0.0.1:8889}}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [performance]}
    metrics: {receivers: [otlp], exporters: [performance, prometheus]}
";

/// Calls of a service per minute, and how many of them fail.
///
/// The budget allows one in a thousand: `bad` fails 2%, 20 times that; `worn` 0.4%, 4 times; `good` none; `few` half, but with
/// only ten calls in five minutes.
const CALLS: [(&str, u32, u32); 4] = [("bad", 100, 2), ("worn", 1000, 4), ("good", 100, 0), ("few", 2, 1)];

/// Calls per minute: service, operation, `le` of the limit, calls within it, calls within the next bucket, all calls.
///
/// Searches within 200 ms: 90% of `bad`, 96% of `good`, none of `few`, which has one call in two minutes. Checkouts at p95,
/// between the bounds 200 and 400: `bad` has 90 of 100 within 200, so 200 + 200 × 5/10 = 300 ms; `good` has 94, so 200 + 200 ×
/// 1/6 = 233 ms.
const DURATIONS: [(&str, &str, &str, f64, f64, f64); 5] = [
    ("bad", "GET /search", "200", 90.0, 100.0, 100.0),
    ("good", "GET /search", "200.0", 96.0, 100.0, 100.0),
    ("few", "GET /search", "200", 0.0, 0.5, 0.5),
    ("bad", "POST /checkout", "200", 90.0, 100.0, 100.0),
    ("good", "POST /checkout", "200", 94.0, 100.0, 100.0),
];

/// Alerts that fire after an hour: a selector and the services.
const FIRING: [(&str, &[&str]); 12] = [
    ("alertname=\"SpanwiseAvailabilityBudget\", window=\"1h\", severity=\"critical\"", &["bad", "few"]),
    ("alertname=\"SpanwiseAvailabilityBudget\", window=\"6h\", severity=\"critical\"", &["bad", "few"]),
    ("alertname=\"SpanwiseAvailabilityBudget\", window=\"1d\", severity=\"warning\"", &["bad", "few", "worn"]),
    ("alertname=\"SpanwiseAvailabilityBudget\", window=\"3d\", severity=\"warning\"", &["bad", "few", "worn"]),
    // An error rate of 2% exceeds 1.5%, but not twice that.
    ("alertname=\"SpanwiseErrorRateBudget\"", &["bad"]),
    ("alertname=\"SpanwiseErrorRateBudget\", severity=\"warning\"", &["bad"]),
    ("alertname=\"SpanwiseApiBudget\", budget=\"search\", severity=\"warning\"", &["bad"]),
    ("alertname=\"SpanwiseApiBudget\", budget=\"checkout\", severity=\"warning\"", &["bad"]),
    // An apdex of 0.6 is below 0.9, and below 0.8, where the shortfall from 1 is twice as large.
    ("alertname=\"SpanwiseJudgedBudget\", budget=\"apdex\", severity=\"warning\"", &["bad"]),
    ("alertname=\"SpanwiseJudgedBudget\", budget=\"apdex\", severity=\"critical\"", &["bad"]),
    ("alertname=\"SpanwiseJudgedBudget\", budget=\"javascript\"", &["good"]),
    ("alertname=\"SpanwiseJudgedBudget\", budget=\"javascript\", severity=\"warning\"", &["good"]),
];

#[test]
fn promtool_takes_the_rules_and_they_fire_where_they_must() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("otel-config.yaml");
    std::fs::write(&config, CONFIG).expect("written");
    let rules = told(Command::new(SPANWISE).args(["export", "prometheus-rules", "--config"]).arg(&config));
    std::fs::write(folder.path().join("rules.yml"), &rules).expect("written");
    std::fs::write(folder.path().join("tests.yml"), tests_file()).expect("written");
    for promtool in [peer("SPANWISE_PROMTOOL"), "promtool".to_owned()] {
        let run = |arguments: [&str; 3]| told(Command::new(&promtool).args(arguments).current_dir(folder.path()));
        let checked = run(["check", "rules", "rules.yml"]);
        assert!(checked.contains("SUCCESS: 23 rules found"), "{checked}\n{rules}");
        println!("{promtool}\n{checked}{}", run(["test", "rules", "tests.yml"]));
    }
    nothing_fires_wrongly(folder.path());
}

/// The test must be able to fail: promtool rejects it with wrong expectations.
fn nothing_fires_wrongly(folder: &Path) {
    let wrong = tests_file().replace("{service_name=\"worn\"}", "{service_name=\"good\"}");
    std::fs::write(folder.join("wrong.yml"), wrong).expect("written");
    let mut promtool = Command::new(peer("SPANWISE_PROMTOOL"));
    let output = promtool.args(["test", "rules", "wrong.yml"]).current_dir(folder).output().expect("runs");
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn without_budgets_there_are_no_rules() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("otel-config.yaml");
    let without = CONFIG.split("    budgets:").next().expect("a part").to_owned() + "    budgets: {}\n";
    let rest = CONFIG.split_once("receivers:").expect("two parts").1;
    std::fs::write(&config, format!("{without}receivers:{rest}")).expect("written");
    let rules = told(Command::new(SPANWISE).args(["export", "prometheus-rules", "--config"]).arg(&config));
    std::fs::write(folder.path().join("rules.yml"), &rules).expect("written");
    let promtool = peer("SPANWISE_PROMTOOL");
    let checked = told(Command::new(promtool).args(["check", "rules", "rules.yml"]).current_dir(folder.path()));
    assert!(checked.contains("SUCCESS: 0 rules found"), "{checked}");
}

/// Returns the output of a command, which must succeed.
fn told(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{error}", output.status);
    out.into_owned()
}

fn tests_file() -> String {
    let mut text =
        String::from("rule_files: [rules.yml]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    input_series:\n");
    let mut series = |name: &str, each_minute: f64| {
        let _written = writeln!(text, "      - series: '{name}'\n        values: '0+{each_minute}x60'");
    };
    for (service, calls, failed) in CALLS {
        let of = |status: &str| {
            format!(
                "traces_span_metrics_calls_total{{service_name=\"{service}\",span_name=\"GET /a\",\
                 span_kind=\"SPAN_KIND_SERVER\",status_code=\"STATUS_CODE_{status}\"}}"
            )
        };
        series(&of("UNSET"), f64::from(calls - failed));
        if failed > 0 {
            series(&of("ERROR"), f64::from(failed));
        }
        // Its dependencies fail, too, but their calls do not count as its own.
        series(&of("ERROR").replace("SERVER", "CLIENT"), f64::from(calls));
    }
    for (service, operation, le, within, next, all) in DURATIONS {
        let of = |suffix: &str, le: &str| {
            format!(
                "traces_span_metrics_duration_milliseconds_{suffix}{{service_name=\"{service}\",span_name=\"{operation}\",\
                 span_kind=\"SPAN_KIND_SERVER\"{le}}}"
            )
        };
        series(&of("bucket", &format!(",le=\"{le}\"")), within);
        series(&of("bucket", ",le=\"400\""), next);
        series(&of("bucket", ",le=\"+Inf\""), all);
        series(&of("count", ""), all);
    }
    for (service, budget, value) in [("bad", "apdex", 0.6), ("good", "apdex", 0.95), ("good", "javascript", 600_000.0)]
    {
        let pipeline = if budget == "apdex" { "apdex_budget" } else { "bundle_budget" };
        let _written = writeln!(
            text,
            "      - series: 'spanwise_finding_value{{service_name=\"{service}\",budget=\"{budget}\",pipeline=\"{pipeline}\"}}'\n        \
             values: '{value}+0x60'"
        );
    }
    text.push_str("    promql_expr_test:\n");
    let mut expects = |query: &str, samples: &[(&str, f64)]| {
        let _written = writeln!(text, "      - expr: '{query}'\n        eval_time: 1h\n        exp_samples:");
        for (service, value) in samples {
            let _written = writeln!(text, "          - {{labels: '{{service_name=\"{service}\"}}', value: {value}}}");
        }
    };
    for (alerts, services) in FIRING {
        let samples: Vec<(&str, f64)> = services.iter().map(|service| (*service, 1.0)).collect();
        expects(&format!("count by (service_name) (ALERTS{{alertstate=\"firing\", {alerts}}})"), &samples);
    }
    expects("count by (service_name) (ALERTS{budget=\"firstContentfulPaint\"})", &[]);
    // All searches are within 400 ms, and the checkouts' p95 is within 500 ms.
    expects("count by (service_name) (ALERTS{alertname=\"SpanwiseApiBudget\", severity=\"critical\"})", &[]);
    // Recorded ratios, in thousandths.
    let ratios = "round(1000 * max by (service_name) (spanwise:errors:ratio_rate1h))";
    expects(ratios, &[("bad", 20.0), ("few", 500.0), ("good", 0.0), ("worn", 4.0)]);
    text
}
