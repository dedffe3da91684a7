//! What a span costs: the running server beside the OpenTelemetry Collector with span metrics and a Prometheus exporter,
//! on the same corpus at the same rate in one run. Prints a Markdown table, and holds what was counted against the
//! corpus's own truth.
//!
//!     eval "$(tests/run --env)"; cargo bench --bench cost -- --seconds 20 --rate 20000 --demo-minutes 10

#![expect(clippy::cast_precision_loss, reason = "figures for people, with a few digits")]

#[path = "../corpus/generator.rs"]
#[allow(dead_code, reason = "another bench uses the rest")]
mod generator;
#[allow(dead_code, reason = "another bench uses the rest")]
mod subject;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use generator::{Generator, Shape};
use prost::Message as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use subject::{Cost, Subject};

/// Spans of a request.
const SPANS_A_REQUEST: u64 = 500;

struct Options {
    seconds: u64,
    rate: u64,
    rounds: usize,
    /// How long the demo runs at the end; 0 leaves it out.
    demo_minutes: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = options()?;
    // The scrape's client needs one to be there, though nothing here speaks TLS.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    // A B B A: what drifts on the machine hits both alike.
    for round in 0..options.rounds {
        let order = if round % 2 == 0 { [true, false] } else { [false, true] };
        for is_ours in order {
            let subject = if is_ours { Subject::spanwise().await? } else { Subject::collector().await? };
            let cost = measure(subject, &options, round).await?;
            eprintln!(
                "round {round}: {}: {:.2} µs a span",
                if is_ours { "Spanwise" } else { "Collector" },
                cost.cpu_us_a_span
            );
            if is_ours { ours.push(cost) } else { theirs.push(cost) }
        }
    }
    let demo = if options.demo_minutes == 0 { None } else { Some(demo(options.demo_minutes).await?) };
    println!("{}", table(&options, &ours, &theirs, demo));
    Ok(())
}

fn options() -> anyhow::Result<Options> {
    let mut options = Options { seconds: 20, rate: 20_000, rounds: 2, demo_minutes: 10 };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument}: expected a number behind it"));
        match argument.as_str() {
            "--seconds" => options.seconds = value()?.parse()?,
            "--rate" => options.rate = value()?.parse()?,
            "--rounds" => options.rounds = value()?.parse()?,
            "--demo-minutes" => options.demo_minutes = value()?.parse()?,
            // What cargo says by itself.
            "--bench" | "--test" => {}
            other => bail!("{other}: expected --seconds, --rate, --rounds or --demo-minutes"),
        }
    }
    Ok(options)
}

/// Sends the corpus at its rate; what the process spent meanwhile.
async fn measure(subject: Subject, options: &Options, round: usize) -> anyhow::Result<Cost> {
    let requests = options.seconds * options.rate / SPANS_A_REQUEST;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let shape = Shape {
        // Another corpus each round: the same one would be known as a resend.
        seed: 1 + round as u64,
        spans_a_request: usize::try_from(SPANS_A_REQUEST)?,
        end_unix_nano: u64::try_from(now.as_nanos())?,
        spans_a_second: options.rate,
        requests,
    };
    let mut generator = Generator::new(shape);
    let mut bodies = Vec::new();
    for request in generator.by_ref() {
        bodies.push(Bytes::from(request.encode_to_vec()));
    }
    let truth = generator.truth().clone();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut cost = Cost { idle_bytes: subject.resident_bytes()?, ready: subject.ready, ..Cost::default() };
    let before = subject.cpu()?;
    let every = Duration::from_secs_f64(SPANS_A_REQUEST as f64 / options.rate as f64);
    let mut ticks = tokio::time::interval(every);
    let mut client = subject.client().await?;
    for body in bodies {
        ticks.tick().await;
        let sent = Instant::now();
        client.send(body).await?;
        cost.acknowledged.push(sent.elapsed());
    }
    subject.has_counted(truth.spans).await?;
    cost.cpu_us_a_span = subject.cpu()?.saturating_sub(before).as_secs_f64() * 1e6 / truth.spans as f64;
    cost.resident_bytes = subject.resident_bytes()?;
    ensure!(truth.spans > 0, "a corpus without spans");
    Ok(cost)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn quantile_ms(costs: &[Cost], quantile: f64) -> f64 {
    let mut all: Vec<f64> =
        costs.iter().flat_map(|cost| &cost.acknowledged).map(|took| took.as_secs_f64() * 1e3).collect();
    all.sort_by(f64::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
    let index = ((all.len() as f64 * quantile) as usize).min(all.len().saturating_sub(1));
    all.get(index).copied().unwrap_or_default()
}

/// What the demo, server and shop in one process, takes after some minutes.
async fn demo(minutes: u64) -> anyhow::Result<DemoCost> {
    eprintln!("the demo runs for {minutes} min (--demo-minutes)");
    let demo = Subject::demo().await?;
    let (began, before) = (Instant::now(), demo.cpu()?);
    tokio::time::sleep(Duration::from_secs(minutes * 60)).await;
    let cores = demo.cpu()?.saturating_sub(before).as_secs_f64() / began.elapsed().as_secs_f64();
    Ok(DemoCost { resident_bytes: demo.resident_bytes()?, cores })
}

struct DemoCost {
    resident_bytes: u64,
    /// Share of a core.
    cores: f64,
}

fn table(options: &Options, ours: &[Cost], theirs: &[Cost], demo: Option<DemoCost>) -> String {
    let of = |costs: &[Cost], figure: &dyn Fn(&Cost) -> f64| median(costs.iter().map(figure).collect());
    let row = |what: &str, unit: &str, figure: &dyn Fn(&Cost) -> f64| {
        let (ours, theirs) = (of(ours, figure), of(theirs, figure));
        format!("| {what} | {ours:.1} {unit} | {theirs:.1} {unit} | {:.2} |", ours / theirs)
    };
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let acknowledged = |name: &str, quantile: f64| {
        let (ours, theirs) = (quantile_ms(ours, quantile), quantile_ms(theirs, quantile));
        format!("| acknowledgement, {name} | {ours:.1} ms | {theirs:.1} ms | {:.2} |", ours / theirs)
    };
    let profile = if cfg!(debug_assertions) { "dev profile" } else { "release profile" };
    let minutes = options.demo_minutes;
    let demo = demo.into_iter().flat_map(|demo| {
        [
            format!("| memory, {minutes} min of the demo with its shop | {:.1} MiB | | |", mib(demo.resident_bytes)),
            format!("| CPU, the demo with its shop | {:.2} cores | | |", demo.cores),
        ]
    });
    let lines = [
        format!(
            "{} spans/s in requests of {SPANS_A_REQUEST}, {} s, {} rounds, {profile}",
            options.rate, options.seconds, options.rounds
        ),
        String::new(),
        "| | Spanwise (durable log, all analyses, SQL) | Collector (span metrics, Prometheus) | ratio |".to_owned(),
        "|---|---|---|---|".to_owned(),
        row("CPU a span", "µs", &|cost| cost.cpu_us_a_span),
        acknowledged("p50", 0.5),
        acknowledged("p99", 0.99),
        row("start to ready", "ms", &|cost| cost.ready.as_secs_f64() * 1e3),
        row("memory, idle", "MiB", &|cost| mib(cost.idle_bytes)),
        row("memory, loaded", "MiB", &|cost| mib(cost.resident_bytes)),
    ];
    lines.into_iter().chain(demo).collect::<Vec<_>>().join("\n")
}
