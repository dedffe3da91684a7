//! Queries that never end, exhaust memory or crash their worker: each ends at its timeout without effects on others.

mod workers;

use crate::support::client::client;
use crate::support::config::Setup;
use crate::support::otlp::{route_span, send, traces};
use crate::support::server::Server;
use crate::support::until;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use workers::{computes, ended, is_last, kill, workers};

/// The worst statements we could think of, one for each way to keep a query engine busy.
fn worst() -> Vec<(&'static str, String)> {
    let series = |rows: u64, name: &str| format!("generate_series(1, {rows}) {name}");
    let big = |rows: u64| format!("{}, {}", series(rows, "a(x)"), series(rows, "b(y)"));
    let bomb = (1..40).fold("WITH a0 AS (SELECT 1 x)".to_owned(), |sql, n| {
        format!("{sql}, a{n} AS (SELECT l.x FROM a{} l, a{} r)", n - 1, n - 1)
    });
    let frame = "OVER (ORDER BY x ROWS BETWEEN 100000 PRECEDING AND 100000 FOLLOWING)";
    let list = (0..15_000).map(|n| format!("x = {n}.5")).collect::<Vec<_>>().join(" OR ");
    vec![
        (
            "cross join, LIKE",
            format!("SELECT count(*) FROM {} WHERE a.x::text || b.y::text LIKE '%abc%'", big(200_000)),
        ),
        ("cross join, count", format!("SELECT count(*) FROM {}", big(10_000_000))),
        (
            "nested loop",
            format!(
                "SELECT count(*) FROM {} JOIN {} ON (a.x * b.y) % 7 > 100",
                series(1_000_000, "a(x)"),
                series(1_000_000, "b(y)")
            ),
        ),
        (
            "full join, inequality",
            format!(
                "SELECT count(*) FROM {} FULL JOIN {} ON a.x < b.y AND a.x + b.y < 0",
                series(500_000, "a(x)"),
                series(500_000, "b(y)")
            ),
        ),
        ("sort", format!("SELECT x::text || 'abc' FROM {} ORDER BY sin(x), 1", series(1_000_000_000, "a(x)"))),
        ("top of a sort", format!("SELECT x FROM {} ORDER BY md5(x::text) LIMIT 3", series(10_000_000_000, "a(x)"))),
        ("many groups", format!("SELECT x::text, count(*) FROM {} GROUP BY 1", series(10_000_000_000, "a(x)"))),
        ("distinct count", format!("SELECT count(DISTINCT a.x * b.y) FROM {}", big(1_000_000))),
        (
            "long window frame",
            format!("SELECT max(s) FROM (SELECT count(DISTINCT x) {frame} s FROM {}) t", series(500_000, "a(x)")),
        ),
        (
            "window of texts",
            format!(
                "SELECT max(length(s)) FROM (SELECT string_agg(x::text, ',') OVER (ORDER BY x) s FROM {}) t",
                series(200_000, "a(x)")
            ),
        ),
        (
            "endless recursion",
            "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r".to_owned(),
        ),
        (
            "doubling recursion",
            format!(
                "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n FROM r, {}) SELECT count(*) FROM r",
                series(2, "d(x)")
            ),
        ),
        ("one large value", "SELECT length(repeat('x', 2000000000))".to_owned()),
        (
            "replaced a hundredfold",
            format!("SELECT length(regexp_replace(repeat('a', 50000000), 'a', '{}', 'g'))", "b".repeat(100)),
        ),
        ("distance of texts", "SELECT levenshtein(repeat('a', 1000000), repeat('b', 1000000))".to_owned()),
        (
            "list of all",
            format!("SELECT length(array_to_string(array_agg(x), ',')) FROM {}", series(1_000_000_000, "a(x)")),
        ),
        ("CASE in CASE", format!("SELECT {}1", "CASE WHEN 1 THEN ".repeat(28))),
        ("calls in calls", format!("SELECT {}1{}", "abs(".repeat(60), ")".repeat(60))),
        ("names that double", format!("{bomb} SELECT count(*) FROM a39")),
        ("long chain", format!("SELECT {}", vec!["1"; 100_000].join("+"))),
        ("long condition", format!("SELECT count(*) FROM {} WHERE {list}", series(1_000_000_000, "a(x)"))),
        (
            "correlated",
            format!(
                "SELECT sum((SELECT count(*) FROM {} WHERE b.y * a.x % 3 = 7)) FROM {}",
                series(100_000, "b(y)"),
                series(100_000, "a(x)")
            ),
        ),
    ]
}

