//! Rows of ten seconds, a minute and an hour: each row is in each of them once, at any time.

use super::*;

const HOUR_MS: i64 = 3_600_000;

/// Returns the count in each resolution, and how many of its windows are not aligned.
async fn counted(bench: &Bench) -> [(i64, i64); 3] {
    let mut counted = [(0, 0); 3];
    for (at, (table, seconds)) in [("requests", 10), ("requests_1m", 60), ("requests_1h", 3600)].into_iter().enumerate()
    {
        let calls = bench.number(&format!("SELECT sum(calls) FROM {table}")).await;
        let is_odd = format!("window_start <> date_bin(INTERVAL '{seconds} seconds', window_start)");
        counted[at] = (calls, bench.number(&format!("SELECT count(*) FROM {table} WHERE {is_odd}")).await);
    }
    counted
}

#[tokio::test]
async fn each_row_is_in_each_resolution_once_before_and_after_compaction_and_over_restarts() {
    let retention = Retention { fine_ms: 2 * HOUR_MS, minute_ms: 24 * HOUR_MS, hour_ms: 744 * HOUR_MS };
    let settings = || EngineSettings { retention, ..EngineSettings::default() };
    let mut bench = Bench::with(settings()).await;
    let (now_ms, mut sent) = (now_ms(), 0);
    for round in 0..4 {
        // Some arrive hours late, after the finest rows have expired.
        for hours_ago in [0, 1, 3, 30] {
            let at_us = (now_ms - hours_ago * HOUR_MS) * 1000;
            bench.send("spans", (0..5).map(|n| span(at_us, &format!("GET /{round}/{n}"), 1.0)).collect());
            sent += 5;
        }
        bench.engine.flush().await.unwrap();
        let all = [(sent, 0); 3];
        assert_eq!(counted(&bench).await, all, "round {round}, flushed");
        if round % 2 == 0 {
            bench.engine.compaction(now_ms).await.unwrap();
            assert_eq!(counted(&bench).await, all, "round {round}, compacted");
        }
        bench.restart_with(settings()).await;
        assert_eq!(counted(&bench).await, all, "round {round}, started again");
    }
    // Enough small parts for compaction to merge them.
    for n in 0..40 {
        bench.send("spans", vec![span(now_ms * 1000, &format!("GET /joined/{n}"), 1.0)]);
        bench.engine.flush().await.unwrap();
        sent += 1;
    }
    for _ in 0..2 {
        bench.engine.compaction(now_ms).await.unwrap();
        bench.restart_with(settings()).await;
        assert_eq!(counted(&bench).await, [(sent, 0); 3]);
    }
}
