//! Statistics of spans as Datadog's Agent makes them (its concentrator, modules 0.85.2): hits, errors and durations in
//! windows of ten seconds, by service, operation, resource, type, kind, status codes and what is on the other side.
//!
//! They are made a request at a time, of every span in it, before any is left out, and nothing is kept from one request
//! to the next: Datadog adds statistics of one window up. So a span is counted in the window that it ended in, however
//! late it comes, and a request that is sent again counts again.

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
    /// The host of the sender.
    pub agent_hostname: String,
    /// The environment of the sender.
    pub agent_env: String,
    /// The sender's name and version.
    pub agent_version: String,
    /// Statistics by what their payloads have in common.
    pub stats: Vec<ClientStats>,
}

/// What statistics have in common.
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
    /// The service that the process is of, where a span says that its own is another.
    pub service: String,
    /// The container.
    pub container_id: String,
    /// The commit that the application was built of.
    pub git_commit_sha: String,
}

/// Statistics that have a key in common.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientStats {
    /// What they have in common.
    pub key: PayloadKey,
    /// One a window.
    pub buckets: Vec<Bucket>,
}

/// Statistics of a window.
#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    /// When it begins, in ns since 1970.
    pub start: i64,
    /// How long it is, in ns.
    pub duration: i64,
    /// One a key.
    pub groups: Vec<(GroupKey, Group)>,
}

/// What spans of a group have in common.
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
    /// HTTP's status code, 0 for none.
    pub http_status_code: u32,
    /// gRPC's status code, empty for none.
    pub grpc_status_code: String,
    /// Whether a test of Datadog's own caused it.
    pub synthetics: bool,
    /// Whether the spans have no parent.
    pub is_trace_root: bool,
    /// What is on the other side: `key:value`, sorted.
    pub peer_tags: Vec<String>,
    /// Who named the service, where it was not the application.
    pub service_source: String,
}

/// Numbers of a group. Spans that stand for more of their kind, because their trace was sampled, count for all of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Group {
    /// Spans.
    pub hits: f64,
    /// Those at the top of their service.
    pub top_level_hits: f64,
    /// Those that failed.
    pub errors: f64,
    /// The sum of their durations, in ns.
    pub duration: f64,
    /// Durations of those that did not fail, in ns.
    pub ok: Sketch,
    /// Durations of those that failed, in ns.
    pub failed: Sketch,
}
