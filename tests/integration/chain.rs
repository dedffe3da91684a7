//! A chain of Collectors with Spanwise in between: what arrives equals what was sent, and Spanwise's processors have the same
//! effect as the Collector's.

use crate::support::config::Setup;
use crate::support::otlp::post;
use crate::support::peers::Collector;
use crate::support::server::Server;
use crate::support::{heavy, now_unix_nano, serve, until};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Response};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The processors of the test, in a form that both programs read.
const PROCESSORS: &str = r#"
  resource:
    attributes:
      - {key: deployment.environment.name, value: production, action: insert}
      - {key: service.version, action: delete}
      - {key: host.alias, from_attribute: host.name, action: upsert}
  attributes/edit:
    actions:
      - {key: added.text, value: "äöü", action: insert}
      - {key: added.int, value: 7, action: insert}
      - {key: added.double, value: 2.5, action: insert}
      - {key: added.bool, value: true, action: insert}
      - {key: kept, value: never, action: insert}
      - {key: nowhere, value: never, action: update}
      - {key: kept, value: changed, action: update}
      - {key: copied, from_attribute: number, action: upsert}
      - {key: copied.from.nothing, from_attribute: nowhere, action: upsert}
      - {pattern: "^secret\\.", action: delete}
      - {key: user.email, action: hash}
      - {key: hashed.int, action: hash}
      - {key: hashed.double, action: hash}
      - {key: hashed.bool, action: hash}
      - {key: path, pattern: "^/(?P<area>[a-z]+)/(?P<id>[0-9]+)$", action: extract}
      - {key: text.number, converted_type: int, action: convert}
      - {key: text.word, converted_type: int, action: convert}
      - {key: text.double, converted_type: double, action: convert}
      - {key: number, converted_type: string, action: convert}
      - {key: hashed.list, converted_type: string, action: convert}
  attributes/some:
    include: {match_type: regexp, resources: [{key: service.name, value: "^shop"}], attributes: [{key: kept}]}
    exclude: {match_type: strict, attributes: [{key: path, value: /admin/1}]}
    actions:
      - {key: included, value: 1, action: upsert}
  attributes/points:
    include: {match_type: regexp, metric_names: ["^[gs]$"]}
    actions:
      - {key: included, value: 1, action: upsert}
"#;

/// Number of occurrences by item, serialized with its resource and scope.
type Items = BTreeMap<String, u64>;

/// Counts the items of all requests, including their resources and scopes.
fn items(requests: &[Value]) -> Items {
    let mut seen = Items::new();
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let without = |value: &Value, key: &str| {
        let mut rest = value.as_object().cloned().unwrap_or_default();
        rest.remove(key);
        Value::Object(rest)
    };
    let signals = [
        ("resourceSpans", "scopeSpans", "spans"),
        ("resourceLogs", "scopeLogs", "logRecords"),
        ("resourceMetrics", "scopeMetrics", "metrics"),
    ];
    for request in requests {
        for (resources, scopes, name) in signals {
            for resource in list(request, resources) {
                for scope in list(&resource, scopes) {
                    for item in list(&scope, name) {
                        let around = json!([without(&resource, scopes), without(&scope, name)]);
                        for item in points(&item) {
                            *seen.entry(sorted(json!([around, item])).to_string()).or_default() += 1;
                        }
                    }
                }
            }
        }
    }
    seen
}

/// Splits a metric into one item per point; returns other items unchanged.
fn points(item: &Value) -> Vec<Value> {
    let kinds = ["gauge", "sum", "histogram", "exponentialHistogram", "summary"];
    let Some(kind) = kinds.into_iter().find(|kind| item.get(*kind).is_some()) else { return vec![item.clone()] };
    let points = item[kind]["dataPoints"].as_array().cloned().unwrap_or_default();
    let alone = |point: Value| {
        let mut metric = item.clone();
        metric[kind]["dataPoints"] = json!([point]);
        metric
    };
    points.into_iter().map(alone).collect()
}

/// Sorts attributes, which have no order.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(list) => {
            let mut list: Vec<Value> = list.into_iter().map(sorted).collect();
            if list.iter().all(|entry| entry.get("key").is_some()) {
                list.sort_by_key(|entry| entry["key"].as_str().unwrap_or_default().to_owned());
            }
            Value::Array(list)
        }
        Value::Object(map) => {
            let by_key: BTreeMap<String, Value> = map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            Value::Object(by_key.into_iter().collect::<Map<_, _>>())
        }
        other => other,
    }
}

