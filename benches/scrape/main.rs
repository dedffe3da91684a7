//! Measures the cost of a scrape of the server and of the OpenTelemetry Collector's Prometheus exporter, each with the same
//! series received over OTLP, scraped in turn as Prometheus does. Prints a Markdown table, and compares the number of series
//! shown with the number sent.
//!
//!     eval "$(tests/run --env)"; cargo bench --bench scrape -- --series 100000 --scrapes 10

#![expect(clippy::cast_precision_loss, reason = "figures for people, with a few digits")]

#[path = "../options.rs"]
mod options;
#[path = "../cost/subject.rs"]
#[allow(dead_code, reason = "another bench uses the rest")]
mod subject;

use anyhow::ensure;
use bytes::Bytes;
use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric::Data,
    number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use std::io::Read as _;
use std::time::{Duration, Instant};
use subject::{Client, Subject, now_unix_nano};

/// Points per request.
const POINTS_A_REQUEST: u64 = 1000;
/// Histogram bounds in seconds: those of HTTP's semantic conventions.
const BOUNDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// The header sent by Prometheus 3.
const ACCEPT: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
    text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
const LONGEST: Duration = Duration::from_mins(2);

struct Options {
    series: u64,
    scrapes: u64,
    rounds: u64,
}

/// Costs of the scrapes of one subject.
#[derive(Default)]
struct Cost {
    took: Vec<Duration>,
    cpu_ms_a_scrape: f64,
    body_bytes: f64,
    resident_bytes: f64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut options = Options { series: 100_000, scrapes: 10, rounds: 2 };
    let Options { series, scrapes, rounds } = &mut options;
    options::read([("--series", series), ("--scrapes", scrapes), ("--rounds", rounds)])?;
    // The scrape client requires a provider, although nothing here uses TLS.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    // The order A B B A distributes drift of the machine evenly.
    for round in 0..options.rounds {
        let order = if round % 2 == 0 { [true, false] } else { [false, true] };
        for is_ours in order {
            let keys = format!("series_max: {}", 2 * options.series);
            let subject = if is_ours { Subject::spanwise_with(&keys).await? } else { Subject::collector().await? };
            let cost = measure(&subject, &options).await?;
            let name = if is_ours { "Spanwise" } else { "Collector" };
            eprintln!("round {round}: {name}: {:.0} ms of CPU a scrape", cost.cpu_ms_a_scrape);
            if is_ours { ours.push(cost) } else { theirs.push(cost) }
        }
    }
    println!("{}", table(&options, &ours, &theirs));
    Ok(())
}

/// Sends every series twice, so that values change, and scrapes repeatedly.
async fn measure(subject: &Subject, options: &Options) -> anyhow::Result<Cost> {
    let mut client = subject.client().await?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    send(&mut client, options.series, 1).await?;
    shown(subject, &http, options.series).await?;
    send(&mut client, options.series, 2).await?;
    // The received data is processed by then, and both have been scraped once.
    tokio::time::sleep(Duration::from_secs(3)).await;
    scrape(subject, &http).await?;
    let mut cost = Cost::default();
    let before = subject.cpu();
    for _ in 0..options.scrapes {
        let began = Instant::now();
        let body = scrape(subject, &http).await?;
        cost.took.push(began.elapsed());
        cost.body_bytes = body.len() as f64;
    }
    cost.cpu_ms_a_scrape = subject.cpu().saturating_sub(before).as_secs_f64() * 1e3 / options.scrapes as f64;
    cost.resident_bytes = subject.resident_bytes()? as f64;
    Ok(cost)
}

async fn scrape(subject: &Subject, http: &reqwest::Client) -> anyhow::Result<Bytes> {
    let request = http.get(subject.scrape_url()).header("accept", ACCEPT).header("accept-encoding", "gzip");
    Ok(request.send().await?.error_for_status()?.bytes().await?)
}

/// Waits until all series are shown.
async fn shown(subject: &Subject, http: &reqwest::Client, series: u64) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let mut text = String::new();
        GzDecoder::new(&scrape(subject, http).await?[..]).read_to_string(&mut text)?;
        // One line per series: the count of a histogram.
        let of = |line: &&str| {
            ["bench_requests_total{", "bench_queue_length{", "bench_duration_seconds_count{"]
                .iter()
                .any(|name| line.starts_with(name))
        };
        let found = text.lines().filter(of).count() as u64;
        if found == series {
            return Ok(());
        }
        ensure!(began.elapsed() < LONGEST, "{found} of {series} series are shown");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Sends series: half are counters, three in ten are gauges, the rest are histograms.
