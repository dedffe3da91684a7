//! Compares with the same change made to the decoded request.

use super::*;
use crate::model::protobuf::put_varint;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Summary, SummaryDataPoint,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;

fn changing(change: Change) -> Processor {
    Processor { id: "attributes".into(), change }
}

fn text(text: &str) -> Value {
    Value::StringValue(text.into())
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn action(key: &str, kind: ActionKind) -> Action {
    Action { keys: Keys { key: key.into(), pattern: None }, kind }
}

fn span(name: &str, kind: i32, attributes: Vec<KeyValue>) -> Span {
    Span { name: name.into(), kind, attributes, end_time_unix_nano: 7, ..Span::default() }
}

fn traces(service: &str, spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope = InstrumentationScope { name: "lib".into(), version: "1".into(), ..InstrumentationScope::default() };
    let scope = ScopeSpans { scope: Some(scope), spans, schema_url: "s".into() };
    let resource = Resource { attributes: vec![attribute("service.name", text(service))], ..Resource::default() };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource),
            scope_spans: vec![scope],
            schema_url: "r".into(),
        }],
    }
}

/// Returns the attributes of the only span after the actions.
fn after(actions: Vec<Action>, attributes: Vec<KeyValue>) -> Vec<(String, Value)> {
    let request: Bytes = traces("shop", vec![span("GET", 2, attributes)]).encode_to_vec().into();
    let changed = changing(Change::Attributes(actions, Box::default())).apply(Signal::Traces, &request);
    let spans =
        ExportTraceServiceRequest::decode(changed).unwrap().resource_spans.remove(0).scope_spans.remove(0).spans;
    spans[0].attributes.iter().map(|kv| (kv.key.clone(), kv.value.clone().unwrap().value.unwrap())).collect()
}

#[test]
fn targets_share_traces_without_a_rest_and_little_moves_when_one_goes() {
    let span = |number: u8| Span { trace_id: vec![number; 16], name: format!("n{number}"), ..Span::default() };
    let mut request = traces("shop", (0..=255).flat_map(|number| [span(number), span(number)]).collect());
    request.resource_spans.extend(traces("empty", Vec::new()).resource_spans);
    let request: Bytes = request.encode_to_vec().into();
    let shares = |targets: &[&str]| -> Vec<Vec<Span>> {
        let targets: Vec<String> = targets.iter().map(|target| (*target).to_owned()).collect();
        let spans = |own| {
            let share = changing(Change::Share(Share::new(&targets, own, RoutingKey::TraceId)));
            let taken = ExportTraceServiceRequest::decode(share.apply(Signal::Traces, &request)).unwrap();
            taken.resource_spans.into_iter().flat_map(|mut spans| spans.scope_spans.remove(0).spans).collect()
        };
        (0..targets.len()).map(spans).collect()
    };
    let three = shares(&["a", "b", "c"]);
    let ids = |spans: &[Span]| spans.iter().map(|span| span.trace_id[0]).collect::<std::collections::BTreeSet<_>>();
    let counts: Vec<usize> = three.iter().map(|spans| ids(spans).len()).collect();
    assert_eq!(counts.iter().sum::<usize>(), 256, "no trace is torn or left out: {counts:?}");
    assert_eq!(three.iter().map(Vec::len).sum::<usize>(), 512);
    // Each of 256 goes to one of three: 85 on average, with a standard deviation of 7.5.
    assert!(counts.iter().all(|count| (55..=116).contains(count)), "{counts:?}");
    let two = shares(&["a", "b"]);
    for target in [0, 1] {
        assert!(ids(&two[target]).is_superset(&ids(&three[target])), "only what the third had has moved");
    }
    let one = changing(Change::Share(Share::new(&["a".to_owned()], 0, RoutingKey::TraceId)));
    assert_eq!(one.apply(Signal::Traces, &traces("empty", Vec::new()).encode_to_vec().into()), Bytes::new());
}

