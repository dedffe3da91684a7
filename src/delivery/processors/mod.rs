//! Processors of an exporter's pipelines, applied to the received bytes: unchanged parts are copied as is, including unknown
//! fields, and only the attributes that an action refers to are decoded.
//!
//! They apply to the exporter only; the tables contain what was received.

mod actions;
mod attributes;
mod filter;
mod number;
mod share;

#[cfg(test)]
mod tests;

pub use actions::{Action, ActionKind, ConvertTo, Keys, Source};
pub use filter::{Filter, Matcher, Properties};
pub use share::{RoutingKey, Share};

use crate::model::protobuf::{fields, put_field};
use crate::model::signal::Signal;
use attributes::Attributes;
use bytes::Bytes;

/// One processor.
#[derive(Debug, Clone)]
pub struct Processor {
    /// Its id: `attributes/shop`.
    pub id: String,
    /// What it does.
    pub change: Change,
}

/// Ids are unique within one configuration.
impl PartialEq for Processor {
    fn eq(&self, other: &Processor) -> bool {
        self.id == other.id
    }
}

/// What a processor changes.
#[derive(Debug, Clone)]
pub enum Change {
    /// Changes the attributes of resources.
    Resource(Vec<Action>),
    /// Changes the attributes of spans, data points and log records that match its filter.
    Attributes(Vec<Action>, Box<Filter>),
    /// Keeps only the items for one of several targets.
    Share(Share),
}

impl Processor {
    /// Applies the processor to a request.
    #[must_use]
    pub fn apply(&self, signal: Signal, request: &Bytes) -> Bytes {
        if let Change::Share(share) = &self.change {
            return share.apply(signal, request);
        }
        let mut out = Vec::with_capacity(request.len() + request.len() / 8);
        let changed = each(request, number::RESOURCES, &mut out, |resource, out| match &self.change {
            Change::Resource(actions) => of_resource(resource, actions, out),
            Change::Share(_) => false,
            Change::Attributes(actions, filter) => items(signal, resource, actions, filter, out),
        });
        if changed { out.into() } else { request.clone() }
    }
}

/// Copies a message and rewrites its fields `number` with `change`; returns true if any was changed. Fields that `change`
/// leaves alone are copied.
fn each(message: &[u8], number: u64, out: &mut Vec<u8>, mut change: impl FnMut(&[u8], &mut Vec<u8>) -> bool) -> bool {
    let mut changed = false;
    let mut walk = fields(message);
    let mut changing = Vec::new();
    for field in walk.by_ref() {
        let is_changed = field.inner_of(&[number]).is_some_and(|inner| {
            changing.clear();
            change(inner, &mut changing)
        });
        if is_changed {
            put_field(out, number, &changing);
            changed = true;
        } else {
            out.extend_from_slice(field.whole);
        }
    }
    out.extend_from_slice(walk.rest());
    changed
}

/// Changes the resource of a message; a missing resource has no attributes, but attributes may be added.
fn of_resource(message: &[u8], actions: &[Action], out: &mut Vec<u8>) -> bool {
    let edited = |resource: &[u8], out: &mut Vec<u8>| edit(resource, number::RESOURCE_ATTRIBUTES, actions, out);
    if fields(message).any(|field| field.inner_of(&[number::RESOURCE]).is_some()) {
        return each(message, number::RESOURCE, out, edited);
    }
    let mut added = Vec::new();
    let is_added = edited(&[], &mut added);
    if is_added {
        out.extend_from_slice(message);
        put_field(out, number::RESOURCE, &added);
    }
    is_added
}

/// Changes the items of a resource's message.
fn items(signal: Signal, message: &[u8], actions: &[Action], filter: &Filter, out: &mut Vec<u8>) -> bool {
    let resource = fields(message).find_map(|field| field.inner_of(&[number::RESOURCE])).unwrap_or_default();
    each(message, number::SCOPES, out, |scope_message, out| {
        let scope = fields(scope_message).find_map(|field| field.inner_of(&[number::SCOPE])).unwrap_or_default();
        each(scope_message, number::ITEMS, out, |item, out| {
            if signal == Signal::Metrics {
                return points(item, actions, |attributes| filter.takes_point(resource, scope, item, attributes), out);
            }
            let of_item = if signal == Signal::Traces { number::SPAN_ATTRIBUTES } else { number::RECORD_ATTRIBUTES };
            filter.takes(signal, resource, scope, item, of_item) && edit(item, of_item, actions, out)
        })
    })
}

/// Changes the points of a metric.
fn points(metric: &[u8], actions: &[Action], takes: impl Fn(&Attributes<'_>) -> bool, out: &mut Vec<u8>) -> bool {
    let held = fields(metric)
        .find_map(|field| number::POINT_ATTRIBUTES.into_iter().find(|(data, _)| field.inner_of(&[*data]).is_some()));
    let Some((data, of_point)) = held else { return false };
    each(metric, data, out, |data, out| {
        each(data, number::POINTS, out, |point, out| {
            takes(&Attributes::of(point, of_point)) && edit(point, of_point, actions, out)
        })
    })
}

/// Writes a message after applying the actions to its attributes in the fields `number`. If they change nothing, returns false
/// and `out` has no useful contents.
fn edit(message: &[u8], number: u64, actions: &[Action], out: &mut Vec<u8>) -> bool {
    let mut attributes = Attributes::of(message, number);
    let mut changed = false;
    for action in actions {
        changed |= action.apply(&mut attributes);
    }
    if changed {
        let mut walk = fields(message);
        let others = walk.by_ref().filter(|field| field.inner_of(&[number]).is_none());
        others.for_each(|field| out.extend_from_slice(field.whole));
        out.extend_from_slice(walk.rest());
        attributes.write(number, out);
    }
    changed
}