async fn send(client: &mut Client, series: u64, value: u64) -> anyhow::Result<()> {
    let now = now_unix_nano()?;
    let mut first = 0;
    while first < series {
        let last = (first + POINTS_A_REQUEST).min(series);
        let of = |kinds: std::ops::Range<u64>| (first..last).filter(move |number| kinds.contains(&(number % 10)));
        let number = |number: u64| NumberDataPoint {
            attributes: attributes(number),
            start_time_unix_nano: now - 1_000_000_000,
            time_unix_nano: now,
            value: Some(number_data_point::Value::AsDouble((number * value) as f64 + 0.25)),
            ..NumberDataPoint::default()
        };
        let histogram = |number: u64| HistogramDataPoint {
            attributes: attributes(number),
            start_time_unix_nano: now - 1_000_000_000,
            time_unix_nano: now,
            count: 15 * value * number,
            sum: Some(number as f64 * 0.7),
            bucket_counts: vec![value * number; BOUNDS.len() + 1],
            explicit_bounds: BOUNDS.to_vec(),
            ..HistogramDataPoint::default()
        };
        let requests = Data::Sum(Sum {
            data_points: of(0..5).map(number).collect(),
            aggregation_temporality: 2,
            is_monotonic: true,
        });
        let lengths = Data::Gauge(Gauge { data_points: of(5..8).map(number).collect() });
        let durations =
            Data::Histogram(Histogram { data_points: of(8..10).map(histogram).collect(), aggregation_temporality: 2 });
        let metric = |name: &str, unit: &str, data| Metric {
            name: name.to_owned(),
            unit: unit.to_owned(),
            description: "What it is good for.".to_owned(),
            data: Some(data),
            ..Metric::default()
        };
        let metrics = vec![
            metric("bench.requests", "{request}", requests),
            metric("bench.queue.length", "{message}", lengths),
            metric("bench.duration", "s", durations),
        ];
        client.send_metrics(request(first / POINTS_A_REQUEST, metrics).encode_to_vec().into()).await?;
        first = last;
    }
    Ok(())
}

/// Builds a request of one of a hundred processes.
fn request(number: u64, metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
    let resource = [
        ("service.name", "bench".to_owned()),
        ("service.instance.id", format!("instance-{}", number % 100)),
        ("host.name", format!("host-{}", number % 100)),
    ];
    let attributes = resource.map(|(name, value)| attribute(name, value)).to_vec();
    let scope = InstrumentationScope { name: "bench".to_owned(), ..InstrumentationScope::default() };
    let scope_metrics = vec![ScopeMetrics { scope: Some(scope), metrics, ..ScopeMetrics::default() }];
    let resource = Some(Resource { attributes, ..Resource::default() });
    let resource_metrics = vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }];
    ExportMetricsServiceRequest { resource_metrics }
}

fn attributes(number: u64) -> Vec<KeyValue> {
    vec![
        attribute("http.request.method", ["GET", "POST", "PUT"][(number % 3) as usize].to_owned()),
        attribute("http.route", format!("/products/{number}")),
        attribute("http.response.status_code", (200 + number % 5).to_string()),
    ]
}

fn attribute(key: &str, value: String) -> KeyValue {
    let value = Some(AnyValue { value: Some(any_value::Value::StringValue(value)) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn table(options: &Options, ours: &[Cost], theirs: &[Cost]) -> String {
    let row = |what: &str, unit: &str, figure: &dyn Fn(&Cost) -> f64| {
        let of = |costs: &[Cost]| median(costs.iter().map(figure).collect());
        let (ours, theirs) = (of(ours), of(theirs));
        format!("| {what} | {ours:.1} {unit} | {theirs:.1} {unit} | {:.2} |", ours / theirs)
    };
    let took = |cost: &Cost| median(cost.took.iter().map(|took| took.as_secs_f64() * 1e3).collect());
    let profile = if cfg!(debug_assertions) { "dev profile" } else { "release profile" };
    let lines = [
        format!("{} series, {} scrapes, {} rounds, {profile}", options.series, options.scrapes, options.rounds),
        String::new(),
        "| a scrape, compressed | Spanwise | Collector | ratio |".to_owned(),
        "|---|---|---|---|".to_owned(),
        row("time", "ms", &took),
        row("CPU", "ms", &|cost| cost.cpu_ms_a_scrape),
        row("body", "MiB", &|cost| cost.body_bytes / f64::from(1 << 20)),
        row("memory", "MiB", &|cost| cost.resident_bytes / f64::from(1 << 20)),
    ];
    lines.join("\n")
}
