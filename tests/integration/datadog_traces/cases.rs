//! Hand-written requests, one for each branch of the mapping.

use super::generator::{List, int, pair, text};
use super::{texts, values};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

const KINDS: i32 = 6;
const HOUR: i64 = 3_600_000_000_000;

/// Creates a root span of the given kind that ended two hours ago.
fn span(id: u8, kind: i32, now: i64, attributes: List) -> Span {
    let start = u64::try_from(now - 2 * HOUR).expect("positive") + u64::from(id) * 10_000_000;
    Span {
        trace_id: vec![id.max(1); 16],
        span_id: vec![id.max(1); 8],
        name: "the span".to_owned(),
        kind,
        start_time_unix_nano: start,
        end_time_unix_nano: start + 12_345_678,
        attributes,
        ..Span::default()
    }
}

fn request(resource: List, spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope = InstrumentationScope {
        name: "io.opentelemetry.http".to_owned(),
        version: "1.2".to_owned(),
        ..InstrumentationScope::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource { attributes: resource, ..Resource::default() }),
            scope_spans: vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        }],
    }
}

fn shop() -> List {
    vec![text("service.name", "shop"), text("service.version", "1.0"), text("deployment.environment.name", "prod")]
}

pub(crate) fn all(now: i64) -> Vec<ExportTraceServiceRequest> {
    let mut all = vec![request(shop(), vec![]), request(vec![], vec![span(1, 2, now, vec![])])];
    all.extend(shapes(now));
    all.extend(single(now));
    all.extend(places(now));
    all.extend(bounds(now));
    all.push(family(now));
    all.push(told(now));
    all.push(sampled(now));
    all
}

/// Every shape of a span, in every kind, with the first, second and third value of each attribute.
fn shapes(now: i64) -> Vec<ExportTraceServiceRequest> {
    let mut all = Vec::new();
    for (_, choices) in texts::SHAPES {
        for turn in 0..7 {
            let attributes: List =
                choices.iter().map(|(key, values)| texts::attribute(key, values[turn % values.len()])).collect();
            let spans = (0..KINDS).zip(1..).map(|(kind, id)| span(id, kind, now, attributes.clone())).collect();
            all.push(request(shop(), spans));
        }
    }
    all
}

/// Every value of every resource and span attribute on its own, and every statement and trace state.
fn single(now: i64) -> Vec<ExportTraceServiceRequest> {
    let mut all = Vec::new();
    for (key, values) in texts::RESOURCE.iter().chain(texts::PLACES) {
        for value in *values {
            let mut resource = shop();
            resource.push(text(key, value));
            all.push(request(resource, vec![span(1, 2, now, vec![])]));
        }
    }
    for (key, values) in texts::SPAN.iter().chain(texts::PAYLOAD) {
        for value in *values {
            let spans = (0..KINDS).zip(1..).map(|(kind, id)| span(id, kind, now, vec![texts::attribute(key, value)]));
            // One trace per resource, so that it is deterministic which trace the payload fields come from.
            let requests = spans.map(|span| request(shop(), vec![span]));
            all.extend(requests);
        }
    }
    for name in texts::NAMES {
        let named = |key: &str| vec![text(key, name)];
        for key in ["operation.name", "peer.service", "env", "db.system", "messaging.system"] {
            all.push(request(named("service.name"), vec![span(1, 3, now, named(key))]));
        }
    }
    for name in texts::NAMES {
        all.push(request(shop(), vec![Span { name: (*name).to_owned(), ..span(1, 1, now, vec![]) }]));
    }
    for statement in values::STATEMENTS.iter().chain(ESCAPED) {
        all.push(self::statement(statement, now));
    }
    for (types, key, values) in [
        (&["redis", "valkey"][..], "redis.raw_command", values::COMMANDS),
        (&["valkey"], "valkey.raw_command", values::COMMANDS),
        (&["memcached"], "memcached.command", values::COMMANDS),
        (&["mongodb"], "mongodb.query", values::DOCUMENTS),
        (&["elasticsearch", "opensearch"], "elasticsearch.body", values::DOCUMENTS),
        (&["opensearch"], "opensearch.body", values::DOCUMENTS),
        (&["web", "http", "custom"], "http.url", values::URLS),
        (&["cassandra", "sql"], "sql.query", values::STATEMENTS),
        (&["custom"], "card", values::CARDS),
        (&["custom"], "out.host", values::PEERS),
    ] {
        for (kind, value) in types.iter().flat_map(|kind| values.iter().map(move |value| (kind, value))) {
            let attributes = vec![text("span.type", kind), text("resource.name", value), text(key, value)];
            all.push(request(shop(), vec![span(1, 3, now, attributes)]));
        }
    }
    for state in texts::TRACE_STATES {
        let span = Span { trace_state: (*state).to_owned(), ..span(1, 2, now, vec![]) };
        all.push(request(shop(), vec![span]));
    }
    all
}

