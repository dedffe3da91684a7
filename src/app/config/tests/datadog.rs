//! `exporters.datadog`: the keys of the Collector's exporter.

use super::*;
use crate::exporters::datadog::metrics::HistogramMode;
use crate::exporters::datadog::{ApiSettings, DatadogSettings, Endpoints, Way};
use crate::exporters::temporality::Initial;

/// Not a real key.
const KEY: &str = "0123456789abcdef0123456789abcdef";

fn file(signal: &str, settings: &str) -> String {
    format!(
        "receivers: {{otlp: {{protocols: {{grpc: }}}}}}\nexporters:\n  datadog:\n    {}\nservice: {{pipelines: \
         {{{signal}: {{receivers: [otlp], exporters: [datadog]}}}}}}\n",
        settings.replace('\n', "\n    ")
    )
}

fn datadog_of(config: &Config) -> &DatadogSettings {
    config.targets[0].of().unwrap_or_else(|| panic!("expected Datadog, found {:?}", config.targets[0].kind))
}

#[test]
fn a_key_is_enough_and_the_rest_is_as_in_the_collector() {
    let config = good(&file("metrics", &format!("api: {{key: {KEY}}}")));
    assert!(!config.notes.iter().any(|note| note.contains("datadog")), "{:#?}", config.notes);
    let settings = datadog_of(&config);
    assert!(settings.api_key.equals(KEY) && !format!("{config:?}").contains(KEY));
    assert_eq!((settings.way, settings.client.timeout), (Way::Intake, Duration::from_secs(15)));
    assert_eq!(settings.endpoints.metrics, "https://api.datadoghq.com");
    assert_eq!(settings.endpoints.logs, "https://http-intake.logs.datadoghq.com");
    assert_eq!(settings.endpoints.traces, "https://trace.agent.datadoghq.com");
    let api = ApiSettings { endpoint: "https://api.datadoghq.com".into(), fail_on_invalid_key: false };
    assert_eq!(settings.api, api);
    assert!(!settings.metrics.hostname.is_empty(), "this machine has a name");
    let metrics = &settings.metrics;
    assert_eq!(
        (metrics.histogram_mode, metrics.aggregations, metrics.quantiles),
        (HistogramMode::Distributions, false, true)
    );
    assert_eq!(
        (metrics.sums_to_delta, metrics.resource_attributes_as_tags, metrics.scope_as_tags),
        (true, false, true)
    );
    assert_eq!((settings.delta.initial, settings.delta.idle_max), (Initial::Auto, Duration::from_hours(1)));
}

