//! Logs, spans and data points in a real OpenSearch that is killed and restarted: each is found once, and a rejected document
//! affects no others.

use crate::support::config::Setup;
use crate::support::opensearch::OpenSearch;
use crate::support::otlp::{post, route_span, send, traces};
use crate::support::server::Server;
use crate::support::{heavy, now_unix_nano, until};
use serde_json::{Value, json};
use std::time::Duration;

/// Logs, spans and data points in each part of the test, sent ten per request.
const PART: u64 = 300;
const AT_ONCE: u64 = 10;

const LOGS: &str = "logs-generic-default";
const SPANS: &str = "traces-generic-default";
const POINTS: &str = "metrics-generic-default";

fn attributes(pairs: &[(&str, Value)]) -> Value {
    let attribute = |(key, value): &(&str, Value)| match value {
        Value::String(text) => json!({"key": key, "value": {"stringValue": text}}),
        number => json!({"key": key, "value": {"intValue": number.to_string()}}),
    };
    pairs.iter().map(attribute).collect()
}

fn log(number: u64, attempt: Value, more: &str) -> Value {
    json!({
        "timeUnixNano": now_unix_nano().to_string(), "severityNumber": 17, "severityText": "ERROR",
        "body": {"stringValue": format!("order {number} failed {more}")},
        "traceId": format!("{:032x}", number + 1), "spanId": format!("{:016x}", number + 1),
        "attributes": attributes(&[("order.number", number.into()), ("attempt", attempt)]),
    })
}

async fn send_logs(server: &Server, records: Vec<Value>) {
    let resource = attributes(&[
        ("service.name", "shop".into()),
        ("service.instance.id", "shop-1".into()),
        ("deployment.environment.name", "test".into()),
        ("k8s.pod.name", "shop-abc".into()),
    ]);
    let resource_logs = json!({"resource": {"attributes": resource}, "scopeLogs": [{"logRecords": records}]});
    send_json(server, "/v1/logs", json!({"resourceLogs": [resource_logs]})).await;
}

