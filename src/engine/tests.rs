//! The engine over its own store and state database.

use super::*;
use crate::catalog::{pipelines, schemas};
use crate::model::decoded::Decoded;
use crate::model::frame::Position;
use crate::model::table::TableDef;
use crate::store::NewRows;
use serde_json::{Map, Value, json};
use std::time::Duration;
use tempfile::TempDir;

mod bounds;
mod earlier;
mod filling;
mod no_input;
mod outages;
mod own_rollup;
mod quantiles;
mod resolutions;
mod rules;
mod told_once;
mod top_rows;

const SECOND_US: i64 = 1_000_000;

struct Bench {
    folder: TempDir,
    store: Arc<HotStore>,
    engine: Arc<Engine>,
    position: u64,
}

fn tables() -> Vec<TableDef> {
    schemas::builtin().unwrap_or_else(|faults| panic!("{faults}"))
}

async fn engine(
    folder: &TempDir,
    store: &Arc<HotStore>,
    settings: EngineSettings,
    refetch: Arc<Refetch>,
) -> Arc<Engine> {
    engine_by(rules(), folder, store, settings, refetch).await
}

fn rules() -> Rules {
    Rules::of(pipelines::builtin().unwrap_or_else(|faults| panic!("{faults}")))
}

async fn engine_by(
    rules: Rules,
    folder: &TempDir,
    store: &Arc<HotStore>,
    settings: EngineSettings,
    refetch: Arc<Refetch>,
) -> Arc<Engine> {
    let definitions = Definitions { tables: tables(), rules };
    let state = State::open(&folder.path().join("state.sqlite")).await.unwrap();
    Engine::start(settings, definitions, store.clone(), state, refetch).await.unwrap()
}

fn nothing_to_refetch() -> Arc<Refetch> {
    Arc::new(|_| anyhow::bail!("nothing was evicted"))
}

/// Settings under which rows of 1970 do not expire.
fn settings() -> EngineSettings {
    let ever = i64::MAX / 2;
    EngineSettings {
        retention: Retention { fine_ms: ever, minute_ms: ever, hour_ms: ever },
        ..EngineSettings::default()
    }
}

impl Bench {
    async fn new() -> Bench {
        Bench::with(settings()).await
    }

    async fn with(settings: EngineSettings) -> Bench {
        Bench::judging(settings, |_| {}).await
    }

    async fn judging(settings: EngineSettings, change: impl Fn(&mut Rules)) -> Bench {
        let folder = TempDir::new().unwrap();
        let store = HotStore::new(&tables(), 64 << 20);
        let mut rules = rules();
        change(&mut rules);
        let engine = engine_by(rules, &folder, &store, settings, nothing_to_refetch()).await;
        Bench { folder, store, engine, position: 0 }
    }

    fn send(&mut self, table: &'static str, rows: Vec<Value>) {
        self.position += 1;
        self.store.append(Position(self.position), &decoded(table, rows));
    }

    async fn rows(&self, sql: &str) -> Vec<Map<String, Value>> {
        let answer = self.engine.query(sql, QueryLimits::default()).await.unwrap();
        outcome::json_rows(&answer.batches).unwrap()
    }

    async fn number(&self, sql: &str) -> i64 {
        self.rows(sql).await[0].values().next().and_then(Value::as_i64).unwrap()
    }

    /// Starts another process over the same state, with the rows of the log replayed.
    async fn restart(&mut self) {
        self.restart_with(settings()).await;
    }

    async fn restart_with(&mut self, settings: EngineSettings) {
        self.engine = engine(&self.folder, &self.store, settings, nothing_to_refetch()).await;
        self.engine.look_for_earlier_exceptions();
    }
}

