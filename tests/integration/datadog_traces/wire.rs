//! The payloads that a running Spanwise sends. The local Agent is Datadog's test agent, the intake a server on loopback.
//! Datadog's own types decode both, and the results are compared with those of its own Agent for the same requests.

use super::now;
use super::oracle::{Question, Report, Sent, ask_lines};
use super::requests::{count, expected, questions};
use super::test_agent::{CHECKS, LEFT_OUT, TestAgent};
use crate::support::config::Setup;
use crate::support::otlp::send;
use crate::support::server::Server;
use crate::support::{heavy, peer, serve, until};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use serde_json::{Value, json};
use spanwise::exporters::datadog::traces::{self, AgentTraces, TraceChunk, TracerPayload};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Path of statistics.
const STATS: &str = "/v0.6/stats";

/// Bodies received by an intake, with their paths, in order.
type Kept = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

async fn keep(State(kept): State<Kept>, uri: Uri, headers: HeaderMap, body: Bytes) -> StatusCode {
    // Key validation at startup.
    if uri.path() == "/api/v1/validate" {
        return StatusCode::OK;
    }
    let mut plain = Vec::new();
    match headers.get("content-encoding").and_then(|encoding| encoding.to_str().ok()) {
        Some("gzip") => drop(flate2::read::GzDecoder::new(&*body).read_to_end(&mut plain).expect("gzip")),
        other => panic!("expected gzip, found {other:?}"),
    }
    kept.lock().unwrap().push((uri.path().to_owned(), plain));
    StatusCode::ACCEPTED
}

async fn intake() -> (Kept, String) {
    let kept = Kept::default();
    let address = serve(Router::new().fallback(keep).with_state(kept.clone())).await;
    (kept, address)
}

