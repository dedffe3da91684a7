//! The fault table: each fault alone makes exactly its pipeline fire within a minute and names the guilty part.

use crate::support::server::SPANWISE;
use crate::support::stdout;
use serde_json::Value;
use spanwise::demo::Fault;
use std::collections::BTreeSet;
use std::process::Command;

async fn findings(faults: &str) -> Vec<Value> {
    let mut command = Command::new(SPANWISE);
    command.args(["demo", "--faults", faults, "--duration", "60s", "--json"]);
    let printed = stdout(command).await;
    let answer: Value = serde_json::from_str(printed.trim()).unwrap_or_else(|_| panic!("{printed}"));
    answer["findings"].as_array().unwrap().clone()
}

fn firing(findings: &[Value]) -> Vec<&Value> {
    findings.iter().filter(|finding| finding["state"] == "firing").collect()
}

/// What the finding must name.
fn guilty(fault: Fault) -> &'static str {
    match fault {
        Fault::MissingIndex => "FROM products WHERE sku",
        Fault::NPlusOne => "FROM stock WHERE product_id",
        Fault::ShortTtl => "cache products",
        Fault::SmallPool => "pool orders",
        Fault::SlowRoute => "GET /recommendations",
        Fault::Errors => "POST /checkout",
    }
}

// One after the other: each measures a shop under load, and two would measure each other.
#[tokio::test]
async fn each_fault_alone_makes_its_pipeline_fire_and_no_other() {
    println!("{:<14} {:<16} fired", "fault", "pipeline");
    for (fault, word, _, pipeline) in Fault::ALL {
        let all = findings(word).await;
        let firing = firing(&all);
        let fired: BTreeSet<&str> = firing.iter().filter_map(|finding| finding["pipeline"].as_str()).collect();
        let titles: Vec<&str> = firing.iter().filter_map(|finding| finding["title"].as_str()).collect();
        println!("{word:<14} {pipeline:<16} {titles:?}");
        assert_eq!(fired, BTreeSet::from([pipeline]), "{word}: {titles:?}");
        assert!(titles.iter().any(|title| title.contains(guilty(fault))), "{word}: {titles:?}");
    }
}

#[tokio::test]
async fn without_faults_all_six_are_judged_and_none_fires() {
    let all = findings("none").await;
    assert!(firing(&all).is_empty(), "{:?}", firing(&all));
    for (_, _, _, pipeline) in Fault::ALL {
        let judged = all.iter().filter(|finding| {
            finding["pipeline"] == pipeline && finding["state"] == "ok" && finding["samples"].as_u64() > Some(0)
        });
        let count = judged.count();
        println!("none: {pipeline}: {count} keys judged with samples");
        assert!(count > 0, "{pipeline} judged nothing");
    }
}