#[test]
fn every_key_of_the_collectors_exporter_is_known() {
    let config = good(&file(
        "logs",
        "api: {key: \" 0123456789abcdef0123456789abcdef\\n\", site: datadoghq.eu, fail_on_invalid_key: true}
hostname: web-1
hostname_detection_timeout: 25s
metrics:
  endpoint: \"http://127.0.0.1:1\"
  delta_ttl: 60
  resource_attributes_as_tags: true
  instrumentation_scope_metadata_as_tags: false
  histograms: {mode: nobuckets, send_aggregation_metrics: true}
  sums: {cumulative_monotonic_mode: to_delta, initial_cumulative_monotonic_value: keep}
  summaries: {mode: noquantiles}
traces: {ignore_resources: [\"GET /health\"], span_name_remappings: {a: b}, span_name_as_resource_name: true,
  compute_stats_by_span_kind: true, compute_top_level_by_span_kind: true, peer_tags_aggregation: true, peer_tags: [a], trace_buffer: 9}
logs: {use_compression: true, compression_level: 6, batch_wait: 5}
host_metadata: {enabled: false, hostname_source: config_or_system, tags: [\"a:b\"], reporter_period: 10m}
timeout: 3s
compression: zstd
retry_on_failure: {enabled: true, max_interval: 7s}
sending_queue: {num_consumers: 2}
max_idle_conns: 3",
    ));
    let settings = datadog_of(&config);
    assert!(settings.api_key.equals(KEY));
    let endpoints = Endpoints {
        metrics: "http://127.0.0.1:1".into(),
        logs: "https://http-intake.logs.datadoghq.eu".into(),
        traces: "https://trace.agent.datadoghq.eu".into(),
    };
    assert_eq!(settings.api, ApiSettings { endpoint: "http://127.0.0.1:1".into(), fail_on_invalid_key: true });
    assert_eq!((&settings.endpoints, settings.client.compression), (&endpoints, Compression::Zstd));
    let metrics = &settings.metrics;
    assert_eq!((metrics.hostname.as_str(), metrics.histogram_mode), ("web-1", HistogramMode::NoBuckets));
    assert!(metrics.aggregations && metrics.resource_attributes_as_tags);
    assert!(!metrics.scope_as_tags && !metrics.quantiles);
    assert_eq!((settings.delta.initial, settings.delta.idle_max), (Initial::Keep, Duration::from_mins(1)));
    let traces = &settings.traces;
    assert_eq!((traces.hostname.as_str(), traces.ignore_resources[0].as_str()), ("web-1", "GET /health"));
    assert_eq!((traces.span_name_remappings["a"].as_str(), traces.peer_tags.as_slice()), ("b", &["a".to_owned()][..]));
    assert!(traces.span_name_as_resource_name && traces.compute_top_level_by_span_kind);
    let hosts = &settings.host_metadata;
    assert_eq!(
        (hosts.enabled, hosts.from_first_resource, hosts.tags.as_slice()),
        (false, false, &["a:b".to_owned()][..])
    );
    assert_eq!((hosts.reporter_period, hosts.retry.max_interval), (Duration::from_mins(10), Duration::from_secs(7)));
}

#[test]
fn datadog_is_told_of_hosts_unless_that_is_off_and_what_is_odd_is_noted() {
    let config = good(&file("metrics", &format!("api: {{key: {KEY}}}")));
    let hosts = &datadog_of(&config).host_metadata;
    assert_eq!((hosts.enabled, hosts.from_first_resource, hosts.tags.len()), (true, false, 0));
    assert_eq!(hosts.reporter_period, Duration::from_mins(30));
    let odd = "api: {key: 0123456789abcdef0123456789abcdef01234567}\nhost_metadata: {hostname_source: first_resource}";
    let config = good(&file("metrics", odd));
    assert!(datadog_of(&config).host_metadata.from_first_resource);
    let notes: Vec<&str> = config.notes.iter().map(String::as_str).filter(|note| note.contains("datadog")).collect();
    assert_eq!(
        notes,
        [
            "c.yaml:4: exporters.datadog.api.key: has 40 digits, and Datadog's API keys have 32: is it an application key, or cut? \
             (it is not shown)",
            "c.yaml:5: exporters.datadog.host_metadata.hostname_source: names this machine after the host that sends first; resources with `datadog.host.use_as_metadata: true` report their own hosts",
        ]
    );
    let told = faults(&file(
        "metrics",
        &format!("api: {{key: {KEY}}}\nhost_metadata: {{reporter_period: 1m, hostname_source: dns, tag: a}}"),
    ));
    assert_eq!(
        told,
        [
            "c.yaml:5: exporters.datadog.host_metadata.hostname_source: expected one of config_or_system, first_resource, found \
             text \"dns\"",
            "c.yaml:5: exporters.datadog.host_metadata.reporter_period: expected 5m or more, found 1m",
            "c.yaml:5: exporters.datadog.host_metadata.tag: unknown key; did you mean \"tags\"?",
        ]
    );
}

#[test]
fn what_cannot_be_meant_is_a_fault_with_what_to_write() {
    let told = faults(&file(
        "metrics",
        "api: {key: not-a-key, site: datadoghq.de}
send_to: nobody
metrics:
  histograms: {mode: nobuckets}
  sums: {cumulative_monotonic_mode: raw_value, initial_cumulative_monotonic_value: keep}
  report_quantiles: true
only_metadata: true
traces: {ignore_resources: [\"(\"], span_name_remappings: {a: }}",
    ));
    assert_eq!(
        told,
        [
            "c.yaml:4: exporters.datadog.api.key: expected hexadecimal digits, as Datadog writes its API keys, found something \
             else (it is not shown)",
            "c.yaml:4: exporters.datadog.api.site: expected one of datadoghq.com, us3.datadoghq.com, us5.datadoghq.com, \
             datadoghq.eu, ap1.datadoghq.com, ap2.datadoghq.com, ddog-gov.com, us2.ddog-gov.com, found \"datadoghq.de\"; did you \
             mean \"datadoghq.eu\"?",
            "c.yaml:5: exporters.datadog.send_to: expected one of intake, otlp, agent, found text \"nobody\"",
            "c.yaml:7: exporters.datadog.metrics.histograms.mode: nobuckets without `send_aggregation_metrics: true` sends \
             nothing of histograms",
            "c.yaml:8: exporters.datadog.metrics.sums.initial_cumulative_monotonic_value: is only for \
             `cumulative_monotonic_mode: to_delta`; raw values are sent as they are",
            "c.yaml:9: exporters.datadog.metrics.report_quantiles: unknown key; known are delta_ttl, endpoint, histograms, \
             infer_delta_interval, instrumentation_scope_metadata_as_tags, resource_attributes_as_tags, series_max, summaries, \
             sums",
            "c.yaml:10: exporters.datadog.only_metadata: is not supported yet; remove it",
            "c.yaml:11: exporters.datadog.traces.ignore_resources: expected regular expressions, found \"(\"",
            "c.yaml:11: exporters.datadog.traces.span_name_remappings.a: expected the new name, found none",
        ]
    );
    let told = faults(&file("metrics", "hostname: web-1"));
    assert_eq!(told, ["c.yaml:3: exporters.datadog: expected `api: {key: …}`, found none"]);
}

#[test]
fn the_intake_of_otlp_has_an_address_of_its_own() {
    let config = good(&file("traces", &format!("api: {{key: {KEY}, site: us5.datadoghq.com}}\nsend_to: otlp")));
    let settings = datadog_of(&config);
    assert_eq!((settings.way, settings.endpoints.traces.as_str()), (Way::Otlp, "https://otlp.us5.datadoghq.com"));
    assert_eq!(settings.api.endpoint, "https://api.us5.datadoghq.com");
}

#[test]
fn an_agent_needs_no_key_and_is_on_this_machine_unless_it_is_told() {
    let config = good(&file("traces", "send_to: agent"));
    assert!(!config.notes.iter().any(|note| note.contains("datadog")), "{:#?}", config.notes);
    let settings = datadog_of(&config);
    assert_eq!((settings.way, settings.endpoints.traces.as_str()), (Way::Agent, "http://127.0.0.1:8126"));
    // Spans without a host or environment get those of the Agent.
    assert_eq!((settings.traces.hostname.as_str(), settings.traces.env.as_str()), ("", ""));
    let config = good(&file(
        "traces",
        &format!(
            "send_to: agent\nhostname: web-1\ntraces: {{endpoint: \"http://agent:8126\", peer_tags: [team]}}\napi: {{key: {KEY}, \
             site: datadoghq.eu}}\nhost_metadata: {{enabled: true}}\ncompression: gzip\nmetrics: {{delta_ttl: 60}}\nlogs: {{}}"
        ),
    ));
    let settings = datadog_of(&config);
    assert!(!settings.api_key.equals(KEY));
    assert_eq!((settings.traces.hostname.as_str(), settings.endpoints.traces.as_str()), ("web-1", "http://agent:8126"));
    assert_eq!(settings.traces.peer_tags, ["team"]);
    let notes: Vec<&str> = config.notes.iter().map(String::as_str).filter(|note| note.contains("datadog")).collect();
    assert_eq!(
        notes,
        [
            "c.yaml:7: exporters.datadog.api: is not used with `send_to: agent`: the Agent has its own key and site",
            "c.yaml:8: exporters.datadog.host_metadata: has no effect with `send_to: agent`: the Agent reports its own host",
            "c.yaml:9: exporters.datadog.compression: has no effect with `send_to: agent`: an Agent accepts no compressed requests",
            "c.yaml:10: exporters.datadog.metrics: has no effect with `send_to: agent`, which only sends traces",
            "c.yaml:11: exporters.datadog.logs: has no effect with `send_to: agent`, which only sends traces",
        ]
    );
}

#[test]
fn an_agent_takes_traces_alone_and_the_fault_says_what_to_write() {
    for signal in ["metrics", "logs"] {
        let told = faults(&file(signal, "send_to: agent"));
        assert_eq!(
            told,
            [format!(
                "c.yaml:5: service.pipelines.{signal}.exporters: \"datadog\" sends to an Agent, which only accepts traces, and this \
                 is a pipeline of {signal}; name another exporter here: `datadog/direct: {{api: {{key: …}}}}`, or `otlp_grpc` \
                 with the Agent's own OTLP endpoint"
            )]
        );
    }
}
