//! Compares names and labels with the Go module `prometheus/otlptranslator`, for thousands of combinations of valid and invalid
//! name parts.

use super::{attribute, piped, send, shows};
use crate::support::config::Setup;
use crate::support::server::Server;
use crate::support::{free_port, now_unix_nano, peer};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::Command;

const UTF8_TEXT: &str = "text/plain;version=1.0.0;escaping=allow-utf-8";
const STRATEGIES: [&str; 4] = [
    "UnderscoreEscapingWithSuffixes",
    "UnderscoreEscapingWithoutSuffixes",
    "NoUTF8EscapingWithSuffixes",
    "NoTranslation",
];
const NAMES: usize = 2500;

/// A metric with name, unit, kind and label combined from valid and invalid parts.
struct Made {
    name: String,
    unit: &'static str,
    kind: &'static str,
    label: String,
}

fn made() -> Vec<Made> {
    const PARTS: [&str; 26] = [
        "http", "server", ".", "_", "__", "total", "ratio", "seconds", "bytes", "per", "é", "ß", "1", "9x", ":", "-",
        " ", "/", "percent", "a", "Z", "日本", "request", "duration", "_total", ".ratio",
    ];
    const UNITS: [&str; 24] = [
        "",
        "1",
        "s",
        "ms",
        "By",
        "By/s",
        "m/s",
        "{req}",
        "{req}/s",
        "1/s",
        "%",
        "Cel",
        "foo",
        "foo.bar/baz",
        "é",
        "/s",
        "s/",
        "a/b/c",
        "__x__/__y__",
        "µs",
        "KiBy/min",
        "total",
        "seconds",
        "_",
    ];
    const KINDS: [&str; 5] = ["counter", "updown", "gauge", "histogram", "summary"];
    let mut seed = 0x1234_5678_9abc_def1_u64;
    let mut next = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed >> 32).expect("32 bits") % below
    };
    let text = |least: usize, next: &mut dyn FnMut(usize) -> usize| -> String {
        (0..least + next(5)).map(|_| PARTS[next(PARTS.len())]).collect()
    };
    (0..NAMES)
        .map(|_| Made {
            name: text(2, &mut next),
            unit: UNITS[next(UNITS.len())],
            kind: KINDS[next(KINDS.len())],
            label: text(1, &mut next),
        })
        .collect()
}

fn metric(number: usize, of: &Made) -> Value {
    let now = now_unix_nano().to_string();
    let attributes =
        json!([attribute("number", &number.to_string()), attribute(&of.label, &format!("label-{number}"))]);
    let point = json!({"timeUnixNano": now, "attributes": attributes});
    let with = |more: Value| {
        let mut point = point.clone();
        point.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        json!([point])
    };
    let mut metric = json!({"name": of.name, "unit": of.unit});
    let (key, data) = match of.kind {
        "gauge" => ("gauge", json!({"dataPoints": with(json!({"asDouble": 1.5}))})),
        "histogram" => {
            let points = with(json!({"count": "3", "sum": 2.0, "explicitBounds": [1], "bucketCounts": ["1", "2"]}));
            ("histogram", json!({"aggregationTemporality": 2, "dataPoints": points}))
        }
        "summary" => ("summary", json!({"dataPoints": with(json!({"count": "3", "sum": 2.0}))})),
        kind => {
            let points = with(json!({"asInt": "1"}));
            ("sum", json!({"aggregationTemporality": 2, "isMonotonic": kind == "counter", "dataPoints": points}))
        }
    };
    metric[key] = data;
    metric
}

/// Returns the oracle's name for each metric and its label.
fn oracle(strategy: &str, made: &[Made]) -> Vec<(String, String)> {
    let mut questions = String::new();
    for of in made {
        let metric = json!({"strategy": strategy, "namespace": "", "name": of.name, "unit": of.unit, "type": of.kind});
        let label = json!({"strategy": strategy, "label": of.label});
        let _to_a_string = write!(questions, "{metric}\n{label}\n");
    }
    let answers = piped(&mut Command::new(peer("SPANWISE_OTLPTRANSLATOR")), questions);
    let names: Vec<String> = answers
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["name"].as_str().expect("a name").to_owned())
        .collect();
    names.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
}

