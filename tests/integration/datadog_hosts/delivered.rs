//! The complete program with Datadog's API simulated on loopback: the API receives the same host metadata as from Datadog's own
//! code.

use super::{Json, pairs, read, theirs};
use crate::datadog_metrics::oracle::{ask, put_frame};
use crate::datadog_metrics::values::{any, key_value};
use crate::support::config::Setup;
use crate::support::otlp::{post, span};
use crate::support::server::Server;
use crate::support::{heavy, now_unix_nano, serve, until};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use prost::Message as _;
use serde_json::json;
use spanwise::model::signal::Signal;
use std::io::Read as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const KEY: &str = "0123456789abcdef0123456789abcdef";
const WITHIN: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Kept {
    /// Decompressed bodies of the metadata intake.
    metadata: Vec<Vec<u8>>,
    /// Paths of all other requests.
    others: Vec<String>,
    /// Whether the metadata intake rejects requests for now.
    is_down: bool,
}

type Api = Arc<Mutex<Kept>>;

async fn keep(State(api): State<Api>, uri: Uri, headers: HeaderMap, body: Bytes) -> StatusCode {
    if headers.get("dd-api-key").is_none_or(|key| key != KEY) {
        return StatusCode::FORBIDDEN;
    }
    let mut api = api.lock().unwrap();
    if uri.path() != "/intake" {
        api.others.push(uri.path().to_owned());
        return StatusCode::ACCEPTED;
    }
    if api.is_down {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    assert_eq!(
        (&headers["content-type"], &headers["content-encoding"]),
        (&"application/json".parse().unwrap(), &"gzip".parse().unwrap())
    );
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&*body).read_to_end(&mut plain).expect("gzip");
    api.metadata.push(plain);
    StatusCode::ACCEPTED
}

/// Returns the received metadata, decoded and re-encoded by Datadog's own type.
fn told(api: &Api) -> Vec<Json> {
    let bodies = api.lock().unwrap().metadata.clone();
    let mut input = Vec::new();
    bodies.iter().for_each(|body| put_frame(&mut input, body));
    let again: Vec<Json> = ask("metadata", input);
    for (body, again) in bodies.iter().zip(&again) {
        let sent: Json = serde_json::from_slice(body).expect("JSON");
        assert_eq!(read(sent), read(again.clone()), "nothing of it is unknown to Datadog's type");
    }
    again.into_iter().map(read).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "the requests' fields are optional")]
fn resource(host: &str, attributes: &[(&str, &str)]) -> Option<Resource> {
    let mut all = pairs(attributes);
    all.extend(pairs(&[("host.name", host)]));
    all.push(key_value("datadog.host.use_as_metadata", any(Value::BoolValue(true))));
    Some(Resource { attributes: all, ..Resource::default() })
}

/// One request per signal, each from another host, and a last one with more attributes of the first host.
fn requests() -> [(Signal, Vec<u8>); 4] {
    let traces = |number, resource| {
        let scope = ScopeSpans { spans: vec![span(number, "GET /", 2, 3.0)], ..ScopeSpans::default() };
        let spans = ResourceSpans { resource, scope_spans: vec![scope], ..ResourceSpans::default() };
        (Signal::Traces, ExportTraceServiceRequest { resource_spans: vec![spans] }.encode_to_vec())
    };
    let point = NumberDataPoint {
        time_unix_nano: now_unix_nano(),
        value: Some(Number::AsInt(8)),
        ..NumberDataPoint::default()
    };
    let gauge = Some(Data::Gauge(Gauge { data_points: vec![point] }));
    let metric = Metric { name: "system.cpu.logical.count".into(), data: gauge, ..Metric::default() };
    let metrics = ResourceMetrics {
        resource: resource("db-1", &[("os.type", "linux"), ("host.arch", "amd64")]),
        scope_metrics: vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }],
        ..ResourceMetrics::default()
    };
    let record = LogRecord { time_unix_nano: now_unix_nano(), ..LogRecord::default() };
    let logs = ResourceLogs {
        resource: resource("log-1", &[("cloud.provider", "aws"), ("host.id", "i-7")]),
        scope_logs: vec![ScopeLogs { log_records: vec![record], ..ScopeLogs::default() }],
        ..ResourceLogs::default()
    };
    [
        traces(1, resource("web-1", &[("datadog.host.tag.team", "blue"), ("deployment.environment.name", "prod")])),
        (Signal::Metrics, ExportMetricsServiceRequest { resource_metrics: vec![metrics] }.encode_to_vec()),
        (Signal::Logs, ExportLogsServiceRequest { resource_logs: vec![logs] }.encode_to_vec()),
        traces(2, resource("web-1", &[("datadog.host.tag.team", "red")])),
    ]
}

