//! Text that is not Unicode, in bodies that are fine else: what cannot be read becomes U+FFFD, the replacement character.
//! OTLP's strings are UTF-8, but senders cut texts by bytes, and one such text must not cost the whole request.

use crate::model::signal::Signal;
use std::borrow::Cow;

/// A message: which of its fields are strings, and which are messages.
struct Message {
    strings: &'static [u64],
    messages: &'static [(u64, &'static Message)],
}

const fn message(strings: &'static [u64], messages: &'static [(u64, &'static Message)]) -> Message {
    Message { strings, messages }
}

static ANY_VALUE: Message = message(&[1], &[(5, &VALUES), (6, &KEY_VALUES)]);
static VALUES: Message = message(&[], &[(1, &ANY_VALUE)]);
static KEY_VALUES: Message = message(&[], &[(1, &KEY_VALUE)]);
static KEY_VALUE: Message = message(&[1], &[(2, &ANY_VALUE)]);
static ENTITY: Message = message(&[1, 2, 3, 4], &[]);
static RESOURCE: Message = message(&[], &[(1, &KEY_VALUE), (3, &ENTITY)]);
static SCOPE: Message = message(&[1, 2], &[(3, &KEY_VALUE)]);

static TRACES: Message = message(&[], &[(1, &RESOURCE_SPANS)]);
static RESOURCE_SPANS: Message = message(&[3], &[(1, &RESOURCE), (2, &SCOPE_SPANS)]);
static SCOPE_SPANS: Message = message(&[3], &[(1, &SCOPE), (2, &SPAN)]);
static SPAN: Message = message(&[3, 5], &[(9, &KEY_VALUE), (11, &EVENT), (13, &LINK), (15, &STATUS)]);
static EVENT: Message = message(&[2], &[(3, &KEY_VALUE)]);
static LINK: Message = message(&[3], &[(4, &KEY_VALUE)]);
static STATUS: Message = message(&[2], &[]);

static METRICS: Message = message(&[], &[(1, &RESOURCE_METRICS)]);
static RESOURCE_METRICS: Message = message(&[3], &[(1, &RESOURCE), (2, &SCOPE_METRICS)]);
static SCOPE_METRICS: Message = message(&[3], &[(1, &SCOPE), (2, &METRIC)]);
static METRIC: Message = message(
    &[1, 2, 3],
    &[(5, &NUMBERS), (7, &NUMBERS), (9, &HISTOGRAMS), (10, &EXPONENTIALS), (11, &SUMMARIES), (12, &KEY_VALUE)],
);
static NUMBERS: Message = message(&[], &[(1, &NUMBER)]);
static NUMBER: Message = message(&[], &[(5, &EXEMPLAR), (7, &KEY_VALUE)]);
static HISTOGRAMS: Message = message(&[], &[(1, &HISTOGRAM)]);
static HISTOGRAM: Message = message(&[], &[(8, &EXEMPLAR), (9, &KEY_VALUE)]);
static EXPONENTIALS: Message = message(&[], &[(1, &EXPONENTIAL)]);
static EXPONENTIAL: Message = message(&[], &[(1, &KEY_VALUE), (11, &EXEMPLAR)]);
static SUMMARIES: Message = message(&[], &[(1, &SUMMARY)]);
static SUMMARY: Message = message(&[], &[(7, &KEY_VALUE)]);
static EXEMPLAR: Message = message(&[], &[(7, &KEY_VALUE)]);

static LOGS: Message = message(&[], &[(1, &RESOURCE_LOGS)]);
static RESOURCE_LOGS: Message = message(&[3], &[(1, &RESOURCE), (2, &SCOPE_LOGS)]);
static SCOPE_LOGS: Message = message(&[3], &[(1, &SCOPE), (2, &LOG_RECORD)]);
static LOG_RECORD: Message = message(&[3, 12], &[(5, &ANY_VALUE), (6, &KEY_VALUE)]);

/// Messages within messages that are followed; prost refuses more.
const DEPTH_MAX: usize = 110;

/// The body with its strings made readable; none where they all are, or where it is no such message.
pub(super) fn protobuf(signal: Signal, body: &[u8]) -> Option<Vec<u8>> {
    let message = match signal {
        Signal::Traces => &TRACES,
        Signal::Metrics => &METRICS,
        Signal::Logs => &LOGS,
    };
    if readable(body, message, 0)? { None } else { rewritten(body, message, 0) }
}

/// One field of a message: its number, its bytes with and without tag and length, and whether it has a length.
struct Field<'a> {
    number: u64,
    whole: &'a [u8],
    value: Option<&'a [u8]>,
}

/// Takes a field off the front; none where there is none.
fn field<'a>(rest: &mut &'a [u8]) -> Option<Field<'a>> {
    let all = *rest;
    let tag = varint(rest)?;
    let length = match tag & 7 {
        0 => {
            varint(rest)?;
            0
        }
        1 => 8,
        5 => 4,
        2 => usize::try_from(varint(rest)?).ok()?,
        _ => return None,
    };
    let (value, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    let whole = &all[..all.len() - behind.len()];
    Some(Field { number: tag >> 3, whole, value: (tag & 7 == 2).then_some(value) })
}

