//! Measures forwarding a request with one resource attribute changed: the processor, which splices the original bytes,
//! against decoding and encoding with prost.
//!
//!     cargo bench --bench forward -- --rounds 30
//!
//! Both process the same requests in turn on one thread; the result is the median ratio of the rounds.

#![expect(clippy::cast_precision_loss, reason = "figures for people, with a few digits")]

#[path = "../corpus/generator.rs"]
#[allow(dead_code, reason = "another bench uses the rest")]
mod generator;
#[path = "../options.rs"]
mod options;

use anyhow::ensure;
use bytes::Bytes;
use generator::{Generator, Shape};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use prost::Message as _;
use spanwise::delivery::processors::{Action, ActionKind, Change, Keys, Processor, Source};
use spanwise::model::signal::Signal;
use std::hint::black_box;
use std::time::{Duration, Instant};

const KEY: &str = "deployment.environment.name";
const VALUE: &str = "production";

fn main() -> anyhow::Result<()> {
    let mut rounds = 30;
    options::read([("--rounds", &mut rounds)])?;
    let shape = Shape {
        seed: 1,
        spans_a_request: 500,
        end_unix_nano: 1_767_225_600_000_000_000,
        spans_a_second: 40_000,
        requests: 40,
        variants: 1,
    };
    let requests: Vec<Bytes> = Generator::new(shape).map(|request| request.encode_to_vec().into()).collect();
    let action = Action {
        keys: Keys { key: KEY.to_owned(), pattern: None },
        kind: ActionKind::Upsert(Source::Value(Value::StringValue(VALUE.to_owned()))),
    };
    let processor = Processor { id: "resource".to_owned(), change: Change::Resource(vec![action]) };
    let splice = |request: &Bytes| processor.apply(Signal::Traces, request);
    for request in &requests {
        let [spliced, encoded] = [splice(request), encoded_again(request)].map(ExportTraceServiceRequest::decode);
        ensure!(spliced? == encoded?, "the two give different requests");
    }
    let mut ratios: Vec<(f64, Duration, Duration)> = (0..rounds.max(1))
        .map(|_| {
            let (spliced, again) = (timed(&requests, &splice), timed(&requests, &encoded_again));
            (spliced.as_secs_f64() / again.as_secs_f64(), spliced, again)
        })
        .collect();
    ratios.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (ratio, spliced, again) = ratios[ratios.len() / 2];
    let bytes: usize = requests.iter().map(Bytes::len).sum();
    let a_span = |took: Duration| took.as_secs_f64() * 1e9 / 20_000.0;
    println!(
        "{} requests, 20,000 spans, {:.1} MB; one attribute of each resource set",
        requests.len(),
        bytes as f64 / 1e6
    );
    println!("spliced           {:7.1} ns a span", a_span(spliced));
    println!("decoded, encoded  {:7.1} ns a span", a_span(again));
    println!(
        "ratio             {ratio:7.3} (of {rounds} rounds: least {:.3}, most {:.3}); goal at most 0.25",
        ratios[0].0,
        ratios[ratios.len() - 1].0
    );
    Ok(())
}

fn timed(requests: &[Bytes], forward: &dyn Fn(&Bytes) -> Bytes) -> Duration {
    let began = Instant::now();
    for request in requests {
        black_box(forward(black_box(request)));
    }
    began.elapsed()
}

/// Makes the same change with the generated types.
fn encoded_again(request: &Bytes) -> Bytes {
    let mut decoded = ExportTraceServiceRequest::decode(request.clone()).expect("a request of the corpus");
    for resource in decoded.resource_spans.iter_mut().filter_map(|spans| spans.resource.as_mut()) {
        let value = Some(AnyValue { value: Some(Value::StringValue(VALUE.to_owned())) });
        match resource.attributes.iter_mut().find(|attribute| attribute.key == KEY) {
            Some(attribute) => attribute.value = value,
            None => resource.attributes.push(KeyValue { key: KEY.to_owned(), value, ..KeyValue::default() }),
        }
    }
    decoded.encode_to_vec().into()
}
