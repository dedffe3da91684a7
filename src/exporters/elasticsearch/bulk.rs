//! Bodies of `_bulk`: an action line and a document line each, packed up to a limit, and split again by document.
//!
//! The first line of a payload is internal and not sent: for each document, how many received items it represents and which
//! parts of its destination were set by its sender; an empty line means `1` each, with nothing set. A target's verdict on a
//! document then applies to its items.

use crate::delivery::{Mapped, Payload, Rejected};
use crate::model::signal::Signal;
use bytes::Bytes;
use std::collections::BTreeMap;

/// The only intake.
pub(super) const ROUTE: &str = "_bulk";

/// Maximum distinct reasons; further ones are combined.
const REASONS_MAX: usize = 20;

/// Sums up rejected items by reason.
#[derive(Default)]
pub(super) struct Reasons(BTreeMap<String, u64>);

impl Reasons {
    pub(super) fn add(&mut self, items: u64, reason: String) {
        let is_known = self.0.len() < REASONS_MAX || self.0.contains_key(&reason);
        *self.0.entry(if is_known { reason } else { "for other reasons".to_owned() }).or_default() += items;
    }

    pub(super) fn into_rejected(self) -> Vec<Rejected> {
        self.0.into_iter().map(|(reason, items)| Rejected { items, reason }).collect()
    }
}

/// Which parts of a document's destination were set by its sender; the rest is configured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// The index: `elasticsearch.index`.
    pub(super) index: bool,
    /// A part of the data stream's name, such as `data_stream.dataset`.
    pub(super) stream: bool,
    /// The ingest pipeline: `elasticsearch.ingest_pipeline`.
    pub(super) pipeline: bool,
}

impl Named {
    /// Returns true if the sender set the destination, in whole or in part.
    pub(super) fn has_index(self) -> bool {
        self.index || self.stream
    }
}

/// Internal data of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label {
    /// Number of items it represents.
    pub(super) items: u64,
    pub(super) named: Named,
}

impl Label {
    const PLAIN: Label = Label { items: 1, named: Named { index: false, stream: false, pipeline: false } };

    fn of(word: &str) -> Option<Label> {
        let digits = word.trim_end_matches(|c: char| c.is_ascii_lowercase());
        let has = |letter| word[digits.len()..].contains(letter);
        let named = Named { index: has('i'), stream: has('s'), pipeline: has('p') };
        Some(Label { items: digits.parse().ok()?, named })
    }

    fn word(self) -> String {
        let letters = [(self.named.index, 'i'), (self.named.stream, 's'), (self.named.pipeline, 'p')];
        let letters = letters.into_iter().filter_map(|(is_named, letter)| is_named.then_some(letter));
        self.items.to_string() + &letters.collect::<String>()
    }
}

/// Packs documents into payloads.
pub(super) struct Bulk {
    signal: Signal,
    bytes_max: usize,
    mapped: Mapped,
    filling: Filling,
    rejected: Reasons,
}

#[derive(Default)]
struct Filling {
    labels: Vec<Label>,
    text: Vec<u8>,
}

impl Filling {
    fn end(&mut self, signal: Signal) -> Option<Payload> {
        let Filling { labels, text } = std::mem::take(self);
        (!labels.is_empty()).then(|| payload(signal, &labels, &text))
    }
}

fn payload(signal: Signal, labels: &[Label], text: &[u8]) -> Payload {
    let mut body = Vec::with_capacity(text.len() + 1);
    if labels.iter().any(|label| *label != Label::PLAIN) {
        let line: Vec<String> = labels.iter().map(|label| label.word()).collect();
        body.extend_from_slice(line.join(" ").as_bytes());
    }
    body.push(b'\n');
    body.extend_from_slice(text);
    Payload { signal, route: ROUTE, items: labels.iter().map(|label| label.items).sum(), body: body.into() }
}

impl Bulk {
    pub(super) fn new(signal: Signal, bytes_max: usize) -> Bulk {
        Bulk { signal, bytes_max, mapped: Mapped::default(), filling: Filling::default(), rejected: Reasons::default() }
    }

