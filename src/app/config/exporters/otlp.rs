//! `otlp_grpc` and `otlp_http`, also under their older names.

use super::common;
use crate::app::config::components::{Component, Reading};
use crate::app::config::values::Values as _;
use crate::catalog::yaml::MapReader;
use crate::model::signal::Signal;
use crate::sinks::otlp::{OtlpSettings, Protocol};
use crate::sinks::settings::{Compression, Feed};
use std::time::Duration;

pub(super) fn read(
    reading: &Reading<'_>,
    component: &Component<'_>,
    map: MapReader<'_>,
    feeds: Vec<Feed>,
) -> Option<OtlpSettings> {
    let protocol = if component.kind.contains("http") { Protocol::Http } else { Protocol::Grpc };
    let over_http = protocol == Protocol::Http;
    let own = |key| if over_http { common::outward_endpoint(reading, &map, key, true) } else { None };
    let of_signals = [own("traces_endpoint"), own("metrics_endpoint"), own("logs_endpoint")];
    let needed = feeds.iter().any(|feed| {
        let at = Signal::ALL.iter().position(|known| *known == feed.signal).unwrap_or_default();
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
        protocol,
        endpoint: endpoint.clone().unwrap_or_default(),
        traces_endpoint,
        metrics_endpoint,
        logs_endpoint,
        headers: map.headers("headers"),
        tls: common::tls(reading, &map),
        compression: map.word("compression", &compression).unwrap_or_default(),
        timeout: map.duration_above_zero("timeout").unwrap_or(default_timeout),
        delivery: common::delivery(reading, component.id, &map),
        rate: common::rate(&map),
        feeds,
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
            ("middlewares", "remove it; a proxy between can do what they do"),
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
            "cookies",
            "keepalive",
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
