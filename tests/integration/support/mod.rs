//! Shared test support: processes that end with their test, waiting for conditions, and hand-written OTLP.

pub(crate) mod certificates;
pub(crate) mod client;
pub(crate) mod config;
pub(crate) mod metrics;
pub(crate) mod opensearch;
pub(crate) mod otlp;
pub(crate) mod peers;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod promql;
pub(crate) mod receiver;
pub(crate) mod server;
pub(crate) mod webhook;

use std::collections::BTreeMap;
use std::fs::File;
use std::future::Future;
use std::net::TcpListener;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Polling interval of [`until`].
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Ports for the tests, below Linux's range of ephemeral ports.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// Held by tests that keep both cores busy, so that they do not cause each other's timeouts.
static HEAVY: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The lock of a heavy test, released on drop.
pub(crate) struct Turn {
    _of_this_run: tokio::sync::MutexGuard<'static, ()>,
    /// File lock against other test runs on this machine; `None` if the file belongs to another user.
    _of_all_runs: Option<File>,
}

/// Waits for the lock of heavy tests.
pub(crate) async fn heavy() -> Turn {
    let of_this_run = HEAVY.lock().await;
    let of_all_runs = tokio::task::spawn_blocking(of_all_runs).await.expect("a lock is taken");
    Turn { _of_this_run: of_this_run, _of_all_runs: of_all_runs }
}

/// Like [`heavy`], for a synchronous test.
pub(crate) fn heavy_here() -> Turn {
    Turn { _of_this_run: HEAVY.blocking_lock(), _of_all_runs: of_all_runs() }
}

fn of_all_runs() -> Option<File> {
    let file = shared_file("heavy")?;
    file.lock().ok().map(|()| file)
}

/// Opens a lock file that all test runs on this machine share.
fn shared_file(name: &str) -> Option<File> {
    let folder = std::env::temp_dir().join("spanwise-tests");
    let _there_already = std::fs::create_dir_all(&folder);
    File::options().create(true).truncate(false).write(true).open(folder.join(name)).ok()
}

/// Serves `router` on its own port until the test ends. Returns the address, such as `http://127.0.0.1:1234`.
pub(crate) async fn serve(router: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Waits until `probe` returns `Ok`; the panic message contains its last error.
pub(crate) async fn until<T, F, Fut>(what: &str, within: Duration, mut probe: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, String>>,
{
    let began = Instant::now();
    loop {
        let seen = match probe().await {
            Ok(value) => return value,
            Err(seen) => seen,
        };
        assert!(began.elapsed() < within, "waited {within:?} for {what}; last seen: {seen}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Returns a port that is free and not assigned to any other test, in this test run or a concurrent one.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // With the lock file that reserves the port against other test runs until this process ends.
    static TAKEN: Mutex<BTreeMap<u16, Option<File>>> = Mutex::new(BTreeMap::new());
    let width = PORTS.end - PORTS.start;
    // Concurrent test runs start far from each other although their process ids are close.
    let begin = u16::try_from(std::process::id().wrapping_mul(641) % u32::from(width)).expect("less than the width");
    let mut taken = TAKEN.lock().expect("no test fails while it holds this");
    for _ in 0..width {
        let port = PORTS.start + (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % width;
        if taken.contains_key(&port) {
            continue;
        }
        let file = shared_file(&format!("port-{port}"));
        let is_taken_elsewhere = file.as_ref().is_some_and(|file| file.try_lock().is_err());
        if !is_taken_elsewhere && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            taken.insert(port, file);
            return port;
        }
    }
    panic!("no free port in {PORTS:?}");
}

/// Returns an environment variable that `tests/run` sets.
pub(crate) fn peer(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: run tests/run, or eval \"$(tests/run --env)\" before"))
}

/// Nanoseconds since 1970.
pub(crate) fn now_unix_nano() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_nanos()).expect("before 2554")
}

/// Returns the exact nearest-rank quantile; `values` may be in any order.
pub(crate) fn nearest_rank(values: &[f64], quantile: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of ten thousand")]
    let of_10_000 = (quantile * 10_000.0).round() as usize;
    let rank = (of_10_000 * sorted.len()).div_ceil(10_000).max(1);
    sorted[rank - 1]
}

/// Asserts that `found` is within `share` of `expected`.
#[track_caller]
pub(crate) fn assert_near(what: &str, found: f64, expected: f64, share: f64) {
    assert!((found - expected).abs() <= expected.abs() * share, "{what}: found {found}, expected {expected} ± {share}");
}
