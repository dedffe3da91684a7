//! Compares our mapping of logs with Datadog's own code field by field, on the same requests.

use super::datadog_metrics::oracle::{ask, put_frame};
use super::datadog_metrics::random::Random;
use super::datadog_metrics::values::{any, attribute, attributes, key_value, resource, value};
use crate::support::heavy_here;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message as _;
use serde_json::{Map, Value as Json};
use spanwise::exporters::datadog::logs;

const REQUESTS: usize = 10_000;
const SEED: u64 = 20_260_202;

/// Attributes that Datadog interprets, in several spellings.
const KEYS: [&str; 30] = [
    "msg",
    "message",
    "Message",
    "log",
    "status",
    "severity",
    "LEVEL",
    "syslog.severity",
    "otel.library.name",
    "otel.library.version",
    "otel.scope.name",
    "otel.scope.version",
    "traceid",
    "trace_id",
    "TraceId",
    "oteltraceid",
    "spanid",
    "span_id",
    "contextmap.spanid",
    "ddtags",
    "hostname",
    "service",
    "host",
    "service.name",
    "ddsource",
    "datadog.log.source",
    "nested",
    "@timestamp",
    "",
    "user.id",
];

const IDS: [&str; 6] = [
    "0102030405060708090a0b0c0d0e0f10",
    "0102030405060708",
    "0102030405060708090A0B0C0D0E0FFF",
    "xyz",
    "",
    "zz02030405060708090a0b0c0d0e0f10",
];

/// Returns nested maps, deeper than the mapping flattens.
fn nested(random: &mut Random, depth: u64) -> AnyValue {
    if depth == 0 || random.one_in(6) {
        return value(random);
    }
    let mut inner: Vec<AnyValue> = (0..=random.below(2)).map(|_| nested(random, depth - 1)).collect();
    if random.one_in(4) {
        return any(Value::ArrayValue(ArrayValue { values: inner }));
    }
    let keys = ["a", "b.c", "d"];
    let values = inner.drain(..).enumerate().map(|(number, value)| key_value(keys[number], value)).collect();
    any(Value::KvlistValue(KeyValueList { values }))
}

fn own_attributes(random: &mut Random) -> Vec<KeyValue> {
    let mut found: Vec<KeyValue> = Vec::new();
    for _ in 0..random.below(6) {
        let key = random.pick(&KEYS);
        if found.iter().any(|known| known.key == key) {
            continue;
        }
        let value = match key {
            "nested" | "user.id" => nested(random, 13),
            key if key.to_lowercase().contains("trace") || key.to_lowercase().contains("span") => {
                attribute(random.pick(&IDS))
            }
            _ => value(random),
        };
        found.push(key_value(key, value));
    }
    found
}

fn record(random: &mut Random) -> LogRecord {
    let time = random.pick(&[0, 1_700_000_000_123_456_789, 951_782_400_000_000_000, 1, 4_102_444_799_999_000_000]);
    LogRecord {
        time_unix_nano: time,
        observed_time_unix_nano: random.pick(&[0, 1_700_000_001_999_999_999]),
        severity_number: random.pick(&[0, 1, 4, 5, 9, 13, 17, 21, 24, 25, -1]),
        severity_text: random.pick(&["", "", "Warning", "INFO"]).to_owned(),
        body: if random.one_in(8) { None } else { Some(nested(random, 2)) },
        attributes: own_attributes(random),
        trace_id: random.pick(&[&[][..], &[0; 16], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]]).to_vec(),
        span_id: random.pick(&[&[][..], &[0; 8], &[255, 2, 3, 4, 5, 6, 7, 8]]).to_vec(),
        event_name: random.pick(&["", "", "browser.web_vital"]).to_owned(),
        ..LogRecord::default()
    }
}

fn request(random: &mut Random) -> ExportLogsServiceRequest {
    let resource_logs = (0..=random.below(2)).map(|number| {
        let mut resource = resource(random, number);
        if random.one_in(3) {
            resource.attributes.retain(|attribute| attribute.key != "service.name");
        }
        for key in ["hostname", "service", "otel.library.name", "message", "status"] {
            if random.one_in(8) {
                resource.attributes.push(key_value(key, value(random)));
            }
        }
        let scope_logs = (0..=random.below(2)).map(|_| ScopeLogs {
            scope: (!random.one_in(4)).then(|| InstrumentationScope {
                name: random.pick(&["", "io.shop"]).to_owned(),
                version: random.pick(&["", "1.2"]).to_owned(),
                attributes: attributes(random),
                dropped_attributes_count: 0,
            }),
            log_records: (0..=random.below(4)).map(|_| record(random)).collect(),
            schema_url: String::new(),
        });
        let scope_logs = scope_logs.collect();
        ResourceLogs { resource: Some(resource), scope_logs, schema_url: String::new() }
    });
    ExportLogsServiceRequest { resource_logs: resource_logs.collect() }
}

