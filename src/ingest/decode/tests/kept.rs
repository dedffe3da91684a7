//! Spans that lack optional data, in tables and for exporters.

use super::*;
use opentelemetry_proto::tonic::trace::v1::span::Link;
use serde_json::json;

#[test]
fn a_span_that_says_no_start_is_kept_at_its_end_and_passed_on_so() {
    let startless = Span { start_time_unix_nano: 0, end_time_unix_nano: 70, ..span() };
    let request = spans_request(vec![span(), startless]);
    let decoded = decode(Signal::Traces, &request);
    let row = rows(&decoded, "spans").remove(1);
    assert_eq!((decoded.items, &decoded.rejected.items[..], &row["duration_ms"]), (2, &[][..], &json!(0.0)));
    assert_eq!((&row["start_time_unix_nano"], &row["end_time_unix_nano"]), (&json!(70), &json!(70)));
    let message = "1 of 2 spans without startTimeUnixNano, kept with that of their end";
    assert_eq!(decoded.rejected.message, message);
    let forwarded = ExportTraceServiceRequest::decode(forwarded(request.encode_to_vec().into())).expect("is protobuf");
    let starts: Vec<u64> =
        forwarded.resource_spans[0].scope_spans[0].spans.iter().map(|span| span.start_time_unix_nano).collect();
    assert_eq!(starts, [span().start_time_unix_nano, 70]);
}

/// Collectors reject a whole request for an id of the wrong length.
#[test]
fn a_link_with_an_id_of_the_wrong_length_is_passed_on_without_it() {
    let link = Link { trace_id: vec![1; 15], span_id: vec![2; 8], ..Link::default() };
    let request = spans_request(vec![Span { links: vec![link], ..span() }]);
    let decoded = decode(Signal::Traces, &request);
    assert_eq!(decoded.rejected.message, "1 attribute or field dropped: traceId: expected 16 bytes, found 15");
    let forwarded = ExportTraceServiceRequest::decode(forwarded(request.encode_to_vec().into())).expect("is protobuf");
    let sent = &forwarded.resource_spans[0].scope_spans[0].spans[0].links[0];
    assert_eq!((sent.trace_id.len(), sent.span_id.len()), (0, 8));
}
