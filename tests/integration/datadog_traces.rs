//! Compares our traces and statistics for Datadog field by field with the results of Datadog's own Agent for the same requests:
//! its OTLP receiver, processing and concentrator, as Go modules (`tests/peers/datadog`).

mod cases;
mod generator;
mod oracle;
mod requests;
mod test_agent;
mod texts;
mod values;
mod wire;

use crate::support::{heavy_here, peer};
use generator::Generator;
use oracle::{Question, Report, ask};
use regex::Regex;
use serde_json::Value;
use spanwise::exporters::datadog::traces::TraceSettings;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// Number of generated requests.
const REQUESTS: usize = 10_000;

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock behind 1970");
    i64::try_from(since.as_nanos()).expect("before 2262")
}

/// Realistic settings; most requests are mapped with the first.
fn settings() -> Vec<TraceSettings> {
    let defaults = TraceSettings { hostname: "collector-host".to_owned(), ..TraceSettings::default() };
    vec![
        defaults.clone(),
        defaults.clone(),
        defaults.clone(),
        TraceSettings { compute_top_level_by_span_kind: true, ..defaults.clone() },
        TraceSettings { compute_stats_by_span_kind: false, ..defaults.clone() },
        TraceSettings { peer_tags_aggregation: false, ..defaults.clone() },
        TraceSettings { peer_tags: vec!["team".to_owned(), "card".to_owned()], ..defaults.clone() },
        TraceSettings { span_name_as_resource_name: true, ..defaults.clone() },
        TraceSettings {
            span_name_remappings: BTreeMap::from([
                ("opentelemetry.server".to_owned(), "remapped".to_owned()),
                ("io.opentelemetry.http.client".to_owned(), "Client Of".to_owned()),
            ]),
            ..defaults.clone()
        },
    ]
}

fn generated(generator: &mut Generator, now: i64) -> Vec<Question> {
    let settings = settings();
    (0..REQUESTS)
        .map(|index| {
            let settings = settings[index % settings.len()].clone();
            Question::new(settings, generator.request(now), now)
        })
        .collect()
}

/// Compares all answers and prints the results.
fn report(title: &str, questions: &[Question], answers: &[Value]) -> Report {
    assert_eq!(answers.len(), questions.len(), "each question was answered");
    let mut report = Report::default();
    for (index, (question, answer)) in questions.iter().zip(answers).enumerate() {
        report.compare(index, question, answer);
    }
    println!("{title}: {} requests\n{}", answers.len(), report.table());
    for difference in report.differences.iter().take(40) {
        println!("{difference}");
    }
    report
}

#[test]
fn each_branch_is_mapped_as_the_agent_does() {
    let _turn = heavy_here();
    let now = now();
    let mut questions: Vec<Question> = Vec::new();
    for request in cases::all(now) {
        for settings in settings() {
            questions.push(Question::new(settings, request.clone(), now));
        }
    }
    let ignoring =
        TraceSettings { ignore_resources: vec![Regex::new("^health").expect("a pattern")], ..TraceSettings::default() };
    for request in cases::durations(now) {
        questions.push(Question::new(TraceSettings::default(), request, now));
    }
    for request in cases::ignored(now) {
        questions.push(Question::new(ignoring.clone(), request, now));
    }
    let answers = ask(&peer("SPANWISE_DATADOG"), &questions, None);
    let report = report("Datadog traces, by hand", &questions, &answers);
    assert!(report.differences.is_empty(), "{} differences", report.differences.len());
    assert!(report.compared["spans"].0 > 200 && report.compared["sketch bins"].0 > 200, "{:?}", report.compared);
}

#[test]
fn generated_requests_are_mapped_as_the_agent_does() {
    let _turn = heavy_here();
    let mut generator = Generator::new(1);
    let questions = generated(&mut generator, now());
    let coverage = tempfile::tempdir().expect("a temporary folder");
    let answers = ask(&peer("SPANWISE_DATADOG"), &questions, Some(coverage.path()));
    let report = report("Datadog traces, generated", &questions, &answers);
    let features: Vec<String> = generator.features.iter().map(|(name, count)| format!("{name} {count}")).collect();
    println!("features: {}", features.join(", "));
    show_coverage(coverage.path());
    assert!(report.differences.is_empty(), "{} differences", report.differences.len());
    assert!(report.compared["spans"].0 > 20_000, "{:?}", report.compared);
    let rare: Vec<_> = generator.features.iter().filter(|(_, count)| **count < 20).collect();
    assert!(rare.is_empty(), "features that were hardly reached: {rare:?}");
}

