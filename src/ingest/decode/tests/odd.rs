//! A bad value costs at most its attribute or its item, never anything else in the request.

use super::*;
use crate::model::decoded::Rejected;
use serde_json::json;

/// Decodes a request with the valid span after one that has a field replaced.
pub(super) fn spans_with(key: &str, value: Json) -> Decoded {
    let good = json!({
        "traceId": "0102030405060708090a0b0c0d0e0f10", "spanId": "f1f2f3f4f5f6f7f8", "name": "work",
        "startTimeUnixNano": "1600000000000000001", "endTimeUnixNano": "1600000000001500001",
    });
    let mut odd = good.clone();
    odd[key] = value;
    let body = json!({"resourceSpans": [{"scopeSpans": [{"spans": [odd, good]}]}]});
    decode_json(Signal::Traces, &body).unwrap_or_else(|error| panic!("{key}: {error}"))
}

pub(super) fn attribute_of(value: &str) -> Decoded {
    let body = format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[
            {{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"f1f2f3f4f5f6f7f8","startTimeUnixNano":1,"endTimeUnixNano":2,
              "attributes":[{{"key":"good","value":{{"intValue":1}}}},{{"key":"odd","value":{value}}}]}}]}}]}}]}}"#
    );
    decoder()
        .decode(Signal::Traces, Encoding::Json, &body.clone().into(), 0)
        .unwrap_or_else(|error| panic!("{body}: {error}"))
}

/// Decodes a request with a bare word in place of a number, which our JSON writers cannot produce.
fn word(value: Json, word: &str) -> Decoded {
    let body = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "m", "gauge": {"dataPoints": [
        value, {"timeUnixNano": 1, "asDouble": 1.0}]}}]}]}]});
    let body = body.to_string().replace("\"WORD\"", word);
    decoder().decode(Signal::Metrics, Encoding::Json, &body.into(), 0).expect("decodes")
}

#[test]
fn a_field_that_a_span_cannot_do_without_costs_the_span() {
    let at = "1 of 2 spans rejected: resourceSpans[0].scopeSpans[0].spans[0]";
    let whole = "a whole number of 64 bits, 0 or more, as text or number";
    for (key, value, expected) in [
        ("startTimeUnixNano", json!("soon"), format!("expected {whole}, found text \"soon\"")),
        ("startTimeUnixNano", json!(-1), format!("expected {whole}, found -1")),
        ("startTimeUnixNano", json!(1.5), format!("expected {whole}, found 1.5")),
        (
            "endTimeUnixNano",
            json!("18446744073709551616"),
            format!("expected {whole}, found text \"18446744073709551616\""),
        ),
        ("endTimeUnixNano", json!(true), format!("expected {whole}, found true")),
        ("traceId", json!(["a"]), "expected 32 hex digits, found a list".to_owned()),
        ("traceId", json!(7), "expected 32 hex digits, found 7".to_owned()),
        ("spanId", json!({}), "expected 16 hex digits, found an object".to_owned()),
        (
            "parentSpanId",
            json!("f1f2f3f4f5f6f7fg"),
            "expected 16 hex digits, found text \"f1f2f3f4f5f6f7fg\"".to_owned(),
        ),
    ] {
        let decoded = spans_with(key, value);
        assert_eq!((decoded.items, decoded.rejected.items), (1, vec![0]), "{key}");
        assert_eq!(decoded.rejected.message, format!("{at}.{key}: {expected}"));
    }
}