async fn send_json(server: &Server, path: &str, body: Value) {
    let answer = post(&server.http_url(path), &[("content-type", "application/json")], body.to_string()).await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// Sends one part: `PART` logs, spans and data points.
async fn send_part(server: &Server, part: u64) {
    let resource = json!({"attributes": attributes(&[("service.name", "shop".into())])});
    for request in 0..PART / AT_ONCE {
        let first = part * PART + request * AT_ONCE;
        let numbers = first..first + AT_ONCE;
        send_logs(server, numbers.clone().map(|number| log(number, 1.into(), "")).collect()).await;
        let spans = numbers.clone().map(|number| route_span(number, "GET", "/products/{id}", 3.0)).collect();
        send(&server.http_url("/v1/traces"), &traces("shop", spans)).await;
        let now = now_unix_nano().to_string();
        let point = |number: u64| json!({"timeUnixNano": now, "asInt": number.to_string(), "attributes": attributes(&[("queue", format!("q{number}").into())])});
        let gauge = json!({"name": "queue_length", "gauge": {"dataPoints": numbers.map(point).collect::<Vec<_>>()}});
        let metrics = json!({"resource": resource, "scopeMetrics": [{"metrics": [gauge]}]});
        send_json(server, "/v1/metrics", json!({"resourceMetrics": [metrics]})).await;
    }
}

async fn counted(node: &OpenSearch, server: &Server, parts: u64) {
    until("OpenSearch to hold everything", Duration::from_mins(2), || async {
        let mut found = Vec::new();
        for stream in [LOGS, SPANS, POINTS] {
            found.push(node.count(stream).await?);
        }
        if found == [parts * PART; 3] {
            return Ok(());
        }
        Err(format!("{found:?} of {}; exporters: {:?}", parts * PART, server.try_sql("SELECT * FROM exporters").await?))
    })
    .await;
}

fn settings(port: u16) -> String {
    format!(
        "endpoints: [\"http://127.0.0.1:{port}\"], mapping: {{mode: ecs}}, retry: {{initial_interval: 100ms, max_interval: 500ms}}, \
         sending_queue: {{num_consumers: 4, batch: {{flush_timeout: 100ms, min_size: 100, max_size: 100}}}}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opensearch_that_is_killed_and_returns_holds_everything_once() {
    let _turn = heavy().await;
    let mut node = OpenSearch::start().await;
    // A second exporter without document ids, so without deduplication.
    let plain = "deduplicate: false, logs_index: plain, metrics_index: plain, traces_index: plain";
    let plain = format!("{}, {plain}", settings(node.port));
    let setup =
        Setup::default().exporter("elasticsearch", &settings(node.port)).exporter("elasticsearch/plain", &plain);
    let mut server = Server::start(setup).await;
    node.bring_template(&server).await;
    send_part(&server, 0).await;
    counted(&node, &server, 1).await;

    // Kills OpenSearch while it receives.
    let killing = async {
        until("a part to arrive", Duration::from_secs(30), || async {
            let found = node.count(LOGS).await?;
            if found > PART { Ok(()) } else { Err(found.to_string()) }
        })
        .await;
        node.kill9();
    };
    tokio::join!(send_part(&server, 1), killing);
    node.launch().await;
    counted(&node, &server, 2).await;

    // Kills the sender while it sends; resent documents are recognized by their ids.
    send_part(&server, 2).await;
    server.kill9();
    server.start_again().await;
    send_part(&server, 3).await;
    counted(&node, &server, 4).await;
    for (stream, mapping) in [(LOGS, "logs"), (SPANS, "spans"), (POINTS, "data points")] {
        println!(
            "OpenSearch counts: {:>4} {mapping:<11} sent, {:>4} found",
            4 * PART,
            node.count(stream).await.expect("a count")
        );
    }
    let all = 3 * 4 * PART;
    let found = until("the documents without ids", Duration::from_mins(1), || async {
        let found = node.count("plain").await?;
        if found >= all { Ok(found) } else { Err(format!("{found} of {all}")) }
    })
    .await;
    println!("OpenSearch counts: {all:>4} without ids  sent, {found:>4} found");
    assert!(server.number("SELECT sum(dead_letters) FROM exporters").await.abs() < 0.5, "{}", server.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_searched_by_the_fields_of_ecs() {
    let _turn = heavy().await;
    let node = OpenSearch::start().await;
    let server = Server::start(Setup::default().exporter("elasticsearch", &settings(node.port))).await;
    node.bring_template(&server).await;
    send_part(&server, 0).await;
    counted(&node, &server, 1).await;
    let found = node.only(LOGS, &[("order.number", 7.into()), ("service.environment", "test".into())]).await;
    let expected = json!({
        "message": "order 7 failed ", "log": {"level": "ERROR"}, "event": {"severity": 17}, "attempt": 1,
        "order": {"number": 7}, "trace": {"id": format!("{:032x}", 8)}, "span": {"id": format!("{:016x}", 8)},
        "service": {"name": "shop", "environment": "test", "node": {"name": "shop-1"}},
        "kubernetes": {"pod": {"name": "shop-abc"}}, "agent": {"name": "otlp"},
        "data_stream": {"type": "logs", "dataset": "generic", "namespace": "default"}, "@timestamp": found["@timestamp"],
    });
    assert_eq!(found, expected);
    let id = format!("{:016x}", 8);
    let span = node.only(SPANS, &[("span.id", id.into()), ("span.kind", "SERVER".into())]).await;
    assert_eq!((&span["span"]["name"], &span["event"]["duration"]), (&json!("GET /products/{id}"), &json!(3_000_000)));
    assert_eq!(
        span["http"],
        json!({"request": {"method": "GET"}, "response": {"status_code": 200}, "route": "/products/{id}"})
    );
    let point = node.only(POINTS, &[("queue", "q7".into())]).await;
    assert_eq!((&point["queue_length"], &point["service"]["name"]), (&json!(7), &json!("shop")));
    let words = json!({"query": {"match": {"message": "order 7 failed"}}});
    let answer = node.ask("POST", &format!("/{LOGS}/_search"), words).await.expect("a search");
    assert_eq!(answer["hits"]["hits"][0]["_source"]["order"]["number"], 7, "the text is searched by its words");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_opensearch_refuses_costs_only_itself() {
    let _turn = heavy().await;
    let node = OpenSearch::start().await;
    let server = Server::start(Setup::default().exporter("elasticsearch", &settings(node.port))).await;
    node.bring_template(&server).await;
    // The first log maps `attempt` as a number.
    send_logs(&server, vec![log(0, 1.into(), "")]).await;
    until("the first log", Duration::from_secs(30), || async {
        let found = node.count(LOGS).await?;
        if found == 1 { Ok(()) } else { Err(found.to_string()) }
    })
    .await;
    let poison = log(50, "many".into(), "");
    let records = (1..100).map(|number| if number == 50 { poison.clone() } else { log(number, 1.into(), "") });
    send_logs(&server, records.collect()).await;
    // An attribute longer than the limit for keywords is kept; a document larger than a request is not.
    send_logs(&server, vec![log(100, 1.into(), &"x".repeat(70_000)), log(101, 1.into(), &"x".repeat(3_000_000))]).await;
    let long = json!({"key": "long", "value": {"stringValue": "y".repeat(70_000)}});
    let mut with_long = log(102, 1.into(), "");
    with_long["attributes"].as_array_mut().expect("a list").push(long);
    send_logs(&server, vec![with_long]).await;
    let letters = "SELECT items, reason FROM dead_letters WHERE exporter = 'elasticsearch' ORDER BY reason";
    let rows = until("two dead letters", Duration::from_mins(1), || async {
        let rows = server.try_sql(letters).await?;
        if rows.len() == 2 { Ok(rows) } else { Err(format!("{rows:?}; {}", server.log())) }
    })
    .await;
    let reason = |at: usize| rows[at]["reason"].as_str().unwrap_or_default().to_owned();
    assert!(
        reason(0).starts_with("400: mapper_parsing_exception: failed to parse field [attempt] of type [long]"),
        "{rows:?}"
    );
    assert!(reason(0).contains("Preview of field's value: 'many'"), "{rows:?}");
    assert!(reason(1).starts_with("413 Payload Too Large"), "{rows:?}");
    assert_eq!((&rows[0]["items"], &rows[1]["items"]), (&json!(1), &json!(1)));
    until("the others", Duration::from_secs(30), || async {
        let found = node.count(LOGS).await?;
        if found == 101 { Ok(()) } else { Err(format!("{found} of 101")) }
    })
    .await;
    let kept = node.only(LOGS, &[("order.number", 102.into())]).await;
    assert_eq!(kept["long"].as_str().map(str::len), Some(70_000));
    println!("OpenSearch counts:  103 logs sent, 101 found, 2 refused for good: {} | {}", reason(0), reason(1));
}

/// An index named by the sender that cannot be created, and one that is read-only, do not hold up other documents.
#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_its_sender_addressed_holds_up_no_others() {
    let _turn = heavy().await;
    let node = OpenSearch::start().await;
    let only = json!({"persistent": {"action.auto_create_index": "+logs-*,+closed"}});
    node.ask("PUT", "/_cluster/settings", only).await.expect("the setting is taken");
    let closed = json!({"settings": {"index.blocks.write": true}});
    node.ask("PUT", "/closed", closed).await.expect("an index that is not written to");
    let server = Server::start(Setup::default().exporter("elasticsearch", &settings(node.port))).await;
    node.bring_template(&server).await;
    let addressed = |number: u64, index: &str| {
        let mut record = log(number, 1.into(), "");
        let own = attributes(&[("elasticsearch.index", index.into())]);
        record["attributes"].as_array_mut().expect("a list").extend(own.as_array().cloned().expect("a list"));
        record
    };
    send_logs(&server, vec![addressed(0, "nobodys")]).await;
    let of_all = (1..=10).map(|number| match number {
        3 => addressed(number, "nobodys"),
        7 => addressed(number, "closed"),
        _ => log(number, 1.into(), ""),
    });
    send_logs(&server, of_all.collect()).await;
    until("the others", Duration::from_secs(30), || async {
        let found = node.count(LOGS).await?;
        if found == 8 { Ok(()) } else { Err(format!("{found} of 8")) }
    })
    .await;
    server.until_number("SELECT sum(items) FROM dead_letters WHERE exporter = 'elasticsearch'", 3.0).await;
    server.until_number("SELECT lag_frames FROM exporters WHERE signal = 'logs'", 0.0).await;
    let reasons = server.sql("SELECT DISTINCT reason FROM dead_letters ORDER BY reason").await;
    let told: Vec<&str> = reasons.iter().filter_map(|row| row["reason"].as_str()).collect();
    assert!(told.iter().all(|reason| reason.ends_with("(its own attributes set its destination)")), "{told:?}");
    assert_eq!(told.iter().map(|reason| &reason[..3]).collect::<Vec<_>>(), ["403", "404"], "{told:?}");
    println!("OpenSearch counts:   11 logs sent, 8 found, 3 refused for good: {}", told.join(" | "));
}
