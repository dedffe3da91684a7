//! Repairs protobuf requests that one bad field would make unreadable, and finds those with repeated keys.
//!
//! Invalid UTF-8 is replaced by U+FFFD: OTLP's strings are UTF-8, but senders truncate texts by bytes. A field with an
//! unexpected wire type counts as unknown, as in protobuf's own readers. A nested message that is invalid is dropped alone.
//! Any reader can decode the result.

use super::rejects::Faults;
use super::tidy::{Keys, NESTING_MAX, SERVICE_NAME, SPAN_ID_BYTES, TRACE_ID_BYTES};
use crate::model::signal::Signal;
use std::borrow::Cow;

/// The contents of a field.
enum Kind {
    Unknown,
    Varint,
    Fixed32,
    Fixed64,
    Bytes,
    /// An id of this many bytes, or an empty one.
    Id(usize),
    Text,
    /// Repeated numbers, packed or not.
    Varints,
    Fixed64s,
    Of(&'static Message),
}

/// A message with its fields by number.
struct Message {
    name: &'static str,
    fields: &'static [Kind],
}

use Kind::{
    Bytes as B, Fixed32 as F4, Fixed64 as F8, Fixed64s as F8S, Of, Text as T, Unknown as U, Varint as V, Varints,
};

const TRACE_ID: Kind = Kind::Id(TRACE_ID_BYTES);
const SPAN_ID: Kind = Kind::Id(SPAN_ID_BYTES);

macro_rules! message {
    ($constant:ident, $name:literal, [$($kind:expr),* $(,)?]) => {
        static $constant: Message = Message { name: $name, fields: &[U, $($kind),*] };
    };
}

message!(ANY_VALUE, "AnyValue", [T, V, V, F8, Of(&ARRAY), Of(&MAP), B, V]);
message!(ARRAY, "ArrayValue", [Of(&ANY_VALUE)]);
message!(MAP, "KeyValueList", [Of(&KEY_VALUE)]);
message!(KEY_VALUE, "KeyValue", [T, Of(&ANY_VALUE), V]);
message!(ENTITY, "EntityRef", [T, T, T, T]);
message!(RESOURCE, "Resource", [Of(&KEY_VALUE), V, Of(&ENTITY)]);
message!(SCOPE, "InstrumentationScope", [T, T, Of(&KEY_VALUE), V]);

message!(TRACES, "ExportTraceServiceRequest", [Of(&RESOURCE_SPANS)]);
message!(RESOURCE_SPANS, "ResourceSpans", [Of(&RESOURCE), Of(&SCOPE_SPANS), T]);
message!(SCOPE_SPANS, "ScopeSpans", [Of(&SCOPE), Of(&SPAN), T]);
message!(
    SPAN,
    "Span",
    [TRACE_ID, SPAN_ID, T, SPAN_ID, T, V, F8, F8, Of(&KEY_VALUE), V, Of(&EVENT), V, Of(&LINK), V, Of(&STATUS), F4]
);
message!(EVENT, "Event", [F8, T, Of(&KEY_VALUE), V]);
message!(LINK, "Link", [TRACE_ID, SPAN_ID, T, Of(&KEY_VALUE), V, F4]);
message!(STATUS, "Status", [U, T, V]);

message!(METRICS, "ExportMetricsServiceRequest", [Of(&RESOURCE_METRICS)]);
message!(RESOURCE_METRICS, "ResourceMetrics", [Of(&RESOURCE), Of(&SCOPE_METRICS), T]);
message!(SCOPE_METRICS, "ScopeMetrics", [Of(&SCOPE), Of(&METRIC), T]);
message!(
    METRIC,
    "Metric",
    [T, T, T, U, Of(&GAUGE), U, Of(&SUM), U, Of(&HISTOGRAM), Of(&EXPONENTIAL), Of(&SUMMARY), Of(&KEY_VALUE)]
);
message!(GAUGE, "Gauge", [Of(&NUMBER)]);
message!(SUM, "Sum", [Of(&NUMBER), V, V]);
message!(HISTOGRAM, "Histogram", [Of(&HISTOGRAM_POINT), V]);
message!(EXPONENTIAL, "ExponentialHistogram", [Of(&EXPONENTIAL_POINT), V]);
message!(SUMMARY, "Summary", [Of(&SUMMARY_POINT)]);
message!(NUMBER, "NumberDataPoint", [U, F8, F8, F8, Of(&EXEMPLAR), F8, Of(&KEY_VALUE), V]);
message!(
    HISTOGRAM_POINT,
    "HistogramDataPoint",
    [U, F8, F8, F8, F8, F8S, F8S, Of(&EXEMPLAR), Of(&KEY_VALUE), V, F8, F8]
);
message!(
    EXPONENTIAL_POINT,
    "ExponentialHistogramDataPoint",
    [Of(&KEY_VALUE), F8, F8, F8, F8, V, F8, Of(&BUCKETS), Of(&BUCKETS), V, Of(&EXEMPLAR), F8, F8, F8]
);
message!(BUCKETS, "Buckets", [V, Varints]);
message!(SUMMARY_POINT, "SummaryDataPoint", [U, F8, F8, F8, F8, Of(&QUANTILE), Of(&KEY_VALUE), V]);
message!(QUANTILE, "ValueAtQuantile", [F8, F8]);
message!(EXEMPLAR, "Exemplar", [U, F8, F8, SPAN_ID, TRACE_ID, F8, Of(&KEY_VALUE)]);

message!(LOGS, "ExportLogsServiceRequest", [Of(&RESOURCE_LOGS)]);
message!(RESOURCE_LOGS, "ResourceLogs", [Of(&RESOURCE), Of(&SCOPE_LOGS), T]);
message!(SCOPE_LOGS, "ScopeLogs", [Of(&SCOPE), Of(&LOG_RECORD), T]);
message!(LOG_RECORD, "LogRecord", [F8, V, T, U, Of(&ANY_VALUE), Of(&KEY_VALUE), V, F4, TRACE_ID, SPAN_ID, F8, T]);

/// Maximum depth of nested messages, as readers reject more than a hundred. Anything deeper is below the nesting limit of
/// values anyway.
const DEPTH_MAX: usize = 90;
/// Depth from which values may exceed the nesting limit: their attribute is itself nested some messages deep.
const DEEP: usize = NESTING_MAX;

/// Field number of the start time of a span.
const SPAN_START: u64 = 7;

const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const LENGTH: u64 = 2;
const GROUP: u64 = 3;
const GROUP_END: u64 = 4;
const FIXED_32: u64 = 5;

const fn request(signal: Signal) -> &'static Message {
    match signal {
        Signal::Traces => &TRACES,
        Signal::Metrics => &METRICS,
        Signal::Logs => &LOGS,
    }
}

