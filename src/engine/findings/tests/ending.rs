//! How a firing ends, and its history.

use super::*;
use crate::model::finding::Ended;
use std::collections::BTreeMap;

/// The pipeline of the tests with additional front-matter and another statement; it fires at once and keeps firing for 60 s.
fn of(front: &str, sql: &str, restored: &[(String, Vec<u8>)]) -> Evaluator {
    let text = PIPELINE.replace("for: 10s\n", &format!("{front}\n")).replace("SELECT k, value, samples FROM t", sql);
    let settings = EvaluatorSettings {
        lag_ms: 0,
        timeout: Duration::from_secs(10),
        alerting: Vec::new(),
        overrides: BTreeMap::new(),
        budgets: Vec::new(),
    };
    Evaluator::new(&[parse("p.sql", &text).unwrap()], settings, restored)
}

const PLAIN: &str = "SELECT k, value, samples FROM t";

fn ended(finding: &Finding) -> Option<(i64, Option<&str>)> {
    finding.ended.as_ref().map(|Ended { at_ms, reason }| (*at_ms, reason.as_deref()))
}

#[tokio::test]
async fn what_judges_traffic_ends_with_it_and_says_so() {
    use FindingState::{Firing, NoData, Ok};
    let mut e = of("no_data: resolve", PLAIN, &[]);
    step(&mut e, 0, Some(&[("a", 50.0, 2), ("b", 5.0, 2)])).await;
    let silent = step(&mut e, 10, Some(&[])).await;
    assert_eq!(states(&silent), [Firing, NoData]);
    assert_eq!(silent.findings[0].recovering, Some(Recovering { since_ms: 10_000, value: None }));
    assert_eq!(silent.findings[0].recovering.unwrap().said("for 5 s", "ms"), "no traffic for 5 s");
    assert_eq!(silent.findings[0].title, "a takes 50 ms, over 10 ms", "what it fired for");
    // A failed run does not count as missing traffic; a key that comes back fires again, in the same incident.
    assert_eq!(states(&step(&mut e, 200, None).await), [Firing, NoData]);
    let back = step(&mut e, 201, Some(&[("a", 60.0, 2)])).await;
    assert_eq!((back.findings[0].firing_since_ms, back.findings[0].recovering), (Some(0), None));

    step(&mut e, 210, Some(&[])).await;
    assert_eq!(states(&step(&mut e, 269, Some(&[("a", 0.0, 0)])).await)[0], Firing, "samples of nothing are none");
    let over = step(&mut e, 270, Some(&[])).await;
    let finding = over.findings.iter().find(|finding| finding.key[0].1 == "a").unwrap();
    assert_eq!((finding.state, finding.title.as_str()), (Ok, "T: a: no traffic any more, for 5 min"));
    assert_eq!(ended(finding), Some((270_000, Some("no traffic any more, for 5 min"))));
    // It has no data from then on, and its end is kept, also over a restart.
    let mut kept: BTreeMap<_, _> = over.puts.into_iter().collect();
    let later = step(&mut e, 280, Some(&[])).await;
    kept.extend(later.puts);
    let restarted = of("no_data: resolve", PLAIN, &kept.into_iter().collect::<Vec<_>>()).findings();
    let finding = restarted.iter().find(|finding| finding.key[0].1 == "a").unwrap();
    assert_eq!((finding.state, ended(finding).map(|ended| ended.0)), (NoData, Some(270_000)));
    // A key that fires again has not ended.
    let again = step(&mut e, 290, Some(&[("a", 50.0, 2)])).await;
    assert_eq!((again.findings[0].state, ended(&again.findings[0])), (Firing, None));
}

#[tokio::test]
async fn an_end_within_the_limit_needs_no_reason() {
    let mut e = changed(at_once(), &[]);
    step(&mut e, 0, Some(&[("a", 50.0, 2)])).await;
    let over = step(&mut e, 10, Some(&[("a", 5.0, 2)])).await;
    assert_eq!(ended(&over.findings[0]), Some((10_000, None)));
}

