use super::*;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ScopeLogs};
use serde_json::{Value as Json, json};

fn record(body: &str) -> LogRecord {
    LogRecord {
        time_unix_nano: 1_700_000_000_123_456_789,
        severity_number: 17,
        body: Some(AnyValue { value: Some(Value::StringValue(body.to_owned())) }),
        ..LogRecord::default()
    }
}

fn mapped(log_records: Vec<LogRecord>) -> Mapped {
    let scope = ScopeLogs { log_records, ..ScopeLogs::default() };
    let resource = ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() };
    map("own", &ExportLogsServiceRequest { resource_logs: vec![resource] }.encode_to_vec().into()).unwrap()
}

fn items(payload: &Payload) -> Vec<Json> {
    serde_json::from_slice(&payload.body).unwrap()
}

#[test]
fn a_record_of_no_host_is_of_this_one() {
    let mapped = mapped(vec![record("out of stock")]);
    let item = json!({
        "ddsource": "otlp_log_ingestion", "ddtags": "otel_source:datadog_exporter", "hostname": "own",
        "message": "out of stock", "status": "error", "otel.severity_number": "17",
        "otel.timestamp": "1700000000123456789", "@timestamp": "2023-11-14T22:13:20.123Z",
    });
    assert_eq!(items(&mapped.payloads[0]), [item]);
}

#[test]
fn a_payload_has_no_more_than_a_thousand_records_and_is_cut_between_them() {
    let mapped = mapped(vec![record("x"); 2001]);
    let numbers: Vec<u64> = mapped.payloads.iter().map(|payload| payload.items).collect();
    assert_eq!(numbers, [1000, 1000, 1]);
    let (first, rest) = split(&mapped.payloads[1]).unwrap();
    assert_eq!((first.items, items(&first).len(), rest.items, items(&rest).len()), (500, 500, 500, 500));
    assert_eq!(split(&mapped.payloads[2]), None);
}

#[test]
fn a_record_larger_than_any_request_is_told() {
    let mapped = mapped(vec![record("small"), record(&"x".repeat(5_000_000)), record("small")]);
    assert_eq!((mapped.payloads.len(), mapped.payloads[0].items, mapped.rejected[0].items), (1, 2, 1));
}

#[test]
fn times_are_written_with_milliseconds() {
    // Checked with `date -u`.
    let known = [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_400_000_000_000, "2000-02-29T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (4_102_444_799_999_999_999, "2099-12-31T23:59:59.999Z"),
    ];
    known.iter().for_each(|(time, text)| assert_eq!(time::text(*time), *text));
}
