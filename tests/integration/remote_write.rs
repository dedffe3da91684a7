//! Remote write to real Prometheuses: PromQL and SQL return the same.

use crate::support::config::Setup;
use crate::support::otlp::post;
use crate::support::promql;
use crate::support::receiver::Receiver;
use crate::support::server::Server;
use crate::support::{assert_near, now_unix_nano, peer, until};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
/// Debian's Prometheus, which supports only 1.0.
const OLD: &str = "prometheus";
/// Number of requests, each of which covers five seconds of the past.
const ROUNDS: u64 = 12;

/// Starts a Spanwise that writes to the receiver.
async fn writing_to(receiver: &Receiver, more: &str) -> Server {
    let endpoint = receiver.url("/api/v1/write");
    let settings = format!(
        "endpoint: \"{endpoint}\", retry_on_failure: {{initial_interval: 100ms, max_interval: 300ms}}, sending_queue: {{batch: \
         {{flush_timeout: 20ms}}}}{more}"
    );
    let pipeline = "receivers: [otlp], exporters: [prometheusremotewrite]";
    let setup =
        Setup::default().exporter_aside("prometheusremotewrite", &settings).pipeline("metrics/written", pipeline);
    Server::start(setup).await
}

fn attributes(pairs: &[(&str, &str)]) -> Value {
    pairs.iter().map(|(key, value)| json!({"key": key, "value": {"stringValue": value}})).collect()
}

fn request(host: &str, metrics: Value) -> String {
    let resource = attributes(&[("service.name", "shop"), ("service.instance.id", "1"), ("host.name", host)]);
    let of_scope = json!([{"scope": {"name": "tests"}, "metrics": metrics}]);
    json!({"resourceMetrics": [{"resource": {"attributes": resource}, "scopeMetrics": of_scope}]}).to_string()
}

async fn send(url: &str, metrics: Value) {
    send_from(url, "here", metrics).await;
}

/// Sends metrics from a host, a resource attribute that does not become a label.
async fn send_from(url: &str, host: &str, metrics: Value) {
    let answer = post(url, &[("content-type", "application/json")], request(host, metrics)).await.expect("an answer");
    assert!((200..300).contains(&answer.status), "{}: {}", answer.status, answer.text());
}

/// Returns a data point with its times and its other fields.
fn points(start: u64, time: u64, of: Value) -> Value {
    let mut point = of;
    point["startTimeUnixNano"] = start.to_string().into();
    point["timeUnixNano"] = time.to_string().into();
    json!([point])
}

/// Returns the metrics of one round: cumulative ones grow with the rounds, deltas contain the increase.
fn metrics_of(round: u64, begin: u64) -> Value {
    let (before, time, n) = (begin + 5 * SECOND * round, begin + 5 * SECOND * (round + 1), round + 1);
    let counts = |counts: &[u64]| counts.iter().map(u64::to_string).collect::<Vec<_>>();
    let sum = |temporality: u32, monotonic: bool, points: Value| json!({"aggregationTemporality": temporality, "isMonotonic": monotonic, "dataPoints": points});
    let of = |temporality: u32, points: Value| json!({"aggregationTemporality": temporality, "dataPoints": points});
    // A delta whose sender changes its scale: 8 buckets of the finer scale make one of the coarser.
    let (scale, offset) = if round.is_multiple_of(2) { (3, 3) } else { (6, 24) };
    json!([
        {"name": "queue.length", "gauge": {"dataPoints": points(0, time, json!({"asInt": (round + 3).to_string(),
            "attributes": attributes(&[("queue.name", "mail")])}))}},
        {"name": "orders.placed", "unit": "1", "description": "Orders.", "sum":
            sum(2, true, points(begin, time, json!({"asInt": (10 * n).to_string()})))},
        {"name": "mails.sent", "sum": sum(1, true, points(before, time, json!({"asInt": "3"})))},
        {"name": "basket.items", "sum": sum(1, false, points(before, time, json!({"asDouble": if round.is_multiple_of(2) { 2.5 } else { -1.0 }})))},
        {"name": "http.server.request.duration", "unit": "s", "histogram": of(2, points(begin, time, json!({
            "count": (6 * n).to_string(), "sum": 1.5 * f64::from(u32::try_from(n).expect("few")), "explicitBounds": [0.1, 0.5],
            "bucketCounts": counts(&[3 * n, 2 * n, n])})))},
        {"name": "job.duration", "unit": "s", "histogram": of(1, points(before, time, json!({
            "count": "4", "sum": 2.25, "explicitBounds": [1, 5], "bucketCounts": counts(&[1, 1, 2])})))},
        {"name": "db.duration", "unit": "s", "exponentialHistogram": of(2, points(begin, time, json!({
            "count": (2 * n).to_string(), "sum": 2.5 * f64::from(u32::try_from(n).expect("few")), "scale": 3, "zeroCount": "0",
            "positive": {"offset": 3, "bucketCounts": counts(&[2 * n])}})))},
        {"name": "rpc.duration", "unit": "s", "exponentialHistogram": of(1, points(before, time, json!({
            "count": "5", "sum": 7.0, "scale": scale, "zeroCount": "1",
            "positive": {"offset": offset, "bucketCounts": counts(&[4])}})))},
    ])
}

