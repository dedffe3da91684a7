//! The targets: real ones, except Datadog's intakes; Datadog's own types decode their metrics.

use super::cases::LONG;
use super::{CASES, Case, Seen, Signal, good};
use crate::contract::datadog::AgentPayload;
use crate::datadog_metrics::oracle::{ask, put_frame};
use crate::support::config::Setup;
use crate::support::opensearch::OpenSearch;
use crate::support::peers::{Collector, Prometheus};
use crate::support::receiver::Receiver;
use crate::support::server::Server;
use crate::support::{peer, serve, until};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use prost::Message as _;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The exporters, which are the columns of the table.
pub(super) const EXPORTERS: [&str; 5] =
    ["otlp_http", "prometheus", "prometheusremotewrite", "elasticsearch", "datadog"];

type Kept = Arc<Mutex<Vec<(String, Bytes)>>>;

pub(super) struct Targets {
    collector: Collector,
    receiver: Receiver,
    node: OpenSearch,
    intake: String,
    kept: Kept,
}

async fn keep(State(kept): State<Kept>, uri: Uri, body: Bytes) -> StatusCode {
    if uri.path() != "/api/v1/validate" {
        kept.lock().expect("no test fails while it holds this").push((uri.path().to_owned(), body));
    }
    StatusCode::ACCEPTED
}

/// What a target contains of one item: its value and its attributes.
#[derive(Default)]
struct Item {
    value: String,
    case: String,
    texts: BTreeMap<String, String>,
}

impl Item {
    fn told(&self) -> String {
        let longest = self.texts.values().map(String::len).max().unwrap_or_default();
        let many = self.texts.keys().filter(|key| key.starts_with('k') && key[1..].parse::<u32>().is_ok()).count();
        let mut told = Vec::new();
        if longest > LONG / 4 {
            told.push(format!("{longest} letters"));
        }
        if many > 0 {
            told.push(format!("{many} tags"));
        }
        if let Some(odd) = self.texts.get("odd") {
            told.push(format!("odd {odd}"));
        }
        match (self.value.is_empty(), told.is_empty()) {
            (true, true) => "as it was".to_owned(),
            (true, false) => told.join(", "),
            (false, true) => self.value.clone(),
            (false, false) => format!("{} with {}", self.value, told.join(", ")),
        }
    }
}

/// Groups the descriptions by case; several for one case are joined.
fn seen(items: impl IntoIterator<Item = Item>) -> Seen {
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for item in items {
        seen.entry(item.case.clone()).or_default().push(item.told());
    }
    let one = |mut told: Vec<String>| {
        told.sort();
        told.join(", ")
    };
    seen.into_iter().map(|(case, told)| (case, one(told))).collect()
}

impl Targets {
    pub(super) async fn start() -> Targets {
        let mut collector = Collector::writing_files();
        collector.launch();
        collector.ready().await;
        let receiver = Receiver::start(&peer("SPANWISE_PROMETHEUS"), &[], "").await;
        let kept = Kept::default();
        let intake = serve(Router::new().fallback(keep).with_state(kept.clone())).await;
        Targets { collector, receiver, node: OpenSearch::start().await, intake, kept }
    }

    /// Starts a Spanwise that exports to all targets.
    pub(super) async fn server(&self) -> Server {
        let queue = "sending_queue: {batch: {flush_timeout: 20ms}}";
        let retry = format!("retry_on_failure: {{initial_interval: 100ms}}, {queue}");
        let intake = format!("{{endpoint: \"{}\"}}", self.intake);
        let setup = Setup::default()
            .exporter("otlp_http", &format!("endpoint: \"http://127.0.0.1:{}\", {retry}", self.collector.http))
            .exporter_aside(
                "prometheusremotewrite",
                &format!("endpoint: \"{}\", {retry}", self.receiver.url("/api/v1/write")),
            )
            .pipeline("metrics/written", "receivers: [otlp], exporters: [prometheusremotewrite]")
            .exporter(
                "elasticsearch",
                &format!("endpoint: \"http://127.0.0.1:{}\", mapping: {{mode: ecs}}, {queue}", self.node.port),
            )
            .exporter(
                "datadog",
                &format!(
                    "api: {{key: 0123456789abcdef0123456789abcdef}}, hostname: web-1, compression: none, traces: {intake}, metrics: \
                     {intake}, logs: {intake}, {retry}"
                ),
            );
        let server = Server::start(setup).await;
        self.node.bring_template(&server).await;
        server
    }