fn decoded(table: &'static str, rows: Vec<Value>) -> Decoded {
    let definition = tables().into_iter().find(|definition| definition.name == table).unwrap();
    let mut rows: Vec<_> = rows.into_iter().map(tables::object).collect();
    rows.iter_mut().filter(|_| table == "spans").for_each(examples::derive);
    Decoded { tables: vec![(table, super::tables::batch(&definition.schema(), &rows).unwrap())], ..Decoded::default() }
}

fn span(start_us: i64, operation: &str, duration_ms: f64) -> Value {
    json!({"start_time": start_us, "service_name": "shop", "operation": operation, "name": operation, "kind": "SERVER",
           "status_code": "UNSET", "duration_ms": duration_ms, "sampled_weight": 1.0, "error": false})
}

fn counter(time_s: i64, start_s: i64, value: f64) -> Value {
    json!({"time": time_s * SECOND_US, "time_unix_nano": time_s * 1_000_000_000,
           "start_time_unix_nano": start_s * 1_000_000_000, "service_name": "shop", "name": "cache.hits", "kind": "sum",
           "temporality": "cumulative", "is_monotonic": true, "value": value, "series_id": 7,
           "attributes": {"cache.name": "c"}})
}

#[tokio::test]
async fn each_row_counts_once_over_restarts_and_late_rows_change_their_window() {
    let mut bench = Bench::new().await;
    bench.send("spans", vec![span(5 * SECOND_US, "GET /a", 10.0), span(15 * SECOND_US, "GET /a", 30.0)]);
    bench.engine.flush().await.unwrap();
    bench.send("spans", vec![span(25 * SECOND_US, "GET /b", 10.0)]);
    bench.restart().await;
    bench.engine.flush().await.unwrap();
    bench.send("spans", vec![span(6 * SECOND_US, "GET /a", 20.0)]);
    bench.engine.flush().await.unwrap();
    bench.engine.flush().await.unwrap();
    let windows = bench
        .rows("SELECT CAST(to_unixtime(window_start) AS BIGINT) AS at, sum(calls) AS calls, max(duration_max_ms) AS most FROM requests WHERE operation = 'GET /a' GROUP BY 1 ORDER BY 1")
        .await;
    let found: Vec<Value> = windows.into_iter().map(Value::Object).collect();
    assert_eq!(found, [json!({"at": 0, "calls": 2, "most": 20.0}), json!({"at": 10, "calls": 1, "most": 30.0})]);
    assert_eq!(bench.number("SELECT sum(calls) FROM requests").await, 4);
    assert_eq!(bench.number("SELECT sum(calls) FROM requests_1m").await, 4);
    assert_eq!(bench.number("SELECT sum(calls) FROM span_metrics").await, 4);
}

#[tokio::test]
async fn rollups_read_each_row_that_came_in_once() {
    let mut bench = Bench::new().await;
    for flush in 0..5 {
        bench.send("spans", (0..100).map(|n| span(n * SECOND_US, &format!("GET /{flush}"), 1.0)).collect());
        bench.engine.flush().await.unwrap();
    }
    assert_eq!(bench.number("SELECT rows_read FROM pipelines WHERE id = 'requests'").await, 500);
    assert_eq!(bench.number("SELECT runs FROM pipelines WHERE id = 'requests'").await, 5);
    assert_eq!(bench.number("SELECT sum(calls) FROM requests").await, 500);
}

#[tokio::test]
async fn rows_that_left_memory_are_read_from_the_log() {
    let folder = TempDir::new().unwrap();
    let frames: Vec<Decoded> = (0..20)
        .map(|n| decoded("spans", (0..50).map(|m| span(m * SECOND_US, "GET /a", f64::from(n))).collect()))
        .collect();
    let store = HotStore::new(&tables(), frames[0].memory_bytes() * 3);
    for (index, frame) in frames.iter().enumerate() {
        store.append(Position(index as u64 + 1), frame);
    }
    let log = frames.clone();
    let refetch: Arc<Refetch> = Arc::new(move |after| {
        let mut new = NewRows { upto: after, ..NewRows::default() };
        // Four frames at a time, as under a memory limit.
        for (index, frame) in log.iter().enumerate().skip(usize::try_from(after.0)?).take(4) {
            new.add(Position(index as u64 + 1), frame);
        }
        Ok(new)
    });
    let engine = engine(&folder, &store, settings(), refetch).await;
    engine.flush().await.unwrap();
    let answer = engine.query("SELECT sum(calls) AS calls FROM requests", QueryLimits::default()).await.unwrap();
    assert_eq!(Value::Object(outcome::json_rows(&answer.batches).unwrap().remove(0)), json!({"calls": 1000}));
}

