//! Documents: fields as in the Collector's exporter, ids, and values that JSON cannot express.

use super::bulk::{Documents, sent};
use super::map::map;
use super::{ElasticsearchSettings, Indexes, Login, Mode, Named};
use crate::delivery::settings::{ClientSettings, Compression, TlsSettings};
use crate::delivery::{Mapped, Payload, Placed};
use crate::model::frame::Position;
use crate::model::signal::Signal;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;

mod sending;

const AT: u64 = 1_710_273_641_123_456_789;

fn client() -> ClientSettings {
    ClientSettings {
        timeout: Duration::from_secs(5),
        headers: Vec::new(),
        tls: TlsSettings::default(),
        proxy_url: None,
        compression: Compression::Gzip,
    }
}

fn settings(mode: Mode) -> ElasticsearchSettings {
    ElasticsearchSettings {
        endpoints: vec!["http://127.0.0.1:9200".into()],
        login: Login::None,
        client: client(),
        mode,
        indexes: Indexes::default(),
        pipeline: None,
        named: Named { logs_id: true, traces_id: false, logs_pipeline: true },
        deduplicates: true,
        bytes_max: 5_000_000,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the requests' fields are optional")]
fn any(value: Any) -> Option<AnyValue> {
    Some(AnyValue { value: Some(value) })
}

fn attribute(key: &str, value: Any) -> KeyValue {
    KeyValue { key: key.into(), value: any(value), ..KeyValue::default() }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Any::StringValue(value.into()))
}

fn texts(pairs: &[(&str, &str)]) -> Vec<KeyValue> {
    pairs.iter().map(|(key, value)| text(key, value)).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "the requests' fields are optional")]
fn resource(attributes: Vec<KeyValue>) -> Option<Resource> {
    Some(Resource { attributes, ..Resource::default() })
}

/// Number of items that each document represents.
fn weights(payload: &Payload) -> Vec<u64> {
    Documents::of(payload).labels.iter().map(|label| label.items).collect()
}

fn placed(position: u64, items_before: u64, request: &impl prost::Message) -> Placed {
    Placed { position: Position(position), items_before, request: request.encode_to_vec().into() }
}

fn logs(resource_attributes: Vec<KeyValue>, records: Vec<LogRecord>) -> ExportLogsServiceRequest {
    let scope_logs = vec![ScopeLogs { log_records: records, ..ScopeLogs::default() }];
    let logs = ResourceLogs { resource: resource(resource_attributes), scope_logs, ..ResourceLogs::default() };
    ExportLogsServiceRequest { resource_logs: vec![logs] }
}

fn spans(resource_attributes: Vec<KeyValue>, spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let spans = ResourceSpans { resource: resource(resource_attributes), scope_spans, ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![spans] }
}

fn metrics(metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let attributes = texts(&[("service.name", "shop")]);
    let metrics = ResourceMetrics { resource: resource(attributes), scope_metrics, ..ResourceMetrics::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![metrics] }
}

/// Actions and documents of a payload.
fn lines(payload: &Payload) -> Vec<(Value, Value)> {
    let sent = sent(payload);
    let parsed: Vec<Value> =
        std::str::from_utf8(&sent).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    parsed.chunks(2).map(|pair| (pair[0]["create"].clone(), pair[1].clone())).collect()
}

fn only(mapped: &Mapped) -> &Payload {
    assert_eq!((mapped.payloads.len(), mapped.rejected.len()), (1, 0), "{mapped:?}");
    &mapped.payloads[0]
}

fn mapped(mode: Mode, signal: Signal, request: &impl prost::Message) -> Vec<(Value, Value)> {
    lines(only(&map(&settings(mode), signal, &[placed(7, 0, request)])))
}