/// PromQL, and SQL that must return the same; where possible, a value calculated by hand.
const TABLE: [(&str, &str); 19] = [
    (
        "queue_length{queue_name=\"mail\", job=\"shop\", instance=\"1\", otel_scope_name=\"tests\"}",
        "SELECT value FROM metrics WHERE name = 'queue.length' ORDER BY time_unix_nano DESC LIMIT 1",
    ),
    ("sum_over_time(queue_length[5m])", "SELECT sum(value) FROM metrics WHERE name = 'queue.length'"),
    ("orders_placed_total", "SELECT max(value) FROM metrics WHERE name = 'orders.placed'"),
    ("min_over_time(orders_placed_total[5m])", "SELECT 0.0"), // its start time
    ("count_over_time(orders_placed_total[5m])", "SELECT count(*) + 1.0 FROM metrics WHERE name = 'orders.placed'"),
    ("mails_sent_total", "SELECT sum(value) FROM metrics WHERE name = 'mails.sent'"),
    ("basket_items", "SELECT sum(value) FROM metrics WHERE name = 'basket.items'"),
    ("http_server_request_duration_seconds_count", "SELECT max(count) FROM histograms WHERE name LIKE 'http.%'"),
    ("http_server_request_duration_seconds_sum", "SELECT max(sum) FROM histograms WHERE name LIKE 'http.%'"),
    (
        "http_server_request_duration_seconds_bucket{le=\"0.5\"}",
        "SELECT max(bucket_counts[1] + bucket_counts[2]) FROM histograms WHERE name LIKE 'http.%'",
    ),
    ("histogram_quantile(0.5, http_server_request_duration_seconds_bucket)", "SELECT 0.1"), // 3 of 6 are in the first
    ("job_duration_seconds_count", "SELECT sum(count) FROM histograms WHERE name = 'job.duration'"),
    ("job_duration_seconds_sum", "SELECT sum(sum) FROM histograms WHERE name = 'job.duration'"),
    (
        "job_duration_seconds_bucket{le=\"5\"}",
        "SELECT sum(bucket_counts[1] + bucket_counts[2]) FROM histograms WHERE name = 'job.duration'",
    ),
    ("histogram_count(db_duration_seconds)", "SELECT max(count) FROM histograms WHERE name = 'db.duration'"),
    ("histogram_sum(db_duration_seconds)", "SELECT max(sum) FROM histograms WHERE name = 'db.duration'"),
    // The logarithmic middle of the only bucket, from 2^(3/8) to 2^(4/8).
    ("histogram_quantile(0.5, db_duration_seconds)", "SELECT power(2.0, 3.5 / 8)"),
    ("histogram_count(rpc_duration_seconds)", "SELECT sum(count) FROM histograms WHERE name = 'rpc.duration'"),
    ("histogram_sum(rpc_duration_seconds)", "SELECT sum(sum) FROM histograms WHERE name = 'rpc.duration'"),
];

