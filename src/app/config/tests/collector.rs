//! Keys of Collector files: each is supported, noted, or a fault with an alternative.

use super::*;
use crate::exporters::prometheus::{Selection, Translation};
use std::time::Duration;

fn noted(config: &Config, what: &str) -> bool {
    config.notes.iter().any(|note| note.contains(what))
}

#[test]
fn every_key_of_a_listener_is_known() {
    let common = "transport: tcp, include_metadata: true, dialer: {timeout: 1s}";
    let http = format!(
        "{common}, response_headers: {{x: y}}, compression_algorithms: [gzip], read_timeout: 1s, read_header_timeout: 1s, \
         write_timeout: 1s, idle_timeout: 1s, keepalive: {{idle_timeout: 1s}}, keep_alives_enabled: false, \
         include_tls_metadata: false, max_request_body_size: 20971520, cors: {{allowed_origins: [a]}}"
    );
    let grpc = format!(
        "{common}, max_recv_msg_size_mib: 4, max_concurrent_streams: 5, read_buffer_size: 1, write_buffer_size: 1, \
         keepalive: {{server_parameters: {{time: 1s}}}}"
    );
    let file = |grpc: &str, http: &str, prometheus: &str, health: &str| {
        format!(
            "receivers: {{otlp: {{protocols: {{grpc: {{{grpc}}}, http: {{{http}}}}}}}}}\n\
             exporters: {{prometheus: {{{prometheus}}}}}\nextensions: {{health_check: {{{health}}}}}\n\
             service: {{extensions: [health_check], pipelines: {{metrics: {{receivers: [otlp], exporters: [prometheus]}}}}}}\n"
        )
    };
    let scrape = "metric_expiration: 5m, without_scope_info: true, sending_queue: {enabled: true}, \
                  resource_constant_labels: {enabled: false}";
    let config = good(&file(&grpc, &http, &format!("{http}, {scrape}"), &http));
    assert!(noted(&config, "prometheus.response_headers: is ignored"), "{:#?}", config.notes);
    assert!(noted(&config, "grpc.max_concurrent_streams: has no effect"), "{:#?}", config.notes);
    let refused = "tls: {cert_file: a}, auth: {authenticator: a}, middlewares: [{id: a}], transport: unix";
    let told = faults(&file(refused, refused, refused, refused));
    assert_eq!(told.len(), 20, "{told:#?}");
    assert!(told.iter().all(|fault| !fault.contains("unknown key")), "{told:#?}");
    let scrape = &config.prometheus[0].1;
    assert_eq!((scrape.metric_expiration, scrape.without_scope_info), (Duration::from_mins(5), true));
}

#[test]
fn a_scrape_translates_names_and_chooses_labels_as_the_collectors_does() {
    let of = |keys: &str| {
        let file = format!(
            "receivers: {{otlp: {{protocols: {{grpc: }}}}}}\nexporters: {{prometheus: {{{keys}}}}}\n\
             service: {{pipelines: {{metrics: {{receivers: [otlp], exporters: [prometheus]}}}}}}\n"
        );
        good(&file).prometheus[0].1.clone()
    };
    for (keys, expected) in [
        ("", Translation::UnderscoreEscapingWithSuffixes),
        ("add_metric_suffixes: false", Translation::UnderscoreEscapingWithoutSuffixes),
        ("add_metric_suffixes: false, translation_strategy: NoTranslation", Translation::NoTranslation),
        ("translation_strategy: NoUTF8EscapingWithSuffixes", Translation::NoUtf8EscapingWithSuffixes),
        ("translation_strategy: UnderscoreEscapingWithoutSuffixes", Translation::UnderscoreEscapingWithoutSuffixes),
    ] {
        assert_eq!(of(keys).translation, expected, "{keys}");
    }
    let none: [&str; 0] = [];
    let service = ["service.name", "service.namespace", "service.instance.id"];
    for (keys, expected) in [
        ("", Selection::default()),
        ("resource_to_telemetry_conversion: {enabled: true}", Selection::new(&["*"], &none)),
        (
            "resource_to_telemetry_conversion: {enabled: true, exclude_service_attributes: true}",
            Selection::new(&["*"], &service),
        ),
        ("resource_to_telemetry_conversion: {exclude_service_attributes: true}", Selection::default()),
        ("resource_constant_labels: {included: [\"k8s.*\"], excluded: [host]}", Selection::new(&["k8s.*"], &["host"])),
    ] {
        assert_eq!(of(keys).resource_labels, expected, "{keys}");
    }
    let told = of("metric_expiration: 180m, const_labels: {\"another label\": spaced value}");
    assert_eq!(told.metric_expiration, Duration::from_hours(3));
    assert_eq!(told.const_labels["another label"], "spaced value");
}