async fn send(server: &Server, (signal, request): &(Signal, Vec<u8>)) {
    let headers = [("content-type", "application/x-protobuf")];
    let url = server.http_url(&format!("/v1/{}", signal.as_str()));
    let answer = post(&url, &headers, request.clone()).await.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

fn setup(address: &str) -> Setup {
    let settings = format!(
        "api: {{key: {KEY}}}, hostname: own-1, host_metadata: {{tags: [\"team:green\"]}}, metrics: {{endpoint: \"{address}\"}}, logs: \
         {{endpoint: \"{address}\"}}, traces: {{endpoint: \"{address}\"}}, sending_queue: {{batch: {{flush_timeout: 20ms}}}}, \
         retry_on_failure: {{initial_interval: 100ms, max_interval: 200ms}}"
    );
    let setup = Setup::default().exporter_aside("datadog", &settings);
    ["traces", "metrics", "logs"].into_iter().fold(setup, |setup, signal| {
        setup.pipeline(&format!("{signal}/datadog"), "receivers: [otlp], exporters: [datadog]")
    })
}

/// Compares the metadata of this machine with that from `gohai`, which the Collector's exporter uses.
fn is_own(own: &Json) {
    let machine: Vec<Json> = ask("machine", Vec::new());
    let machine = &machine[0];
    assert_eq!((&own["agent-flavor"], &own["otel_version"]), (&json!("spanwise"), &json!(env!("CARGO_PKG_VERSION"))));
    assert_eq!(own["host-tags"], json!({"otel": ["team:green"]}));
    assert_eq!(own["meta"]["socket-hostname"], machine["platform"]["hostname"]);
    assert_eq!((&own["meta"]["hostname"], &own["internalHostname"]), (&json!("own-1"), &json!("own-1")));
    let told = &own["gohai"];
    // The CPU frequency changes over time, and some fields are missing on some machines.
    let fields = [
        ("cpu", "vendor_id cpu_cores cpu_logical_processors model_name cache_size family model stepping"),
        ("memory", "total swap_total"),
        ("network", "ipaddress ipaddressv6 macaddress"),
        ("platform", "hostname kernel_name kernel_release machine os GOOS GOOARCH"),
    ];
    let mut compared = 0;
    for (part, names) in fields {
        for name in names.split(' ') {
            let (ours, theirs) = (told[part][name].as_str(), machine[part][name].as_str());
            assert_eq!(ours.unwrap_or_default(), theirs.unwrap_or_default(), "{part}.{name}");
            compared += usize::from(theirs.is_some());
        }
    }
    println!("the own machine: {compared} fields are those of gohai");
}

#[tokio::test(flavor = "multi_thread")]
async fn datadog_is_told_of_the_own_host_and_of_those_that_any_signal_names() {
    let _turn = heavy().await;
    let api = Api::default();
    let address = serve(Router::new().fallback(keep).with_state(api.clone())).await;
    let server = Server::start(setup(&address)).await;
    let own = until("the own host", WITHIN, || async { told(&api).into_iter().next().ok_or("none".to_owned()) }).await;
    is_own(&own);
    // The last request is about a known host, which is only resent after a minute.
    let requests = &requests()[..3];
    let expected: Vec<Json> = theirs(requests).into_iter().flat_map(|answer| answer.payloads).map(read).collect();
    assert_eq!(expected.len(), 3);
    for (number, request) in requests.iter().enumerate() {
        send(&server, request).await;
        // One at a time, because signals are delivered concurrently.
        until("a host", WITHIN, || async {
            let told = told(&api).len();
            if told == number + 2 { Ok(()) } else { Err(format!("{told} payloads")) }
        })
        .await;
    }
    assert_eq!(&told(&api)[1..], expected.as_slice());
    println!("over the wire: {} payloads as Datadog's own code makes them", expected.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn telemetry_does_not_wait_for_metadata_that_is_not_taken() {
    let _turn = heavy().await;
    let api = Api::default();
    api.lock().unwrap().is_down = true;
    let address = serve(Router::new().fallback(keep).with_state(api.clone())).await;
    let server = Server::start(setup(&address)).await;
    for request in &requests() {
        send(&server, request).await;
    }
    for path in ["/api/v0.2/traces", "/api/v2/series", "/api/v2/logs"] {
        until(path, WITHIN, || async {
            let others = api.lock().unwrap().others.clone();
            if others.iter().any(|other| other == path) { Ok(()) } else { Err(format!("{others:?}")) }
        })
        .await;
    }
    let log = server.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("cannot send host metadata")).collect();
    assert!(lines.len() == 1 && lines[0].contains("503"), "said once: {log}");
    api.lock().unwrap().is_down = false;
    let hosts = until("all hosts", WITHIN, || async {
        let told = told(&api);
        let mut hosts: Vec<String> =
            told.iter().map(|host| host["internalHostname"].as_str().unwrap().to_owned()).collect();
        hosts.sort();
        if hosts.len() == 4 { Ok(hosts) } else { Err(format!("{hosts:?}")) }
    })
    .await;
    assert_eq!(hosts, ["db-1", "i-7", "own-1", "web-1"]);
}
