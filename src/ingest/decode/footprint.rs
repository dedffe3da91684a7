//! Estimates the memory that prost would allocate for a message, before decoding it.
//!
//! An empty span is two bytes on the wire and some 250 in memory, so a body of 20 MiB could need gigabytes. One walk over
//! the tags, without allocation, sums the memory of the repeated messages.

use crate::model::signal::{Encoding, Signal};
use opentelemetry_proto::tonic::{common, logs, metrics, trace};

/// Limit on the memory of a request in prost's types, without its text.
const BYTES_MAX: usize = 512 << 20;

/// Smaller bodies cannot reach the limit and are not walked.
const BODY_BYTES_WALKED: usize = 1 << 20;

/// A repeated message: its field number, its size in memory, and the repeated messages within it.
struct Kind {
    field: u64,
    bytes: usize,
    within: &'static [Kind],
}

const fn kind<T>(field: u64, within: &'static [Kind]) -> Kind {
    Kind { field, bytes: size_of::<T>(), within }
}

type Attribute = common::v1::KeyValue;

static TRACES: [Kind; 1] = [kind::<trace::v1::ResourceSpans>(
    1,
    &[kind::<trace::v1::ScopeSpans>(
        2,
        &[kind::<trace::v1::Span>(
            2,
            &[
                kind::<Attribute>(9, &[]),
                kind::<trace::v1::span::Event>(11, &[kind::<Attribute>(3, &[])]),
                kind::<trace::v1::span::Link>(13, &[kind::<Attribute>(4, &[])]),
            ],
        )],
    )],
)];

static METRICS: [Kind; 1] = [kind::<metrics::v1::ResourceMetrics>(
    1,
    &[kind::<metrics::v1::ScopeMetrics>(
        2,
        &[kind::<metrics::v1::Metric>(
            2,
            &[
                kind::<metrics::v1::Gauge>(5, NUMBERS),
                kind::<metrics::v1::Sum>(7, NUMBERS),
                kind::<metrics::v1::Histogram>(
                    9,
                    &[kind::<metrics::v1::HistogramDataPoint>(
                        1,
                        &[kind::<metrics::v1::Exemplar>(8, &[]), kind::<Attribute>(9, &[])],
                    )],
                ),
                kind::<metrics::v1::ExponentialHistogram>(
                    10,
                    &[kind::<metrics::v1::ExponentialHistogramDataPoint>(
                        1,
                        &[kind::<Attribute>(1, &[]), kind::<metrics::v1::Exemplar>(11, &[])],
                    )],
                ),
                kind::<metrics::v1::Summary>(
                    11,
                    &[kind::<metrics::v1::SummaryDataPoint>(
                        1,
                        &[kind::<metrics::v1::summary_data_point::ValueAtQuantile>(6, &[]), kind::<Attribute>(7, &[])],
                    )],
                ),
            ],
        )],
    )],
)];

const NUMBERS: &[Kind] =
    &[kind::<metrics::v1::NumberDataPoint>(1, &[kind::<metrics::v1::Exemplar>(5, &[]), kind::<Attribute>(7, &[])])];

static LOGS: [Kind; 1] = [kind::<logs::v1::ResourceLogs>(
    1,
    &[kind::<logs::v1::ScopeLogs>(2, &[kind::<logs::v1::LogRecord>(2, &[kind::<Attribute>(6, &[])])])],
)];

/// Rejects a body that would take too much memory.
pub(super) fn check(signal: Signal, encoding: Encoding, body: &[u8]) -> Result<(), String> {
    if bytes(signal, encoding, body) > BYTES_MAX { Err(refusal(body.len())) } else { Ok(()) }
}

/// Returns the memory in bytes for decoding a body; 0 for small bodies, and just over the limit for rejected ones.
pub(super) fn bytes(signal: Signal, encoding: Encoding, body: &[u8]) -> usize {
    if body.len() < BODY_BYTES_WALKED {
        return 0;
    }
    if encoding == Encoding::Json {
        return json_bytes(body);
    }
    let kinds: &[Kind] = match signal {
        Signal::Traces => &TRACES,
        Signal::Metrics => &METRICS,
        Signal::Logs => &LOGS,
    };
    let mut left = BYTES_MAX;
    // A truncated body is left for prost to reject.
    if walk(body, kinds, &mut left) == Some(false) { BYTES_MAX + 1 } else { BYTES_MAX - left }
}

/// Each object may become an item; each comma separates two numbers or texts of a list.
fn json_bytes(body: &[u8]) -> usize {
    let bytes = body.iter().map(|byte| match byte {
        b'{' => size_of::<trace::v1::Span>(),
        b',' => size_of::<String>(),
        _ => 0,
    });
    bytes.sum()
}

fn refusal(found: usize) -> String {
    let expected = format!("a request that takes at most {BYTES_MAX} bytes in memory");
    format!("expected {expected}, found {found} bytes of mostly empty messages: send smaller batches")
}

/// Returns false if the messages need more than `left`, and `None` if the bytes are not valid messages.
fn walk(mut bytes: &[u8], kinds: &[Kind], left: &mut usize) -> Option<bool> {
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let skip = match tag & 7 {
            0 => {
                varint(&mut bytes)?;
                0
            }
            1 => 8,
            5 => 4,
            2 => usize::try_from(varint(&mut bytes)?).ok()?,
            _ => return None,
        };
        let (value, rest) = bytes.split_at_checked(skip)?;
        bytes = rest;
        if tag & 7 != 2 {
            continue;
        }
        if let Some(kind) = kinds.iter().find(|kind| kind.field == tag >> 3) {
            match left.checked_sub(kind.bytes) {
                Some(now) => *left = now,
                None => return Some(false),
            }
            if !kind.within.is_empty() && !walk(value, kind.within, left)? {
                return Some(false);
            }
        }
    }
    Some(true)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for place in 0..10 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
