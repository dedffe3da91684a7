//! Frames as exporters get them: in protobuf, without the rejected items.

use super::rejects::Faults;
use super::repair::{self, State};
use super::{DecodeError, logs as read_logs, metrics as read_metrics, traces as read_traces};
use crate::model::frame::Frame;
use crate::model::signal::{Encoding, Signal};
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest, trace::v1::ExportTraceServiceRequest,
};
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::Message as _;

/// Returns the original bytes if they are valid protobuf without repeated attributes or rejected items; otherwise encodes
/// the request again.
///
/// # Errors
/// Returns an error if the frame cannot be decoded.
pub fn as_protobuf(frame: &Frame) -> Result<Bytes, DecodeError> {
    let (encoding, payload) = (frame.encoding, &frame.payload);
    if encoding == Encoding::Protobuf && frame.rejected.is_empty() {
        // A target would reject the whole request for one text that is not UTF-8.
        match repair::state(frame.signal, payload) {
            State::Clean => return Ok(payload.clone()),
            State::Unreadable => {
                let repaired = repair::repaired(frame.signal, payload, &mut Faults::default());
                return Ok(repaired.map_or_else(|| payload.clone(), Bytes::from));
            }
            State::Untidy => {}
        }
    }
    let keep = &mut Keep { next: 0, rejected: &frame.rejected };
    let written = match frame.signal {
        Signal::Traces => traces(read_traces(encoding, payload)?.0, keep).encode_to_vec(),
        Signal::Metrics => metrics(read_metrics(encoding, payload)?.0, keep).encode_to_vec(),
        Signal::Logs => logs(read_logs(encoding, payload)?.0, keep).encode_to_vec(),
    };
    Ok(written.into())
}

/// Numbers items in the same way as the decoder.
struct Keep<'a> {
    next: u32,
    /// Item numbers, ascending.
    rejected: &'a [u32],
}

impl Keep<'_> {
    fn this(&mut self) -> bool {
        let number = self.next;
        self.next = self.next.saturating_add(1);
        self.rejected.binary_search(&number).is_err()
    }

    fn among<T>(&mut self, items: &mut Vec<T>) {
        items.retain(|_| self.this());
    }
}

fn traces(mut request: ExportTraceServiceRequest, keep: &mut Keep<'_>) -> ExportTraceServiceRequest {
    let scopes = request.resource_spans.iter_mut().flat_map(|resource| &mut resource.scope_spans);
    scopes.for_each(|scope| keep.among(&mut scope.spans));
    request
}

fn logs(mut request: ExportLogsServiceRequest, keep: &mut Keep<'_>) -> ExportLogsServiceRequest {
    let scopes = request.resource_logs.iter_mut().flat_map(|resource| &mut resource.scope_logs);
    scopes.for_each(|scope| keep.among(&mut scope.log_records));
    request
}

fn metrics(mut request: ExportMetricsServiceRequest, keep: &mut Keep<'_>) -> ExportMetricsServiceRequest {
    let scopes = request.resource_metrics.iter_mut().flat_map(|resource| &mut resource.scope_metrics);
    for scope in scopes {
        scope.metrics.retain_mut(|metric| points(metric, keep));
    }
    request
}

/// Returns false if nothing of the metric is left.
fn points(metric: &mut Metric, keep: &mut Keep<'_>) -> bool {
    // A metric without data counts as one item.
    let Some(data) = &mut metric.data else { return keep.this() };
    match data {
        Data::Gauge(data) => keep.among(&mut data.data_points),
        Data::Sum(data) => keep.among(&mut data.data_points),
        Data::Histogram(data) => keep.among(&mut data.data_points),
        Data::ExponentialHistogram(data) => keep.among(&mut data.data_points),
        Data::Summary(data) => keep.among(&mut data.data_points),
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

    fn frame(encoding: Encoding, payload: Bytes, rejected: Vec<u32>) -> Frame {
        Frame {
            receiver: "otlp".into(),
            signal: Signal::Traces,
            encoding,
            received_unix_nano: 0,
            digest: 0,
            rejected,
            payload,
        }
    }

    fn names(body: Bytes) -> Vec<String> {
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).map(|span| span.name).collect()
    }

    #[test]
    fn rejected_items_stay_behind_wherever_they_stand() {
        let span = |name: &str| Span { name: name.into(), ..Span::default() };
        let scope = |names: [&str; 2]| ScopeSpans { spans: names.map(span).to_vec(), ..ScopeSpans::default() };
        let resource =
            ResourceSpans { scope_spans: vec![scope(["a", "b"]), scope(["c", "d"])], ..ResourceSpans::default() };
        let body: Bytes = ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec().into();
        let kept = as_protobuf(&frame(Encoding::Protobuf, body.clone(), vec![1, 2])).unwrap();
        assert_eq!(names(kept), ["a", "d"]);
        assert_eq!(as_protobuf(&frame(Encoding::Protobuf, body.clone(), Vec::new())).unwrap(), body);
    }

    #[test]
    fn json_goes_on_as_protobuf() {
        let body = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"a"},{"name":"b"}]}]}]}"#;
        let kept = as_protobuf(&frame(Encoding::Json, Bytes::from_static(body), vec![0])).unwrap();
        assert_eq!(names(kept), ["b"]);
    }
}