#[test]
fn a_field_that_a_span_can_do_without_costs_that_field() {
    let at = "1 attribute or field dropped: resourceSpans[0].scopeSpans[0].spans[0]";
    let word = "the number of an enum's value, or its name";
    let text: String = "x".repeat(80);
    for (key, value, place, expected) in [
        ("name", json!(5), "name", "expected text, found 5".to_owned()),
        ("traceState", json!([]), "traceState", "expected text, found a list".to_owned()),
        ("kind", json!("SERVER"), "kind", format!("expected {word}, found text \"SERVER\"")),
        ("kind", json!(2.5), "kind", format!("expected {word}, found 2.5")),
        ("kind", json!(4_294_967_296_u64), "kind", format!("expected {word}, found 4294967296")),
        (
            "flags",
            json!(4_294_967_296_u64),
            "flags",
            "expected a whole number of 32 bits, 0 or more, found 4294967296".to_owned(),
        ),
        (
            "flags",
            json!("many"),
            "flags",
            "expected a whole number of 32 bits, 0 or more, found text \"many\"".to_owned(),
        ),
        (
            "droppedLinksCount",
            json!(-1),
            "droppedLinksCount",
            "expected a whole number of 32 bits, 0 or more, found -1".to_owned(),
        ),
        ("status", json!("ok"), "status", "expected an object, found text \"ok\"".to_owned()),
        ("status", json!({"code": "BAD"}), "status.code", format!("expected {word}, found text \"BAD\"")),
        ("status", json!({"message": 7, "code": 2}), "status.message", "expected text, found 7".to_owned()),
        ("attributes", json!({}), "attributes", "expected a list, found an object".to_owned()),
        ("attributes", json!([1]), "attributes[0]", "expected an object, found 1".to_owned()),
        ("attributes", json!([null]), "attributes[0]", "expected an object, found null".to_owned()),
        (
            "attributes",
            json!([{"key": 5, "value": {"intValue": 1}}]),
            "attributes[0].key",
            "expected text, found 5".to_owned(),
        ),
        (
            "attributes",
            json!([{"key": "k", "value": "v"}]),
            "attributes[0].value",
            "expected an object, found text \"v\"".to_owned(),
        ),
        (
            "attributes",
            json!([{"key": "k", "value": {"boolValue": text}}]),
            "attributes[0].value.boolValue",
            format!("expected true or false, found text \"{}\"…", "x".repeat(60)),
        ),
        ("events", json!("none"), "events", "expected a list, found text \"none\"".to_owned()),
        (
            "events",
            json!([{"timeUnixNano": "x"}]),
            "events[0].timeUnixNano",
            "expected a whole number of 64 bits, 0 or more, as text or number, found text \"x\"".to_owned(),
        ),
        (
            "links",
            json!([{"traceId": "xyz"}]),
            "links[0].traceId",
            "expected 32 hex digits, found text \"xyz\"".to_owned(),
        ),
    ] {
        let decoded = spans_with(key, value);
        assert_eq!((decoded.items, &decoded.rejected.items), (2, &vec![]), "{key}");
        assert_eq!(decoded.rejected.message, format!("{at}.{place}: {expected}"));
    }
}

