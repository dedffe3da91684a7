//! `receivers`: OTLP over gRPC and HTTP.

use super::{collector, listening};
use crate::catalog::component::{Component, Reading, loopback};
use crate::catalog::values::{Values as _, is_plain_path};
use crate::catalog::yaml::MapReader;
use crate::ingest::receivers::grpc::GrpcSettings;
use crate::ingest::receivers::http::HttpSettings;
use crate::ingest::receivers::{CorsSettings, DoorSettings};
use crate::model::secret::Secret;
use crate::net::Endpoint;
use http::HeaderValue;
use std::fmt;

/// One OTLP receiver.
#[derive(Clone)]
pub struct ReceiverConfig {
    /// Its id: `otlp` or `otlp/name`.
    pub id: String,
    /// Endpoint and settings of gRPC.
    pub grpc: Option<(Endpoint, GrpcSettings)>,
    /// Endpoint and settings of HTTP.
    pub http: Option<(Endpoint, HttpSettings)>,
}

impl fmt::Debug for ReceiverConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiverConfig")
            .field("id", &self.id)
            .field("grpc", &self.grpc.as_ref().map(|(endpoint, settings)| (endpoint, settings.auth_token.is_some())))
            .field("http", &self.http.as_ref().map(|(endpoint, settings)| (endpoint, settings.auth_token.is_some())))
            .finish()
    }
}

const KNOWN: [&str; 1] = ["otlp"];
/// Message for other receivers of a Collector.
const INSTEAD: &str = "only OTLP is received here; keep this receiver in a Collector, and have it export with \
                       `otlp_grpc: {endpoint: 127.0.0.1:4317, tls: {insecure: true}}`";

pub(super) fn read(reading: &Reading<'_>, components: &[Component<'_>]) -> Vec<ReceiverConfig> {
    let mut receivers = Vec::new();
    for component in components {
        if component.kind != "otlp" {
            reading.unknown(component, &KNOWN, &[], INSTEAD);
            continue;
        }
        let Some(map) = component.settings(reading) else { continue };
        receivers.extend(otlp(reading, component.id, map));
    }
    receivers
}

fn otlp(reading: &Reading<'_>, id: &str, map: MapReader<'_>) -> Option<ReceiverConfig> {
    let named = map.need("protocols");
    let protocols = map.map("protocols");
    if let Some(protocols) = &protocols
        && named
        && !protocols.has("grpc")
        && !protocols.has("http")
    {
        map.fault("protocols", "expected grpc, http or both, found neither");
    }
    map.finish();
    let protocols = protocols.filter(|_| named)?;
    let grpc = protocols.map("grpc").map(|map| grpc(reading, map));
    let http = protocols.map("http").map(|map| http(reading, map));
    protocols.finish();
    Some(ReceiverConfig { id: id.to_owned(), grpc, http })
}

fn grpc(reading: &Reading<'_>, map: MapReader<'_>) -> (Endpoint, GrpcSettings) {
    let defaults = GrpcSettings::default();
    let (endpoint, auth_token) = door(reading, &map, 4317);
    let settings = GrpcSettings {
        max_recv_msg_size_bytes: match map.count("max_recv_msg_size_mib", 1) {
            Some(mib) => mib.saturating_mul(1 << 20),
            None => defaults.max_recv_msg_size_bytes,
        },
        auth_token,
        door: bounds(&map),
    };
    collector::grpc(reading, &map);
    map.finish();
    (endpoint, settings)
}

fn http(reading: &Reading<'_>, map: MapReader<'_>) -> (Endpoint, HttpSettings) {
    let defaults = HttpSettings::default();
    let (endpoint, auth_token) = door(reading, &map, 4318);
    let path = |key: &str, default: String| match map.text(key) {
        None => default,
        Some(path) if path.starts_with('/') => path,
        // The Collector adds the leading slash, too.
        Some(path) => format!("/{path}"),
    };
    let cors = map.map("cors").map(|map| cors(reading, map, auth_token.is_some())).unwrap_or_default();
    let settings = HttpSettings {
        max_request_body_size_bytes: map.size("max_request_body_size").unwrap_or(defaults.max_request_body_size_bytes),
        traces_url_path: path("traces_url_path", defaults.traces_url_path),
        metrics_url_path: path("metrics_url_path", defaults.metrics_url_path),
        logs_url_path: path("logs_url_path", defaults.logs_url_path),
        auth_token,
        door: bounds(&map),
        cors,
    };
    for (key, path) in [
        ("traces_url_path", &settings.traces_url_path),
        ("metrics_url_path", &settings.metrics_url_path),
        ("logs_url_path", &settings.logs_url_path),
    ] {
        if !is_plain_path(path) {
            map.fault(key, format!("expected a path such as /v1/traces, found {path:?}"));
        }
    }
    let paths = [&settings.traces_url_path, &settings.metrics_url_path, &settings.logs_url_path];
    if paths[0] == paths[1] || paths[0] == paths[2] || paths[1] == paths[2] {
        map.fault("traces_url_path", "expected three different paths for traces, metrics and logs");
    }
    collector::http(reading, &map);
    map.finish();
    (endpoint, settings)
}

/// Reads the limits of a listener. In a Collector `read_timeout: 0` means no timeout; here there is always one.
fn bounds(map: &MapReader<'_>) -> DoorSettings {
    let defaults = DoorSettings::default();
    let read_timeout = map.duration("read_timeout").filter(|timeout| !timeout.is_zero());
    DoorSettings {
        connections_max: map.count("connections_max", 1).unwrap_or(defaults.connections_max),
        read_timeout: read_timeout.unwrap_or(defaults.read_timeout),
    }
}

/// Reads the endpoint and the required token.
fn door(reading: &Reading<'_>, map: &MapReader<'_>, port: u16) -> (Endpoint, Option<Secret>) {
    let token = map.secret("auth_token");
    let anyone = map.bool("allow_unauthenticated").unwrap_or(false);
    (listening::endpoint(reading, map, loopback(port), map.given("auth_token"), anyone), token)
}

/// Reads `cors` as the Collector does: without an origin there is no CORS at all.
fn cors(reading: &Reading<'_>, map: MapReader<'_>, has_token: bool) -> CorsSettings {
    let settings = CorsSettings {
        allowed_origins: map.strs("allowed_origins"),
        allowed_headers: map.strs("allowed_headers"),
        exposed_headers: map.strs("exposed_headers"),
        max_age_s: map.int("max_age").unwrap_or_default(),
    };
    if settings.exposed_headers.iter().any(|name| HeaderValue::from_str(name).is_err()) {
        map.fault("exposed_headers", "expected names of headers");
    }
    if settings.allowed_origins.iter().any(|origin| origin.matches('*').count() > 1) {
        let message = "has an origin with more than one `*`: only the first is a wildcard, so it matches no page";
        reading.note_key(&map, "allowed_origins", message);
    }
    if settings.allowed_origins.is_empty() {
        reading.note_key(&map, "allowed_headers", "has no effect without `allowed_origins`");
    } else if has_token && !settings.allows_header("authorization") {
        let message = "prevents pages from sending the token that `auth_token` requires: add `allowed_headers: [authorization, \
                       content-type]`";
        reading.note_key(&map, "allowed_origins", message);
    }
    map.finish();
    settings
}
