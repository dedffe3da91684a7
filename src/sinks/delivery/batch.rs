//! Frames put together into one request. OTLP requests are a repeated field each, so those of one signal are joined by
//! writing them one behind the other.

use crate::log::Position;
use crate::model::signal::Signal;
use crate::sinks::settings::BatchSettings;
use bytes::{Buf as _, Bytes, BytesMut};

/// One frame's request.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) position: Position,
    pub(super) body: Bytes,
    pub(super) items: u64,
}

impl Part {
    pub(super) fn new(position: Position, signal: Signal, body: Bytes) -> Part {
        let items = count(signal, &body);
        Part { position, body, items }
    }
}

/// What one request is made of.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) parts: Vec<Part>,
    /// The newest frame that was looked at.
    pub(super) upto: Position,
    bytes: usize,
    items: u64,
}

impl Batch {
    pub(super) fn new(after: Position) -> Batch {
        Batch { parts: Vec::new(), upto: after, bytes: 0, items: 0 }
    }

    /// Adds a part; false where it would pass a bound. The first part always fits.
    pub(super) fn take(&mut self, settings: &BatchSettings, part: Part) -> bool {
        let bytes = self.bytes + part.body.len();
        let items = self.items + part.items;
        let over = bytes > settings.bytes_max || (settings.items_max > 0 && items > settings.items_max);
        if over && !self.parts.is_empty() {
            return false;
        }
        self.upto = part.position;
        (self.bytes, self.items) = (bytes, items);
        if part.items > 0 {
            self.parts.push(part);
        }
        true
    }

    pub(super) fn is_full(&self, settings: &BatchSettings) -> bool {
        self.items >= settings.items_min || self.bytes >= settings.bytes_max
    }
}

/// The parts as one request.
pub(super) fn join(parts: &[Part]) -> Bytes {
    if let [part] = parts {
        return part.body.clone();
    }
    let mut body = BytesMut::with_capacity(parts.iter().map(|part| part.body.len()).sum());
    parts.iter().for_each(|part| body.extend_from_slice(&part.body));
    body.freeze()
}

/// Items of a request: its fields are walked without being decoded.
#[must_use]
pub fn count(signal: Signal, body: &Bytes) -> u64 {
    // Field numbers from the request down to the items: resources, scopes, items.
    let scopes = fields(body, &[1]).flat_map(|resource| fields_of(resource, &[2]));
    let items = scopes.flat_map(|scope| fields_of(scope, &[2]));
    match signal {
        Signal::Traces | Signal::Logs => items.count() as u64,
        Signal::Metrics => {
            // Gauge, sum, histogram, exponential histogram, summary: the points of each are its field 1.
            let data = items.flat_map(|metric| fields_of(metric, &[5, 7, 9, 10, 11]));
            data.flat_map(|data| fields_of(data, &[1])).count() as u64
        }
    }
}

fn fields_of(message: Bytes, wanted: &'static [u64]) -> Vec<Bytes> {
    fields(&message, wanted).collect()
}

/// The length-delimited fields of a message with these numbers. Where it is damaged, it ends.
fn fields(message: &Bytes, wanted: &'static [u64]) -> impl Iterator<Item = Bytes> + use<> {
    let mut left = message.clone();
    std::iter::from_fn(move || {
        while left.has_remaining() {
            let key = varint(&mut left)?;
            let skip = match key & 7 {
                0 => {
                    varint(&mut left)?;
                    0
                }
                1 => 8,
                5 => 4,
                2 => {
                    let length = usize::try_from(varint(&mut left)?).ok()?;
                    if wanted.contains(&(key >> 3)) {
                        return (length <= left.len()).then(|| left.split_to(length));
                    }
                    length
                }
                _ => return None,
            };
            if skip > left.len() {
                return None;
            }
            left.advance(skip);
        }
        None
    })
}

fn varint(bytes: &mut Bytes) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        if !bytes.has_remaining() {
            return None;
        }
        let byte = bytes.get_u8();
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    use opentelemetry_proto::tonic::metrics::v1::{
        Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics,
    };
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
        let part = |number| Part::new(Position(1), Signal::Traces, spans(number));
        assert_eq!((part(3).items, part(0).items), (6, 0));
        let joined = join(&[part(3), part(1)]);
        let decoded = ExportTraceServiceRequest::decode(joined.clone()).unwrap();
        assert_eq!(decoded.resource_spans.len(), 2);
        assert_eq!(count(Signal::Traces, &joined), 8);
    }

    #[test]
    fn points_are_counted_whatever_holds_them() {
        let gauge = Data::Gauge(Gauge { data_points: vec![NumberDataPoint::default(); 2] });
        let histogram = Data::Histogram(Histogram {
            data_points: vec![HistogramDataPoint::default(); 3],
            aggregation_temporality: 1,
        });
        let metrics = [gauge, histogram].map(|data| Metric { name: "m".into(), data: Some(data), ..Metric::default() });
        let scope = ScopeMetrics { metrics: metrics.to_vec(), ..ScopeMetrics::default() };
        let resource = ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() };
        let request = ExportMetricsServiceRequest { resource_metrics: vec![resource] }.encode_to_vec();
        assert_eq!(count(Signal::Metrics, &request.into()), 5);
    }

    #[test]
    fn bounds_hold_but_for_the_first_part() {
        let settings = BatchSettings { items_min: 100, items_max: 8, bytes_max: 1 << 20, ..BatchSettings::default() };
        let mut batch = Batch::new(Position(0));
        assert!(batch.take(&settings, Part::new(Position(1), Signal::Traces, spans(10))));
        assert!(!batch.take(&settings, Part::new(Position(2), Signal::Traces, spans(1))));
        assert_eq!(batch.upto, Position(1));
    }
}
