//! The messages of `/api/v0.2/traces`, limited to the fields written here. Maps are ordered, so that the same spans give the
//! same bytes.

use std::collections::BTreeMap;

/// The body of one request.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AgentPayload {
    /// The sender's host.
    #[prost(string, tag = "1")]
    pub host_name: String,
    /// The sender's environment, for spans without one.
    #[prost(string, tag = "2")]
    pub env: String,
    /// One per resource.
    #[prost(message, repeated, tag = "5")]
    pub tracer_payloads: Vec<TracerPayload>,
    /// The sender's name and version.
    #[prost(string, tag = "7")]
    pub agent_version: String,
}

/// Traces of one resource.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TracerPayload {
    /// The container of the spans.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// The language of the SDK.
    #[prost(string, tag = "2")]
    pub language_name: String,
    /// The version of the SDK, prefixed with `otlp-`.
    #[prost(string, tag = "4")]
    pub tracer_version: String,
    /// Spans by trace.
    #[prost(message, repeated, tag = "6")]
    pub chunks: Vec<TraceChunk>,
    /// Tags of all chunks; those of the container are under one key, joined by commas.
    #[prost(btree_map = "string, string", tag = "7")]
    pub tags: BTreeMap<String, String>,
    /// The environment.
    #[prost(string, tag = "8")]
    pub env: String,
    /// The host.
    #[prost(string, tag = "9")]
    pub hostname: String,
    /// The version of the application.
    #[prost(string, tag = "10")]
    pub app_version: String,
}

/// Spans of one trace.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TraceChunk {
    /// -1 and 0 mean drop, 1 and 2 mean keep; -1 and 2 were decided by the user.
    #[prost(int32, tag = "1")]
    pub priority: i32,
    /// The product in which the trace began.
    #[prost(string, tag = "2")]
    pub origin: String,
    /// The spans.
    #[prost(message, repeated, tag = "3")]
    pub spans: Vec<Span>,
    /// Tags of all spans.
    #[prost(btree_map = "string, string", tag = "4")]
    pub tags: BTreeMap<String, String>,
    /// Whether these are only single spans of a dropped trace.
    #[prost(bool, tag = "5")]
    pub dropped_trace: bool,
}

/// A Datadog span.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Span {
    /// The service.
    #[prost(string, tag = "1")]
    pub service: String,
    /// The operation.
    #[prost(string, tag = "2")]
    pub name: String,
    /// What the operation acted on: a route, a statement.
    #[prost(string, tag = "3")]
    pub resource: String,
    /// The lower half of the trace id.
    #[prost(uint64, tag = "4")]
    pub trace_id: u64,
    /// The span id.
    #[prost(uint64, tag = "5")]
    pub span_id: u64,
    /// The parent id, 0 for none.
    #[prost(uint64, tag = "6")]
    pub parent_id: u64,
    /// Start, in ns since 1970.
    #[prost(int64, tag = "7")]
    pub start: i64,
    /// Duration, in ns.
    #[prost(int64, tag = "8")]
    pub duration: i64,
    /// 1 if it failed.
    #[prost(int32, tag = "9")]
    pub error: i32,
    /// Text tags.
    #[prost(btree_map = "string, string", tag = "10")]
    pub meta: BTreeMap<String, String>,
    /// Numeric tags.
    #[prost(btree_map = "string, double", tag = "11")]
    pub metrics: BTreeMap<String, f64>,
    /// The kind of service: `web`, `http`, `sql`.
    #[prost(string, tag = "12")]
    pub r#type: String,
}
