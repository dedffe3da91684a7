//! Compares host metadata with Datadog's own code: both process the same requests, and payloads are compared field by field.
//!
//! Excluded is a bug of Datadog's code: it reports a second IPv4 address as IPv6.

mod delivered;

use super::datadog_metrics::oracle::{ask, put_frame};
use super::datadog_metrics::random::Random;
use super::datadog_metrics::values::{any, attribute, key_value, value};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::ResourceLogs;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Histogram, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use prost::Message as _;
use serde::Deserialize;
use serde_json::Value as Json;
use spanwise::exporters::datadog::host_metadata::Hosts;
use spanwise::model::signal::Signal;
use std::collections::BTreeMap;

const REQUESTS: usize = 10_000;
const SEED: u64 = 20_260_303;

/// Result of Datadog's code for a request.
#[derive(Debug, Deserialize)]
struct Answer {
    payloads: Vec<Json>,
    error: String,
}

/// Keys that describe a host, with significant values for each.
const KEYS: [(&str, &[&str]); 27] = [
    ("os.description", &["Debian 12", "Debian 13", ""]),
    ("os.type", &["linux", "windows"]),
    ("host.arch", &["amd64", "arm64"]),
    ("os.kernel.name", &["Linux"]),
    ("os.kernel.release", &["6.1", "6.12"]),
    ("os.kernel.version", &["#1 SMP"]),
    ("host.cpu.vendor.id", &["GenuineIntel"]),
    ("host.cpu.model.name", &["Xeon", ""]),
    ("host.cpu.family", &["6"]),
    ("host.cpu.model.id", &["85", "143"]),
    ("host.cpu.stepping", &["7"]),
    ("host.cpu.cache.l2.size", &["36608"]),
    ("datadog.ccrid", &["arn:aws:ec2:eu-west-1:1:instance/i-0123", ""]),
    ("cloud.provider", &["aws", "gcp", "azure", "other"]),
    ("cloud.platform", &["gcp_cloud_run", "aws_ec2"]),
    ("cloud.region", &["eu-west-1", ""]),
    ("cloud.availability_zone", &["eu-west-1b"]),
    ("cloud.account.id", &["project"]),
    ("host.id", &["i-0123", "i-0456"]),
    ("k8s.cluster.name", &["cluster"]),
    ("deployment.environment", &["prod", "staging"]),
    ("deployment.environment.name", &["prod"]),
    ("datadog.host.tag.team", &["blue", "red", ""]),
    ("datadog.host.tag.tier", &["1"]),
    ("datadog.host.tag.", &["nothing"]),
    ("service.name", &["shop"]),
    ("datadog.host.tag", &["no tag"]),
];

/// Keys with list values, with significant lists for each.
const LISTS: [(&str, &[&[&str]]); 3] = [
    ("host.ip", &[&["10.0.0.1", "fe80::1", "fd00::2"], &["fd00::2"], &["10.0.0.9"], &[], &["", "fd00::3"]]),
    ("host.mac", &[&["0A-1B-2C-3D-4E-5F", "00-00-00-00-00-01"], &["0a:1b"], &[]]),
    ("datadog.host.aliases", &[&["a.example", "b.example"], &["b.example"], &[]]),
];

fn list(texts: &[&str]) -> AnyValue {
    any(Value::ArrayValue(ArrayValue { values: texts.iter().map(|text| attribute(text)).collect() }))
}

/// Returns a resource of one of a few hosts, usually one that describes the host.
fn resource(random: &mut Random) -> Resource {
    let host = random.pick(&["host.name", "host.name", "host", "datadog.host.name", "k8s.node.name"]);
    let mut attributes = vec![key_value(host, attribute(random.pick(&["a", "b", "c", "d", "localhost", ""])))];
    match random.below(12) {
        0 => {}
        1 => attributes.push(key_value("datadog.host.use_as_metadata", value(random))),
        2 => attributes.push(key_value("datadog.host.use_as_metadata", any(Value::BoolValue(false)))),
        _ => attributes.push(key_value("datadog.host.use_as_metadata", any(Value::BoolValue(true)))),
    }
    let mut add = |key: &str, value: AnyValue| {
        if !attributes.iter().any(|known| known.key == key) {
            attributes.push(key_value(key, value));
        }
    };
    for _ in 0..random.below(6) {
        let (key, texts) = random.pick(&KEYS);
        let odd = random.one_in(12);
        add(key, if odd { value(random) } else { attribute(random.pick(texts)) });
    }
    if random.one_in(2) {
        let (key, lists) = random.pick(&LISTS);
        let odd = random.one_in(6);
        add(key, if odd { value(random) } else { list(random.pick(lists)) });
    }
    Resource { attributes, ..Resource::default() }
}

