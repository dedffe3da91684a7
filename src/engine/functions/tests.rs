use super::register;
use crate::model::table::map_fields;
use arrow::array::{ArrayRef, MapBuilder, RecordBatch, StringBuilder};
use arrow::util::pretty::pretty_format_batches;
use datafusion::prelude::SessionContext;
use std::sync::Arc;

async fn rows(sql: &str) -> String {
    let context = SessionContext::new();
    register(&context);
    let mut maps = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new())
        .with_keys_field(map_fields()[0].clone())
        .with_values_field(map_fields()[1].clone());
    maps.keys().append_value("n");
    maps.values().append_value("42");
    maps.keys().append_value("ok");
    maps.values().append_value("true");
    maps.append(true).unwrap();
    maps.append(true).unwrap();
    let maps: ArrayRef = Arc::new(maps.finish());
    let batch = RecordBatch::try_from_iter([("attributes", maps)]).unwrap();
    context.register_batch("t", batch).unwrap();
    let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
    let table = pretty_format_batches(&batches).unwrap().to_string();
    let lines = table.lines().skip(3).filter(|line| line.starts_with('|'));
    lines.map(|line| line.replace(' ', "")).collect::<String>()
}

const VALUES: &str = "(VALUES (1.0, 'a'), (2.0, 'b'), (300.0, 'c'), (4.0, 'a')) AS v(x, t)";

#[tokio::test]
async fn quantiles_are_of_nearest_rank_and_merge() {
    assert_eq!(
        rows(&format!("SELECT quantile(s, 1.0), quantile(s, 0.0) FROM (SELECT sketch(x) s FROM {VALUES})")).await,
        "|300.0|1.0|"
    );
    let merged = format!("SELECT round(quantile(s, 0.5)) FROM (SELECT t, sketch(x) s FROM {VALUES} GROUP BY t)");
    assert_eq!(rows(&merged).await, "|2.0|");
    let twice = format!(
        "SELECT quantile(m, 1.0) FROM (SELECT sketch_merge(s) m FROM (SELECT sketch(x) s FROM {VALUES} GROUP BY t))"
    );
    assert_eq!(rows(&twice).await, "|300.0|");
    assert_eq!(
        rows("SELECT quantile(s, 0.5) FROM (SELECT sketch(x) s FROM (VALUES (1.0)) v(x) WHERE x > 5)").await,
        "||"
    );
}

#[tokio::test]
async fn buckets_have_inclusive_upper_bounds() {
    assert_eq!(rows(&format!("SELECT buckets(x, '2,4,8') FROM {VALUES}")).await, "|[2,1,0,1]|");
    let merged = format!("SELECT buckets_merge(b) FROM (SELECT buckets(x, '2,4,8') b FROM {VALUES} GROUP BY t)");
    assert_eq!(rows(&merged).await, "|[2,1,0,1]|");
}

#[tokio::test]
async fn values_count_as_often_as_they_stand_for_others() {
    let weighed = "(VALUES (1.0, 1), (2.0, 3), (300.0, 4), (4.0, NULL), (9.0, 0)) AS v(x, n)";
    assert_eq!(rows(&format!("SELECT buckets(x, '2,4,8', n) FROM {weighed}")).await, "|[4,1,0,4]|");
    // Quantiles of nine values: 1, 2, 2, 2, 4, 300, 300, 300, 300.
    let quantiles = "round(quantile(s, 0.5)), round(quantile(s, 0.44)), quantile(s, 0.6) > 290";
    let sql = format!("SELECT {quantiles} FROM (SELECT sketch(x, n) s FROM {weighed})");
    assert_eq!(rows(&sql).await, "|4.0|2.0|true|");
}

#[tokio::test]
async fn fractions_of_weights_are_rounded_so_that_sums_stay_true() {
    let counts = "SELECT sum(sampled_count(w, '0af7', i::text)) s, count(DISTINCT sampled_count(w, '0af7', i::text)) d \
                  FROM (SELECT value i, 1.25 w FROM generate_series(1, 10000))";
    // 12,500 plus or minus three times 43, the error of that many draws.
    let near = format!("SELECT s BETWEEN 12370 AND 12630, d FROM ({counts})");
    assert_eq!(rows(&near).await, "|true|2|");
    let whole = "SELECT sampled_count(4.0, 't', 's'), sampled_count(NULL, 't', 's'), sampled_count(0.5, 't', NULL)";
    assert_eq!(rows(whole).await, "|4|1|1|");
}

#[tokio::test]
async fn exemplars_are_the_weightiest_traces_once_each() {
    let found = rows(&format!("SELECT exemplar_trace_ids(exemplars(t, x)) FROM {VALUES}")).await;
    assert_eq!(found, "|c,a,b|");
    let merged = format!(
        "SELECT exemplar_trace_ids(exemplars_merge(e)) FROM (SELECT exemplars(t, x) e FROM {VALUES} GROUP BY x)"
    );
    assert_eq!(rows(&merged).await, "|c,a,b|");
}

#[tokio::test]
async fn distinct_counts_over_merges() {
    assert_eq!(
        rows(&format!("SELECT distinct_count(d) FROM (SELECT x, distinct_sketch(t) d FROM {VALUES} GROUP BY x)")).await,
        "|3|"
    );
    assert_eq!(
        rows(&format!("SELECT distinct_count(d) FROM (SELECT distinct_sketch(t) d FROM {VALUES} WHERE x > 1000)"))
            .await,
        "|0|"
    );
}

#[tokio::test]
async fn attributes_are_text_and_typed() {
    let sql = "SELECT attributes['n'], attr_int(attributes, 'n'), attr_double(attributes, 'n'), attr_bool(attributes, 'ok'), \
               attr_int(attributes, 'none'), attributes['none'] FROM t LIMIT 1";
    assert_eq!(rows(sql).await, "|42|42|42.0|true|||");
}

#[tokio::test]
async fn globs_fit_operations() {
    let sql = "SELECT glob('GET /products/*', 'GET /products/{id}'), glob('GET *search*', 'GET /products/search'), \
               glob('POST *', 'GET /x'), glob('*', 'anything / at all')";
    assert_eq!(rows(sql).await, "|true|true|false|true|");
}
