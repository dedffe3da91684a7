use super::*;
use crate::catalog::pipelines::parse;
use crate::model::finding::{FindingState, Recovering, Severity};
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use std::collections::BTreeMap;
use std::sync::Arc;

mod ending;
mod limits;
mod planning;

const PIPELINE: &str = "/*---
title: T
kind: finding
key: [k]
warning: 10
critical: 100
samples_min: 2
for: 10s
keep_firing_for: 1m
unit: ms
message: \"{k} takes {value}, over {limit}\"
---
Mend it. */
SELECT k, value, samples FROM t";

fn evaluator(restored: &[(String, Vec<u8>)]) -> Evaluator {
    changed(PipelineOverride::default(), restored)
}

fn changed(changes: PipelineOverride, restored: &[(String, Vec<u8>)]) -> Evaluator {
    let settings = EvaluatorSettings {
        lag_ms: 0,
        timeout: Duration::from_secs(10),
        alerting: Vec::new(),
        overrides: [("p".to_owned(), changes)].into(),
        budgets: Vec::new(),
    };
    Evaluator::new(&[parse("p.sql", PIPELINE).unwrap()], settings, restored)
}

/// Fires and ends without delay.
fn at_once() -> PipelineOverride {
    PipelineOverride { for_ms: Some(0), keep_firing_for_ms: Some(0), ..PipelineOverride::default() }
}

/// Evaluates rows `(key, value, samples)`; `None` drops the table, so that the run fails.
async fn step(evaluator: &mut Evaluator, now_s: i64, rows: Option<&[(&str, f64, i64)]>) -> Evaluation {
    let context = SessionContext::new();
    if let Some(rows) = rows {
        let keys: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0)));
        let values: ArrayRef = Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.1)));
        let samples: ArrayRef = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.2)));
        let batch = RecordBatch::try_from_iter([("k", keys), ("value", values), ("samples", samples)]).unwrap();
        context.register_batch("t", batch).unwrap();
    }
    evaluator.evaluate(&context, now_s * 1000).await
}

fn states(evaluation: &Evaluation) -> Vec<FindingState> {
    evaluation.findings.iter().map(|finding| finding.state).collect()
}

#[tokio::test]
async fn a_key_is_pending_for_its_time_then_fires_and_resolves_once_it_is_inside_long_enough() {
    use FindingState::{Firing, Ok, Pending};
    let mut e = evaluator(&[]);
    for (now_s, value, expected) in [
        (0, 5.0, Ok),
        (5, 50.0, Pending),
        (10, 50.0, Pending),
        (15, 50.0, Firing),
        (20, 5.0, Firing),
        (79, 5.0, Firing),
        (80, 5.0, Ok),
    ] {
        assert_eq!(states(&step(&mut e, now_s, Some(&[("a", value, 2)])).await), [expected], "at {now_s} s");
    }
}

#[tokio::test]
async fn a_failed_run_a_missing_key_and_too_few_samples_resolve_nothing() {
    let mut e = evaluator(&[]);
    step(&mut e, 0, Some(&[("a", 500.0, 2), ("b", 5.0, 2)])).await;
    let firing = step(&mut e, 10, Some(&[("a", 500.0, 2), ("b", 5.0, 2)])).await;
    assert_eq!(firing.findings[0].severity, Some(Severity::Critical));
    assert_eq!(firing.findings[0].title, "a takes 500 ms, over 100 ms");
    let failed = step(&mut e, 20, None).await;
    assert_eq!(states(&failed), [FindingState::Firing, FindingState::Ok]);
    assert!(failed.runs[0].error.is_some());
    let few = step(&mut e, 30, Some(&[("a", 0.0, 1), ("b", 5.0, 1)])).await;
    assert_eq!(states(&few), [FindingState::Firing, FindingState::NoData]);
    assert_eq!(few.findings[0].value, Some(500.0));
    assert_eq!(states(&step(&mut e, 40, Some(&[])).await), [FindingState::Firing, FindingState::NoData]);
    let later = step(&mut e, 4000, Some(&[])).await;
    assert_eq!(states(&later), [FindingState::Firing]);
    assert_eq!(later.deletes.len(), 1);
}

#[tokio::test]
async fn a_restart_neither_forgets_nor_begins_anew() {
    let mut e = evaluator(&[]);
    let mut kept = BTreeMap::new();
    for now_s in [0, 10] {
        kept.extend(step(&mut e, now_s, Some(&[("a", 50.0, 2)])).await.puts);
    }
    let mut restarted = evaluator(&kept.into_iter().collect::<Vec<_>>());
    let after = step(&mut restarted, 20, Some(&[("a", 50.0, 2)])).await;
    assert_eq!((after.findings[0].state, after.findings[0].firing_since_ms), (FindingState::Firing, Some(10_000)));
    assert!(after.puts.is_empty(), "nothing changed");
}