/// Returns each metric's name on its last line and its label, by its number.
fn shown(text: &str) -> BTreeMap<usize, (String, String)> {
    let mut shown = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((before, number)) =
            line.split_once("number=\"").map(|(before, rest)| (before, rest.split('"').next()))
        else {
            continue;
        };
        let Some(number) = number.and_then(|number| number.parse().ok()) else { continue };
        let name = match before.strip_prefix("{\"") {
            Some(quoted) => quoted.split("\",").next().unwrap_or_default(),
            None => before.split('{').next().unwrap_or_default(),
        };
        let label =
            line.split_once(&format!("=\"label-{number}\"")).map(|(before, _)| match before.strip_suffix('"') {
                Some(quoted) => quoted.rsplit('"').next().unwrap_or_default(),
                None => before.rsplit([',', '{']).next().unwrap_or_default(),
            });
        shown.insert(number, (name.to_owned(), label.unwrap_or_default().to_owned()));
    }
    shown
}

/// Returns the line prefixes of a metric family.
fn lines_of(kind: &str, name: &str) -> BTreeSet<String> {
    let suffixes: &[&str] = match kind {
        "histogram" => &["", "_bucket", "_sum", "_count"],
        "summary" => &["", "_sum", "_count"],
        _ => &[""],
    };
    suffixes.iter().map(|suffix| format!("{name}{suffix}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_labels_are_those_of_the_oracle_in_every_strategy() {
    let mut setup = Setup::default();
    let ports = STRATEGIES.map(|_| free_port());
    for (strategy, port) in STRATEGIES.iter().zip(ports) {
        let keys = format!("endpoint: '127.0.0.1:{port}', translation_strategy: {strategy}");
        setup = setup.exporter_aside(&format!("prometheus/{strategy}"), &keys);
    }
    let ids = STRATEGIES.map(|strategy| format!("prometheus/{strategy}")).join(", ");
    let server =
        Server::start(setup.pipeline("metrics/names", &format!("receivers: [otlp], exporters: [{ids}]"))).await;
    let made = made();
    let all: Vec<Value> = made.iter().enumerate().map(|(number, of)| metric(number, of)).collect();
    send(&server, &[("service.name", "names")], all.into()).await;
    for (strategy, port) in STRATEGIES.iter().zip(ports) {
        let url = format!("http://127.0.0.1:{port}/metrics");
        // Histograms are processed after numbers.
        let text = shows(&url, UTF8_TEXT, "le=\"1\"").await;
        let (shown, oracle) = (shown(&text), oracle(strategy, &made));
        let mut kept_out = 0;
        for (number, (of, (name, label))) in made.iter().zip(&oracle).enumerate() {
            // The oracle strips a byte before a suffix even within a character; we strip the whole character.
            if name.contains('\u{fffd}') {
                continue;
            }
            let Some((shown_name, shown_label)) = shown.get(&number) else {
                // The name is empty, or a metric of another kind or unit already has it.
                let lines = lines_of(of.kind, name);
                let mut others = made.iter().zip(&oracle).enumerate().filter(|(other, _)| *other != number);
                let is_taken = others.any(|(_, (other, (taken, _)))| {
                    (other.kind != of.kind || other.unit != of.unit) && !lines_of(other.kind, taken).is_disjoint(&lines)
                });
                assert!(
                    name.is_empty() || is_taken,
                    "{strategy}: {:?} [{}] {} is not shown",
                    of.name,
                    of.unit,
                    of.kind
                );
                kept_out += 1;
                continue;
            };
            let suffix = if ["histogram", "summary"].contains(&of.kind) { "_count" } else { "" };
            assert_eq!(shown_name, &format!("{name}{suffix}"), "{strategy}: {:?} [{}] {}", of.name, of.unit, of.kind);
            // A label that conflicts with one of ours is renamed.
            assert!(
                shown_label == label || shown_label == &format!("exported_{label}"),
                "{strategy}: {shown_label} {label}"
            );
        }
        println!("otlptranslator: {strategy}: {} names, 0 differ, {kept_out} kept out by others", shown.len());
        assert!(shown.len() > NAMES / 2, "{}", shown.len());
    }
}
