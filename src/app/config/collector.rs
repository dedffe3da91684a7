//! Keys of a Collector's listeners that are followed nowhere here: each is told, either that nothing comes of it, or what
//! to write in its place. The lists are those of its `confignet`, `configgrpc` and `confighttp`.

use super::components::Reading;
use super::values::Values as _;
use crate::catalog::yaml::MapReader;

/// Of every listener.
pub(super) fn listener(reading: &Reading<'_>, map: &MapReader<'_>) {
    if map.text("transport").is_some_and(|transport| transport != "tcp") {
        map.fault("transport", "expected tcp, the only supported transport");
    }
    reading.without_effect(map, &["dialer", "include_metadata"]);
    reading.not_yet(
        map,
        &[
            ("auth", "write `auth_token: ${env:TOKEN}` instead: clients then send `authorization: Bearer <token>`"),
            ("middlewares", "remove it, and use a proxy in front for this"),
        ],
    );
}

/// Of a listener over gRPC.
pub(super) fn grpc(reading: &Reading<'_>, map: &MapReader<'_>) {
    listener(reading, map);
    reading.without_effect(map, &["max_concurrent_streams", "read_buffer_size", "write_buffer_size", "keepalive"]);
}

/// Of a listener over HTTP.
pub(super) fn http(reading: &Reading<'_>, map: &MapReader<'_>) {
    listener(reading, map);
    reading.note_key(map, "response_headers", "is ignored: no such headers are sent; a proxy in front can add them");
    reading.note_key(
        map,
        "compression_algorithms",
        "is ignored: gzip, zstd, deflate and uncompressed bodies are accepted",
    );
    reading.without_effect(
        map,
        &[
            "include_tls_metadata",
            "read_header_timeout",
            "write_timeout",
            "idle_timeout",
            "keepalive",
            "keep_alives_enabled",
        ],
    );
}
