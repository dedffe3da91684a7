//! Traces: builds rows of `spans`, `span_events` and `span_links`.

use super::error::DecodeError;
use super::exceptions::Exception;
use super::operation::{Asked, operation};
use super::plan::{TablePlan, columns};
use super::rejects::{Faults, Rejects, check_fits, check_id, signed};
use super::rows::{Block, Rows};
use crate::model::decoded::Decoded;
use crate::model::table::TableDef;
use crate::model::tracestate;
use crate::statements::{self, Call};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use std::sync::Arc;

columns! {
    /// The columns of `spans` that are not plain promotions.
    struct SpanColumns {
        trace_id, span_id, parent_span_id, name, kind, status_code, status_message, scope_name, scope_version,
        start_time, start_time_unix_nano, end_time_unix_nano, duration_ms, operation, error, server_error,
        sampled_weight, db_fingerprint, exception_type, exception_message, trace_state, attributes, resource_attributes, received_time,
    }
}

columns! {
    /// The columns of `span_events`.
    struct EventColumns { trace_id, span_id, time, time_unix_nano, name, attributes }
}

columns! {
    /// The columns of `span_links`.
    struct LinkColumns { trace_id, span_id, linked_trace_id, linked_span_id, trace_state, attributes }
}

/// The promoted columns that operation and error are derived from.
#[derive(Debug)]
struct Slots {
    method: Option<usize>,
    route: Option<usize>,
    status: Option<usize>,
    rpc_service: Option<usize>,
    rpc_method: Option<usize>,
    rpc_status: Option<usize>,
    destination: Option<usize>,
    db_system: Option<usize>,
    db_query: Option<usize>,
    db_summary: Option<usize>,
    db_operation: Option<usize>,
    db_collection: Option<usize>,
}

/// The decoding plans of the three tables.
#[derive(Debug)]
pub(super) struct SpansPlan {
    spans: TablePlan,
    columns: SpanColumns,
    slots: Slots,
    events: TablePlan,
    event_columns: EventColumns,
    links: TablePlan,
    link_columns: LinkColumns,
}

impl SpansPlan {
    pub(super) fn new(tables: &[TableDef]) -> SpansPlan {
        let spans = TablePlan::new("spans", tables);
        let events = TablePlan::new("span_events", tables);
        let links = TablePlan::new("span_links", tables);
        SpansPlan {
            columns: SpanColumns::of(&spans),
            slots: Slots {
                method: spans.slot("http_request_method"),
                route: spans.slot("http_route"),
                status: spans.slot("http_response_status_code"),
                rpc_service: spans.slot("rpc_service"),
                rpc_method: spans.slot("rpc_method"),
                rpc_status: spans.slot("rpc_response_status_code"),
                destination: spans.slot("messaging_destination_name"),
                db_system: spans.slot("db_system_name"),
                db_query: spans.slot("db_query_text"),
                db_summary: spans.slot("db_query_summary"),
                db_operation: spans.slot("db_operation_name"),
                db_collection: spans.slot("db_collection_name"),
            },
            event_columns: EventColumns::of(&events),
            link_columns: LinkColumns::of(&links),
            spans,
            events,
            links,
        }
    }

    pub(super) fn rows(
        &self,
        request: &ExportTraceServiceRequest,
        faults: Faults,
        received: i64,
    ) -> Result<Decoded, DecodeError> {
        let mut rejects = Rejects::new("spans", faults);
        let mut tables = Tables {
            plan: self,
            received,
            spans: Rows::new(&self.spans, spans(request)),
            events: Rows::new(&self.events, 0),
            links: Rows::new(&self.links, 0),
        };
        for (r, resource) in request.resource_spans.iter().enumerate() {
            let attributes = resource.resource.as_ref().map_or(&[][..], |resource| &resource.attributes);
            let resource_block = Blocks::of_resource(self, attributes);
            for (s, scope) in resource.scope_spans.iter().enumerate() {
                let blocks = resource_block.in_scope(self, scope.scope.as_ref());
                for (i, span) in scope.spans.iter().enumerate() {
                    if rejects.keeps(check(span), || format!("resourceSpans[{r}].scopeSpans[{s}].spans[{i}]")) {
                        tables.append(span, scope.scope.as_ref(), &blocks)?;
                    }
                }
            }
        }
        let (items, rejected) = rejects.finish();
        let mut decoded = Decoded { received_unix_nano: received, tables: Vec::new(), items, rejected };
        tables.spans.finish(&mut decoded.tables)?;
        tables.events.finish(&mut decoded.tables)?;
        tables.links.finish(&mut decoded.tables)?;
        Ok(decoded)
    }
}

