use super::*;
use serde_json::json;

fn spans_json(span: &Json) -> Json {
    json!({"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}, {"key": "host.name", "value": {"stringValue": "h1"}}]},
        "scopeSpans": [{"scope": {"name": "lib", "version": "1.2"}, "spans": [span]}],
    }]})
}

fn good() -> Json {
    json!({
        "traceId": "0102030405060708090A0b0c0d0e0f10", "spanId": "F1F2f3f4f5f6f7f8", "name": "work",
        "startTimeUnixNano": "1600000000000000001", "endTimeUnixNano": 1_600_000_000_001_500_001_u64,
    })
}

fn with(key: &str, value: Json) -> Json {
    let mut span = good();
    span[key] = value;
    spans_json(&span)
}

#[test]
fn both_encodings_of_a_trace_give_equal_batches() {
    let full = Span {
        kind: 3,
        flags: 1,
        trace_state: "ot=th:8".into(),
        parent_span_id: vec![0xab; 8],
        attributes: vec![
            attribute("db.system", string("redis")),
            attribute("i", number(i64::MAX)),
            attribute("b", AnyValue { value: Some(Value::BytesValue(vec![0xfb, 0xff])) }),
            attribute(
                "l",
                AnyValue {
                    value: Some(Value::ArrayValue(ArrayValue {
                        values: vec![string("x"), AnyValue { value: Some(Value::DoubleValue(1.5)) }],
                    })),
                },
            ),
            attribute(
                "m",
                AnyValue {
                    value: Some(Value::KvlistValue(KeyValueList {
                        values: vec![attribute("k", AnyValue { value: Some(Value::BoolValue(true)) })],
                    })),
                },
            ),
            KeyValue { key: "none".into(), ..KeyValue::default() },
        ],
        ..span()
    };
    let mut span = good();
    span.as_object_mut().expect("an object").extend(
        json!({
            "kind": 3, "flags": 1, "traceState": "ot=th:8", "parentSpanId": "abababababababab",
            "attributes": [
                {"key": "db.system", "value": {"stringValue": "redis"}},
                {"key": "i", "value": {"intValue": "9223372036854775807"}},
                {"key": "b", "value": {"bytesValue": "+/8="}},
                {"key": "l", "value": {"arrayValue": {"values": [{"stringValue": "x"}, {"doubleValue": 1.5}]}}},
                {"key": "m", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"boolValue": true}}]}}},
                {"key": "none"},
            ],
            "somethingNew": {"a": [1]}, "traceid": "ignored", "status": null,
        })
        .as_object()
        .expect("an object")
        .clone(),
    );
    let from_json = decode_json(Signal::Traces, &spans_json(&span)).expect("decodes");
    assert_eq!(from_json.tables, decode_spans(vec![full]).tables);
}

#[test]
fn the_forms_that_the_specification_shows_are_read() {
    // As in the specification's examples: ids in capitals, 64-bit integers as text, counts as text in lists.
    let body = json!({"resourceMetrics": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "my.service"}}]},
        "scopeMetrics": [{
            "scope": {"name": "my.library", "version": "1.0.0", "attributes": [{"key": "a", "value": {"stringValue": "b"}}]},
            "metrics": [
                {"name": "my.counter", "unit": "1", "sum": {"aggregationTemporality": 1, "isMonotonic": true, "dataPoints": [
                    {"asDouble": 5, "startTimeUnixNano": "1544712660300000000", "timeUnixNano": "1544712660300000000"}]}},
                {"name": "my.gauge", "gauge": {"dataPoints": [{"asInt": "10", "timeUnixNano": "1544712660300000000"}, {"asDouble": "NaN"}]}},
                {"name": "my.histogram", "histogram": {"aggregationTemporality": "AGGREGATION_TEMPORALITY_CUMULATIVE", "dataPoints": [
                    {"timeUnixNano": "1544712660300000000", "count": "2", "sum": 2, "bucketCounts": ["1", "1"], "explicitBounds": [1], "min": 0, "max": 2}]}},
                {"name": "my.exponential", "exponentialHistogram": {"aggregationTemporality": 1, "dataPoints": [
                    {"timeUnixNano": "1544712660300000000", "count": "3", "sum": 10, "scale": 0, "zeroCount": "1",
                     "positive": {"offset": 1, "bucketCounts": ["0", "2"]}, "min": 0, "max": 5, "zeroThreshold": 0}]}},
                {"name": "my.summary", "summary": {"dataPoints": [{"count": 1, "sum": 1.5, "quantileValues": [{"quantile": 0.5, "value": 1.5}]}]}},
                {"name": "my.future", "ultraHistogram": {"dataPoints": [{}]}},
            ],
        }],
    }]});
    let decoded = decode_json(Signal::Metrics, &body).expect("decodes");
    assert_eq!((decoded.items, decoded.rejected.items.clone()), (6, vec![6]));
    let numbers = rows(&decoded, "metrics");
    assert_eq!((&numbers[0]["value"], &numbers[0]["temporality"]), (&json!(5.0), &json!("delta")));
    assert_eq!((&numbers[1]["value"], &numbers[1]["value_int"]), (&json!(10.0), &json!(10)));
    let histograms = rows(&decoded, "histograms");
    assert_eq!(
        (&histograms[0]["bucket_counts"], &histograms[0]["temporality"]),
        (&json!([1, 1]), &json!("cumulative"))
    );
    assert_eq!((&histograms[1]["positive_counts"], &histograms[1]["zero_count"]), (&json!([0, 2]), &json!(1)));
    assert_eq!(histograms[2]["quantile_values"], json!([1.5]));

    let body = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [{
        "timeUnixNano": "1544712660300000000", "severityNumber": "SEVERITY_NUMBER_INFO", "severityText": "Information",
        "traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174", "body": {"stringValue": "Example log record"},
    }]}]}]});
    let log = rows(&decode_json(Signal::Logs, &body).expect("decodes"), "logs").remove(0);
    assert_eq!(
        (&log["trace_id"], &log["span_id"]),
        (&json!("5b8efff798038103d269b633813fc60c"), &json!("eee19b7ec3c1b174"))
    );
    assert_eq!((&log["severity_number"], &log["body"]), (&json!(9), &json!("Example log record")));
}

