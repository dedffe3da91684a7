//! Packs messages into payloads of one intake, within its limits.

use crate::delivery::Payload;
use crate::model::signal::Signal;
use bytes::BytesMut;
use prost::Message;
use prost::encoding::message;

/// Field of the list in both intakes' messages.
const LIST: u32 = 1;

/// Collects messages into payloads.
pub(super) struct Writer {
    route: &'static str,
    bytes_max: usize,
    entries_max: usize,
    body: BytesMut,
    entries: usize,
    items: u64,
    done: Vec<Payload>,
}

impl Writer {
    /// Creates a writer for an intake with these limits on bytes (uncompressed) and list entries.
    pub(super) fn new(route: &'static str, bytes_max: usize, entries_max: usize) -> Writer {
        Writer { route, bytes_max, entries_max, body: BytesMut::new(), entries: 0, items: 0, done: Vec::new() }
    }

    /// Adds an entry.
    pub(super) fn push(&mut self, entry: &impl Message) {
        let bytes = message::encoded_len(LIST, entry);
        if self.entries > 0 && (self.body.len() + bytes > self.bytes_max || self.entries >= self.entries_max) {
            self.close();
        }
        message::encode(LIST, entry, &mut self.body);
        self.entries += 1;
    }

    /// Counts a received item; its last entry is the one added last.
    pub(super) fn count(&mut self) {
        self.items += 1;
    }

    fn close(&mut self) {
        let body = std::mem::take(&mut self.body).freeze();
        let items = std::mem::take(&mut self.items);
        self.entries = 0;
        self.done.push(Payload { signal: Signal::Metrics, route: self.route, items, body });
    }

    /// Returns all payloads.
    pub(super) fn finish(mut self) -> Vec<Payload> {
        if self.entries > 0 {
            self.close();
        }
        self.done
    }
}

/// Splits a payload in two, between list entries; `None` if it has one.
pub(super) fn split(payload: &Payload) -> Option<(Payload, Payload)> {
    let mut ends = Vec::new();
    let mut left = payload.body.clone();
    while !left.is_empty() {
        let (_, kind) = prost::encoding::decode_key(&mut left).ok()?;
        let length = match kind {
            prost::encoding::WireType::LengthDelimited => prost::encoding::decode_varint(&mut left).ok()?,
            _ => return None,
        };
        let length = usize::try_from(length).ok().filter(|length| *length <= left.len())?;
        let _entry = left.split_to(length);
        ends.push(payload.body.len() - left.len());
    }
    let middle = *ends.get((ends.len() / 2).checked_sub(1)?)?;
    // Which items the entries of a half represent is no longer known; their sum stays.
    let half = payload.items / 2;
    let part = |body, items| Payload { items, body, ..payload.clone() };
    Some((part(payload.body.slice(..middle), half), part(payload.body.slice(middle..), payload.items - half)))
}