/// Timeout of a query, and the extra time it may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(3);
const SLACK: Duration = Duration::from_secs(5);

async fn server() -> Server {
    let server =
        Server::start(Setup::default().sql(&format!("timeout: {}s", LIMIT.as_secs())).sql("memory: 64MiB")).await;
    let spans = (0..30).map(|n| route_span(n, "GET", "/products/{id}", 12.5)).collect();
    send(&server.http_url("/v1/traces"), &traces("shop", spans)).await;
    server.until_number("SELECT count(*) FROM spans", 30.0).await;
    server
}

/// All run concurrently: each ends at its timeout with a clear error, and `SELECT 1` is answered meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn the_worst_queries_end_in_time_and_others_are_answered_beside_them() {
    let server = server().await;
    let url = format!("http://127.0.0.1:{}/v1/sql", server.ports.sql);
    let ask = |url: String, sql: String| async move {
        let began = Instant::now();
        let answer = client().post(&url).json(&json!({ "query": sql })).send().await.expect("an answer");
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.expect("JSON");
        (status, body, began.elapsed())
    };
    let alone = quick(&server, Duration::from_secs(1)).await;
    let running: Vec<_> = worst().into_iter().map(|(name, sql)| (name, tokio::spawn(ask(url.clone(), sql)))).collect();
    let beside = quick(&server, LIMIT).await;
    println!("{:<24} {:>6} {:>8}  told", "statement", "status", "seconds");
    for (name, asked) in running {
        let (status, body, took) = asked.await.expect("no panic");
        let told: String = body["error"].as_str().unwrap_or_default().chars().take(90).collect();
        println!("{name:<24} {status:>6} {:>8.2}  {told}", took.as_secs_f64());
        assert!(took < LIMIT + SLACK, "{name}: the limit is {LIMIT:?}, it took {took:?}");
        // A fast machine may finish some of them; otherwise the response states the reason.
        assert!(matches!(status, 200 | 400 | 422 | 504 | 507), "{name}: {status}: {body}");
        assert!(status == 200 || !told.is_empty(), "{name}: {body}");
    }
    let table = [("alone", &alone), ("beside the above", &beside)];
    println!("{:<24} {:>6} {:>8} {:>8} {:>8}", "SELECT 1, ms", "asked", "p50", "p99", "most");
    for (what, took) in table {
        let at = |share: f64| percentile(took, share).as_secs_f64() * 1000.0;
        println!("{what:<24} {:>6} {:>8.1} {:>8.1} {:>8.1}", took.len(), at(0.5), at(0.99), at(1.0));
    }
    // Under any load, a short query does not wait for the slow ones.
    let p99 = percentile(&beside, 0.99);
    assert!(p99 < LIMIT, "p99 beside them: {p99:?}, and their limit is {LIMIT:?}");
    assert_eq!(server.number("SELECT count(*) FROM spans").await, 30.0);
    until("all that computed to be gone", Duration::from_secs(10), || {
        let busy: Vec<u32> = workers(&server).into_iter().filter(|id| computes(*id)).collect();
        std::future::ready(if busy.is_empty() { Ok(()) } else { Err(format!("{busy:?}")) })
    })
    .await;
}

/// Runs the shortest query repeatedly; returns the durations.
async fn quick(server: &Server, during: Duration) -> Vec<Duration> {
    let (mut all, began) = (Vec::new(), Instant::now());
    while began.elapsed() < during || all.len() < 20 {
        let asked = Instant::now();
        assert_eq!(server.number("SELECT 1").await, 1.0);
        all.push(asked.elapsed());
    }
    all.sort();
    all
}

