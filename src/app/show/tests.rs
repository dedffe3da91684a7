use super::*;
use crate::model::finding::{Finding, FindingState, Proof, Recovering, Severity};
use serde_json::{Value, json};
use std::time::Duration;

fn finding(id: &str, state: FindingState, severity: Option<Severity>) -> Finding {
    Finding {
        id: id.to_owned(),
        pipeline: "api_budget".to_owned(),
        severity,
        state,
        title: format!("shop GET /{id}: p95 is 312 ms"),
        key: vec![("service_name".to_owned(), "shop".to_owned())].into(),
        value: Some(312.0),
        limit: Some(200.0),
        headroom: None,
        unit: "ms".to_owned(),
        samples: 40,
        impact: "12 s over 40 requests".to_owned(),
        evidence: crate::model::evidence::Evidence::default(),
        trace_ids: vec!["4bf92f3577b34da6a3ce929d0e0e4736".to_owned()].into(),
        evidence_sql: "".into(),
        advice: "Look at the slowest\ntraces first.".into(),
        proof: Proof::Measured,
        first_seen_ms: 0,
        last_seen_ms: 0,
        state_since_ms: 60_000,
        firing_since_ms: Some(30_000),
        recovering: None,
        ended: None,
    }
}

#[test]
fn a_finding_reads_as_two_lines_of_facts_and_one_of_advice() {
    let text = findings(&[finding("a", FindingState::Firing, Some(Severity::Critical))], false, 150_500);
    let expected = "\
● critical  shop GET /a: p95 is 312 ms
            312 ms, 56 % over the limit of 200 ms · 12 s over 40 requests · for 2 min · api_budget · trace 4bf92f3577b34da6a3ce929d0e0e4736
            → Look at the slowest traces first.
1 firing (critical)
";
    assert_eq!(text, expected);
    let coloured = findings(&[finding("a", FindingState::Firing, Some(Severity::Critical))], true, 0);
    assert!(coloured.starts_with("\u{1b}[31;1m●\u{1b}[0m"));
}

#[test]
fn a_finding_that_recovers_says_so_behind_what_it_fired_for() {
    let recovering = Some(Recovering { since_ms: 130_000, value: Some(90.0) });
    let one = Finding { recovering, ..finding("a", FindingState::Firing, Some(Severity::Warning)) };
    let text = findings(std::slice::from_ref(&one), false, 150_500);
    let expected = "▲ warning   shop GET /a: p95 is 312 ms (recovering for 20 s, 90 ms now)\n            312 ms, 56 % over the limit of 200 ms · 12 s over";
    assert!(text.starts_with(expected), "{text}");
    let change = Changes::default().of(&[one], false, 150_500).remove(0).line;
    assert!(change.ends_with("p95 is 312 ms (recovering since 1970-01-01T00:02:10Z, 90 ms now)"), "{change}");
}

#[test]
fn all_states_are_counted_and_an_empty_list_says_so() {
    let all = [
        finding("a", FindingState::Firing, Some(Severity::Critical)),
        finding("b", FindingState::Firing, Some(Severity::Warning)),
        finding("c", FindingState::Pending, None),
        finding("d", FindingState::Ok, None),
        finding("e", FindingState::NoData, None),
    ];
    assert_eq!(summary(&all), "2 firing (1 critical); 1 pending; 1 ok; 1 without data");
    assert_eq!(findings(&[], true, 0), "nothing firing\n");
    let page_of = |all_keys| page(&all, all_keys, false, 0).whole();
    assert!(page_of(false).ends_with("1 without data (--all shows every key)\n") && !page_of(false).contains("GET /d"));
    assert!(page_of(true).ends_with("1 without data\n") && page_of(true).contains("GET /d"));
}

#[test]
fn text_from_outside_cannot_steer_the_terminal() {
    let mut evil = finding("a", FindingState::Ok, None);
    evil.title = "x\u{1b}]0;owned\u{7}y\nz".to_owned();
    assert!(!findings(&[evil], false, 0).contains('\u{1b}'));
}

#[test]
fn changes_are_told_once() {
    let mut changes = Changes::default();
    let told = |changes: &mut Changes, findings: &[Finding]| -> Vec<String> {
        changes.of(findings, false, 1_000).into_iter().map(|change| change.line).collect()
    };
    let firing = finding("a", FindingState::Firing, Some(Severity::Warning));
    let fine = finding("a", FindingState::Ok, None);
    let first = told(&mut changes, &[firing.clone(), finding("b", FindingState::Ok, None)]);
    assert_eq!(first, ["1970-01-01T00:00:01Z warning  api_budget: shop GET /a: p95 is 312 ms"]);
    assert!(told(&mut changes, std::slice::from_ref(&firing)).is_empty());
    let worse = finding("a", FindingState::Firing, Some(Severity::Critical));
    assert!(told(&mut changes, &[worse])[0].contains(" critical "));
    assert!(told(&mut changes, std::slice::from_ref(&fine))[0].contains(" resolved "));
    assert!(told(&mut changes, &[fine]).is_empty());
}

#[test]
fn rows_stand_in_a_table() {
    let row = |value: Value| value.as_object().expect("an object").clone();
    let text = rows(
        &[row(json!({"name": "a", "n": 5})), row(json!({"name": "b", "extra": {"x": 1}}))],
        true,
        Duration::from_millis(12),
        false,
    );
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[1].contains("name") && lines[1].contains("extra"), "{text}");
    assert!(text.contains("{\"x\":1}"), "{text}");
    assert_eq!(lines.last(), Some(&"2 rows, cut off here: there are more, 12 ms"));
    assert_eq!(rows(&[], false, Duration::ZERO, false), "0 rows, 0 ms\n");
}
