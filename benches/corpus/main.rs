//! Writes a seeded corpus of OTLP trace requests and prints the exact truth of it as JSON.
//!
//!     cargo bench --bench corpus -- --requests 100 --seed 1 --out corpus.otlp
//!
//! The file contains the requests in protobuf, each prefixed with its length as a little-endian `u32`.

mod generator;

use anyhow::{Context as _, bail};
use generator::{Generator, Shape, Truth};
use prost::Message as _;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufWriter, Write as _};

fn main() -> anyhow::Result<()> {
    let mut shape = Shape {
        seed: 1,
        spans_a_request: 500,
        // A fixed time, so that the same arguments give the same bytes.
        end_unix_nano: 1_767_225_600_000_000_000,
        spans_a_second: 40_000,
        requests: 100,
        variants: 1,
    };
    let mut out: Option<File> = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument}: expected a value behind it"));
        match argument.as_str() {
            "--seed" => shape.seed = value()?.parse()?,
            "--requests" => shape.requests = value()?.parse()?,
            "--spans" => shape.spans_a_request = value()?.parse()?,
            "--end-unix-nano" => shape.end_unix_nano = value()?.parse()?,
            "--out" => {
                let path = value()?;
                out = Some(File::create(&path).with_context(|| format!("{path} cannot be written"))?);
            }
            // Passed by cargo.
            "--bench" | "--test" => {}
            other => bail!("{other}: expected --seed, --requests, --spans, --end-unix-nano or --out"),
        }
    }
    let mut generator = Generator::new(shape);
    let mut writer = out.map(BufWriter::new);
    let mut bytes = 0;
    for request in generator.by_ref() {
        let encoded = request.encode_to_vec();
        bytes += encoded.len();
        if let Some(writer) = &mut writer {
            writer.write_all(&u32::try_from(encoded.len())?.to_le_bytes())?;
            writer.write_all(&encoded)?;
        }
    }
    if let Some(mut writer) = writer {
        writer.flush()?;
    }
    println!("{}", serde_json::to_string_pretty(&told(shape, generator.truth(), bytes))?);
    Ok(())
}

fn told(shape: Shape, truth: &Truth, bytes: usize) -> Value {
    let operation = |((service, name), operation): (&(&str, String), &generator::Operation)| {
        json!({
            "service_name": service, "operation": name,
            "calls": operation.durations_ms.len(), "errors": operation.errors,
            "p50_ms": operation.quantile(0.5), "p95_ms": operation.quantile(0.95), "p99_ms": operation.quantile(0.99),
        })
    };
    let statement = |((service, statement), calls): (&(&str, &str), &u64)| json!({"service_name": service, "statement": statement, "calls": calls});
    json!({
        "seed": shape.seed, "requests": truth.requests, "spans": truth.spans, "bytes": bytes,
        "bytes_a_span": bytes as u64 / truth.spans.max(1), "errors": truth.errors, "late": truth.late,
        "operations": truth.operations.iter().map(operation).collect::<Vec<_>>(),
        "statements": truth.statements.iter().map(statement).collect::<Vec<_>>(),
    })
}