#[test]
fn points_of_metrics_are_shared_by_service() {
    let of = |service: &str| {
        let resource = Resource { attributes: vec![attribute("service.name", text(service))], ..Resource::default() };
        ResourceMetrics {
            resource: Some(resource),
            scope_metrics: vec![ScopeMetrics::default()],
            ..ResourceMetrics::default()
        }
    };
    let services: Vec<String> = (0..64).map(|number| format!("s{number}")).collect();
    let resource_metrics = services.iter().chain(&services).map(|service| of(service)).collect();
    let request: Bytes = ExportMetricsServiceRequest { resource_metrics }.encode_to_vec().into();
    let targets = ["a".to_owned(), "b".to_owned()];
    let taken = [0, 1].map(|own| {
        let share = changing(Change::Share(Share::new(&targets, own, RoutingKey::TraceId)));
        ExportMetricsServiceRequest::decode(share.apply(Signal::Metrics, &request)).unwrap().resource_metrics
    });
    assert_eq!(taken[0].len() + taken[1].len(), 128);
    assert!(taken[0].len() > 32 && taken[0].iter().all(|metrics| !taken[1].contains(metrics)));
}

/// Expected values: the README of the Collector's attributes processor; hashes: `printf %s a | sha256sum`.
#[test]
fn actions_do_what_the_collectors_do() {
    let given = || vec![attribute("a", text("a")), attribute("n", Value::IntValue(7))];
    let value = |word: &str| Source::Value(text(word));
    let pair = |key: &str, value: Value| (key.to_owned(), value);
    let (a, n) = (pair("a", text("a")), pair("n", Value::IntValue(7)));
    for (name, action, expected) in [
        ("insert", action("b", ActionKind::Insert(value("x"))), vec![a.clone(), n.clone(), pair("b", text("x"))]),
        ("insert there", action("a", ActionKind::Insert(value("x"))), vec![a.clone(), n.clone()]),
        ("update", action("a", ActionKind::Update(value("x"))), vec![pair("a", text("x")), n.clone()]),
        ("update not there", action("b", ActionKind::Update(value("x"))), vec![a.clone(), n.clone()]),
        ("upsert", action("a", ActionKind::Upsert(value("x"))), vec![pair("a", text("x")), n.clone()]),
        (
            "from another",
            action("b", ActionKind::Insert(Source::Attribute("n".into()))),
            vec![a.clone(), n.clone(), pair("b", Value::IntValue(7))],
        ),
        ("from none", action("b", ActionKind::Upsert(Source::Attribute("z".into()))), vec![a.clone(), n.clone()]),
        ("delete", action("a", ActionKind::Delete), vec![n.clone()]),
        (
            "hash",
            action("a", ActionKind::Hash),
            vec![pair("a", text("ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb")), n.clone()],
        ),
        (
            "extract",
            action("a", ActionKind::Extract(regex::Regex::new("^(?P<first>.)").unwrap())),
            vec![a.clone(), n.clone(), pair("first", text("a"))],
        ),
        ("convert", action("n", ActionKind::Convert(ConvertTo::Text)), vec![a.clone(), pair("n", text("7"))]),
        ("convert what is none", action("a", ActionKind::Convert(ConvertTo::Int)), vec![a.clone(), n.clone()]),
    ] {
        assert_eq!(after(vec![action], given()), expected, "{name}");
    }
    let pattern = Keys { key: String::new(), pattern: Some(regex::bytes::Regex::new("^[an]$").unwrap()) };
    assert_eq!(after(vec![Action { keys: pattern, kind: ActionKind::Delete }], given()), []);
}

