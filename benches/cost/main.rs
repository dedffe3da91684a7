//! Measures the cost per span of the server and of the OpenTelemetry Collector with span metrics and a Prometheus exporter.
//! Both receive the same requests at the same time, with new ids and the current time. Prints a Markdown table by minute,
//! and compares the counts of both with the truth about the corpus.
//!
//!     eval "$(tests/run --env)"; cargo bench --bench cost -- --minutes 7 --rate 10000 --demo-minutes 10

#![expect(clippy::cast_precision_loss, reason = "figures for people, with a few digits")]

#[path = "../corpus/generator.rs"]
#[allow(dead_code, reason = "another bench uses the rest")]
mod generator;
#[path = "../options.rs"]
mod options;
#[allow(dead_code, reason = "another bench uses the rest")]
mod subject;

use bytes::Bytes;
use generator::{Generator, Shape};
use prost::Message as _;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use subject::{Client, Subject, mib, now_unix_nano};

/// Spans per request.
const SPANS_A_REQUEST: u64 = 500;
const MINUTE: Duration = Duration::from_mins(1);

struct Options {
    minutes: u64,
    /// Spans per second.
    rate: u64,
    /// Duration of the demo at the end; 0 skips it.
    demo_minutes: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut options = Options { minutes: 7, rate: 10_000, demo_minutes: 10 };
    let Options { minutes, rate, demo_minutes } = &mut options;
    options::read([("--minutes", minutes), ("--rate", rate), ("--demo-minutes", demo_minutes)])?;
    // The scrape client requires a provider, although nothing here uses TLS.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    let mut ours = Measured::new(Subject::spanwise().await?).await?;
    let mut theirs = Measured::new(Subject::collector().await?).await?;
    let (idle, ready) = ([&ours, &theirs].map(|one| one.idle_bytes), [&ours, &theirs].map(|one| one.subject.ready));
    let spans = feed(&options, &mut ours, &mut theirs).await?;
    ours.subject.has_counted(spans).await?;
    theirs.subject.has_counted(spans).await?;
    ours.end_minute(0)?;
    theirs.end_minute(0)?;
    println!("{}", table(&options, &ours, &theirs));
    println!("{}", others([&ours, &theirs], idle, ready));
    println!("{}", parts(&ours.parts(spans)?));
    drop((ours, theirs));
    if options.demo_minutes > 0 {
        println!("{}", demo(options.demo_minutes).await?);
    }
    Ok(())
}

/// A subject with its measured usage.
struct Measured {
    subject: Subject,
    client: Client,
    idle_bytes: u64,
    cpu: Duration,
    by_thread: BTreeMap<String, Duration>,
    acknowledged: Vec<Duration>,
    /// For each minute: spans, CPU time, and memory at its end.
    minutes: Vec<(u64, Duration, u64)>,
}

impl Measured {
    async fn new(subject: Subject) -> anyhow::Result<Measured> {
        tokio::time::sleep(Duration::from_secs(3)).await;
        Ok(Measured {
            client: subject.client().await?,
            idle_bytes: subject.resident_bytes()?,
            cpu: subject.cpu(),
            by_thread: subject.cpu_by_thread()?,
            acknowledged: Vec::new(),
            minutes: Vec::new(),
            subject,
        })
    }

    async fn send(&mut self, body: Bytes) -> anyhow::Result<()> {
        let sent = Instant::now();
        self.client.send(body).await?;
        self.acknowledged.push(sent.elapsed());
        Ok(())
    }

    /// Ends a minute. Without spans, the remaining work of earlier minutes is added to the last one.
    fn end_minute(&mut self, spans: u64) -> anyhow::Result<()> {
        let cpu = self.subject.cpu();
        let used = cpu.saturating_sub(self.cpu);
        self.cpu = cpu;
        match self.minutes.last_mut() {
            Some((_, before, _)) if spans == 0 => *before += used,
            _ => self.minutes.push((spans, used, self.subject.resident_bytes()?)),
        }
        Ok(())
    }

    /// Returns the CPU time per span by thread.
    fn parts(&self, spans: u64) -> anyhow::Result<Vec<(String, f64)>> {
        let now = self.subject.cpu_by_thread()?.into_iter();
        let since = |(name, now): (String, Duration)| {
            let before = self.by_thread.get(&name).copied().unwrap_or_default();
            (name, now.saturating_sub(before).as_secs_f64() * 1e6 / spans as f64)
        };
        let mut parts: Vec<(String, f64)> = now.map(since).filter(|(_, cost)| *cost >= 0.05).collect();
        parts.sort_by(|a, b| b.1.total_cmp(&a.1));
        Ok(parts)
    }

    fn quantile_ms(&self, quantile: f64) -> f64 {
        let mut all: Vec<f64> = self.acknowledged.iter().map(|took| took.as_secs_f64() * 1e3).collect();
        all.sort_by(f64::total_cmp);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
        let index = ((all.len() as f64 * quantile) as usize).min(all.len().saturating_sub(1));
        all.get(index).copied().unwrap_or_default()
    }
}