/// Prints the coverage of the Agent's own code if Go is installed.
fn show_coverage(folder: &std::path::Path) {
    let shown = std::process::Command::new("go").args(["tool", "covdata", "percent", "-i"]).arg(folder).output();
    if let Ok(shown) = shown {
        println!("coverage of the Agent's code:\n{}", String::from_utf8_lossy(&shown.stdout));
    }
}

/// A fault of the mapping, as a change to a correct result.
type Fault = (&'static str, fn(&mut Value));

const FAULTS: [Fault; 6] = [
    ("operations have no names", |side| spans(side, |span| span["name"] = "unnamed".into())),
    ("nothing is marked as top-level", |side| {
        spans(side, |span| drop(span["metrics"].as_object_mut().map(|tags| tags.remove("_top_level"))));
    }),
    ("statements are sent as they are", |side| {
        spans(side, |span| {
            if span["type"] == "sql" {
                span["resource"] = "SELECT * FROM users WHERE id = 42".into();
            }
        });
    }),
    ("exceptions are not marked", |side| {
        spans(side, |span| {
            drop(span["meta"].as_object_mut().map(|tags| tags.remove("_dd.span_events.has_exception")));
        });
    }),
    ("peer tags are left out of statistics", |side| groups(side, |group| group["peer_tags"] = Value::Null)),
    ("errors count as good durations", |side| {
        groups(side, |group| {
            if group["errors"] != 0 {
                group["ok"] = group["failed"].clone();
            }
        });
    }),
];

/// The comparison detects faults: rules removed from the output, and rules that our mapping skips because its settings differ
/// from the Agent's.
#[test]
fn faults_of_the_mapping_are_found() {
    let _turn = heavy_here();
    let now = now();
    let defaults = TraceSettings::default();
    let of = |fault: Option<TraceSettings>| {
        let question =
            |request| Question { fault: fault.clone(), ..Question::new(TraceSettings::default(), request, now) };
        cases::all(now).into_iter().map(question).collect::<Vec<Question>>()
    };
    let found = |name: &str, questions: &[Question], answers: &[Value], fault: fn(&mut Value)| {
        let mut report = Report::default();
        for (index, (question, answer)) in questions.iter().zip(answers).enumerate() {
            let mut answer = answer.clone();
            fault(&mut answer["spanwise"]);
            answer["local"] = answer["spanwise"].clone();
            report.compare(index, question, &answer);
        }
        println!("fault: {name}: {} differences", report.differences.len());
        assert!(!report.differences.is_empty(), "not seen: {name}");
    };
    let questions = of(None);
    let answers = ask(&peer("SPANWISE_DATADOG"), &questions, None);
    for (name, fault) in FAULTS {
        found(name, &questions, &answers, fault);
    }
    let skipping = [
        ("names are the older ones", TraceSettings { span_name_as_resource_name: true, ..defaults.clone() }),
        ("tops are told by kind", TraceSettings { compute_top_level_by_span_kind: true, ..defaults.clone() }),
        ("kinds do not count", TraceSettings { compute_stats_by_span_kind: false, ..defaults.clone() }),
        ("peers do not count", TraceSettings { peer_tags_aggregation: false, ..defaults.clone() }),
        ("the environment is another", TraceSettings { env: "other".to_owned(), ..defaults }),
    ];
    for (name, settings) in skipping {
        let questions = of(Some(settings));
        found(name, &questions, &ask(&peer("SPANWISE_DATADOG"), &questions, None), |_| {});
    }
}

fn spans(side: &mut Value, mut change: impl FnMut(&mut Value)) {
    for payload in side["traces"].as_array_mut().into_iter().flatten() {
        for chunk in payload["chunks"].as_array_mut().into_iter().flatten() {
            chunk["spans"].as_array_mut().into_iter().flatten().for_each(&mut change);
        }
    }
}

fn groups(side: &mut Value, change: impl FnMut(&mut Value)) {
    side["stats"].as_array_mut().into_iter().flatten().for_each(change);
}