#[tokio::test]
async fn joined_parts_say_the_same_and_survive_a_restart() {
    let mut bench = Bench::new().await;
    for n in 0..40 {
        bench.send("spans", vec![span(now_ms() * 1000, "GET /a", f64::from(n) + 1.0)]);
        bench.engine.flush().await.unwrap();
    }
    let sql =
        "SELECT sum(calls) AS calls, quantile(duration_sketch, 0.5) AS p50, max(duration_max_ms) AS most FROM requests";
    let before = bench.rows(sql).await;
    bench.engine.compaction(now_ms()).await.unwrap();
    assert_eq!(bench.rows(sql).await, before);
    assert!(bench.number("SELECT count(*) FROM requests_1h").await <= 2, "joined to a row an hour");
    bench.restart().await;
    assert_eq!(bench.rows(sql).await, before);
}

#[tokio::test]
async fn where_fine_rows_expired_coarse_ones_stand_in_and_no_call_is_seen_twice() {
    let mut bench = Bench::with(EngineSettings::default()).await;
    let now_ms = now_ms();
    for hours_ago in 0..30 {
        bench.send("spans", vec![span((now_ms - hours_ago * 3_600_000) * 1000, "GET /a", 1.0)]);
    }
    bench.engine.flush().await.unwrap();
    bench.engine.compaction(now_ms).await.unwrap();
    assert_eq!(bench.number("SELECT sum(calls) FROM requests").await, 30);
    assert!(bench.number("SELECT count(DISTINCT resolution) FROM requests").await > 1);
    bench.restart_with(EngineSettings::default()).await;
    assert_eq!(bench.number("SELECT sum(calls) FROM requests").await, 30, "at once, without compaction");
}

#[tokio::test]
async fn quantiles_are_within_a_percent_of_the_nearest_rank() {
    let mut bench = Bench::new().await;
    let mut durations: Vec<f64> =
        (0..1000_u32).map(|n| 1.0 + f64::from(n.wrapping_mul(2_654_435_761) % 100_000) / 37.0).collect();
    for (index, chunk) in durations.chunks(100).enumerate() {
        let at = i64::try_from(index).unwrap() * 7 * SECOND_US;
        bench.send("spans", chunk.iter().map(|duration| span(at, "GET /a", *duration)).collect());
        bench.engine.flush().await.unwrap();
    }
    durations.sort_by(f64::total_cmp);
    for (quantile, rank) in [("0.5", 500), ("0.95", 950), ("0.99", 990)] {
        let sql = format!("SELECT quantile(duration_sketch, {quantile}) AS q FROM requests");
        let found = bench.rows(&sql).await[0]["q"].as_f64().unwrap();
        let exact = durations[rank - 1];
        assert!((found - exact).abs() <= exact * 0.01, "p{quantile}: {found}, exactly {exact}");
    }
}

#[tokio::test]
async fn a_finding_is_judged_kept_over_a_restart_and_seen_in_sql() {
    let mut bench = Bench::new().await;
    let slow: Vec<Value> = (0..30).map(|n| span((now_ms() - 30_000 + n) * 1000, "GET /slow", 3000.0)).collect();
    bench.send("spans", slow);
    bench.engine.flush().await.unwrap();
    bench.engine.evaluate(now_ms()).await.unwrap();
    let sql = "SELECT pipeline, state, key['operation'] AS operation FROM findings WHERE state = 'firing'";
    let expected = json!({"pipeline": "slow_request", "state": "firing", "operation": "GET /slow"});
    assert!(bench.rows(sql).await.contains(&tables::object(expected.clone())), "{:?}", bench.rows(sql).await);
    bench.restart().await;
    assert!(bench.rows(sql).await.contains(&tables::object(expected)));
}