    /// Returns what each target contains.
    pub(super) async fn seen(&self, server: &Server) -> BTreeMap<&'static str, Seen> {
        let scraping = &Prometheus::scraping_native(server.ports.scrape).await;
        let of_metrics = CASES.iter().filter(|case| case.signal == Signal::Metrics);
        for case in of_metrics {
            let query = format!("good{{case=\"{}\"}}", good(case));
            until("what was good to be scraped", Duration::from_secs(30), || scraping.value(&query)).await;
        }
        BTreeMap::from([
            (EXPORTERS[0], seen(self.collector.written().iter().flat_map(of_collector))),
            (EXPORTERS[1], of_prometheus(|query| async move { scraping.query(&query).await }).await),
            (
                EXPORTERS[2],
                of_prometheus(|query| async move { Ok(labelled(self.receiver.query(&query).await?)) }).await,
            ),
            (EXPORTERS[3], self.of_opensearch().await),
            (EXPORTERS[4], seen(self.of_datadog())),
        ])
    }

    async fn of_opensearch(&self) -> Seen {
        let mut items = Vec::new();
        for stream in ["metrics-generic-default", "logs-generic-default", "traces-generic-default"] {
            self.node.count(stream).await.expect("documents");
            let found = self.node.ask("POST", &format!("/{stream}/_search?size=1000"), Value::Null).await;
            let found = found.expect("a search");
            for hit in found["hits"]["hits"].as_array().expect("hits") {
                items.extend(of_document(&hit["_source"]));
            }
        }
        seen(items)
    }

    fn of_datadog(&self) -> Vec<Item> {
        let kept = self.kept.lock().expect("no test fails while it holds this");
        let mut items = Vec::new();
        let mut metrics = Vec::new();
        for (path, body) in kept.iter() {
            match path.as_str() {
                "/api/v2/series" | "/api/beta/sketches" => {
                    put_frame(&mut metrics, path.as_bytes());
                    put_frame(&mut metrics, body);
                }
                "/api/v2/logs" => {
                    let records: Vec<Value> = serde_json::from_slice(body).expect("a list of records");
                    items.extend(records.iter().filter_map(of_document));
                }
                "/api/v0.2/traces" => {
                    let payloads = AgentPayload::decode(body.clone()).expect("a payload of traces").tracer_payloads;
                    let spans = payloads.into_iter().flat_map(|payload| payload.chunks).flat_map(|chunk| chunk.spans);
                    items.extend(spans.map(|span| {
                        let texts: BTreeMap<String, String> = span.meta.into_iter().collect();
                        let numbers = span.metrics.into_iter().map(|(key, value)| (key, value.to_string()));
                        let texts = texts.into_iter().chain(numbers).collect::<BTreeMap<_, _>>();
                        Item { case: texts["case"].clone(), texts, ..Item::default() }
                    }));
                }
                _ => {}
            }
        }
        let answers: Vec<Value> = ask("payloads", metrics);
        for answer in &answers {
            for series in answer["series"].as_array().into_iter().flatten() {
                let bits = u64::from_str_radix(series["value"].as_str().expect("bits"), 16).expect("bits");
                items.push(tagged(series, f64::from_bits(bits).to_string()));
            }
            for sketch in answer["sketches"].as_array().into_iter().flatten() {
                items.push(tagged(sketch, format!("count {}", sketch["count"])));
            }
        }
        items
    }
}

