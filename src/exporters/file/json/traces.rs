//! Spans.

use super::common::{attribute, resource, scope};
use super::object::Object;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

pub(super) fn of_resource(object: &mut Object<'_>, spans: &ResourceSpans) {
    if let Some(of) = &spans.resource {
        object.object("resource", of, resource);
    }
    object.list("scopeSpans", &spans.scope_spans, of_scope);
    object.text("schemaUrl", &spans.schema_url);
}

fn of_scope(object: &mut Object<'_>, spans: &ScopeSpans) {
    if let Some(of) = &spans.scope {
        object.object("scope", of, scope);
    }
    object.list("spans", &spans.spans, span);
    object.text("schemaUrl", &spans.schema_url);
}

fn span(object: &mut Object<'_>, span: &Span) {
    object.id("traceId", &span.trace_id);
    object.id("spanId", &span.span_id);
    object.text("traceState", &span.trace_state);
    object.id("parentSpanId", &span.parent_span_id);
    object.u32("flags", span.flags);
    object.text("name", &span.name);
    object.i32("kind", span.kind);
    object.u64("startTimeUnixNano", span.start_time_unix_nano);
    object.u64("endTimeUnixNano", span.end_time_unix_nano);
    object.list("attributes", &span.attributes, attribute);
    object.u32("droppedAttributesCount", span.dropped_attributes_count);
    object.list("events", &span.events, event);
    object.u32("droppedEventsCount", span.dropped_events_count);
    object.list("links", &span.links, link);
    object.u32("droppedLinksCount", span.dropped_links_count);
    if let Some(of) = &span.status {
        object.object("status", of, status);
    }
}

fn event(object: &mut Object<'_>, event: &Event) {
    object.u64("timeUnixNano", event.time_unix_nano);
    object.text("name", &event.name);
    object.list("attributes", &event.attributes, attribute);
    object.u32("droppedAttributesCount", event.dropped_attributes_count);
}

fn link(object: &mut Object<'_>, link: &Link) {
    object.id("traceId", &link.trace_id);
    object.id("spanId", &link.span_id);
    object.text("traceState", &link.trace_state);
    object.list("attributes", &link.attributes, attribute);
    object.u32("droppedAttributesCount", link.dropped_attributes_count);
    object.u32("flags", link.flags);
}

fn status(object: &mut Object<'_>, status: &Status) {
    object.text("message", &status.message);
    object.i32("code", status.code);
}