#[test]
fn faults_of_a_scrape_say_what_was_expected() {
    let file = "receivers: {otlp: {protocols: {grpc: }}}\nexporters: {prometheus: {translation_strategy: Dots, metric_expiration: 0s, \
                const_labels: {__a: b}, resource_to_telemetry_conversion: {enabled: true}, resource_constant_labels: {enabled: true}}}\n\
                service: {pipelines: {metrics: {receivers: [otlp], exporters: [prometheus]}}}\n";
    let told = faults(file);
    for part in [
        "prometheus.translation_strategy: expected",
        "prometheus.metric_expiration: expected",
        "prometheus.const_labels.__a: expected the name of a label",
        "prometheus.resource_constant_labels.enabled: belongs to resource_to_telemetry_conversion",
        "prometheus.resource_to_telemetry_conversion: says which attributes become labels",
    ] {
        assert!(told.iter().any(|fault| fault.contains(part)), "{part}: {told:#?}");
    }
    assert_eq!(told.len(), 5, "{told:#?}");
}

#[test]
fn every_key_of_an_otlp_exporter_is_known() {
    let common = "tls: {min_version: \"1.2\", reload_interval: 1h, include_system_ca_certs_pool: true, curve_preferences: [X25519]}, \
                  read_buffer_size: 1, write_buffer_size: 1, compression_params: {level: 1}, sending_queue: {batch: \
                  {flush_timeout: 1s, partition: {metadata_keys: [a]}}}";
    let http = "max_conns_per_host: 1, http2_read_idle_timeout: 1s, http2_ping_timeout: 1s, cookies: {}, force_attempt_http2: true, \
                keepalive: {max_idle_conns: 1}, idle_conn_timeout: 1s, max_idle_conns: 1, max_idle_conns_per_host: 1, \
                disable_keep_alives: true, profiles_endpoint: \"http://b:1\"";
    let grpc = "keepalive: {time: 1s}, wait_for_ready: true, user_agent: a, balancer_name: round_robin";
    let file = |more: &str, grpc: &str, http: &str| {
        format!(
            "receivers: {{otlp: {{protocols: {{grpc: }}}}}}\nexporters: {{otlp_grpc: {{endpoint: \"b.example:1\", {more}, {grpc}}}, \
             otlp_http: {{endpoint: \"http://b.example:1\", {more}, {http}}}}}\nservice: {{pipelines: {{traces: {{receivers: [otlp], \
             exporters: [otlp_grpc, otlp_http]}}}}}}\n"
        )
    };
    let config = good(&file(common, grpc, http));
    for key in ["otlp_http.cookies", "otlp_http.keepalive", "otlp_grpc.sending_queue.batch.partition"] {
        assert!(noted(&config, &format!("exporters.{key}: has no effect here")), "{key} in {:#?}", config.notes);
    }
    let refused = "auth: {authenticator: a}, middlewares: [{id: a}], tls: {tpm: {enabled: true}, cipher_suites: [a], \
                   include_insecure_cipher_suites: true}";
    let told = faults(&file(refused, "authority: a", ""));
    assert_eq!(told.len(), 11, "{told:#?}");
    assert!(told.iter().all(|fault| fault.contains("is not supported yet; ")), "{told:#?}");
}

#[test]
fn words_are_taken_in_letters_of_either_case() {
    let config = good(
        "receivers: {otlp: {protocols: {grpc: }}}\nexporters: {debug: {verbosity: Detailed}}\nservice:\n  pipelines: {traces: \
         {receivers: [otlp], exporters: [debug]}}\n  telemetry: {metrics: {level: Basic}, logs: {encoding: JSON}}\n",
    );
    assert_eq!(config.debug[0].verbosity, Verbosity::Detailed);
    assert_eq!((config.telemetry.metrics, config.telemetry.encoding), (MetricsLevel::Basic, LogEncoding::Json));
}

