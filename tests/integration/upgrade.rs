//! Data directories that earlier versions wrote: a server opens each, with equal counts and the same findings firing.

use crate::support::config::Setup;
use crate::support::otlp::{route_span, send, traces};
use crate::support::server::Server;
use crate::support::webhook::WebhookReceiver;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The findings that fired when `generate.py` stopped the server, and were sent to the webhook.
const FIRING: [&str; 2] = ["error_rate", "exporter_refuses"];
/// Longer than these directories will be kept for.
const FOREVER: &str = "8760000h";

fn archives() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/data");
    let files = std::fs::read_dir(folder).expect("readable").map(|entry| entry.expect("readable").path());
    let mut archives: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "gz")).collect();
    archives.sort();
    assert!(archives.len() >= 2, "{archives:?}");
    archives
}

fn unpack(archive: &Path, into: &Path) {
    std::fs::remove_dir_all(into.join("data")).expect("the empty directory of the first start");
    let done = Command::new("tar").arg("xzf").arg(archive).arg("-C").arg(into).status().expect("tar runs");
    assert!(done.success(), "{}", archive.display());
}

fn setup(webhook: &WebhookReceiver) -> Setup {
    Setup::default()
        .performance(&format!("retention: {{fine: {FOREVER}, minute: {FOREVER}, hour: {FOREVER}}}"))
        .store(&format!("log: {{age: {FOREVER}}}"))
        .exporter("otlp_http", "endpoint: \"http://127.0.0.1:9\"")
        .channel("webhook", &format!("url: {:?}", webhook.url()))
}

#[tokio::test(flavor = "multi_thread")]
async fn data_of_each_earlier_format_is_opened_with_equal_counts_and_the_same_findings_firing() {
    for archive in archives() {
        opens(&archive).await;
    }
}

async fn opens(archive: &Path) {
    let webhook = WebhookReceiver::start().await;
    let mut server = Server::start(setup(&webhook)).await;
    assert!(server.terminate().await.success());
    unpack(archive, server.folder());
    server.start_again().await;

    for (query, expected) in [
        ("SELECT count(*) FROM spans", 800.0),
        ("SELECT sum(calls) FROM requests WHERE operation = 'GET /cart'", 400.0),
        ("SELECT sum(errors) FROM requests_1h WHERE operation = 'GET /cart'", 200.0),
        ("SELECT sum(calls) FROM queries WHERE db_fingerprint = 'SELECT * FROM carts WHERE id = ?'", 400.0),
        ("SELECT sum(items) FROM dead_letters WHERE exporter = 'otlp_http' AND signal = 'traces'", 800.0),
        ("SELECT count(DISTINCT position) FROM dead_letters WHERE reason LIKE '400 %'", 40.0),
        ("SELECT sum(dead_letters) FROM exporters WHERE exporter = 'otlp_http'", 40.0),
    ] {
        assert_eq!(server.number(query).await.to_string(), expected.to_string(), "{}: {query}", archive.display());
    }
    // Their traffic has ended since, but they keep firing for a while. Nothing that was sent is sent again.
    let firing = "SELECT pipeline FROM findings WHERE state = 'firing' ORDER BY pipeline";
    assert_eq!(server.sql(firing).await, FIRING.map(|finding| json!({"pipeline": finding})), "{}", archive.display());
    server.until_number("SELECT count(*) FROM alerts WHERE channel = 'webhook'", 2.0).await;
    // Everything goes on: new rows are added to the old ones.
    let url = server.http_url("/v1/traces");
    send(&url, &traces("shop", vec![route_span(1 << 50, "GET", "/cart", 5.0)])).await;
    server.until_number("SELECT sum(calls) FROM requests WHERE operation = 'GET /cart'", 401.0).await;
    assert_eq!(webhook.told().len(), 0, "{:?}", webhook.told());
    println!("{}: 800 spans, 400 requests, 40 dead letters and 2 sent alerts are there", archive.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn data_of_a_newer_version_is_refused_with_a_message() {
    let mut server = Server::start(Setup::default()).await;
    assert!(server.terminate().await.success());
    let state = server.folder().join("data/state.sqlite");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&state);
    let pool = sqlx::SqlitePool::connect_with(options).await.expect("opened");
    let newer = "INSERT INTO _sqlx_migrations VALUES (99, 'later', CURRENT_TIMESTAMP, true, x'00', 0)";
    sqlx::raw_sql(newer).execute(&pool).await.expect("written");
    pool.close().await;
    server.launch_again();
    let status = server.ended().await;
    let log = server.log();
    assert!(!status.success() && log.contains("has version 99") && log.contains("use a newer program"), "{log}");
}