fn metric(random: &mut Random) -> Metric {
    let names = [
        "system.cpu.physical.count",
        "system.cpu.logical.count",
        "system.cpu.frequency",
        "system.memory.limit",
        "system.cpu.time",
    ];
    let point = |random: &mut Random| NumberDataPoint {
        value: match random.below(8) {
            0 => None,
            1..4 => Some(Number::AsInt(random.pick(&[2, 8, 64, 2_600_000_000, -1]))),
            _ => Some(Number::AsDouble(random.pick(&[4.0, 2.599_998e9, 3e9, 0.5, 1e-9, 1e21, f64::NAN, 0.0]))),
        },
        ..NumberDataPoint::default()
    };
    let data_points: Vec<NumberDataPoint> = (0..random.below(3)).map(|_| point(random)).collect();
    let data = match random.below(8) {
        0 => Data::Histogram(Histogram::default()),
        1..4 => Data::Sum(Sum { data_points, aggregation_temporality: 2, is_monotonic: false }),
        _ => Data::Gauge(Gauge { data_points }),
    };
    Metric { name: random.pick(&names).to_owned(), data: Some(data), ..Metric::default() }
}

/// Returns a request of a random signal with several resources.
fn request(random: &mut Random) -> (Signal, Vec<u8>) {
    let resources: Vec<Resource> = (0..random.below(4)).map(|_| resource(random)).collect();
    match random.below(3) {
        0 => {
            let of = |resource| ResourceSpans { resource: Some(resource), ..ResourceSpans::default() };
            let resource_spans = resources.into_iter().map(of).collect();
            (Signal::Traces, ExportTraceServiceRequest { resource_spans }.encode_to_vec())
        }
        1 => {
            let of = |resource| ResourceLogs { resource: Some(resource), ..ResourceLogs::default() };
            let resource_logs = resources.into_iter().map(of).collect();
            (Signal::Logs, ExportLogsServiceRequest { resource_logs }.encode_to_vec())
        }
        _ => {
            let mut of = |resource| {
                let mut scope = |_| ScopeMetrics {
                    metrics: (0..random.below(3)).map(|_| metric(random)).collect(),
                    ..ScopeMetrics::default()
                };
                let scope_metrics = (0..2).map(&mut scope).collect();
                ResourceMetrics { resource: Some(resource), scope_metrics, ..ResourceMetrics::default() }
            };
            let resource_metrics = resources.into_iter().map(&mut of).collect();
            (Signal::Metrics, ExportMetricsServiceRequest { resource_metrics }.encode_to_vec())
        }
    }
}

/// Returns the results of Datadog's code for the requests.
fn theirs(requests: &[(Signal, Vec<u8>)]) -> Vec<Answer> {
    let mut input = Vec::new();
    for (signal, request) in requests {
        put_frame(&mut input, signal.as_str().as_bytes());
        put_frame(&mut input, request);
    }
    ask("hosts", input)
}

/// Parses the inventory, which the payload contains as a string.
fn read(mut payload: Json) -> Json {
    let inventory = payload["gohai"].as_str().expect("a text").to_owned();
    payload["gohai"] = serde_json::from_str(&inventory).expect("JSON in the text");
    payload
}

#[test]
fn hosts_are_told_of_as_by_datadogs_own_code() {
    let mut random = Random::new(SEED);
    let requests: Vec<(Signal, Vec<u8>)> = (0..REQUESTS).map(|_| request(&mut random)).collect();
    let answers = theirs(&requests);
    assert_eq!(answers.len(), requests.len());
    let mut hosts = Hosts::default();
    let (mut payloads, mut faulty, mut fields) = (0, 0, BTreeMap::<String, u64>::new());
    for (number, ((signal, request), answer)) in requests.iter().zip(answers).enumerate() {
        let seen = hosts.see(*signal, request);
        let ours: Vec<Json> = seen.changed.iter().map(|host| read(serde_json::to_value(host).unwrap())).collect();
        let theirs: Vec<Json> = answer.payloads.into_iter().map(read).collect();
        assert_eq!(ours, theirs, "request {number}");
        // For a resource without a host name, Datadog's code reports an error elsewhere or stops reading.
        let names_none = seen.faults.iter().any(|fault| fault.contains("no attribute names a host"));
        let is_faulty = !seen.faults.is_empty();
        let is_same = names_none || is_faulty != answer.error.is_empty();
        assert!(is_same, "request {number}: {:?}, {:?}", seen.faults, answer.error);
        payloads += theirs.len();
        faulty += usize::from(is_faulty && !names_none);
        for part in theirs.iter().flat_map(|payload| ["meta", "host-tags"].map(|part| (part, &payload[part]))) {
            for key in part.1.as_object().expect("a map").keys() {
                *fields.entry(format!("{}.{key}", part.0)).or_default() += 1;
            }
        }
        for part in theirs.iter().flat_map(|payload| payload["gohai"].as_object().expect("a map")) {
            for key in part.1.as_object().into_iter().flat_map(|part| part.keys()) {
                *fields.entry(format!("{}.{key}", part.0)).or_default() += 1;
            }
        }
    }
    println!(
        "metadata of hosts: {REQUESTS} requests, {payloads} payloads compared, 0 differ; {faulty} with something wrong"
    );
    for (field, times) in &fields {
        println!("{field:<32}{times:>8}");
    }
    assert!(payloads > 2000 && faulty > 100, "too little was compared: {payloads}, {faulty}");
    // All of `PLATFORM`, `CPU`, the addresses and the names.
    assert_eq!(fields.len(), 28, "{fields:?}");
}

fn pairs(attributes: &[(&str, &str)]) -> Vec<KeyValue> {
    attributes.iter().map(|(key, text)| key_value(key, attribute(text))).collect()
}
