//! `prometheusremotewrite`: every key of the Collector's exporter, version 0.161.

use super::*;
use crate::exporters::prometheus::{Selection, Translation};
use crate::exporters::remote_write::{MessageChoice, RemoteWriteSettings};

fn file(kind: &str, settings: &str) -> String {
    format!(
        "receivers: {{otlp: {{protocols: {{grpc: }}}}}}\nexporters:\n  {kind}: {{{settings}}}\nservice: {{pipelines: {{metrics: \
         {{receivers: [otlp], exporters: [{kind}]}}}}}}\n"
    )
}

fn read(settings: &str) -> (RemoteWriteSettings, Vec<String>) {
    let config = good(&file("prometheusremotewrite", settings));
    let settings: &RemoteWriteSettings = config.targets[0].of().expect("remote write");
    let own = config.notes.iter().filter(|note| note.contains(": exporters."));
    (settings.clone(), own.cloned().collect())
}

fn refused(settings: &str) -> Vec<String> {
    faults(&file("prometheusremotewrite", settings))
}

#[test]
fn without_a_word_it_is_as_the_collector_has_it_but_for_the_newer_message() {
    let (settings, notes) = read("endpoint: \"http://prom.example:9090/api/v1/write\"");
    assert_eq!(settings.endpoint, "http://prom.example:9090/api/v1/write");
    assert_eq!((settings.message, settings.translation), (MessageChoice::NewestKnown, Translation::default()));
    assert_eq!((settings.bytes_max, settings.at_once), (3_000_000, 5));
    assert!(settings.with_target_info && settings.with_scope && !settings.send_metadata);
    assert!(
        settings.resource_labels == Selection::default()
            && settings.external_labels.is_empty()
            && settings.namespace.is_empty()
    );
    assert_eq!((settings.client.timeout, notes), (Duration::from_secs(5), Vec::new()));
    assert!(
        faults(&file("prometheus_remote_write", "")).iter().any(|fault| fault.contains("endpoint")),
        "the newer name"
    );
}

#[test]
fn every_key_is_known() {
    let (settings, notes) = read(
        "http: {endpoint: \"https://prom.example/api/v1/push\", headers: {x-scope-orgid: a}, tls: {insecure_skip_verify: true}, \
         timeout: 7s, compression: snappy, write_buffer_size: 1}, external_labels: {cluster: c1, region: 1}, namespace: shop, \
         add_metric_suffixes: false, send_metadata: true, disable_scope_info: true, target_info: {enabled: false}, \
         remote_write_queue: {enabled: true, queue_size: 10, num_consumers: 3}, max_batch_size_bytes: 1000000, \
         resource_to_telemetry_conversion: {enabled: true, exclude_service_attributes: true}, wal: {directory: x}, \
         export_created_metric: {enabled: true}, retry_on_failure: {enabled: true}, protobuf_message: prometheus.WriteRequest",
    );
    assert_eq!(settings.endpoint, "https://prom.example/api/v1/push");
    assert_eq!(settings.client.headers.len(), 1);
    assert_eq!((settings.client.timeout, settings.bytes_max, settings.at_once), (Duration::from_secs(7), 1_000_000, 3));
    assert_eq!(
        settings.external_labels,
        [("cluster", "c1"), ("region", "1")].map(|(k, v)| (k.into(), v.into())).into()
    );
    assert_eq!(settings.translation, Translation::UnderscoreEscapingWithoutSuffixes);
    assert_eq!((settings.message, settings.namespace.as_str()), (MessageChoice::Old, "shop"));
    assert!(settings.send_metadata && !settings.with_scope && !settings.with_target_info);
    let identity = ["service.name", "service.namespace", "service.instance.id"];
    assert_eq!(settings.resource_labels, Selection::new(&["*"], &identity));
    for told in ["queue_size: the log is the queue", "wal: is not needed", "export_created_metric: adds no"] {
        assert!(notes.iter().any(|note| note.contains(told)), "{told} in {notes:#?}");
    }
    let endpoint = "endpoint: \"http://a.example/w\"";
    let (settings, _) = read(&format!(
        "{endpoint}, translation_strategy: NoTranslation, max_batch_request_parallelism: 2, remote_write_queue: \
         {{num_consumers: 9}}, resource_constant_labels: {{included: [\"k8s.*\"], excluded: [k8s.pod.uid]}}, protobuf_message: \
         io.prometheus.write.v2.Request"
    ));
    assert_eq!((settings.translation, settings.at_once), (Translation::NoTranslation, 2));
    assert_eq!(settings.resource_labels, Selection::new(&["k8s.*"], &["k8s.pod.uid"]));
}

#[test]
fn what_cannot_be_is_a_fault() {
    let endpoint = "endpoint: \"http://a.example/w\"";
    for (settings, told) in [
        ("namespace: a", "exporters.prometheusremotewrite.endpoint"),
        ("endpoint: a.example", "endpoint: expected a URL"),
        (&format!("{endpoint}, compression: gzip"), "expected snappy"),
        (&format!("{endpoint}, headers: {{Content-Type: a}}"), "is a header of remote write itself"),
        (&format!("{endpoint}, protobuf_message: v3"), "protobuf_message"),
        (&format!("{endpoint}, remote_write_queue: {{num_consumers: 0}}"), "at least 1"),
        (&format!("{endpoint}, external_labels: {{a: \"\"}}"), "expected the value of a label"),
        (
            &format!("{endpoint}, protobuf_message: prometheus.WriteRequest, translation_strategy: NoTranslation"),
            "keeps characters that remote write 1.0 does not support",
        ),
        (&format!("{endpoint}, include_metadata_keys: [a]"), "include_metadata_keys"),
        (&format!("{endpoint}, convert_explicit_histograms_to_nhcb: true"), "convert_explicit_histograms_to_nhcb"),
        (&format!("{endpoint}, endpont: a"), "unknown key"),
    ] {
        let faults = refused(settings);
        assert!(faults.len() == 1 && faults[0].contains(told), "{settings}: {faults:#?}");
    }
    let of_traces = file("prometheusremotewrite", endpoint).replace("metrics:", "traces:");
    assert!(faults(&of_traces).iter().any(|fault| fault.contains("only accepts metrics")));
}