#[test]
fn a_log_is_named_as_ecs_names_it() {
    let resource = texts(&[
        ("service.name", "foo.bar"),
        ("deployment.environment.name", "BETA"),
        ("service.instance.id", "i-1"),
        ("telemetry.sdk.name", "opentelemetry"),
        ("telemetry.sdk.language", "perl"),
        ("telemetry.sdk.version", "7.9.12"),
        ("cloud.platform", "gke"),
        ("host.name", "i-1.example"),
        ("host.arch", "x86_64"),
        ("os.type", "darwin"),
        ("process.executable.path", "/usr/bin/ssh"),
        ("k8s.pod.name", "autoconf"),
        ("k8s.namespace.name", "default"),
        ("kubernetes.namespace.a", "left out: below a field of the schema"),
        ("device.model.name", "S6"),
    ]);
    let record = LogRecord {
        observed_time_unix_nano: AT,
        trace_id: vec![1; 16],
        severity_number: 9,
        severity_text: "INFO".into(),
        body: any(Any::StringValue("hello".into())),
        attributes: vec![text("event.name", "login"), attribute("http.response.body.size", Any::IntValue(1024))],
        ..LogRecord::default()
    };
    let documents = mapped(Mode::Ecs, Signal::Logs, &logs(resource, vec![record]));
    assert_eq!(documents[0].0["_index"], "logs-generic-default");
    // The names of the Collector's `resourceAttrsConversionMap` and `logRecordAttrsConversionMap`.
    let expected = json!({
        "@timestamp": "2024-03-12T20:00:41.123456789Z",
        "agent": {"name": "opentelemetry/perl", "version": "7.9.12"},
        "cloud": {"service": {"name": "gke"}},
        "data_stream": {"type": "logs", "dataset": "generic", "namespace": "default"},
        "device": {"model": {"name": "S6"}},
        "event": {"action": "login", "severity": 9},
        "host": {
            "architecture": "x86_64", "hostname": "i-1.example", "name": "i-1.example",
            "os": {"platform": "darwin", "type": "macos"},
        },
        "http": {"response": {"encoded_body_size": 1024}},
        "kubernetes": {"namespace": "default", "pod": {"name": "autoconf"}},
        "log": {"level": "INFO"},
        "message": "hello",
        "process": {"executable": "/usr/bin/ssh"},
        "service": {
            "environment": "BETA", "name": "foo.bar", "node": {"name": "i-1"},
            "language": {"name": "perl", "version": "7.9.12"},
        },
        "trace": {"id": "01".repeat(16)},
    });
    assert_eq!(documents[0].1, expected);
}

fn span() -> Span {
    Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        parent_span_id: vec![3; 8],
        name: "client span".into(),
        kind: SpanKind::Client as i32,
        start_time_unix_nano: AT,
        end_time_unix_nano: AT + 1_000,
        attributes: texts(&[
            ("db.system", "sql"),
            ("db.namespace", "users"),
            ("db.query.text", "SELECT 1"),
            ("messaging.destination.name", "orders"),
        ]),
        links: vec![Link { trace_id: vec![4; 16], span_id: vec![5; 8], ..Link::default() }],
        events: vec![Event { name: "exception".into(), time_unix_nano: AT + 5, ..Event::default() }],
        status: Some(Status { code: 2, message: "Test".into() }),
        ..Span::default()
    }
}

#[test]
fn a_span_is_named_as_ecs_names_it() {
    let documents = mapped(Mode::Ecs, Signal::Traces, &spans(Vec::new(), vec![span()]));
    assert_eq!(documents[0].0["_index"], "traces-generic-default");
    let expected = json!({
        "@timestamp": "2024-03-12T20:00:41.123456789Z",
        "data_stream": {"type": "traces", "dataset": "generic", "namespace": "default"},
        "event": {"outcome": "failure", "duration": 1000},
        "parent": {"id": "03".repeat(8)},
        "span": {
            "id": "02".repeat(8), "name": "client span", "kind": "CLIENT",
            "db": {"instance": "users", "statement": "SELECT 1", "type": "sql"},
            "links": [{"span": {"id": "05".repeat(8)}, "trace": {"id": "04".repeat(16)}}],
            "message": {"queue": {"name": "orders"}},
        },
        "trace": {"id": "01".repeat(16)},
    });
    assert_eq!(documents[0].1, expected);
}

#[test]
fn a_span_in_otlp_s_own_structure() {
    let request = spans(texts(&[("service.name", "shop"), ("data_stream.dataset", "own")]), vec![span()]);
    let payload = map(&settings(Mode::Otel), Signal::Traces, &[placed(1, 0, &request)]);
    let payload = only(&payload);
    assert_eq!((payload.items, weights(payload)), (1, vec![1, 0]), "an event is no item");
    let documents = lines(payload);
    assert_eq!(documents[0].0["_index"], "traces-own.otel-default");
    let resource = json!({"attributes": {"service.name": "shop"}});
    let expected = json!({
        "@timestamp": "1710273641123.456789",
        "data_stream": {"type": "traces", "dataset": "own.otel", "namespace": "default"},
        "trace_id": "01".repeat(16), "span_id": "02".repeat(8), "parent_span_id": "03".repeat(8),
        "name": "client span", "kind": "Client", "duration": 1000,
        "attributes": {
            "db.namespace": "users", "db.query.text": "SELECT 1", "db.system": "sql", "messaging.destination.name": "orders",
        },
        "links": [{"trace_id": "04".repeat(16), "span_id": "05".repeat(8)}],
        "status": {"message": "Test", "code": "Error"},
        "resource": resource, "scope": {},
    });
    assert_eq!(documents[0].1, expected);
    assert_eq!(documents[1].0["_index"], "logs-own.otel-default");
    let expected = json!({
        "@timestamp": "1710273641123.456794",
        "data_stream": {"type": "logs", "dataset": "own.otel", "namespace": "default"},
        "trace_id": "01".repeat(16), "span_id": "02".repeat(8), "event_name": "exception",
        "attributes": {"event.name": "exception"},
        "resource": resource, "scope": {},
    });
    assert_eq!(documents[1].1, expected);
}