#[test]
fn an_odd_value_costs_its_attribute() {
    let deep = |levels: usize| {
        format!("{}{{\"intValue\":1}}{}", r#"{"arrayValue":{"values":["#.repeat(levels), "]}}".repeat(levels))
    };
    let deep_map = |levels: usize| {
        format!(
            "{}{{\"intValue\":1}}{}",
            r#"{"kvlistValue":{"values":[{"key":"k","value":"#.repeat(levels),
            "}]}}".repeat(levels)
        )
    };
    let nesting = "expected at most 32 lists or 21 maps within one another, found an object";
    let signed = "expected a whole number of 64 bits, as text or number, found";
    for (value, place, expected) in [
        (r#"{"intValue": 9223372036854775808}"#.to_owned(), ".intValue", format!("{signed} 9223372036854775808")),
        (
            r#"{"intValue": "-9223372036854775809"}"#.to_owned(),
            ".intValue",
            format!("{signed} text \"-9223372036854775809\""),
        ),
        (r#"{"intValue": 1e19}"#.to_owned(), ".intValue", format!("{signed} 1e19")),
        (r#"{"intValue": 1.5}"#.to_owned(), ".intValue", format!("{signed} 1.5")),
        (r#"{"intValue": true}"#.to_owned(), ".intValue", format!("{signed} true")),
        (r#"{"intValue": ""}"#.to_owned(), ".intValue", format!("{signed} text \"\"")),
        (r#"{"intValue": NaN}"#.to_owned(), ".intValue", format!("{signed} NaN")),
        (r#"{"intValue": 0x1F}"#.to_owned(), ".intValue", format!("{signed} 0x1F")),
        (r#"{"doubleValue": 1e999}"#.to_owned(), ".doubleValue", "expected a number, found 1e999".to_owned()),
        (r#"{"doubleValue": "soon"}"#.to_owned(), ".doubleValue", "expected a number, found text \"soon\"".to_owned()),
        (r#"{"boolValue": "true"}"#.to_owned(), ".boolValue", "expected true or false, found text \"true\"".to_owned()),
        (r#"{"boolValue": True}"#.to_owned(), ".boolValue", "expected true or false, found True".to_owned()),
        (r#"{"stringValue": 7}"#.to_owned(), ".stringValue", "expected text, found 7".to_owned()),
        (r#"{"bytesValue": "a"}"#.to_owned(), ".bytesValue", "expected bytes in base64, found text \"a\"".to_owned()),
        (
            r#"{"bytesValue": "a$=="}"#.to_owned(),
            ".bytesValue",
            "expected bytes in base64, found text \"a$==\"".to_owned(),
        ),
        (r#"{"arrayValue": [1]}"#.to_owned(), ".arrayValue", "expected an object, found a list".to_owned()),
        (
            r#"{"arrayValue": {"values": [1]}}"#.to_owned(),
            ".arrayValue.values[0]",
            "expected an object, found 1".to_owned(),
        ),
        (
            r#"{"kvlistValue": {"values": {"k": 1}}}"#.to_owned(),
            ".kvlistValue.values",
            "expected a list, found an object".to_owned(),
        ),
        (
            r#"{"kvlistValue": {"values": [null]}}"#.to_owned(),
            ".kvlistValue.values[0]",
            "expected an object, found null".to_owned(),
        ),
        (
            r#"{"arrayValue": {"values": [{"intValue": 1}, {"intValue": 0.5}]}}"#.to_owned(),
            ".arrayValue.values[1].intValue",
            format!("{signed} 0.5"),
        ),
        (r"[]".to_owned(), "", "expected an object, found a list".to_owned()),
        (deep(33), &*format!("{}.arrayValue", ".arrayValue.values[0]".repeat(32)), nesting.to_owned()),
        (deep(100_000), &*format!("{}.arrayValue", ".arrayValue.values[0]".repeat(32)), nesting.to_owned()),
        (deep_map(22), &*format!("{}.kvlistValue", ".kvlistValue.values[0].value".repeat(21)), nesting.to_owned()),
    ] {
        let decoded = attribute_of(&value);
        let row = &rows(&decoded, "spans")[0];
        assert_eq!((decoded.items, &row["attributes"]), (1, &json!({"good": "1"})), "{value}");
        let place = format!("resourceSpans[0].scopeSpans[0].spans[0].attributes[1].value{place}");
        let message = format!("1 attribute or field dropped: {place}: {expected}");
        assert_eq!(decoded.rejected, Rejected { items: Vec::new(), message });
    }
    for value in [deep(32), deep_map(21)] {
        assert_eq!(attribute_of(&value).rejected, Rejected::default());
    }
}

/// A point without one of its attributes would be of another series.
#[test]
fn a_fault_costs_the_data_point() {
    let at = "1 of 2 data points rejected: resourceMetrics[0].scopeMetrics[0].metrics[0].gauge.dataPoints[0]";
    for (point, odd, place, expected) in [
        (json!({"asInt": "WORD"}), "1.5", "asInt", "expected a whole number of 64 bits, as text or number, found 1.5"),
        (
            json!({"asInt": "WORD"}),
            "9223372036854775808",
            "asInt",
            "expected a whole number of 64 bits, as text or number, found 9223372036854775808",
        ),
        (json!({"asDouble": "WORD"}), "1e400", "asDouble", "expected a number, found 1e400"),
        (
            json!({"asDouble": 1, "timeUnixNano": "WORD"}),
            "undefined",
            "timeUnixNano",
            "expected a whole number of 64 bits, 0 or more, as text or number, found undefined",
        ),
        (
            json!({"asDouble": 1, "flags": "WORD"}),
            "-1",
            "flags",
            "expected a whole number of 32 bits, 0 or more, found -1",
        ),
        (
            json!({"asDouble": 1, "attributes": [{"key": "k", "value": {"intValue": "WORD"}}]}),
            "1.5",
            "attributes[0].value.intValue",
            "expected a whole number of 64 bits, as text or number, found 1.5",
        ),
    ] {
        let decoded = word(point, odd);
        assert_eq!((decoded.items, &decoded.rejected.items), (1, &vec![0]), "{odd}");
        assert_eq!(decoded.rejected.message, format!("{at}.{place}: {expected}"));
    }
    let decoded = word(json!({"asDouble": "WORD", "exemplars": [{"asInt": "x"}, {"asDouble": 1}]}), "NaN");
    assert_eq!((decoded.items, decoded.rejected.items.len()), (2, 0));
    assert!(decoded.rejected.message.contains("exemplars[0].asInt: expected"), "{}", decoded.rejected.message);
}

#[test]
fn a_fault_of_a_metric_costs_its_points_and_no_others() {
    let metric = |temporality: Json| json!({"name": "m", "sum": {"isMonotonic": true, "dataPoints": [{"asInt": "bad"}, {"asInt": 2}], "aggregationTemporality": temporality}});
    let good = json!({"name": "n", "gauge": {"dataPoints": [{"asInt": 3}]}});
    let body = |metrics: &[Json]| json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]});
    let decoded = decode_json(Signal::Metrics, &body(&[good.clone(), metric(json!("SOMETIMES")), good.clone()]))
        .expect("decodes");
    assert_eq!((decoded.items, decoded.rejected.items), (2, vec![1, 2]));
    let message = &decoded.rejected.message;
    assert!(message.starts_with("2 of 4 data points rejected: resourceMetrics[0].scopeMetrics[0].metrics[1].sum.aggregationTemporality: expected"), "{message}");
    // Two kinds of data: the last one counts, and only its points are numbered.
    let both = json!({"name": "b", "gauge": {"dataPoints": [{"asInt": "bad"}, {"asInt": 1}]}, "sum": {"dataPoints": [{"asInt": 2}, {"asInt": "bad"}]}});
    let decoded = decode_json(Signal::Metrics, &body(&[both, good])).expect("decodes");
    assert_eq!((decoded.items, &decoded.rejected.items), (2, &vec![1]), "{}", decoded.rejected.message);
    assert_eq!(
        (&rows(&decoded, "metrics")[0]["kind"], &rows(&decoded, "metrics")[0]["value"]),
        (&json!("sum"), &json!(2.0))
    );
}

#[test]
fn a_resource_s_or_a_scope_s_fault_costs_no_item() {
    let span = json!({"traceId": "0102030405060708090a0b0c0d0e0f10", "spanId": "f1f2f3f4f5f6f7f8", "startTimeUnixNano": 1, "endTimeUnixNano": 2});
    let odd = json!([
        {"resource": {"attributes": [{"key": "n", "value": {"intValue": 0.5}}, {"key": "service.name", "value": {"stringValue": "shop"}}]},
         "schemaUrl": 5, "scopeSpans": [{"scope": {"name": 7}, "spans": [span]}, 5]},
        {"resource": "shop", "scopeSpans": [{"scope": [], "spans": [7, span]}]},
        "nothing",
    ]);
    let decoded = decode_json(Signal::Traces, &json!({"resourceSpans": odd})).expect("decodes");
    assert_eq!((decoded.items, decoded.rejected.items.len()), (2, 0));
    assert_eq!(rows(&decoded, "spans")[0]["service_name"], "shop");
    assert!(decoded.rejected.message.starts_with("8 attributes or fields dropped: "), "{}", decoded.rejected.message);
    assert!(decoded.rejected.message.ends_with("; and 3 more"), "{}", decoded.rejected.message);
}

#[test]
fn a_log_record_keeps_what_can_be_read() {
    let record = json!({"timeUnixNano": "soon", "severityNumber": "LOUD", "body": {"intValue": 0.5}, "attributes": [{"key": "k", "value": {"stringValue": "v"}}]});
    let body = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [record, {"body": {"stringValue": "good"}}]}]}]});
    let decoded = decode_json(Signal::Logs, &body).expect("decodes");
    let logs = rows(&decoded, "logs");
    assert_eq!((decoded.items, &logs[0]["attributes"], &logs[1]["body"]), (2, &json!({"k": "v"}), &json!("good")));
    assert!(decoded.rejected.message.starts_with("3 attributes or fields dropped: "), "{}", decoded.rejected.message);
}
