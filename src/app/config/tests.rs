use super::*;
use crate::alerts::ChannelKind;
use crate::delivery::settings::{Compression, Feed, RetrySettings, Secret};
use crate::engine::findings::PipelineOverride;
use crate::exporters::debug::Verbosity;
use crate::exporters::otlp::{OtlpSettings, Protocol};
use crate::model::budget::BudgetKind;
use crate::model::pipeline::Param;
use crate::model::signal::Signal;
use std::time::Duration;

const FILE: &str = "c.yaml";

/// Returns a minimal configuration with `more` before its service.
fn with(more: &str) -> String {
    format!(
        "{more}\nreceivers: {{otlp: {{protocols: {{grpc: }}}}}}\nservice:\n  pipelines:\n    \
         traces: {{receivers: [otlp], exporters: [performance]}}\n"
    )
}

/// Returns it with `inner` in `performance`, from line 3 on.
fn performance(inner: &str) -> String {
    with(&format!("connectors:\n  performance:\n    {}", inner.replace('\n', "\n    ")))
}

fn good(text: &str) -> Config {
    parse(FILE, text, &|_| None).unwrap_or_else(|faults| panic!("{faults}"))
}

fn faults_with(text: &str, environment: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    match parse(FILE, text, environment) {
        Ok(config) => panic!("expected faults, found none: {config:?}"),
        Err(faults) => faults.0.iter().map(ToString::to_string).collect(),
    }
}

fn feed(signal: Signal) -> Feed {
    Feed { signal, receivers: vec!["otlp".into()], processors: Vec::new() }
}

fn otlp_of(target: &ExporterSettings) -> &OtlpSettings {
    target.of().unwrap_or_else(|| panic!("expected OTLP, found {:?}", target.kind))
}

fn faults(text: &str) -> Vec<String> {
    faults_with(text, &|_| None)
}

#[test]
fn the_embedded_file_is_good_and_says_the_defaults() {
    let config = parse(EMBEDDED_NAME, EMBEDDED, &|_| None).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(config.notes, Vec::<String>::new());
    assert_eq!(config.receivers.len(), 1);
    let (grpc, settings) = config.receivers[0].grpc.as_ref().expect("grpc");
    assert_eq!((grpc.to_string().as_str(), settings.max_recv_msg_size_bytes), ("127.0.0.1:4317", 4 << 20));
    let (http, settings) = config.receivers[0].http.as_ref().expect("http");
    assert_eq!((http.to_string().as_str(), settings.max_request_body_size_bytes), ("127.0.0.1:4318", 20 << 20));
    assert_eq!(config.log.dir, Path::new("spanwise-data/log"));
    assert_eq!((config.log.bytes_max, config.log.age_max), (10 << 30, Duration::from_hours(24)));
    assert_eq!(config.memory.total, 512 << 20);
    assert_eq!(config.ingest.dedup_window, Duration::from_mins(10));
    assert_eq!(config.sql.http.as_ref().map(ToString::to_string).as_deref(), Some("127.0.0.1:4380"));
    assert_eq!(config.sql.postgres.as_ref().map(ToString::to_string).as_deref(), Some("127.0.0.1:15432"));
    assert_eq!(config.sql.limits.timeout, Duration::from_secs(30));
    assert_eq!(config.prometheus[0].0.to_string(), "127.0.0.1:8889");
    assert_eq!(config.prometheus[0].1.path, "/metrics");
    let health = config.health.expect("health");
    assert_eq!((health.endpoint.to_string().as_str(), health.path.as_str()), ("127.0.0.1:13133", "/"));
    assert_eq!((config.telemetry.level, config.telemetry.encoding), (LogLevel::Info, LogEncoding::Console));
    assert_eq!(config.telemetry.metrics, MetricsLevel::Normal);
    let performance = config.performance;
    assert_eq!(performance.interval, Duration::from_secs(5));
    assert_eq!((performance.lag, performance.timeout), (Duration::from_secs(10), Duration::from_secs(10)));
    assert_eq!(performance.series_max, 10_000);
    let limits: Vec<(&str, f64)> = performance.budgets.iter().map(|b| (b.name.as_str(), b.limit)).collect();
    assert_eq!(limits, [("search", 200.0), ("detail", 100.0), ("mutation", 500.0)]);
    assert!(performance.budgets.iter().all(|b| b.kind == BudgetKind::Api && b.percentile == Some(95.0)));
    assert!(performance.alerting.is_empty() && performance.overrides.is_empty());
}