#[test]
fn bodies_in_otlp_s_own_structure() {
    let map = Any::KvlistValue(KeyValueList { values: vec![attribute("a.b", Any::IntValue(1))] });
    let mixed = Any::ArrayValue(ArrayValue { values: vec![any(Any::IntValue(1)).unwrap(), any(map.clone()).unwrap()] });
    let bodies = [Any::StringValue("x".into()), map, mixed].map(|body| LogRecord {
        body: any(body),
        attributes: vec![
            attribute("geo.location.lat", Any::DoubleValue(2.0)),
            attribute("geo.location.lon", Any::DoubleValue(1.0)),
            attribute("bytes", Any::BytesValue(vec![255, 0])),
            attribute("nan", Any::DoubleValue(f64::NAN)),
            text("twice", "first"),
            text("twice", "last"),
        ],
        ..LogRecord::default()
    });
    let documents = mapped(Mode::Otel, Signal::Logs, &logs(Vec::new(), bodies.to_vec()));
    let found: Vec<&Value> = documents.iter().map(|(_, document)| &document["body"]).collect();
    let expected =
        [json!({"text": "x"}), json!({"structured": {"a.b": 1}}), json!({"structured": {"value": [1, {"a.b": 1}]}})];
    assert_eq!(found, expected.iter().collect::<Vec<_>>());
    let expected = json!({"bytes": "ff00", "nan": null, "twice": "last", "geo.location": [1.0, 2.0]});
    assert_eq!(documents[0].1["attributes"], expected);
}

fn number(value: Number, host: &str) -> NumberDataPoint {
    NumberDataPoint {
        value: Some(value),
        time_unix_nano: AT,
        start_time_unix_nano: AT - 1_000_000,
        attributes: vec![text("host", host)],
        ..NumberDataPoint::default()
    }
}

fn gauge(name: &str, data_points: Vec<NumberDataPoint>) -> Metric {
    Metric { name: name.into(), unit: "By".into(), data: Some(Data::Gauge(Gauge { data_points })), ..Metric::default() }
}

#[test]
fn points_of_one_time_and_place_are_one_document() {
    let sum = Sum { data_points: vec![number(Number::AsInt(5), "a")], is_monotonic: true, ..Sum::default() };
    let request = metrics(vec![
        gauge("free", vec![number(Number::AsDouble(1.0), "a"), number(Number::AsDouble(2.5), "b")]),
        gauge("bad", vec![number(Number::AsDouble(f64::NAN), "a")]),
        Metric { name: "reads.total".into(), unit: "By".into(), data: Some(Data::Sum(sum)), ..Metric::default() },
        gauge("free", vec![number(Number::AsDouble(9.0), "a")]),
    ]);
    let ecs = map(&settings(Mode::Ecs), Signal::Metrics, &[placed(1, 0, &request)]);
    assert_eq!(
        ecs.rejected.iter().map(|rejected| (rejected.items, rejected.reason.starts_with("bad: "))).collect::<Vec<_>>(),
        [(1, true)]
    );
    assert_eq!(weights(&ecs.payloads[0]), [2, 1, 1]);
    let found: Vec<Value> = lines(&ecs.payloads[0]).into_iter().map(|(_, document)| document).collect();
    let common = |fields: Value| {
        let mut document = json!({
            "@timestamp": "2024-03-12T20:00:41.123456789Z", "service": {"name": "shop"},
            "data_stream": {"type": "metrics", "dataset": "generic", "namespace": "default"},
        });
        let fields = fields.as_object().unwrap().clone();
        fields.into_iter().for_each(|(key, value)| document[key] = value);
        document
    };
    let expected = [
        common(json!({"host": "a", "free": 1.0, "reads": {"total": 5}})),
        common(json!({"host": "b", "free": 2.5})),
        // A second point with the same name and time gets a separate document, since a document has one value per name.
        common(json!({"host": "a", "free": 9.0})),
    ];
    assert_eq!(found, expected);

    let otel = map(&settings(Mode::Otel), Signal::Metrics, &[placed(1, 0, &request)]);
    let (action, document) = &lines(&otel.payloads[0])[0];
    let templates = json!({"metrics.free": "gauge_double", "metrics.reads.total": "counter_long"});
    assert_eq!(*action, json!({"_index": "metrics-generic.otel-default", "dynamic_templates": templates}), "and no id");
    assert_eq!(document["metrics"], json!({"free": 1.0, "reads.total": 5}));
    assert_eq!((&document["unit"], &document["start_timestamp"]), (&json!("By"), &json!("1710273641122.456789")));
    // FNV-1a of `freereads.total`, by another implementation.
    assert_eq!(document["_metric_names_hash"], NAMES_HASH);
}