#[tokio::test]
async fn the_user_says_how_long_a_key_must_be_past_its_limit_and_how_long_it_keeps_firing() {
    use FindingState::{Firing, Ok};
    let changes = PipelineOverride { for_ms: Some(0), keep_firing_for_ms: Some(15_000), ..PipelineOverride::default() };
    let mut e = changed(changes, &[]);
    for (now_s, value, expected) in [(0, 50.0, Firing), (5, 5.0, Firing), (19, 5.0, Firing), (20, 5.0, Ok)] {
        assert_eq!(states(&step(&mut e, now_s, Some(&[("a", value, 2)])).await), [expected], "at {now_s} s");
    }
    let mut e = changed(at_once(), &[]);
    for (now_s, value, expected) in [(0, 50.0, Firing), (5, 5.0, Ok)] {
        assert_eq!(states(&step(&mut e, now_s, Some(&[("a", value, 2)])).await), [expected], "at {now_s} s");
    }
}

#[tokio::test]
async fn a_state_that_an_earlier_version_kept_is_read() {
    let fired = step(&mut changed(at_once(), &[]), 0, Some(&[("a", 50.0, 2)])).await;
    let (id, bytes) = fired.puts[0].clone();
    let text = String::from_utf8(bytes).unwrap();
    let old = text.replace(r#""key":{"k":"a"}"#, r#""key":[["k","a"]]"#);
    assert_ne!(old, text);
    let restored = changed(at_once(), &[(id, old.into_bytes())]).findings();
    assert_eq!(restored, fired.findings);
}

#[tokio::test]
async fn while_it_keeps_firing_it_says_what_it_fired_for_and_since_when_it_recovers() {
    let mut e = changed(PipelineOverride { for_ms: Some(0), ..PipelineOverride::default() }, &[]);
    let over = step(&mut e, 0, Some(&[("a", 50.0, 2)])).await.findings.remove(0);
    let inside = step(&mut e, 10, Some(&[("a", 5.0, 3)])).await;
    assert_eq!(inside.puts.len(), 1, "a restart goes on from here");
    let recovers =
        |value| Finding { recovering: Some(Recovering { since_ms: 10_000, value: Some(value) }), ..over.clone() };
    assert_eq!(inside.findings[0], Finding { last_seen_ms: 10_000, ..recovers(5.0) });
    assert_eq!(over.title, "a takes 50 ms, over 10 ms");

    // Neither a restart nor missing data restarts the recovery.
    let mut e = changed(PipelineOverride::default(), &inside.puts);
    step(&mut e, 15, Some(&[])).await;
    let later = step(&mut e, 20, Some(&[("a", 6.0, 3)])).await;
    assert_eq!(later.findings[0], Finding { last_seen_ms: 20_000, ..recovers(6.0) });
    assert!(later.puts.is_empty(), "a value by itself is not worth a write");

    let again = step(&mut e, 30, Some(&[("a", 70.0, 2)])).await.findings.remove(0);
    assert_eq!((again.title.as_str(), again.recovering), ("a takes 70 ms, over 10 ms", None));
    assert_eq!(again.firing_since_ms, Some(0), "the same incident");
    step(&mut e, 40, Some(&[("a", 5.0, 2)])).await;
    let well = step(&mut e, 100, Some(&[("a", 4.0, 2)])).await.findings.remove(0);
    assert_eq!((well.state, well.value, well.recovering), (FindingState::Ok, Some(4.0), None));
}

/// The row of 10 s that contains the end still misses half of its calls, and is excluded regardless of the lag.
#[tokio::test]
async fn only_whole_windows_are_judged() {
    let pipeline =
        PIPELINE.replace("FROM t", "FROM t WHERE window_start >= $window_start AND window_start < $window_end");
    let times = Arc::new(TimestampMicrosecondArray::from(vec![40_000_000, 50_000_000]).with_timezone("UTC"));
    let batch = RecordBatch::try_from_iter([
        ("window_start", times as ArrayRef),
        ("k", Arc::new(StringArray::from(vec!["whole", "begun"]))),
        ("value", Arc::new(Float64Array::from(vec![5.0, 5.0]))),
        ("samples", Arc::new(Int64Array::from(vec![2, 2]))),
    ]);
    let context = SessionContext::new();
    context.register_batch("t", batch.unwrap()).unwrap();
    // Last case: a window shorter than a row includes the row that overlaps it.
    let all = None;
    for (now_ms, lag_ms, window_ms, judged) in [
        (59_999, 0, all, 1),
        (60_000, 0, all, 2),
        (69_999, 10_000, all, 1),
        (70_000, 10_000, all, 2),
        (60_000, 0, Some(5_000), 1),
    ] {
        let changes = PipelineOverride { window_ms, ..PipelineOverride::default() };
        let settings = EvaluatorSettings {
            budgets: Vec::new(),
            lag_ms,
            timeout: Duration::from_secs(10),
            alerting: Vec::new(),
            overrides: BTreeMap::from([("p".to_owned(), changes)]),
        };
        let mut e = Evaluator::new(&[parse("p.sql", &pipeline).unwrap()], settings, &[]);
        let evaluation = e.evaluate(&context, now_ms).await;
        assert_eq!(evaluation.findings.len(), judged, "at {now_ms} ms with a lag of {lag_ms} ms");
    }
}