#[test]
fn names_of_a_proxy_are_those_of_http_alone() {
    let sql = |inner: &str| {
        with(&format!("connectors: {{performance: }}\nextensions: {{sql: {{{inner}}}}}"))
            .replace("service:", "service:\n  extensions: [sql]")
    };
    let config = good(&sql("http: {hosts: [spanwise.example]}"));
    assert_eq!(config.sql.hosts, ["spanwise.example"]);
    assert_eq!(faults(&sql("postgres: {hosts: [spanwise.example]}")).len(), 1);
}

#[test]
fn what_would_fail_only_once_it_runs_is_a_fault() {
    let exporter = |text: &str| {
        let pipelines = "metrics: {receivers: [otlp], exporters: [performance, EXPORTER]}";
        let name = text.split(':').next().unwrap_or_default();
        with(&format!("connectors: {{performance: }}\nexporters: {{{text}}}"))
            + "    "
            + &pipelines.replace("EXPORTER", name)
            + "\n"
    };
    for text in [
        "otlp_grpc: {endpoint: \"a:1\", tls: {insecure_skip_verify: true}}",
        "prometheus: {path: \"/:all\"}",
        "prometheus: {const_labels: {le: x}}",
        "prometheus: {namespace: \"${env:A:-${env:B}}\"}",
    ] {
        assert_eq!(faults(&exporter(text)).len(), 1, "{text}: {:?}", faults(&exporter(text)));
    }
    assert_eq!(
        good(&exporter("otlp_http: {endpoint: \"https://a:1\", tls: {insecure_skip_verify: true}}")).targets.len(),
        1
    );
}

