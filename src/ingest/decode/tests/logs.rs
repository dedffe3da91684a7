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
fn a_record_with_an_id_of_the_wrong_length_is_refused() {
    let bad = LogRecord { span_id: vec![1; 3], ..LogRecord::default() };
    let decoded = decode(Signal::Logs, &request(vec![LogRecord::default(), bad]));
    assert_eq!((decoded.items, decoded.rejected.items), (1, vec![1]));
    let reason = "resourceLogs[0].scopeLogs[0].logRecords[1].spanId: expected 8 bytes, found 3";
    assert_eq!(decoded.rejected.message, format!("1 of 2 log records rejected: {reason}"));
}
