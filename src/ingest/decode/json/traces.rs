//! Spans.

use super::DecodeError;
use super::common::{attributes, resource, scope};
use super::read::Object;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

pub(super) fn resource_spans(from: &Object<'_>) -> Result<ResourceSpans, DecodeError> {
    Ok(ResourceSpans {
        resource: from.object("resource", resource)?,
        scope_spans: from.list("scopeSpans", scope_spans)?,
        schema_url: from.text("schemaUrl")?,
    })
}

fn scope_spans(from: &Object<'_>) -> Result<ScopeSpans, DecodeError> {
    Ok(ScopeSpans {
        scope: from.object("scope", scope)?,
        spans: from.list("spans", span)?,
        schema_url: from.text("schemaUrl")?,
    })
}

fn span(from: &Object<'_>) -> Result<Span, DecodeError> {
    Ok(Span {
        trace_id: from.id("traceId")?,
        span_id: from.id("spanId")?,
        trace_state: from.text("traceState")?,
        parent_span_id: from.id("parentSpanId")?,
        flags: from.u32("flags")?,
        name: from.text("name")?,
        kind: from.word("kind", |name| SpanKind::from_str_name(name).map(|kind| kind as i32))?,
        start_time_unix_nano: from.u64("startTimeUnixNano")?,
        end_time_unix_nano: from.u64("endTimeUnixNano")?,
        attributes: attributes(from, "attributes")?,
        dropped_attributes_count: from.u32("droppedAttributesCount")?,
        events: from.list("events", event)?,
        dropped_events_count: from.u32("droppedEventsCount")?,
        links: from.list("links", link)?,
        dropped_links_count: from.u32("droppedLinksCount")?,
        status: from.object("status", status)?,
    })
}

fn event(from: &Object<'_>) -> Result<Event, DecodeError> {
    Ok(Event {
        time_unix_nano: from.u64("timeUnixNano")?,
        name: from.text("name")?,
        attributes: attributes(from, "attributes")?,
        dropped_attributes_count: from.u32("droppedAttributesCount")?,
    })
}

fn link(from: &Object<'_>) -> Result<Link, DecodeError> {
    Ok(Link {
        trace_id: from.id_or_none("traceId")?,
        span_id: from.id_or_none("spanId")?,
        trace_state: from.text("traceState")?,
        attributes: attributes(from, "attributes")?,
        dropped_attributes_count: from.u32("droppedAttributesCount")?,
        flags: from.u32("flags")?,
    })
}

fn status(from: &Object<'_>) -> Result<Status, DecodeError> {
    Ok(Status {
        message: from.text("message")?,
        code: from.word("code", |name| StatusCode::from_str_name(name).map(|code| code as i32))?,
    })
}