/// How a request can be forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Unchanged.
    Clean,
    /// After [`repaired`].
    Unreadable,
    /// After decoding: an attribute is repeated or effectively absent, an id has the wrong length, or a span has no start
    /// time.
    Untidy,
}

/// Checks a request for anything that other readers would reject.
pub(super) fn state(signal: Signal, body: &[u8]) -> State {
    let mut state = State::Clean;
    match look(body, request(signal), 0, &mut state) {
        Some(()) => state,
        None => State::Untidy,
    }
}

/// Returns the body with bad parts replaced or dropped, or `None` if it is not such a message at all.
pub(super) fn repaired(signal: Signal, body: &[u8], faults: &mut Faults) -> Option<Vec<u8>> {
    rewritten(body, request(signal), 0, faults)
}

impl Message {
    fn kind(&self, number: u64) -> &'static Kind {
        usize::try_from(number).ok().and_then(|number| self.fields.get(number)).unwrap_or(&U)
    }

    fn is(&self, other: &'static Message) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Kind {
    const fn wire(&self) -> Option<u64> {
        match self {
            Kind::Unknown => None,
            Kind::Varint | Kind::Varints => Some(VARINT),
            Kind::Fixed32 => Some(FIXED_32),
            Kind::Fixed64 | Kind::Fixed64s => Some(FIXED_64),
            Kind::Bytes | Kind::Id(_) | Kind::Text | Kind::Of(_) => Some(LENGTH),
        }
    }

    /// Returns whether the bytes of a field match this kind.
    fn fits(&self, field: &Field<'_>) -> bool {
        if field.wire == LENGTH {
            match self {
                Kind::Fixed64s => return field.value.len().is_multiple_of(8),
                Kind::Varints => return are_varints(field.value),
                _ => {}
            }
        }
        // Ten bytes of seven bits are six bits more than 64.
        let is_number = field.wire != VARINT || field.value.get(9).is_none_or(|last| *last <= 1);
        is_number && self.wire().is_none_or(|wire| wire == field.wire)
    }
}

/// One field of a message: its bytes with and without tag and length.
struct Field<'a> {
    number: u64,
    wire: u64,
    whole: &'a [u8],
    value: &'a [u8],
}