#[test]
fn what_is_no_request_is_refused_whole() {
    for (body, expected) in [
        ("[]", "the body: expected an object, found a list"),
        ("\"spans\"", "the body: expected an object, found text \"spans\""),
        ("{\"resourceSpans\": {}}", "resourceSpans: expected a list, found an object"),
        ("{\"a\": ", "expected a JSON object, found no JSON: expected a value at line 1, column 7, found the end"),
        (
            "{}\n{}",
            "expected a JSON object, found no JSON: expected nothing after the object at line 2, column 1, found '{'",
        ),
        ("", "expected a JSON object, found no JSON: expected a value at line 1, column 1, found the end"),
    ] {
        let refused = decoder().decode(Signal::Traces, Encoding::Json, &Bytes::from_static(body.as_bytes()), 0);
        assert_eq!(refused.expect_err("is refused").message, expected);
    }
}

#[test]
fn an_id_of_the_wrong_length_is_one_span_s_fault() {
    let decoded = decode_json(Signal::Traces, &with("spanId", json!("abcd"))).expect("decodes");
    assert_eq!(decoded.rejected.items, [0]);
    assert!(decoded.rejected.message.ends_with("spanId: expected 8 bytes, found 2"), "{}", decoded.rejected.message);
}

#[test]
fn an_id_that_cannot_be_read_is_one_span_s_fault() {
    for (key, id, digits) in [
        ("traceId", "W47/95gDgQPSabYzgT/GDA==", 32),
        ("traceId", "0102030405060708090a0b0c0d0e0f1", 32),
        ("spanId", "sixteen letters!", 16),
        ("parentSpanId", "f1f2f3f4f5f6f7fg", 16),
    ] {
        let mut body = with(key, json!(id));
        let spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array_mut().expect("spans");
        spans.push(good());
        let decoded = decode_json(Signal::Traces, &body).expect("decodes");
        assert_eq!((decoded.items, decoded.rejected.items), (1, vec![0]));
        let expected = format!("spans[0].{key}: expected {digits} hex digits, found text \"{id}\"");
        assert!(decoded.rejected.message.ends_with(&expected), "{}", decoded.rejected.message);
    }
    let body = with("links", json!([{"traceId": "xyz", "spanId": "f1f2f3f4f5f6f7f8"}]));
    let decoded = decode_json(Signal::Traces, &body).expect("decodes");
    assert_eq!((decoded.items, &rows(&decoded, "span_links")[0]["linked_trace_id"]), (1, &json!("")));
}

#[test]
fn half_a_letter_costs_that_letter() {
    let body = spans_json(&good()).to_string();
    for (name, expected) in [
        (r"\ud800x", "\u{fffd}x"),
        (r"x\udc00", "x\u{fffd}"),
        (r"\ud800\ud83d\ude00", "\u{fffd}😀"),
        (r"\\ud800", r"\ud800"),
        (r"\ud800\\udc00", "\u{fffd}\\udc00"),
    ] {
        let body = body.replace("work", name);
        let decoded = decoder().decode(Signal::Traces, Encoding::Json, &body.into(), 0).expect(name);
        assert_eq!(rows(&decoded, "spans")[0]["name"], expected, "{name}");
    }
    let bytes: Vec<u8> = body.replace("work", "w?rk").into_bytes();
    let bytes: Vec<u8> = bytes.iter().map(|byte| if *byte == b'?' { 0xff } else { *byte }).collect();
    let decoded = decoder().decode(Signal::Traces, Encoding::Json, &bytes.into(), 0).expect("decodes");
    assert_eq!(rows(&decoded, "spans")[0]["name"], "w\u{fffd}rk");
}

#[test]
fn an_empty_request_has_no_rows() {
    for signal in Signal::ALL {
        let decoded = decode_json(signal, &json!({})).expect("decodes");
        assert!(decoded.tables.is_empty() && decoded.items == 0 && decoded.rejected.items.is_empty());
    }
}