#[test]
fn a_resource_is_changed_and_all_else_stays_as_it_came() {
    let mut request =
        traces("shop", vec![span("GET", 2, vec![attribute("service.name", text("own"))])]).encode_to_vec();
    // Fields of a later version of OTLP: a number in the request, a text in the resource.
    put_varint(&mut request, 99 << 3);
    put_varint(&mut request, 5);
    let mut resource =
        Resource { attributes: vec![attribute("x", text("y"))], dropped_attributes_count: 3, ..Resource::default() }
            .encode_to_vec();
    put_field(&mut resource, 77, b"later");
    let mut spans = Vec::new();
    put_field(&mut spans, 1, &resource);
    put_field(&mut request, 1, &spans);
    let environment = action("deployment.environment.name", ActionKind::Upsert(Source::Value(text("production"))));
    let rename = action("service.name", ActionKind::Update(Source::Value(text("store"))));
    let processor = changing(Change::Resource(vec![environment, rename]));
    let changed = processor.apply(Signal::Traces, &request.clone().into());
    let numbers: Vec<u64> = fields(&changed).map(|field| field.number()).collect();
    assert_eq!(numbers, [1, 99, 1]);
    let last = fields(&changed).last().and_then(|field| field.inner).unwrap();
    let resource = fields(last).next().and_then(|field| field.inner).unwrap();
    assert!(fields(resource).any(|field| field.number() == 77 && field.inner == Some(b"later")));
    let mut expected = ExportTraceServiceRequest::decode(request.as_slice()).unwrap();
    for (resource, service) in expected.resource_spans.iter_mut().zip([true, false]) {
        let resource = resource.resource.as_mut().unwrap();
        if service {
            resource.attributes[0] = attribute("service.name", text("store"));
        }
        resource.attributes.push(attribute("deployment.environment.name", text("production")));
    }
    assert_eq!(ExportTraceServiceRequest::decode(changed).unwrap(), expected);
}

/// As in the Collector, which treats a missing resource as an empty one.
#[test]
fn a_resource_that_is_not_there_gets_what_is_inserted() {
    let mut request = traces("shop", vec![span("GET", 2, Vec::new())]);
    request.resource_spans[0].resource = None;
    let environment = action("deployment.environment.name", ActionKind::Insert(Source::Value(text("production"))));
    let changed = changing(Change::Resource(vec![environment])).apply(Signal::Traces, &request.encode_to_vec().into());
    let attributes = vec![attribute("deployment.environment.name", text("production"))];
    request.resource_spans[0].resource = Some(Resource { attributes, ..Resource::default() });
    assert_eq!(ExportTraceServiceRequest::decode(changed).unwrap(), request);
}

#[test]
fn what_no_action_changes_is_passed_on_as_the_same_bytes() {
    let request: Bytes = traces("shop", vec![span("GET", 2, Vec::new())]).encode_to_vec().into();
    let processor = changing(Change::Resource(vec![action("nobody.has.it", ActionKind::Delete)]));
    assert_eq!(processor.apply(Signal::Traces, &request).as_ptr(), request.as_ptr());
    let damaged = request.slice(..request.len() - 1);
    assert_eq!(processor.apply(Signal::Traces, &damaged), damaged);
}

