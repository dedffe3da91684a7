//! Host metadata as sent over the wire.

use super::*;
use crate::delivery::settings::RetrySettings;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use serde_json::{Value as Json, json};
use tokio_util::task::AbortOnDropHandle;

fn reporting(way: Way, address: &str, host_metadata: HostMetadataSettings) -> DatadogSettings {
    let mut settings = settings(way, address, Compression::None);
    settings.metrics.hostname = "own".to_owned();
    // Telemetry cannot be sent: metadata is independent of it.
    settings.endpoints.metrics = "http://127.0.0.1:1".to_owned();
    DatadogSettings { host_metadata, ..settings }
}

fn accompanied(settings: &DatadogSettings) -> (Arc<dyn Exporter>, AbortOnDropHandle<()>) {
    let target = open("datadog", settings).unwrap();
    let reporting = target.clone();
    (target, AbortOnDropHandle::new(tokio::spawn(async move { reporting.background().await })))
}

fn telling(host: &str, team: &str) -> Bytes {
    let pair = |key: &str, value| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    };
    let attributes = vec![
        pair("datadog.host.use_as_metadata", Value::BoolValue(true)),
        pair("host.name", Value::StringValue(host.to_owned())),
        pair("datadog.host.tag.team", Value::StringValue(team.to_owned())),
    ];
    let resource = Some(Resource { attributes, ..Resource::default() });
    ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { resource, ..ResourceSpans::default() }] }
        .encode_to_vec()
        .into()
}

/// Hosts that the API received, with their tags, in order.
fn told(seen: &Seen) -> Vec<(String, Json)> {
    let requests = seen.requests.lock();
    let of_hosts = requests.iter().filter(|(path, headers, _)| path == METADATA && headers["dd-api-key"] == KEY);
    let host = |(_, _, body): &(String, HeaderMap, Bytes)| {
        let metadata: Json = serde_json::from_slice(body).unwrap();
        (metadata["internalHostname"].as_str().unwrap().to_owned(), metadata["host-tags"]["otel"].clone())
    };
    of_hosts.map(host).collect()
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..500 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}: not within 5 s");
}

fn fast() -> HostMetadataSettings {
    let retry = RetrySettings { initial_interval: Duration::from_millis(20), ..RetrySettings::default() };
    let (tags, apart) = (vec!["env:prod".to_owned()], Duration::ZERO);
    HostMetadataSettings { tags, apart, retry, ..HostMetadataSettings::default() }
}

#[tokio::test]
async fn the_own_host_is_told_at_the_start_and_others_when_they_are_new_by_both_ways_to_datadog() {
    crypto();
    for way in [Way::Intake, Way::Otlp] {
        let (seen, address) = intake().await;
        *seen.answer.lock() = (202, "text/plain", "");
        let (target, _reporting) = accompanied(&reporting(way, &address, fast()));
        let own = ("own".to_owned(), json!(["env:prod"]));
        until("the own host", || told(&seen) == [own.clone()]).await;
        target.observe(Signal::Traces, &telling("web-1", "blue"));
        until("another host", || told(&seen).len() == 2).await;
        // Sending it again contains nothing new.
        target.observe(Signal::Traces, &telling("web-1", "blue"));
        target.observe(Signal::Traces, &telling("web-1", "red"));
        until("what changed", || told(&seen).len() == 3).await;
        let web = |team: &str| ("web-1".to_owned(), json!([format!("team:{team}")]));
        assert_eq!(told(&seen), [own, web("blue"), web("red")]);
    }
}

#[tokio::test]
async fn what_is_not_taken_is_told_again_with_what_is_known_then() {
    crypto();
    let (seen, address) = intake().await;
    *seen.answer.lock() = (503, "text/plain", "");
    let (target, _reporting) = accompanied(&reporting(Way::Intake, &address, fast()));
    until("two attempts", || told(&seen).len() >= 2).await;
    for team in ["blue", "red"] {
        target.observe(Signal::Traces, &telling("web-1", team));
    }
    seen.requests.lock().clear();
    *seen.answer.lock() = (202, "text/plain", "");
    until("both hosts", || told(&seen).iter().any(|(host, _)| host == "web-1")).await;
    let mut told = told(&seen);
    told.dedup();
    assert_eq!(told, [("own".to_owned(), json!(["env:prod"])), ("web-1".to_owned(), json!(["team:red"]))]);
}

#[tokio::test]
async fn all_are_told_once_a_period_and_who_is_not_heard_of_is_not() {
    crypto();
    let (seen, address) = intake().await;
    *seen.answer.lock() = (202, "text/plain", "");
    let period = HostMetadataSettings { reporter_period: Duration::from_millis(300), ..fast() };
    let (target, _reporting) = accompanied(&reporting(Way::Intake, &address, period));
    target.observe(Signal::Traces, &telling("web-1", "blue"));
    let of = |name: &str| told(&seen).iter().filter(|(host, _)| host == name).count();
    until("four periods", || of("own") >= 5).await;
    assert_eq!(of("web-1"), 2, "when it was new, and in its period: {:?}", told(&seen));
}

#[tokio::test]
async fn nobody_is_told_of_hosts_where_that_is_off_and_the_first_resource_may_name_the_own_one() {
    crypto();
    let (seen, address) = intake().await;
    *seen.answer.lock() = (202, "text/plain", "");
    let off = HostMetadataSettings { enabled: false, ..fast() };
    let (target, _reporting) = accompanied(&reporting(Way::Intake, &address, off));
    target.observe(Signal::Traces, &telling("web-1", "blue"));
    let first = HostMetadataSettings { from_first_resource: true, ..fast() };
    let (target, _reporting) = accompanied(&reporting(Way::Intake, &address, first));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(told(&seen), [], "before there is a resource");
    target.observe(Signal::Traces, &telling("web-9", "blue"));
    until("the own host", || !told(&seen).is_empty()).await;
    // Both describe the same host: the resource takes precedence.
    assert_eq!(told(&seen), [("web-9".to_owned(), json!(["team:blue"]))]);
}
