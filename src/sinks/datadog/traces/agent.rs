//! Traces as a local Agent takes them: `/v0.7/traces`, in `MessagePack`, those of one resource at once.
//!
//! The request has to say `Datadog-Client-Computed-Stats: yes` and `Datadog-Client-Computed-Top-Level: yes`, for both has
//! been done here, and `X-Datadog-Trace-Count` with the number of traces.

use super::wire::{Span, TraceChunk, TracerPayload};
use crate::sinks::datadog::msgpack::Writer;
use bytes::Bytes;

/// The body of a request.
pub(super) fn encode(payload: &TracerPayload) -> Bytes {
    let mut out = Writer::default();
    out.map(8);
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
