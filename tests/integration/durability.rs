//! Durability: acknowledged data survives kill -9 at any moment, exactly once, in tables and rollups; nothing is acknowledged
//! before it is on disk.

use crate::support::config::Setup;
use crate::support::otlp::{Grpc, TRACES, post, route_span, traces};
use crate::support::process::Process;
use crate::support::server::Server;
use crate::support::{client, heavy, until};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tonic::Code;

const PROTOBUF: [(&str, &str); 1] = [("content-type", "application/x-protobuf")];
const SPANS_A_REQUEST: u64 = 20;
/// Times of the kill after a round's first acknowledgement; several, to hit the server in different phases.
const KILLED_AFTER_MS: [u64; 6] = [5, 40, 130, 300, 700, 1500];

/// Builds request `number`, with spans that end now.
fn request(number: u64) -> ExportTraceServiceRequest {
    let first = number * SPANS_A_REQUEST;
    traces("shop", (first..first + SPANS_A_REQUEST).map(|n| route_span(n, "GET", "/products/{id}", 10.0)).collect())
}

/// Shared state of the senders of one round.
#[derive(Default)]
struct Senders {
    next: AtomicU64,
    stop: AtomicBool,
    acknowledged: AtomicU64,
    /// Requests without an answer, which are resent byte for byte.
    unanswered: Mutex<Vec<Vec<u8>>>,
}

