//! `elasticsearch`: Elasticsearch and OpenSearch, by the keys of the Collector's exporter.

use super::{ElasticsearchSettings, Indexes, Login, Mode, Named};
use crate::catalog::component::Reading;
use crate::catalog::values::Values as _;
use crate::catalog::yaml::MapReader;
use crate::delivery::DeliverySettings;
use crate::delivery::Exporter;
use crate::delivery::config as common;
use crate::delivery::settings::{Compression, RetrySettings};
use crate::exporters::exporter_type::{ExporterKind, ExporterType};
use crate::model::signal::Signal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;
use std::time::Duration;

/// The Collector's default timeout.
const TIMEOUT: Duration = Duration::from_secs(90);
const BYTES_MAX: usize = 5_000_000;
const RETRY_INITIAL: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_mins(1);

/// The type `elasticsearch`.
pub(crate) const TYPE: ExporterType = ExporterType {
    names: &["elasticsearch"],
    signals: &Signal::ALL,
    read: |declared| declared.read_with(|declared, delivery| read(declared.reading, declared.map, delivery)),
};

impl ExporterKind for ElasticsearchSettings {
    fn open(&self, id: &str) -> anyhow::Result<Arc<dyn Exporter>> {
        super::open(id, self)
    }
}

fn read(reading: &Reading<'_>, map: MapReader<'_>, delivery: &mut DeliverySettings) -> Option<ElasticsearchSettings> {
    let endpoints = endpoints(reading, &map);
    let client = common::http_client(reading, &map, TIMEOUT);
    if client.compression == Compression::Zstd {
        map.fault("compression", "expected gzip or none: Elasticsearch and OpenSearch do not support zstd");
    }
    let index = |key: &str| map.text(key).filter(|name| !name.is_empty());
    let settings = ElasticsearchSettings {
        endpoints: endpoints.clone().unwrap_or_default(),
        login: login(&map),
        client,
        mode: mode(reading, &map),
        indexes: Indexes { logs: index("logs_index"), metrics: index("metrics_index"), traces: index("traces_index") },
        pipeline: map.text("pipeline").filter(|pipeline| !pipeline.is_empty()),
        named: Named {
            logs_id: enabled(&map, "logs_dynamic_id"),
            traces_id: enabled(&map, "traces_dynamic_id"),
            logs_pipeline: enabled(&map, "logs_dynamic_pipeline"),
        },
        deduplicates: map.bool("deduplicate").unwrap_or(true),
        bytes_max: flush(reading, &map, delivery),
    };
    if !map.given("retry_on_failure") {
        delivery.retry = retry(reading, &map);
    } else if map.given("retry") {
        map.fault("retry", "has the same meaning as retry_on_failure; expected one of the two");
    }
    if let Some(workers) = map.count("num_workers", 1)
        && !map.given("sending_queue")
    {
        delivery.queue.consumers = workers;
    }
    for signal in ["logs", "metrics", "traces"] {
        if let Some(dynamic) = map.map(&format!("{signal}_dynamic_index")) {
            let message = format!("has no effect: without {signal}_index, attributes always select the data stream");
            reading.note_key(&dynamic, "enabled", &message);
            dynamic.finish();
        }
    }
    refuse(reading, &map);
    map.finish();
    endpoints.map(|_| settings)
}

/// Reads the nodes: `endpoint`, `endpoints` or `cloudid`.
fn endpoints(reading: &Reading<'_>, map: &MapReader<'_>) -> Option<Vec<String>> {
    let keys = ["endpoint", "endpoints", "cloudid"];
    let given: Vec<&str> = keys.into_iter().filter(|key| map.given(key)).collect();
    match given.as_slice() {
        [] => {
            map.fault(
                "endpoint",
                "is needed, or `endpoints`, or `cloudid`: expected a URL such as https://localhost:9200",
            );
            None
        }
        [first, second, ..] => {
            map.fault(
                second,
                format!("has the same meaning as {first}; expected one of endpoint, endpoints and cloudid"),
            );
            None
        }
        ["endpoint"] => common::outward_endpoint(reading, map, "endpoint", true).map(|url| vec![url]),
        ["cloudid"] => cloud(map),
        [_] => {
            let texts = map.strs("endpoints");
            if texts.is_empty() {
                map.fault("endpoints", "expected a list of URLs such as https://localhost:9200, found none");
            }
            let urls: Vec<Option<String>> = texts
                .iter()
                .map(|text| {
                    common::address(reading, text, true).map_err(|message| map.fault("endpoints", message)).ok()
                })
                .collect();
            urls.into_iter().collect::<Option<Vec<String>>>().filter(|urls| !urls.is_empty())
        }
    }
}

/// Reads the cloud id: `name:` and, in base64, `host$elasticsearch$kibana`.
fn cloud(map: &MapReader<'_>) -> Option<Vec<String>> {
    let text = map.text("cloudid")?;
    let url = text.rsplit_once(':').and_then(|(_, encoded)| {
        let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
        let mut parts = decoded.split('$');
        let (host, own) = (parts.next()?, parts.next()?);
        let is_name =
            |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:".contains(&b));
        (is_name(host) && is_name(own)).then(|| format!("https://{own}.{host}"))
    });
    if url.is_none() {
        map.fault(
            "cloudid",
            "expected the deployment's Cloud ID, such as name:ZXhhbXBsZS5jb20kYWJjJGRlZg==, found something else",
        );
    }
    url.map(|url| vec![url])
}

