use super::hosts::{BYTES_MAX, HOST_BYTES_MAX};
use super::*;
use async_trait::async_trait;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use prost::Message as _;
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::time::Instant as Moment;

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

/// A resource that describes the host `web-1`.
fn telling(more: Vec<KeyValue>) -> Vec<u8> {
    telling_of("web-1", more)
}

fn telling_of(host: &str, more: Vec<KeyValue>) -> Vec<u8> {
    let mut attributes = vec![pair("datadog.host.use_as_metadata", Value::BoolValue(true)), text("host.name", host)];
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

/// Datadog's own map takes the second address for IPv6.
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
    let own = local_host::metadata("web-1", &["env:prod".to_owned()], Some(&Attributes::of(&attributes)));
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
    let own = local_host::metadata("web-1", &[], Some(&Attributes::of(&google)));
    let told = serde_json::to_value(&own).unwrap();
    assert_eq!(own.hostname(), "vm-1.shop");
    assert_eq!(told["host-tags"], json!({"google cloud platform": ["instance-type:e2-small", "project:shop"]}));
}

#[test]
fn what_is_too_long_is_left_out_of_a_host_and_is_not_new_each_time() {
    let mut hosts = Hosts::default();
    let long = "x".repeat(2000);
    let tags: Vec<KeyValue> = (0..20).map(|n| text(&format!("datadog.host.tag.{n}"), &long)).collect();
    let aliases = list("datadog.host.aliases", &[long.as_str(); 4]);
    let more = vec![text("os.type", "linux"), text("os.description", &long), list("host.mac", &[&long]), aliases];
    let request = telling([tags, more].concat());
    let seen = hosts.see(Signal::Logs, &request);
    assert_eq!(seen.faults.len(), 4, "{:?}", seen.faults);
    let told = serde_json::to_value(&seen.changed[0]).unwrap();
    assert_eq!((&told["host-tags"], &told["meta"]), (&json!({}), &json!({"hostname": "web-1"})));
    assert_eq!(inventory(&seen.changed[0])["platform"], json!({"GOOS": "linux", "hostname": "web-1"}));
    assert!(hosts.see(Signal::Logs, &request).changed.is_empty());
    let nameless = Hosts::default().see(Signal::Logs, &telling_of(&"h".repeat(256), Vec::new()));
    assert_eq!((nameless.changed.len(), nameless.faults), (0, vec!["a host name of more than 255 bytes".to_owned()]));
}

/// However large each of them is made.
#[test]
fn hosts_are_bounded_in_bytes_each_and_together() {
    let long = "x".repeat(1000);
    let tags: Vec<KeyValue> = (0..31).map(|n| text(&format!("datadog.host.tag.{n}"), &long)).collect();
    let (mut hosts, mut due, mut left_out) = (Hosts::default(), Due::default(), 0);
    for number in 0..2000 {
        let seen = hosts.see(Signal::Traces, &telling_of(&number.to_string(), tags.clone()));
        let [host] = seen.changed.as_slice() else {
            assert!(seen.faults[0].contains("bytes of hosts in one"), "{:?}", seen.faults);
            left_out += 1;
            continue;
        };
        assert!((31_000..HOST_BYTES_MAX).contains(&host.bytes()));
        assert!(due.put(host.clone()) && due.put(host.clone()), "one that is there makes room for itself");
    }
    let kept: Vec<Metadata> = hosts.take().collect();
    let bytes: usize = kept.iter().map(Metadata::bytes).sum();
    assert!(bytes <= BYTES_MAX && BYTES_MAX - bytes < HOST_BYTES_MAX, "{bytes}");
    assert_eq!(kept.len() + left_out, 2000);
    let mut other = kept[0].clone();
    other.set_hostname("other");
    assert!(!due.put(other.clone()), "what waits is bounded, too");
    due.take("0").unwrap();
    assert!(due.put(other));
}

#[test]
fn a_host_is_told_of_once_a_minute() {
    let (mut due, now, apart) = (Due::default(), Moment::now(), Duration::from_mins(1));
    let after = |seconds| now + Duration::from_secs(seconds);
    let mut host = Metadata::of_resource();
    host.set_hostname("a");
    assert_eq!(due.wait(apart, now), None);
    due.put(host.clone());
    assert_eq!((due.ready(apart, now), due.wait(apart, now)), (vec!["a".to_owned()], Some(Duration::ZERO)));
    due.take("a").unwrap();
    due.note("a", now);
    due.put(host.clone());
    assert_eq!((due.ready(apart, after(59)), due.wait(apart, after(59))), (vec![], Some(Duration::from_secs(1))));
    assert_eq!((due.ready(apart, after(60)), due.wait(apart, after(60))), (vec!["a".to_owned()], Some(Duration::ZERO)));
    // Newer metadata takes precedence over what comes back.
    let old = host.clone();
    host.tags.own.push("new".to_owned());
    due.put(host.clone());
    due.put_back(old);
    assert_eq!(due.take("a"), Some(host));
}

