//! URL grouping into operations and the definition of an error, from OTLP through rollups to query results.

use crate::support::config::Setup;
use crate::support::otlp::{SERVER, int, resource, send, text, traces};
use crate::support::server::Server;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const CONSUMER: i32 = 5;

fn span(number: u64, kind: i32, name: &str, attributes: Vec<KeyValue>) -> Span {
    Span { attributes, ..crate::support::otlp::span(number, name, kind, 5.0) }
}

/// A thousand URLs of ten routes, named in every way that senders do, become only as many operations as the senders
/// distinguished.
#[tokio::test(flavor = "multi_thread")]
async fn urls_become_few_operations() {
    let server = Server::start(Setup::default()).await;
    let mut spans = Vec::new();
    for number in 0..100_u64 {
        let path = format!("/p/{number:08x}");
        let method = || text("http.request.method", "GET");
        let target = format!("{path}?tab=1");
        let queue = format!("amq.gen-{number:x}");
        spans.extend([
            span(10 * number, SERVER, &format!("GET {target}"), vec![method(), text("url.path", &path)]),
            span(
                10 * number + 1,
                SERVER,
                &format!("GET {path}"),
                vec![text("http.method", "GET"), text("http.target", &target)],
            ),
            span(
                10 * number + 2,
                SERVER,
                &format!("HTTP GET {path}/"),
                vec![method(), text("http.url", &format!("http://shop.example:8080{target}"))],
            ),
            span(
                10 * number + 3,
                SERVER,
                &format!("GET https://shop.example{path}"),
                vec![method(), text("url.full", &format!("https://shop.example{target}"))],
            ),
            span(10 * number + 4, SERVER, &path, vec![method(), text("url.path", &path)]),
            span(
                10 * number + 5,
                SERVER,
                "GET /parts/{id}",
                vec![method(), text("http.route", "GET /parts/{id}"), text("url.path", &path)],
            ),
            span(
                10 * number + 6,
                SERVER,
                "n",
                vec![method(), text("http.route", "GET shop.example/parts/{id}"), text("url.path", &path)],
            ),
            span(
                10 * number + 7,
                CONSUMER,
                &format!("process /customers/{number}"),
                vec![
                    text("messaging.system", "activemq"),
                    text("messaging.destination.name", &format!("/customers/{number}")),
                    text("messaging.destination.template", "/customers/{customerId}"),
                ],
            ),
            span(
                10 * number + 8,
                CONSUMER,
                &format!("process {queue}"),
                vec![text("messaging.system", "rabbitmq"), text("messaging.destination.name", &queue)],
            ),
            span(10 * number + 9, SERVER, "GET /v1/search", vec![method(), text("http.route", "/v1/search")]),
        ]);
    }
    send(&server.http_url("/v1/traces"), &traces("shop", spans)).await;
    server.until_number("SELECT sum(calls) FROM requests", 1000.0).await;
    let rows = server.sql("SELECT operation, sum(calls) AS calls FROM requests GROUP BY 1").await;
    let found: BTreeMap<String, f64> = rows
        .iter()
        .map(|row| {
            (row["operation"].as_str().unwrap_or_default().to_owned(), row["calls"].as_f64().unwrap_or_default())
        })
        .collect();
    let expected = [
        ("(anonymous)", 100.0),
        ("/customers/{customerId}", 100.0),
        ("GET", 500.0),
        ("GET /parts/{id}", 200.0),
        ("GET /v1/search", 100.0),
    ];
    assert_eq!(found, expected.map(|(name, calls)| (name.to_owned(), calls)).into());
    println!("operations: 1000 requests of 900 URLs and queues are {} operations: {found:?}", found.len());
}

/// SERVER spans by status and response, one per service: the expected result in spans, requests, applications and budgets.
#[tokio::test(flavor = "multi_thread")]
async fn one_rule_says_what_an_error_is() {
    let server = Server::start(Setup::default()).await;
    let (unset, ok, error) = (0, 1, 2);
    let http = |status: i64| int("http.response.status_code", status);
    let cases = [
        ("unset-200", unset, vec![http(200)], (0.0, 0.0)),
        ("unset-503", unset, vec![http(503)], (1.0, 1.0)),
        ("ok-503", ok, vec![http(503)], (0.0, 0.0)),
        ("error-200", error, vec![http(200)], (1.0, 0.0)),
        ("error-503", error, vec![http(503)], (1.0, 1.0)),
        ("unset-grpc-14", unset, vec![text("rpc.response.status_code", "UNAVAILABLE")], (1.0, 1.0)),
        ("ok-grpc-14", ok, vec![int("rpc.grpc.status_code", 14)], (0.0, 0.0)),
        ("unset-404", unset, vec![http(404)], (0.0, 0.0)),
    ];
    for (number, (service, code, attributes, _)) in (0_u64..).zip(&cases) {
        let mut span = span(1000 + number, SERVER, "GET /a", attributes.clone());
        span.attributes.push(text("http.route", "/a"));
        span.attributes.push(text("http.request.method", "GET"));
        span.status = Some(Status { code: *code, ..Status::default() });
        send(&server.http_url("/v1/traces"), &traces(service, vec![span])).await;
    }
    #[expect(clippy::cast_precision_loss, reason = "a few")]
    let all = cases.len() as f64;
    server.until_number("SELECT sum(calls) FROM requests", all).await;
    server.until_number("SELECT sum(calls) FROM applications", all).await;
    let mut table = String::new();
    for (service, _, _, (errors, server_errors)) in &cases {
        let of = |what: &str, table: &str| format!("SELECT sum({what}) FROM {table} WHERE service_name = '{service}'");
        let mut found = Vec::new();
        for (query, expected) in [
            (of("CASE WHEN error THEN 1 ELSE 0 END", "spans"), *errors),
            (of("errors", "requests"), *errors),
            (of("errors", "applications"), *errors),
            (of("server_errors", "requests"), *server_errors),
        ] {
            let number = server.number(&query).await;
            assert!((number - expected).abs() < 0.5, "{service}: {query}: expected {expected}, found {number}");
            found.push(number);
        }
        let _ = write!(table, "\n  {service:<14} spans, requests, applications, the server's: {found:?}");
    }
    println!("errors by status and answer:{table}");
}

/// An empty and a missing service name are the same.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_service_name_is_an_absent_one() {
    let server = Server::start(Setup::default()).await;
    let mut request = traces("", vec![span(2000, SERVER, "a", vec![])]);
    let mut nameless = traces("x", vec![span(2001, SERVER, "a", vec![])]).resource_spans.remove(0);
    nameless.resource = Some(resource("x"));
    nameless.resource.get_or_insert_default().attributes.clear();
    request.resource_spans.push(nameless);
    send(&server.http_url("/v1/traces"), &request).await;
    server.until_number("SELECT sum(calls) FROM requests WHERE service_name = 'unknown_service'", 2.0).await;
    server.until_number("SELECT sum(calls) FROM span_metrics WHERE service_name = 'unknown_service'", 2.0).await;
}
