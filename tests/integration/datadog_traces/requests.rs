//! The requests sent to a running Spanwise, and what should arrive.

use super::cases;
use super::generator::{Generator, int, text};
use super::oracle::Question;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;
use spanwise::exporters::datadog::traces::{TraceSettings, convert};
use std::collections::BTreeSet;

/// Generated requests in addition to the hand-written ones.
const GENERATED: usize = 300;

/// A purchase through a shop, its database and its warehouse, which fails.
fn purchase(now: i64) -> ExportTraceServiceRequest {
    let start = u64::try_from(now).expect("after 1970") - 3 * 3_600_000_000_000;
    let of = |id: u8, parent: u8, name: &str, kind, milliseconds: u64, attributes| Span {
        trace_id: vec![0x77; 16],
        span_id: vec![id; 8],
        parent_span_id: if parent == 0 { Vec::new() } else { vec![parent; 8] },
        name: name.to_owned(),
        kind,
        start_time_unix_nano: start + u64::from(id) * 1_000_000,
        end_time_unix_nano: start + (u64::from(id) + milliseconds) * 1_000_000,
        attributes,
        ..Span::default()
    };
    let route =
        vec![text("http.request.method", "POST"), text("http.route", "/buy"), int("http.response.status_code", 500)];
    let query = vec![
        text("db.system.name", "postgresql"),
        text("db.query.text", "SELECT stock FROM goods WHERE id = 42"),
        text("server.address", "db-1"),
    ];
    let ask = vec![text("http.request.method", "GET"), text("server.address", "warehouse")];
    let failed = Event {
        name: "exception".to_owned(),
        time_unix_nano: start + 9_000_000,
        attributes: vec![text("exception.type", "Empty"), text("exception.message", "\"nothing\" left")],
        ..Event::default()
    };
    let last = Span {
        events: vec![failed],
        status: Some(Status { code: 2, message: "empty".to_owned() }),
        ..of(4, 3, "GET /goods", 2, 2, vec![text("http.request.method", "GET"), text("http.route", "/goods")])
    };
    let resource = |service: &str, container: &str, spans| ResourceSpans {
        resource: Some(Resource {
            attributes: vec![
                text("service.name", service),
                text("service.version", "1.4"),
                text("deployment.environment.name", "prod"),
                text("host.name", "web-1"),
                text("telemetry.sdk.language", "go"),
                text("telemetry.sdk.version", "1.38.0"),
                text("container.id", container),
            ],
            ..Resource::default()
        }),
        scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    };
    let shop =
        vec![of(1, 0, "POST /buy", 2, 20, route), of(2, 1, "SELECT goods", 3, 5, query), of(3, 1, "GET", 3, 8, ask)];
    ExportTraceServiceRequest {
        resource_spans: vec![resource("shop", "c0ffee", shop), resource("warehouse", "beef", vec![last])],
    }
}

/// Returns the requests to send: the corpora of the mapping tests without what is random in the Agent (fractional hits),
/// rejected (spans without ids or start) or left to the mapping tests (spans that end before they start). Each is sent once,
/// because a byte-identical request counts as a resend. A duplicate attribute has a single value for all exporters, so the
/// Agent gets it once.
pub(super) fn questions(now: i64) -> Vec<Question> {
    let settings = TraceSettings { hostname: "collector-host".to_owned(), ..TraceSettings::default() };
    let mut generator = Generator::new(7);
    let mut all = cases::all(now);
    all.extend((0..GENERATED).map(|_| generator.request(now)));
    all.push(purchase(now));
    all.iter_mut().for_each(tidy);
    let asked = all.into_iter().map(|request| Question::new(settings.clone(), request, now));
    let mut known = BTreeSet::new();
    asked
        .filter(|asked| {
            let left = convert(&asked.request.resource_spans, &asked.settings, now).left;
            let in_order = |span: &Span| (1..=span.end_time_unix_nano).contains(&span.start_time_unix_nano);
            let is_new = known.insert(asked.request.encode_to_vec());
            is_new
                && count(&asked.request) > 0
                && left.invalid == 0
                && !asked.sampled()
                && spans(&asked.request).all(in_order)
        })
        .collect()
}

/// Keeps the first of duplicate attributes, and removes empty service names.
fn tidy(request: &mut ExportTraceServiceRequest) {
    for of_resource in &mut request.resource_spans {
        let resource = of_resource.resource.get_or_insert_default();
        once(&mut resource.attributes);
        resource.attributes.retain(|entry| *entry != text("service.name", ""));
        for of_scope in &mut of_resource.scope_spans {
            of_scope.scope.iter_mut().for_each(|scope| once(&mut scope.attributes));
            for span in &mut of_scope.spans {
                once(&mut span.attributes);
                span.events.iter_mut().for_each(|event| once(&mut event.attributes));
                span.links.iter_mut().for_each(|link| once(&mut link.attributes));
            }
        }
    }
}

fn once(list: &mut Vec<KeyValue>) {
    let mut known = BTreeSet::new();
    list.retain(|entry| known.insert(entry.key.clone()));
    for value in list.iter_mut().filter_map(|entry| entry.value.as_mut()) {
        within(value);
    }
}

fn within(value: &mut AnyValue) {
    match &mut value.value {
        Some(any_value::Value::ArrayValue(list)) => list.values.iter_mut().for_each(within),
        Some(any_value::Value::KvlistValue(map)) => once(&mut map.values),
        _ => {}
    }
}

fn spans(request: &ExportTraceServiceRequest) -> impl Iterator<Item = &Span> {
    request.resource_spans.iter().flat_map(|of| &of.scope_spans).flat_map(|of| &of.spans)
}

pub(super) fn count(request: &ExportTraceServiceRequest) -> u64 {
    spans(request).count() as u64
}

/// Returns the expected numbers of chunks, spans and distinct traces; traces dropped by their own program are only counted.
pub(super) fn expected(questions: &[Question]) -> (u64, u64, usize) {
    let (mut chunks, mut spans, mut traces) = (0, 0, BTreeSet::new());
    for asked in questions {
        let converted = convert(&asked.request.resource_spans, &asked.settings, asked.now);
        for chunk in converted.traces.iter().flat_map(|payload| &payload.chunks) {
            chunks += 1;
            spans += chunk.spans.len() as u64;
            traces.extend(chunk.spans.iter().map(|span| span.trace_id));
        }
    }
    (chunks, spans, traces.len())
}