#[tokio::test]
async fn sql_from_outside_only_reads_and_is_bounded() {
    let bench = Bench::new().await;
    let limits = QueryLimits { timeout: Duration::from_millis(500), rows_max: Some(10), sql_bytes_max: 200 };
    let query = async |sql: &str| bench.engine.query(sql, limits).await;
    for sql in [
        "DROP TABLE spans",
        "INSERT INTO spans (name) SELECT 'x'",
        "DELETE FROM spans",
        "CREATE TABLE t AS SELECT 1",
        "COPY spans TO '/tmp/x.csv'",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
        "SET datafusion.execution.batch_size = 1",
    ] {
        assert!(matches!(query(sql).await, Err(QueryError::ReadOnly(_))), "{sql}");
    }
    assert!(matches!(query("SELECT * FROM '/etc/passwd'").await, Err(QueryError::Invalid(_))));
    assert!(matches!(query(&"x".repeat(201)).await, Err(QueryError::TooLong { limit: 200, found: 201 })));
    let many = query("SELECT * FROM generate_series(1, 100)").await.unwrap();
    assert_eq!(
        (many.batches.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>(), many.truncated),
        (10, true)
    );
}

#[tokio::test]
async fn counts_beyond_all_numbers_end_nothing() {
    let mut bench = Bench::new().await;
    for time_s in 1..=3 {
        let point = json!({"time": time_s * SECOND_US, "time_unix_nano": time_s * 1_000_000_000, "service_name": "shop",
            "name": "h", "kind": "histogram", "temporality": "delta", "count": i64::MAX, "sum": 1.0, "series_id": 7,
            "bounds": [1.0], "bucket_counts": [i64::MAX, 0], "attributes": {}});
        bench.send("histograms", vec![point]);
    }
    bench.engine.flush().await.unwrap();
    let scrape = bench.engine.scrape().await.unwrap();
    let family = scrape.families.iter().find(|family| family.name == "h").unwrap();
    let crate::model::scrape::SampleValue::Histogram { counts, sum, count, .. } = &family.samples[0].value else {
        panic!("a histogram")
    };
    assert_eq!((counts.as_slice(), *count), (&[u64::MAX, 0][..], u64::MAX));
    assert!((sum - 3.0).abs() < 1e-9);
}

#[tokio::test]
async fn what_only_grows_has_no_increase_below_nothing_and_no_point_without_a_value() {
    let mut bench = Bench::new().await;
    let delta = |time_s: i64, value: f64| {
        let mut point = counter(time_s, 0, value);
        point["temporality"] = "delta".into();
        point
    };
    bench.send("metrics", vec![delta(1, 10.0), delta(2, 5.0), delta(3, -100.0)]);
    let gone = json!({"time": SECOND_US, "time_unix_nano": 1, "service_name": "shop", "name": "h", "kind": "histogram",
        "temporality": "delta", "series_id": 8, "flags": 1, "attributes": {}});
    bench.send("histograms", vec![gone]);
    bench.engine.flush().await.unwrap();
    assert_eq!(bench.number("SELECT CAST(sum(hits) AS BIGINT) FROM caches").await, 15);
    let scrape = bench.engine.scrape().await.unwrap();
    let hits = scrape.families.iter().find(|family| family.name == "cache.hits").unwrap();
    assert!(
        matches!(hits.samples[0].value, crate::model::scrape::SampleValue::Number(value) if (value - 15.0).abs() < 1e-9)
    );
    assert!(!scrape.families.iter().any(|family| family.name == "h"));
}
