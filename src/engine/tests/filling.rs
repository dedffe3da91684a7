//! Findings over raw rows while the hot tables are being filled after a start.

use super::*;
use crate::model::pipeline::PipelineDef;

const VIEW: &str = "/*---
title: Raw spans
kind: view
---
Why. */
SELECT * FROM spans";
const SLOWEST: &str = "/*---
title: Slowest span
kind: finding
key: [operation]
warning: 100
samples_min: 1
keep_firing_for: 0s
unit: ms
message: \"{operation}: {value}\"
---
Why. */
SELECT operation, max(duration_ms) AS value, count(*) AS samples FROM raw_spans
WHERE start_time >= $window_start AND start_time < $window_end GROUP BY 1";

fn with_slowest() -> Rules {
    let mut rules = rules();
    let parsed = |file: &str, text: &str| -> PipelineDef {
        pipelines::parse(file, text).unwrap_or_else(|faults| panic!("{faults}"))
    };
    rules.pipelines.extend([parsed("raw_spans.sql", VIEW), parsed("slowest.sql", SLOWEST)]);
    rules
}

async fn state(engine: &Engine, now_s: i64) -> Option<FindingState> {
    engine.flush().await.unwrap();
    engine.evaluate(now_s * 1000).await.unwrap();
    let findings = engine.findings().borrow().clone();
    findings.iter().find(|finding| finding.pipeline == "slowest").map(|finding| finding.state)
}

/// A slow span makes a finding fire; after a restart, at first only a fast one of the same operation is in memory.
async fn after_a_restart(is_read_back: bool) -> [Option<FindingState>; 3] {
    let folder = TempDir::new().unwrap();
    let first = HotStore::new(&tables(), 64 << 20);
    let engine = engine_by(with_slowest(), &folder, &first, settings(), nothing_to_refetch()).await;
    let slow = decoded("spans", vec![span(100 * SECOND_US, "GET /a", 500.0)]);
    first.append(Position(1), &slow);
    let before = state(&engine, 200).await;
    let cost = "SELECT rows_read FROM pipelines WHERE id IN ('slowest', 'raw_spans')";
    let cost = engine.query(cost, QueryLimits::default()).await.unwrap();
    let cost = outcome::json_rows(&cost.batches).unwrap();
    assert!(cost.iter().all(|row| row["rows_read"] == 1) && cost.len() == 2, "the finding and its view: {cost:?}");

    let store = HotStore::new(&tables(), 64 << 20);
    store.begin_filling(Position(1), 0);
    let engine = engine_by(with_slowest(), &folder, &store, settings(), nothing_to_refetch()).await;
    store.append(Position(2), &decoded("spans", vec![span(150 * SECOND_US, "GET /a", 5.0)]));
    let during = state(&engine, 210).await;
    if is_read_back {
        assert!(store.prepend(Position(1), &slow, None));
    }
    store.end_filling();
    [before, during, state(&engine, 220).await]
}

#[tokio::test]
async fn a_finding_over_raw_rows_is_not_judged_by_those_that_are_there_already() {
    let firing = Some(FindingState::Firing);
    assert_eq!(after_a_restart(true).await, [firing, firing, firing]);
    // With the same rows but none missing, the end is accepted.
    assert_eq!(after_a_restart(false).await, [firing, firing, Some(FindingState::Ok)]);
}

#[tokio::test]
async fn a_finding_over_rollups_goes_on() {
    let folder = TempDir::new().unwrap();
    let store = HotStore::new(&tables(), 64 << 20);
    store.begin_filling(Position(1), 0);
    let failing = |second: i64| {
        let mut span = span(second * SECOND_US, "GET /a", 5.0);
        span["error"] = json!(true);
        span
    };
    // Rows that an earlier process wrote but did not flush are read from the log.
    let earlier = decoded("spans", (0..20).map(|n| failing(100 + n)).collect());
    let refetch: Arc<Refetch> = Arc::new(move |after| {
        let mut new = NewRows { upto: after, ..NewRows::default() };
        if after < Position(1) {
            new.add(Position(1), &earlier);
        }
        Ok(new)
    });
    let engine = engine_by(with_slowest(), &folder, &store, settings(), refetch).await;
    engine.flush().await.unwrap();
    engine.evaluate(200_000).await.unwrap();
    let findings = engine.findings().borrow().clone();
    let states = |pipeline: &str| {
        let of = findings.iter().filter(|finding| finding.pipeline == pipeline);
        of.map(|finding| finding.state).collect::<Vec<_>>()
    };
    assert_eq!(states("error_rate"), [FindingState::Firing]);
    assert_eq!(states("slowest"), []);
}