#[tokio::test(flavor = "multi_thread")]
async fn promql_finds_what_sql_finds() {
    let flags = ["--enable-feature=created-timestamp-zero-ingestion,exemplar-storage"];
    let receiver = Receiver::start(&peer("SPANWISE_PROMETHEUS"), &flags, "").await;
    let server = writing_to(&receiver, "").await;
    let begin = now_unix_nano() - 5 * SECOND * (ROUNDS + 1);
    for round in 0..ROUNDS {
        send(&server.http_url("/v1/metrics"), metrics_of(round, begin)).await;
    }
    server.until_number("SELECT sent_items FROM exporters WHERE exporter = 'prometheusremotewrite'", 8.0 * 12.0).await;
    let mut told = format!("\n{:<90} {:>12} {:>12}\n", "PromQL", "Prometheus", "SQL");
    let mut wrong = Vec::new();
    for (promql, sql) in TABLE {
        let (found, expected) = (receiver.value(promql).await, server.number(sql).await);
        let is_same = found.as_ref().is_ok_and(|found| (found - expected).abs() <= 1e-9 * expected.abs());
        let shown = found.as_ref().map_or_else(Clone::clone, ToString::to_string);
        let _written = writeln!(told, "{promql:<90} {shown:>12} {expected:>12}");
        if !is_same {
            wrong.push(promql);
        }
    }
    println!("{told}");
    assert!(wrong.is_empty(), "differ: {wrong:#?}{told}");
    let info = "count(target_info{job=\"shop\", instance=\"1\", host_name=\"here\"})";
    assert_eq!(receiver.value(info).await, Ok(1.0));
    assert_well(&server, &receiver).await;
}

/// Asserts that nothing was rejected or out of order.
async fn assert_well(server: &Server, receiver: &Receiver) {
    let refused =
        "SELECT refused_items + dead_letters + dropped_items FROM exporters WHERE exporter = 'prometheusremotewrite'";
    assert!(server.number(refused).await < 0.5, "{}", server.log());
    let log = receiver.log();
    let faults = ["ut of order", "uplicate sample", "nvalid"];
    assert!(!faults.iter().any(|fault| log.contains(fault)), "{log}");
}

