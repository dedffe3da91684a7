//! An odd value loses at most its attribute or item: Spanwise and a real Collector receive the same body with an odd item and a
//! good one. Spanwise accepts the good item always, and the odd one if the Collector does.

use crate::support::config::Setup;
use crate::support::otlp::post;
use crate::support::peers::Collector;
use crate::support::server::Server;
use crate::support::{heavy, until};
use serde_json::Value;
use std::fmt::Write as _;
use std::time::Duration;

/// A body and the expected result.
struct Case {
    name: &'static str,
    signal: &'static str,
    /// Replaces `¤` in the signal's body.
    odd: &'static str,
    /// Whether the odd item is stored.
    kept: bool,
    /// Expected text in the partial success; empty if there is none.
    told: &'static str,
}

const fn case(name: &'static str, signal: &'static str, odd: &'static str, kept: bool, told: &'static str) -> Case {
    Case { name, signal, odd, kept, told }
}

/// A case with an attribute value of a span, or the body of a log record.
const fn value(name: &'static str, odd: &'static str, told: &'static str) -> Case {
    case(name, "attribute", odd, true, told)
}

const fn field(name: &'static str, odd: &'static str, kept: bool, told: &'static str) -> Case {
    case(name, "traces", odd, kept, told)
}

const fn point(name: &'static str, odd: &'static str, kept: bool, told: &'static str) -> Case {
    case(name, "metrics", odd, kept, told)
}