/// Takes the first field; returns `None` if there is none.
fn field<'a>(rest: &mut &'a [u8]) -> Option<Field<'a>> {
    let all = *rest;
    let tag = varint(rest)?;
    let wire = tag & 7;
    let begins = *rest;
    let value = match wire {
        VARINT => {
            varint(rest)?;
            &begins[..begins.len() - rest.len()]
        }
        GROUP => {
            pass_group(rest)?;
            &[]
        }
        _ => {
            let length = match wire {
                FIXED_64 => 8,
                FIXED_32 => 4,
                LENGTH => usize::try_from(varint(rest)?).ok()?,
                _ => return None,
            };
            let (value, behind) = rest.split_at_checked(length)?;
            *rest = behind;
            value
        }
    };
    Some(Field { number: tag >> 3, wire, whole: &all[..all.len() - rest.len()], value })
}

/// Skips the contents of a group and its end.
fn pass_group(rest: &mut &[u8]) -> Option<()> {
    let mut open = 1_usize;
    while open > 0 {
        let before = *rest;
        match varint(rest)? & 7 {
            GROUP => open += 1,
            GROUP_END => open -= 1,
            _ => {
                *rest = before;
                field(rest)?;
            }
        }
    }
    Some(())
}

fn are_varints(mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        let before = bytes;
        if varint(&mut bytes).is_none()
            || before.get(9).is_some_and(|last| before.len() - bytes.len() == 10 && *last > 1)
        {
            return false;
        }
    }
    true
}

fn look(mut bytes: &[u8], message: &Message, depth: usize, state: &mut State) -> Option<()> {
    let mut keys = None;
    let mut says_start = !message.is(&SPAN);
    while !bytes.is_empty() && *state != State::Untidy {
        let field = field(&mut bytes)?;
        let kind = message.kind(field.number);
        if !kind.fits(&field) || field.number == 0 {
            *state = State::Unreadable;
            continue;
        }
        match kind {
            Kind::Text if std::str::from_utf8(field.value).is_err() => *state = State::Unreadable,
            Kind::Id(bytes) if field.value.len() != *bytes && !field.value.is_empty() => *state = State::Untidy,
            Kind::Fixed64 if message.is(&SPAN) && field.number == SPAN_START => {
                says_start = field.value.iter().any(|byte| *byte != 0);
            }
            Kind::Of(_) if depth >= DEEP => *state = State::Untidy,
            Kind::Of(within) => {
                if within.is(&KEY_VALUE) {
                    let key = key(field.value);
                    let is_nameless =
                        message.is(&RESOURCE) && key == SERVICE_NAME.as_bytes() && is_nameless(field.value);
                    if !keys.get_or_insert_with(Keys::new).add(key) || is_nameless {
                        *state = State::Untidy;
                    }
                }
                look(field.value, within, depth + 1, state)?;
            }
            _ => {}
        }
    }
    if !says_start {
        *state = State::Untidy;
    }
    Some(())
}

/// Returns the key of an attribute.
fn key(mut attribute: &[u8]) -> &[u8] {
    while let Some(field) = field(&mut attribute) {
        if field.number == 1 && field.wire == LENGTH {
            return field.value;
        }
    }
    &[]
}

/// Returns whether the value of an attribute is an empty text.
fn is_nameless(mut attribute: &[u8]) -> bool {
    while let Some(outer) = field(&mut attribute) {
        if outer.number == 2 && outer.wire == LENGTH {
            let mut inner = outer.value;
            return field(&mut inner)
                .is_some_and(|text| text.number == 1 && text.wire == LENGTH && text.value.is_empty());
        }
    }
    false
}

fn rewritten(mut bytes: &[u8], message: &Message, depth: usize, faults: &mut Faults) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 8);
    while !bytes.is_empty() {
        let field = field(&mut bytes)?;
        let kind = message.kind(field.number);
        if field.number == 0 || field.wire == GROUP || !kind.fits(&field) {
            if let Some(wire) = kind.wire() {
                let (number, name, found) = (field.number, message.name, field.wire);
                faults.dropped_as(|| {
                    format!(
                        "field {number} of {name}: expected a value of wire type {wire}, found one of wire type {found}"
                    )
                });
            }
            continue;
        }
        let value = match kind {
            Kind::Text => match String::from_utf8_lossy(field.value) {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            },
            Kind::Of(_) if depth >= DEPTH_MAX => continue,
            Kind::Of(within) => match rewritten(field.value, within, depth + 1, faults) {
                Some(value) => Cow::Owned(value),
                // An attribute without its value is dropped.
                None if message.is(&KEY_VALUE) => return None,
                None => {
                    let (number, name, wanted) = (field.number, message.name, within.name);
                    faults.dropped_as(|| {
                        format!("field {number} of {name}: expected a message {wanted}, found bytes that are none")
                    });
                    continue;
                }
            },
            _ => {
                out.extend_from_slice(field.whole);
                continue;
            }
        };
        put_varint(&mut out, field.number << 3 | LENGTH);
        put_varint(&mut out, value.len() as u64);
        out.extend_from_slice(&value);
    }
    Some(out)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}