fn login(map: &MapReader<'_>) -> Login {
    let user = map.text("user").filter(|user| !user.is_empty());
    let password = if map.given("password") { map.secret("password") } else { None };
    let key = if map.given("api_key") { map.secret("api_key") } else { None };
    if key.is_some() && (user.is_some() || password.is_some()) {
        map.fault("api_key", "is a login, like user and password; expected one of the two");
    }
    match (key, user, password) {
        (Some(key), ..) => Login::ApiKey(key),
        (None, Some(user), Some(password)) => Login::User(user, password),
        (None, None, None) => Login::None,
        (None, Some(_), None) => {
            if !map.given("password") {
                map.fault("password", "is needed beside user");
            }
            Login::None
        }
        (None, None, Some(_)) => {
            map.fault("user", "is needed beside password");
            Login::None
        }
    }
}

fn mode(reading: &Reading<'_>, map: &MapReader<'_>) -> Mode {
    let Some(mapping) = map.map("mapping") else { return Mode::default() };
    let mode = match mapping.text("mode").as_deref() {
        None | Some("otel") => Mode::Otel,
        Some("ecs") => Mode::Ecs,
        Some(known @ ("none" | "no" | "raw" | "bodymap")) => {
            mapping.fault("mode", format!("expected ecs or otel, the only supported modes, found {known:?}"));
            Mode::default()
        }
        Some(_) => mapping.word("mode", &[("ecs", Mode::Ecs), ("otel", Mode::Otel)]).unwrap_or_default(),
    };
    reading.without_effect(&mapping, &["allowed_modes", "dedup", "dedot"]);
    reading.not_yet(
        &mapping,
        &[("fields", "rename attributes at their source"), ("file", "rename attributes at their source")],
    );
    mapping.finish();
    mode
}

fn enabled(map: &MapReader<'_>, key: &str) -> bool {
    let Some(inner) = map.map(key) else { return false };
    let enabled = inner.bool("enabled").unwrap_or(false);
    inner.finish();
    enabled
}

/// Reads `flush`, the older form of the batch settings; bytes are counted before compression.
fn flush(reading: &Reading<'_>, map: &MapReader<'_>, delivery: &mut DeliverySettings) -> usize {
    let Some(flush) = map.map("flush") else { return BYTES_MAX };
    let bytes = flush.size("bytes").unwrap_or(BYTES_MAX);
    if let Some(interval) = flush.duration("interval") {
        if map.given("sending_queue") {
            reading.note_key(
                &flush,
                "interval",
                "has no effect with sending_queue; write `batch: {flush_timeout: …}` there",
            );
        } else {
            delivery.batch.flush_timeout = interval;
        }
    }
    flush.finish();
    bytes
}

/// Reads `retry`, the exporter's own form of `retry_on_failure`.
fn retry(reading: &Reading<'_>, map: &MapReader<'_>) -> RetrySettings {
    let defaults =
        RetrySettings { initial_interval: RETRY_INITIAL, max_interval: RETRY_MAX, ..RetrySettings::default() };
    let Some(retry) = map.map("retry") else { return defaults };
    let settings = RetrySettings {
        enabled: retry.bool("enabled").unwrap_or(true),
        initial_interval: retry.duration_above_zero("initial_interval").unwrap_or(RETRY_INITIAL),
        max_interval: retry.duration_above_zero("max_interval").unwrap_or(RETRY_MAX),
        max_elapsed_time: retry.duration("max_elapsed_time").unwrap_or_default(),
        ..defaults
    };
    for key in ["max_requests", "max_retries"] {
        let message =
            "is ignored: retryable failures are retried until they succeed, or until `max_elapsed_time` if it is set";
        reading.note_key(&retry, key, message);
    }
    let message = "is ignored: failed connections, 401, 403, 404, 408, 429 and 5xx are retried";
    reading.note_key(&retry, "retry_on_status", message);
    retry.finish();
    settings
}

fn refuse(reading: &Reading<'_>, map: &MapReader<'_>) {
    reading.not_yet(
        map,
        &[
            ("auth", "write `api_key`, or `user` and `password`, instead"),
            ("batcher", "write `sending_queue: {batch: {…}}` instead"),
            ("index", "write `logs_index`, `metrics_index` or `traces_index` instead"),
            ("middlewares", "remove it; use a proxy in between for this"),
        ],
    );
    if let Some(format) = map.map("logstash_format") {
        if format.bool("enabled") == Some(true) {
            format.fault("enabled", "is not supported; data streams begin a new index by themselves");
        }
        format.entries();
    }
    common::http_without_effect(reading, map);
    reading.without_effect(
        map,
        &[
            "discover",
            "telemetry",
            "metadata_keys",
            "suppress_conflict_errors",
            "include_source_on_error",
            "bulk_response_filter_path",
            "keepalive",
        ],
    );
}
