//! Backups of a server under load, and the data of a server that starts on one.

use crate::support::config::Setup;
use crate::support::otlp::{route_span, send, traces};
use crate::support::server::{SPANWISE, Server};
use crate::support::until;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(30);
const FINDING: &str = "api_budget";

fn spanwise(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(SPANWISE);
    command.args(arguments).current_dir(folder).output().expect("spanwise runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn answer(output: &Output) -> Value {
    assert!(output.status.success(), "{}", said(output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Returns a configuration with a budget that slow requests of one route exceed.
fn setup() -> Setup {
    Setup::default()
        .performance("budgets: {api: {mine: {match: \"GET /slow\", limit: 50ms}}}")
        .performance("findings: {api_budget: {samples_min: 5}}")
}

async fn until_firing(server: &Server) {
    until("the budget's finding to fire", Duration::from_mins(1), || async {
        let all = server.findings().await?;
        let fires = |one: &&Value| one["pipeline"] == FINDING && one["state"] == "firing";
        if all.iter().any(|one| fires(&one)) { Ok(()) } else { Err(format!("{all:?}")) }
    })
    .await;
}

/// Sends requests one after another until `stop` is set; the counter contains the acknowledged spans.
fn load(server: &Server, stop: &Arc<AtomicBool>) -> (tokio::task::JoinHandle<()>, Arc<AtomicU64>) {
    let (url, stop, sent) = (server.http_url("/v1/traces"), stop.clone(), Arc::new(AtomicU64::new(0)));
    let counted = sent.clone();
    let task = tokio::spawn(async move {
        let mut id = 1;
        while !stop.load(Ordering::Relaxed) {
            let spans: Vec<_> = (0..20).map(|n| route_span(id + n, "GET", "/slow", 400.0)).collect();
            id += 20;
            send(&url, &traces("shop", spans)).await;
            counted.fetch_add(20, Ordering::Relaxed);
        }
    });
    (task, sent)
}

/// A backup under load contains everything acknowledged before it began; a server started on it has the same counts and
/// findings.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_is_restored_whole() {
    let mut server = Server::start(setup()).await;
    let (folder, config) = (server.folder().to_owned(), server.config().display().to_string());
    let stop = Arc::new(AtomicBool::new(false));
    let (sending, sent) = load(&server, &stop);
    until_firing(&server).await;

    let acknowledged_before = sent.load(Ordering::Relaxed);
    let copied = tokio::task::spawn_blocking({
        let (folder, config) = (folder.clone(), config.clone());
        move || spanwise(&["backup", "saved", "--config", &config, "--json"], &folder)
    });
    let copied = answer(&copied.await.expect("ended"));
    let acknowledged_after = sent.load(Ordering::Relaxed);
    let position = copied["backup"]["position"].as_u64().expect("a position");
    until("more spans than the backup has", WITHIN, || {
        let now = sent.load(Ordering::Relaxed);
        std::future::ready(if now > acknowledged_after + 100 { Ok(()) } else { Err(now.to_string()) })
    })
    .await;
    server.kill9();
    stop.store(true, Ordering::Relaxed);
    sending.abort();

    // Existing data prevents a restore without `--force`.
    let refused = spanwise(&["restore", "saved", "--config", &config], &folder);
    assert!(!refused.status.success() && said(&refused).contains("--force"), "{}", said(&refused));
    std::fs::remove_dir_all(folder.join("data")).expect("deleted");
    let restored = answer(&spanwise(&["restore", "saved", "--config", &config, "--json"], &folder));
    assert_eq!(restored["restore"]["position"], copied["backup"]["position"]);

    server.start_again().await;
    // The server receives nothing else, so each frame of the log is a request with 20 spans.
    let found = server.number("SELECT count(*) FROM spans").await;
    assert_eq!(found.to_string(), (position * 20).to_string(), "all frames up to the backup's position, and no other");
    assert!(position * 20 >= acknowledged_before, "{found} spans, {acknowledged_before} were acknowledged before");
    server.until_number("SELECT sum(calls) FROM requests", found).await;
    until_firing(&server).await;
    println!(
        "{acknowledged_before} spans acknowledged before the backup began, {acknowledged_after} when it had ended; it has \
         {found}, up to position {position}: after kill -9, deletion and restore the server has {found} in `spans` and in \
         `requests`, and {FINDING} fires"
    );
    // The server continues: new positions and rows follow the restored ones.
    send(&server.http_url("/v1/traces"), &traces("shop", vec![route_span(1 << 40, "GET", "/slow", 400.0)])).await;
    server.until_number("SELECT count(*) FROM spans", found + 1.0).await;
    assert!(server.terminate().await.success());
}

/// A failed restore changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_unfinished_and_newer_backups_are_refused() {
    let mut server = Server::start(setup()).await;
    let folder = server.folder().to_owned();
    let config = server.config().display().to_string();
    send(&server.http_url("/v1/traces"), &traces("shop", vec![route_span(1, "GET", "/slow", 400.0)])).await;
    server.until_number("SELECT sum(calls) FROM requests", 1.0).await;
    let backup = |to: &str| spanwise(&["backup", to, "--config", &config], &folder);
    let restore = |arguments: &[&str]| {
        let all = [&["restore"], arguments, &["--config", &config]].concat();
        spanwise(&all, &folder)
    };
    let done = backup("good");
    let told = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success() && told.contains("2 files"), "{told}{}", said(&done));
    let again = backup("good");
    assert!(said(&again).contains("the folder is not empty"), "{}", said(&again));
    // The running server holds the lock on the folder.
    let running = restore(&["good", "--force"]);
    assert!(said(&running).contains("another Spanwise uses this folder"), "{}", said(&running));
    assert!(server.terminate().await.success());
    let before = state_of(&folder.join("data"));

    let segment = |of: &str| {
        let mut all: Vec<_> = std::fs::read_dir(folder.join(of).join("log")).expect("a folder").collect();
        all.pop().expect("a segment").expect("a segment").path()
    };
    let copy = |to: &str| {
        let copied = Command::new("cp").args(["-r", "good", to]).current_dir(&folder).status().expect("cp");
        assert!(copied.success());
    };
    copy("flipped");
    let mut bytes = std::fs::read(segment("flipped")).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(segment("flipped"), bytes).expect("written");
    copy("short");
    std::fs::write(folder.join("short/state.sqlite"), "x").expect("written");
    std::fs::remove_file(segment("short")).expect("deleted");
    copy("unfinished");
    std::fs::remove_file(folder.join("unfinished/backup.json")).expect("deleted");
    for (to, from, replaced) in
        [("newer", "\"format\": 1", "\"format\": 2"), ("outside", "\"state.sqlite\"", "\"../state.sqlite\"")]
    {
        copy(to);
        let path = folder.join(to).join("backup.json");
        let text = std::fs::read_to_string(&path).expect("read");
        assert!(text.contains(from), "{text}");
        std::fs::write(&path, text.replace(from, replaced)).expect("written");
    }
    for (from, messages) in [
        ("flipped", &["the backup is damaged", "checksum mismatch"][..]),
        ("short", &["the backup is damaged", "short/state.sqlite: has 1 bytes", "No such file"]),
        ("unfinished", &["there is no backup.json, so this is not a backup, or an unfinished one"]),
        ("newer", &["format 2", "this program reads up to 1"]),
        ("outside", &["names a file that is not part of a backup: \"../state.sqlite\""]),
        ("absent", &["there is no backup.json"]),
    ] {
        let output = restore(&[from, "--force"]);
        assert!(!output.status.success(), "{from}");
        messages.iter().for_each(|message| assert!(said(&output).contains(message), "{from}: {}", said(&output)));
        assert_eq!(state_of(&folder.join("data")), before, "{from} has changed nothing");
        println!("{}", said(&output).trim());
    }

    // Both the server and the next restore detect an interrupted one.
    let staging = folder.join("data/restoring");
    std::fs::create_dir(&staging).expect("made");
    let started = spanwise(&["run", "--config", &config], &folder);
    assert!(said(&started).contains("a restore into this folder was not finished"), "{}", said(&started));
    let done = restore(&["good"]);
    assert!(done.status.success() && !staging.exists(), "{}", said(&done));
    server.start_again().await;
    server.until_number("SELECT sum(calls) FROM requests", 1.0).await;
    server.until_number("SELECT count(*) FROM spans", 1.0).await;

    let nothing = folder.join("nothing.yaml");
    let text = std::fs::read_to_string(server.config()).expect("read").replace("/data\"", "/nothing\"");
    std::fs::write(&nothing, text).expect("written");
    let empty = spanwise(&["backup", "none", "--config", &nothing.display().to_string()], &folder);
    assert!(said(&empty).contains("no Spanwise has ever run in this folder"), "{}", said(&empty));
}

/// Returns the files of a store and their bytes.
fn state_of(store: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for folder in [store.to_owned(), store.join("log")] {
        for entry in std::fs::read_dir(&folder).expect("a folder").filter_map(Result::ok) {
            if entry.path().is_file() {
                let name = entry.path().display().to_string();
                all.push((name, std::fs::read(entry.path()).expect("read")));
            }
        }
    }
    all.sort();
    all
}