/// Creates a request with a database query.
pub(crate) fn statement(statement: &str, now: i64) -> ExportTraceServiceRequest {
    let attributes = vec![text("db.system", "postgresql"), text("db.statement", statement)];
    request(shop(), vec![span(1, 3, now, attributes)])
}

/// Statements with escapes; Datadog's own code carries escaping state from one to the next, so each gets its own request.
const ESCAPED: &[&str] = &["SELECT 'a\\'b' FROM t", "SELECT 'c:\\' FROM t WHERE x = 1"];

/// Resources of a platform: complete, and with one attribute missing.
fn places(now: i64) -> Vec<ExportTraceServiceRequest> {
    let azure = ["service.name", "cloud.account.id", "azure.resource_group.name", "host.name"];
    let google = ["cloud.account.id", "cloud.region", "faas.name", "faas.instance", "host.name"];
    let platforms: &[(&str, &str, &[&str])] = &[
        ("cloud.platform", "azure.functions", &azure),
        ("cloud.platform", "azure_functions", &azure),
        ("cloud.platform", "azure.app_service", &azure),
        ("cloud.platform", "azure_app_service", &azure),
        ("cloud.platform", "azure.container_apps", &azure),
        ("cloud.platform", "gcp_cloud_run", &google),
        ("cloud.platform", "gcp_cloud_functions", &google),
        (
            "gcp.cloud_run.job.execution",
            "job",
            &["cloud.platform=gcp_cloud_run", "cloud.account.id", "cloud.region", "faas.name", "faas.instance"],
        ),
        ("aws.ecs.launchtype", "fargate", &["aws.ecs.task.arn", "host.name", "host.id"]),
        ("cloud.provider", "aws", &["host.id", "host.name", "k8s.node.name"]),
        ("cloud.provider", "gcp", &["host.name=vm.zone.c.project.internal", "cloud.account.id"]),
        ("cloud.provider", "azure", &["host.id", "host.name"]),
        ("k8s.node.name", "node", &["k8s.cluster.name", "host.name"]),
        ("host.name", "localhost", &["host.id", "host"]),
        ("datadog.host.name", "mine", &["host", "cloud.provider=aws", "host.id"]),
    ];
    let mut all = Vec::new();
    for (key, value, others) in platforms {
        for missing in 0..=others.len() {
            let other = |other: &&str| {
                other.split_once('=').map_or_else(|| text(other, "some"), |(key, value)| text(key, value))
            };
            let kept = others.iter().enumerate().filter(|(index, _)| *index != missing).map(|(_, name)| other(name));
            let resource = std::iter::once(text(key, value)).chain(kept).collect();
            all.push(request(resource, vec![span(1, 2, now, vec![])]));
        }
    }
    all
}

/// Overlong texts, rates of every type, services other than the process's, and span ids equal to trace ids.
fn bounds(now: i64) -> Vec<ExportTraceServiceRequest> {
    let long = "long name ".repeat(700);
    let with = |kind, attributes| request(shop(), vec![span(1, kind, now, attributes)]);
    let mut all: Vec<_> = ["resource.name", "span.type", "service.name", "operation.name", "peer.service", "x"]
        .into_iter()
        .map(|key| with(3, vec![text(key, &long)]))
        .collect();
    all.push(with(3, vec![text("resource.name", &"SELECT 'x', ".repeat(600)), text("span.type", "sql")]));
    for rate in [
        Value::IntValue(1),
        Value::IntValue(0),
        Value::StringValue("0.5".to_owned()),
        Value::DoubleValue(0.25),
        Value::DoubleValue(-1.0),
    ] {
        all.push(with(2, vec![pair("_sample_rate", rate)]));
    }
    for kind in 0..KINDS {
        all.push(with(
            kind,
            vec![
                text("_dd.base_service", "Base"),
                text("peer.service", "Peer"),
                text("_dd.measured", "1"),
                int("_dd.measured", 1),
            ],
        ));
    }
    let own = Span {
        trace_id: [[0; 8], [5; 8]].concat(),
        span_id: vec![5; 8],
        parent_span_id: vec![5; 8],
        ..span(5, 2, now, vec![])
    };
    let alone = Span { parent_span_id: vec![6; 8], ..span(6, 2, now, vec![]) };
    all.push(request(shop(), vec![own]));
    all.push(request(shop(), vec![alone]));
    all
}