/// Two hosts add to each series, in separate batches: deltas, and cumulative values with different start times.
#[tokio::test(flavor = "multi_thread")]
async fn senders_that_become_one_series_are_one_sum() {
    const EACH: u64 = 8;
    const STEP: u64 = SECOND / 10;
    let receiver = Receiver::start(&peer("SPANWISE_PROMETHEUS"), &[], "").await;
    let server = writing_to(&receiver, "").await;
    // After the exporter's start: for anything earlier, it is unknown what Prometheus already received.
    let begin = now_unix_nano();
    let sum = |temporality: u32, points: Value| json!({"aggregationTemporality": temporality, "isMonotonic": true, "dataPoints": points});
    for n in 0..EACH {
        for (host, step, aside) in [("one", 3, 0), ("two", 100, STEP / 3)] {
            let (before, time) = (begin + aside + STEP * n, begin + aside + STEP * (n + 1));
            let histogram = json!({"count": "3", "sum": 4.5, "explicitBounds": [1], "bucketCounts": ["2", "1"]});
            let metrics = json!([
                {"name": "mails.sent", "sum": sum(1, points(before, time, json!({"asInt": step.to_string()})))},
                {"name": "orders.placed", "sum": sum(2, points(begin + aside, time, json!({"asInt": (step * (n + 1)).to_string()})))},
                {"name": "job.duration", "histogram": {"aggregationTemporality": 1, "dataPoints": points(before, time, histogram)}},
            ]);
            send_from(&server.http_url("/v1/metrics"), host, metrics).await;
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }
    server
        .until_number("SELECT sent_items FROM exporters WHERE exporter = 'prometheusremotewrite'", 3.0 * 2.0 * 8.0)
        .await;
    // All its timestamps are in the past.
    tokio::time::sleep(Duration::from_nanos(STEP * (EACH + 1))).await;
    let totals = "SELECT sum(last) FROM (SELECT max(value) AS last FROM metrics WHERE name = 'orders.placed' GROUP BY series_id)";
    for (promql, sql) in [
        ("mails_sent_total", "SELECT sum(value) FROM metrics WHERE name = 'mails.sent'"),
        ("orders_placed_total", totals),
        ("job_duration_count", "SELECT sum(count) FROM histograms WHERE name = 'job.duration'"),
        ("job_duration_bucket{le=\"1\"}", "SELECT sum(bucket_counts[1]) FROM histograms WHERE name = 'job.duration'"),
    ] {
        let (found, expected) = (receiver.value(promql).await, server.number(sql).await);
        println!("{promql}: {found:?}, expected {expected}");
        assert_eq!(found, Ok(expected), "{promql}");
        assert_eq!(receiver.value(&format!("resets({promql}[5m])")).await, Ok(0.0), "{promql}");
        assert_eq!(receiver.value(&format!("count_over_time({promql}[5m])")).await, Ok(16.0), "{promql}");
    }
    assert_near("eight times of each", server.number(totals).await, 824.0, 0.0);
    assert_well(&server, &receiver).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exemplars_lead_to_the_traces_of_their_senders() {
    let receiver = Receiver::start(&peer("SPANWISE_PROMETHEUS"), &["--enable-feature=exemplar-storage"], "").await;
    let server = writing_to(&receiver, "").await;
    let now = now_unix_nano();
    let exemplar = |value: f64, trace: &str| json!({"timeUnixNano": now.to_string(), "asDouble": value, "traceId": trace.repeat(16), "spanId": "01".repeat(8)});
    let counted = json!({"asInt": "7", "exemplars": [exemplar(1.0, "ab")]});
    let buckets = json!({"count": "2", "sum": 9.3, "explicitBounds": [0.5], "bucketCounts": ["1", "1"],
        "exemplars": [exemplar(0.25, "cd"), exemplar(9.0, "ef")]});
    let metrics = json!([
        {"name": "orders.placed", "sum": {"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": points(now - SECOND, now, counted)}},
        {"name": "job.duration", "histogram": {"aggregationTemporality": 2, "dataPoints": points(now - SECOND, now, buckets)}},
    ]);
    send(&server.http_url("/v1/metrics"), metrics).await;
    server.until_number("SELECT sent_items FROM exporters WHERE exporter = 'prometheusremotewrite'", 2.0).await;
    let of = |value: &str, trace: &str| format!("{value} {}", trace.repeat(16));
    for (query, expected) in [
        ("orders_placed_total", vec![of("1", "ab")]),
        ("job_duration_bucket{le=\"0.5\"}", vec![of("0.25", "cd")]),
        ("job_duration_bucket", vec![of("0.25", "cd"), of("9", "ef")]),
    ] {
        assert_eq!(promql::exemplars(&receiver.url(""), query).await, Ok(expected), "{query}");
    }
    assert_well(&server, &receiver).await;
}

/// Prometheus is down for a while; everything sent before and meanwhile arrives in order.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_and_order_is_kept_over_a_restart_of_prometheus() {
    const SENT: u64 = 60;
    let mut receiver = Receiver::start(&peer("SPANWISE_PROMETHEUS"), &[], "").await;
    let server = writing_to(&receiver, "").await;
    let start = now_unix_nano();
    for number in 0..SENT {
        let series = (0..20).map(|series: u32| {
            let mut point = points(start, now_unix_nano(), json!({"asInt": "1"}))[0].take();
            point["attributes"] = attributes(&[("series", &series.to_string())]);
            point
        });
        let deltas =
            json!({"aggregationTemporality": 1, "isMonotonic": true, "dataPoints": series.collect::<Vec<_>>()});
        send(&server.http_url("/v1/metrics"), json!([{"name": "work.done", "sum": deltas}])).await;
        match number {
            20 => receiver.terminate().await,
            40 => receiver.launch(),
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    receiver.ready().await;
    let sent = f64::from(u32::try_from(SENT).expect("few"));
    server.until_number("SELECT sent_items FROM exporters WHERE exporter = 'prometheusremotewrite'", sent * 20.0).await;
    for (promql, expected) in [
        ("count(work_done_total)", 20.0),
        ("min(count_over_time(work_done_total[5m]))", sent),
        ("max(count_over_time(work_done_total[5m]))", sent),
        ("min(work_done_total)", sent),
        ("sum(resets(work_done_total[5m]))", 0.0),
    ] {
        let found = receiver.value(promql).await;
        println!("{promql}: {found:?}, expected {expected}");
        assert_eq!(found, Ok(expected), "{promql}");
    }
    assert_well(&server, &receiver).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_prometheus_gets_1_0() {
    let receiver = Receiver::start(OLD, &[], "").await;
    let server = writing_to(&receiver, "").await;
    let begin = now_unix_nano() - 5 * SECOND * (ROUNDS + 1);
    for round in 0..ROUNDS {
        send(&server.http_url("/v1/metrics"), metrics_of(round, begin)).await;
    }
    // Six of eight metrics: native histograms are disabled, so it rejects the others.
    server.until_number("SELECT sent_items FROM exporters WHERE exporter = 'prometheusremotewrite'", 6.0 * 12.0).await;
    for (promql, sql) in TABLE.iter().filter(|(promql, _)| !promql.contains("histogram_") && !promql.contains("orders"))
    {
        let (found, expected) = (receiver.value(promql).await, server.number(sql).await);
        assert_eq!(found, Ok(expected), "{promql}");
    }
    assert_eq!(receiver.value("count_over_time(orders_placed_total[5m])").await, Ok(12.0), "1.0 has no start times");
    let refused = "SELECT refused_items FROM exporters WHERE exporter = 'prometheusremotewrite'";
    server.until_number(refused, 2.0 * 12.0).await;
    let log = server.log();
    assert_eq!(log.matches("does not accept remote write 2.0").count(), 1, "{log}");
    assert_eq!(log.matches("native histograms are disabled there").count(), 1, "{log}");
}

/// Prometheus' own OTLP translation yields the same series from the same points: names, labels and values.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_series_as_prometheus_own_translation() {
    let new = peer("SPANWISE_PROMETHEUS");
    // Labels according to the specification; Prometheus' default is compatible with older releases.
    let labels = "otlp: {label_name_underscore_sanitization: false, label_name_preserve_multiple_underscores: false}";
    let written = Receiver::start(&new, &[], "").await;
    let own = Receiver::start(&new, &["--web.enable-otlp-receiver"], labels).await;
    let server = writing_to(&written, ", disable_scope_info: true").await;
    let now = now_unix_nano();
    let start = now - 60 * SECOND;
    let odd = attributes(&[
        ("http.request.method", "GET"),
        ("a.b", "1"),
        ("a_b", "2"),
        ("0day", "x"),
        ("_private", "y"),
        ("a--b..c", "z"),
        ("größe", "w"),
        ("empty", ""),
        ("job", "mine"),
        ("le", "mine"),
    ]);
    let number = |value: f64| points(start, now, json!({"asDouble": value, "attributes": odd}));
    let sum = |monotonic: bool, value: f64| json!({"aggregationTemporality": 2, "isMonotonic": monotonic, "dataPoints": number(value)});
    let buckets = json!({"count": "9", "sum": 20.5, "explicitBounds": [0.005, 0.1, 1, 2.5, 10, 1e6], "attributes": odd,
        "bucketCounts": ["1", "0", "3", "2", "1", "1", "1"]});
    // Downscaled histograms have no empty buckets, because Prometheus 3.15 adds the following count to an empty one.
    let exponential = |scale: i32, offset: i32, counts: &[u32]| {
        let total: u32 = counts.iter().sum();
        let counts: Vec<String> = counts.iter().map(u32::to_string).collect();
        let of = json!({"count": (2 * total + 2).to_string(), "sum": 5.5, "scale": scale, "zeroCount": "2", "attributes": odd,
            "positive": {"offset": offset, "bucketCounts": counts}, "negative": {"offset": offset, "bucketCounts": counts}});
        json!({"aggregationTemporality": 2, "dataPoints": points(start, now, of)})
    };
    let summary = points(
        start,
        now,
        json!({"count": "7", "sum": 3.5, "quantileValues":
        [{"quantile": 0, "value": 1.5}, {"quantile": 0.99, "value": 2.5}, {"quantile": 1, "value": 3.5}]}),
    );
    let gauges = [
        ("process.cpu.utilization", "1"),
        ("system.memory.usage", "By"),
        ("rate.of_change", "By/s"),
        ("room", "Cel"),
        ("connections", "{connection}"),
        ("a/strange name", "m/s"),
        ("7days", "d"),
        ("share", "%"),
        ("odd.unit", "foo-bar"),
    ];
    let mut metrics: Vec<Value> = gauges
        .iter()
        .map(|(name, unit)| json!({"name": name, "unit": unit, "gauge": {"dataPoints": number(1.25)}}))
        .collect();
    metrics.extend([
        json!({"name": "requests", "unit": "{request}", "sum": sum(true, 41.0)}),
        json!({"name": "bytes.total", "unit": "By", "sum": sum(true, 1e15)}),
        json!({"name": "in.flight", "unit": "1", "sum": sum(false, -3.0)}),
        json!({"name": "latency", "unit": "ms", "histogram": {"aggregationTemporality": 2, "dataPoints": points(start, now, buckets)}}),
        json!({"name": "exp.coarse", "unit": "s", "exponentialHistogram": exponential(-3, -2, &[1, 2, 0, 0, 0, 0, 3])}),
        json!({"name": "exp.fine", "unit": "s", "exponentialHistogram": exponential(11, -5, &[1, 0, 0, 4, 2, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 7, 1])}),
        json!({"name": "exp.gaps", "exponentialHistogram": exponential(2, 3, &[0, 0, 5, 0, 0, 0, 0, 1, 0, 0, 1])}),
        json!({"name": "quantiles", "summary": {"dataPoints": summary}}),
    ]);
    send(&server.http_url("/v1/metrics"), json!(metrics)).await;
    send(&own.url("/api/v1/otlp/v1/metrics"), json!(metrics)).await;
    let expected = series(&own).await.expect("series");
    until("all series to be written", Duration::from_secs(30), || async {
        let found = series(&written).await?;
        if found.len() >= expected.len() { Ok(()) } else { Err(format!("{} of {}", found.len(), expected.len())) }
    })
    .await;
    let found = series(&written).await.expect("series");
    println!("remote write: {} series, the same as Prometheus' own translation of OTLP", found.len());
    let differ: Vec<_> = expected.iter().filter(|(labels, value)| found.get(*labels) != Some(*value)).collect();
    let more: Vec<_> = found.iter().filter(|(labels, _)| !expected.contains_key(*labels)).collect();
    assert!(differ.is_empty() && more.is_empty(), "expected {differ:#?}\nfound besides {more:#?}");
    assert!(expected.len() >= 30, "{}", expected.len());
    assert_well(&server, &written).await;
}

/// Returns all series with their values and native histograms as printed.
async fn series(receiver: &Receiver) -> Result<BTreeMap<String, String>, String> {
    let result = receiver.query("{__name__=~\".+\"}").await?;
    let one = |series: &Value| {
        let labels: BTreeMap<String, String> = serde_json::from_value(series["metric"].clone()).unwrap_or_default();
        let value = series.get("value").or(series.get("histogram")).map(|pair| pair[1].to_string()).unwrap_or_default();
        (format!("{labels:?}"), value)
    };
    Ok(result.iter().map(one).collect())
}