impl Senders {
    /// Sends until `stop` is set or the server is gone.
    async fn send(self: Arc<Self>, grpc: Option<Grpc>, url: String) {
        while !self.stop.load(Ordering::Relaxed) {
            let body = request(self.next.fetch_add(1, Ordering::Relaxed)).encode_to_vec();
            let taken = match &grpc {
                Some(grpc) => grpc.call(TRACES, body.clone()).await.is_ok(),
                None => post(&url, &PROTOBUF, body.clone()).await.is_ok_and(|answer| answer.status == 200),
            };
            if taken {
                self.acknowledged.fetch_add(1, Ordering::Relaxed);
            } else {
                self.unanswered.lock().expect("not poisoned").push(body);
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_spans_outlive_kill9_once_each() {
    let _turn = heavy().await;
    let mut server = Server::start(Setup::default()).await;
    let senders = Arc::new(Senders::default());
    let mut resent = 0;
    for wait_ms in KILLED_AFTER_MS {
        let before = senders.acknowledged.load(Ordering::Relaxed);
        let url = server.http_url("/v1/traces");
        let tasks: Vec<_> = (0..4)
            .map(|n| {
                let grpc = (n % 2 == 0).then(|| Grpc::to(server.ports.grpc));
                tokio::spawn(senders.clone().send(grpc, url.clone()))
            })
            .collect();
        until("the first acknowledgement", Duration::from_secs(20), || async {
            let now = senders.acknowledged.load(Ordering::Relaxed);
            if now > before { Ok(()) } else { Err(format!("{now} acknowledged")) }
        })
        .await;
        // The time of the kill is the subject of this test, so it is a sleep and not a condition.
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        server.kill9();
        for task in tasks {
            task.await.expect("a sender ends");
        }
        server.start_again().await;
        let unanswered = std::mem::take(&mut *senders.unanswered.lock().expect("not poisoned"));
        for body in unanswered {
            let answer = post(&server.http_url("/v1/traces"), &PROTOBUF, body).await.expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.text());
            resent += 1;
        }
    }
    let requests = senders.next.load(Ordering::Relaxed);
    let acknowledged = senders.acknowledged.load(Ordering::Relaxed);
    assert_eq!(acknowledged + resent, requests, "each request was acknowledged, then or when it came again");
    every_span_once(&server, requests).await;

    let (code, rows) = (server.terminate().await, requests * SPANS_A_REQUEST);
    assert_eq!(code.code(), Some(0), "SIGTERM ends it well: {}", server.log());
    server.start_again().await;
    every_span_once(&server, requests).await;
    println!(
        "kill -9 at {} moments: {acknowledged} requests acknowledged, {resent} sent again; {rows} spans sent, {rows} found once each",
        KILLED_AFTER_MS.len()
    );
}

/// Asserts that all spans of requests `0..requests` exist exactly once, and that the rollups count each once.
async fn every_span_once(server: &Server, requests: u64) {
    let expected = requests * SPANS_A_REQUEST;
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let rows = expected as f64;
    let calls = "SELECT sum(calls) FROM requests WHERE service_name = 'shop'";
    if let Err(found) = settled(server, "SELECT count(*) FROM spans", rows).await {
        panic!("spans: expected {rows}, found {found}; {}", differences(server, expected).await);
    }
    if let Err(found) = settled(server, calls, rows).await {
        panic!("{calls}: expected {rows}, found {found}");
    }
    let differences = differences(server, expected).await;
    assert!(differences.is_empty(), "{differences}");
}

/// Waits for a number, with a timeout.
async fn settled(server: &Server, query: &str, expected: f64) -> Result<(), f64> {
    let mut found = f64::NAN;
    for _ in 0..200 {
        found = server.number(query).await;
        if (found - expected).abs() < 0.5 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(found)
}

/// Lists missing and duplicate spans.
async fn differences(server: &Server, expected: u64) -> String {
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for row in server.sql("SELECT trace_id, count(*) AS n FROM spans GROUP BY 1").await {
        let id = row["trace_id"].as_str().unwrap_or_default().to_owned();
        seen.insert(id, row["n"].as_u64().unwrap_or_default());
    }
    let wanted = (0..expected).map(|n| format!("aaaaaaaaaaaaaaaa{n:016x}"));
    let missing: Vec<u64> = wanted.zip(0..).filter(|(id, _)| !seen.contains_key(id)).map(|(_, n)| n).collect();
    let twice: Vec<_> = seen.iter().filter(|(_, n)| **n != 1).take(20).collect();
    if missing.is_empty() && twice.is_empty() {
        return String::new();
    }
    let requests: std::collections::BTreeSet<u64> = missing.iter().map(|n| n / SPANS_A_REQUEST).collect();
    format!("missing: {} spans of requests {requests:?}; more than once: {twice:?}", missing.len())
}

/// A resend is counted once: immediately, and after a restart, when the server recognizes it from the log.
#[tokio::test(flavor = "multi_thread")]
async fn a_resend_is_not_new_data() {
    let mut server = Server::start(Setup::default()).await;
    let body = request(0).encode_to_vec();
    for round in 0..2 {
        for _ in 0..3 {
            let answer = post(&server.http_url("/v1/traces"), &PROTOBUF, body.clone()).await.expect("an answer");
            assert_eq!(answer.status, 200);
        }
        server.until_number("SELECT count(DISTINCT span_id) FROM spans", 20.0).await;
        if round == 0 {
            server.kill9();
            server.start_again().await;
        }
    }
    server.until_number("SELECT count(*) FROM spans", 20.0).await;
    server.until_number("SELECT sum(calls) FROM requests", 20.0).await;
}

/// Deduplication also covers a sender that disconnects before the answer and resends.
#[tokio::test(flavor = "multi_thread")]
async fn a_resend_of_a_request_that_nobody_waited_for_is_not_new_data() {
    const REQUESTS: u32 = 100;
    let server = Server::start(Setup::default()).await;
    let url = server.http_url("/v1/traces");
    let address = url.trim_start_matches("http://").split('/').next().expect("an address").to_owned();
    let bodies: Vec<Vec<u8>> = (0..REQUESTS).map(|number| request(number.into()).encode_to_vec()).collect();
    for body in &bodies {
        let mut socket = TcpStream::connect(&address).await.expect("a connection");
        let head = format!(
            "POST /v1/traces HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        socket.write_all(&[head.as_bytes(), body].concat()).await.expect("sent");
        // Closes the connection abruptly, while the server processes the request.
        drop(socket);
    }
    for body in bodies {
        let answer = post(&url, &PROTOBUF, body).await.expect("an answer");
        assert_eq!(answer.status, 200);
    }
    server.until_number("SELECT sum(calls) FROM requests", 20.0 * f64::from(REQUESTS)).await;
    server.until_number("SELECT count(*) FROM spans", 20.0 * f64::from(REQUESTS)).await;
}

/// Every rollup over spans has read each span once.
#[tokio::test(flavor = "multi_thread")]
async fn rollups_read_each_row_once() {
    let server = Server::start(Setup::default()).await;
    let url = server.http_url("/v1/traces");
    for number in 0..50 {
        let answer = post(&url, &PROTOBUF, request(number).encode_to_vec()).await.expect("an answer");
        assert_eq!(answer.status, 200);
    }
    server.until_number("SELECT sum(calls) FROM requests", 1000.0).await;
    let answer = client::get_json(&format!("http://127.0.0.1:{}/v1/pipelines", server.ports.sql)).await.expect("JSON");
    let pipelines = answer["pipelines"].as_array().expect("pipelines").iter();
    let readers: Vec<&str> = pipelines
        .filter(|pipeline| pipeline["sql"].as_str().is_some_and(|sql| sql.contains("FROM new_spans")))
        .filter_map(|pipeline| pipeline["id"].as_str())
        .collect();
    assert!(readers.len() >= 4, "{readers:?}");
    for id in readers {
        // No row has the attributes that this rollup requires.
        let read = if id == "caches_from_spans" { 0.0 } else { 1000.0 };
        server.until_number(&format!("SELECT coalesce(rows_read, 0) FROM pipelines WHERE id = '{id}'"), read).await;
        println!("rollup {id}: 1000 rows came in, {read} read");
    }
}

/// The page cache hides a missing fsync from all other tests, so this one checks the order of system calls.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_synced_before_the_answer_is_written() {
    const REQUESTS: usize = 5;
    let _turn = heavy().await;
    let folder = tempfile::tempdir().expect("a folder");
    let trace = folder.path().join("strace.txt");
    let calls = "trace=write,writev,sendto,sendmsg,pwrite64,pwritev,fsync,fdatasync,sync_file_range";
    let mut under: Vec<String> = ["strace", "-f", "-yy", "-s", "32", "-e", calls, "-o"].map(str::to_owned).to_vec();
    under.push(trace.display().to_string());
    let mut server = Server::launch(Setup::default(), &under);
    server.ready().await;
    let url = server.http_url("/v1/traces");
    for number in 0..REQUESTS as u64 {
        let answer = post(&url, &PROTOBUF, request(number).encode_to_vec()).await.expect("an answer");
        assert_eq!(answer.status, 200);
    }
    // strace flushes its output when the server ends.
    let pid = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", server.process_id())).unwrap_or_default();
    let terminated = std::process::Command::new("sh").args(["-c", &format!("kill -TERM {}", pid.trim())]).status();
    assert!(terminated.is_ok_and(|status| status.success()), "kill {pid}");
    until("strace to end", Duration::from_secs(30), || async {
        let text = std::fs::read_to_string(&trace).unwrap_or_default();
        if text.contains("+++ exited with 0 +++") {
            Ok(())
        } else {
            Err(text.lines().last().unwrap_or_default().to_owned())
        }
    })
    .await;
    let text = std::fs::read_to_string(&trace).expect("strace wrote it");
    let answers = synced_before_answers(&text, server.ports.http);
    assert_eq!(answers.len(), REQUESTS, "answers seen by strace");
    assert!(answers.iter().all(|synced| *synced), "an answer before its sync: {answers:?}");
    println!("strace: {REQUESTS} answers, each after the log was written and synced");
}

/// Returns, for each answer 200 on the OTLP port, whether the log was written after the previous answer and then synced.
fn synced_before_answers(strace: &str, port: u16) -> Vec<bool> {
    let mut answers = Vec::new();
    let (mut written, mut synced) = (false, false);
    // Calls interrupted by another thread's line, by thread.
    let mut unfinished: BTreeMap<String, &str> = BTreeMap::new();
    for line in strace.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let (thread, call) = (thread.to_owned(), call.trim_start());
        if call.contains("<unfinished ...>") {
            unfinished.insert(thread.clone(), call);
        }
        let is_resumed = call.starts_with("<... ");
        let begun = if is_resumed { unfinished.remove(&thread).unwrap_or_default() } else { call };
        let of_log = begun.contains("/data/log/");
        let is_sync = begun.starts_with("fdatasync(") || begun.starts_with("fsync(");
        let is_done = !call.contains("<unfinished ...>");
        if of_log && !is_sync && is_done {
            (written, synced) = (true, false);
        }
        if of_log && is_sync && is_done && call.ends_with("= 0") {
            synced = written;
        }
        // The start of the write counts, because the client may have read the answer before its end.
        if !is_resumed && call.contains(&format!("127.0.0.1:{port}")) && call.contains("HTTP/1.1 200") {
            answers.push(written && synced);
            (written, synced) = (false, false);
        }
    }
    answers
}

/// With a failing disk, neither protocol acknowledges, and the health check reports it; data resent after a restart is counted
/// once.
async fn no_acknowledgement(failpoint: &str) {
    let mut server = Server::start(Setup::default().variable("SPANWISE_FAILPOINTS", failpoint)).await;
    let first = request(0).encode_to_vec();
    let answer = post(&server.http_url("/v1/traces"), &PROTOBUF, first.clone()).await.expect("an answer");
    assert_eq!(answer.status, 503, "{failpoint}: {}", answer.text());
    assert!(answer.retry_after.is_some(), "{failpoint}: a sender is told to come again");
    let second = request(1).encode_to_vec();
    let refused = Grpc::to(server.ports.grpc).call(TRACES, second.clone()).await.expect_err(failpoint);
    assert_eq!(refused.code(), Code::Unavailable, "{failpoint}: {refused:?}");
    assert!((server.number("SELECT count(*) FROM spans").await).abs() < 0.5, "nothing of it is shown");
    let (status, body) = client::get(&format!("http://127.0.0.1:{}/", server.ports.health)).await.expect("an answer");
    assert_eq!(status, 503, "a log that takes nothing is unwell: {body}");
    assert_eq!(server.terminate().await.code(), Some(0), "{}", server.log());
    server.without_variables();
    server.start_again().await;
    for body in [first, second] {
        let answer = post(&server.http_url("/v1/traces"), &PROTOBUF, body).await.expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    server.until_number("SELECT count(*) FROM spans", 40.0).await;
    server.until_number("SELECT sum(calls) FROM requests", 40.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_fsync_that_fails_acknowledges_nothing() {
    no_acknowledgement("log_fsync=error").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_acknowledges_nothing() {
    no_acknowledgement("log_write=enospc").await;
}

/// SIGTERM under load: requests in flight are answered, and everything acknowledged is stored.
#[tokio::test(flavor = "multi_thread")]
async fn sigterm_drains_and_exits_0() {
    let _turn = heavy().await;
    let mut server = Server::start(Setup::default()).await;
    let senders = Arc::new(Senders::default());
    let url = server.http_url("/v1/traces");
    let tasks: Vec<_> = (0..4)
        .map(|n| tokio::spawn(senders.clone().send((n % 2 == 0).then(|| Grpc::to(server.ports.grpc)), url.clone())))
        .collect();
    until("a hundred acknowledgements", Duration::from_secs(30), || async {
        let now = senders.acknowledged.load(Ordering::Relaxed);
        if now > 100 { Ok(()) } else { Err(format!("{now}")) }
    })
    .await;
    let status = server.terminate().await;
    assert_eq!(status.code(), Some(0), "{}", server.log());
    for task in tasks {
        task.await.expect("a sender ends");
    }
    server.start_again().await;
    let unanswered = std::mem::take(&mut *senders.unanswered.lock().expect("not poisoned"));
    for body in unanswered {
        post(&server.http_url("/v1/traces"), &PROTOBUF, body).await.expect("an answer");
    }
    every_span_once(&server, senders.next.load(Ordering::Relaxed)).await;
}

/// A second process on the same folder would corrupt the log, so it exits with a message.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_one_processes() {
    let server = Server::start(Setup::default()).await;
    let other = server.folder().join("other.yaml");
    let ports = crate::support::config::Ports::free();
    std::fs::write(&other, Setup::default().text(ports, &server.folder().join("data"))).expect("written");
    let mut command = std::process::Command::new(crate::support::server::SPANWISE);
    let mut process = Process::start("second", command.arg("--config").arg(&other), server.folder());
    let status = process.wait(Duration::from_secs(20)).await;
    assert!(!status.success(), "{status}");
    assert!(process.text().contains("another Spanwise"), "{}", process.text());
}