const CASES: &[Case] = &[
    // Integers.
    value(
        "int beyond 64 bits",
        r#"{"intValue": 9223372036854775808}"#,
        "intValue: expected a whole number of 64 bits, as text or number, found 9223372036854775808",
    ),
    value("int as text beyond 64 bits", r#"{"intValue": "-9223372036854775809"}"#, "intValue: expected a whole number"),
    value(
        "int with a fraction",
        r#"{"intValue": 2.5}"#,
        "intValue: expected a whole number of 64 bits, as text or number, found 2.5",
    ),
    value("int with a zero fraction", r#"{"intValue": 2.0}"#, ""),
    value("int with an exponent", r#"{"intValue": 9.007199254740993e15}"#, ""),
    value("int as text with an exponent", r#"{"intValue": "9.223372036854775807E+18"}"#, ""),
    value("int as text", r#"{"intValue": "-7"}"#, ""),
    value("int as an empty text", r#"{"intValue": ""}"#, "intValue: expected a whole number"),
    value("int as truth", r#"{"intValue": true}"#, "found true"),
    value("int as a list", r#"{"intValue": [1]}"#, "found a list"),
    value("int as null", r#"{"intValue": null}"#, ""),
    // Other values.
    value("double beyond doubles", r#"{"doubleValue": 1e999}"#, "doubleValue: expected a number, found 1e999"),
    value("double as text", r#"{"doubleValue": "1.5"}"#, ""),
    value("double NaN as text", r#"{"doubleValue": "NaN"}"#, ""),
    value("double -Infinity as text", r#"{"doubleValue": "-Infinity"}"#, ""),
    value("double NaN as Python writes it", r#"{"doubleValue": NaN}"#, ""),
    value("bool as text", r#"{"boolValue": "true"}"#, "boolValue: expected true or false"),
    value("bool as Python writes it", r#"{"boolValue": True}"#, "boolValue: expected true or false, found True"),
    value("string as a number", r#"{"stringValue": 5}"#, "stringValue: expected text, found 5"),
    value("string with half a letter", r#"{"stringValue": "\ud800"}"#, ""),
    value("string with an escape that is none", r#"{"stringValue": "\x41"}"#, ""),
    value("string with a tab in it", "{\"stringValue\": \"a\tb\"}", ""),
    value("bytes in base64", r#"{"bytesValue": "+/8="}"#, ""),
    value("bytes in base64 for URLs", r#"{"bytesValue": "-_8"}"#, ""),
    value("bytes that are none", r#"{"bytesValue": "%%%%"}"#, "bytesValue: expected bytes in base64"),
    value("a list of bare values", r#"{"arrayValue": {"values": ["a"]}}"#, "arrayValue.values[0]: expected an object"),
    value("a list without values", r#"{"arrayValue": {}}"#, ""),
    value("a map that is one", r#"{"kvlistValue": {"values": {"k": "v"}}}"#, "kvlistValue.values: expected a list"),
    value("a map with a key twice", r#"{"kvlistValue": {"values": [{"key": "k"}, {"key": "k"}]}}"#, ""),
    value("two values", r#"{"intValue": 5, "stringValue": "x"}"#, ""),
    value("no value", "{}", ""),
    value("a bare value", r#""x""#, "expected an object, found text"),
    value("a kind that nobody knows", r#"{"futureValue": {"a": [1]}}"#, ""),
    value("names of the proto files", r#"{"kvlist_value": {"values": [{"key": "k", "value": {"int_value": 1}}]}}"#, ""),
    // Fields of spans.
    field(
        "time with an exponent",
        r#""startTimeUnixNano": 1.796e18, "endTimeUnixNano": "1.796000000000000001e18""#,
        true,
        "",
    ),
    field(
        "time with a zero fraction",
        r#""startTimeUnixNano": 1796000000000000000.0, "endTimeUnixNano": "1796000000000000001.000""#,
        true,
        "",
    ),
    field(
        "time of the proto files' name",
        r#""start_time_unix_nano": "1796000000000000000", "end_time_unix_nano": "1796000000000000001""#,
        true,
        "",
    ),
    field(
        "time that is none",
        r#""startTimeUnixNano": "soon", "endTimeUnixNano": 2"#,
        false,
        "startTimeUnixNano: expected a whole number of 64 bits, 0 or more, as text or number, found text \"soon\"",
    ),
    field("time below zero", r#""startTimeUnixNano": -1, "endTimeUnixNano": 2"#, false, "found -1"),
    field("an end before the start", r#""startTimeUnixNano": "20", "endTimeUnixNano": "10""#, true, ""),
    field("a kind by name", r#""startTimeUnixNano": 1, "endTimeUnixNano": 2, "kind": "SPAN_KIND_SERVER""#, true, ""),
    field(
        "a kind that is none",
        r#""startTimeUnixNano": 1, "endTimeUnixNano": 2, "kind": "SERVER""#,
        true,
        "kind: expected the number of an enum's value, or its name",
    ),
    field("a kind of the future", r#""startTimeUnixNano": 1, "endTimeUnixNano": 2, "kind": 99"#, true, ""),
    field(
        "a short id",
        r#""startTimeUnixNano": 1, "endTimeUnixNano": 2, "spanId": "abcd""#,
        false,
        "spanId: expected 8 bytes, found 2",
    ),
    field(
        "an id in base64",
        r#""startTimeUnixNano": 1, "endTimeUnixNano": 2, "traceId": "W47/95gDgQPSabYzgT/GDA==""#,
        false,
        "traceId: expected 32 hex digits",
    ),
    field(
        "an id as a number",
        r#""startTimeUnixNano": 1, "endTimeUnixNano": 2, "traceId": 7"#,
        false,
        "traceId: expected 32 hex digits, found 7",
    ),
    field(
        "flags beyond 32 bits",
        r#""startTimeUnixNano": 1, "endTimeUnixNano": 2, "flags": 4294967296"#,
        true,
        "flags: expected a whole number of 32 bits",
    ),
    field(
        "a status that is a word",
        r#""startTimeUnixNano": 1, "endTimeUnixNano": 2, "status": "OK""#,
        true,
        "status: expected an object",
    ),
    field(
        "attributes that are a map",
        r#""startTimeUnixNano": 1, "endTimeUnixNano": 2, "attributes": {"a": 1}"#,
        true,
        "attributes: expected a list, found an object",
    ),
    field(
        "an attribute that is null",
        r#""startTimeUnixNano": 1, "endTimeUnixNano": 2, "attributes": [null]"#,
        true,
        "attributes[0]: expected an object, found null",
    ),
    field(
        "everything null",
        r#""startTimeUnixNano": 1, "endTimeUnixNano": 2, "attributes": null, "events": null, "links": null, "status": null, "kind": null, "traceState": null, "parentSpanId": null"#,
        true,
        "",
    ),
    field("a key twice", r#""startTimeUnixNano": 1, "endTimeUnixNano": 2, "kind": 1, "kind": 2"#, true, ""),
    // Data points.
    point("point with a fraction as int", r#""asInt": 1.5"#, false, "asInt: expected a whole number"),
    point("point with a zero fraction as int", r#""asInt": "3.0""#, true, ""),
    point("point with both values", r#""asInt": 3, "asDouble": 1.5"#, true, ""),
    point(
        "point with an odd attribute",
        r#""asInt": 3, "attributes": [{"key": "k", "value": {"intValue": 0.5}}]"#,
        false,
        "attributes[0].value.intValue: expected a whole number",
    ),
    // Log records.
    case(
        "a record's time that is none",
        "logs",
        r#""timeUnixNano": "soon""#,
        true,
        "timeUnixNano: expected a whole number",
    ),
    case("a severity by name", "logs", r#""severityNumber": "SEVERITY_NUMBER_WARN""#, true, ""),
];

impl Case {
    fn path(&self) -> &'static str {
        match self.signal {
            "metrics" => "/v1/metrics",
            "logs" => "/v1/logs",
            _ => "/v1/traces",
        }
    }

    /// Returns a body with the odd item and a good one after it. Names are unique per case, because an identical body counts as
    /// a resend.
    fn body(&self) -> String {
        let (name, odd) = (self.name, self.odd);
        let span = |fields: &str| {
            format!(r#"{{"traceId": "0102030405060708090a0b0c0d0e0f10", "spanId": "f1f2f3f4f5f6f7f8", {fields}}}"#)
        };
        let times = r#""startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000000000000001""#;
        match self.signal {
            "metrics" => format!(
                r#"{{"resourceMetrics": [{{"scopeMetrics": [{{"metrics": [{{"name": "{name}", "gauge": {{"dataPoints": [{{{odd}}}, {{"asInt": "1"}}]}}}}]}}]}}]}}"#
            ),
            "logs" => format!(
                r#"{{"resourceLogs": [{{"scopeLogs": [{{"logRecords": [{{"eventName": "{name}", {odd}}}, {{"eventName": "{name}"}}]}}]}}]}}"#
            ),
            "traces" => format!(
                r#"{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{}, {}]}}]}}]}}"#,
                span(&format!(r#""name": "{name}", {odd}"#)),
                span(&format!(r#""name": "{name}", {times}"#))
            ),
            _ => format!(
                r#"{{"resourceSpans": [{{"scopeSpans": [{{"spans": [{}, {}]}}]}}]}}"#,
                span(&format!(
                    r#""name": "{name}", {times}, "attributes": [{{"key": "good", "value": {{"intValue": 1}}}}, {{"key": "odd", "value": {odd}}}]"#
                )),
                span(&format!(
                    r#""name": "{name}", {times}, "attributes": [{{"key": "good", "value": {{"intValue": 1}}}}]"#
                ))
            ),
        }
    }

    /// Returns how many of the case's items the Collector wrote.
    fn counted(&self, written: &[Value]) -> usize {
        let text = format!("\"{}\"", self.name);
        // A metric's name occurs once, for all its points.
        let requests = written.iter().map(Value::to_string).filter(|request| request.contains(&text));
        requests
            .map(|request| match self.signal {
                "metrics" => request.matches("\"asInt\"").count() + request.matches("\"asDouble\"").count(),
                _ => request.matches(&text).count(),
            })
            .sum()
    }

    /// Returns the query for the stored items.
    fn query(&self) -> String {
        let name = self.name.replace('\'', "''");
        match self.signal {
            "metrics" => format!("SELECT count(*) FROM metrics WHERE name = '{name}'"),
            "logs" => format!("SELECT count(*) FROM logs WHERE event_name = '{name}'"),
            "traces" => format!("SELECT count(*) FROM spans WHERE name = '{name}'"),
            _ => format!("SELECT count(*) FROM spans WHERE name = '{name}' AND attributes['good'] = '1'"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odd_value_costs_no_more_than_its_attribute_or_its_item() {
    let _turn = heavy().await;
    let mut collector = Collector::writing_files();
    collector.launch();
    collector.ready().await;
    let server = Server::start(Setup::default()).await;
    let json = [("content-type", "application/json")];
    let mut answers = Vec::new();
    for case in CASES {
        let ours = post(&server.http_url(case.path()), &json, case.body()).await.expect("an answer");
        let url = format!("http://127.0.0.1:{}{}", collector.http, case.path());
        let theirs = post(&url, &json, case.body()).await.expect("an answer");
        answers.push((ours, theirs.status));
    }
    // The Collector writes shortly after it has answered; the last item is good.
    let taken = answers.iter().filter(|(_, status)| *status == 200).count();
    until("the Collector to have written all that it took", Duration::from_secs(30), || async {
        let found = collector.written().len();
        if found == taken { Ok(()) } else { Err(format!("{found} of {taken} requests")) }
    })
    .await;
    let written = collector.written();
    let (mut table, mut wrong) =
        (String::from("an odd item and a good one: items stored here, and by the Collector"), Vec::new());
    for (case, (answer, status)) in CASES.iter().zip(&answers) {
        let told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let told = told["partialSuccess"]["errorMessage"].as_str().unwrap_or_default();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "one or two")]
        let ours = server.number(&case.query()).await as usize;
        let theirs = case.counted(&written);
        let there = if *status == 200 { theirs.to_string() } else { format!("{status}") };
        let _ = write!(table, "\n  {:<38} {ours}   {there:<4} {told}", case.name);
        let wanted = 1 + usize::from(case.kept);
        let is_told = if case.told.is_empty() { told.is_empty() } else { told.contains(case.told) };
        if answer.status != 200 || ours != wanted || !is_told || (*status == 200 && theirs > ours) {
            wrong.push(format!(
                "{}: expected 200, {wanted}, {:?}; found {}, {ours}, {told:?}; the Collector: {there}",
                case.name, case.told, answer.status
            ));
        }
    }
    println!("{table}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A body with the field names of the proto files and a byte order mark; the Collector accepts such names.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_in_snake_case_is_stored() {
    let server = Server::start(Setup::default()).await;
    let body = "\u{feff}{\"resource_spans\": [{\"resource\": {\"attributes\": [{\"key\": \"service.name\", \"value\": {\"string_value\": \"snake\"}}]}, \
        \"scope_spans\": [{\"spans\": [{\"trace_id\": \"0102030405060708090a0b0c0d0e0f10\", \"span_id\": \"f1f2f3f4f5f6f7f8\", \"name\": \"n\", \
        \"kind\": 2, \"start_time_unix_nano\": \"1700000000000000000\", \"end_time_unix_nano\": \"1700000000005000000\"}]}]}]}";
    let answer = post(&server.http_url("/v1/traces"), &[("content-type", "application/json")], body).await;
    let answer = answer.expect("an answer");
    assert_eq!((answer.status, answer.text().as_str()), (200, "{}"));
    server.until_number("SELECT max(duration_ms) FROM spans WHERE service_name = 'snake'", 5.0).await;
}
