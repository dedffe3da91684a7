//! Elasticsearch in the contract tests: decodes `_bulk` requests and answers as a cluster does.

use super::exporters::{Exporter, Item, Signal, Verdict, number};
use axum::body::Body;
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use serde_json::{Value, json};

pub(super) const fn elasticsearch(signal: Signal) -> Exporter {
    Exporter { kind: "elasticsearch", signal, lacks: &[], settings, handshake: |_| None, items, answer }
}

fn settings(port: u16) -> String {
    format!("endpoint: \"http://127.0.0.1:{port}\", compression: none, mapping: {{mode: ecs}}")
}

/// Returns the items of a `_bulk` request, in which each action is followed by its document.
fn items(path: &str, body: &Bytes) -> Vec<Item> {
    assert_eq!(path, "/_bulk");
    let lines: Vec<Value> =
        serde_json::Deserializer::from_slice(body).into_iter().map(|line| line.expect("JSON")).collect();
    let item = |pair: &[Value]| {
        let document = &pair[1];
        let name = document["span"]["name"].as_str().or(document["number"].as_str()).map(number);
        let number = name.or(document["contract"].as_u64()).expect("a number of the test");
        Item { number, series: document["series"].as_str().unwrap_or_default().to_owned() }
    };
    lines.chunks(2).map(item).collect()
}

fn answer(_path: &str, items: &[Item], verdict: &Verdict) -> Response<Body> {
    let answer = Response::builder().header("content-type", "application/json");
    let one = |item: &Item| match verdict {
        Verdict::But(number) if *number == item.number => {
            json!({"create": {"status": 400, "error": {"type": "mapper_parsing_exception", "reason": "failed to parse"}}})
        }
        _ => json!({"create": {"status": 201}}),
    };
    let items: Vec<Value> = items.iter().map(one).collect();
    let of_each = json!({"errors": matches!(verdict, Verdict::But(_)), "items": items}).to_string();
    let error = |kind: &str| json!({"error": {"type": kind, "reason": "as the case has it"}}).to_string();
    let (status, body, answer) = match verdict {
        Verdict::Taken | Verdict::But(_) => (StatusCode::OK, of_each, answer),
        Verdict::Refused => (StatusCode::BAD_REQUEST, error("illegal_argument_exception"), answer),
        Verdict::Busy(after) => {
            let answer = answer.header("retry-after", after.as_secs());
            (StatusCode::TOO_MANY_REQUESTS, error("rejected_execution_exception"), answer)
        }
        Verdict::Denied => (StatusCode::UNAUTHORIZED, error("security_exception"), answer),
        Verdict::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, error("cluster_block_exception"), answer),
        Verdict::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, String::new(), answer),
    };
    answer.status(status).body(Body::from(body)).expect("a response")
}
