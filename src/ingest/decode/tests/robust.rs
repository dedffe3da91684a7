use super::*;
use crate::ingest::decode::value::from_base64;
use crate::model::table::TableKind;
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use proptest::prelude::*;

fn decode_anything(bytes: &[u8]) {
    let decoder = decoder();
    for signal in Signal::ALL {
        for encoding in [Encoding::Protobuf, Encoding::Json] {
            if let Ok(decoded) = decoder.decode(signal, encoding, &Bytes::copy_from_slice(bytes), RECEIVED) {
                let rows = |table: &str| {
                    decoded.tables.iter().find(|(name, _)| *name == table).map_or(0, |(_, b)| b.num_rows())
                };
                let items = rows("spans") + rows("metrics") + rows("histograms") + rows("logs");
                assert_eq!(items as u64, decoded.items, "each item that is kept has one row");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        decode_anything(&bytes);
    }

    #[test]
    fn a_damaged_request_never_panics(place in any::<prop::sample::Index>(), byte in any::<u8>(), end in any::<prop::sample::Index>()) {
        let full = Span { attributes: vec![attribute("http.route", string("/a")), attribute("n", number(3))], ..span() };
        for mut bytes in [spans_request(vec![full, span()]).encode_to_vec(), logs::request(vec![LogRecord::default()]).encode_to_vec()] {
            let at = place.index(bytes.len());
            bytes[at] = byte;
            decode_anything(&bytes);
            bytes.truncate(end.index(bytes.len()));
            decode_anything(&bytes);
        }
    }

    #[test]
    fn base64_is_read_as_it_was_written(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        let value = AnyValue { value: Some(Value::BytesValue(bytes.clone())) };
        let text = crate::ingest::decode::value::text(&value).expect("has text").into_owned();
        prop_assert_eq!(from_base64(&text), Some(bytes.clone()));
        prop_assert_eq!(from_base64(text.trim_end_matches('=')), Some(bytes));
    }
}

#[test]
fn a_cut_request_is_refused_with_its_signal() {
    let bytes = spans_request(vec![span()]).encode_to_vec();
    let cut = Bytes::from(bytes[..bytes.len() - 3].to_vec());
    let message = decoder().decode(Signal::Traces, Encoding::Protobuf, &cut, RECEIVED).expect_err("is refused").message;
    assert!(message.starts_with("expected an OTLP traces request in protobuf, found "), "{message}");
}

/// Each span repeats its resource: 2 MiB and 30 bytes per span would become 200 GiB.
#[test]
fn a_small_request_cannot_grow_without_bound() {
    let mut request = spans_request(vec![span(); 1000]);
    request.resource_spans[0].resource = resource(vec![attribute("big", string(&"x".repeat(2 << 20)))]);
    let body = request.encode_to_vec().into();
    let message =
        decoder().decode(Signal::Traces, Encoding::Protobuf, &body, RECEIVED).expect_err("is refused").message;
    assert!(message.contains("send smaller batches"), "{message}");
}

/// Empty messages take two bytes on the wire and hundreds in memory: prost must not start to decode them.
#[test]
fn mostly_empty_messages_are_refused_before_they_take_memory() {
    let within = |field: u8, inner: &[u8]| {
        let mut bytes = vec![field << 3 | 2];
        prost::encoding::encode_varint(inner.len() as u64, &mut bytes);
        bytes.extend_from_slice(inner);
        bytes
    };
    // 18 MiB of them, which is within the body limit.
    let empty = |field: u8| [field << 3 | 2, 0].repeat(9 << 20);
    for (signal, items) in [
        (Signal::Traces, empty(2)),
        (Signal::Traces, within(2, &empty(11))),
        (Signal::Logs, empty(2)),
        (Signal::Metrics, empty(2)),
        (Signal::Metrics, within(2, &within(7, &empty(1)))),
        (Signal::Metrics, within(2, &within(9, &empty(1)))),
    ] {
        let body = within(1, &within(2, &items)).into();
        let message = decoder().decode(signal, Encoding::Protobuf, &body, 0).expect_err("is refused").message;
        assert!(message.contains("mostly empty messages"), "{signal}: {message}");
    }
    let empty_objects = format!("{{\"resourceSpans\": [{}{{}}]}}", "{},".repeat(6 << 20)).into();
    let message = decoder().decode(Signal::Traces, Encoding::Json, &empty_objects, 0).expect_err("is refused").message;
    assert!(message.contains("mostly empty messages"), "{message}");
    let plenty = spans_request(vec![span(); 30_000]).encode_to_vec();
    assert!(plenty.len() > 1 << 20 && footprint::check(Signal::Traces, Encoding::Protobuf, &plenty).is_ok());
}

/// A column that is neither promoted nor filled would be a column of nulls that nobody notices.
#[test]
fn every_column_of_a_signal_table_is_known_to_the_decoder() {
    let sources = [include_str!("../spans.rs"), include_str!("../metrics.rs"), include_str!("../logs.rs")].concat();
    for table in schemas::builtin().unwrap_or_else(|faults| panic!("{faults}")) {
        for column in table.columns.iter().filter(|c| table.kind == TableKind::Signal && c.from.is_empty()) {
            assert!(sources.contains(&format!("to.{}", column.name)), "{}.{}", table.name, column.name);
        }
    }
}

/// Builds a request with `text` in every string field.
fn full_of(text: &str) -> ExportTraceServiceRequest {
    use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
    let nested = AnyValue { value: Some(Value::ArrayValue(ArrayValue { values: vec![string(text)] })) };
    let full = Span {
        name: text.into(),
        trace_state: text.into(),
        attributes: vec![attribute(text, string(text)), attribute("list", nested), attribute("fine", string("ö"))],
        events: vec![Event { name: text.into(), ..Event::default() }],
        links: vec![Link { trace_state: text.into(), ..Link::default() }],
        ..span()
    };
    let mut request = spans_request(vec![full, span()]);
    request.resource_spans[0].schema_url = text.into();
    request.resource_spans[0].scope_spans[0].schema_url = text.into();
    request
}

/// Replaces each `?` by a byte that is invalid in UTF-8.
fn spoilt(bytes: &[u8]) -> Bytes {
    bytes.iter().map(|byte| if *byte == b'?' { 0xff } else { *byte }).collect()
}

/// Any string of a request may be invalid UTF-8: it is replaced, and nothing else changes.
#[test]
fn texts_that_are_not_unicode_are_mended_wherever_they_stand() {
    let sent = spoilt(&full_of("b?d").encode_to_vec());
    let decoded = decoder().decode(Signal::Traces, Encoding::Protobuf, &sent, RECEIVED).expect("decodes");
    assert_eq!((decoded.items, rows(&decoded, "spans")[0]["name"].as_str()), (2, Some("b\u{fffd}d")));
    let forwarded = ExportTraceServiceRequest::decode(forwarded(sent)).expect("is protobuf");
    assert_eq!(forwarded, full_of("b\u{fffd}d"));
}

#[test]
fn names_of_metrics_and_logs_are_mended() {
    let mut request = metrics::request(vec![None]);
    request.resource_metrics[0].scope_metrics[0].metrics[0].name = "m?".into();
    let body = spoilt(&request.encode_to_vec());
    let decoded = decoder().decode(Signal::Metrics, Encoding::Protobuf, &body, RECEIVED).expect("decodes");
    assert!(decoded.rejected.message.contains("m\u{fffd}"), "{}", decoded.rejected.message);
    let record = LogRecord { body: Some(string("l?g")), event_name: "e?".into(), ..LogRecord::default() };
    let body = spoilt(&logs::request(vec![record]).encode_to_vec());
    let decoded = decoder().decode(Signal::Logs, Encoding::Protobuf, &body, RECEIVED).expect("decodes");
    let log = rows(&decoded, "logs").remove(0);
    assert_eq!((log["body"].as_str(), log["event_name"].as_str()), (Some("l\u{fffd}g"), Some("e\u{fffd}")));
}
