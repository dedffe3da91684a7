//! Problematic input in one table: one row per case, one column per target. Each target either accepts the item or a dead
//! letter states the reason; all accept the good item sent with it.

mod cases;
mod targets;

use crate::check::faults;
use crate::support::otlp::post;
use crate::support::server::Server;
use crate::support::{heavy, until};
use cases::{CASES, Case, Signal, Told};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;
use targets::{EXPORTERS, Targets};

/// The items that one target contains: a short description for each case.
type Seen = BTreeMap<String, String>;

/// Name of the good item sent along with a case.
fn good(case: &Case) -> String {
    format!("beside {}", case.name)
}

/// Sends a case: the item and a good one. Returns the partial success message, if any.
async fn send(server: &Server, case: &Case) -> Option<String> {
    let (path, body) = case.request();
    let answer = post(&server.http_url(path), &[("content-type", "application/json")], body.to_string()).await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.status, 200, "{}: {}", case.name, answer.text());
    let answer: Value = serde_json::from_slice(&answer.body).expect("JSON");
    answer["partialSuccess"]["errorMessage"].as_str().map(str::to_owned)
}

/// Returns the dead letters of an exporter about the case's metric; for `prometheus`, which has none, the log lines.
async fn letters(server: &Server, exporter: &str, case: &Case) -> Vec<String> {
    let name = format!("{:?}", case.metric());
    if exporter == "prometheus" {
        let log = server.log();
        let lines = log.lines().filter(|line| line.contains("exporters::prometheus") && line.contains(&name));
        return lines.map(str::to_owned).collect();
    }
    let letters = server.sql(&format!("SELECT reason FROM dead_letters WHERE exporter = '{exporter}'")).await;
    let reasons = letters.iter().filter_map(|row| row["reason"].as_str().map(str::to_owned));
    reasons.filter(|reason| reason.contains(&name) || reason.starts_with(&format!("{}: ", case.metric()))).collect()
}

/// Waits until every exporter has processed every request.
async fn dealt_with(server: &Server) {
    let lagging = "SELECT count(*) FROM exporters WHERE lag_frames > 0 OR state <> 'ok'";
    until("every request to be dealt with", Duration::from_mins(1), || async {
        let received = server.try_number("SELECT count(DISTINCT position) FROM exporters").await?;
        let behind = server.try_number(lagging).await?;
        if behind < 0.5 && received >= 1.0 {
            Ok(())
        } else {
            Err(format!("{:#?}", server.try_sql("SELECT * FROM exporters").await?))
        }
    })
    .await;
}

/// Returns the outcome of a case at a target, and whether it is the expected one.
async fn outcome(server: &Server, exporter: &str, case: &Case, seen: &Seen, wanted: &Told) -> (String, bool) {
    let letters = letters(server, exporter, case).await;
    let found = seen.get(case.name).cloned();
    let told = match (&found, letters.as_slice()) {
        (None, []) => "nothing".to_owned(),
        (Some(found), []) => found.clone(),
        (None, letters) => format!("dead letter: {}", letters.join(" | ")),
        (Some(found), letters) => format!("{found}; dead letter: {}", letters.join(" | ")),
    };
    let is_well = match wanted {
        Told::Taken(wanted) => found.as_deref() == Some(wanted) && letters.is_empty(),
        Told::Refused(part) => found.is_none() && letters.len() == 1 && letters[0].contains(part),
        Told::InPart(wanted, part) => {
            found.as_deref() == Some(wanted) && letters.len() == 1 && letters[0].contains(part)
        }
        Told::Elsewhere | Told::AtTheDoor => found.is_none() && letters.is_empty(),
    };
    (told, is_well && (matches!(wanted, Told::Elsewhere) || seen.contains_key(&good(case))))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_target_takes_it_or_says_what_is_wrong() {
    let _turn = heavy().await;
    let targets = Targets::start().await;
    let server = targets.server().await;
    let mut told = BTreeMap::new();
    for case in &CASES {
        told.insert(case.name, send(&server, case).await);
    }
    dealt_with(&server).await;
    let seen = targets.seen(&server).await;
    let (mut table, mut wrong) = (String::from("what is hard to take, and what becomes of it"), Vec::new());
    for case in &CASES {
        let _ = write!(table, "\n{} ({})", case.name, case.signal.name());
        if let Some(told) = &told[case.name] {
            let _ = write!(table, "\n  {:<22} {told}", "(its sender)");
        }
        for (exporter, wanted) in EXPORTERS.iter().zip(&case.wanted) {
            let (told, is_well) = outcome(&server, exporter, case, &seen[exporter], wanted).await;
            if matches!(wanted, Told::Elsewhere) && is_well {
                continue;
            }
            let _ = write!(table, "\n  {exporter:<22} {told}");
            if !is_well {
                wrong.push(format!("{}, {exporter}: expected {wanted:?}, found {told}", case.name));
            }
        }
    }
    println!("{table}");
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), server.log());
}

/// The resource of all items.
fn resource() -> Value {
    json!({"attributes": [cases::text("service.name", "shop"), cases::text("host.name", "web-1")]})
}

/// Invalid settings of a target, one per line, and what `check` reports for each.
const SETTINGS: [(&str, &str); 5] = [
    ("datadog: {api: {key: \"no key\", site: datadoghq.com}}", "api.key"),
    (
        "datadog/site: {api: {key: 0123456789abcdef0123456789abcdef, site: datadoghq.de}}",
        "did you mean \"datadoghq.eu\"?",
    ),
    ("otlp_http/newrelic: {preset: newrelic, region: moon, license_key: abc}", "found \"moon\""),
    ("prometheusremotewrite: {endpoint: \"prometheus.example\"}", "expected a URL such as"),
    ("elasticsearch: {endpoint: \"search.example:9200\"}", "expected a URL such as"),
];

#[test]
fn check_says_what_is_wrong_with_keys_sites_and_addresses() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("otel-config.yaml");
    let mut text = String::from("receivers: {otlp: {protocols: {grpc: }}}\nconnectors: {performance: }\nexporters:\n");
    let mut ids = Vec::new();
    for (settings, _) in SETTINGS {
        let _ = writeln!(text, "  {settings}");
        ids.push(settings.split_once(": ").expect("a name").0);
    }
    let _ = writeln!(
        text,
        "service: {{pipelines: {{metrics: {{receivers: [otlp], exporters: [performance, {}]}}}}}}",
        ids.join(", ")
    );
    std::fs::write(&config, text).expect("written");
    let (code, found) = faults(&config);
    for (line, (settings, said)) in (4..).zip(SETTINGS) {
        let at: Vec<_> = found.iter().filter(|(_, found, _)| *found == line).collect();
        assert!(at.len() == 1 && at[0].2.contains(said), "{settings}: {found:#?}");
        println!("check: {}: {}", at[0].1, at[0].2);
    }
    assert_eq!((code, found.len()), (Some(2), SETTINGS.len()), "{found:#?}");
}