/// Sorts tags, which have no order in Datadog's own code.
fn sorted(tags: &Json) -> Vec<String> {
    let mut tags: Vec<String> = tags.as_str().unwrap_or_default().split(',').map(str::to_owned).collect();
    tags.sort_unstable();
    tags
}

fn is_same(name: &str, theirs: Option<&Json>, ours: Option<&Json>) -> bool {
    match (theirs, ours) {
        (Some(theirs), Some(ours)) if name == "ddtags" => sorted(theirs) == sorted(ours),
        (Some(Json::Number(theirs)), Some(Json::Number(ours))) => theirs == ours || theirs.as_f64() == ours.as_f64(),
        (Some(Json::Array(theirs)), Some(Json::Array(ours))) => {
            let pairs = theirs.iter().zip(ours);
            theirs.len() == ours.len() && pairs.into_iter().all(|(theirs, ours)| is_same("", Some(theirs), Some(ours)))
        }
        (Some(Json::Object(theirs)), Some(Json::Object(ours))) => differences(theirs, ours).is_empty(),
        (theirs, ours) => theirs == ours,
    }
}

fn differences(theirs: &Map<String, Json>, ours: &Map<String, Json>) -> Vec<String> {
    let names = theirs.keys().chain(ours.keys().filter(|name| !theirs.contains_key(*name)));
    names.filter(|name| !is_same(name, theirs.get(*name), ours.get(*name))).cloned().collect()
}

/// Compares all records. In Datadog's code the exporter adds the source, not the mapping, so only an attribute can set it.
fn compare(theirs: &[Vec<Map<String, Json>>], ours: &[Vec<Map<String, Json>>]) -> (u64, u64, Vec<String>) {
    let (mut compared, mut different, mut examples) = (0, 0, Vec::new());
    assert_eq!(theirs.len(), ours.len());
    for (theirs, ours) in theirs.iter().zip(ours) {
        assert_eq!(theirs.len(), ours.len());
        for (theirs, ours) in theirs.iter().zip(ours) {
            let mut theirs = theirs.clone();
            let told = theirs.get("datadog.log.source").and_then(Json::as_str).filter(|source| !source.is_empty());
            let source = Json::from(told.unwrap_or("otlp_log_ingestion"));
            theirs.entry("ddsource").or_insert(source);
            let found = differences(&theirs, ours);
            compared += 1;
            if !found.is_empty() {
                different += 1;
                let shown =
                    |item: &Map<String, Json>| found.iter().map(|name| item.get(name).cloned()).collect::<Vec<_>>();
                examples.push(format!("{found:?}\n  theirs {:?}\n  ours   {:?}", shown(&theirs), shown(ours)));
            }
        }
    }
    (compared, different, examples)
}

#[test]
fn logs_are_mapped_as_by_datadogs_own_code() {
    let _turn = heavy_here();
    let mut random = Random::new(SEED);
    let requests: Vec<Vec<u8>> = (0..REQUESTS).map(|_| request(&mut random).encode_to_vec()).collect();
    let mut input = Vec::new();
    requests.iter().for_each(|request| put_frame(&mut input, request));
    let theirs: Vec<Vec<Map<String, Json>>> = ask("logs", input);
    let ours: Vec<Vec<Map<String, Json>>> = requests
        .iter()
        .map(|request| {
            let mapped = logs::map("", &Bytes::from(request.clone())).unwrap();
            let lists = mapped.payloads.iter().map(|payload| serde_json::from_slice::<Vec<_>>(&payload.body).unwrap());
            lists.flatten().collect()
        })
        .collect();
    let (compared, different, examples) = compare(&theirs, &ours);
    println!("{:<10}{:>10}{:>10}{:>13}", "compared", "requests", "items", "differences");
    println!("{:<10}{:>10}{:>10}{:>13}", "logs", requests.len(), compared, different);
    assert_eq!(different, 0, "{}", examples.iter().take(5).cloned().collect::<Vec<_>>().join("\n"));
    assert!(compared > 20_000, "too little was compared");
    // The comparison must detect differences.
    let mut faulty = ours;
    for (number, item) in faulty.iter_mut().flatten().take(3).enumerate() {
        let name = ["status", "ddtags", "message"][number];
        item.insert(name.to_owned(), "wrong".into());
    }
    assert_eq!(compare(&theirs, &faulty).1, 3);
}