    /// Adds a document, which is a single line, and its action.
    pub(super) fn put(&mut self, action: &[u8], document: &[u8], label: Label) {
        let bytes = action.len() + document.len() + 2;
        if self.filling.text.len() + bytes > self.bytes_max {
            self.mapped.payloads.extend(self.filling.end(self.signal));
        }
        let Filling { labels, text } = &mut self.filling;
        labels.push(label);
        for line in [action, document] {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
    }

    /// Records items that cannot be mapped to a document.
    pub(super) fn rejected(&mut self, items: u64, reason: impl Into<String>) {
        self.rejected.add(items, reason.into());
    }

    pub(super) fn finish(mut self) -> Mapped {
        self.mapped.payloads.extend(self.filling.end(self.signal));
        self.mapped.rejected = self.rejected.into_rejected();
        self.mapped
    }
}

/// A parsed payload.
pub(super) struct Documents {
    signal: Signal,
    pub(super) labels: Vec<Label>,
    /// Each document with its action, including both line ends.
    lines: Vec<Bytes>,
}

impl Documents {
    pub(super) fn of(payload: &Payload) -> Documents {
        let mut body = sent(payload);
        let mut lines = Vec::new();
        while !body.is_empty() {
            let mut ends = body.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
            let end = ends.nth(1).unwrap_or(body.len());
            lines.push(body.split_to(end));
        }
        let own = std::str::from_utf8(&payload.body[..payload.body.len() - sent(payload).len()]).unwrap_or_default();
        let mut labels: Vec<Label> = own.split_whitespace().filter_map(Label::of).collect();
        labels.resize(lines.len(), Label::PLAIN);
        Documents { signal: payload.signal, labels, lines }
    }

    /// Builds a payload from some of the documents, in order; `None` without any.
    pub(super) fn only(&self, chosen: impl IntoIterator<Item = usize>) -> Option<Payload> {
        let mut filling = Filling::default();
        for at in chosen {
            filling.labels.push(self.labels[at]);
            filling.text.extend_from_slice(&self.lines[at]);
        }
        filling.end(self.signal)
    }

    /// Splits into two payloads of about the same size; `None` for a single document.
    pub(super) fn halves(&self) -> Option<(Payload, Payload)> {
        let half = self.lines.iter().map(Bytes::len).sum::<usize>() / 2;
        let mut bytes = 0;
        let filled = self.lines.iter().position(|line| {
            bytes += line.len();
            bytes >= half
        })?;
        let at = (filled + 1).min(self.lines.len().checked_sub(1)?);
        Some((self.only(0..at)?, self.only(at..self.lines.len())?))
    }
}

/// Returns the part of a payload that is sent.
pub(super) fn sent(payload: &Payload) -> Bytes {
    let own = payload.body.iter().position(|byte| *byte == b'\n').map_or(payload.body.len(), |at| at + 1);
    payload.body.slice(own..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_put_together_up_to_the_bound_and_taken_apart_again() {
        let mut bulk = Bulk::new(Signal::Metrics, 24);
        for (document, items) in [("1111", 1), ("2222", 3), ("3333", 1), ("444444444444444444444444444444", 1)] {
            bulk.put(b"{}", document.as_bytes(), Label { items, ..Label::PLAIN });
        }
        bulk.rejected(2, "no");
        let mapped = bulk.finish();
        assert_eq!(mapped.rejected, [Rejected { items: 2, reason: "no".into() }]);
        let payloads = &mapped.payloads;
        assert_eq!(payloads.iter().map(|payload| payload.items).collect::<Vec<_>>(), [5, 1]);
        assert_eq!(payloads[0].body, "1 3 1\n{}\n1111\n{}\n2222\n{}\n3333\n");
        assert_eq!(
            sent(&payloads[1]),
            "{}\n444444444444444444444444444444\n",
            "what is alone over the bound goes alone"
        );
        let documents = Documents::of(&payloads[0]);
        assert_eq!(documents.labels.iter().map(|label| label.items).collect::<Vec<_>>(), [1, 3, 1]);
        assert_eq!(documents.only([1]).map(|payload| (payload.items, sent(&payload))), Some((3, "{}\n2222\n".into())));
        let (first, rest) = documents.halves().unwrap();
        assert_eq!((first.items, rest.items), (4, 1));
        assert_eq!((sent(&first), sent(&rest)), ("{}\n1111\n{}\n2222\n".into(), "{}\n3333\n".into()));
        assert!(Documents::of(&payloads[1]).halves().is_none() && documents.only([]).is_none());
        assert_eq!(payloads[1].body[0], b'\n', "a line of ones is left out");
    }

    #[test]
    fn what_a_sender_named_goes_along_with_its_document() {
        let mut bulk = Bulk::new(Signal::Logs, 1 << 20);
        let label = |items, index, stream, pipeline| Label { items, named: Named { index, stream, pipeline } };
        let labels = [Label::PLAIN, label(12, true, false, true), label(1, false, true, false)];
        labels.iter().for_each(|label| bulk.put(b"{}", b"{}", *label));
        let payload = bulk.finish().payloads.remove(0);
        assert_eq!(payload.body, "1 12ip 1s\n{}\n{}\n{}\n{}\n{}\n{}\n");
        let documents = Documents::of(&payload);
        assert_eq!((documents.labels.as_slice(), payload.items), (labels.as_slice(), 14));
        let rest = documents.only([1, 2]).map(|payload| Documents::of(&payload).labels);
        assert_eq!(rest.as_deref(), Some(&labels[1..]));
    }
}
