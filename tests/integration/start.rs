//! Start with a large log: the server accepts requests immediately and replays the log in the background. Nothing is lost or
//! counted twice, whatever arrives or kills it meanwhile.

use crate::support::client;
use crate::support::config::Setup;
use crate::support::otlp::{Answer, post, route_span, traces};
use crate::support::server::Server;
use crate::support::{heavy, until};
use prost::Message as _;
use serde_json::Value;
use std::time::Duration;

const PROTOBUF: [(&str, &str); 1] = [("content-type", "application/x-protobuf")];
const SPANS_A_REQUEST: u64 = 1000;
/// About 30 MiB of log, which a debug build decodes in seconds.
const REQUESTS: u64 = 250;
/// The newest requests before a kill, which are resent.
const RESENT: u64 = 20;
/// New requests at each of three starts.
const NEW: u64 = 10;

fn body(number: u64) -> Vec<u8> {
    let first = number * SPANS_A_REQUEST;
    let spans = (first..first + SPANS_A_REQUEST).map(|n| route_span(n, "GET", "/products/{id}", 10.0));
    traces("shop", spans.collect()).encode_to_vec()
}

/// Sends a request, and retries until the server listens.
async fn send(server: &Server, body: &[u8]) -> Answer {
    let url = server.http_url("/v1/traces");
    until("an answer", Duration::from_mins(1), || post(&url, &PROTOBUF, body.to_vec())).await
}

async fn send_all(server: &Server, bodies: &[Vec<u8>]) {
    for body in bodies {
        let answer = send(server, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

/// Returns the value of a key in a log line, such as `milliseconds=12`.
fn logged(server: &Server, message: &str, key: &str) -> Option<u64> {
    let log = server.log();
    let line = log.lines().find(|line| line.contains(message))?;
    let (_, value) = line.split_once(&format!("{key}="))?;
    value.split_whitespace().next()?.parse().ok()
}

fn figures(what: &str, server: &Server) -> String {
    let of = |message: &str, key: &str| logged(server, message, key).map_or("-".to_owned(), |found| found.to_string());
    format!(
        "| {what} | {} ms | {} ms | {} frames in {} ms |",
        of("receiving", "milliseconds"),
        of(" ready", "milliseconds"),
        of("read the log back", "frames"),
        of("read the log back", "milliseconds"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_taken_while_the_log_is_read_back_and_each_row_counts_once() {
    let _turn = heavy().await;
    let mut server = Server::start(Setup::default()).await;
    let mut table = vec!["| log | receiving | ready | read back |".to_owned(), "|---|---|---|---|".to_owned()];
    table.push(figures("empty", &server));
    // The bytes are kept, because a resend must be byte-identical.
    let mut bodies: Vec<Vec<u8>> = (0..REQUESTS).map(body).collect();
    let parts: Vec<_> = bodies.chunks(bodies.len().div_ceil(4)).map(|part| send_all(&server, part)).collect();
    futures::future::join_all(parts).await;

    for start in 0..3_u64 {
        if start == 1 {
            // While the replay of the previous start is still running.
            assert_eq!(server.terminate().await.code(), Some(0), "{}", server.log());
        } else {
            server.kill9();
        }
        server.launch_again();
        let newest = bodies.len() - usize::try_from(RESENT).expect("small");
        let again = [&bodies[newest..], &bodies[..1]].concat();
        let new: Vec<Vec<u8>> = (0..NEW).map(|n| body(bodies.len() as u64 + n)).collect();
        tokio::join!(send_all(&server, &again), send_all(&server, &new));
        let during = client::get_json(&format!("http://127.0.0.1:{}/", server.ports.health)).await;
        println!(
            "health after the first answers of start {start}: {:?}",
            during.map(|body| body["catchingUp"].clone())
        );
        bodies.extend(new);
        table.push(figures(&format!("{} requests, at once", bodies.len()), &server));
    }
    every_span_once(&server, bodies.len() as u64).await;
    table.push(figures(&format!("{} requests, at last", bodies.len()), &server));
    println!("{}", table.join("\n"));
}

async fn every_span_once(server: &Server, requests: u64) {
    server.ready_and_caught_up().await;
    #[expect(clippy::cast_precision_loss, reason = "some hundred thousands")]
    let expected = (requests * SPANS_A_REQUEST) as f64;
    server.until_number("SELECT count(*) FROM spans", expected).await;
    server.until_number("SELECT count(DISTINCT span_id) FROM spans", expected).await;
    server.until_number("SELECT sum(calls) FROM requests WHERE service_name = 'shop'", expected).await;
    let coverage = server.sql("SELECT evicted, rows FROM coverage WHERE table_name = 'spans'").await;
    assert_eq!(coverage[0]["evicted"], Value::Bool(false), "{coverage:?}");
    let log = server.log();
    assert_eq!(log.matches("read the log back").count(), 1, "{log}");
    assert_eq!(logged(server, "read the log back", "damaged"), Some(0), "{log}");
}
