//! `extensions`: the store, SQL and health.

use super::memory::Given;
use super::{collector, listening};
use crate::catalog::component::{Component, Reading, loopback};
use crate::catalog::values::Values as _;
use crate::catalog::yaml::MapReader;
use crate::delivery::settings::Secret;
use crate::engine::{PoolSettings, QueryLimits, least_total, total_by_default};
use crate::ingest::IngestSettings;
use crate::log::LogSettings;
use crate::net::Endpoint;
use std::path::PathBuf;

/// The data directory.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// Directory of all stored data: the log and the state.
    pub directory: PathBuf,
}

/// Settings of SQL.
#[derive(Debug, Clone)]
pub struct SqlConfig {
    /// Endpoint of the PostgreSQL protocol.
    pub postgres: Option<Endpoint>,
    /// Endpoint of HTTP.
    pub http: Option<Endpoint>,
    /// Host names, without ports, that HTTP clients may use besides those of loopback.
    pub hosts: Vec<String>,
    /// Limits of a query.
    pub limits: QueryLimits,
    /// Memory limit for the operators of one query.
    pub memory_bytes_max: usize,
    /// Memory limit for all query workers together.
    pub memory_total_bytes: usize,
    /// Maximum number of concurrent queries, each in a process of its own.
    pub workers_max: usize,
    /// Token required from clients over HTTP.
    pub auth_token: Option<Secret>,
    /// User required from clients over the PostgreSQL protocol, if there is a password.
    pub user: String,
    /// Password required from clients over the PostgreSQL protocol.
    pub password: Option<Secret>,
}

/// The health endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthConfig {
    /// Its address.
    pub endpoint: Endpoint,
    /// Its path.
    pub path: String,
}

/// All extensions.
pub(super) struct Extensions {
    pub(super) store: StoreConfig,
    pub(super) memory: Given,
    pub(super) log: LogSettings,
    pub(super) ingest: IngestSettings,
    pub(super) sql: SqlConfig,
    pub(super) health: Option<HealthConfig>,
}

/// Default data directory.
pub(super) const DIRECTORY: &str = "spanwise-data";
const KNOWN: [&str; 3] = ["store", "sql", "health_check"];
const NO_PAGES: &str = "is not supported here; remove it: own telemetry is in the tables that SQL reads";
const LOG_IS_QUEUE: &str =
    "is not needed: the log is on disk and is every exporter's queue; remove it, and `storage` of the queues";
const TOKENS: &str =
    "is not supported here; write `auth_token: ${env:TOKEN}` at the listener, or `headers` at the exporter";

const NAME_AND_PASSWORD: &str = "is not supported here; write `auth_token: ${env:TOKEN}` at the listener, or at the exporter \
    `headers: {authorization: \"Basic ${env:NAME_AND_PASSWORD_IN_BASE64}\"}`, for Grafana Cloud `preset: grafana_cloud`";

const OTHERS: &str = "remove it, here and from service.extensions";

const INSTEAD: [(&str, &str); 14] = [
    ("zpages", NO_PAGES),
    ("pprof", NO_PAGES),
    ("bearertokenauth", TOKENS),
    ("basicauth", NAME_AND_PASSWORD),
    ("oauth2client", TOKENS),
    ("oidc", TOKENS),
    ("headers_setter", "is not supported here; write fixed `headers` at the exporter"),
    ("healthcheckv2", "is not supported here; write `health_check`"),
    ("opamp", "is not supported here; a running Spanwise reads its file again on SIGHUP"),
    ("remotetap", NO_PAGES),
    ("db_storage", LOG_IS_QUEUE),
    ("redis_storage", LOG_IS_QUEUE),
    ("file_storage", LOG_IS_QUEUE),
    ("memory_ballast", "is not needed; remove it"),
];

pub(super) fn read(reading: &Reading<'_>, components: &[Component<'_>]) -> Extensions {
    let mut extensions = Extensions {
        store: StoreConfig { directory: PathBuf::from(DIRECTORY) },
        memory: Given::default(),
        log: LogSettings::default(),
        ingest: IngestSettings::default(),
        sql: SqlConfig {
            postgres: Some(Endpoint::plain(loopback(15432))),
            http: Some(Endpoint::plain(loopback(4380))),
            hosts: Vec::new(),
            limits: QueryLimits::default(),
            memory_bytes_max: 256 << 20,
            memory_total_bytes: PoolSettings::default().memory_total_bytes,
            workers_max: PoolSettings::default().workers_max,
            auth_token: None,
            user: "spanwise".to_owned(),
            password: None,
        },
        health: None,
    };
    let mut seen: Vec<&str> = Vec::new();
    for component in components {
        if !KNOWN.contains(&component.kind) {
            reading.unknown(component, &KNOWN, &INSTEAD, OTHERS);
            continue;
        }
        if seen.contains(&component.kind) {
            component.fault(reading, format!("{} is already configured; expected only one", component.kind));
            continue;
        }
        seen.push(component.kind);
        let Some(map) = component.settings(reading) else { continue };
        match component.kind {
            "store" => store(map, &mut extensions),
            "sql" => sql(reading, map, &mut extensions.sql),
            _ => extensions.health = Some(health(reading, map)),
        }
    }
    if !seen.contains(&"sql") {
        claim_defaults(reading, &extensions.sql);
        reading.note(
            0,
            "extensions.sql",
            "is not configured: SQL listens on 127.0.0.1:4380 (HTTP) and 127.0.0.1:15432 (Postgres)",
        );
    }
    extensions.log.dir = extensions.store.directory.join("log");
    extensions
}