fn attribute(key: &str, value: Value) -> Value {
    json!({"key": key, "value": value})
}

/// Attributes of each type, for each action.
fn attributes(number: u64) -> Value {
    let text = |text: &str| json!({"stringValue": text});
    let path = if number.is_multiple_of(3) { "/admin/1".to_owned() } else { format!("/orders/{number}") };
    json!([
        attribute("number", json!({"intValue": number.to_string()})),
        attribute("kept", text("as it was")),
        attribute("secret.token", text("x")),
        attribute("secretive", text("stays")),
        attribute("user.email", text("a@b.example")),
        attribute("hashed.int", json!({"intValue": "-5"})),
        attribute("hashed.double", json!({"doubleValue": 1.25})),
        attribute("hashed.bool", json!({"boolValue": true})),
        attribute("hashed.list", json!({"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "<b>"}]}})),
        attribute("path", text(&path)),
        attribute("text.number", text("12")),
        attribute("text.word", text("twelve")),
        attribute("text.double", text("1.5e3")),
        attribute("map", json!({"kvlistValue": {"values": [attribute("inner", json!({"bytesValue": "AAEC"}))]}})),
        attribute("empty", json!({})),
    ])
}

/// Returns one request per signal, with every field that OTLP has.
fn requests(service: &str, number: u64) -> [(&'static str, Value); 3] {
    let now = now_unix_nano();
    let (start, end) = ((now - 5000).to_string(), now.to_string());
    let resource = json!({
        "attributes": [
            attribute("service.name", json!({"stringValue": service})), attribute("service.version", json!({"stringValue": "1"})),
            attribute("host.name", json!({"stringValue": "h1"})),
        ],
        "droppedAttributesCount": 1,
    });
    let scope = json!({"name": "lib", "version": "2", "attributes": [attribute("s", json!({"boolValue": false}))]});
    let trace_id = format!("{:032x}", now + number);
    let span = json!({
        "traceId": trace_id, "spanId": "00000000000000a1", "parentSpanId": "00000000000000a0", "traceState": "ot=th:8",
        "flags": 257, "name": "GET /orders/{id}", "kind": 2, "startTimeUnixNano": start, "endTimeUnixNano": end,
        "attributes": attributes(number), "droppedAttributesCount": 3,
        "events": [{"timeUnixNano": start, "name": "exception", "attributes": [attribute("e", json!({"stringValue": "x"}))], "droppedAttributesCount": 1}],
        "droppedEventsCount": 2,
        "links": [{"traceId": trace_id, "spanId": "00000000000000b1", "traceState": "a=b", "attributes": [attribute("l", json!({"intValue": "1"}))], "flags": 1}],
        "droppedLinksCount": 1, "status": {"code": 2, "message": "no"},
    });
    let record = json!({
        "timeUnixNano": start, "observedTimeUnixNano": end, "severityNumber": 17, "severityText": "ERROR",
        "body": {"kvlistValue": {"values": [attribute("m", json!({"stringValue": "text"}))]}}, "attributes": attributes(number),
        "flags": 1, "traceId": trace_id, "spanId": "00000000000000a1", "eventName": "order.failed",
    });
    let point = |more: Value| {
        let mut point = json!({"startTimeUnixNano": start, "timeUnixNano": end, "attributes": attributes(number)});
        point.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        point
    };
    let exemplar = json!({"timeUnixNano": end, "asDouble": 1.5, "traceId": trace_id, "spanId": "00000000000000a1"});
    let buckets = json!({"offset": 2, "bucketCounts": ["1", "2"]});
    let metrics = json!([
        {"name": "g", "description": "d", "unit": "By", "gauge": {"dataPoints": [point(json!({"asDouble": 0.5})), point(json!({"asInt": "3"}))]}},
        {"name": "s", "sum": {"aggregationTemporality": 1, "isMonotonic": true, "dataPoints": [point(json!({"asInt": "4", "exemplars": [exemplar]}))]}},
        {"name": "h", "unit": "ms", "histogram": {"aggregationTemporality": 2, "dataPoints": [point(json!({
            "count": "3", "sum": 6.0, "bucketCounts": ["1", "2"], "explicitBounds": [2.0], "min": 1.0, "max": 3.0}))]}},
        {"name": "e", "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": [point(json!({
            "count": "4", "sum": 9.0, "scale": 3, "zeroCount": "1", "positive": buckets, "zeroThreshold": 0.1}))]}},
        {"name": "q", "summary": {"dataPoints": [point(json!({"count": "2", "sum": 3.0, "quantileValues": [{"quantile": 0.5, "value": 1.0}]}))]}},
    ]);
    [
        (
            "/v1/traces",
            json!({"resourceSpans": [{"resource": resource, "schemaUrl": "r", "scopeSpans": [{"scope": scope, "schemaUrl": "s", "spans": [span]}]}]}),
        ),
        (
            "/v1/logs",
            json!({"resourceLogs": [{"resource": resource, "schemaUrl": "r", "scopeLogs": [{"scope": scope, "schemaUrl": "s", "logRecords": [record]}]}]}),
        ),
        (
            "/v1/metrics",
            json!({"resourceMetrics": [{"resource": resource, "schemaUrl": "r", "scopeMetrics": [{"scope": scope, "schemaUrl": "s", "metrics": metrics}]}]}),
        ),
    ]
}

/// Returns the processors of a signal's pipeline, without those for other signals only.
fn through<'a>(names: &'a str, signal: &str) -> String {
    let other = if signal == "metrics" { "attributes/some" } else { "attributes/points" };
    names.split(", ").filter(|name| *name != other).collect::<Vec<&'a str>>().join(", ")
}

/// Starts a Collector that applies its own processors and writes the result to a file, and forwards the original to Spanwise.
async fn front(to: u16, processors: &str, names: &str) -> Collector {
    Collector::start(|place| {
        let pipelines = ["traces", "metrics", "logs"].map(|signal| {
            let names = through(names, signal);
            format!(
                "    {signal}: {{receivers: [otlp], exporters: [otlp_grpc]}}\n    \
                     {signal}/file: {{receivers: [otlp], processors: [{names}], exporters: [file]}}\n"
            )
        });
        let pipelines = pipelines.concat();
        format!(
            "receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{}'}}}}}}}}\n{processors}\n\
             exporters:\n  file: {{path: {:?}, rotation: {{max_megabytes: 1000}}}}\n  \
             otlp_grpc: {{endpoint: '127.0.0.1:{to}', tls: {{insecure: true}}}}\n\
             extensions: {{health_check: {{endpoint: '127.0.0.1:{}'}}}}\nservice:\n  extensions: [health_check]\n  \
             telemetry: {{metrics: {{level: none}}}}\n  pipelines:\n{pipelines}",
            place.http,
            place.folder.join("out.json").display(),
            place.health
        )
    })
    .await
}

async fn chain(protocol: &str, processors: &str, names: &str) {
    let mut behind = Collector::writing_files();
    behind.launch();
    behind.ready().await;
    let endpoint = match protocol {
        "otlp_grpc" => format!("endpoint: 127.0.0.1:{}, tls: {{insecure: true}}, compression: zstd", behind.grpc),
        _ => format!("endpoint: \"http://127.0.0.1:{}\"", behind.http),
    };
    let mut setup = Setup::default().processors(processors).exporter_aside(protocol, &endpoint);
    for signal in ["traces", "metrics", "logs"] {
        let names = through(names, signal);
        let pipeline = format!("receivers: [otlp], processors: [{names}], exporters: [{protocol}]");
        setup = setup.pipeline(&format!("{signal}/on"), &pipeline);
    }
    let server = Server::start(setup).await;
    let before = front(server.ports.grpc, processors, names).await;
    for number in 0..12 {
        let service = if number % 2 == 0 { "shop" } else { "billing" };
        for (path, body) in requests(service, number) {
            let url = format!("http://127.0.0.1:{}{path}", before.http);
            let answer =
                post(&url, &[("content-type", "application/json")], body.to_string()).await.expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    }
    let (wanted, found) = until("both Collectors to have everything", Duration::from_secs(30), || async {
        let (wanted, found) = (items(&before.written()), items(&behind.written()));
        let count = |items: &Items| items.values().sum::<u64>();
        // A span, a record and six points from each of twelve requests.
        if count(&wanted) == 12 * 8 && count(&found) >= 12 * 8 {
            Ok((wanted, found))
        } else {
            Err(format!("{} and {}", count(&wanted), count(&found)))
        }
    })
    .await;
    for (item, times) in &wanted {
        let near = found.keys().find(|other| other.get(..60) == item.get(..60));
        assert_eq!(found.get(item), Some(times), "{item}\nfound, perhaps in its place: {near:?}");
    }
    assert_eq!(wanted, found);
    println!("chain over {protocol} with processors [{names}]: {} items, differences: 0", wanted.values().sum::<u64>());
}

#[tokio::test(flavor = "multi_thread")]
async fn through_a_chain_of_collectors_every_item_arrives_as_it_was_sent() {
    let _turn = heavy().await;
    chain("otlp_grpc", "processors: {batch: }", "batch").await;
    chain("otlp_http", "processors: {batch: }", "batch").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processors_change_what_the_collectors_change() {
    let _turn = heavy().await;
    chain(
        "otlp_grpc",
        &format!("processors:{PROCESSORS}"),
        "resource, attributes/edit, attributes/some, attributes/points",
    )
    .await;
}

type Bodies = Arc<Mutex<Vec<Bytes>>>;

/// Encodes a string field that no version of OTLP has.
fn unknown(number: u8) -> Vec<u8> {
    // Field 2000, length-delimited: 2000 << 3 | 2 = 16002, as a varint 0x82 0x7d.
    [&[0x82, 0x7d, 3][..], &[b'u', b'n', number]].concat()
}

fn field(number: u8, inner: &[u8]) -> Vec<u8> {
    let length = u8::try_from(inner.len()).expect("a short message");
    assert!(length < 128, "one byte of length");
    [&[number << 3 | 2, length][..], inner].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_no_version_knows_are_passed_on_also_beside_what_is_changed() {
    async fn keep(State(bodies): State<Bodies>, headers: HeaderMap, request: Request) -> Response<Body> {
        assert!(!headers.contains_key("content-encoding"), "sent as it is");
        let body = axum::body::to_bytes(request.into_body(), usize::MAX).await.expect("a body");
        bodies.lock().expect("no test fails while it holds this").push(body);
        Response::new(Body::empty())
    }
    let bodies = Bodies::default();
    let address = serve(Router::new().fallback(keep).with_state(bodies.clone())).await;
    let exporter =
        format!("endpoint: \"{address}\", compression: none, sending_queue: {{batch: {{flush_timeout: 10ms}}}}");
    let setup = Setup::default()
        .processors("processors: {resource: {attributes: [{key: a, value: b, action: insert}]}}")
        .exporter_aside("otlp_http/as-it-is", &exporter)
        .exporter_aside("otlp_http/changed", &exporter)
        .pipeline("traces/as-it-is", "receivers: [otlp], exporters: [otlp_http/as-it-is]")
        .pipeline("traces/changed", "receivers: [otlp], processors: [resource], exporters: [otlp_http/changed]");
    let server = Server::start(setup).await;

    let ids = [field(1, &[7; 16]), field(2, &[9; 8])].concat();
    // Start and end, fixed64 each.
    let times = [&[0x39][..], &now_unix_nano().to_le_bytes(), &[0x41], &now_unix_nano().to_le_bytes()].concat();
    let span = [ids, field(5, b"name"), times, unknown(b'1')].concat();
    let scope = [field(2, &span), unknown(b'2')].concat();
    let resource = |attributes: &[u8]| field(1, &[attributes, &unknown(b'3')].concat());
    let request = |resource: Vec<u8>| field(1, &[resource, field(2, &scope), unknown(b'4')].concat());
    let sent = request(resource(&[]));
    let headers = [("content-type", "application/x-protobuf")];
    let answer = post(&server.http_url("/v1/traces"), &headers, sent.clone()).await.expect("an answer");
    assert_eq!((answer.status, answer.text().as_str()), (200, ""), "all of it is taken");

    // KeyValue {key: "a", value: AnyValue {string_value: "b"}}, added to the attributes of the resource.
    let attribute = field(1, &[field(1, b"a"), field(2, &field(1, b"b"))].concat());
    let behind_it = request(field(1, &[unknown(b'3'), attribute].concat()));
    until("both to arrive", Duration::from_secs(20), || async {
        let found = bodies.lock().expect("no test fails while it holds this").clone();
        let has = |wanted: &[u8]| found.iter().any(|body| body == wanted);
        if has(&sent) && has(&behind_it) {
            Ok(())
        } else {
            Err(format!("{found:x?}; wanted {sent:x?} and {behind_it:x?}"))
        }
    })
    .await;
}
