//! Traces: rows of `spans`, `span_events` and `span_links`.

use super::DecodeError;
use super::exceptions::Exception;
use super::plan::{TablePlan, columns};
use super::rejects::{Rejects, check_fits, check_id, check_readable, signed};
use super::rows::{Block, Rows};
use crate::model::decoded::Decoded;
use crate::model::table::TableDef;
use crate::model::tracestate;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};

columns! {
    /// The columns of `spans` that are no plain promotions.
    struct SpanColumns {
        trace_id, span_id, parent_span_id, name, kind, status_code, status_message, scope_name, scope_version,
        start_time, start_time_unix_nano, end_time_unix_nano, duration_ms, operation, error, sampled_weight,
        exception_type, exception_message, trace_state, attributes, resource_attributes, received_time,
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

/// The promoted columns that an operation is made of, and the status.
#[derive(Debug)]
struct Slots {
    method: Option<usize>,
    route: Option<usize>,
    path: Option<usize>,
    status: Option<usize>,
    rpc_service: Option<usize>,
    rpc_method: Option<usize>,
    destination: Option<usize>,
}

/// The three tables.
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
                path: spans.slot("url_path"),
                status: spans.slot("http_response_status_code"),
                rpc_service: spans.slot("rpc_service"),
                rpc_method: spans.slot("rpc_method"),
                destination: spans.slot("messaging_destination_name"),
            },
            event_columns: EventColumns::of(&events),
            link_columns: LinkColumns::of(&links),
            spans,
            events,
            links,
        }
    }

    pub(super) fn rows(&self, request: &ExportTraceServiceRequest, received: i64) -> Result<Decoded, DecodeError> {
        let mut rejects = Rejects::new("spans");
        let mut tables = Tables {
            plan: self,
            received,
            spans: Rows::new(&self.spans),
            events: Rows::new(&self.events),
            links: Rows::new(&self.links),
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

fn check(span: &Span) -> Result<(), String> {
    check_id("traceId", &span.trace_id, 16)?;
    check_id("spanId", &span.span_id, 8)?;
    if !matches!(span.parent_span_id.len(), 0 | 8) {
        check_readable("parentSpanId", &span.parent_span_id, 8)?;
        return Err(format!("parentSpanId: expected 8 bytes or none, found {}", span.parent_span_id.len()));
    }
    let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
    if start == 0 {
        return Err("startTimeUnixNano: expected the time of the start, found none".into());
    }
    if end < start {
        return Err(format!("endTimeUnixNano: expected at least startTimeUnixNano, which is {start}, found {end}"));
    }
    check_fits("endTimeUnixNano", end)
}

/// What the three tables share of a resource and scope.
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
        #[expect(clippy::cast_precision_loss, reason = "exact below 104 days")]
        rows.float(to.duration_ms, (end - start) as f64 / 1e6);
        let operation = operation(rows, slots, &span.name);
        rows.text(to.operation, &operation);
        let answered_5xx = rows.promoted_int(slots.status).is_some_and(|status| (500..600).contains(&status));
        let is_server = span.kind == SpanKind::Server as i32;
        rows.bool(to.error, code == StatusCode::Error || is_server && answered_5xx);
        let exception = Exception::of(span);
        rows.text_or_null(to.exception_type, exception.kind.as_deref().unwrap_or_default());
        rows.text_or_null(to.exception_message, exception.message.as_deref().unwrap_or_default());
        rows.float(to.sampled_weight, tracestate::weight(&span.trace_state));
        rows.text_or_null(to.trace_state, &span.trace_state);
        rows.time(to.received_time, self.received);
        rows.end_row()
    }
}

/// What was asked for; never a raw path.
fn operation<'a>(rows: &Rows<'a>, slots: &Slots, name: &'a str) -> std::borrow::Cow<'a, str> {
    let method = rows.promoted_text(slots.method);
    if let (Some(method), Some(route)) = (&method, rows.promoted_text(slots.route)) {
        return format!("{method} {route}").into();
    }
    match (rows.promoted_text(slots.rpc_service), rows.promoted_text(slots.rpc_method)) {
        (Some(service), Some(method)) => return format!("{service}/{method}").into(),
        // Today's convention has the whole name in the method.
        (None, Some(method)) => return method,
        _ => {}
    }
    if let Some(destination) = rows.promoted_text(slots.destination) {
        return destination;
    }
    // Older senders put the path into the name where no route matched.
    match (method, rows.promoted_text(slots.path)) {
        (Some(method), Some(path)) if path.len() > 1 && name.ends_with(&*path) => method,
        _ => name.into(),
    }
}

fn kind_word(kind: i32) -> &'static str {
    match SpanKind::try_from(kind) {
        Ok(SpanKind::Server) => "SERVER",
        Ok(SpanKind::Client) => "CLIENT",
        Ok(SpanKind::Producer) => "PRODUCER",
        Ok(SpanKind::Consumer) => "CONSUMER",
        // OTLP lets a receiver take an unspecified kind so.
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
