//! A sort with a limit does not transfer the whole table to the worker.

use super::*;

const FRAMES: i64 = 40;
const OF_FRAME: i64 = 5000;

/// Spans ordered by time, with neither the fastest nor the slowest first.
async fn bench() -> Bench {
    let mut bench = Bench::new().await;
    for frame in 0..FRAMES {
        let rows = (0..OF_FRAME).map(|n| {
            let number = frame * OF_FRAME + n;
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let mut span = span(number * 1000, "GET /a", (number * 7919 % 100_003) as f64);
            span["service_name"] = json!(if number % 1000 == 0 { "rare" } else { "shop" });
            span
        });
        bench.send("spans", rows.collect());
    }
    bench
}

/// Number of rows from the scan of `spans`, as counted by the plan.
async fn sent(bench: &Bench, sql: &str) -> i64 {
    let rows = bench.rows(&format!("EXPLAIN ANALYZE {sql}")).await;
    let plan = rows.iter().map(|row| Value::Object(row.clone()).to_string()).collect::<String>();
    let scan = plan.split("RemoteScan: table=spans").nth(1).unwrap_or_else(|| panic!("no scan: {plan}"));
    let count = scan.split("output_rows=").nth(1).unwrap_or_else(|| panic!("no count: {plan}"));
    let (number, unit) = count.split_at(count.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap());
    #[expect(clippy::cast_possible_truncation, reason = "small")]
    let times = |by: f64| (number.parse::<f64>().unwrap() * by) as i64;
    if unit.trim_start().starts_with('K') { times(1000.0) } else { times(1.0) }
}

#[tokio::test]
async fn the_top_of_a_table_is_sent_and_little_more() {
    let bench = bench().await;
    let all = FRAMES * OF_FRAME;
    for (sql, expected) in [
        ("SELECT * FROM spans ORDER BY duration_ms DESC LIMIT 3", "100002, 100002, 100001"),
        ("SELECT * FROM spans ORDER BY duration_ms LIMIT 3", "0, 0, 1"),
        ("SELECT * FROM spans ORDER BY start_time DESC LIMIT 1", "44570"),
        ("SELECT * FROM spans WHERE service_name = 'rare' ORDER BY start_time DESC LIMIT 1", "33726"),
        ("SELECT * FROM spans WHERE service_name = 'rare' LIMIT 1", "0"),
    ] {
        let found = bench.rows(sql).await;
        let durations: Vec<String> = found.iter().map(|row| row["duration_ms"].to_string().replace(".0", "")).collect();
        assert_eq!(durations.join(", "), expected, "{sql}");
        let sent = sent(&bench, sql).await;
        println!("{sql}: {sent} of {all} rows sent");
        assert!(sent < all / 5, "{sql}: {sent} of {all} rows sent");
    }
    // Computed by hand: the server's sieve does not change the result of a filter.
    let sql = "SELECT count(*) FROM spans WHERE duration_ms >= 100000 OR service_name IS NULL";
    let expected = (0..all).filter(|n| n * 7919 % 100_003 >= 100_000).count();
    assert_eq!(bench.number(sql).await, i64::try_from(expected).unwrap());
    // Comparisons other than with a value, and long ones.
    let sql = "SELECT count(*) FROM spans WHERE service_name IS DISTINCT FROM NULL";
    assert_eq!(bench.number(sql).await, all);
    for count in [30, 80, 500] {
        let any: Vec<String> = (0..count).map(|n| format!("duration_ms = {n}.5")).collect();
        let sql = format!("SELECT count(*) FROM spans WHERE service_name = 'rare' OR {}", any.join(" OR "));
        assert_eq!(
            bench.number(&sql).await,
            bench.number("SELECT count(*) FROM spans WHERE service_name = 'rare'").await
        );
    }
}