#[test]
fn points_of_every_kind_and_log_records_are_changed() {
    let given = || vec![attribute("a", text("a"))];
    let number = NumberDataPoint { attributes: given(), ..NumberDataPoint::default() };
    let data = [
        Data::Gauge(Gauge { data_points: vec![number] }),
        Data::Histogram(Histogram {
            data_points: vec![HistogramDataPoint { attributes: given(), count: 3, ..HistogramDataPoint::default() }],
            aggregation_temporality: 2,
        }),
        Data::ExponentialHistogram(ExponentialHistogram {
            data_points: vec![ExponentialHistogramDataPoint { attributes: given(), ..Default::default() }],
            aggregation_temporality: 1,
        }),
        Data::Summary(Summary { data_points: vec![SummaryDataPoint { attributes: given(), ..Default::default() }] }),
    ];
    let metrics = data.map(|data| Metric { name: "m".into(), data: Some(data), ..Metric::default() }).to_vec();
    let scope = ScopeMetrics { metrics, ..ScopeMetrics::default() };
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() }],
    };
    let processor = changing(Change::Attributes(vec![action("a", ActionKind::Delete)], Box::default()));
    let changed = processor.apply(Signal::Metrics, &request.encode_to_vec().into());
    let mut expected = request;
    for metric in &mut expected.resource_metrics[0].scope_metrics[0].metrics {
        match metric.data.as_mut().unwrap() {
            Data::Gauge(gauge) => gauge.data_points[0].attributes.clear(),
            Data::Histogram(histogram) => histogram.data_points[0].attributes.clear(),
            Data::ExponentialHistogram(histogram) => histogram.data_points[0].attributes.clear(),
            Data::Summary(summary) => summary.data_points[0].attributes.clear(),
            Data::Sum(_) => unreachable!("none was sent"),
        }
    }
    assert_eq!(ExportMetricsServiceRequest::decode(changed).unwrap(), expected);

    let record = LogRecord { attributes: given(), severity_text: "INFO".into(), ..LogRecord::default() };
    let scope = ScopeLogs { log_records: vec![record], ..ScopeLogs::default() };
    let mut logs = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() }],
    };
    let changed = processor.apply(Signal::Logs, &logs.encode_to_vec().into());
    logs.resource_logs[0].scope_logs[0].log_records[0].attributes.clear();
    assert_eq!(ExportLogsServiceRequest::decode(changed).unwrap(), logs);
}

#[test]
fn include_and_exclude_say_which_items() {
    let strict = |word: &str| vec![Matcher::Value(text(word))];
    let pattern = |text: &str| vec![Matcher::Pattern(regex::Regex::new(text).unwrap())];
    let spans =
        || vec![span("GET /a", 2, vec![attribute("a", text("x"))]), span("SELECT", 3, vec![attribute("a", text("y"))])];
    let deleted = |filter: Filter| {
        let request: Bytes = traces("shop", spans()).encode_to_vec().into();
        let changed = changing(Change::Attributes(vec![action("a", ActionKind::Delete)], Box::new(filter)))
            .apply(Signal::Traces, &request);
        let request = ExportTraceServiceRequest::decode(changed).unwrap();
        request.resource_spans[0].scope_spans[0].spans.iter().map(|span| span.attributes.is_empty()).collect::<Vec<_>>()
    };
    let including = |properties| Filter { include: Some(properties), exclude: None };
    let none = Properties::default;
    for (filter, expected) in [
        (Filter::default(), [true, true]),
        (including(Properties { services: strict("shop"), ..none() }), [true, true]),
        (including(Properties { services: strict("other"), ..none() }), [false, false]),
        (including(Properties { span_names: pattern("^GET"), ..none() }), [true, false]),
        (including(Properties { span_names: strict("GET"), ..none() }), [false, false]),
        (including(Properties { span_kinds: strict("SPAN_KIND_CLIENT"), ..none() }), [false, true]),
        (including(Properties { attributes: vec![("a".into(), None)], ..none() }), [true, true]),
        (including(Properties { attributes: vec![("a".into(), strict("y").pop())], ..none() }), [false, true]),
        (
            including(Properties { libraries: vec![(Matcher::Value(text("lib")), strict("2").pop())], ..none() }),
            [false, false],
        ),
        (
            including(Properties { resources: vec![("service.name".into(), strict("shop").pop())], ..none() }),
            [true, true],
        ),
        (Filter { include: None, exclude: Some(Properties { span_names: pattern("^GET"), ..none() }) }, [false, true]),
        (
            Filter {
                include: Some(Properties { services: strict("shop"), ..none() }),
                exclude: Some(Properties { span_kinds: strict("SPAN_KIND_CLIENT"), ..none() }),
            },
            [true, false],
        ),
    ] {
        assert_eq!(deleted(filter.clone()), expected, "{filter:?}");
    }
}
