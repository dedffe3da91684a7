//! Span statistics as computed by Datadog's Agent (its concentrator, modules 0.85.2): hits, errors and durations in windows of
//! ten seconds, by service, operation, resource, type, kind, status codes and peer.
//!
//! They are computed per request, from every span before any is dropped, and no state is kept between requests: Datadog adds up
//! the statistics of a window. A span is therefore counted in the window in which it ended, however late it arrives, and a
//! request that is sent again counts again.

mod concentrate;
mod grpc;
mod sketch;
#[cfg(test)]
mod tests;
mod wire;

pub use sketch::Sketch;
pub use wire::{ENTRIES_MAX, StatsBody, agent_bodies, bodies};

pub(super) use concentrate::Concentrator;

/// The body of a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StatsPayload {
    /// The sender's host.
    pub agent_hostname: String,
    /// The sender's environment.
    pub agent_env: String,
    /// The sender's name and version.
    pub agent_version: String,
    /// Statistics by payload key.
    pub stats: Vec<ClientStats>,
}

/// Key of a payload.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PayloadKey {
    /// The host.
    pub hostname: String,
    /// The environment.
    pub env: String,
    /// The version of the application.
    pub version: String,
    /// The language of the SDK.
    pub lang: String,
    /// The service of the process, if a span overrides its own.
    pub service: String,
    /// The container.
    pub container_id: String,
    /// The commit that the application was built from.
    pub git_commit_sha: String,
}

/// Statistics with the same key.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientStats {
    /// The common key.
    pub key: PayloadKey,
    /// One per window.
    pub buckets: Vec<Bucket>,
}

/// Statistics of a window.
#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    /// Start, in ns since 1970.
    pub start: i64,
    /// Length, in ns.
    pub duration: i64,
    /// One per group key.
    pub groups: Vec<(GroupKey, Group)>,
}

/// Key of a group of spans.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupKey {
    /// The service.
    pub service: String,
    /// The operation.
    pub name: String,
    /// The resource.
    pub resource: String,
    /// The span's type.
    pub r#type: String,
    /// The span's kind.
    pub span_kind: String,
    /// HTTP status code, 0 for none.
    pub http_status_code: u32,
    /// gRPC status code, empty for none.
    pub grpc_status_code: String,
    /// Whether it was caused by one of Datadog's synthetic tests.
    pub synthetics: bool,
    /// Whether the spans have no parent.
    pub is_trace_root: bool,
    /// The peer: `key:value`, sorted.
    pub peer_tags: Vec<String>,
    /// Who named the service, if not the application.
    pub service_source: String,
}

/// Numbers of a group. Spans of a sampled trace are weighted with the inverse of the sampling rate.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Group {
    /// Number of spans.
    pub hits: f64,
    /// Number of top-level spans.
    pub top_level_hits: f64,
    /// Number of failed spans.
    pub errors: f64,
    /// Sum of durations, in ns.
    pub duration: f64,
    /// Durations of successful spans, in ns.
    pub ok: Sketch,
    /// Durations of failed spans, in ns.
    pub failed: Sketch,
}