/// Converts a row of Datadog's series or sketches.
fn tagged(row: &Value, value: String) -> Item {
    let tags = row["tags"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let texts: BTreeMap<String, String> =
        tags.filter_map(|tag| tag.split_once(':')).map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    Item { value, case: texts.get("case").cloned().unwrap_or_default(), texts }
}

/// Converts Prometheus' response to pairs of labels and value; NaN for native histograms, which have no single value.
fn labelled(result: Vec<Value>) -> Vec<(BTreeMap<String, String>, f64)> {
    let value = |series: &Value| series["value"][1].as_str().and_then(|value| value.parse().ok()).unwrap_or(f64::NAN);
    let labels = |series: &Value| serde_json::from_value(series["metric"].clone()).unwrap_or_default();
    result.iter().map(|series| (labels(series), value(series))).collect()
}

async fn of_prometheus<F>(mut query: impl FnMut(String) -> F) -> Seen
where
    F: Future<Output = Result<Vec<(BTreeMap<String, String>, f64)>, String>>,
{
    let mut items = Vec::new();
    let mut add = |found: Vec<(BTreeMap<String, String>, f64)>, is_count: bool| {
        for (texts, value) in found {
            let value = match value {
                value if is_count => format!("count {value}"),
                value if value == f64::NEG_INFINITY => "-Inf".to_owned(),
                value => value.to_string(),
            };
            items.push(Item { value, case: texts["case"].clone(), texts });
        }
    };
    let of_case = "{case!=\"\", le=\"\", __name__!~\".*_(count|sum|bucket)\"}";
    let counts = format!("histogram_count({of_case})");
    let all = query(of_case.to_owned()).await.expect("series");
    let native = query(counts).await.expect("histograms");
    let classic = query("{case!=\"\", __name__=~\".*_count\"}".to_owned()).await.expect("counts");
    let is_native = |labels: &BTreeMap<String, String>| native.iter().any(|(of, _)| of["case"] == labels["case"]);
    add(all.into_iter().filter(|(labels, _)| !is_native(labels)).collect(), false);
    add(native.clone(), true);
    add(classic, true);
    seen(items)
}

/// Returns the items of a request that the Collector wrote.
fn of_collector(request: &Value) -> Vec<Item> {
    let mut items = Vec::new();
    collect(request, &mut items);
    items
}

/// Collects everything with a `case` attribute, at any depth.
fn collect(value: &Value, items: &mut Vec<Item>) {
    if let Some(attributes) = value["attributes"].as_array() {
        let text = |value: &Value| match value.as_object().and_then(|value| value.values().next()) {
            Some(Value::String(text)) => text.clone(),
            other => other.map(ToString::to_string).unwrap_or_default(),
        };
        let texts: BTreeMap<String, String> = attributes
            .iter()
            .map(|attribute| (attribute["key"].as_str().unwrap_or_default().to_owned(), text(&attribute["value"])))
            .collect();
        if let Some(case) = texts.get("case").cloned() {
            let value = match (&value["asDouble"], &value["asInt"], &value["count"]) {
                (Value::Number(number), ..) => number.to_string(),
                (Value::String(text), ..) | (_, Value::String(text), _) => text.clone(),
                (.., Value::String(count)) => format!("count {count}"),
                _ => String::new(),
            };
            items.push(Item { value, case, texts });
            return;
        }
    }
    match value {
        Value::Array(values) => values.iter().for_each(|value| collect(value, items)),
        Value::Object(values) => values.values().for_each(|value| collect(value, items)),
        _ => {}
    }
}

/// Converts a document to the item it was made from.
fn of_document(document: &Value) -> Option<Item> {
    let case = document["case"].as_str()?.to_owned();
    let of = |found: &&Case| case == found.name || case == good(found);
    let case_of = CASES.iter().find(of)?;
    let mut texts = BTreeMap::new();
    for (key, value) in document.as_object()? {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        texts.insert(key.clone(), text);
    }
    let metric = if case == case_of.name { case_of.metric() } else { "good".to_owned() };
    let mut value = &document[&metric];
    if value.is_null() {
        value = metric.split('.').fold(document, |value, part| &value[part]);
    }
    let counts = value["counts"].as_array().map(|counts| counts.iter().filter_map(Value::as_u64).sum::<u64>());
    let value = match (value, counts) {
        (_, Some(count)) => format!("count {count}"),
        (Value::Number(number), None) => number.to_string(),
        _ => String::new(),
    };
    Some(Item { value, case, texts })
}