/// Datadog's intake, which records the hosts it receives; optionally, `a` changes with every request.
struct Intake {
    reporter: Arc<Reporter>,
    outcome: Outcome,
    flaps: bool,
    told: Mutex<Vec<(String, Json)>>,
}

impl Intake {
    fn of(settings: HostMetadataSettings, outcome: Outcome) -> Intake {
        let reporter = Arc::new(Reporter::new("datadog", &settings, "own"));
        Intake { reporter, outcome, flaps: false, told: Mutex::default() }
    }

    fn tell(&self, host: &str, tag: usize) {
        let tag = text("datadog.host.tag.n", &tag.to_string());
        self.reporter.see(Signal::Traces, &telling_of(host, vec![tag]));
    }

    fn told_of(&self, host: &str) -> Vec<Json> {
        let told = self.told.lock();
        told.iter().filter(|(told, _)| told == host).map(|(_, tags)| tags.clone()).collect()
    }

    /// Runs the reporter for a while.
    async fn run(&self, millis: u64) {
        let reporter = self.reporter.clone();
        let _over = tokio::time::timeout(Duration::from_millis(millis), reporter.run(self)).await;
    }
}

#[async_trait]
impl Exporter for Intake {
    async fn send(&self, payload: &Payload) -> Outcome {
        let mut body: Json = serde_json::from_slice(&payload.body).unwrap();
        let told = (body["internalHostname"].as_str().unwrap().to_owned(), body["host-tags"]["otel"].take());
        let number = {
            let mut all = self.told.lock();
            all.push(told);
            all.len()
        };
        if self.flaps {
            self.tell("a", number);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        self.outcome.clone()
    }
}

#[tokio::test]
async fn a_tag_that_changes_with_every_request_is_not_told_with_every_request() {
    let settings = HostMetadataSettings { apart: Duration::from_millis(300), ..HostMetadataSettings::default() };
    let intake = Intake::of(settings, Outcome::delivered());
    let flapping = async {
        for number in 0..50 {
            intake.tell("a", number);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::join!(intake.run(1500), flapping);
    let told = intake.told_of("a");
    assert!((2..=5).contains(&told.len()), "{told:?}");
    assert_eq!(told.last(), Some(&json!(["n:49"])), "the last word is told, if later");
}

#[tokio::test]
async fn a_host_that_changes_all_the_time_holds_up_no_others_and_no_period() {
    let (apart, reporter_period) = (Duration::ZERO, Duration::from_millis(50));
    let settings = HostMetadataSettings { reporter_period, apart, ..HostMetadataSettings::default() };
    let intake = Intake { flaps: true, ..Intake::of(settings, Outcome::delivered()) };
    intake.tell("a", 0);
    intake.tell("z", 0);
    intake.run(1000).await;
    let [z, own] = ["z", "own"].map(|host| intake.told_of(host).len());
    assert!(z >= 1 && own >= 3, "z {z} times, the own host {own} times");
}

#[tokio::test]
async fn giving_up_a_host_is_no_reason_to_send_the_others_without_a_pause() {
    let retry = RetrySettings {
        initial_interval: Duration::from_millis(100),
        randomization_factor: 0.0,
        max_elapsed_time: Duration::from_nanos(1),
        ..RetrySettings::default()
    };
    for retry in [RetrySettings { enabled: false, ..retry.clone() }, retry] {
        let settings = HostMetadataSettings { retry, ..HostMetadataSettings::default() };
        let down = Outcome::Retry { after: None, reason: "down".to_owned() };
        let intake = Intake::of(settings, down);
        (0..50).for_each(|number| intake.tell(&number.to_string(), 0));
        intake.run(350).await;
        let asked = intake.told.lock().len();
        assert!((2..=4).contains(&asked), "asked {asked} times");
    }
}

/// The format of `/proc/net/if_inet6`: address, index, length of the prefix, scope, flags, interface.
#[test]
fn the_own_ipv6_address_is_the_one_with_the_widest_scope() {
    let listed = "00000000000000000000000000000001 01 80 10 80       lo\n\
                  fe8000000000000000fc00fffe000001 04 40 20 80     eth0\n\
                  fd000000000000000000000000000002 04 40 00 82     eth0\n";
    assert_eq!(local_host::v6(listed, "eth0").as_deref(), Some("fd00::2"));
    assert_eq!(local_host::v6(listed, "lo").as_deref(), Some("::1"));
    assert_eq!(local_host::v6(listed, "eth1"), None);
}
