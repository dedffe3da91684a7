//! Measures the time until a restarted server accepts requests, by the size of its log: it is killed while it receives spans
//! at full rate, and restarted with the same directory. Prints a Markdown table, and compares the final counts with the
//! acknowledged spans.
//!
//!     cargo bench --bench start -- --mib 1600 --starts 3

#![expect(clippy::cast_precision_loss, reason = "figures for people, with a few digits")]

#[path = "../corpus/generator.rs"]
#[allow(dead_code, reason = "another bench uses the rest")]
mod generator;
#[path = "../options.rs"]
mod options;
#[path = "../cost/subject.rs"]
#[allow(dead_code, reason = "another bench uses the rest")]
mod subject;

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use generator::{Generator, Shape};
use prost::Message as _;
use std::time::{Duration, Instant};
use subject::{Subject, mib, now_unix_nano};

const SPANS_A_REQUEST: usize = 500;
/// Number of concurrent requests.
const SENDERS: usize = 4;
const LONGEST: Duration = Duration::from_mins(10);

struct Options {
    /// Size of the log in MiB.
    mib: u64,
    starts: u64,
}

/// Durations of one start, from the start of the process.
struct Start {
    log_mib: f64,
    /// Until the first request was acknowledged.
    acknowledged: Duration,
    /// Until the table of received rows contained what fits in memory.
    read_back: Duration,
    /// Until every acknowledged span was counted.
    counted: Duration,
    resident_mib: f64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut options = Options { mib: 1600, starts: 3 };
    options::read([("--mib", &mut options.mib), ("--starts", &mut options.starts)])?;
    // The scrape client requires a provider, although nothing here uses TLS.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    let mut bodies = bodies()?;
    let mut subject = Subject::spanwise().await?;
    let mut spans = 0;
    let mut starts = Vec::new();
    for bytes in [0, options.mib << 20] {
        spans += fill(&subject, &mut bodies, bytes).await?;
        for _ in 0..options.starts {
            let start;
            (subject, start) = restart(subject, &mut bodies, &mut spans).await?;
            eprintln!("{:.0} MiB of log: {:?} to the first acknowledgement", start.log_mib, start.acknowledged);
            starts.push(start);
        }
    }
    println!("{}", table(&starts));
    Ok(())
}

/// Returns an endless iterator of distinct requests.
fn bodies() -> anyhow::Result<impl Iterator<Item = (u64, Bytes)>> {
    let shape = Shape {
        seed: 1,
        spans_a_request: SPANS_A_REQUEST,
        end_unix_nano: now_unix_nano()?,
        spans_a_second: 100_000,
        requests: 1_000_000,
        variants: 1,
    };
    let count = |request: &opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest| {
        let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
        scopes.map(|scope| scope.spans.len() as u64).sum()
    };
    Ok(Generator::new(shape).map(move |request| (count(&request), Bytes::from(request.encode_to_vec()))))
}

/// Sends until the log has the given size and returns the number of acknowledged spans.
async fn fill(subject: &Subject, bodies: &mut impl Iterator<Item = (u64, Bytes)>, bytes: u64) -> anyhow::Result<u64> {
    let mut clients = Vec::new();
    for _ in 0..SENDERS {
        clients.push(subject.client().await?);
    }
    let mut spans = 0;
    while subject.stored_bytes("log") < bytes {
        let sending = clients.iter_mut().zip(&mut *bodies).map(async |(client, (count, body))| {
            // At its limits the server rejects with a retryable error.
            while client.send(body.clone()).await.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            count
        });
        spans += futures::future::join_all(sending).await.into_iter().sum::<u64>();
    }
    Ok(spans)
}

async fn restart(
    subject: Subject,
    bodies: &mut impl Iterator<Item = (u64, Bytes)>,
    spans: &mut u64,
) -> anyhow::Result<(Subject, Start)> {
    let log_mib = mib(subject.stored_bytes("log"));
    let (count, body) = bodies.next().context("requests without end")?;
    let (subject, began) = subject.restart().await?;
    subject.client().await?.send(body).await?;
    let acknowledged = began.elapsed();
    *spans += count;
    let read_back = said(&subject, "read the log back", began, log_mib < 1.0).await?;
    subject.has_counted(*spans).await?;
    let counted = began.elapsed();
    let resident_mib = mib(subject.resident_bytes()?);
    Ok((subject, Start { log_mib, acknowledged, read_back, counted, resident_mib }))
}

/// Returns the time until the subject has logged a message.
async fn said(subject: &Subject, what: &str, began: Instant, is_needless: bool) -> anyhow::Result<Duration> {
    while !is_needless && !subject.output()?.contains(what) {
        ensure!(began.elapsed() < LONGEST, "not said: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(began.elapsed())
}

fn table(starts: &[Start]) -> String {
    let profile = if cfg!(debug_assertions) { "dev profile" } else { "release profile" };
    let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
    let row = |start: &Start| {
        format!(
            "| {:.0} MiB | {:.0} ms | {:.0} ms | {:.0} ms | {:.0} MiB |",
            start.log_mib,
            ms(start.acknowledged),
            ms(start.read_back),
            ms(start.counted),
            start.resident_mib
        )
    };
    let head = [
        format!("{profile}; all after a kill"),
        String::new(),
        "| log | first acknowledgement | tables of received rows read back | all counted | memory |".to_owned(),
        "|---|---|---|---|---|".to_owned(),
    ];
    head.into_iter().chain(starts.iter().map(row)).collect::<Vec<_>>().join("\n")
}
