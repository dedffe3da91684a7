use super::*;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use prost::Message as _;
use serde_json::{Value as Json, json};

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn text(key: &str, text: &str) -> KeyValue {
    pair(key, Value::StringValue(text.into()))
}

fn list(key: &str, texts: &[&str]) -> KeyValue {
    let values = texts.iter().map(|text| AnyValue { value: Some(Value::StringValue((*text).into())) }).collect();
    pair(key, Value::ArrayValue(ArrayValue { values }))
}

fn request(attributes: Vec<KeyValue>) -> Vec<u8> {
    let resource = Some(Resource { attributes, ..Resource::default() });
    let spans = ResourceSpans { resource, ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![spans] }.encode_to_vec()
}

/// A resource that tells of the host `web-1`.
fn telling(more: Vec<KeyValue>) -> Vec<u8> {
    let mut attributes = vec![pair("datadog.host.use_as_metadata", Value::BoolValue(true)), text("host.name", "web-1")];
    attributes.extend(more);
    request(attributes)
}

fn inventory(metadata: &Metadata) -> Json {
    let payload: Json = serde_json::to_value(metadata).unwrap();
    serde_json::from_str(payload["gohai"].as_str().expect("JSON in a text")).unwrap()
}

#[test]
fn a_resource_tells_of_its_host_once_and_again_where_it_says_something_new() {
    let mut hosts = Hosts::default();
    let told = |hosts: &mut Hosts, request: &[u8]| {
        let seen = hosts.see(Signal::Traces, request);
        assert_eq!(seen.faults, [""; 0]);
        seen.changed.len()
    };
    assert_eq!(told(&mut hosts, &request(vec![text("host.name", "web-1")])), 0, "it does not say that it is to");
    let first = telling(vec![text("datadog.host.tag.team", "blue")]);
    assert_eq!([told(&mut hosts, &first), told(&mut hosts, &first)], [1, 0]);
    assert_eq!(told(&mut hosts, &telling(Vec::new())), 0, "what it does not say stays");
    assert_eq!(told(&mut hosts, &telling(vec![text("datadog.host.tag.team", "red")])), 1);
    assert_eq!(hosts.take().count(), 1);
    assert_eq!(told(&mut hosts, &first), 1, "in the next period it is new");
}

/// Datadog's own map takes the second address for one of IPv6.
#[test]
fn a_second_address_of_ipv4_is_none_of_ipv6() {
    let seen = Hosts::default().see(Signal::Logs, &telling(vec![list("host.ip", &["10.0.0.1", "10.0.0.2"])]));
    assert_eq!(inventory(&seen.changed[0])["network"], json!({"ipaddress": "10.0.0.1"}));
}

#[test]
fn what_cannot_be_read_is_told_and_costs_nothing_beside_it() {
    let use_as_text = request(vec![text("datadog.host.use_as_metadata", "true"), text("host.name", "web-1")]);
    let no_host = request(vec![pair("datadog.host.use_as_metadata", Value::BoolValue(true))]);
    let bad = telling(vec![text("os.type", "linux"), list("host.arch", &["amd64"]), text("host.ip", "10.0.0.1")]);
    let mut hosts = Hosts::default();
    let [use_as_text, no_host, bad] = [use_as_text, no_host, bad].map(|request| hosts.see(Signal::Traces, &request));
    assert_eq!(use_as_text.faults, ["datadog.host.use_as_metadata: expected true or false, found text"]);
    let no_name = "datadog.host.use_as_metadata is true, and no attribute names a host, such as host.name";
    assert_eq!(no_host.faults, [no_name]);
    assert_eq!((use_as_text.changed.len(), no_host.changed.len(), bad.changed.len()), (0, 0, 1));
    assert_eq!(bad.faults[0], "host.ip: expected a list of texts, found text");
    assert!(bad.faults[1..].iter().all(|fault| fault == "host.arch: expected text, found a list"), "{:?}", bad.faults);
    assert_eq!(inventory(&bad.changed[0])["platform"], json!({"GOOS": "linux", "hostname": "web-1"}));
}

#[test]
fn the_first_resource_names_the_own_host_and_says_what_its_cloud_calls_it() {
    let attributes = [
        text("cloud.provider", "aws"),
        text("host.id", "i-7"),
        text("host.name", "ip-10-0-0-1"),
        text("ec2.tag.team", "blue"),
    ];
    let own = own::metadata("web-1", &["env:prod".to_owned()], Some(&Attributes::of(&attributes)));
    let told = serde_json::to_value(&own).unwrap();
    assert_eq!((&told["internalHostname"], &told["meta"]["hostname"]), (&json!("i-7"), &json!("i-7")));
    let names = (&told["meta"]["instance-id"], &told["meta"]["ec2-hostname"]);
    assert_eq!(names, (&json!("i-7"), &json!("ip-10-0-0-1")));
    assert_eq!(told["host-tags"], json!({"otel": ["team:blue", "env:prod"]}));
    assert_eq!((&told["agent-flavor"], &told["resources"]), (&json!("spanwise"), &Json::Null));
    let google = [
        text("cloud.provider", "gcp"),
        text("host.name", "vm-1"),
        text("cloud.account.id", "shop"),
        text("host.type", "e2-small"),
    ];
    let own = own::metadata("web-1", &[], Some(&Attributes::of(&google)));
    let told = serde_json::to_value(&own).unwrap();
    assert_eq!(own.hostname(), "vm-1.shop");
    assert_eq!(told["host-tags"], json!({"google cloud platform": ["instance-type:e2-small", "project:shop"]}));
}
