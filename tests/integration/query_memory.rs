//! Queries that each stay within their own memory limit, but together would exceed the total limit.

use crate::support::client::client;
use crate::support::config::Setup;
use crate::support::server::Server;
use crate::support::{heavy, until};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Total memory limit, which the queries below exceed.
const TOTAL_MIB: u64 = 400;
const AT_ONCE: usize = 8;
/// Allocates a text of 60 MB and computes beyond its timeout.
const HOLDS: &str = "SELECT count(*) FROM (SELECT string_agg(repeat('y', 1000), '') AS v FROM generate_series(1, 60000)) t, \
    generate_series(1, 1000000000) s(n) WHERE length(t.v) + s.n = 7";

/// Returns the private memory of the server's child processes, in MiB.
fn held_mib(server: u32) -> u64 {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{server}/task")) else { return 0 };
    let children = threads.filter_map(Result::ok);
    let children = children.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    let private = |id: &str| {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    };
    children.flat_map(|ids| ids.split_whitespace().filter_map(private).collect::<Vec<_>>()).sum::<u64>() / 1024
}

async fn ask(server: &Server, sql: &str) -> (u16, bool, Value) {
    let url = format!("http://127.0.0.1:{}/v1/sql", server.ports.sql);
    let answer = client().post(&url).json(&json!({ "query": sql })).send().await.expect("an answer");
    let (status, again) = (answer.status().as_u16(), answer.headers().contains_key("retry-after"));
    (status, again, answer.json().await.expect("JSON"))
}

#[tokio::test(flavor = "multi_thread")]
async fn all_queries_together_keep_within_their_memory() {
    let _turn = heavy().await;
    let setup = Setup::default().sql("timeout: 8s").sql("memory: 160MiB");
    let server = Server::start(setup.sql(&format!("memory_total: {TOTAL_MIB}MiB"))).await;
    let (id, done, most) = (server.process_id(), Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let watching = {
        let (done, most) = (done.clone(), most.clone());
        std::thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                most.fetch_max(held_mib(id), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(10));
            }
        })
    };
    let answers = futures::future::join_all((0..AT_ONCE).map(|_| ask(&server, HOLDS))).await;
    done.store(true, Ordering::Relaxed);
    watching.join().expect("it watches");
    let most = most.load(Ordering::Relaxed);
    let told: Vec<String> = answers.iter().map(|(status, _, body)| format!("{status} {}", body["error"])).collect();
    println!("{AT_ONCE} queries of 60 MB at once: {most} MiB at most, {TOTAL_MIB} allowed; {told:#?}");
    assert!(most <= TOTAL_MIB, "{most} MiB of {TOTAL_MIB}: {told:#?}");
    assert!(most >= 100, "they take nothing: {told:#?}");
    let short: Vec<_> = answers.iter().filter(|(status, ..)| *status == 503).collect();
    assert!(!short.is_empty(), "all of them fit: {told:#?}");
    for (_, again, body) in &short {
        assert!(*again && body["error"].as_str().is_some_and(|text| text.contains("memory_total")), "{body}");
    }
    // The others ran into their timeout.
    assert!(answers.iter().all(|(status, ..)| [503, 504].contains(status)), "{told:#?}");
    assert!(answers.iter().any(|(status, ..)| *status == 504), "none of them was let be: {told:#?}");

    // Idle workers return their memory.
    let (status, _, body) = ask(&server, "SELECT length(repeat('x', 40000000)) AS n").await;
    assert_eq!((status, &body["rows"][0]), (200, &json!({"n": 40_000_000})), "{body}");
    until("idle workers to give back their memory", Duration::from_secs(20), || async {
        let held = held_mib(id);
        if held < 100 { Ok(()) } else { Err(format!("{held} MiB")) }
    })
    .await;
}