/// Returns the number of spans of a request.
fn spans(request: &ExportTraceServiceRequest) -> usize {
    let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    scopes.map(|scope| scope.spans.len()).sum()
}

fn check(span: &Span) -> Result<(), String> {
    check_id("traceId", &span.trace_id, 16)?;
    check_id("spanId", &span.span_id, 8)?;
    if !matches!(span.parent_span_id.len(), 0 | 8) {
        return Err(format!("parentSpanId: expected 8 bytes or none, found {}", span.parent_span_id.len()));
    }
    if span.start_time_unix_nano == 0 {
        return Err("startTimeUnixNano: expected the time of the start or the end, found none".into());
    }
    check_fits("startTimeUnixNano", span.start_time_unix_nano)?;
    check_fits("endTimeUnixNano", span.end_time_unix_nano)
}

/// The blocks of the three tables for a resource and scope.
struct Blocks<'a> {
    span: Block<'a>,
    event: Block<'a>,
    link: Block<'a>,
}

impl<'a> Blocks<'a> {
    fn of_resource(plan: &SpansPlan, attributes: &'a [KeyValue]) -> Blocks<'a> {
        Blocks {
            span: Block::of_resource(&plan.spans, attributes),
            event: Block::of_resource(&plan.events, attributes),
            link: Block::of_resource(&plan.links, attributes),
        }
    }

    fn in_scope(&self, plan: &SpansPlan, scope: Option<&'a InstrumentationScope>) -> Blocks<'a> {
        let attributes = scope.map_or(&[][..], |scope| &scope.attributes);
        Blocks {
            span: self.span.in_scope(&plan.spans, attributes),
            event: self.event.in_scope(&plan.events, attributes),
            link: self.link.in_scope(&plan.links, attributes),
        }
    }
}

struct Tables<'a> {
    plan: &'a SpansPlan,
    received: i64,
    spans: Rows<'a>,
    events: Rows<'a>,
    links: Rows<'a>,
}

impl<'a> Tables<'a> {
    fn append(
        &mut self,
        span: &'a Span,
        scope: Option<&'a InstrumentationScope>,
        blocks: &Blocks<'a>,
    ) -> Result<(), DecodeError> {
        self.span(span, scope, &blocks.span)?;
        for event in &span.events {
            let (rows, to) = (&mut self.events, &self.plan.event_columns);
            let time = signed(event.time_unix_nano);
            rows.promote(&event.attributes, &blocks.event, to.attributes);
            rows.hex(to.trace_id, &span.trace_id);
            rows.hex(to.span_id, &span.span_id);
            rows.time(to.time, time);
            rows.int(to.time_unix_nano, time);
            rows.text(to.name, &event.name);
            rows.end_row()?;
        }
        for link in &span.links {
            let (rows, to) = (&mut self.links, &self.plan.link_columns);
            rows.promote(&link.attributes, &blocks.link, to.attributes);
            rows.hex(to.trace_id, &span.trace_id);
            rows.hex(to.span_id, &span.span_id);
            rows.hex(to.linked_trace_id, &link.trace_id);
            rows.hex(to.linked_span_id, &link.span_id);
            rows.text_or_null(to.trace_state, &link.trace_state);
            rows.end_row()?;
        }
        Ok(())
    }

