//! A user's rollup: one file that declares its table, also added while the engine runs.

use super::*;
use crate::catalog::declared;
use crate::model::pipeline::PipelineDef;

const VISITS: &str = "/*---
title: Visits by operation
kind: rollup
table: visits
reads: [spans]
columns:
  - {name: operation, type: string, merge: key, doc: d}
  - {name: calls, type: int64, merge: sum, doc: d}
  - {name: slowest_ms, type: float64, merge: max, doc: d}
---
Why. */
SELECT date_bin(INTERVAL '10 seconds', start_time) AS window_start, operation, count(*) AS calls,
  max(duration_ms) AS slowest_ms
FROM new_spans GROUP BY 1, 2
";
/// Without a key: one row per window.
const ALL: &str = "/*---
title: All spans
kind: rollup
table: all_spans
reads: [spans]
columns:
  - {name: calls, type: int64, merge: sum, doc: d}
---
Why. */
SELECT date_bin(INTERVAL '10 seconds', start_time) AS window_start, count(*) AS calls FROM new_spans GROUP BY 1
";

fn parsed(file: &str, text: &str) -> PipelineDef {
    pipelines::parse(file, text).unwrap_or_else(|faults| panic!("{faults}"))
}

fn definitions(own: &[PipelineDef]) -> Definitions {
    let mut all = pipelines::builtin().unwrap_or_else(|faults| panic!("{faults}"));
    all.extend_from_slice(own);
    let mut tables = tables();
    let faults = declared::lay_over(&mut tables, &all);
    assert_eq!(faults, []);
    Definitions { tables, rules: Rules::of(all) }
}

fn at(second: i64, operation: &str) -> Value {
    span(second * SECOND_US, operation, 10.0)
}

impl Bench {
    async fn restart_owning(&mut self, own: &[PipelineDef]) {
        let state = State::open(&self.folder.path().join("state.sqlite")).await.unwrap();
        let settings = settings();
        self.engine =
            Engine::start(settings, definitions(own), self.store.clone(), state, nothing_to_refetch()).await.unwrap();
    }
}

#[tokio::test]
async fn its_table_is_filled_in_all_resolutions_and_survives_a_restart() {
    let own = [parsed("visits.sql", VISITS), parsed("all_spans.sql", ALL)];
    let mut bench = Bench::new().await;
    bench.restart_owning(&own).await;
    bench.send("spans", vec![at(5, "GET /a"), at(15, "GET /a"), at(61, "GET /b")]);
    bench.engine.flush().await.unwrap();
    bench.restart_owning(&own).await;
    bench.send("spans", vec![at(6, "GET /a")]);
    bench.engine.flush().await.unwrap();
    assert_eq!(bench.number("SELECT sum(calls) FROM visits WHERE operation = 'GET /a'").await, 3);
    assert_eq!(bench.number("SELECT CAST(max(slowest_ms) AS BIGINT) FROM visits_1h").await, 10);
    assert_eq!(bench.number("SELECT count(DISTINCT window_start) FROM visits_1m").await, 2);
    assert_eq!(bench.number("SELECT min(resolution) FROM visits").await, 10);
    assert_eq!(bench.number("SELECT sum(calls) FROM all_spans").await, 4);
    assert_eq!(bench.number("SELECT count(DISTINCT window_start) FROM all_spans_1h").await, 1);
}

#[tokio::test]
async fn one_that_comes_while_the_engine_runs_counts_what_comes_next() {
    let mut bench = Bench::new().await;
    bench.send("spans", vec![at(5, "GET /a")]);
    bench.engine.flush().await.unwrap();
    let visits = parsed("visits.sql", VISITS);
    bench.engine.reload(definitions(std::slice::from_ref(&visits))).await.unwrap();
    bench.send("spans", vec![at(6, "GET /a"), at(7, "GET /b")]);
    bench.engine.flush().await.unwrap();
    assert_eq!(bench.number("SELECT sum(calls) FROM visits").await, 2);
    assert_eq!(bench.number("SELECT sum(calls) FROM requests").await, 3, "those from before go on");

    // Without its file no rows are added, and existing ones remain until the next start; with the file, it continues.
    bench.engine.reload(definitions(&[])).await.unwrap();
    bench.send("spans", vec![at(8, "GET /a")]);
    bench.engine.flush().await.unwrap();
    assert_eq!(bench.number("SELECT sum(calls) FROM visits").await, 2);
    bench.restart_owning(&[]).await;
    assert!(bench.engine.query("SELECT * FROM visits", QueryLimits::default()).await.is_err());
    bench.engine.reload(definitions(&[visits])).await.unwrap();
    bench.send("spans", vec![at(9, "GET /a")]);
    bench.engine.flush().await.unwrap();
    assert_eq!(bench.number("SELECT sum(calls) FROM visits").await, 3, "what an earlier process kept is put back");
}

#[tokio::test]
async fn one_that_does_not_give_what_it_declares_is_refused_and_can_be_mended() {
    let mut bench = Bench::new().await;
    let bad = parsed("visits.sql", &VISITS.replace("AS calls", "AS call"));
    let error = bench.engine.reload(definitions(&[bad])).await.unwrap_err().to_string();
    assert!(error.starts_with("visits.sql:8: columns[1]: expected a column \"calls\""), "{error}");
    assert!(bench.engine.query("SELECT * FROM visits", QueryLimits::default()).await.is_err(), "nothing has changed");
    bench.engine.reload(definitions(&[parsed("visits.sql", VISITS)])).await.unwrap();
    bench.send("spans", vec![at(5, "GET /a")]);
    bench.engine.flush().await.unwrap();
    assert_eq!(bench.number("SELECT sum(calls) FROM visits_1m").await, 1);
}

/// Returns text unchanged, except for one that panics.
fn fails_on_panic() -> datafusion::logical_expr::ScalarUDF {
    use arrow::array::AsArray as _;
    use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};
    let text = arrow::datatypes::DataType::Utf8;
    let run = |values: &[ColumnarValue]| {
        let arrays = ColumnarValue::values_to_arrays(values)?;
        assert!(!arrays[0].as_string::<i32>().iter().any(|word| word == Some("GET /panic")), "as planned");
        Ok(values[0].clone())
    };
    create_udf("fails_on_panic", vec![text.clone()], text, Volatility::Immutable, Arc::new(run))
}

#[tokio::test]
async fn a_panic_costs_the_rows_that_came_with_it_in_that_rollup_alone() {
    let mut bench = Bench::new().await;
    bench.engine.flusher.lock().await.context().register_udf(fails_on_panic());
    let visits =
        parsed("visits.sql", &VISITS.replace(" operation, count", " fails_on_panic(operation) AS operation, count"));
    bench.engine.reload(definitions(&[visits])).await.unwrap();
    bench.send("spans", vec![at(5, "GET /a")]);
    bench.send("spans", vec![at(6, "GET /panic"), at(6, "GET /a")]);
    bench.send("spans", vec![at(7, "GET /b")]);
    bench.engine.flush().await.unwrap();
    assert_eq!(bench.number("SELECT sum(calls) FROM visits").await, 2);
    assert_eq!(bench.number("SELECT sum(calls) FROM requests").await, 4);
    bench.send("spans", vec![at(8, "GET /b")]);
    bench.engine.flush().await.unwrap();
    assert_eq!(bench.number("SELECT sum(calls) FROM visits").await, 3);
}