#[test]
fn a_collector_file_runs_as_it_is() {
    let text = "\
receivers:
  otlp:
    protocols:
      grpc: {endpoint: localhost:4317, max_recv_msg_size_mib: 16, keepalive: {}}
      http: {endpoint: 127.0.0.1:4318, cors: {allowed_origins: [\"*\"], max_age: 7200}}
processors:
  memory_limiter: {check_interval: 1s, limit_mib: 512}
  batch: {timeout: 1s, send_batch_size: 1024}
exporters:
  otlp:
    endpoint: backend.example:4317
    tls: {insecure: true}
    headers: {api-key: abc}
    compression: zstd
    sending_queue: {enabled: true, num_consumers: 4, queue_size: 5000, batch: {flush_timeout: 1s, min_size: 100, max_size: 200}}
    retry_on_failure: {enabled: true, initial_interval: 1s, max_interval: 10s, max_elapsed_time: 5m}
  otlphttp/eu:
    endpoint: https://backend.example
    headers: [{name: x, value: y}]
    encoding: proto
  prometheus: {endpoint: localhost:8889, namespace: shop, const_labels: {team: web}, send_timestamps: true}
  debug: {verbosity: detailed}
extensions:
  health_check: {endpoint: 0.0.0.0:13133}
service:
  extensions: [health_check]
  telemetry: {logs: {level: DEBUG, encoding: json}, metrics: {level: none}}
  pipelines:
    traces: {receivers: [otlp], processors: [memory_limiter, batch], exporters: [otlp, debug]}
    metrics: {receivers: [otlp], processors: [batch], exporters: [otlphttp/eu, prometheus]}
    logs: {receivers: [otlp], exporters: [otlp]}
";
    let config = good(text);
    assert_eq!(config.receivers[0].grpc.as_ref().expect("grpc").1.max_recv_msg_size_bytes, 16 << 20);
    assert_eq!(config.receivers[0].http.as_ref().expect("http").1.cors.allowed_origins, ["*"]);
    assert_eq!(config.receivers[0].http.as_ref().expect("http").1.cors.max_age_s, 7200);
    let target = &config.targets[0];
    let otlp = otlp_of(target);
    assert_eq!((target.id(), otlp.protocol), ("otlp", Protocol::Grpc));
    assert_eq!(otlp.endpoint, "backend.example:4317");
    assert_eq!(target.feeds, [feed(Signal::Traces), feed(Signal::Logs)]);
    let client = &otlp.client;
    assert!(client.tls.insecure && client.compression == Compression::Zstd && client.timeout == Duration::from_secs(5));
    assert_eq!((target.delivery.batch.items_min, target.delivery.batch.items_max), (100, 200));
    assert_eq!(target.delivery.batch.flush_timeout, Duration::from_secs(1));
    assert_eq!(target.delivery.retry.max_elapsed_time, Duration::from_mins(5));
    assert_eq!(client.headers, [("api-key".to_owned(), Secret::new("abc"))]);
    let eu = &config.targets[1];
    assert_eq!((otlp_of(eu).protocol, otlp_of(eu).client.timeout), (Protocol::Http, Duration::from_secs(30)));
    assert_eq!((eu.feeds.as_slice(), &eu.delivery.retry), (&[feed(Signal::Metrics)][..], &RetrySettings::default()));
    assert_eq!(eu.delivery.retry.max_elapsed_time, Duration::ZERO);
    assert_eq!(otlp_of(eu).client.headers, [("x".to_owned(), Secret::new("y"))]);
    let prometheus = &config.prometheus[0].1;
    assert_eq!((prometheus.namespace.as_str(), prometheus.send_timestamps), ("shop", true));
    assert_eq!(config.debug[0].verbosity, Verbosity::Detailed);
    assert_eq!(config.debug[0].feeds, [feed(Signal::Traces)]);
    assert_eq!((config.telemetry.level, config.telemetry.encoding), (LogLevel::Debug, LogEncoding::Json));
    assert_eq!(config.telemetry.metrics, MetricsLevel::None);
    let noted = |what: &str| config.notes.iter().any(|note| note.contains(what));
    assert!(
        noted("attached to all receivers") && noted("c.yaml:8: processors.batch: is built in"),
        "{:?}",
        config.notes
    );
    assert!(noted("the log is the queue") && noted("keepalive: has no effect"), "{:?}", config.notes);
    assert_eq!(config.performance.budgets.len(), 3, "the default budgets");
}

#[test]
fn every_form_of_budgets_and_alerts() {
    let config = good(&performance(
        "budgets:
  pageLoad: {firstContentfulPaint: 1800ms, timeToInteractive: 3s, fullyLoaded: 5s}
  api: {search: 200ms, detail: {limit: 90ms, p: 99}, products: {match: \"GET /products/{id}\", service: \"shop*\", p: 50, limit: 1s}}
  bundle: {javascript: 500kb, css: 64KiB, images: 2mb}
  metrics: {errorRate: 0.001, availability: 99.9%, apdex: 0.9}
alerting:
  responseTime: {warning: 500, critical: 1s, window: 5m}
  errorRate: {warning: 1, critical: 5%}
  resources: {cpu: {warning: 70, critical: 90}, memory: {critical: 95}, disk: {warning: 80}}
  database: {connections: {warning: 80}, lockWaits: {warning: 5}, replication: {warning: 1500ms}}",
    ));
    let budget = |name: &str| config.performance.budgets.iter().find(|b| b.name == name).expect("is there").clone();
    assert_eq!(Some(budget("firstContentfulPaint").limit), Some(1800.0));
    assert_eq!(budget("fullyLoaded").percentile, Some(75.0));
    assert_eq!(budget("search").operation_match, "GET *[sS][eE][aA][rR][cC][hH]*");
    assert_eq!((budget("detail").limit, budget("detail").percentile), (90.0, Some(99.0)));
    let own = budget("products");
    assert_eq!((own.operation_match.as_str(), own.service_match.as_str()), ("GET /products/[{]id[}]", "shop*"));
    assert_eq!((own.percentile, own.limit, own.unit.as_str()), (Some(50.0), 1000.0, "ms"));
    assert_eq!((budget("javascript").limit, budget("css").limit, budget("images").limit), (5e5, 65_536.0, 2e6));
    assert_eq!((budget("errorRate").limit, budget("errorRate").below), (0.1, false));
    assert_eq!((budget("availability").limit, budget("availability").below), (99.9, true));
    assert_eq!((budget("apdex").limit, budget("apdex").unit.as_str(), budget("apdex").below), (0.9, "1", true));
    let alert = |key: &str| config.performance.alerting.iter().find(|a| a.key == key).expect("is there").clone();
    let response = alert("responseTime");
    assert_eq!((response.warning, response.critical, response.window_ms), (Some(500.0), Some(1000.0), Some(300_000)));
    assert_eq!((alert("errorRate").critical, alert("errorRate").window_ms), (Some(5.0), None));
    assert_eq!((alert("resources.memory").warning, alert("resources.memory").critical), (None, Some(95.0)));
    assert_eq!(alert("database.replication").warning, Some(1.5));
    assert_eq!(config.performance.alerting.len(), 8);
}

#[test]
fn a_bare_share_above_one_and_other_wrong_limits_are_told() {
    let told = faults(&performance(
        "budgets:
  api: {serach: 200ms, detail: 100, mine: {limit: 1s}, bad: {match: \"[\", limit: 1s}}
  metrics: {errorRate: 5, apdex: 90}
  bundle: {javascript: big}
alerting:
  responseTime: {warning: 1000, critical: 500}
  resources: {gpu: {warning: 1}}
  errorRate: {}",
    ));
    let expected = [
        "c.yaml:4: connectors.performance.budgets.api.serach: expected {match: \"GET /products/*\", limit: 200ms}, found \
         text \"200ms\": only search, detail, mutation have their own pattern; did you mean \"search\"?",
        "c.yaml:4: connectors.performance.budgets.api.detail: expected a duration such as 200ms, 5s, 5m, 2h or 30d, greater \
         than zero, found number 100",
        "c.yaml:4: connectors.performance.budgets.api.mine.match: expected match, service or both, found neither",
        "c.yaml:4: connectors.performance.budgets.api.bad.match: expected a pattern such as \"GET /products/*\", found \
         \"[\": unclosed character class; missing ']'",
        "c.yaml:5: connectors.performance.budgets.metrics.errorRate: expected a share such as 0.1% or 0.001, found 5, which \
         could be 500% or 5%; write 5%",
        "c.yaml:5: connectors.performance.budgets.metrics.apdex: expected a number from 0 to 1, such as 0.9, found number 90",
        "c.yaml:6: connectors.performance.budgets.bundle.javascript: expected a size such as 500kb, 2mb or 64MiB, greater \
         than zero, found text \"big\"",
        "c.yaml:8: connectors.performance.alerting.responseTime.critical: expected at least the warning limit, which is \
         1000, found 500",
        "c.yaml:9: connectors.performance.alerting.resources.gpu: unknown key; known are cpu, disk, memory",
        "c.yaml:10: connectors.performance.alerting.errorRate.warning: expected warning, critical or both, found neither",
    ];
    assert_eq!(told, expected);
}

#[test]
fn five_faults_at_once_each_with_its_line() {
    let text = "\
receivers:
  otlp:
    protocols:
      grpc: {endpoint: \"127.0.0.1\"}
      http: {endpont: 127.0.0.1:4318}
exporters:
  otlp_grpc: {endpoint: \"backend:4317\", timeout: 5}
  kafka: {}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [otlp_grcp, kafka, otlp_grpc]}
";
    assert_eq!(
        faults(text),
        [
            "c.yaml:4: receivers.otlp.protocols.grpc.endpoint: expected an address such as 127.0.0.1:4317, found \"127.0.0.1\"",
            "c.yaml:5: receivers.otlp.protocols.http.endpont: unknown key; did you mean \"endpoint\"?",
            "c.yaml:7: exporters.otlp_grpc.timeout: expected a duration such as 200ms, 5s, 5m, 2h or 30d, greater than \
             zero, found number 5",
            "c.yaml:8: exporters.kafka: is not supported yet; send to a Collector that has it with `otlp_grpc`",
            "c.yaml:11: service.pipelines.traces.exporters: \"otlp_grcp\" is not defined under exporters; did you mean \
             \"otlp_grpc\"?",
        ]
    );
}

#[test]
fn single_pipelines_are_changed_by_name() {
    let config = good(&performance(
        "findings:
  slow_statement: {warning: 200ms, critical: 2s, samples_min: 5, window: 10m, for: 1m, keep_firing_for: 5m, params: {limit: 10}}
  pool_pending: {disabled: true}",
    ));
    let expected = PipelineOverride {
        disabled: false,
        warning: Some(200.0),
        critical: Some(2000.0),
        samples_min: Some(5),
        window_ms: Some(600_000),
        for_ms: Some(60_000),
        keep_firing_for_ms: Some(300_000),
        params: [("limit".to_owned(), Param::Int(10))].into(),
    };
    assert_eq!(config.performance.overrides["slow_statement"], expected);
    assert!(config.performance.overrides["pool_pending"].disabled);
    let told = faults(&performance(
        "findings:
  slow_statment: {warning: 1}
  requests: {warning: 1}
  pool_pending: {keep_firing_for: soon}
  queries: {keep_firing_for: 1m}
  slow_statement: {params: {limt: 5, limit: ten}}",
    ));
    assert_eq!(
        told,
        [
            "c.yaml:4: connectors.performance.findings.slow_statment: there is no pipeline of this name; did you mean \
             \"slow_statement\"?",
            "c.yaml:5: connectors.performance.findings.requests.warning: \"requests\" evaluates nothing; only `disabled` and \
             `params` can be set",
            "c.yaml:6: connectors.performance.findings.pool_pending.keep_firing_for: expected a duration such \
             as 200ms, 5s, 5m, 2h or 30d, found text \"soon\"",
            "c.yaml:7: connectors.performance.findings.queries.keep_firing_for: \"queries\" evaluates nothing; only `disabled` \
             and `params` can be set",
            "c.yaml:8: connectors.performance.findings.slow_statement.params.limt: \"slow_statement\" has no such \
             parameter; did you mean \"limit\"?",
            "c.yaml:8: connectors.performance.findings.slow_statement.params.limit: expected a whole number, found text \
             \"ten\"",
        ]
    );
}

proptest::proptest! {
    #[test]
    fn no_change_of_the_file_brings_the_reader_down(line in 0..EMBEDDED.lines().count(), with in "[ a-z0-9:{}\\[\\]\"$%*.,/#-]{0,40}") {
        let changed: Vec<&str> = EMBEDDED.lines().enumerate().map(|(at, text)| if at == line { &with } else { text }).collect();
        // It must not panic; valid or faulty are both fine.
        let _ = parse(FILE, &changed.join("\n"), &|_| None);
    }
}

mod alerts;
mod collector;
mod datadog;
mod elasticsearch;
mod embedded;
mod file;
mod listening;
mod once;
mod pipelines;
mod presets;
mod remote_write;
mod secrets;
