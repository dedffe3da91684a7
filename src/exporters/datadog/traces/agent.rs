//! Traces for a local Agent: `/v0.7/traces`, in `MessagePack`, one resource per request.

use super::wire::{Span, TraceChunk, TracerPayload};
use crate::exporters::datadog::msgpack::Writer;
use bytes::Bytes;
use prost::Message as _;

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentTraces {
    /// Number of traces, required in the headers.
    pub traces: usize,
    /// Its body.
    pub body: Bytes,
}

impl AgentTraces {
    /// Builds a request from a body of [`super::agent_bodies`].
    ///
    /// # Errors
    /// When that is no [`TracerPayload`].
    pub fn of(body: &Bytes) -> Result<AgentTraces, prost::DecodeError> {
        let payload = TracerPayload::decode(body.clone())?;
        Ok(AgentTraces { traces: payload.chunks.len(), body: encode(&payload) })
    }
}

fn encode(payload: &TracerPayload) -> Bytes {
    let mut out = Writer::default();
    out.map(8);
    // Fields repeated in headers come before the traces.
    out.text("container_id", &payload.container_id);
    out.text("language_name", &payload.language_name);
    out.text("tracer_version", &payload.tracer_version);
    out.list("chunks", &payload.chunks, chunk);
    out.entries("tags", &payload.tags, |value, out| out.value(value));
    out.text("env", &payload.env);
    out.text("hostname", &payload.hostname);
    out.text("app_version", &payload.app_version);
    out.done()
}

fn chunk(chunk: &TraceChunk, out: &mut Writer) {
    out.map(5);
    out.signed("priority", chunk.priority.into());
    out.text("origin", &chunk.origin);
    out.list("spans", &chunk.spans, span);
    out.entries("tags", &chunk.tags, |value, out| out.value(value));
    out.truth("dropped_trace", chunk.dropped_trace);
}

fn span(span: &Span, out: &mut Writer) {
    out.map(12);
    out.text("service", &span.service);
    out.text("name", &span.name);
    out.text("resource", &span.resource);
    out.number("trace_id", span.trace_id);
    out.number("span_id", span.span_id);
    out.number("parent_id", span.parent_id);
    out.signed("start", span.start);
    out.signed("duration", span.duration);
    out.signed("error", span.error.into());
    out.entries("meta", &span.meta, |value, out| out.value(value));
    out.entries("metrics", &span.metrics, |value, out| out.double(*value));
    out.text("type", &span.r#type);
}