#[tokio::test]
async fn a_row_that_another_finding_explains_does_not_fire_unless_it_is_worse() {
    let sql = "SELECT k, value, samples, 'other' AS explained_by, 'warning' AS explained_severity FROM t";
    let found = step(&mut of("", sql, &[]), 0, Some(&[("a", 50.0, 2), ("b", 500.0, 2), ("c", 5.0, 2)])).await.findings;
    let of_key = |key: &str| found.iter().find(|finding| finding.key[0].1 == key).unwrap();
    assert_eq!((of_key("a").state, of_key("a").title.as_str()), (FindingState::Ok, "T: a: 50 ms, explained by other"));
    assert_eq!(of_key("a").evidence.text("explained_by").as_deref(), Some("other"));
    assert_eq!((of_key("b").state, of_key("b").severity), (FindingState::Firing, Some(Severity::Critical)));
    assert_eq!(of_key("c").title, "T: c: 5 ms, inside its limit of 10 ms");

    // A firing key ends, and names the finding that explains it.
    let sql = "SELECT k, value, samples, CASE WHEN samples > 5 THEN 'other' END AS explained_by FROM t";
    let mut e = of("", sql, &[]);
    assert_eq!(states(&step(&mut e, 0, Some(&[("a", 50.0, 2)])).await), [FindingState::Firing]);
    assert_eq!(states(&step(&mut e, 10, Some(&[("a", 50.0, 9)])).await), [FindingState::Firing]);
    let over = step(&mut e, 70, Some(&[("a", 50.0, 9)])).await;
    assert_eq!(ended(&over.findings[0]), Some((70_000, Some("explained by other"))));
    let mut e = of("", &sql.replace(" FROM t", ", true AS explained_at_once FROM t"), &[]);
    assert_eq!(states(&step(&mut e, 0, Some(&[("a", 50.0, 2)])).await), [FindingState::Firing]);
    let over = step(&mut e, 10, Some(&[("a", 50.0, 9)])).await;
    assert_eq!(ended(&over.findings[0]), Some((10_000, Some("explained by other"))));
    assert_eq!(over.findings[0].evidence.get("explained_at_once"), None);
    // Within its limit it keeps firing for a while, regardless of the column.
    assert_eq!(states(&step(&mut e, 20, Some(&[("a", 50.0, 2)])).await), [FindingState::Firing]);
    assert_eq!(states(&step(&mut e, 30, Some(&[("a", 5.0, 9)])).await), [FindingState::Firing]);
}

#[tokio::test]
async fn a_row_says_how_many_samples_are_enough_and_the_user_says_it_last() {
    let sql = "SELECT k, value, samples, CASE WHEN value > 60 THEN 9 END AS samples_min FROM t";
    let rows: &[(&str, f64, i64)] = &[("a", 50.0, 8), ("b", 70.0, 8), ("c", 80.0, 9)];
    let by_row = step(&mut of("", sql, &[]), 0, Some(rows)).await;
    assert_eq!(states(&by_row), [FindingState::Firing, FindingState::Firing, FindingState::NoData]);
    let mut e = of("", sql, &[]);
    e.pipelines[0].limits.samples_min = Some(1);
    assert_eq!(states(&step(&mut e, 0, Some(rows)).await), [FindingState::Firing; 3]);
}

#[tokio::test]
async fn a_statement_is_given_its_least_samples() {
    let mut e = of("", "SELECT k, CAST($samples_min AS DOUBLE) * 10 AS value, samples FROM t", &[]);
    assert_eq!(step(&mut e, 0, Some(&[("a", 0.0, 2)])).await.findings[0].value, Some(20.0));
}

/// Rows `(k, minute, value)` as a table with times; each is a sample.
fn in_minutes(rows: &[(&str, i64, f64)]) -> SessionContext {
    let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.1 * 60_000_000));
    let batch = RecordBatch::try_from_iter([
        ("window_start", Arc::new(times.with_timezone("UTC")) as ArrayRef),
        ("k", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0)))),
        ("value", Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.2)))),
    ]);
    let context = SessionContext::new();
    context.register_batch("t", batch.unwrap()).unwrap();
    context
}

const IN_WINDOW: &str = "SELECT k, avg(value) AS value, count(*) AS samples FROM t \
                         WHERE window_start >= $window_start AND window_start < $window_end GROUP BY 1";

#[tokio::test]
async fn what_fires_and_has_few_samples_by_now_is_judged_by_all_since_it_began() {
    use FindingState::{Firing, NoData, Ok};
    // Two samples are enough: both fail in minutes 100 and 101. From then on one sample arrives every ten minutes.
    let mut rows = vec![("bad", 100, 50.0), ("bad", 101, 50.0), ("well", 100, 50.0), ("well", 101, 50.0)];
    rows.extend([("gone", 100, 50.0), ("gone", 101, 50.0), ("new", 110, 50.0)]);
    for minute in (105..=300).step_by(10) {
        rows.extend([("bad", minute, 50.0), ("well", minute, 5.0)]);
    }
    rows.push(("gone", 180, 50.0));
    let context = in_minutes(&rows);
    let mut e = of("no_data: resolve", IN_WINDOW, &[]);
    let at = async |e: &mut Evaluator, minute: i64| {
        let found = e.evaluate(&context, minute * 60_000).await.findings;
        let state = |key: &str| found.iter().find(|finding| finding.key[0].1 == key).map(|finding| finding.state);
        ["bad", "well", "gone", "new"].map(state)
    };
    assert_eq!(at(&mut e, 102).await, [Some(Firing), Some(Firing), Some(Firing), None]);
    // Two of three samples of `well` were beyond the limit, then two of four, and so on, until an hour has passed.
    assert_eq!(at(&mut e, 106).await, [Some(Firing), Some(Firing), Some(Firing), None]);
    assert_eq!(at(&mut e, 111).await[3], Some(NoData), "two samples are needed to begin, within the window");
    for minute in (116..=156).step_by(10) {
        at(&mut e, minute).await;
    }
    at(&mut e, 166).await;
    assert_eq!(at(&mut e, 168).await[..2], [Some(Firing), Some(Ok)]);
    assert_eq!(at(&mut e, 300).await[0], Some(Firing), "it still fails");
}

