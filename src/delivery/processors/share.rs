//! Sharding over several targets: selects the items for one of them by a routing key.

use super::attributes::Attributes;
use super::number;
use crate::model::protobuf::{fields, put_field};
use crate::model::signal::Signal;
use bytes::Bytes;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Field number of a span's trace id, and of a log record's.
const SPAN_TRACE_ID: u64 = 1;
const RECORD_TRACE_ID: u64 = 9;

/// What items must have in common to go to the same target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoutingKey {
    /// Their trace; a log record without one is routed by itself. Metric points have no trace and are routed by service.
    TraceId,
    /// The service of their resource.
    Service,
}

/// The items for one of several targets.
#[derive(Debug, Clone)]
pub struct Share {
    seeds: Vec<u64>,
    own: usize,
    by: RoutingKey,
}

impl Share {
    /// The share of target number `own`; targets are identified by their addresses.
    #[must_use]
    pub fn new(targets: &[String], own: usize, by: RoutingKey) -> Share {
        Share { seeds: targets.iter().map(|target| xxh3_64(target.as_bytes())).collect(), own, by }
    }

    /// Returns true if items with this key go to the target: the one with the highest hash for the key (rendezvous hashing).
    /// Adding or removing a target therefore moves only its own share.
    fn takes(&self, key: &[u8]) -> bool {
        let draw = |seed: &u64| xxh3_64_with_seed(key, *seed);
        let highest = self.seeds.iter().enumerate().max_by_key(|(index, seed)| (draw(seed), *index));
        highest.is_none_or(|(index, _)| index == self.own)
    }

    /// Returns the part of a request for the target; empty if there is none.
    pub(super) fn apply(&self, signal: Signal, request: &Bytes) -> Bytes {
        let mut out = Vec::with_capacity(request.len());
        let mut has_items = false;
        let mut walk = fields(request);
        for field in walk.by_ref() {
            match field.inner_of(&[number::RESOURCES]) {
                Some(resource) => has_items |= self.resource(signal, resource, field.whole, &mut out),
                None => out.extend_from_slice(field.whole),
            }
        }
        if !has_items {
            return Bytes::new();
        }
        out.extend_from_slice(walk.rest());
        out.into()
    }

    /// Writes the part of a resource for the target; returns true if there is any.
    fn resource(&self, signal: Signal, message: &[u8], whole: &[u8], out: &mut Vec<u8>) -> bool {
        if signal == Signal::Metrics || self.by == RoutingKey::Service {
            let resource = fields(message).find_map(|field| field.inner_of(&[number::RESOURCE])).unwrap_or_default();
            let attributes = Attributes::of(resource, number::RESOURCE_ATTRIBUTES);
            let takes = self.takes(attributes.get(b"service.name").unwrap_or_default());
            if takes {
                out.extend_from_slice(whole);
            }
            return takes;
        }
        let id = if signal == Signal::Traces { SPAN_TRACE_ID } else { RECORD_TRACE_ID };
        kept(message, number::SCOPES, number::RESOURCES, out, |scope, out| {
            kept(scope, number::ITEMS, number::SCOPES, out, |item, out| {
                let trace = fields(item).find_map(|field| field.inner_of(&[id])).filter(|id| !id.is_empty());
                let takes = self.takes(trace.unwrap_or(item));
                if takes {
                    put_field(out, number::ITEMS, item);
                }
                takes
            })
        })
    }
}

/// Writes a message as a field `number`, with those of its fields `list` that `keep` writes; returns true if it kept any. A
/// message of which nothing is kept is not written.
fn kept(
    message: &[u8],
    list: u64,
    number: u64,
    out: &mut Vec<u8>,
    mut keep: impl FnMut(&[u8], &mut Vec<u8>) -> bool,
) -> bool {
    let (mut inner, mut any) = (Vec::with_capacity(message.len()), false);
    let mut walk = fields(message);
    for field in walk.by_ref() {
        match field.inner_of(&[list]) {
            Some(entry) => any |= keep(entry, &mut inner),
            None => inner.extend_from_slice(field.whole),
        }
    }
    inner.extend_from_slice(walk.rest());
    if any {
        put_field(out, number, &inner);
    }
    any
}
