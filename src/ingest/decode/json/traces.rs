//! Spans.

use super::common::{SPAN_ID, TRACE_ID, key_value, resource, scope};
use super::read::Reader;
use super::scan::Read;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

pub(super) fn request(reader: &mut Reader<'_>, request: &mut ExportTraceServiceRequest, key: &str) -> Read<()> {
    match key {
        "resourceSpans" => reader.containers(&mut request.resource_spans, resource_spans),
        _ => reader.pass(),
    }
}

fn resource_spans(reader: &mut Reader<'_>, spans: &mut ResourceSpans, key: &str) -> Read<()> {
    match key {
        "resource" => reader.optional(&mut spans.resource, resource),
        "scopeSpans" => reader.containers(&mut spans.scope_spans, scope_spans),
        "schemaUrl" => reader.kept(|reader| reader.set_text(&mut spans.schema_url)),
        _ => reader.pass(),
    }
}

fn scope_spans(reader: &mut Reader<'_>, spans: &mut ScopeSpans, key: &str) -> Read<()> {
    match key {
        "scope" => reader.optional(&mut spans.scope, scope),
        "spans" => reader.items(&mut spans.spans, span),
        "schemaUrl" => reader.kept(|reader| reader.set_text(&mut spans.schema_url)),
        _ => reader.pass(),
    }
}

/// Reads a span. Ids and times are required; anything else is optional.
fn span(reader: &mut Reader<'_>, span: &mut Span, key: &str) -> Read<()> {
    match key {
        "traceId" => reader.set_id(&mut span.trace_id, TRACE_ID),
        "spanId" => reader.set_id(&mut span.span_id, SPAN_ID),
        "parentSpanId" => reader.set_id(&mut span.parent_span_id, SPAN_ID),
        "startTimeUnixNano" => reader.set_u64(&mut span.start_time_unix_nano),
        "endTimeUnixNano" => reader.set_u64(&mut span.end_time_unix_nano),
        "traceState" => reader.kept(|reader| reader.set_text(&mut span.trace_state)),
        "flags" => reader.kept(|reader| reader.set_u32(&mut span.flags)),
        "name" => reader.kept(|reader| reader.set_text(&mut span.name)),
        "kind" => reader.kept(|reader| {
            reader.set_word(&mut span.kind, |name| SpanKind::from_str_name(name).map(|kind| kind as i32))
        }),
        "attributes" => reader.parts(&mut span.attributes, key_value),
        "droppedAttributesCount" => reader.kept(|reader| reader.set_u32(&mut span.dropped_attributes_count)),
        "events" => reader.parts(&mut span.events, event),
        "droppedEventsCount" => reader.kept(|reader| reader.set_u32(&mut span.dropped_events_count)),
        "links" => reader.parts(&mut span.links, link),
        "droppedLinksCount" => reader.kept(|reader| reader.set_u32(&mut span.dropped_links_count)),
        "status" => reader.kept(|reader| reader.optional(&mut span.status, status)),
        _ => reader.pass(),
    }
}

fn event(reader: &mut Reader<'_>, event: &mut Event, key: &str) -> Read<()> {
    match key {
        "timeUnixNano" => reader.set_u64(&mut event.time_unix_nano),
        "name" => reader.set_text(&mut event.name),
        "attributes" => reader.parts(&mut event.attributes, key_value),
        "droppedAttributesCount" => reader.kept(|reader| reader.set_u32(&mut event.dropped_attributes_count)),
        _ => reader.pass(),
    }
}

fn link(reader: &mut Reader<'_>, link: &mut Link, key: &str) -> Read<()> {
    match key {
        "traceId" => reader.kept(|reader| reader.set_id(&mut link.trace_id, TRACE_ID)),
        "spanId" => reader.kept(|reader| reader.set_id(&mut link.span_id, SPAN_ID)),
        "traceState" => reader.kept(|reader| reader.set_text(&mut link.trace_state)),
        "attributes" => reader.parts(&mut link.attributes, key_value),
        "droppedAttributesCount" => reader.kept(|reader| reader.set_u32(&mut link.dropped_attributes_count)),
        "flags" => reader.kept(|reader| reader.set_u32(&mut link.flags)),
        _ => reader.pass(),
    }
}

fn status(reader: &mut Reader<'_>, status: &mut Status, key: &str) -> Read<()> {
    match key {
        "message" => reader.kept(|reader| reader.set_text(&mut status.message)),
        "code" => reader.set_word(&mut status.code, |name| StatusCode::from_str_name(name).map(|code| code as i32)),
        _ => reader.pass(),
    }
}
