//! What was acknowledged is there: after a kill at any moment, once; and what is not on disk is not acknowledged.

use crate::support::otlp::{request, span};
use crate::support::server::{SPANWISE, Setup};
use crate::support::until;
use serde_json::json;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Spans of one request.
const SPANS: u64 = 20;

#[tokio::test]
async fn after_kill_9_each_acknowledged_span_is_there_once_and_counted_once() {
    let mut server = Setup::new().start().await;
    let next = Arc::new(AtomicU64::new(0));
    let acknowledged = Arc::new(std::sync::Mutex::new(Vec::new()));
    for round in 0..4_u64 {
        let senders: Vec<_> = (0..4)
            .map(|_| {
                let (sender, next, acknowledged) = (server.otlp(), next.clone(), acknowledged.clone());
                tokio::spawn(async move {
                    loop {
                        let first = next.fetch_add(SPANS, Ordering::Relaxed);
                        let spans = (first..first + SPANS).map(|number| span(number, "/a", 1.0)).collect();
                        let body = request("shop", spans);
                        if sender.traces(body.clone()).await.is_err() {
                            // Unanswered, it may be on disk or not: sent again after the restart, it counts once.
                            return body;
                        }
                        acknowledged.lock().unwrap().push(first);
                    }
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(300 + 350 * round)).await;
        server.kill().await;
        let mut unanswered = Vec::new();
        for sender in senders {
            unanswered.push(sender.await.unwrap());
        }
        server.restart().await;
        for body in unanswered {
            server.otlp().traces(body).await.unwrap();
        }
    }
    let sent = next.load(Ordering::Relaxed);
    assert!(acknowledged.lock().unwrap().len() > 50, "the test sent enough to be one");
    server.reaches("SELECT sum(calls) FROM requests", sent as f64).await;
    assert_eq!(server.number("SELECT count(*) FROM spans").await, sent as f64);
    assert_eq!(server.number("SELECT count(DISTINCT span_id) FROM spans").await, sent as f64);
    assert_eq!(server.number("SELECT sum(calls) FROM span_metrics").await, sent as f64);
    println!("4 kills: sent {sent} spans, found {sent}, each once");
}

#[tokio::test]
async fn a_resend_is_acknowledged_and_counted_once() {
    let mut server = Setup::new().start().await;
    let body = request("shop", (0..SPANS).map(|number| span(number, "/a", 1.0)).collect());
    for _ in 0..3 {
        server.otlp().traces(body.clone()).await.unwrap();
    }
    server.kill().await;
    server.restart().await;
    server.otlp().traces(body).await.unwrap();
    server.reaches("SELECT sum(calls) FROM requests", SPANS as f64).await;
    assert_eq!(server.number("SELECT count(*) FROM spans").await, SPANS as f64);
}

#[tokio::test]
async fn without_an_fsync_nothing_is_acknowledged() {
    let server = Setup::new().variable("SPANWISE_FAILPOINTS", "log_fsync=error").start().await;
    let body = request("shop", vec![span(1, "/a", 1.0)]);
    let refused = server.otlp().traces(body).await.unwrap_err();
    assert!(refused.starts_with("503"), "{refused}");
    until("health tells", Duration::from_secs(10), || async {
        let url = format!("http://127.0.0.1:{}/", server.ports.health);
        let answer = crate::support::server::client().get(url).send().await.unwrap();
        if answer.status() == 503 { Ok(()) } else { Err(answer.status()) }
    })
    .await;
    assert!(server.log().contains("fsync") || server.log().contains("log"), "{}", server.log());
}

#[tokio::test]
async fn a_full_disk_is_told_and_loses_nothing_that_was_acknowledged() {
    let server = Setup::new().variable("SPANWISE_FAILPOINTS", "log_write=enospc").start().await;
    let refused = server.otlp().traces(request("shop", vec![span(1, "/a", 1.0)])).await.unwrap_err();
    assert!(refused.starts_with("503"), "{refused}");
    assert_eq!(server.number("SELECT count(*) FROM spans").await, 0.0);
}

#[tokio::test]
async fn the_fsync_comes_before_the_answer() {
    let setup = Setup::new();
    let trace = tempfile::TempDir::new().unwrap();
    let file = trace.path().join("strace");
    let mut command = Command::new("strace");
    command
        .args(["-f", "-y", "-s", "200", "-e", "trace=fsync,fdatasync,write,writev,sendto,sendmsg", "-o"])
        .arg(&file)
        .arg(SPANWISE);
    let mut server = setup.launch(command);
    server.ready().await;
    server.otlp().traces(request("shop", vec![span(1, "/a", 1.0)])).await.unwrap();
    // The signal is for what is traced: it ends, and then strace does.
    let mut pkill = Command::new("pkill");
    pkill.args(["-TERM", "-P", &server.process.0.id().to_string()]);
    assert!(pkill.status().unwrap().success(), "pkill comes with procps");
    server.process.ended(Duration::from_secs(60)).await;
    let lines = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    let find = |what: &str, wanted: &dyn Fn(&str) -> bool| {
        lines.iter().position(|line| wanted(line)).unwrap_or_else(|| panic!("no {what} in {} lines", lines.len()))
    };
    // The frame holds the route as it was sent.
    let written = find("write of the frame", &|line| line.contains(".log>") && line.contains("http.route"));
    let synced = find("fsync of the log", &|line| {
        (line.contains("fsync(") || line.contains("fdatasync(")) && line.contains(".log>") && line.contains("= 0")
    });
    let synced = synced.max(written);
    let answered = find("answer", &|line| line.contains("HTTP/1.1 200 OK") && line.contains("x-protobuf"));
    assert!(written < answered && synced < answered, "write {written}, fsync {synced}, answer {answered}");
    println!("strace: frame written at line {written}, fsync at {synced}, answer at {answered}");
}

#[tokio::test]
async fn sigterm_drains_and_exits_with_0() {
    let mut server = Setup::new().start().await;
    server.otlp().traces(request("shop", (0..SPANS).map(|number| span(number, "/a", 1.0)).collect())).await.unwrap();
    server.process.signal("TERM");
    let status = server.process.ended(Duration::from_secs(20)).await;
    assert_eq!(status.code(), Some(0), "{}", server.log());
    server.restart().await;
    // Drained means counted: not by the replay, whose rows the cursor is past already.
    assert_eq!(server.number("SELECT sum(calls) FROM requests").await, SPANS as f64);
}

#[tokio::test]
async fn rollups_read_as_many_rows_as_came_in() {
    let server = Setup::new().start().await;
    for batch in 0..30_u64 {
        let spans = (batch * SPANS..(batch + 1) * SPANS).map(|number| span(number, "/a", 1.0)).collect();
        server.otlp().traces(request("shop", spans)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(70)).await;
    }
    server.reaches("SELECT sum(calls) FROM requests", (30 * SPANS) as f64).await;
    let rows = server.sql("SELECT id, rows_read, runs FROM pipelines WHERE kind = 'rollup' AND id IN ('requests', 'queries', 'span_metrics', 'applications', 'caches_from_spans')").await;
    assert_eq!(rows.len(), 5);
    for row in rows {
        assert_eq!(row["rows_read"], json!(30 * SPANS), "{row}");
    }
}

#[tokio::test]
async fn two_processes_do_not_share_a_folder() {
    let server = Setup::new().start().await;
    let second = Setup::new().with(|config| {
        config["extensions"]["store"]["directory"] = json!(server.folder().join("data"));
    });
    let mut second = second.launch(Command::new(SPANWISE));
    let status = second.process.ended(Duration::from_secs(20)).await;
    assert_eq!(status.code(), Some(1));
    assert!(second.log().contains("another Spanwise works in this folder"), "{}", second.log());
}
