//! Elasticsearch and OpenSearch, by the keys of the Collector's exporter.

use super::*;
use crate::exporters::elasticsearch::{ElasticsearchSettings, Indexes, Login, Mode, Named};

fn file(settings: &str) -> String {
    with(&format!("connectors: {{performance: }}\nexporters: {{elasticsearch: {{{settings}}}}}"))
        .replace("exporters: [performance]", "exporters: [performance, elasticsearch]")
}

fn read(settings: &str) -> (ElasticsearchSettings, ExporterSettings, Vec<String>) {
    let mut config = good(&file(settings));
    let target = config.targets.remove(0);
    let settings: &ElasticsearchSettings = target.of().expect("Elasticsearch");
    (settings.clone(), target, config.notes)
}

fn told(settings: &str) -> Vec<String> {
    let start = "c.yaml:2: exporters.elasticsearch.";
    faults(&file(settings)).iter().map(|fault| fault.strip_prefix(start).unwrap_or(fault).to_owned()).collect()
}

#[test]
fn the_collectors_keys_mean_the_same_here() {
    let (settings, target, notes) = read(
        "endpoints: [\"https://a:9200\", \"https://b:9200\"], user: elastic, password: abc, mapping: {mode: ECS, allowed_modes: [ecs]}, \
         logs_index: own-logs, metrics_index: \"\", logs_dynamic_index: {enabled: true}, logs_dynamic_id: {enabled: true}, \
         pipeline: parse, num_workers: 3, flush: {bytes: 1000000, interval: 2s}, discover: {on_start: true}, timeout: 5s, \
         retry: {enabled: true, max_retries: 3, initial_interval: 200ms, max_interval: 20s, retry_on_status: [429]}",
    );
    assert_eq!(settings.endpoints, ["https://a:9200", "https://b:9200"]);
    assert_eq!(settings.login, Login::User("elastic".into(), Secret::new("abc")));
    assert_eq!((settings.mode, settings.bytes_max, settings.deduplicates), (Mode::Ecs, 1_000_000, true));
    assert_eq!(settings.indexes, Indexes { logs: Some("own-logs".into()), ..Indexes::default() });
    assert_eq!(settings.named, Named { logs_id: true, ..Named::default() });
    assert_eq!((settings.pipeline.as_deref(), settings.client.timeout), (Some("parse"), Duration::from_secs(5)));
    assert_eq!(target.delivery.queue.consumers, 3);
    assert_eq!(target.delivery.batch.flush_timeout, Duration::from_secs(2));
    let retry = &target.delivery.retry;
    assert_eq!((retry.initial_interval, retry.max_interval), (Duration::from_millis(200), Duration::from_secs(20)));
    assert_eq!(retry.max_elapsed_time, Duration::ZERO, "until it is taken");
    let noted = |what: &str| notes.iter().any(|note| note.contains(what));
    assert!(noted("max_retries: is ignored") && noted("retry_on_status: is ignored"), "{notes:?}");
    assert!(noted("discover: has no effect") && noted("allowed_modes: has no effect"), "{notes:?}");
    assert!(noted("logs_dynamic_index.enabled: has no effect"), "{notes:?}");

    // `host$elasticsearch$kibana`, in base64 from another implementation.
    let (settings, ..) =
        read("cloudid: \"foo:YmFyLmNsb3VkLmVzLmlvJGFiYzEyMyRkZWY0NTY=\", api_key: abc, deduplicate: false");
    assert_eq!(settings.endpoints, ["https://abc123.bar.cloud.es.io"]);
    assert_eq!(settings.login, Login::ApiKey(Secret::new("abc")));
    assert_eq!((settings.mode, settings.bytes_max, settings.deduplicates), (Mode::Otel, 5_000_000, false));
    assert_eq!(settings.client.timeout, Duration::from_secs(90));
}

#[test]
fn faults_of_elasticsearch_are_told() {
    let one = "endpoint: \"https://a:9200\"";
    let one_told = |more: &str| {
        let told = told(&format!("{one}, {more}"));
        assert_eq!(told.len(), 1, "{more}: {told:?}");
        told[0].clone()
    };
    assert_eq!(
        told("mapping: {mode: ecs}"),
        ["endpoint: is needed, or `endpoints`, or `cloudid`: expected a URL such as https://localhost:9200"]
    );
    assert_eq!(
        one_told("endpoints: [\"https://b:9200\"]"),
        "endpoints: has the same meaning as endpoint; expected one of endpoint, endpoints and cloudid"
    );
    assert!(
        one_told("mapping: {mode: bodymap}")
            .starts_with("mapping.mode: expected ecs or otel, the only supported modes")
    );
    assert!(one_told("mapping: {mode: otl}").ends_with("did you mean \"otel\"?"));
    assert!(one_told("compression: zstd").starts_with("compression: expected gzip or none"));
    assert_eq!(one_told("user: a"), "password: is needed beside user");
    assert!(one_told("user: a, password: b, api_key: c").starts_with("api_key: is a login"));
    assert!(one_told("logstash_format: {enabled: true}").starts_with("logstash_format.enabled: is not supported"));
    assert!(one_told("index: x").contains("`logs_index`"));
    assert!(one_told("retry: {initial_interval: 1s}, retry_on_failure: {initial_interval: 1s}").starts_with("retry: "));
    assert!(one_told("pipelin: x").ends_with("did you mean \"pipeline\"?"));
    assert!(told("endpoints: [\"a:9200\"]")[0].starts_with("endpoints: expected a URL"));
    assert_eq!(told("endpoints: []").len(), 1);
    for cloudid in ["foo", "foo:!!!", "foo:YmFy", "foo:YSRiL2MkZA=="] {
        assert_eq!(told(&format!("cloudid: \"{cloudid}\"")).len(), 1, "{cloudid}");
    }
    let secrets = told("endpoint: \"https://a:9200\", user: a, password: s3cret, api_key: s3cret, mapping: {mode: no}");
    assert!(!secrets.iter().any(|fault| fault.contains("s3cret")), "{secrets:?}");
    let config = good(&file(&format!("{one}, api_key: s3cret")));
    assert!(!format!("{config:?}").contains("s3cret"));
}
