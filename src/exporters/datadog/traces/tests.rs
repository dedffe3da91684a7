//! Traces by hand; the comparison with Datadog's own code is in `tests/integration/datadog_traces.rs`.

use super::*;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ScopeSpans, Span as Received};
use proptest::prelude::*;
use prost::Message as _;

const NOW: i64 = 1_800_000_000_000_000_000;

fn text(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(Value::StringValue(value.to_owned())) };
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

fn received(id: u8, attributes: Vec<KeyValue>) -> Received {
    Received {
        trace_id: vec![id; 16],
        span_id: vec![id; 8],
        kind: 3,
        name: "query".to_owned(),
        start_time_unix_nano: 1_700_000_000_000_000_000,
        end_time_unix_nano: 1_700_000_000_000_000_500,
        attributes,
        ..Received::default()
    }
}

fn request(spans: Vec<Received>) -> Vec<ResourceSpans> {
    let resource =
        Resource { attributes: vec![text("service.name", "Shop"), text("host.name", "web-1")], ..Resource::default() };
    let scope_spans = vec![ScopeSpans { scope: Some(InstrumentationScope::default()), spans, ..ScopeSpans::default() }];
    vec![ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }]
}

#[test]
fn a_query_becomes_a_span_without_its_literals() {
    let query = vec![
        text("db.system.name", "postgresql"),
        text("db.query.text", "SELECT a FROM t WHERE b = 'secret' AND c IN (1, 2)"),
    ];
    let converted = convert(&request(vec![received(7, query)]), &TraceSettings::default(), NOW);
    assert_eq!(converted.left, Left::default());
    let payload = &converted.traces[0];
    assert_eq!((payload.hostname.as_str(), payload.env.as_str()), ("web-1", ""));
    let span = &payload.chunks[0].spans[0];
    let fields = [&span.service, &span.name, &span.resource, &span.r#type].map(String::as_str);
    assert_eq!(fields, ["shop", "postgresql.query", "SELECT a FROM t WHERE b = ? AND c IN ( ? )", "sql"]);
    assert_eq!(span.meta["db.query.text"], span.resource);
    assert_eq!((span.trace_id, span.duration, span.metrics["_top_level"]), (0x0707_0707_0707_0707, 500, 1.0));
}

#[test]
fn the_same_spans_give_the_same_bytes() {
    let make = || {
        let sampled =
            Received { trace_state: "ot=th:c".to_owned(), ..received(1, vec![text("a", "b"), text("c", "d")]) };
        let settings = TraceSettings::default();
        let converted = convert(&request(vec![sampled]), &settings, NOW);
        let stats = crate::exporters::datadog::stats::bodies(&converted.stats, 10);
        (bodies(converted.traces, &settings, TRACES_MAX), stats)
    };
    assert_eq!(make(), make());
}

/// Hits, errors and durations by hand: 1/4 of 4, 1/2 of 2, and unsampled spans. Quantiles cover the received spans, as in the
/// Agent.
#[test]
fn statistics_count_a_span_as_often_as_its_own_trace_state_says() {
    let of = |id: u8, state: &str, rate: Option<f64>| {
        let rate = rate.map(|rate| KeyValue {
            key: "_sample_rate".to_owned(),
            value: Some(AnyValue { value: Some(Value::DoubleValue(rate)) }),
            ..KeyValue::default()
        });
        Received { trace_state: state.to_owned(), kind: 2, ..received(id, rate.into_iter().collect()) }
    };
    let hits = |spans: Vec<Received>| {
        let converted = convert(&request(spans), &TraceSettings::default(), NOW);
        let groups = converted.stats.stats.iter().flat_map(|stats| &stats.buckets).flat_map(|bucket| &bucket.groups);
        groups.fold((0.0, 0.0), |(hits, time), (_, group)| (hits + group.hits, time + group.duration))
    };
    // One trace: its root represents four spans, its children two and one.
    let child = |id: u8, state: &str| Received {
        trace_id: of(1, "", None).trace_id,
        parent_span_id: of(1, "", None).span_id,
        ..of(id, state, None)
    };
    let trace = vec![of(1, "ot=th:c", None), child(2, "ot=th:8"), child(3, ""), child(4, "ot=th:zz"), child(5, "a=b")];
    assert_eq!(hits(trace), (9.0, 9.0 * 500.0));
    // A tracer's rate on the root applies to the whole trace, as in the Agent.
    let told = vec![of(1, "ot=th:c", Some(0.1)), child(2, "ot=th:8"), child(3, "")];
    assert_eq!(hits(told), (30.0, 30.0 * 500.0));
    // Only Datadog uses the older value.
    assert_eq!(hits(vec![of(1, "ot=p:3;r:5", None)]), (8.0, 8.0 * 500.0));
}

#[test]
fn bodies_keep_their_bound_and_every_span() {
    let spans = (1..=200).map(|id| received(id, vec![text("long", &"x".repeat(900))])).collect();
    let converted = convert(&request(spans), &TraceSettings::default(), NOW);
    let (done, too_large) = bodies(converted.traces, &TraceSettings::default(), 20_000);
    assert_eq!((done.iter().map(|body| body.spans).sum::<u64>(), too_large), (200, 0));
    assert!(done.len() >= 10 && done.iter().all(|body| body.body.len() <= 20_000), "{} bodies", done.len());
    let decoded = AgentPayload::decode(&done[0].body[..]).unwrap();
    assert_eq!(decoded.tracer_payloads[0].hostname, "web-1");
}

#[test]
fn a_trace_is_cut_between_its_spans_and_a_span_is_not() {
    let of = |spans: Vec<Received>| {
        let one = spans.into_iter().zip(1..).map(|(span, id)| Received {
            trace_id: vec![9; 16],
            span_id: vec![id; 8],
            ..span
        });
        let converted = convert(&request(one.collect()), &TraceSettings::default(), NOW);
        bodies(converted.traces, &TraceSettings::default(), 9_000)
    };
    let (done, too_large) = of((0..40).map(|_| received(1, vec![text("long", &"x".repeat(500))])).collect());
    assert_eq!((done.iter().map(|body| body.spans).sum::<u64>(), too_large), (40, 0));
    assert!(done.iter().all(|body| body.body.len() <= 9_000));
    let (done, too_large) = of(vec![received(1, vec![text("long", &"x".repeat(10_000))]), received(2, vec![])]);
    assert_eq!((done.iter().map(|body| body.spans).sum::<u64>(), too_large), (1, 1));
}

#[test]
fn spans_that_are_left_out_are_counted() {
    let settings =
        TraceSettings { ignore_resources: vec![regex::Regex::new("^health$").unwrap()], ..TraceSettings::default() };
    let number = |key: &str, value| KeyValue {
        value: Some(AnyValue { value: Some(Value::DoubleValue(value)) }),
        ..text(key, "")
    };
    let spans = vec![
        received(1, vec![text("resource.name", "health")]),
        received(2, vec![number("sampling.priority", -1.0)]),
        Received { span_id: vec![0; 8], ..received(3, vec![]) },
        received(4, vec![]),
    ];
    let converted = convert(&request(spans), &settings, NOW);
    assert_eq!(converted.left, Left { invalid: 1, ignored: 1, unsampled: 1 });
    assert_eq!(converted.traces[0].chunks.len(), 1);
    let hits: f64 = converted
        .stats
        .stats
        .iter()
        .flat_map(|stats| &stats.buckets)
        .flat_map(|bucket| &bucket.groups)
        .map(|(_, group)| group.hits)
        .sum();
    assert!((hits - 2.0).abs() < f64::EPSILON, "what its program does not want to keep counts: {hits}");
}

proptest! {
    #[test]
    fn no_span_is_too_odd(
        texts in prop::collection::vec(any::<String>(), 12),
        ids in prop::collection::vec(any::<u8>(), 0..20),
        numbers in any::<(u64, u64, i32, f64)>(),
        kind in prop::sample::select(vec!["sql", "redis", "valkey", "memcached", "mongodb", "opensearch", "web", "custom"]),
    ) {
        let keys = ["sql.query", "redis.raw_command", "mongodb.query", "opensearch.body", "http.url", "out.host", "db.statement", "service.name"];
        let mut attributes: Vec<KeyValue> = keys.iter().zip(&texts).map(|(key, value)| text(key, value)).collect();
        attributes.push(text("span.type", kind));
        attributes.push(text(&texts[8], &texts[9]));
        let span = Received {
            trace_id: ids.clone(),
            span_id: ids,
            name: texts[10].clone(),
            kind: numbers.2,
            trace_state: texts[11].clone(),
            start_time_unix_nano: numbers.0,
            end_time_unix_nano: numbers.1,
            attributes,
            ..Received::default()
        };
        let settings = TraceSettings::default();
        let converted = convert(&request(vec![span, received(5, vec![])]), &settings, NOW);
        let (done, too_large) = bodies(converted.traces, &settings, TRACES_MAX);
        let sent: u64 = done.iter().map(|body| body.spans).sum();
        prop_assert_eq!(sent + too_large + converted.left.invalid, 2);
        for span in done.iter().map(|body| AgentPayload::decode(&body.body[..]).unwrap()).flat_map(|body| body.tracer_payloads) {
            prop_assert!(!span.chunks.is_empty());
        }
    }

    #[test]
    fn no_literal_is_left_of_a_statement(literal in "[a-z]{4,9}", number in 1000_u32..99_999) {
        let statement = format!("SELECT x FROM t WHERE y = '{literal}q' AND z IN ({number}, {number}) OR w = -{number}.5");
        let span = received(1, vec![text("db.system", "mysql"), text("db.statement", &statement)]);
        let converted = convert(&request(vec![span]), &TraceSettings::default(), NOW);
        let span = &converted.traces[0].chunks[0].spans[0];
        for sent in [&span.resource, &span.meta["db.statement"]] {
            prop_assert_eq!(sent, "SELECT x FROM t WHERE y = ? AND z IN ( ? ) OR w = ?");
        }
    }
}