fn percentile(sorted: &[Duration], share: f64) -> Duration {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a rank")]
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// If a client disconnects (HTTP) or cancels with Ctrl-C (psql), its query ends within a second.
#[tokio::test(flavor = "multi_thread")]
async fn a_query_ends_with_its_client() {
    let setup = Setup::default().sql("timeout: 10m");
    let server = Server::start(setup).await;
    let (name, sql) = worst().swap_remove(0);
    let busy = |expected: bool| {
        let found = workers(&server).into_iter().any(computes);
        std::future::ready(if found == expected { Ok(()) } else { Err(format!("{name}: computing: {found}")) })
    };
    let url = format!("http://127.0.0.1:{}/v1/sql", server.ports.sql);
    let asked = tokio::spawn(client().post(&url).json(&json!({ "query": sql })).send());
    until("the query to run", Duration::from_secs(20), || busy(true)).await;
    asked.abort();
    let left = Instant::now();
    until("the query to end", Duration::from_secs(10), || busy(false)).await;
    println!("{name}: ended {:?} after its HTTP client had left", left.elapsed());

    let address = format!("host=127.0.0.1 port={} user=spanwise dbname=spanwise", server.ports.postgres);
    let psql = Command::new("psql")
        .args([&address, "-X", "-v", "VERBOSITY=verbose", "-c", &sql])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("psql of Debian's package postgresql-client: run tests/run");
    until("the query to run", Duration::from_secs(20), || busy(true)).await;
    let interrupted = Instant::now();
    assert!(Command::new("kill").args(["-INT", &psql.id().to_string()]).status().expect("kill").success());
    let output = psql.wait_with_output().expect("psql ends");
    let took = interrupted.elapsed();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(told.contains("57014"), "{told}");
    until("the query to end", Duration::from_secs(10), || busy(false)).await;
    println!("{name}: Ctrl-C in psql was answered after {took:?}");
    assert!(took < SLACK, "answered after {took:?}");
}

/// Timeout of a query on a busy machine and a debug build.
const PATIENCE: Duration = Duration::from_mins(3);

async fn patiently(url: &str, sql: &str) -> (u16, serde_json::Value) {
    let answer = client().post(url).json(&json!({"query": sql})).timeout(PATIENCE).send().await.expect("an answer");
    (answer.status().as_u16(), answer.json().await.expect("JSON"))
}

/// Any crash of a worker is an error of its query only; the server continues.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_is_a_clear_error() {
    let server = Server::start(Setup::default().sql("timeout: 2m").sql("memory: 64MiB")).await;
    let url = format!("http://127.0.0.1:{}/v1/sql", server.ports.sql);
    let memory = [
        ("of one call", "SELECT length(repeat('x', 2000000000))"),
        ("of an operator", "SELECT array_agg(x::text) FROM generate_series(1, 100000000) a(x)"),
    ];
    for (what, sql) in memory {
        let (status, body) = patiently(&url, sql).await;
        let told = body["error"].to_string();
        println!("memory {what}: {status}: {told}");
        assert!(status == 507 && told.contains("more memory"), "memory {what}: {status}: {told}");
    }
    // Nested as deeply as the text allows; whatever fails, only this query is affected.
    let deep = format!("SELECT {}1{}", "(".repeat(40_000), ")".repeat(40_000));
    let (status, body) = patiently(&url, &deep).await;
    println!("40000 parentheses: {status}: {}", body["error"]);
    assert!(matches!(status, 400 | 422 | 507) && body["error"].is_string(), "{status}: {body}");
    // The workers of the queries above may still be ending.
    let ending: Vec<u32> = workers(&server).into_iter().filter(|id| is_last(*id)).collect();
    let endless = "SELECT count(*) FROM generate_series(1, 100000000000) a(x) WHERE x % 7 = 8";
    let endless = tokio::spawn(client().post(&url).json(&json!({"query": endless})).timeout(PATIENCE).send());
    // A starting worker is busy, too; only one with a query has a low priority.
    until("the query to run", PATIENCE, || {
        let found = workers(&server).into_iter().any(|id| is_last(id) && !ending.contains(&id));
        std::future::ready(if found { Ok(()) } else { Err("no worker runs a long query".to_owned()) })
    })
    .await;
    let killed = workers(&server);
    killed.iter().copied().for_each(kill);
    let answer = endless.await.expect("no panic").expect("an answer");
    let (status, told) = (answer.status().as_u16(), answer.text().await.expect("text"));
    println!("killed: {status}: {told}");
    assert!(status == 503 && told.contains(KILLED), "expected why, found {status}: {told}");
    ended(&killed).await;
    assert_eq!(server.number("SELECT count(*) FROM spans").await, 0.0, "another worker answers");
}

/// Error text of a query whose worker was killed.
const KILLED: &str = "killed by signal 9";

/// A JSON answer as far as it arrived.
struct Arrived {
    status: u16,
    text: String,
    /// Whether the transfer was aborted before its end.
    is_aborted: bool,
}

impl Arrived {
    async fn read(mut answer: reqwest::Response) -> Arrived {
        let (status, mut bytes) = (answer.status().as_u16(), Vec::new());
        let is_aborted = loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        Arrived { status, text: String::from_utf8(bytes).expect("UTF-8"), is_aborted }
    }
}

