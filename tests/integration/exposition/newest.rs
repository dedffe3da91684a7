//! The newest Prometheus scrapes Spanwise over each of its protocols.

use super::{SHOP, WITHIN, attribute, of_all_kinds, scraped, send};
use crate::support::peers::Prometheus;
use crate::support::{heavy, now_unix_nano, promql, until};
use serde_json::{Value, json};
use std::time::Duration;

/// Protocols that it requests with native histograms enabled. It negotiates the escaping of names only for text formats.
const PROTOBUF: &str = "PrometheusProto, PrometheusText1.0.0";
const OPEN_METRICS: &str = "OpenMetricsText1.0.0";
const TEXT: &str = "PrometheusText1.0.0";

fn port_of(url: &str) -> u16 {
    reqwest::Url::parse(url).expect("a URL").port().expect("a port")
}

async fn reaches(prometheus: &Prometheus, query: &str, expected: f64) {
    until(query, WITHIN, || async {
        let found = prometheus.value(query).await?;
        if (found - expected).abs() < 1e-9 { Ok(()) } else { Err(format!("{found}, expected {expected}")) }
    })
    .await;
}

/// Names with dots and non-ASCII characters are exposed unchanged, and queries find them.
#[tokio::test(flavor = "multi_thread")]
async fn names_beyond_ascii_are_asked_for_as_they_are() {
    let (server, url) = scraped("translation_strategy: NoTranslation, enable_open_metrics: true").await;
    let time = now_unix_nano().to_string();
    let labels = [attribute("queue.name", "mail"), attribute("größe", "klein")];
    let gauge = |value: f64| json!({"dataPoints": [{"timeUnixNano": time, "asDouble": value, "attributes": labels}]});
    let histogram = json!({"timeUnixNano": time, "startTimeUnixNano": time, "count": "6", "sum": 1.5,
        "explicitBounds": [0.1, 0.5], "bucketCounts": ["3", "2", "1"], "attributes": labels});
    let metrics = json!([
        {"name": "http.server.duration", "unit": "s", "gauge": gauge(7.25)},
        {"name": "länge der Schlange", "gauge": gauge(3.5)},
        {"name": "request.duration", "unit": "s", "histogram": {"aggregationTemporality": 2, "dataPoints": [histogram]}},
    ]);
    send(&server, &SHOP, metrics).await;
    let prometheus = Prometheus::newest(port_of(&url), &[PROTOBUF, OPEN_METRICS, TEXT], &[]).await;
    for via in ["PrometheusProto", OPEN_METRICS, TEXT] {
        for (name, more, sql) in [
            ("http.server.duration", "", "SELECT value FROM metrics WHERE name = 'http.server.duration'"),
            ("länge der Schlange", "", "SELECT value FROM metrics WHERE name = 'länge der Schlange'"),
            (
                "request.duration_bucket",
                ", le=\"0.5\"",
                "SELECT bucket_counts[1] + bucket_counts[2] FROM histograms WHERE name = 'request.duration'",
            ),
            ("request.duration_sum", "", "SELECT sum FROM histograms WHERE name = 'request.duration'"),
        ] {
            let query = format!("{{\"{name}\", \"queue.name\"=\"mail\", \"größe\"=\"klein\", via=\"{via}\"{more}}}");
            let expected = server.number(sql).await;
            reaches(&prometheus, &query, expected).await;
            println!("{query}: {expected}, by PromQL and by SQL");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exemplars_that_were_scraped_lead_to_traces() {
    let (server, url) = scraped("enable_open_metrics: true").await;
    send(&server, &SHOP, of_all_kinds()).await;
    let flags = ["--enable-feature=exemplar-storage"];
    let prometheus = Prometheus::newest(port_of(&url), &[PROTOBUF, OPEN_METRICS], &flags).await;
    let trace = "0102030405060708090a0b0c0d0e0f10";
    let of = |values: &[&str]| values.iter().map(|value| format!("{value} {trace}")).collect::<Vec<_>>();
    for via in ["PrometheusProto", OPEN_METRICS] {
        for (name, expected) in
            [("orders_placed_total", of(&["1"])), ("request_duration_seconds_bucket", of(&["0.3", "9"]))]
        {
            let query = format!("{name}{{via=\"{via}\"}}");
            until(&query, WITHIN, || async {
                let found = promql::exemplars(&prometheus.url(), &query).await?;
                if found == expected { Ok(()) } else { Err(format!("{found:?}, expected {expected:?}")) }
            })
            .await;
            println!("{query}: exemplars {expected:?}");
        }
    }
}

/// Sums of deltas are kept only in memory and restart from 0. Prometheus gets their start time, so it detects a reset even if
/// the new sum is greater, and counts every delta once.
#[tokio::test(flavor = "multi_thread")]
async fn what_deltas_added_is_counted_once_over_a_restart() {
    // A scrape that times out while the server starts would end the series after its beginning.
    let _turn = heavy().await;
    let (mut server, url) = scraped("enable_open_metrics: true").await;
    // The delta's interval started long before the last scrape.
    let delta = |value: u64| -> Value {
        let (start, time) = (now_unix_nano() - 60_000_000_000, now_unix_nano());
        let point = json!({"timeUnixNano": time.to_string(), "startTimeUnixNano": start.to_string(), "asInt": value.to_string()});
        json!([{"name": "jobs", "sum": {"aggregationTemporality": 1, "isMonotonic": true, "dataPoints": [point]}}])
    };
    let flags = ["--enable-feature=created-timestamp-zero-ingestion"];
    let prometheus = Prometheus::newest(port_of(&url), &[PROTOBUF, OPEN_METRICS], &flags).await;
    let query = |via: &str| format!("jobs_total{{via=\"{via}\"}}");
    send(&server, &SHOP, delta(4)).await;
    send(&server, &SHOP, delta(6)).await;
    for via in ["PrometheusProto", OPEN_METRICS] {
        reaches(&prometheus, &query(via), 10.0).await;
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    server.terminate().await;
    server.start_again().await;
    send(&server, &SHOP, delta(25)).await;
    for via in ["PrometheusProto", OPEN_METRICS] {
        reaches(&prometheus, &query(via), 25.0).await;
        let values = promql::samples(&prometheus.url(), &format!("{}[5m]", query(via))).await.expect("samples");
        // Like PromQL's increase() without extrapolation: after a reset the whole value counts.
        let mut before = 0.0;
        let added = values.iter().map(|value| {
            let added = if *value < before { *value } else { value - before };
            before = *value;
            added
        });
        let added: f64 = added.sum();
        println!("{via}: {values:?}, so {added} were added");
        assert!((added - 35.0).abs() < 1e-9, "{via}: {added} of {values:?}");
    }
}

/// A point whose start time equals its own time has an unknown start, which later points repeat: with it Prometheus would
/// insert a zero there, and count the whole past as new.
#[tokio::test(flavor = "multi_thread")]
async fn no_zero_is_written_where_the_start_is_not_known() {
    let (server, url) = scraped("enable_open_metrics: true").await;
    let begin = now_unix_nano() - 60_000_000_000;
    // A point of each kind with an unknown start, and one that continues it, in one request.
    let of = |start: u64, time: u64, more: u64| {
        let count = 1_000_000 + more;
        let point = |own: Value| {
            let mut point = json!({"startTimeUnixNano": start.to_string(), "timeUnixNano": time.to_string()});
            point.as_object_mut().expect("a map").extend(own.as_object().expect("a map").clone());
            json!({"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [point]})
        };
        let counted = |own: Value| {
            let mut counted = json!({"count": count.to_string(), "sum": 3.5});
            counted.as_object_mut().expect("a map").extend(own.as_object().expect("a map").clone());
            let mut of = point(counted);
            of.as_object_mut().expect("a map").remove("isMonotonic");
            of
        };
        let buckets = json!({"explicitBounds": [1], "bucketCounts": [count.to_string(), "0"]});
        let mut summary = counted(json!({}));
        summary.as_object_mut().expect("a map").remove("aggregationTemporality");
        [
            json!({"name": "orders", "sum": point(json!({"asInt": count.to_string()}))}),
            json!({"name": "waits", "histogram": counted(buckets)}),
            json!({"name": "pauses", "summary": summary}),
        ]
    };
    let second = 1_000_000_000;
    let metrics: Vec<Value> = [of(begin, begin, 0), of(begin, begin + second, 10)].concat();
    send(&server, &SHOP, metrics.into()).await;
    let flags = ["--enable-feature=created-timestamp-zero-ingestion"];
    let prometheus = Prometheus::newest(port_of(&url), &[PROTOBUF, OPEN_METRICS], &flags).await;
    for via in ["PrometheusProto", OPEN_METRICS] {
        for name in ["orders_total", "waits_count", "waits_bucket", "pauses_count"] {
            let le = if name == "waits_bucket" { ", le=\"1.0\"" } else { "" };
            let query = format!("{name}{{via=\"{via}\"{le}}}");
            reaches(&prometheus, &query, 1_000_010.0).await;
            let values = promql::samples(&prometheus.url(), &format!("{query}[10m]")).await.expect("samples");
            assert!(values.iter().all(|value| *value >= 1_000_000.0), "{query}: {values:?}");
            println!("{query}: {values:?}, and no zero");
        }
    }
}
