//! OTLP requests as bytes: counts items and splits requests in two without decoding the items.

use crate::model::protobuf::{Field, fields, put_field};
use crate::model::signal::Signal;
use bytes::Bytes;

/// Field numbers from the request down to its items: resources, scopes, items.
const ITEMS: [&[u64]; 3] = [&[1], &[2], &[2]];
/// And down to the points of a metric: gauge, sum, histogram, exponential histogram or summary, in each the field 1.
const POINTS: [&[u64]; 5] = [&[1], &[2], &[2], &[5, 7, 9, 10, 11], &[1]];

const fn path(signal: Signal) -> &'static [&'static [u64]] {
    match signal {
        Signal::Traces | Signal::Logs => &ITEMS,
        Signal::Metrics => &POINTS,
    }
}

/// Number of items in a request.
#[must_use]
pub fn count(signal: Signal, body: &[u8]) -> u64 {
    count_below(body, path(signal))
}

fn count_below(message: &[u8], path: &[&[u64]]) -> u64 {
    let Some((wanted, deeper)) = path.split_first() else { return 1 };
    fields(message).filter_map(|field| field.inner_of(wanted)).map(|inner| count_below(inner, deeper)).sum()
}

/// Splits a request into two with the same items in total; `None` if a single item is left or the bytes are malformed.
pub(super) fn halves(signal: Signal, body: &[u8]) -> Option<(Bytes, Bytes)> {
    cut(body, path(signal)).map(|(first, rest)| (first.into(), rest.into()))
}

/// Splits the list at the head of `path`, or its only entry; everything beside it is copied to both.
fn cut(message: &[u8], path: &[&[u64]]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (wanted, deeper) = path.split_first()?;
    let (list, beside): (Vec<Field<'_>>, Vec<Field<'_>>) =
        fields(message).partition(|field| field.inner_of(wanted).is_some());
    let mut first = joined(&beside);
    let mut rest = first.clone();
    match list.as_slice() {
        [] => return None,
        [only] => {
            let (a, b) = cut(only.inner?, deeper)?;
            put_field(&mut first, only.number(), &a);
            put_field(&mut rest, only.number(), &b);
        }
        list => {
            let half = list.iter().map(|field| field.whole.len()).sum::<usize>() / 2;
            let mut bytes = 0;
            let filled = list.iter().position(|field| {
                bytes += field.whole.len();
                bytes >= half
            });
            let (a, b) = list.split_at((filled? + 1).min(list.len() - 1));
            first.extend(joined(a));
            rest.extend(joined(b));
        }
    }
    Some((first, rest))
}

fn joined(fields: &[Field<'_>]) -> Vec<u8> {
    fields.iter().flat_map(|field| field.whole).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    use opentelemetry_proto::tonic::metrics::v1::{
        Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
    };
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    use prost::Message as _;

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
        assert_eq!(count(Signal::Metrics, &request), 5);
    }

    /// Splits until nothing more can be split.
    fn pieces(signal: Signal, body: Bytes) -> Vec<Bytes> {
        match halves(signal, &body) {
            Some((first, rest)) => [pieces(signal, first), pieces(signal, rest)].concat(),
            None => vec![body],
        }
    }

    #[test]
    fn each_piece_of_a_trace_request_has_one_span_with_its_resource_and_scope() {
        let span = |name: usize| Span { name: format!("span {name}"), end_time_unix_nano: 7, ..Span::default() };
        let resource = |number: usize| ResourceSpans {
            resource: Some(Resource {
                dropped_attributes_count: u32::try_from(number).unwrap(),
                ..Resource::default()
            }),
            scope_spans: (0..number)
                .map(|scope| ScopeSpans {
                    spans: (0..=scope).map(|name| span(number * 100 + scope * 10 + name)).collect(),
                    schema_url: format!("scope {scope}"),
                    ..ScopeSpans::default()
                })
                .collect(),
            schema_url: format!("resource {number}"),
        };
        let request = ExportTraceServiceRequest { resource_spans: (1..=3).map(resource).collect() };
        let expected: Vec<_> = request
            .resource_spans
            .iter()
            .flat_map(|resource| resource.scope_spans.iter().map(move |scope| (resource, scope)))
            .flat_map(|(resource, scope)| scope.spans.iter().map(move |span| (resource, scope, span)))
            .map(|(resource, scope, span)| ResourceSpans {
                scope_spans: vec![ScopeSpans { spans: vec![span.clone()], ..scope.clone() }],
                ..resource.clone()
            })
            .collect();
        let found: Vec<_> = pieces(Signal::Traces, request.encode_to_vec().into())
            .into_iter()
            .flat_map(|piece| ExportTraceServiceRequest::decode(piece).unwrap().resource_spans)
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_metric_of_many_points_is_cut_between_its_points() {
        let points = |number: u64| {
            let point = |time_unix_nano| NumberDataPoint { time_unix_nano, ..NumberDataPoint::default() };
            (1..=number).map(point).collect::<Vec<_>>()
        };
        let sum = Sum { data_points: points(300), aggregation_temporality: 2, is_monotonic: true };
        let metric = Metric { name: "m".into(), unit: "s".into(), data: Some(Data::Sum(sum)), ..Metric::default() };
        let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
        let request = ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() }],
        };
        let pieces = pieces(Signal::Metrics, request.encode_to_vec().into());
        assert_eq!(pieces.len(), 300);
        for (piece, time) in pieces.into_iter().zip(1_u64..) {
            let metric = ExportMetricsServiceRequest::decode(piece)
                .unwrap()
                .resource_metrics
                .remove(0)
                .scope_metrics
                .remove(0)
                .metrics
                .remove(0);
            let Some(Data::Sum(sum)) = metric.data else { panic!("not a sum: {metric:?}") };
            assert!(sum.is_monotonic && sum.aggregation_temporality == 2 && metric.unit == "s");
            assert_eq!(sum.data_points[0].time_unix_nano, time);
        }
    }
}
