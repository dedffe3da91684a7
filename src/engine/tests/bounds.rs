//! Counts beyond the limits on series and memory.

use super::*;

#[tokio::test]
async fn a_cumulative_counter_counts_by_its_increase_over_a_restart() {
    let mut bench = Bench::new().await;
    let now_s = now_ms() / 1000;
    bench.send("metrics", vec![counter(now_s + 6, now_s + 5, 10.0), counter(now_s + 10, now_s + 5, 15.0)]);
    bench.engine.flush().await.unwrap();
    bench.restart().await;
    bench.send("metrics", vec![counter(now_s + 20, now_s + 5, 18.0), counter(now_s + 30, now_s + 25, 4.0)]);
    bench.engine.flush().await.unwrap();
    // First 10, because counting began after the epoch; then 5, 3, and 4 after the counter was reset.
    assert_eq!(bench.number("SELECT CAST(sum(hits) AS BIGINT) FROM caches").await, 22);
}

fn few() -> EngineSettings {
    EngineSettings { series_max: 10, ..settings() }
}

fn of_service(service: &str, operation: &str, error: bool) -> Value {
    let mut span = span(SECOND_US, operation, 1.0);
    (span["service_name"], span["error"]) = (json!(service), json!(error));
    span
}

#[tokio::test]
async fn series_beyond_the_bound_are_counted_under_one_of_their_service_and_kind() {
    let mut bench = Bench::with(few()).await;
    let over = "FROM requests WHERE kind = 'SERVER' AND service_name = 'shop' AND operation = '(overflow)'";
    // 10 operations have their own row; every third of the other 90 fails: 30.
    bench.send("spans", (0..100).map(|n| of_service("shop", &format!("GET /{n:02}"), n % 3 == 0 && n >= 10)).collect());
    bench.engine.flush().await.unwrap();
    assert_eq!(bench.number("SELECT sum(calls) FROM requests").await, 100);
    assert_eq!(bench.number("SELECT count(DISTINCT operation) FROM requests").await, 11);
    assert_eq!(bench.number(&format!("SELECT sum(calls) {over}")).await, 90);
    assert_eq!(bench.number(&format!("SELECT sum(errors) {over}")).await, 30);
    // After a restart, the overflow series does not count toward the limit.
    bench.restart_with(few()).await;
    bench.send("spans", vec![of_service("shop", "GET /00", false), of_service("other", "GET /00", false)]);
    bench.engine.flush().await.unwrap();
    assert_eq!(bench.number("SELECT sum(calls) FROM requests WHERE operation = 'GET /00'").await, 2);
    let other = "SELECT sum(calls) FROM requests WHERE service_name = 'other' AND operation = '(overflow)'";
    assert_eq!(bench.number(other).await, 1);
}

#[tokio::test]
async fn services_beyond_their_own_bound_are_counted_under_one_and_keep_their_kind() {
    let mut bench = Bench::with(few()).await;
    bench.send("spans", (0..200).map(|n| of_service(&format!("s{n:03}"), "GET /", false)).collect());
    bench.engine.flush().await.unwrap();
    // 10 by themselves, 100 in an overflow series of their service, 90 in the one without a service.
    let count = "SELECT sum(calls) FROM requests WHERE kind = 'SERVER' AND";
    assert_eq!(bench.number(&format!("{count} operation = 'GET /'")).await, 10);
    assert_eq!(bench.number(&format!("{count} service_name <> '(overflow)' AND operation = '(overflow)'")).await, 100);
    assert_eq!(bench.number(&format!("{count} service_name = '(overflow)'")).await, 90);
}