/// An outage that drives nearly all traffic away: earlier successes must not hide the failures.
#[tokio::test]
async fn what_came_in_before_the_fault_does_not_end_it() {
    let mut rows: Vec<(&str, i64, f64)> = (40..100).map(|minute| ("a", minute, 5.0)).collect();
    rows.extend((100..106).map(|minute| ("a", minute, 50.0)));
    rows.extend((108..140).step_by(4).map(|minute| ("a", minute, 50.0)));
    let context = in_minutes(&rows);
    let mut e = of("no_data: resolve", IN_WINDOW, &[]);
    e.evaluate(&context, 103 * 60_000).await;
    for minute in 106..141 {
        let found = e.evaluate(&context, minute * 60_000).await.findings.remove(0);
        assert_eq!(found.state, FindingState::Firing, "in minute {minute}: {found:?}");
    }
    let over = e.evaluate(&context, 147 * 60_000).await.findings.remove(0);
    assert_eq!((over.state, over.recovering.map(|r| r.value)), (FindingState::Firing, Some(None)), "{over:?}");
    let over = e.evaluate(&context, 149 * 60_000).await.findings.remove(0);
    assert_eq!(over.state, FindingState::Ok);
}

#[tokio::test]
async fn where_the_hour_has_too_few_samples_too_it_ends() {
    let context = in_minutes(&[("a", 100, 50.0), ("a", 101, 50.0), ("a", 200, 50.0)]);
    let mut e = of("no_data: resolve", IN_WINDOW, &[]);
    e.evaluate(&context, 102 * 60_000).await;
    e.evaluate(&context, 201 * 60_000).await;
    let over = e.evaluate(&context, 203 * 60_000).await;
    let reason = "too little traffic to judge any more, for 60 min";
    assert_eq!(ended(&over.findings[0]), Some((203 * 60_000, Some(reason))));
    // A finding that does not judge traffic keeps firing.
    let mut e = of("", IN_WINDOW, &[]);
    for minute in [102, 201, 203] {
        e.evaluate(&context, minute * 60_000).await;
    }
    assert_eq!(e.findings()[0].state, FindingState::Firing);
}

#[tokio::test]
async fn firings_are_remembered_over_restarts_and_seen_by_what_is_judged_next() {
    let mut e = of("for: 10s", PLAIN, &[]);
    let mut kept = BTreeMap::new();
    for (now_s, value) in [(600, 50.0), (610, 70.0), (620, 60.0), (630, 5.0)] {
        kept.extend(step(&mut e, now_s, Some(&[("a", value, 2)])).await.puts);
    }
    // From the start of the first window beyond the limit: five minutes before 600 s.
    let open = e.firings().rows();
    assert_eq!((open.len(), &open[0]["pipeline"], &open[0]["key"]["k"]), (1, &"p".into(), &"a".into()));
    assert_eq!((&open[0]["from_time"], &open[0]["started"]), (&300_000_000.into(), &610_000_000.into()));
    assert_eq!(
        (&open[0]["worst"], &open[0]["limit_value"], &open[0]["severity"]),
        (&70.0.into(), &10.0.into(), &"warning".into())
    );
    assert!(open[0]["ended"].is_null());
    let mut e = of("for: 10s", PLAIN, &kept.into_iter().collect::<Vec<_>>());
    assert_eq!(e.firings().rows()[0]["started"], 610_000_000);
    let over = step(&mut e, 690, Some(&[("a", 5.0, 2)])).await;
    let closed = of("for: 10s", PLAIN, &over.puts).firings().rows();
    assert_eq!((&closed[0]["ended"], closed[0].get("severity")), (&690_000_000.into(), None));
}

#[tokio::test]
async fn a_firing_that_an_earlier_version_kept_goes_on() {
    let fired = step(&mut changed(at_once(), &[]), 600, Some(&[("a", 50.0, 2)])).await;
    let (id, bytes) = fired.puts[0].clone();
    let mut old: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    for new in ["fired", "past_from_ms"] {
        assert!(old.as_object_mut().unwrap().remove(new).is_some(), "{new}");
    }
    old["finding"].as_object_mut().unwrap().remove("ended");
    let mut e = changed(at_once(), &[(id, serde_json::to_vec(&old).unwrap())]);
    step(&mut e, 610, Some(&[("a", 50.0, 2)])).await;
    assert_eq!(e.firings().rows()[0]["started"], 600_000_000);
}
