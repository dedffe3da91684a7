//! Alternative notations of values, times and names.

use super::odd::{attribute_of, spans_with};
use super::*;
use crate::model::decoded::Rejected;
use serde_json::json;

#[test]
fn a_value_may_be_written_in_any_way_that_means_it() {
    for (value, expected) in [
        (r#"{"intValue": 1.796e18}"#, "1796000000000000000"),
        (r#"{"intValue": "9007199254740993.000"}"#, "9007199254740993"),
        (r#"{"intValue": 9007199254740993.0}"#, "9007199254740993"),
        (r#"{"intValue": "9.223372036854775807e18"}"#, "9223372036854775807"),
        (r#"{"intValue": -9.223372036854775808E+18}"#, "-9223372036854775808"),
        (r#"{"doubleValue": "NaN"}"#, "NaN"),
        (r#"{"doubleValue": NaN}"#, "NaN"),
        (r#"{"doubleValue": "-Infinity"}"#, "-Infinity"),
        (r#"{"doubleValue": Infinity}"#, "Infinity"),
        (r#"{"doubleValue": "1.5"}"#, "1.5"),
        (r#"{"doubleValue": 7}"#, "7.0"),
        (r#"{"bytesValue": "-_8"}"#, "+/8="),
        (r#"{"bytesValue": "+/\r\n8="}"#, "+/8="),
        (r#"{"bytesValue": ""}"#, ""),
        (r#"{"stringValue": ""}"#, ""),
        ("{\"stringValue\": \"a\tb\\x\"}", "a\tb\u{fffd}"),
        (r#"{"stringValue": null, "intValue": 5}"#, "5"),
        (r#"{"intValue": 5, "stringValue": "last"}"#, "last"),
        (r#"{"arrayValue": {}}"#, "[]"),
        (r#"{"kvlistValue": {"values": null}}"#, "{}"),
        (r#"{"array_value": {"values": [{}, null, {"int_value": 1}]}}"#, "[null,null,1]"),
        (r#"{"kvlist_value": {"values": [{"key": "a"}, {"key": "a", "value": {"intValue": 1}}]}}"#, "{\"a\":null}"),
    ] {
        let decoded = attribute_of(value);
        assert_eq!(
            (rows(&decoded, "spans")[0]["attributes"]["odd"].as_str(), &decoded.rejected),
            (Some(expected), &Rejected::default()),
            "{value}"
        );
    }
    for value in ["{}", "null", r#"{"intValue": null}"#, r#"{"futureValue": {"x": [1]}}"#] {
        let decoded = attribute_of(value);
        assert_eq!(
            (&rows(&decoded, "spans")[0]["attributes"]["odd"], &decoded.rejected),
            (&Json::Null, &Rejected::default()),
            "{value}"
        );
    }
}

#[test]
fn times_are_exact_in_every_notation() {
    for (value, expected) in [
        (json!(1.796e18), 1_796_000_000_000_000_000_i64),
        (json!("1796000000000000000.000"), 1_796_000_000_000_000_000),
        (json!("1.600000000000000007e18"), 1_600_000_000_000_000_007),
        (json!("1600000000000000007"), 1_600_000_000_000_000_007),
    ] {
        let decoded = spans_with("startTimeUnixNano", value);
        assert_eq!(rows(&decoded, "spans")[0]["start_time_unix_nano"], expected);
    }
    // Within 64 bits, but out of range for the tables: reported exactly.
    let decoded = spans_with("endTimeUnixNano", json!("1.7960000000000000001e19"));
    let expected = "endTimeUnixNano: expected at most 9223372036854775807, found 17960000000000000001";
    assert!(decoded.rejected.message.ends_with(expected), "{}", decoded.rejected.message);
}

/// The same request in both spellings, with and without a byte order mark, gives the same rows.
#[test]
fn names_as_in_the_proto_files_are_taken() {
    let traces = json!({"resourceSpans": [{"schemaUrl": "u", "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
        "scopeSpans": [{"schemaUrl": "u", "scope": {"name": "lib"}, "spans": [{
            "traceId": "0102030405060708090a0b0c0d0e0f10", "spanId": "f1f2f3f4f5f6f7f8", "parentSpanId": "a1a2a3a4a5a6a7a8", "traceState": "ot=th:8",
            "name": "work", "kind": "SPAN_KIND_SERVER", "startTimeUnixNano": "1", "endTimeUnixNano": "2", "droppedAttributesCount": 1,
            "attributes": [
                {"key": "a", "value": {"arrayValue": {"values": [{"stringValue": "x"}, {"boolValue": true}]}}},
                {"key": "b", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"doubleValue": 0.5}}]}}},
                {"key": "c", "value": {"bytesValue": "+/8="}}, {"key": "d", "value": {"intValue": "7"}}],
            "events": [{"timeUnixNano": "2", "name": "e"}], "links": [{"traceId": "a1a2a3a4a5a6a7a8a1a2a3a4a5a6a7a8", "spanId": "a1a2a3a4a5a6a7a8"}],
            "status": {"code": "STATUS_CODE_ERROR"}}]}]}]});
    let metrics = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [
        {"name": "s", "sum": {"isMonotonic": true, "aggregationTemporality": 2, "dataPoints": [
            {"startTimeUnixNano": "1", "timeUnixNano": "2", "asInt": "3", "exemplars": [{"timeUnixNano": "2", "asDouble": 1.5,
             "traceId": "a1a2a3a4a5a6a7a8a1a2a3a4a5a6a7a8", "spanId": "a1a2a3a4a5a6a7a8", "filteredAttributes": []}]}]}},
        {"name": "h", "histogram": {"aggregationTemporality": 1, "dataPoints": [{"timeUnixNano": "2", "count": "1", "sum": 1, "bucketCounts": ["1", "0"], "explicitBounds": [5]}]}},
        {"name": "e", "exponentialHistogram": {"aggregationTemporality": 1, "dataPoints": [
            {"timeUnixNano": "2", "count": "2", "zeroCount": "1", "zeroThreshold": 0.5, "scale": 1, "positive": {"offset": 1, "bucketCounts": ["1"]}}]}},
        {"name": "q", "summary": {"dataPoints": [{"timeUnixNano": "2", "count": "1", "quantileValues": [{"quantile": 0.5, "value": 1}]}]}}]}]}]});
    let logs = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": "1", "observedTimeUnixNano": "2", "severityNumber": 9,
        "severityText": "INFO", "eventName": "e", "body": {"stringValue": "b"}}]}]}]});
    for (signal, body) in [(Signal::Traces, traces), (Signal::Metrics, metrics), (Signal::Logs, logs)] {
        let expected = decode_json(signal, &body).expect("decodes");
        assert_eq!((expected.items > 0, &expected.rejected), (true, &Rejected::default()));
        for text in [snake(&body).to_string(), format!("\u{feff}{body}"), format!("\u{feff} \r\n{}", snake(&body))] {
            let found = decoder().decode(signal, Encoding::Json, &text.into(), RECEIVED).expect("decodes");
            assert_eq!((found.tables, found.rejected), (expected.tables.clone(), Rejected::default()), "{signal}");
        }
    }
}

/// Converts every key to `snake_case`.
fn snake(value: &Json) -> Json {
    let key = |key: &String| {
        key.chars().fold(String::new(), |mut out, letter| {
            if letter.is_ascii_uppercase() {
                out.push('_');
            }
            out.push(letter.to_ascii_lowercase());
            out
        })
    };
    match value {
        Json::Object(map) => Json::Object(map.iter().map(|(name, value)| (key(name), snake(value))).collect()),
        Json::Array(list) => list.iter().map(snake).collect(),
        other => other.clone(),
    }
}

#[test]
fn of_a_key_that_stands_twice_the_last_counts_and_lists_are_joined() {
    let span = |rest: &str| {
        format!(
            r#"{{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"f1f2f3f4f5f6f7f8","startTimeUnixNano":1,"endTimeUnixNano":2{rest}}}"#
        )
    };
    let twice = span(
        r#","name":"first","name":"last","attributes":[{"key":"a","value":{"intValue":1}}],"attributes":[{"key":"b","value":{"intValue":2}}]"#,
    );
    let body = format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{twice}]}}]}}],"resource_spans":[{{"scopeSpans":[{{"spans":[{}]}}]}}]}}"#,
        span("")
    );
    let decoded = decoder().decode(Signal::Traces, Encoding::Json, &body.into(), 0).expect("decodes");
    let spans = rows(&decoded, "spans");
    assert_eq!(
        (spans.len(), &spans[0]["name"], &spans[0]["attributes"]),
        (2, &json!("last"), &json!({"a": "1", "b": "2"}))
    );
}
