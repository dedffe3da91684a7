//! Measures the usage after an hour: memory, state database and CPU time per span of the server under steady load from a
//! system with many routes.
//!
//!     cargo bench --bench soak -- --minutes 60 --rate 2000 --routes 2000

#![expect(clippy::cast_precision_loss, reason = "figures for people, with a few digits")]

#[path = "../corpus/generator.rs"]
#[allow(dead_code, reason = "another bench uses the rest")]
mod generator;
#[path = "../options.rs"]
mod options;
#[allow(dead_code, reason = "another bench uses the rest")]
#[path = "../cost/subject.rs"]
mod subject;

use bytes::Bytes;
use generator::{Generator, Shape};
use prost::Message as _;
use std::time::{Duration, Instant};
use subject::{Subject, mib, now_unix_nano};

/// Spans per request.
const SPANS_A_REQUEST: u64 = 100;
/// Routes of the corpus without variants.
const ROUTES: u64 = 12;
const MINUTE: Duration = Duration::from_mins(1);

struct Options {
    minutes: u64,
    /// Spans per second.
    rate: u64,
    routes: u64,
    /// Minutes between two lines of the table.
    every: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut options = Options { minutes: 60, rate: 2000, routes: 2000, every: 5 };
    let Options { minutes, rate, routes, every } = &mut options;
    options::read([("--minutes", minutes), ("--rate", rate), ("--routes", routes), ("--every", every)])?;
    // The scrape client requires a provider, although nothing here uses TLS.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    let subject = Subject::spanwise().await?;
    let mut client = subject.client().await?;
    let mut generator = Generator::new(Shape {
        seed: 1,
        spans_a_request: usize::try_from(SPANS_A_REQUEST)?,
        end_unix_nano: 0,
        spans_a_second: options.rate,
        requests: u64::MAX,
        variants: options.routes.div_ceil(ROUTES),
    });
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(SPANS_A_REQUEST as f64 / options.rate as f64));
    println!("{} spans/s in requests of {SPANS_A_REQUEST}, {} routes\n", options.rate, options.routes);
    println!("| minute | memory | CPU a span | state database | log |\n|---|---|---|---|---|");
    let mut minute = 0;
    while minute < options.minutes {
        let length = options.every.clamp(1, options.minutes - minute);
        let (began, before, cpu) = (Instant::now(), generator.truth().spans, subject.cpu());
        while began.elapsed() < MINUTE * u32::try_from(length)? {
            ticks.tick().await;
            client.send(Bytes::from(generator.ending_at(now_unix_nano()?).encode_to_vec())).await?;
        }
        minute += length;
        let spans = generator.truth().spans - before;
        println!(
            "| {minute} | {:.0} MiB | {:.1} µs | {:.1} MiB | {:.0} MiB |",
            mib(subject.resident_bytes()?),
            subject.cpu().saturating_sub(cpu).as_secs_f64() * 1e6 / spans as f64,
            mib(subject.stored_bytes("state")),
            mib(subject.stored_bytes("log")),
        );
    }
    subject.has_counted(generator.truth().spans).await
}
