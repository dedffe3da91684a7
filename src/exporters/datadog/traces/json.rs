//! Formats events and links of a span as JSON, as the Agent writes them into tags (Go's `encoding/json`).

use crate::delivery::attributes::as_string;
use crate::delivery::go_json::{self, Escapes};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use std::fmt::Write as _;

/// Returns the tag `events`.
pub(super) fn events(events: &[Event]) -> String {
    list(events, |event, out| {
        let mut fields = Fields::new(out);
        if event.time_unix_nano != 0 {
            let _infallible = write!(fields.next("time_unix_nano"), "{}", event.time_unix_nano);
        }
        if !event.name.is_empty() {
            go_json::text(&event.name, Escapes::Html, fields.next("name"));
        }
        if !event.attributes.is_empty() {
            attributes(&event.attributes, fields.next("attributes"), |value, out| {
                let before = out.len();
                if !go_json::value(value, Escapes::Html, out) {
                    out.truncate(before);
                    out.push_str("\"redacted\"");
                }
            });
        }
        if event.dropped_attributes_count != 0 {
            let _infallible = write!(fields.next("dropped_attributes_count"), "{}", event.dropped_attributes_count);
        }
    })
}

/// Returns the tag `_dd.span_links`. Text is not escaped, as in the Agent.
pub(super) fn links(links: &[Link]) -> String {
    list(links, |link, out| {
        out.push_str("\"trace_id\":\"");
        hex(&link.trace_id, 16, out);
        out.push_str("\",\"span_id\":\"");
        hex(&link.span_id, 8, out);
        out.push('"');
        if !link.trace_state.is_empty() {
            let _infallible = write!(out, ",\"tracestate\":\"{}\"", link.trace_state);
        }
        if !link.attributes.is_empty() {
            out.push_str(",\"attributes\":{");
            for (index, entry) in link.attributes.iter().enumerate() {
                let comma = if index > 0 { "," } else { "" };
                let value = go_json::inner(entry.value.as_ref()).map(as_string).unwrap_or_default();
                let _infallible = write!(out, "{comma}\"{}\":\"{value}\"", entry.key);
            }
            out.push('}');
        }
        if link.dropped_attributes_count != 0 {
            let _infallible = write!(out, ",\"dropped_attributes_count\":{}", link.dropped_attributes_count);
        }
    })
}

/// Appends an id in hexadecimal; an id of another length becomes zeros, as when it is parsed.
pub(super) fn hex(id: &[u8], bytes: usize, out: &mut String) {
    for index in 0..bytes {
        let byte = if id.len() == bytes { id[index] } else { 0 };
        let _infallible = write!(out, "{byte:02x}");
    }
}

fn list<T>(items: &[T], mut write: impl FnMut(&T, &mut String)) -> String {
    let mut out = String::from("[");
    for (index, item) in items.iter().enumerate() {
        out.push_str(if index > 0 { ",{" } else { "{" });
        write(item, &mut out);
        out.push('}');
    }
    out.push(']');
    out
}

/// Writes the fields of an object, separated by commas.
struct Fields<'a> {
    out: &'a mut String,
    begun: bool,
}

impl<'a> Fields<'a> {
    const fn new(out: &'a mut String) -> Fields<'a> {
        Fields { out, begun: false }
    }

    fn next(&mut self, name: &str) -> &mut String {
        let comma = if self.begun { "," } else { "" };
        self.begun = true;
        let _infallible = write!(self.out, "{comma}\"{name}\":");
        self.out
    }
}

fn attributes(list: &[KeyValue], out: &mut String, write: impl Fn(Option<&Value>, &mut String)) {
    out.push('{');
    for (index, entry) in list.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        go_json::text(&entry.key, Escapes::Html, out);
        out.push(':');
        write(go_json::inner(entry.value.as_ref()), out);
    }
    out.push('}');
}
