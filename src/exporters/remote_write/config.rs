//! `prometheusremotewrite`, also under its newer name `prometheus_remote_write`.

use super::{MessageChoice, RemoteWriteSettings};
use crate::catalog::component::Reading;
use crate::catalog::values::Values as _;
use crate::catalog::yaml::MapReader;
use crate::delivery::Exporter;
use crate::delivery::config as common;
use crate::delivery::settings::{ClientSettings, Compression};
use crate::exporters::exporter_type::{ExporterKind, ExporterType};
use crate::exporters::prometheus;
use crate::exporters::prometheus::Translation;
use crate::model::signal::Signal;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Default timeout of the Collector's exporter.
const TIMEOUT: Duration = Duration::from_secs(5);
const BYTES_MAX: usize = 3_000_000;
/// Headers set by the protocol.
const RESERVED: [&str; 4] = ["content-encoding", "content-type", "user-agent", "x-prometheus-remote-write-version"];

/// The type `prometheus_remote_write`.
pub(crate) const TYPE: ExporterType = ExporterType {
    names: &["prometheus_remote_write", "prometheusremotewrite"],
    signals: &[Signal::Metrics],
    read: |declared| declared.read_with(|declared, _| read(declared.reading, declared.map)),
};

impl ExporterKind for RemoteWriteSettings {
    fn open(&self, id: &str) -> anyhow::Result<Arc<dyn Exporter>> {
        super::open(id, self)
    }
}

fn read(reading: &Reading<'_>, map: MapReader<'_>) -> Option<RemoteWriteSettings> {
    let nested = map.map("http");
    let of_http = nested.as_ref().unwrap_or(&map);
    let endpoint =
        if of_http.need("endpoint") { common::outward_endpoint(reading, of_http, "endpoint", true) } else { None };
    let client = client(reading, of_http);
    tuning(reading, of_http);
    if let Some(http) = nested {
        http.finish();
    }
    let message = message(&map);
    let settings = RemoteWriteSettings {
        endpoint: endpoint.clone().unwrap_or_default(),
        client,
        namespace: map.text("namespace").unwrap_or_default(),
        translation: translation(&map, message),
        external_labels: map.map("external_labels").map_or_else(BTreeMap::new, |labels| external(&labels)),
        resource_labels: prometheus::resource_labels(&map),
        with_target_info: enabled(&map, "target_info").unwrap_or(true),
        with_scope: !map.bool("disable_scope_info").unwrap_or(false),
        send_metadata: map.bool("send_metadata").unwrap_or(false),
        message,
        bytes_max: map.size("max_batch_size_bytes").unwrap_or(BYTES_MAX),
        at_once: at_once(reading, &map),
    };
    refuse(reading, &map);
    map.finish();
    endpoint.map(|_| settings)
}

fn client(reading: &Reading<'_>, map: &MapReader<'_>) -> ClientSettings {
    if let Some(found) = map.text("compression").filter(|found| found != "snappy") {
        map.fault("compression", format!("expected snappy, the only compression of remote write, found {found:?}"));
    }
    let client = common::client_of(reading, map, TIMEOUT, Compression::None);
    common::known_by_address(map, &client);
    for (name, _) in &client.headers {
        if RESERVED.contains(&name.to_ascii_lowercase().as_str()) {
            map.fault("headers", format!("{name}: is a header of remote write itself; expected another one"));
        }
    }
    client
}

fn tuning(reading: &Reading<'_>, map: &MapReader<'_>) {
    reading.not_yet(
        map,
        &[("auth", common::AUTHORIZATION), ("middlewares", "remove it; use a proxy in between for this")],
    );
    common::http_without_effect(reading, map);
}

/// Reads the message version; by default, the newest one that the target supports.
fn message(map: &MapReader<'_>) -> MessageChoice {
    let words = [
        ("prometheus.WriteRequest", MessageChoice::Old),
        ("io.prometheus.write.v2.Request", MessageChoice::NewestKnown),
    ];
    map.word("protobuf_message", &words).unwrap_or_default()
}

fn translation(map: &MapReader<'_>, message: MessageChoice) -> Translation {
    let key = "translation_strategy";
    let suffixes = map.bool("add_metric_suffixes").unwrap_or(true);
    let of_suffixes = if suffixes { Translation::default() } else { Translation::UnderscoreEscapingWithoutSuffixes };
    let chosen = map.word(key, &Translation::WORDS).unwrap_or(of_suffixes);
    let keeps_signs = matches!(chosen, Translation::NoUtf8EscapingWithSuffixes | Translation::NoTranslation);
    if keeps_signs && message == MessageChoice::Old {
        map.fault(
            key,
            "keeps characters that remote write 1.0 does not support; expected `protobuf_message` to be 2.0 or unset",
        );
    }
    chosen
}

fn external(map: &MapReader<'_>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    for entry in map.entries() {
        match map.text(&entry.key) {
            _ if !entry.key.contains(|letter| letter != '_') => {
                map.fault(&entry.key, format!("expected the name of a label, found {:?}", entry.key));
            }
            Some(value) if !value.is_empty() => {
                labels.insert(entry.key.clone(), value);
            }
            Some(_) => map.fault(&entry.key, "expected the value of a label, found empty text"),
            None if !map.given(&entry.key) => map.fault(&entry.key, "expected the value of a label, found nothing"),
            None => {}
        }
    }
    labels
}

fn enabled(map: &MapReader<'_>, key: &str) -> Option<bool> {
    let map = map.map(key)?;
    let is_enabled = map.bool("enabled");
    map.finish();
    is_enabled
}

/// Reads the maximum number of concurrent requests of a batch: the older key, and the newer one, which takes precedence.
fn at_once(reading: &Reading<'_>, map: &MapReader<'_>) -> usize {
    let of_queue = map.map("remote_write_queue").and_then(|queue| {
        let consumers = queue.count("num_consumers", 1);
        let idle = "the log is the queue: it is on disk, always on, and limited by extensions.store.log";
        reading.note_key(&queue, "enabled", idle);
        reading.note_key(&queue, "queue_size", idle);
        queue.finish();
        consumers
    });
    let parallelism = map.count("max_batch_request_parallelism", 1);
    parallelism.or(of_queue).unwrap_or(5)
}

fn refuse(reading: &Reading<'_>, map: &MapReader<'_>) {
    reading.not_yet(
        map,
        &[
            ("include_metadata_keys", "write `headers` instead"),
            ("convert_explicit_histograms_to_nhcb", "send exponential histograms instead of explicit ones"),
        ],
    );
    reading.without_effect(map, &["keep_classic_histograms"]);
    reading.note_key(map, "wal", "is not needed: unsent data is in the log, on disk; remove it");
    reading.note_key(
        map,
        "export_created_metric",
        "adds no `_created` series: remote write 2.0 sends a start time with each sample",
    );
}
