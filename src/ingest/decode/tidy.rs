//! Normalizes attributes in every encoding: each key has one value, the first that was given; the nesting of values is
//! limited; a service without a name has no `service.name`. Some faults cost no item: an id of the wrong length in a log
//! record, a link or an exemplar is dropped, because no reader accepts it; a span without a start time gets its end time.
//!
//! OTLP requires keys to be unique and does not define the meaning of repeated ones. `pcommon.Map.Get`, by which Collectors
//! read them, returns the first. It is settled here, once, so that SQL, rollups and exporters cannot differ.

use super::rejects::{Faults, quoted};
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{Exemplar, Metric, metric::Data};
use opentelemetry_proto::tonic::resource::v1::Resource;
use std::collections::HashSet;

/// Maximum nesting of values within an attribute, in protobuf messages; readers accept a hundred in total.
pub(super) const NESTING_MAX: usize = 64;
/// Nesting levels of a list and of a map.
pub(super) const LIST_COST: usize = 2;
pub(super) const MAP_COST: usize = 3;
/// The limit in words.
pub(super) const NESTING_EXPECTED: &str = "at most 32 lists or 21 maps within one another";

/// The attribute by which a resource names its service.
pub(super) const SERVICE_NAME: &str = "service.name";

/// Length of ids in bytes.
pub(super) const TRACE_ID_BYTES: usize = 16;
pub(super) const SPAN_ID_BYTES: usize = 8;

/// Number of keys compared one by one; more are put into a set.
const FEW: usize = 32;

/// The keys of one list.
pub(super) struct Keys<'a> {
    /// A bit per key hash: most lists have no repeated key and need no further check.
    bits: [u64; 4],
    few: [&'a [u8]; FEW],
    count: usize,
    many: HashSet<&'a [u8]>,
}

impl<'a> Keys<'a> {
    pub(super) fn new() -> Keys<'a> {
        Keys { bits: [0; 4], few: [&[]; FEW], count: 0, many: HashSet::new() }
    }

    /// Adds a key; returns false if it is already present.
    pub(super) fn add(&mut self, key: &'a [u8]) -> bool {
        let at = |index: usize| u64::from(key.get(index).copied().unwrap_or_default());
        let mixed = (at(key.len() / 2) << 24 | at(key.len().wrapping_sub(1)) << 16 | at(key.len() / 3) << 8)
            .wrapping_add(key.len() as u64)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let place = mixed.to_be_bytes()[0];
        let (word, bit) = (usize::from(place >> 6), 1_u64 << (place & 63));
        let may_be_known = self.bits[word] & bit != 0;
        self.bits[word] |= bit;
        if self.count < FEW {
            if may_be_known && self.few[..self.count].contains(&key) {
                return false;
            }
            self.few[self.count] = key;
        } else {
            if self.count == FEW && self.many.is_empty() {
                self.many.extend(self.few);
            }
            if !self.many.insert(key) {
                return false;
            }
        }
        self.count += 1;
        true
    }
}

pub(super) fn traces(request: &mut ExportTraceServiceRequest, faults: &mut Faults) {
    let mut number = 0_u32;
    for of_resource in &mut request.resource_spans {
        resource(of_resource.resource.as_mut(), faults);
        for of_scope in &mut of_resource.scope_spans {
            scope(of_scope.scope.as_mut(), faults);
            for span in &mut of_scope.spans {
                if span.start_time_unix_nano == 0 && span.end_time_unix_nano > 0 {
                    span.start_time_unix_nano = span.end_time_unix_nano;
                    faults.startless(number);
                }
                number = number.saturating_add(1);
                span.links.iter_mut().for_each(|link| ids(&mut link.trace_id, &mut link.span_id, faults));
                attributes(&mut span.attributes, faults);
                span.events.iter_mut().for_each(|event| attributes(&mut event.attributes, faults));
                span.links.iter_mut().for_each(|link| attributes(&mut link.attributes, faults));
            }
        }
    }
}

pub(super) fn logs(request: &mut ExportLogsServiceRequest, faults: &mut Faults) {
    for of_resource in &mut request.resource_logs {
        resource(of_resource.resource.as_mut(), faults);
        for of_scope in &mut of_resource.scope_logs {
            scope(of_scope.scope.as_mut(), faults);
            for record in &mut of_scope.log_records {
                ids(&mut record.trace_id, &mut record.span_id, faults);
                attributes(&mut record.attributes, faults);
                if record.body.as_mut().is_some_and(|body| !value(body, NESTING_MAX)) {
                    record.body = None;
                    faults.dropped_as(|| too_deep("body"));
                }
            }
        }
    }
}

pub(super) fn metrics(request: &mut ExportMetricsServiceRequest, faults: &mut Faults) {
    for of_resource in &mut request.resource_metrics {
        resource(of_resource.resource.as_mut(), faults);
        for of_scope in &mut of_resource.scope_metrics {
            scope(of_scope.scope.as_mut(), faults);
            of_scope.metrics.iter_mut().for_each(|of| metric(of, faults));
        }
    }
}