fn readable(mut bytes: &[u8], message: &Message, depth: usize) -> Option<bool> {
    while !bytes.is_empty() {
        let field = field(&mut bytes)?;
        let Some(value) = field.value else { continue };
        let fine = match message.within(field.number).filter(|_| depth < DEPTH_MAX) {
            Some(within) => readable(value, within, depth + 1)?,
            None => !message.strings.contains(&field.number) || std::str::from_utf8(value).is_ok(),
        };
        if !fine {
            return Some(false);
        }
    }
    Some(true)
}

fn rewritten(mut bytes: &[u8], message: &Message, depth: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 8);
    while !bytes.is_empty() {
        let field = field(&mut bytes)?;
        let within = message.within(field.number).filter(|_| depth < DEPTH_MAX);
        let value = match (field.value, within) {
            (Some(value), Some(within)) => Cow::Owned(rewritten(value, within, depth + 1)?),
            (Some(value), None) if message.strings.contains(&field.number) => match String::from_utf8_lossy(value) {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            },
            _ => {
                out.extend_from_slice(field.whole);
                continue;
            }
        };
        put_varint(&mut out, field.number << 3 | 2);
        put_varint(&mut out, value.len() as u64);
        out.extend_from_slice(&value);
    }
    Some(out)
}

impl Message {
    fn within(&self, number: u64) -> Option<&'static Message> {
        self.messages.iter().find(|(field, _)| *field == number).map(|(_, within)| *within)
    }
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

/// The body with its texts made readable, also escapes of half a letter; none where they all are.
pub(super) fn json(body: &[u8]) -> Option<Vec<u8>> {
    let mut text = String::from_utf8_lossy(body).into_owned().into_bytes();
    let mut changed = text.len() != body.len() || text != body;
    let mut at = 0;
    while at < text.len() {
        if text[at] != b'\\' {
            at += 1;
            continue;
        }
        match (surrogate(&text, at), surrogate(&text, at + 6)) {
            (Some(Half::First), Some(Half::Second)) => at += 12,
            (Some(_), _) => {
                text[at + 2..at + 6].copy_from_slice(b"fffd");
                changed = true;
                at += 6;
            }
            // The letter behind a backslash begins no escape itself.
            (None, _) => at += 2,
        }
    }
    changed.then_some(text)
}

enum Half {
    First,
    Second,
}

/// The half of a letter that the escape at a place stands for.
fn surrogate(text: &[u8], at: usize) -> Option<Half> {
    let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
    let code = u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    match code {
        0xd800..=0xdbff => Some(Half::First),
        0xdc00..=0xdfff => Some(Half::Second),
        _ => None,
    }
}
