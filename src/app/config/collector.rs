//! Keys of a Collector's listeners that are not supported here: each is reported, either as ignored, or with the
//! alternative. The lists are those of the Collector's `confignet`, `configgrpc` and `confighttp`.

use crate::catalog::component::Reading;
use crate::catalog::values::Values as _;
use crate::catalog::yaml::MapReader;

/// Checks the keys of every listener.
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

/// Checks the keys of a gRPC listener.
pub(super) fn grpc(reading: &Reading<'_>, map: &MapReader<'_>) {
    listener(reading, map);
    reading.without_effect(map, &["max_concurrent_streams", "read_buffer_size", "write_buffer_size", "keepalive"]);
}

/// Checks the keys of an HTTP listener.
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