fn metric(metric: &mut Metric, faults: &mut Faults) {
    attributes(&mut metric.metadata, faults);
    match &mut metric.data {
        Some(Data::Gauge(data)) => {
            data.data_points.iter_mut().for_each(|p| point(&mut p.attributes, &mut p.exemplars, faults));
        }
        Some(Data::Sum(data)) => {
            data.data_points.iter_mut().for_each(|p| point(&mut p.attributes, &mut p.exemplars, faults));
        }
        Some(Data::Histogram(data)) => {
            data.data_points.iter_mut().for_each(|p| point(&mut p.attributes, &mut p.exemplars, faults));
        }
        Some(Data::ExponentialHistogram(data)) => {
            data.data_points.iter_mut().for_each(|p| point(&mut p.attributes, &mut p.exemplars, faults));
        }
        Some(Data::Summary(data)) => {
            data.data_points.iter_mut().for_each(|p| point(&mut p.attributes, &mut [], faults));
        }
        None => {}
    }
}

/// Normalizes a point. Without one of its attributes it would be of another series, so an attribute that is nested too deep
/// stays and rejects the point.
fn point(own: &mut Vec<KeyValue>, exemplars: &mut [Exemplar], faults: &mut Faults) {
    once(own);
    for exemplar in exemplars {
        ids(&mut exemplar.trace_id, &mut exemplar.span_id, faults);
        attributes(&mut exemplar.filtered_attributes, faults);
    }
}

/// Drops ids of the wrong length.
fn ids(trace_id: &mut Vec<u8>, span_id: &mut Vec<u8>, faults: &mut Faults) {
    for (field, id, bytes) in [("traceId", trace_id, TRACE_ID_BYTES), ("spanId", span_id, SPAN_ID_BYTES)] {
        if id.len() != bytes && !id.is_empty() {
            faults.dropped_as(|| format!("{field}: expected {bytes} bytes, found {}", id.len()));
            id.clear();
        }
    }
}

fn resource(resource: Option<&mut Resource>, faults: &mut Faults) {
    let Some(resource) = resource else { return };
    attributes(&mut resource.attributes, faults);
    resource.attributes.retain(|entry| !(entry.key == SERVICE_NAME && is_empty_text(entry)));
}

fn is_empty_text(entry: &KeyValue) -> bool {
    let value = entry.value.as_ref().and_then(|value| value.value.as_ref());
    matches!(value, Some(Value::StringValue(text)) if text.is_empty())
}

fn scope(scope: Option<&mut InstrumentationScope>, faults: &mut Faults) {
    if let Some(scope) = scope {
        attributes(&mut scope.attributes, faults);
    }
}

/// Removes repeated keys and values that are nested too deep.
fn attributes(list: &mut Vec<KeyValue>, faults: &mut Faults) {
    once(list);
    let is_deep = |entry: &mut KeyValue| entry.value.as_mut().is_some_and(|of| !value(of, NESTING_MAX));
    list.retain_mut(|entry| {
        let is_deep = is_deep(entry);
        if is_deep {
            faults.dropped_as(|| too_deep(&format!("attribute {}", quoted(&entry.key))));
        }
        !is_deep
    });
}

fn too_deep(what: &str) -> String {
    format!("{what}: expected {NESTING_EXPECTED}, found more")
}

/// Returns whether a value is within the nesting limit.
pub(super) fn nests_well(of: Option<&AnyValue>, room: usize) -> bool {
    match of.and_then(|of| of.value.as_ref()) {
        Some(Value::ArrayValue(list)) => room
            .checked_sub(LIST_COST)
            .is_some_and(|room| list.values.iter().all(|inner| nests_well(Some(inner), room))),
        Some(Value::KvlistValue(map)) => room
            .checked_sub(MAP_COST)
            .is_some_and(|room| map.values.iter().all(|entry| nests_well(entry.value.as_ref(), room))),
        _ => true,
    }
}

/// Removes repeated keys from the maps in a value; returns false if it is nested too deep.
fn value(of: &mut AnyValue, room: usize) -> bool {
    match &mut of.value {
        Some(Value::ArrayValue(list)) => {
            room.checked_sub(LIST_COST).is_some_and(|room| list.values.iter_mut().all(|inner| value(inner, room)))
        }
        Some(Value::KvlistValue(map)) => {
            once(&mut map.values);
            room.checked_sub(MAP_COST).is_some_and(|room| {
                map.values.iter_mut().all(|entry| entry.value.as_mut().is_none_or(|inner| value(inner, room)))
            })
        }
        _ => true,
    }
}

/// Keeps the first entry of each key.
fn once(list: &mut Vec<KeyValue>) {
    if list.len() < 2 {
        return;
    }
    let mut keys = Keys::new();
    if list.iter().all(|entry| keys.add(entry.key.as_bytes())) {
        return;
    }
    let mut known = HashSet::with_capacity(list.len());
    list.retain(|entry| known.insert(entry.key.clone()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_first_of_each_key_is_left(keys in proptest::collection::vec("[a-c]{0,3}", 0..80)) {
            let entry = |(at, key): (usize, &String)| KeyValue {
                key: key.clone(),
                value: Some(AnyValue { value: Some(Value::IntValue(i64::try_from(at).unwrap())) }),
                ..KeyValue::default()
            };
            let mut list: Vec<KeyValue> = keys.iter().enumerate().map(entry).collect();
            let mut expected: Vec<KeyValue> = Vec::new();
            for entry in &list {
                if expected.iter().all(|known| known.key != entry.key) {
                    expected.push(entry.clone());
                }
            }
            once(&mut list);
            prop_assert_eq!(list, expected);
        }
    }
}