/// A trace of two services with a missing parent.
fn family(now: i64) -> ExportTraceServiceRequest {
    let of = |id: u8, parent: u8, service: &str, kind| Span {
        trace_id: vec![9; 16],
        parent_span_id: vec![parent; 8],
        ..span(id, kind, now, vec![text("service.name", service)])
    };
    request(shop(), vec![of(1, 200, "a", 2), of(2, 1, "a", 3), of(3, 2, "b", 2), of(4, 3, "b", 1), of(5, 4, "b", 3)])
}

/// Events, links and status.
fn told(now: i64) -> ExportTraceServiceRequest {
    let exception = Event {
        time_unix_nano: 5,
        name: "exception".to_owned(),
        attributes: vec![
            text("exception.message", "no <way>"),
            text("exception.type", "E"),
            text("exception.stacktrace", "at\n\tb"),
            pair("not.a.number", Value::DoubleValue(f64::NAN)),
        ],
        dropped_attributes_count: 2,
    };
    let link = Link {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        trace_state: "a=1".to_owned(),
        attributes: vec![text("link.name", "x \"y\""), int("n", 1)],
        dropped_attributes_count: 1,
        flags: 1,
    };
    let failed = |id, message: &str, attributes| Span {
        status: Some(Status { code: 2, message: message.to_owned() }),
        events: vec![exception.clone(), Event::default()],
        links: vec![link.clone()],
        ..span(id, 2, now, attributes)
    };
    request(
        shop(),
        vec![
            failed(1, "broken", vec![]),
            failed(2, "", vec![text("http.status_code", "503")]),
            failed(3, "", vec![text("http.response.status_code", "599")]),
            failed(4, "", vec![int("http.response.status_code", 500)]),
            failed(5, "x", vec![text("error.msg", "m"), text("error.type", "t"), text("error.stack", "s")]),
        ],
    )
}

/// Durations of every order of magnitude with ten binary digits, the precision of a sketch; and a group with a range so wide
/// that its sketch exceeds the limit of bins.
pub(crate) fn durations(now: i64) -> Vec<ExportTraceServiceRequest> {
    let of = |powers: std::ops::Range<u32>, steps: u64| {
        let durations =
            powers.flat_map(|power| (0..steps).map(move |step| (1_u64 << power) + (1_u64 << power) / steps * step));
        request(shop(), durations.zip(1..).filter_map(|(duration, id)| lasting(duration, id, now)).collect())
    };
    let mut all: Vec<_> = (0..26).map(|pair| of(2 * pair..2 * pair + 2, 512)).collect();
    let mut wide = of(0..59, 2);
    wide.resource_spans[0].scope_spans[0].spans.extend(lasting(840_000_000_000_000_000, 1000, now));
    all.push(wide);
    all
}

/// Creates a span of the given duration; `None` if it would not have ended yet.
fn lasting(duration: u64, id: u64, now: i64) -> Option<Span> {
    let end = u64::try_from(now - 2 * HOUR).expect("positive") / 10_000_000_000 * 10_000_000_000 + 5_000_000_000;
    let mut span = span(1, 2, now, vec![]);
    span.span_id = id.to_be_bytes().to_vec();
    span.start_time_unix_nano = end.checked_sub(duration).filter(|start| *start >= 946_684_800_000_000_000)?;
    span.end_time_unix_nano = end;
    Some(span)
}

/// Traces with sampling decisions of their own program.
fn sampled(now: i64) -> ExportTraceServiceRequest {
    let mut spans = Vec::new();
    for (priority, id) in [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0].into_iter().zip(1..) {
        for (failed, id) in [(false, id), (true, id + 20)] {
            let mut span = span(id, 2, now, vec![pair("sampling.priority", Value::DoubleValue(priority))]);
            span.status = failed.then(|| Status { code: 2, message: String::new() });
            spans.push(span);
        }
    }
    request(shop(), spans)
}

/// Traces, some of which are ignored.
pub(crate) fn ignored(now: i64) -> Vec<ExportTraceServiceRequest> {
    ["health", "healthy", "unhealthy", ""]
        .into_iter()
        .map(|resource| request(shop(), vec![span(1, 2, now, vec![text("resource.name", resource)])]))
        .collect()
}