#[tokio::test]
async fn series_that_are_silent_leave_their_place_to_others() {
    let hours = |hours: i64| hours * 3_600_000;
    let retention = Retention { fine_ms: hours(2), minute_ms: hours(24), hour_ms: hours(744) };
    let settings = || EngineSettings { series_max: 10, retention, ..EngineSettings::default() };
    let mut bench = Bench::with(settings()).await;
    let now_ms = now_ms();
    let at = |hours_ago: i64, name: String| span((now_ms - hours(hours_ago)) * 1000, &name, 1.0);
    bench.send("spans", (0..10).map(|n| at(5, format!("GET /old/{n}"))).collect());
    bench.engine.flush().await.unwrap();
    bench.engine.compaction(now_ms).await.unwrap();
    bench.send("spans", (0..9).map(|n| at(0, format!("GET /new/{n}"))).collect());
    bench.engine.flush().await.unwrap();
    let apart = "SELECT count(DISTINCT operation) FROM requests WHERE operation LIKE 'GET /new/%'";
    assert_eq!(bench.number(apart).await, 9);
    // Active series remain, also over a restart: there is room for one more, but not for a second.
    bench.restart_with(settings()).await;
    bench.send("spans", (8..11).map(|n| at(0, format!("GET /new/{n}"))).collect());
    bench.engine.flush().await.unwrap();
    assert_eq!(bench.number(apart).await, 10);
    assert_eq!(bench.number("SELECT sum(calls) FROM requests WHERE operation = '(overflow)'").await, 1);
}

#[tokio::test]
async fn counters_that_no_rollup_reads_take_no_place_of_those_that_one_does() {
    let mut bench = Bench::with(few()).await;
    let now_s = now_ms() / 1000;
    let unread = |n: i64| {
        let mut counter = counter(now_s, now_s - 100, 1.0);
        (counter["name"], counter["series_id"]) = (json!(format!("unread.{n}")), json!(1000 + n));
        counter
    };
    bench.send("metrics", (0..30).map(unread).collect());
    bench.send("metrics", vec![counter(now_s, now_s - 100, 100.0), counter(now_s + 10, now_s - 100, 200.0)]);
    bench.engine.flush().await.unwrap();
    assert_eq!(bench.number("SELECT CAST(sum(hits) AS BIGINT) FROM caches").await, 100);
    // The scrape contains ten of the 31 series, and the number of points that it omits.
    let scrape = bench.engine.scrape().await.unwrap();
    let family = scrape.families.iter().find(|family| family.name == "spanwise.points.overflow").unwrap();
    let of =
        |what: &str| family.samples.iter().find(|sample| sample.of.attributes()["of"] == what).unwrap().value.clone();
    assert_eq!(of("counters"), crate::model::scrape::SampleValue::Number(0.0));
    assert!(matches!(of("scrape"), crate::model::scrape::SampleValue::Number(points) if points >= 21.0));
}

/// Hours of 200 operations in each minute would take several megabytes in each resolution.
#[tokio::test]
async fn rollups_keep_to_their_memory_whatever_resolution_takes_it() {
    let hours = |hours: i64| hours * 3_600_000;
    let retention = Retention { fine_ms: hours(2), minute_ms: hours(24), hour_ms: hours(744) };
    for limit in [2 << 20, 1 << 20] {
        let settings = EngineSettings { rollup_bytes_max: limit, retention, ..EngineSettings::default() };
        let mut bench = Bench::with(settings).await;
        let now_ms = now_ms();
        for minutes_ago in (0..60).rev().map(|tens: i64| tens * 10) {
            let at_us = (now_ms - minutes_ago * 60_000) * 1000;
            bench.send("spans", (0..200).map(|n| span(at_us, &format!("GET /{n}"), 1.0)).collect());
            bench.engine.flush().await.unwrap();
        }
        assert!(bench.engine.rollup_bytes() > limit);
        bench.engine.compaction(now_ms).await.unwrap();
        let bytes = bench.engine.rollup_bytes();
        assert!(bytes <= limit, "{bytes} of {limit}");
        let newest = "SELECT count(DISTINCT operation) FROM requests WHERE window_start > now() - INTERVAL '2 minutes'";
        assert_eq!(bench.number(newest).await, 200, "the newest rows go last, with {limit}");
    }
}