const NAMES_HASH: &str = "865974c0";

#[test]
fn ids_tell_documents_apart_by_their_place_and_know_them_again() {
    let record = LogRecord { time_unix_nano: AT, body: any(Any::StringValue("twin".into())), ..LogRecord::default() };
    let ids = |requests: &[Placed]| -> Vec<String> {
        let mapped = map(&settings(Mode::Ecs), Signal::Logs, requests);
        lines(only(&mapped)).iter().map(|(action, _)| action["_id"].as_str().unwrap().to_owned()).collect()
    };
    let twins = logs(Vec::new(), vec![record.clone(), record.clone(), record.clone(), record.clone()]);
    let half = logs(Vec::new(), vec![record.clone(), record]);
    let whole = ids(&[placed(1, 0, &twins)]);
    assert_eq!(whole.iter().collect::<HashSet<_>>().len(), 4, "equal records are records of their own");
    // However a frame is split or batched, its records keep their ids.
    assert_eq!(ids(&[placed(1, 0, &half), placed(1, 2, &half)]), whole);
    assert_eq!(ids(&[placed(1, 2, &half)]), whole[2..]);
    assert!(ids(&[placed(2, 0, &twins)]).iter().all(|id| !whole.contains(id)));
}

#[test]
fn attributes_choose_the_way() {
    let record = |attributes: Vec<KeyValue>| LogRecord { attributes, ..LogRecord::default() };
    let named = [("elasticsearch.document_id", "mine"), ("elasticsearch.ingest_pipeline", "parse")];
    let request = logs(Vec::new(), vec![record(texts(&named)), record(texts(&[("elasticsearch.index", "own")]))]);
    let documents = mapped(Mode::Otel, Signal::Logs, &request);
    assert_eq!(documents[0].0, json!({"_index": "logs-generic.otel-default", "_id": "mine", "pipeline": "parse"}));
    assert_eq!(documents[0].1.get("attributes"), Some(&json!({})), "what says where it goes is no part of it");
    assert_eq!(documents[1].0["_index"], "own");
    assert!(documents[1].1.get("data_stream").is_none());

    let mut request = request;
    let attributes = texts(&[("elastic.mapping.mode", "ecs")]);
    request.resource_logs[0].scope_logs[0].scope =
        Some(InstrumentationScope { attributes, ..InstrumentationScope::default() });
    let fixed = Indexes { logs: Some("fixed".into()), ..Indexes::default() };
    let own =
        ElasticsearchSettings { indexes: fixed, deduplicates: false, named: Named::default(), ..settings(Mode::Otel) };
    let documents = lines(only(&map(&own, Signal::Logs, &[placed(1, 0, &request)])));
    assert_eq!(documents[0].0, json!({"_index": "fixed"}));
    assert_eq!(documents[0].1["@timestamp"], "1970-01-01T00:00:00.000000000Z", "as the scope asks");
}

#[test]
fn what_cannot_be_read_costs_only_itself() {
    let damaged = Placed { position: Position(1), items_before: 0, request: vec![0xff; 9].into() };
    let record = LogRecord::default();
    let mapped = map(&settings(Mode::Ecs), Signal::Logs, &[damaged, placed(2, 0, &logs(Vec::new(), vec![record]))]);
    assert_eq!((mapped.payloads.len(), mapped.payloads[0].items), (1, 1));
    assert!(mapped.rejected[0].reason.starts_with("the request cannot be read: "), "{mapped:?}");
}

#[test]
fn points_that_say_nothing_cost_no_document() {
    let stale = NumberDataPoint { flags: 1, ..number(Number::AsDouble(f64::NAN), "a") };
    let both = metrics(vec![gauge("free", vec![stale.clone(), number(Number::AsInt(1), "b")])]);
    let mapped = map(&settings(Mode::Ecs), Signal::Metrics, &[placed(1, 0, &both)]);
    assert_eq!((only(&mapped).items, lines(only(&mapped)).len()), (2, 1));
    let none = map(&settings(Mode::Otel), Signal::Metrics, &[placed(1, 0, &metrics(vec![gauge("free", vec![stale])]))]);
    assert_eq!(none, Mapped::default());
}
