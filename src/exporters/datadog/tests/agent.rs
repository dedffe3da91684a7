//! A local Agent, simulated on loopback. The integration tests use `ddapm-test-agent` instead.

use super::*;
use crate::exporters::datadog::agent::{STATS, TRACES};
use crate::exporters::datadog::traces::TracerPayload;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;

fn text(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(Value::StringValue(value.to_owned())) };
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

/// A request with two resources: two traces and one.
fn request() -> Bytes {
    let of = |attributes: Vec<KeyValue>, spans| ResourceSpans {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
        ..ResourceSpans::default()
    };
    let named = vec![
        text("container.id", "0123abc"),
        text("telemetry.sdk.language", "java"),
        text("telemetry.sdk.version", "1.2.3"),
    ];
    let resource_spans = vec![of(named, vec![span(1, "one"), span(2, "two")]), of(vec![], vec![span(3, "three")])];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec().into()
}

#[tokio::test]
async fn an_agent_gets_traces_and_statistics_with_what_their_headers_have_to_say() {
    crypto();
    let (seen, address) = intake().await;
    *seen.answer.lock() = (200, "application/json", "{\"rate_by_service\":{}}");
    let target = open("datadog", &settings(Way::Agent, &format!("{address}/behind/"), Compression::Gzip)).unwrap();
    let mapped = target.map(Signal::Traces, &request()).unwrap();
    let routes: Vec<(&str, u64)> = mapped.payloads.iter().map(|payload| (payload.route, payload.items)).collect();
    assert_eq!(routes, [(TRACES, 2), (TRACES, 1), (STATS, 0), (STATS, 0)]);
    for payload in &mapped.payloads {
        assert_eq!(target.send(payload).await, Outcome::delivered());
    }
    let requests = seen.requests.lock();
    let names = [
        "content-type",
        "x-datadog-trace-count",
        "datadog-client-computed-stats",
        "datadog-client-computed-top-level",
        "datadog-send-real-http-status",
        "datadog-container-id",
        "datadog-meta-lang",
        "datadog-meta-tracer-version",
        "dd-api-key",
        "content-encoding",
    ];
    let shown: Vec<(&str, String, u8)> = requests
        .iter()
        .map(|(path, headers, body)| {
            let values = names.map(|name| headers.get(name).map_or("-", |value| value.to_str().unwrap()));
            (path.as_str(), values.join(" "), body[0])
        })
        .collect();
    let of = |path: &'static str, told: &str, first: u8| (path, format!("application/msgpack {told} - -"), first);
    assert_eq!(
        shown,
        [
            // Maps of eight and of nine fields.
            of("/behind/v0.7/traces", "2 yes yes true 0123abc java otlp-1.2.3", 0x88),
            of("/behind/v0.7/traces", "1 yes yes true - - otlp-", 0x88),
            of("/behind/v0.6/stats", "- - - - - - -", 0x89),
            of("/behind/v0.6/stats", "- - - - 0123abc java -", 0x89),
        ]
    );
    assert!(target.map(Signal::Metrics, &Bytes::new()).is_err() && target.stateful_stage(Signal::Metrics).is_none());
}

#[tokio::test]
async fn an_agents_answers_are_told_apart() {
    crypto();
    let (seen, address) = intake().await;
    let target = open("datadog", &settings(Way::Agent, &address, Compression::None)).unwrap();
    let payload = target.map(Signal::Traces, &request()).unwrap().payloads.remove(0);
    let mut kinds = Vec::new();
    for status in [200, 400, 403, 404, 408, 413, 415, 429, 503] {
        *seen.answer.lock() = (status, "text/plain", "said");
        let told = format!("{:?}", target.send(&payload).await);
        assert!(!told.contains("api.key"), "an Agent asks for none: {told}");
        let hinted = told.contains("traces.endpoint");
        kinds.push((status, told.split(['(', ' ']).next().unwrap().to_owned(), hinted));
    }
    let expected = [
        (200, "Delivered", false),
        (400, "Rejected", false),
        (403, "Retry", true),
        (404, "Retry", true),
        (408, "Retry", false),
        (413, "TooLarge", false),
        (415, "PermanentError", false),
        (429, "Retry", false),
        (503, "Retry", false),
    ];
    assert_eq!(kinds, expected.map(|(status, kind, hinted)| (status, kind.to_owned(), hinted)));
}

/// Traces of these sizes; the first span of each is by far the largest.
fn uneven(sizes: &[u8]) -> Bytes {
    let spans = sizes.iter().zip(1..).flat_map(|(spans, trace): (&u8, u8)| {
        (1..=*spans).map(move |id| {
            let name = if id == 1 { "x".repeat(90) } else { "y".to_owned() };
            Span { trace_id: vec![trace; 16], attributes: vec![text("long", &name.repeat(50))], ..span(id, &name) }
        })
    });
    spans_of(spans.collect())
}

#[test]
fn what_is_too_large_is_cut_down_to_its_spans_and_none_is_lost() {
    crypto();
    for way in [Way::Intake, Way::Agent] {
        let target = open("datadog", &settings(way, "http://127.0.0.1:1", Compression::None)).unwrap();
        for sizes in [&[1, 1, 1][..], &[7], &[2, 5, 1, 1], &[1]] {
            let whole = target.map(Signal::Traces, &uneven(sizes)).unwrap().payloads.remove(0);
            let (mut waiting, mut alone) = (vec![whole.clone()], Vec::new());
            while let Some(payload) = waiting.pop() {
                match target.split(&payload) {
                    Some((first, rest)) => waiting.extend([rest, first]),
                    None => alone.push(payload),
                }
            }
            let all: u64 = sizes.iter().map(|size| u64::from(*size)).sum();
            assert_eq!((whole.items, alone.len() as u64), (all, all), "{way:?} {sizes:?}");
            for payload in alone {
                let traces = match way {
                    Way::Agent => vec![TracerPayload::decode(payload.body.clone()).unwrap()],
                    _ => AgentPayload::decode(payload.body.clone()).unwrap().tracer_payloads,
                };
                let spans: Vec<_> = traces.iter().flat_map(|of| &of.chunks).flat_map(|chunk| &chunk.spans).collect();
                assert_eq!((payload.items, spans.len()), (1, 1));
                assert_eq!(traces[0].tracer_version, "otlp-");
            }
        }
    }
}

#[test]
fn a_request_to_an_agent_stays_far_below_what_it_takes() {
    crypto();
    let target = open("datadog", &settings(Way::Agent, "http://127.0.0.1:1", Compression::None)).unwrap();
    let many = |span: &dyn Fn(u32) -> Span| {
        let spans = (1..=60_000_u32).map(|id| {
            let id_of = |size: usize| [vec![0; size - 4], id.to_be_bytes().to_vec()].concat();
            Span { trace_id: id_of(16), span_id: id_of(8), ..span(id) }
        });
        target.map(Signal::Traces, &spans_of(spans.collect())).unwrap().payloads
    };
    let mut spans = 0;
    // Minimal spans, each a trace of its own: field names weigh most there.
    for payload in many(&|_| Span::default()).iter().filter(|payload| payload.route == TRACES) {
        let sent = super::super::traces::AgentTraces::of(&payload.body).unwrap();
        assert!(sent.body.len() < 4 * payload.body.len() && sent.body.len() < 25 << 20, "{}", sent.body.len());
        assert_eq!(sent.traces as u64, payload.items);
        spans += payload.items;
    }
    assert_eq!(spans, 60_000);
}
