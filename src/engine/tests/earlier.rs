//! State of an earlier version without sampling.

use super::*;
use crate::engine::tables::object;
use crate::model::scrape::SampleValue;
use arrow::datatypes::Schema;

/// Stores rows of a rollup as that version did: without the columns that are filled from others.
async fn keep(folder: &TempDir, table: &str, row: Value) {
    let definition = tables().into_iter().find(|definition| definition.name == table).unwrap();
    let old = |name: &String| definition.column(name).is_some_and(|column| column.filled_from.is_none());
    let schema = definition.schema();
    let fields: Vec<_> = schema.fields().iter().filter(|field| old(field.name())).cloned().collect();
    assert!(fields.len() < schema.fields().len(), "{table} has columns that are filled");
    let batch = super::super::tables::batch(&Arc::new(Schema::new(fields)), &vec![object(row)]).unwrap();
    let state = State::open(&folder.path().join("state.sqlite")).await.unwrap();
    let mut txn = state.begin().await.unwrap();
    for resolution_s in &definition.resolutions_s {
        txn.add_part(table, *resolution_s, &batch).await.unwrap();
    }
    // That version wrote coarser rows at each flush and stored no such entry.
    txn.delete("coarsened", table).await.unwrap();
    txn.commit().await.unwrap();
}

/// Its rows count with weight one, and are added to new ones.
#[tokio::test]
async fn what_an_earlier_version_counted_stands_for_itself() {
    let mut bench = Bench::new().await;
    let counted = json!({"window_start": 0, "service_name": "shop", "calls": 10, "errors": 4, "duration_sum_ms": 50.0});
    let with = |more: Value| {
        let mut row = counted.clone();
        row.as_object_mut().unwrap().extend(object(more));
        row
    };
    let of_operation = with(json!({"operation": "GET /a", "kind": "SERVER", "status_calls": 8, "server_errors": 3,
        "slow_calls": 2, "apdex_satisfied": 5, "apdex_tolerating": 1}));
    let buckets = [10].into_iter().chain(std::iter::repeat_n(0, 16)).collect::<Vec<_>>();
    let of_span = with(
        json!({"span_name": "GET /a", "span_kind": "SERVER", "status_code": "UNSET", "duration_buckets": buckets}),
    );
    keep(&bench.folder, "requests", of_operation).await;
    keep(&bench.folder, "applications", counted.clone()).await;
    keep(&bench.folder, "queries", with(json!({"db_fingerprint": "SELECT ?"}))).await;
    keep(&bench.folder, "span_metrics", of_span).await;
    bench.restart().await;
    let mut sampled = span(5 * SECOND_US, "GET /a", 2.0);
    sampled["sampled_weight"] = 4.0.into();
    let mut query = span(5 * SECOND_US, "SELECT", 2.0);
    query.as_object_mut().unwrap().extend(object(
        json!({"kind": "CLIENT", "db_query_text": "SELECT 1", "sampled_weight": 4.0, "name": "GET /a"}),
    ));
    bench.send("spans", vec![sampled, query]);
    bench.engine.flush().await.unwrap();
    let of_requests = "sum(status_calls_estimated) a, sum(server_errors_estimated) b, sum(slow_calls_estimated) c, \
                       sum(apdex_satisfied_estimated) d, sum(apdex_tolerating_estimated) e";
    for table in ["requests", "requests_1m", "requests_1h"] {
        let found = Value::Object(bench.rows(&format!("SELECT {of_requests} FROM {table}")).await.remove(0));
        assert_eq!(found, json!({"a": 8.0, "b": 3.0, "c": 2.0, "d": 9.0, "e": 1.0}), "{table}");
    }
    for table in ["requests", "queries", "applications"] {
        let sql = format!("SELECT sum(calls) a, sum(calls_estimated) b, sum(errors_estimated) c FROM {table}");
        let found = Value::Object(bench.rows(&sql).await.remove(0));
        assert_eq!(found, json!({"a": 11, "b": 14.0, "c": 4.0}), "{table}");
    }
    for table in ["requests", "queries"] {
        let sum = bench.rows(&format!("SELECT sum(duration_sum_estimated_ms) a FROM {table}")).await.remove(0);
        assert_eq!(Value::Object(sum), json!({"a": 58.0}), "{table}");
    }
    let scrape = bench.engine.scrape().await.unwrap();
    let of = |name: &str| scrape.families.iter().find(|family| family.name == name).unwrap();
    let calls: Vec<_> = of("traces.span.metrics.calls").samples.iter().map(|sample| sample.value.clone()).collect();
    // Calls of the stored span kind, and of the statement.
    assert!(calls.contains(&SampleValue::Number(14.0)) && calls.contains(&SampleValue::Number(4.0)), "{calls:?}");
    let durations: Vec<_> = of("traces.span.metrics.duration").samples.iter().map(|sample| &sample.value).collect();
    let kept = durations.iter().any(|value| {
        matches!(value, SampleValue::Histogram { counts, sum, count: 14, .. } if counts[0] == 14 && (sum - 58.0).abs() < 1e-9)
    });
    assert!(kept, "{durations:?}");
}