fn telemetry(inner: &str) -> String {
    format!(
        "receivers: {{otlp: {{protocols: {{grpc: }}}}}}\nexporters: {{debug: }}\nservice:\n  pipelines: {{traces: {{receivers: \
         [otlp], exporters: [debug]}}}}\n  telemetry: {inner}\n"
    )
}

#[test]
fn own_telemetry_in_the_newer_form() {
    let config = good(&telemetry(
        "{metrics: {readers: [{periodic: {interval: 9000, exporter: {otlp_grpc: {endpoint: \"b.example:4317\", tls: \
         {insecure: true}, headers: [{name: k, value: 007}]}}}}]}, resource: {schema_url: \"https://x.example\", attributes: [{name: \
         service.name, value: shop}, {name: build, value: 010, type: string}]}}",
    ));
    let metrics = config.telemetry.metrics_to.as_ref().expect("metrics go outward");
    assert_eq!((metrics.endpoint.as_str(), metrics.interval), ("http://b.example:4317", Some(Duration::from_secs(9))));
    assert_eq!(metrics.headers, [("k".to_owned(), Secret::new("007"))]);
    let resource: Vec<(&str, &str)> =
        config.telemetry.resource.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(resource, [("build", "010"), ("service.name", "shop")]);
    assert!(noted(&config, "resource.schema_url: has no effect"), "{:?}", config.notes);
    let told = faults(&telemetry(
        "{metrics: {readers: [{periodic: {exporter: {otlp_http: {endpoint: \"http://b.example:4318/v1/metrics\"}}}}]}, traces: \
         {processors: [{batch: {exporter: {otlp_grpc: {endpoint: \"b.example:4317\", headers_list: \"a=b\", tls: {ca_file: x}}}}}]}}",
    ));
    let expected = [
        "exporter.otlp_http: is not supported yet; write `otlp_grpc`",
        "exporter.otlp_grpc.tls.ca_file: is not supported yet; name the server by an https:// URL",
        "exporter.otlp_grpc.headers_list: is not supported yet; write them into `headers`",
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for part in expected {
        assert!(told.iter().any(|fault| fault.contains(part)), "{part} in {told:#?}");
    }
}

#[test]
fn what_span_metrics_lack_is_said() {
    let file = |settings: &str| {
        format!(
            "receivers: {{otlp: {{protocols: {{grpc: }}}}}}\nexporters: {{prometheus: }}\nconnectors: {{span_metrics: {settings}}}\n\
             service: {{pipelines: {{traces: {{receivers: [otlp], exporters: [span_metrics]}}, metrics: {{receivers: \
             [span_metrics], exporters: [prometheus]}}}}}}\n"
        )
    };
    let config = good(&file(
        "{exemplars: {enabled: true}, events: {enabled: false}, resource_metrics_key_attributes: [service.name, pod], \
         metrics_expiration: 5m, metrics_flush_interval: 15s, aggregation_cardinality_limit: 100}",
    ));
    for what in [
        "exemplars.enabled: the scrape has no exemplars",
        "resource_metrics_key_attributes: is ignored: series are those of [service.name]",
        "metrics_expiration: is ignored: counters are kept",
        "metrics_flush_interval: has no effect here; remove it",
        "aggregation_cardinality_limit: is ignored: `connectors.performance.series_max`",
    ] {
        assert!(noted(&config, what), "{what} in {:#?}", config.notes);
    }
    let same = good(&file("{resource_metrics_key_attributes: [service.name], exemplars: {enabled: false}}"));
    assert!(!noted(&same, "is ignored") && !noted(&same, "no exemplars"), "{:#?}", same.notes);
    let told = faults(&file(
        "{events: {enabled: true, dimensions: [{name: exception.type}]}, add_resource_attributes: true, \
         include_instrumentation_scope: [a]}",
    ));
    assert_eq!(told.len(), 3, "{told:#?}");
    let events = "c.yaml:3: connectors.span_metrics.events.enabled: expected false, since no events metric is made; write a rollup";
    assert!(told.iter().any(|fault| fault.starts_with(events)), "{told:#?}");
}