    fn span(
        &mut self,
        span: &'a Span,
        scope: Option<&'a InstrumentationScope>,
        block: &Block<'a>,
    ) -> Result<(), DecodeError> {
        let (rows, to, slots) = (&mut self.spans, &self.plan.columns, &self.plan.slots);
        let (start, end) = (signed(span.start_time_unix_nano), signed(span.end_time_unix_nano));
        rows.promote(&span.attributes, block, to.attributes);
        rows.resource(to.resource_attributes, block);
        rows.hex(to.trace_id, &span.trace_id);
        rows.hex(to.span_id, &span.span_id);
        if span.parent_span_id.iter().any(|byte| *byte != 0) {
            rows.hex(to.parent_span_id, &span.parent_span_id);
        }
        rows.text(to.name, &span.name);
        rows.text(to.kind, kind_word(span.kind));
        let status = span.status.as_ref();
        let code = status.map_or(StatusCode::Unset, Status::code);
        rows.text(to.status_code, status_word(code));
        rows.text_or_null(to.status_message, status.map_or("", |status| &status.message));
        rows.text_or_null(to.scope_name, scope.map_or("", |scope| &scope.name));
        rows.text_or_null(to.scope_version, scope.map_or("", |scope| &scope.version));
        rows.time(to.start_time, start);
        rows.int(to.start_time_unix_nano, start);
        rows.int(to.end_time_unix_nano, end);
        // A clock that jumps back must not lose requests: their duration counts as zero. A missing start time has been set
        // to the end time by now.
        #[expect(clippy::cast_precision_loss, reason = "exact below 104 days")]
        rows.float(to.duration_ms, (end - start).max(0) as f64 / 1e6);
        let asked = Asked {
            name: &span.name,
            method: rows.promoted_text(slots.method),
            route: rows.promoted_text(slots.route),
            rpc_service: rows.promoted_text(slots.rpc_service),
            rpc_method: rows.promoted_text(slots.rpc_method),
            destination: rows.promoted_text(slots.destination),
            attributes: &span.attributes,
        };
        rows.text(to.operation, &operation(&asked));
        if let Some(statement) = statement(rows, slots) {
            rows.text(to.db_fingerprint, &statement);
        }
        let is_server_s = span.kind == SpanKind::Server as i32 && is_server_s_failure(rows, slots);
        let error = is_error(code, is_server_s);
        rows.bool(to.error, error);
        rows.bool(to.server_error, error && is_server_s);
        let exception = Exception::of(span);
        rows.text_or_null(to.exception_type, exception.kind.as_deref().unwrap_or_default());
        rows.text_or_null(to.exception_message, exception.message.as_deref().unwrap_or_default());
        rows.float(to.sampled_weight, tracestate::weight(&span.trace_state));
        rows.text_or_null(to.trace_state, &span.trace_state);
        rows.time(to.received_time, self.received);
        rows.end_row()
    }
}

/// Returns the statement of a database call.
fn statement(rows: &Rows<'_>, slots: &Slots) -> Option<Arc<str>> {
    let texts = [slots.db_system, slots.db_query, slots.db_summary, slots.db_operation, slots.db_collection];
    if texts[1..].iter().all(|slot| !rows.is_filled(*slot)) {
        return None;
    }
    let texts = texts.map(|slot| rows.promoted_text(slot));
    let [system, query, summary, operation, collection] = texts.each_ref().map(Option::as_deref);
    statements::of(&Call { system, query, summary, operation, collection })
}

/// Returns whether a span failed. An unset status is decided by the server's response. OK is final: an application that sets
/// it has judged the response.
fn is_error(code: StatusCode, answered_failure: bool) -> bool {
    match code {
        StatusCode::Ok => false,
        StatusCode::Error => true,
        StatusCode::Unset => answered_failure,
    }
}

/// The gRPC codes that are server errors, by the semantic conventions for spans.
const GRPC_FAILURES: [(&str, &str); 6] = [
    ("2", "UNKNOWN"),
    ("4", "DEADLINE_EXCEEDED"),
    ("12", "UNIMPLEMENTED"),
    ("13", "INTERNAL"),
    ("14", "UNAVAILABLE"),
    ("15", "DATA_LOSS"),
];

/// Returns whether a response is a server error: 5xx, or the equivalent in gRPC, where the HTTP status is always 200.
fn is_server_s_failure(rows: &Rows<'_>, slots: &Slots) -> bool {
    rows.promoted_int(slots.status).is_some_and(|status| (500..600).contains(&status))
        || rows.promoted_text(slots.rpc_status).is_some_and(|code| {
            GRPC_FAILURES.iter().any(|(number, name)| code == *number || code.eq_ignore_ascii_case(name))
        })
}

fn kind_word(kind: i32) -> &'static str {
    match SpanKind::try_from(kind) {
        Ok(SpanKind::Server) => "SERVER",
        Ok(SpanKind::Client) => "CLIENT",
        Ok(SpanKind::Producer) => "PRODUCER",
        Ok(SpanKind::Consumer) => "CONSUMER",
        // OTLP allows receivers to treat an unspecified kind as internal.
        Ok(SpanKind::Internal | SpanKind::Unspecified) | Err(_) => "INTERNAL",
    }
}

fn status_word(code: StatusCode) -> &'static str {
    match code {
        StatusCode::Unset => "UNSET",
        StatusCode::Ok => "OK",
        StatusCode::Error => "ERROR",
    }
}
