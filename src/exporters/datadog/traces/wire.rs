//! The messages of `/api/v0.2/traces`, as far as they are written here. Maps are ordered, so that the same spans give the
//! same bytes.

use std::collections::BTreeMap;

/// The body of one request.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AgentPayload {
    /// The host that sends.
    #[prost(string, tag = "1")]
    pub host_name: String,
    /// The environment of the sender, for spans that name none.
    #[prost(string, tag = "2")]
    pub env: String,
    /// One a resource.
    #[prost(message, repeated, tag = "5")]
    pub tracer_payloads: Vec<TracerPayload>,
    /// The sender's name and version.
    #[prost(string, tag = "7")]
    pub agent_version: String,
}

/// Traces of one resource.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TracerPayload {
    /// The container that the spans came out of.
    #[prost(string, tag = "1")]
    pub container_id: String,
    /// The language of the SDK.
    #[prost(string, tag = "2")]
    pub language_name: String,
    /// The version of the SDK, behind `otlp-`.
    #[prost(string, tag = "4")]
    pub tracer_version: String,
    /// Spans by trace.
    #[prost(message, repeated, tag = "6")]
    pub chunks: Vec<TraceChunk>,
    /// Tags of all of them; the container's stand under one key, joined by commas.
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
    /// -1 and 0 were to be dropped, 1 and 2 to be kept; 2 and -1 by the user's own word.
    #[prost(int32, tag = "1")]
    pub priority: i32,
    /// The product that the trace began in.
    #[prost(string, tag = "2")]
    pub origin: String,
    /// The spans.
    #[prost(message, repeated, tag = "3")]
    pub spans: Vec<Span>,
    /// Tags of all of them.
    #[prost(btree_map = "string, string", tag = "4")]
    pub tags: BTreeMap<String, String>,
    /// Whether these are only single spans out of a trace that was dropped.
    #[prost(bool, tag = "5")]
    pub dropped_trace: bool,
}

/// A span as Datadog has it.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Span {
    /// The service.
    #[prost(string, tag = "1")]
    pub service: String,
    /// The operation.
    #[prost(string, tag = "2")]
    pub name: String,
    /// What the operation was done with: a route, a statement.
    #[prost(string, tag = "3")]
    pub resource: String,
    /// The lower half of the trace's id.
    #[prost(uint64, tag = "4")]
    pub trace_id: u64,
    /// The span's id.
    #[prost(uint64, tag = "5")]
    pub span_id: u64,
    /// The parent's id, 0 for none.
    #[prost(uint64, tag = "6")]
    pub parent_id: u64,
    /// When it began, in ns since 1970.
    #[prost(int64, tag = "7")]
    pub start: i64,
    /// How long it took, in ns.
    #[prost(int64, tag = "8")]
    pub duration: i64,
    /// 1 where it failed.
    #[prost(int32, tag = "9")]
    pub error: i32,
    /// Tags that are text.
    #[prost(btree_map = "string, string", tag = "10")]
    pub meta: BTreeMap<String, String>,
    /// Tags that are numbers.
    #[prost(btree_map = "string, double", tag = "11")]
    pub metrics: BTreeMap<String, f64>,
    /// The kind of service: `web`, `http`, `sql`.
    #[prost(string, tag = "12")]
    pub r#type: String,
}
