//! The demo's table of faults: each fault alone causes exactly its pipeline to fire, with a key that names the cause.

use crate::support::heavy;
use crate::support::process::{Process, tail};
use crate::support::server::SPANWISE;
use crate::support::until;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// `--faults`, the pipeline that must fire, and the text that its key must contain.
const TABLE: [(&str, &str, &str); 6] = [
    ("missing_index", "slow_statement", "FROM products WHERE sku = ?"),
    ("n_plus_one", "n_plus_one", "SELECT quantity FROM stock WHERE product_id = ?"),
    ("short_ttl", "cache_hit_rate", "products"),
    ("small_pool", "pool_wait", "orders"),
    ("slow_route", "api_budget", "GET /recommendations"),
    ("errors", "error_rate", "POST /checkout"),
];

/// Duration of each demo; a fault must fire within it.
const RUN: &str = "60s";
/// Maximum number of concurrent demos; more would distort each other's durations.
const AT_ONCE: usize = 2;

struct Demo {
    faults: &'static str,
    process: Process,
    _folder: tempfile::TempDir,
}

impl Demo {
    /// Starts a demo and waits until it has bound its ports, so that the next one does not choose the same.
    async fn open(faults: &'static str) -> Demo {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(SPANWISE);
        command.args(["demo", "--faults", faults, "--duration", RUN, "--json"]);
        command.env("TMPDIR", folder.path()).current_dir(folder.path());
        let mut process = Process::start("demo", &mut command, folder.path());
        let begins = format!("spanwise-demo-{}-", process.id());
        let shop = |folder: &Path| {
            let mut entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries.any(|entry| {
                entry.file_name().to_string_lossy().starts_with(&begins) && entry.path().join("shop").exists()
            })
        };
        until("the demo to open its shop", Duration::from_secs(30), || {
            let ended = process.ended();
            let text = process.text();
            let is_open = shop(folder.path());
            async move {
                assert!(ended.is_none(), "the demo ended: {text}");
                if is_open { Ok(()) } else { Err(tail(&text, 5)) }
            }
        })
        .await;
        Demo { faults, process, _folder: folder }
    }

    /// Returns the findings at the end of the demo.
    async fn findings(mut self) -> (&'static str, Vec<Value>) {
        let status = self.process.wait(Duration::from_mins(2)).await;
        let text = self.process.text();
        assert!(status.success(), "demo --faults {}: {status}: {}", self.faults, tail(&text, 20));
        let json = text.lines().rfind(|line| line.starts_with('{')).unwrap_or_else(|| panic!("no JSON: {text}"));
        let answer: Value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"));
        (self.faults, answer["findings"].as_array().expect("findings").clone())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_fires_its_pipeline_and_no_fault_none() {
    let _turn = heavy().await;
    let all: Vec<&'static str> = std::iter::once("none").chain(TABLE.iter().map(|(word, ..)| *word)).collect();
    let mut results = BTreeMap::new();
    for some in all.chunks(AT_ONCE) {
        let mut open = Vec::new();
        for faults in some {
            open.push(Demo::open(faults).await);
        }
        for demo in open {
            let (faults, findings) = demo.findings().await;
            results.insert(faults, findings);
        }
    }
    let mut wrong = Vec::new();
    println!("{:<14} {:<16} {:<16} named", "--faults", "must fire", "fired");
    for (word, pipeline, guilty) in TABLE {
        let fired = firing(&results[word]);
        let pipelines: BTreeSet<&str> = fired.iter().map(|(pipeline, _)| pipeline.as_str()).collect();
        let named: Vec<&str> = fired.iter().map(|(_, key)| key.as_str()).collect();
        let shown = pipelines.iter().copied().collect::<Vec<_>>().join(", ");
        println!("{word:<14} {pipeline:<16} {shown:<16} {}", named.join(" | "));
        if pipelines != BTreeSet::from([pipeline]) {
            wrong.push(format!("{word}: expected {pipeline} alone to fire, found {fired:?}"));
        } else if !named.iter().any(|key| key.contains(guilty)) {
            wrong.push(format!("{word}: expected a key with {guilty:?}, found {named:?}"));
        }
    }
    let healthy = &results["none"];
    let fired = firing(healthy);
    println!("{:<14} {:<16} {:?}", "none", "-", fired);
    if !fired.is_empty() {
        wrong.push(format!("none: expected nothing to fire, found {fired:?}"));
    }
    // A healthy shop repeats no statement, and n_plus_one judges only those that a trace repeats.
    for (_, pipeline, _) in TABLE.into_iter().filter(|(word, ..)| *word != "n_plus_one") {
        let judged = healthy.iter().filter(|finding| {
            finding["pipeline"] == pipeline && finding["state"] == "ok" && finding["samples"].as_i64() > Some(0)
        });
        let judged = judged.count();
        println!("{:<14} {pipeline:<16} judged and well: {judged} keys", "none");
        if judged == 0 {
            wrong.push(format!("none: expected {pipeline} to judge at least one key with samples"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Returns pipeline and key, as text, of the firing findings.
fn firing(findings: &[Value]) -> Vec<(String, String)> {
    let firing = findings.iter().filter(|finding| finding["state"] == "firing");
    firing
        .map(|finding| (finding["pipeline"].as_str().unwrap_or_default().to_owned(), finding["key"].to_string()))
        .collect()
}