/// If a worker is killed at any moment, even at startup, another one answers the query, or the error states the cause.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_at_any_moment_is_replaced_or_its_end_is_told() {
    let server = Server::start(Setup::default().sql("timeout: 2m")).await;
    let url = format!("http://127.0.0.1:{}/v1/sql", server.ports.sql);
    let (mut answered, mut failed, mut aborted, mut last) = (0, 0, 0, Vec::new());
    for turn in 0..40_u64 {
        let asked = client().post(&url).json(&json!({"query": "SELECT count(*) AS n FROM spans"})).timeout(PATIENCE);
        let asked = async { Arrived::read(asked.send().await.expect("an answer")).await };
        let killed = async {
            // Kills at different ages of a worker; each turn starts with a new one.
            tokio::time::sleep(Duration::from_millis(turn * 3)).await;
            last = workers(&server);
            last.iter().copied().for_each(kill);
        };
        let (Arrived { status, text, is_aborted }, ()) = tokio::join!(asked, killed);
        if status == 200 && !is_aborted {
            answered += 1;
            assert_eq!(text, r#"{"rows":[{"n":0}]}"#);
        } else {
            // The status is sent before the end of the answer if a busy machine takes long to end the worker.
            if is_aborted {
                aborted += 1;
            } else {
                failed += 1;
            }
            assert!(text.contains(KILLED), "{status}: {text}");
        }
    }
    println!("workers killed beside 40 queries: {answered} answered, {failed} failed, {aborted} aborted");
    ended(&last).await;
    assert_eq!(server.number("SELECT count(*) FROM spans").await, 0.0);
}

/// If a worker is killed in the middle of its answer, the transfer is aborted, and its last text states the cause.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_whose_worker_is_killed_is_not_taken_for_complete() {
    let server = Server::start(Setup::default().sql("timeout: 2m").sql("rows_max: 100000000")).await;
    let url = format!("http://127.0.0.1:{}/v1/sql", server.ports.sql);
    let sql = "SELECT x FROM generate_series(1, 100000000) a(x)";
    let answer = client().post(&url).json(&json!({ "query": sql })).timeout(PATIENCE).send().await.expect("an answer");
    workers(&server).into_iter().for_each(kill);
    let Arrived { status, text, is_aborted } = Arrived::read(answer).await;
    let end = &text[text.len().saturating_sub(200)..];
    assert!(status == 200 && is_aborted && end.contains(KILLED), "{status}, aborted: {is_aborted}: {end}");
}

/// A worker runs with minimal privileges, and ends with its server, even if the server is killed.
#[tokio::test(flavor = "multi_thread")]
async fn workers_are_confined_and_end_with_their_server() {
    let mut server = server().await;
    assert_eq!(server.number("SELECT 1").await, 1.0);
    let found = workers(&server);
    let worker = *found.first().expect("a worker that stays for the next query");
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{worker}/{name}")).expect("it runs");
    assert_eq!(read("environ").split('\0').filter(|line| !line.is_empty()).count(), 1, "{:?}", read("environ"));
    assert_eq!(read("oom_score_adj").trim(), "1000");
    let limits = read("limits");
    let limit = |name: &str| limits.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    assert!(limit("Max file size").contains(" 0 "), "{limits}");
    assert!(limit("Max core file size").contains(" 0 "), "{limits}");
    assert!(!limit("Max data size").contains("unlimited"), "{limits}");
    let status = read("status");
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    let open: Vec<PathBuf> = std::fs::read_dir(format!("/proc/{worker}/fd"))
        .expect("it runs")
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .collect();
    let files: Vec<&PathBuf> =
        open.iter().filter(|path| path.is_absolute() && !path.starts_with("/dev/null")).collect();
    assert!(files.is_empty(), "files of the server that the worker has: {files:?}");
    let resident = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
    let own = status.lines().find(|line| line.starts_with("RssAnon")).unwrap_or_default();
    println!("an idle worker: {resident}, of its own {own}");

    let endless = "SELECT count(*) FROM generate_series(1, 100000000000) a(x) WHERE x % 7 = 8";
    let url = format!("http://127.0.0.1:{}/v1/sql", server.ports.sql);
    let asked = tokio::spawn(client().post(&url).json(&json!({ "query": endless })).send());
    until("the query to run", Duration::from_secs(20), || {
        let found = workers(&server).into_iter().any(computes);
        std::future::ready(if found { Ok(()) } else { Err("nothing computes".to_owned()) })
    })
    .await;
    let all = workers(&server);
    server.kill9();
    ended(&all).await;
    drop(asked);
}