/// Sends the same requests to both for the given time and returns the number of spans.
async fn feed(options: &Options, ours: &mut Measured, theirs: &mut Measured) -> anyhow::Result<u64> {
    let shape = Shape {
        seed: 1,
        spans_a_request: usize::try_from(SPANS_A_REQUEST)?,
        end_unix_nano: 0,
        spans_a_second: options.rate,
        requests: u64::MAX,
        variants: 1,
    };
    let mut generator = Generator::new(shape);
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(SPANS_A_REQUEST as f64 / options.rate as f64));
    for minute in 1..=options.minutes {
        let (began, before) = (Instant::now(), generator.truth().spans);
        while began.elapsed() < MINUTE {
            ticks.tick().await;
            let body = Bytes::from(generator.ending_at(now_unix_nano()?).encode_to_vec());
            let (ours, theirs) = tokio::join!(ours.send(body.clone()), theirs.send(body));
            ours.and(theirs)?;
        }
        let spans = generator.truth().spans - before;
        ours.end_minute(spans)?;
        theirs.end_minute(spans)?;
        eprintln!("minute {minute} of {}: {spans} spans", options.minutes);
    }
    Ok(generator.truth().spans)
}

fn a_span((spans, used, _): &(u64, Duration, u64)) -> f64 {
    used.as_secs_f64() * 1e6 / *spans as f64
}

fn table(options: &Options, ours: &Measured, theirs: &Measured) -> String {
    let profile = if cfg!(debug_assertions) { "dev profile" } else { "release profile" };
    let mut lines = vec![
        format!("{} spans/s in requests of {SPANS_A_REQUEST}, the same to both, {profile}", options.rate),
        String::new(),
        "| minute | Spanwise, CPU a span | memory | Collector, CPU a span | memory | ratio of CPU |".to_owned(),
        "|---|---|---|---|---|---|".to_owned(),
    ];
    let row = |name: &str, ours: &(u64, Duration, u64), theirs: &(u64, Duration, u64)| {
        format!(
            "| {name} | {:.1} µs | {:.0} MiB | {:.1} µs | {:.0} MiB | {:.2} |",
            a_span(ours),
            mib(ours.2),
            a_span(theirs),
            mib(theirs.2),
            a_span(ours) / a_span(theirs)
        )
    };
    for (minute, (ours, theirs)) in ours.minutes.iter().zip(&theirs.minutes).enumerate() {
        lines.push(row(&(minute + 1).to_string(), ours, theirs));
    }
    let all = |minutes: &[(u64, Duration, u64)]| {
        let sum =
            |sum: (u64, Duration, u64), one: &(u64, Duration, u64)| (sum.0 + one.0, sum.1 + one.1, sum.2.max(one.2));
        minutes.iter().fold((0, Duration::ZERO, 0), sum)
    };
    lines.push(row("all, memory at most", &all(&ours.minutes), &all(&theirs.minutes)));
    lines.join("\n")
}

fn others(both: [&Measured; 2], idle: [u64; 2], ready: [Duration; 2]) -> String {
    let row = |what: &str, unit: &str, [ours, theirs]: [f64; 2]| {
        format!("| {what} | {ours:.1} {unit} | {theirs:.1} {unit} | {:.2} |", ours / theirs)
    };
    let ours = both[0];
    let spans: u64 = ours.minutes.iter().map(|(spans, ..)| spans).sum();
    let stored = |name: &str| format!("{:.0} bytes a span", ours.subject.stored_bytes(name) as f64 / spans as f64);
    [
        String::new(),
        "| | Spanwise | Collector | ratio |".to_owned(),
        "|---|---|---|---|".to_owned(),
        row("acknowledgement, p50", "ms", both.map(|one| one.quantile_ms(0.5))),
        row("acknowledgement, p99", "ms", both.map(|one| one.quantile_ms(0.99))),
        row("start to ready", "ms", ready.map(|ready| ready.as_secs_f64() * 1e3)),
        row("memory, idle", "MiB", idle.map(mib)),
        format!("| log on disk | {} | | |", stored("log")),
        format!("| state database | {} | | |", stored("state")),
    ]
    .join("\n")
}

fn parts(parts: &[(String, f64)]) -> String {
    let rows = parts.iter().map(|(name, cost)| format!("| {name} | {cost:.1} µs |"));
    let head = ["", "| thread of Spanwise | CPU a span |", "|---|---|"].map(str::to_owned);
    head.into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}

/// Returns the usage of the demo, server and shop in one process, after some minutes.
async fn demo(minutes: u64) -> anyhow::Result<String> {
    eprintln!("the demo runs for {minutes} min (--demo-minutes)");
    let demo = Subject::demo().await?;
    let (began, before) = (Instant::now(), demo.cpu());
    tokio::time::sleep(MINUTE * u32::try_from(minutes)?).await;
    let cores = demo.cpu().saturating_sub(before).as_secs_f64() / began.elapsed().as_secs_f64();
    Ok(format!("\nthe demo with its shop, {minutes} min: {:.1} MiB, {cores:.2} cores", mib(demo.resident_bytes()?)))
}
