use crate::engine::{QueryAnswer, QueryError, QueryLimits, Workers};
use arrow::array::{AsArray as _, RecordBatch, StringArray};
use arrow::util::display::array_value_to_string;
use datafusion::prelude::SessionContext;
use std::sync::Arc;

/// A table `t` of 8000 rows, `x` being a text of ten bytes.
async fn asked(sql: &str) -> Result<QueryAnswer, QueryError> {
    let context = SessionContext::new();
    let texts = StringArray::from(vec!["abcabcabca"; 8000]);
    context.register_batch("t", RecordBatch::try_from_iter([("x", Arc::new(texts) as _)]).unwrap()).unwrap();
    let (workers, limits) = (Workers::for_queries().unwrap(), QueryLimits::default());
    let plan = workers.plan(context.clone(), sql.to_owned(), limits).await?;
    workers.execute(context, plan, limits).await.map(|(answer, _)| answer)
}

async fn text(sql: &str) -> String {
    let answer = asked(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    array_value_to_string(answer.batches[0].column(0), 0).unwrap()
}

async fn refused(sql: &str, reason: &str) {
    let error = asked(sql).await.map(|answer| answer.schema).expect_err(sql).to_string();
    assert!(error.contains(reason), "{}: {error}", &sql[..sql.len().min(200)]);
}

#[tokio::test]
async fn bounded_functions_give_what_they_gave() {
    for (sql, expected) in [
        ("SELECT replace('abcabc', 'b', 'xx')", "axxcaxxc"),
        ("SELECT replace(x, 'ca', '-') FROM t", "ab-b-b-"),
        ("SELECT 'a' || 1 || x FROM t", "a1abcabcabca"),
        ("SELECT count(x || NULL) FROM t", "0"),
        ("SELECT concat('a', NULL, 1, x) FROM t", "a1abcabcabca"),
        ("SELECT concat_ws('-', 'a', 'b', 'c')", "a-b-c"),
        ("SELECT regexp_replace(x, '(b)(c)', '\\2\\1', 'g') FROM t", "acbacbacba"),
        ("SELECT overlay('Txxxxas' PLACING 'hom' FROM 2 FOR 4)", "Thomas"),
        ("SELECT translate('12345', '143', 'ax')", "a2x5"),
        ("SELECT array_to_string([1, 2, 3], ',')", "1,2,3"),
        ("SELECT array_length([1, 2] || [3])", "3"),
        ("SELECT array_length(string_to_array('a,b', ','))", "2"),
        ("SELECT to_char(TIMESTAMP '2026-01-02 03:04:05', '%Y-%m')", "2026-01"),
        ("SELECT arrow_cast(1, 'Int8')", "1"),
        ("SELECT x || '!' AS y FROM t GROUP BY x || '!' ORDER BY x || '!'", "abcabcabca!"),
    ] {
        assert_eq!(text(sql).await, expected, "{sql}");
    }
    let answer = asked("SELECT x || 'a' FROM t").await.unwrap();
    assert_eq!(answer.schema.field(0).name(), "t.x || Utf8(\"a\")", "the name is that of the operator");
}

#[tokio::test]
async fn what_would_outgrow_memory_is_refused_before_it_does() {
    let thousand = "a".repeat(1000);
    // A gigabyte out of 4 kB.
    refused(&format!("SELECT length(replace(replace('{thousand}', 'a', '{thousand}'), 'a', '{thousand}'))"), "bytes")
        .await;
    refused(&format!("SELECT length(regexp_replace('{thousand}', 'a', '{}', 'g'))", "b".repeat(100_000)), "bytes")
        .await;
    // 8000 rows of 80,000 bytes.
    let long = "b".repeat(80_000);
    refused(&format!("SELECT length(x || '{long}') FROM t"), "bytes").await;
    refused(&format!("SELECT length(concat(x, '{long}')) FROM t"), "bytes").await;
    refused(&format!("SELECT length(to_char(TIMESTAMP '2026-01-01' + CAST(x AS INTERVAL), '{long}')) FROM t"), "")
        .await;
    let doubled = (1..40).fold("WITH a0 AS (SELECT x FROM t)".to_owned(), |sql, n| {
        format!("{sql}, a{n} AS (SELECT x || x AS x FROM a{})", n - 1)
    });
    refused(&format!("{doubled} SELECT max(length(x)) FROM a39"), "").await;
    refused("SELECT repeat('x', 2147483647)", "repeat is not offered").await;
    refused("SELECT lpad('x', 2147483647)", "lpad is not offered").await;
    refused("SELECT list_repeat(1, 1000000000)", "array_repeat is not offered").await;
    refused("SELECT {a: 1}", "named_struct is not offered").await;
}

#[tokio::test]
async fn constants_are_not_written_out_for_each_row_without_a_bound() {
    let long = "b".repeat(200_000);
    refused(&format!("SELECT '{long}' FROM t"), "long constants").await;
    refused(&format!("SELECT CASE WHEN x = 'a' THEN '{long}' END FROM t"), "long constants").await;
    let list = vec!["1"; 60_000].join(",");
    refused(&format!("SELECT [{list}] FROM t"), "long constants").await;
    assert_eq!(text(&format!("SELECT length('{long}')")).await, "200000");
    let many = (0..20_000).map(|n| format!("'a{n}'")).collect::<Vec<_>>().join(",");
    assert_eq!(text(&format!("SELECT count(*) FROM t WHERE x IN ({many})")).await, "0");
}

#[tokio::test]
async fn types_and_windows_that_outgrow_memory_are_refused() {
    refused("SELECT arrow_cast(NULL, 'FixedSizeBinary(2000000000)')", "fixed length").await;
    refused("SELECT arrow_cast(NULL, 'FixedSizeList(100000, Int8)')", "fixed length").await;
    refused("SELECT CAST(NULL AS INT[1000000000])", "fixed length").await;
    refused("SELECT array_agg(x) OVER (ORDER BY x) FROM t", "window").await;
    refused("SELECT string_agg(x, ',') OVER () FROM t", "window").await;
}

#[tokio::test]
async fn rows_that_could_have_grown_and_did_not_are_given() {
    // At most 8000 × 10 × 10,000 bytes, by the lengths; in truth the pattern is nowhere.
    let long = "b".repeat(10_000);
    let answer = asked(&format!("SELECT regexp_replace(x, 'z', '{long}', 'g') AS y FROM t")).await.unwrap();
    assert_eq!(answer.batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 8000);
    assert_eq!(array_value_to_string(answer.batches[0].column(0), 7999).unwrap(), "abcabcabca");
    assert!(answer.batches[0].column(0).as_string_opt::<i32>().is_some());
}
