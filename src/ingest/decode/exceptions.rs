//! The exception of a span: from its events, otherwise from its own attributes.

use super::value;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use std::borrow::Cow;

/// Maximum number of characters of a message in the column; the event keeps all of it.
const MESSAGE_MAX: usize = 1000;

/// Type and message of an exception, if given.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Exception<'a> {
    pub(super) kind: Option<Cow<'a, str>>,
    pub(super) message: Option<Cow<'a, str>>,
}

impl<'a> Exception<'a> {
    /// Returns the last exception that the span recorded: earlier ones may have been handled.
    pub(super) fn of(span: &'a Span) -> Exception<'a> {
        let of_events = span.events.iter().rev().map(|event| Exception::among(&event.attributes));
        let found = of_events.chain([Exception::among(&span.attributes)]).find(Exception::is_some);
        found.unwrap_or_default()
    }

    fn among(attributes: &'a [KeyValue]) -> Exception<'a> {
        let mut exception = Exception::default();
        for attribute in attributes.iter().filter(|attribute| attribute.key.starts_with("exception.")) {
            let text = || attribute.value.as_ref().and_then(value::text).filter(|text| !text.is_empty());
            match attribute.key.as_str() {
                "exception.type" => exception.kind = text(),
                "exception.message" => exception.message = text().map(cut),
                _ => {}
            }
        }
        exception
    }

    fn is_some(&self) -> bool {
        self.kind.is_some() || self.message.is_some()
    }
}

fn cut(text: Cow<'_, str>) -> Cow<'_, str> {
    match text.char_indices().nth(MESSAGE_MAX) {
        Some((end, _)) => Cow::Owned(text[..end].to_owned()),
        None => text,
    }
}