/// Merges groups of statistics with the same key, because batches have other boundaries than requests.
fn merged(groups: Vec<Value>) -> Value {
    let mut by_key: BTreeMap<String, Value> = BTreeMap::new();
    for group in groups {
        let key = group["key"].as_str().expect("a key").to_owned();
        let sum = by_key
            .entry(key)
            .or_insert_with(|| json!({"key": group["key"], "peer_tags": group["peer_tags"], "ok": {}, "failed": {}}));
        for field in ["hits", "top_level_hits", "errors", "duration"] {
            sum[field] = json!(sum[field].as_u64().unwrap_or(0) + group[field].as_u64().expect("a number"));
        }
        for field in ["ok", "failed"] {
            for (bin, count) in group[field].as_object().expect("bins") {
                // The positions of bins are the same for all.
                let is_place = bin == "gamma" || bin == "offset";
                let before = if is_place { 0.0 } else { sum[field][bin].as_f64().unwrap_or(0.0) };
                sum[field][bin] = json!(before + count.as_f64().expect("a number"));
            }
        }
    }
    by_key.into_values().collect()
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// Compares decoded payloads with the Agent's own.
fn hold(title: &str, asked: &Question, agent: &Value, wire: &Value) {
    let side = json!({"traces": wire["traces"], "stats": merged(list(&wire["stats"]))});
    let mut report = Report::default();
    report.compare(0, asked, &json!({"agent": agent, "spanwise": side, "local": side}));
    // Our result has two formats; here there is only one.
    report.compared.retain(|kind, _| !kind.starts_with("local"));
    println!("{title}, off the wire\n{}", report.table());
    for difference in report.differences.iter().take(20) {
        println!("{difference}");
    }
    assert!(report.differences.is_empty(), "{title}: {} differences", report.differences.len());
    assert!(report.compared["spans"].0 > 500 && report.compared["sketch bins"].0 > 500, "{:?}", report.compared);
}

async fn until_sent(server: &Server, exporter: &str, items: u64) {
    until(&format!("{items} spans to go to {exporter}"), Duration::from_mins(3), || async {
        let query = format!(
            "SELECT sent_items, refused_items, dead_letters, lag_frames FROM exporters WHERE exporter = '{exporter}' AND signal = 'traces'"
        );
        let rows = server.try_sql(&query).await?;
        let row = rows.first().ok_or("no such exporter")?;
        let refused = (row["refused_items"].as_u64(), row["dead_letters"].as_u64());
        assert_eq!(refused, (Some(0), Some(0)), "{exporter} refuses nothing: {}", server.log());
        let is_done = row["sent_items"].as_u64() == Some(items) && row["lag_frames"].as_u64() == Some(0);
        if is_done { Ok(()) } else { Err(row.to_string()) }
    })
    .await;
}

/// Returns the bodies received by the test agent, in base64; asserts that none has a content encoding or API key.
fn taken(requests: &[Value]) -> Sent {
    let mut sent = Sent::default();
    for request in requests {
        let header = |name: &str| request["headers"][name].as_str();
        assert_eq!((header("content-type"), header("content-encoding")), (Some("application/msgpack"), None));
        assert_eq!(header("dd-api-key"), None);
        let list = if request["path"] == STATS { &mut sent.local_stats } else { &mut sent.local_traces };
        list.push(request["body"].as_str().expect("a body").to_owned());
    }
    sent
}

/// Sends the same requests to the receiver of Datadog's own Agent: it accepts each completely and interprets each header as
/// intended. Returns the numbers of chunks and groups.
fn received(requests: &[Value]) -> (u64, u64) {
    let bare = requests.iter().map(|request| json!({"path": request["path"], "headers": {}, "body": request["body"]}));
    let lines = requests.iter().cloned().chain(bare);
    let told = ask_lines(&peer("SPANWISE_DATADOG"), "receiver", lines, None);
    let (with, without) = told.split_at(requests.len());
    let (mut chunks, mut groups, mut containers, mut rows) = (0, 0, 0, 0);
    for ((request, told), bare) in requests.iter().zip(with).zip(without) {
        assert_eq!(told["status"], 200, "{told}");
        let number = |field: &str| told[field].as_u64().expect("a number");
        let computed = |told: &Value| ["computed_stats", "computed_top_level"].map(|done| told[done] == true);
        if request["path"] == STATS {
            groups += number("groups");
            assert_eq!(told["container_id"], told["container_in_body"]);
            // The Agent uses the header, not the body: without the header there is no container.
            assert_eq!(bare["container_id"], "");
            containers += u64::from(told["container_id"] != "");
            continue;
        }
        let count = request["headers"]["x-datadog-trace-count"].as_str().and_then(|count| count.parse().ok());
        assert_eq!((count, computed(told), computed(bare)), (Some(number("chunks")), [true; 2], [false; 2]));
        assert_eq!(request["headers"]["datadog-meta-tracer-version"], told["tracer_version"]);
        chunks += number("chunks");
        rows += 1;
    }
    assert!(containers > 0, "some statistics are of a container");
    println!(
        "the Agent's own receiver: {rows} requests of {chunks} chunks, {groups} groups of statistics, {containers} payloads of a container"
    );
    (chunks, groups)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_and_an_intake_get_what_datadogs_own_agent_makes_of_the_same() {
    let _turn = heavy().await;
    let agent = TestAgent::start().await;
    let (kept, address) = intake().await;
    let common = "hostname: collector-host, sending_queue: {num_consumers: 1, batch: {flush_timeout: 20ms}}";
    let to_intake = format!(
        "api: {{key: 0123456789abcdef0123456789abcdef}}, host_metadata: {{enabled: false}}, metrics: {{endpoint: \"{address}\"}}, logs: \
         {{endpoint: \"{address}\"}}, traces: {{endpoint: \"{address}\"}}, {common}"
    );
    let to_agent = format!("send_to: agent, traces: {{endpoint: \"{}\"}}, {common}", agent.url(""));
    let setup = Setup::default().exporter_aside("datadog/agent", &to_agent).exporter_aside("datadog", &to_intake);
    let setup = setup.pipeline("traces/datadog", "receivers: [otlp], exporters: [datadog, datadog/agent]");
    let server = Server::start(setup).await;
    let questions = questions(now());
    for asked in &questions {
        send(&server.http_url("/v1/traces"), &asked.request).await;
    }
    let items = questions.iter().map(|asked| count(&asked.request)).sum();
    until_sent(&server, "datadog/agent", items).await;
    until_sent(&server, "datadog", items).await;

    // The test agent received everything, and no check failed.
    let (chunks, spans, traces) = expected(&questions);
    let requests = agent.requests().await;
    let mut sent = taken(&requests);
    let (told, groups) = received(&requests);
    let decoded = agent.traces().await;
    let decoded_spans: Vec<&Value> = decoded.iter().flatten().collect();
    assert_eq!((told, decoded_spans.len() as u64, decoded.len()), (chunks, spans, traces));
    let with_events = decoded_spans.iter().filter(|span| span["meta"]["events"].is_string()).count();
    assert_eq!(agent.failures().await, []);
    println!(
        "ddapm-test-agent: {spans} spans of {chunks} chunks in {} requests, {with_events} with events",
        sent.local_traces.len()
    );
    println!("{:<28}{:>8}{:>8}{:>8}", "check", "passed", "failed", "skipped");
    for check in CHECKS {
        let [passed, failed, skipped] = agent.results(check).await;
        println!("{check:<28}{passed:>8}{failed:>8}{skipped:>8}");
        let each = if check == "meta_events_is_valid_json" { spans } else { sent.local_traces.len() as u64 };
        assert_eq!([passed, failed, skipped], [each, 0, 0], "{check} looked at all there is");
    }
    for (check, reason) in LEFT_OUT {
        println!("{check:<28}left out: it {reason}");
    }
    assert!(with_events > 10, "{with_events}");

    // Both wires, decoded by Datadog's own types, compared with its own Agent.
    for (path, body) in kept.lock().unwrap().iter() {
        let list = if path == "/api/v0.2/stats" { &mut sent.stats } else { &mut sent.traces };
        list.push(STANDARD.encode(body));
    }
    let wire = Question::new(questions[0].settings.clone(), ExportTraceServiceRequest::default(), now());
    let lines = questions.iter().map(|asked| asked.with(&Sent::default())).chain([wire.with(&sent)]);
    let mut answers = ask_lines(&peer("SPANWISE_DATADOG"), "traces", lines, None);
    let read = answers.pop().expect("an answer to the wire");
    assert_eq!(answers.len(), questions.len());
    let all = |field: &str| answers.iter().flat_map(|answer| list(&answer["agent"][field])).collect::<Vec<Value>>();
    let agents = json!({"traces": all("traces"), "stats": merged(all("stats"))});
    hold("a local Agent", &wire, &agents, &read["local"]);
    hold("the intake", &wire, &agents, &read["spanwise"]);

    // Statistics as decoded by the test agent.
    let counted = agent.stats().await;
    let buckets: Vec<Value> = counted.iter().flat_map(|payload| list(&payload["Stats"])).collect();
    let decoded_groups: Vec<Value> = buckets.iter().flat_map(|bucket| list(&bucket["Stats"])).collect();
    let hits = |groups: &[Value], key: &str| groups.iter().filter_map(|group| group[key].as_u64()).sum::<u64>();
    let ours = list(&read["local"]["stats"]);
    assert_eq!((decoded_groups.len() as u64, ours.len() as u64), (groups, groups));
    assert_eq!(hits(&decoded_groups, "Hits"), hits(&ours, "hits"));
    assert_eq!(hits(&decoded_groups, "Hits"), hits(&list(&agents["stats"]), "hits"), "the Agent's own count");
    println!("statistics: {groups} groups in {} buckets, {} hits", buckets.len(), hits(&decoded_groups, "Hits"));
    bought(&decoded);
}

/// Checks the purchase as decoded by the test agent.
fn bought(decoded: &[Vec<Value>]) {
    let id = 0x7777_7777_7777_7777_u64;
    let trace = decoded.iter().find(|trace| trace[0]["trace_id"] == id).expect("the purchase");
    let of =
        |span: &Value| ["service", "name", "resource", "type"].map(|field| span[field].as_str().unwrap().to_owned());
    let mut shown: Vec<[String; 4]> = trace.iter().map(of).collect();
    shown.sort();
    let rows = [
        ["shop", "http.client.request", "GET", "http"],
        ["shop", "http.server.request", "POST /buy", "web"],
        ["shop", "postgresql.query", "SELECT stock FROM goods WHERE id = ?", "sql"],
        ["warehouse", "http.server.request", "GET /goods", "web"],
    ];
    assert_eq!(shown, rows.map(|row| row.map(str::to_owned)));
    let failed = trace.iter().find(|span| span["service"] == "warehouse").expect("the warehouse");
    let tags = ["error.msg", "_dd.span_events.has_exception", "env", "version"];
    let told = tags.map(|tag| failed["meta"][tag].as_str().unwrap_or("-"));
    assert_eq!((failed["error"].as_u64(), told), (Some(1), ["empty", "true", "prod", "1.4"]));
}

/// Builds a request with one span that has the given tags.
fn by_hand(tags: &[(&str, String)]) -> AgentTraces {
    let meta = tags.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let span = traces::Span { trace_id: 1, span_id: 2, name: "by hand".to_owned(), meta, ..traces::Span::default() };
    let chunks = vec![TraceChunk { spans: vec![span], ..TraceChunk::default() }];
    let payload = TracerPayload { chunks, tracer_version: "otlp-1".to_owned(), ..TracerPayload::default() };
    AgentTraces::of(&payload.encode_to_vec().into()).expect("traces")
}

/// Each check that passes above fails on faulty input.
#[tokio::test(flavor = "multi_thread")]
async fn a_fault_is_found_by_each_check_of_the_test_agent() {
    let agent = TestAgent::start().await;
    let good = [
        ("content-type", "application/msgpack"),
        ("x-datadog-trace-count", "1"),
        ("datadog-meta-tracer-version", "otlp-1"),
    ];
    let answer = agent.post(&good, by_hand(&[]).body).await;
    assert_eq!((answer.status, agent.failures().await), (200, Vec::new()), "{}", answer.text());
    let one_more = [good[0], ("x-datadog-trace-count", "2"), good[2]];
    let faults = [
        (CHECKS[0], &one_more[..], by_hand(&[])),
        (CHECKS[1], &good[..2], by_hand(&[])),
        (CHECKS[2], &good[..], by_hand(&[("long", "x".repeat(50_000_000))])),
        (CHECKS[3], &good[..], by_hand(&[("events", "[no JSON".to_owned())])),
    ];
    for (check, headers, request) in faults {
        let status = agent.post(headers, request.body).await.status;
        let found: Vec<String> = agent.failures().await.into_iter().map(|(check, _)| check).collect();
        assert_eq!((status, &found[..]), (400, &[check.to_owned()][..]));
        println!("seeded fault found by {check}");
        agent.forget_failures().await;
    }
    // No check covers undecodable input, but it is rejected anyway.
    let body = by_hand(&[]).body;
    assert_eq!(agent.post(&good, body.slice(..body.len() - 3)).await.status, 400);
}
