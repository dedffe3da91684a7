//! `otlp_grpc` and `otlp_http`, also under their older names.

use super::common;
use crate::app::config::components::{Component, Reading};
use crate::app::config::values::Values as _;
use crate::catalog::yaml::MapReader;
use crate::model::signal::Signal;
use crate::sinks::otlp::{OtlpSettings, Protocol};
use crate::sinks::settings::{BatchSettings, Compression};
use std::time::Duration;

pub(super) fn read(
    reading: &Reading<'_>,
    component: &Component<'_>,
    map: MapReader<'_>,
    signals: Vec<Signal>,
) -> Option<OtlpSettings> {
    let protocol = if component.kind.contains("http") { Protocol::Http } else { Protocol::Grpc };
    let over_http = protocol == Protocol::Http;
    let own = |key| if over_http { common::outward_endpoint(reading, &map, key, true) } else { None };
    let of_signals = [own("traces_endpoint"), own("metrics_endpoint"), own("logs_endpoint")];
    let needed = signals.iter().any(|signal| {
        let at = Signal::ALL.iter().position(|known| known == signal).unwrap_or_default();
        of_signals[at].is_none()
    });
    let endpoint = if needed && !map.need("endpoint") {
        None
    } else {
        common::outward_endpoint(reading, &map, "endpoint", over_http).or_else(|| (!needed).then(String::new))
    };
    if over_http && map.text("encoding").is_some_and(|found| found != "proto") {
        map.fault("encoding", "expected proto: JSON is not offered yet, and every OTLP server takes proto");
    }
    let compression = [
        ("gzip", Compression::Gzip),
        ("zstd", Compression::Zstd),
        ("none", Compression::None),
        ("", Compression::None),
    ];
    let default_timeout = Duration::from_secs(if over_http { 30 } else { 5 });
    let [traces_endpoint, metrics_endpoint, logs_endpoint] = of_signals;
    let settings = OtlpSettings {
        id: component.id.to_owned(),
        protocol,
        endpoint: endpoint.clone().unwrap_or_default(),
        traces_endpoint,
        metrics_endpoint,
        logs_endpoint,
        headers: map.headers("headers"),
        tls: common::tls(reading, &map),
        compression: map.word("compression", &compression).unwrap_or_default(),
        timeout: map.duration_above_zero("timeout").unwrap_or(default_timeout),
        retry: common::retry(&map),
        batch: queue(reading, &map),
        signals,
    };
    if !over_http && settings.tls.insecure_skip_verify {
        map.fault(
            "tls",
            "insecure_skip_verify: over gRPC certificates are always verified; expected the authority's `ca_file`",
        );
    }
    refuse(reading, &map, over_http);
    map.finish();
    endpoint.map(|_| settings)
}

fn refuse(reading: &Reading<'_>, map: &MapReader<'_>, over_http: bool) {
    reading.not_yet(
        map,
        &[
            ("auth", "write `headers: {authorization: \"Bearer ${env:TOKEN}\"}` in its place"),
            ("batcher", "write `sending_queue: {batch: {…}}` in its place"),
            ("proxy_url", "set the environment variable HTTPS_PROXY"),
            ("authority", "name the server in `endpoint`"),
        ],
    );
    let tuning: &[&str] = if over_http {
        &[
            "compression_params",
            "read_buffer_size",
            "write_buffer_size",
            "max_idle_conns",
            "max_idle_conns_per_host",
            "max_conns_per_host",
            "idle_conn_timeout",
            "disable_keep_alives",
            "http2_read_idle_timeout",
            "http2_ping_timeout",
            "force_attempt_http2",
            "profiles_endpoint",
        ]
    } else {
        &[
            "compression_params",
            "read_buffer_size",
            "write_buffer_size",
            "keepalive",
            "balancer_name",
            "wait_for_ready",
            "user_agent",
        ]
    };
    reading.without_effect(map, tuning);
}

/// `sending_queue`: the log is the queue, so only the batch is a setting.
fn queue(reading: &Reading<'_>, map: &MapReader<'_>) -> BatchSettings {
    let defaults = BatchSettings::default();
    let Some(queue) = map.map("sending_queue") else { return defaults };
    let sizes = ["enabled", "num_consumers", "queue_size", "sizer", "block_on_overflow", "wait_for_result", "storage"];
    if sizes.iter().filter(|key| queue.given(key)).count() > 0 {
        reading.note(
            queue.line(),
            map.path("sending_queue"),
            "the log is the queue: it is on disk, always on, and bounded by extensions.store.log; only `batch` is followed",
        );
    }
    let batch = queue.map("batch").map_or(defaults, batch);
    queue.finish();
    batch
}

fn batch(map: MapReader<'_>) -> BatchSettings {
    let in_bytes = map.word("sizer", &[("items", false), ("bytes", true)]).unwrap_or(false);
    let mut batch = BatchSettings::default();
    batch.flush_timeout = map.duration("flush_timeout").unwrap_or(batch.flush_timeout);
    let (least, most) = (map.count("min_size", 0), map.count("max_size", 0));
    if let (Some(least), Some(most)) = (least, most)
        && most > 0
        && least > most
    {
        map.fault("max_size", format!("expected at least min_size, which is {least}, found {most}"));
    }
    if in_bytes {
        // The least is counted in items here; what is too little for it goes after `flush_timeout`.
        batch.bytes_max = most.filter(|most| *most > 0).unwrap_or(batch.bytes_max);
    } else {
        batch.items_min = least.map_or(batch.items_min, |least| least as u64);
        batch.items_max = most.map_or(batch.items_max, |most| most as u64);
        // A maximum below the default minimum would hold every request back until it is past its maximum.
        if batch.items_max > 0 {
            batch.items_min = batch.items_min.min(batch.items_max);
        }
    }
    batch.bytes_max = map.size("bytes_max").unwrap_or(batch.bytes_max);
    map.finish();
    batch
}