fn store(map: MapReader<'_>, extensions: &mut Extensions) {
    if let Some(directory) = map.text("directory") {
        let path = PathBuf::from(&directory);
        if directory.is_empty() || (path.exists() && !path.is_dir()) {
            map.fault("directory", format!("expected a folder, which may be missing, found {directory:?}"));
        }
        extensions.store.directory = path;
    }
    let line = map.get("memory").map_or(0, |node| node.line);
    extensions.memory.total = map.space("memory").map(|bytes| (bytes, line));
    extensions.memory.rows = map.space("rows");
    extensions.memory.inflight = map.space("inflight");
    if let Some(map) = map.map("log") {
        let log = &mut extensions.log;
        log.bytes_max = map.space("size").map_or(log.bytes_max, |bytes| bytes as u64);
        log.age_max = map.duration_above_zero("age").unwrap_or(log.age_max);
        log.segment_bytes = map.size("segment").map_or(log.segment_bytes.min(log.bytes_max), |bytes| bytes as u64);
        log.queue_bytes_max = map.size("queue").unwrap_or(log.queue_bytes_max);
        if log.segment_bytes > log.bytes_max {
            let message =
                format!("expected no more than log.size, which is {}, found {}", log.bytes_max, log.segment_bytes);
            map.fault("segment", message);
        }
        map.finish();
    }
    let ingest = &mut extensions.ingest;
    if let Some(map) = map.map("resends") {
        ingest.dedup_window = map.duration("window").unwrap_or(ingest.dedup_window);
        ingest.dedup_entries_max = map.count("entries_max", 1).unwrap_or(ingest.dedup_entries_max);
        extensions.memory.resends = map.size("memory");
        ingest.dedup_logs = map.bool("logs").unwrap_or(ingest.dedup_logs);
        map.finish();
    }
    map.finish();
}

fn sql(reading: &Reading<'_>, map: MapReader<'_>, sql: &mut SqlConfig) {
    sql.auth_token = map.secret("auth_token");
    sql.password = map.secret("password");
    if let Some(user) = map.text("user") {
        if !map.has("password") {
            map.fault("user", "expected a `password` with it, found none");
        }
        sql.user = user;
    }
    let anyone = map.bool("allow_unauthenticated").unwrap_or(false);
    // Listeners that are named are started; if neither is named, both are.
    if map.has("postgres") || map.has("http") {
        let listen = |key: &str, port: u16, secret: &str| {
            let map_of = map.map(key)?;
            let endpoint = listening::endpoint(reading, &map_of, loopback(port), map.given(secret), anyone);
            let hosts = if key == "http" { map_of.strs("hosts") } else { Vec::new() };
            map_of.finish();
            Some((endpoint, hosts))
        };
        sql.postgres = listen("postgres", 15432, "password").map(|(endpoint, _)| endpoint);
        let http = listen("http", 4380, "auth_token");
        sql.http = http.as_ref().map(|(endpoint, _)| endpoint.clone());
        sql.hosts = http.map(|(_, hosts)| hosts).unwrap_or_default();
    } else {
        claim_defaults(reading, sql);
    }
    let limits = &mut sql.limits;
    limits.timeout = map.duration_above_zero("timeout").unwrap_or(limits.timeout);
    limits.rows_max = map.count("rows_max", 1).or(limits.rows_max);
    limits.sql_bytes_max = map.size("statement_size").unwrap_or(limits.sql_bytes_max);
    sql.memory_bytes_max = map.space("memory").unwrap_or(sql.memory_bytes_max);
    sql.memory_total_bytes = memory_total(&map, sql.memory_bytes_max);
    sql.workers_max = map.count("workers", 1).unwrap_or(sql.workers_max);
    map.finish();
}

/// Reads the memory limit of all queries, which must be enough for at least one of them.
fn memory_total(map: &MapReader<'_>, query_bytes: usize) -> usize {
    let Some(total) = map.size("memory_total") else { return total_by_default(query_bytes) };
    let least = least_total(query_bytes);
    if total < least {
        let message = format!(
            "expected at least {least} bytes, so that one query can have its `memory` of {query_bytes} and its worker runs besides, found {total}"
        );
        map.fault("memory_total", message);
    }
    total
}

fn claim_defaults(reading: &Reading<'_>, sql: &SqlConfig) {
    for (endpoint, key) in [(&sql.postgres, "postgres"), (&sql.http, "http")] {
        if let Some(endpoint) = endpoint {
            reading.claim(endpoint.address, format!("extensions.sql.{key}"), 0);
        }
    }
}

fn health(reading: &Reading<'_>, map: MapReader<'_>) -> HealthConfig {
    // The health of a process is not a secret, and probes seldom have a token.
    let endpoint = listening::endpoint(reading, &map, loopback(13133), false, true);
    let path = map.text("path").unwrap_or_else(|| "/".to_owned());
    if !path.starts_with('/') {
        map.fault("path", format!("expected a path such as /health, found {path:?}"));
    }
    map.get("allow_unauthenticated");
    collector::http(reading, &map);
    reading.without_effect(
        &map,
        &[
            "read_timeout",
            "max_request_body_size",
            "cors",
            "response_body",
            "check_collector_pipeline",
            "use_v2",
            "component_health",
        ],
    );
    reading.not_yet(
        &map,
        &[("http", "write `endpoint` and `path` directly below"), ("grpc", "ask for health over HTTP, at `endpoint`")],
    );
    map.finish();
    HealthConfig { endpoint, path }
}
