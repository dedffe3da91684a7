use super::*;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use serde_json::json;

pub(super) fn request(log_records: Vec<LogRecord>) -> ExportLogsServiceRequest {
    let scope_logs = vec![ScopeLogs { scope: scope(), log_records, ..ScopeLogs::default() }];
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs { resource: shop(), scope_logs, ..ResourceLogs::default() }],
    }
}

fn row(record: LogRecord) -> Json {
    rows(&decode(Signal::Logs, &request(vec![record])), "logs").remove(0)
}

#[test]
fn a_record_s_columns_are_right() {
    let record = LogRecord {
        time_unix_nano: 1_600_000_000_000_000_000,
        observed_time_unix_nano: 1_600_000_000_000_000_007,
        severity_number: 17,
        severity_text: "ERROR".into(),
        body: Some(string("it broke")),
        attributes: vec![attribute("k", number(1))],
        trace_id: vec![0xaa; 16],
        span_id: vec![0xbb; 8],
        event_name: "e".into(),
        ..LogRecord::default()
    };
    assert_eq!(
        row(record),
        json!({
            "time": "2020-09-13T12:26:40Z", "time_unix_nano": 1_600_000_000_000_000_000_i64,
            "observed_time_unix_nano": 1_600_000_000_000_000_007_i64, "severity_number": 17, "severity_text": "ERROR",
            "body": "it broke", "event_name": "e", "trace_id": "aa".repeat(16), "span_id": "bb".repeat(8),
            "service_name": "shop", "scope_name": "lib", "attributes": {"k": "1"},
            "resource_attributes": {"host.name": "h1"},
        })
    );
}

#[test]
fn a_record_s_time_is_the_best_there_is() {
    assert_eq!(row(LogRecord { observed_time_unix_nano: 7, ..LogRecord::default() })["time_unix_nano"], 7);
    assert_eq!(row(LogRecord::default())["time_unix_nano"], RECEIVED);
}

#[test]
fn a_body_that_is_not_text_is_json_and_the_old_event_name_counts() {
    let map = KeyValueList { values: vec![attribute("name", string("lcp"))] };
    let body = Some(AnyValue { value: Some(Value::KvlistValue(map)) });
    let attributes = vec![attribute("event.name", string("browser.web_vital"))];
    let row = row(LogRecord { body, attributes, trace_id: vec![0; 16], ..LogRecord::default() });
    assert_eq!((&row["body"], &row["event_name"]), (&json!("{\"name\":\"lcp\"}"), &json!("browser.web_vital")));
    assert_eq!(row.get("trace_id"), None);
}

#[test]
fn a_record_is_kept_without_an_id_that_cannot_be_read() {
    let bad = LogRecord { trace_id: vec![1; 16], span_id: vec![1; 3], ..LogRecord::default() };
    let request = request(vec![LogRecord::default(), bad]);
    let decoded = decode(Signal::Logs, &request);
    assert_eq!((decoded.items, &decoded.rejected.items[..]), (2, &[][..]));
    assert_eq!(decoded.rejected.message, "1 attribute or field dropped: spanId: expected 8 bytes, found 3");
    let row = rows(&decoded, "logs").remove(1);
    assert_eq!((&row["trace_id"], row.get("span_id")), (&json!("01".repeat(16)), None));
    let forwarded = ExportLogsServiceRequest::decode(forwarded_as(Signal::Logs, request.encode_to_vec().into()))
        .expect("is protobuf");
    let sent = &forwarded.resource_logs[0].scope_logs[0].log_records[1];
    assert_eq!((sent.trace_id.len(), sent.span_id.len()), (16, 0));

    let body = json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [
        {"traceId": "W47/95gDgQPSabYzgT/GDA==", "spanId": 7, "body": {"stringValue": "base64"}},
        {"traceId": "abc", "spanId": "0102030405060708", "body": {"stringValue": "odd"}},
        {"traceId": "0102", "body": {"stringValue": "short"}},
    ]}]}]});
    let decoded = decode_json(Signal::Logs, &body).expect("is kept");
    assert_eq!((decoded.items, &decoded.rejected.items[..]), (3, &[][..]));
    assert!(decoded.rejected.message.starts_with("4 attributes or fields dropped: "), "{}", decoded.rejected.message);
    let kept: Vec<Json> =
        rows(&decoded, "logs").into_iter().map(|row| json!([row["body"], row.get("span_id")])).collect();
    assert_eq!(kept, [json!(["base64", null]), json!(["odd", "0102030405060708"]), json!(["short", null])]);
}
