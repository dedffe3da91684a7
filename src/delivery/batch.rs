//! Batching frames into one request, and splitting requests in two.

use super::exporter::{Placed, Rejected};
use super::wire::{count, halves};
use crate::delivery::settings::BatchSettings;
use crate::model::frame::Position;
use crate::model::signal::Signal;
use bytes::Bytes;
use std::time::Instant;

/// The request of one frame, or a piece of it.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) position: Position,
    /// Which piece of the frame this is: 1 is the whole, 2 and 3 its halves, 4 and 5 the halves of 2.
    pub(super) piece: u64,
    /// Number of items of the frame before this piece.
    pub(super) items_before: u64,
    pub(super) body: Bytes,
    pub(super) items: u64,
    /// Items of the frame that are meant for the reader but not part of the request, and why.
    pub(super) left_out: Vec<Rejected>,
    pub(super) received_unix_nano: i64,
}

impl Part {
    pub(super) fn new(position: Position, signal: Signal, body: Bytes, received_unix_nano: i64) -> Part {
        let items = count(signal, &body);
        Part { position, piece: 1, items_before: 0, body, items, left_out: Vec::new(), received_unix_nano }
    }

    /// Splits the part in two; `None` if a single item is left.
    fn halves(&self, signal: Signal) -> Option<(Part, Part)> {
        let (first, rest) = halves(signal, &self.body)?;
        let piece = self.piece.wrapping_mul(2);
        let half = |piece, items_before, body| Part {
            piece,
            items_before,
            ..Part::new(self.position, signal, body, self.received_unix_nano)
        };
        let first = Part { left_out: self.left_out.clone(), ..half(piece, self.items_before, first) };
        let rest = half(piece + 1, self.items_before + first.items, rest);
        Some((first, rest))
    }
}

/// The parts of one request.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) parts: Vec<Part>,
    /// The newest frame that was read.
    pub(super) upto: Position,
    /// When the first part was added.
    pub(super) since: Option<Instant>,
    bytes: usize,
    items: u64,
}

impl Batch {
    pub(super) fn new(after: Position) -> Batch {
        Batch { parts: Vec::new(), upto: after, since: None, bytes: 0, items: 0 }
    }

    /// Adds a part; returns false if it would exceed a limit. The first part always fits.
    pub(super) fn take(&mut self, settings: &BatchSettings, part: Part) -> bool {
        let bytes = self.bytes + part.body.len();
        let items = self.items + part.items;
        let over = bytes > settings.bytes_max || (settings.items_max > 0 && items > settings.items_max);
        if over && !self.parts.is_empty() {
            return false;
        }
        self.upto = part.position;
        (self.bytes, self.items) = (bytes, items);
        if part.items > 0 || !part.left_out.is_empty() {
            self.since.get_or_insert_with(Instant::now);
            self.parts.push(part);
        }
        true
    }

    pub(super) fn is_full(&self, settings: &BatchSettings) -> bool {
        self.items >= settings.items_min || self.bytes >= settings.bytes_max
    }
}

/// Splits the parts into two lists with the same items in total; `None` if a single item is left.
pub(super) fn split(signal: Signal, parts: &[Part]) -> Option<(Vec<Part>, Vec<Part>)> {
    if let [part] = parts {
        return part.halves(signal).map(|(first, rest)| (vec![first], vec![rest]));
    }
    let (first, rest) = parts.split_at(parts.len() / 2);
    (!first.is_empty()).then(|| (first.to_vec(), rest.to_vec()))
}

/// Returns true if the parts are within the limits as one request.
pub(super) fn fits(settings: &BatchSettings, parts: &[Part]) -> bool {
    let bytes: usize = parts.iter().map(|part| part.body.len()).sum();
    let items: u64 = parts.iter().map(|part| part.items).sum();
    bytes <= settings.bytes_max && (settings.items_max == 0 || items <= settings.items_max)
}

/// Items left out of the parts.
pub(super) fn left_out(parts: &[Part]) -> impl Iterator<Item = Rejected> {
    parts.iter().flat_map(|part| &part.left_out).cloned()
}

/// The parts with their positions.
pub(super) fn placed(parts: &[Part]) -> Vec<Placed> {
    let place =
        |part: &Part| Placed { position: part.position, items_before: part.items_before, request: part.body.clone() };
    parts.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use prost::Message as _;

    fn spans(number: usize) -> Bytes {
        let span = Span { name: "GET /a".into(), flags: 7, start_time_unix_nano: 9, ..Span::default() };
        let scope = ScopeSpans { spans: vec![span; number], schema_url: "s".into(), ..ScopeSpans::default() };
        let resource = ResourceSpans { scope_spans: vec![scope.clone(), scope], ..ResourceSpans::default() };
        ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec().into()
    }

    #[test]
    fn items_are_counted_and_joined_requests_are_one() {
        let part = |number| Part::new(Position(1), Signal::Traces, spans(number), 0);
        assert_eq!((part(3).items, part(0).items), (6, 0));
        let joined = Placed::joined(&placed(&[part(3), part(1)]));
        let decoded = ExportTraceServiceRequest::decode(joined.clone()).unwrap();
        assert_eq!(decoded.resource_spans.len(), 2);
        assert_eq!(count(Signal::Traces, &joined), 8);
    }

    #[test]
    fn bounds_hold_but_for_the_first_part() {
        let settings = BatchSettings { items_min: 100, items_max: 8, bytes_max: 1 << 20, ..BatchSettings::default() };
        let mut batch = Batch::new(Position(0));
        assert!(batch.take(&settings, Part::new(Position(1), Signal::Traces, spans(10), 0)));
        assert!(!batch.take(&settings, Part::new(Position(2), Signal::Traces, spans(1), 0)));
        assert_eq!(batch.upto, Position(1));
        assert!(!fits(&settings, &batch.parts), "what is alone too large is cut");
    }

    #[test]
    fn pieces_of_a_frame_are_told_apart() {
        let whole = vec![Part::new(Position(1), Signal::Traces, spans(2), 0)];
        let (first, rest) = split(Signal::Traces, &whole).unwrap();
        assert_eq!([first[0].piece, rest[0].piece], [2, 3]);
        assert_eq!([first[0].items_before, rest[0].items_before], [0, 2]);
        let (first, rest) = split(Signal::Traces, &rest).unwrap();
        assert_eq!([first[0].piece, rest[0].piece], [6, 7]);
        assert_eq!([first[0].items_before, rest[0].items_before], [2, 3], "counted within the frame");
    }
}
