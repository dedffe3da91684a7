use super::json;
use super::settings::{FileFormat, FileSettings, Rotation};
use super::writer::Writer;
use crate::model::signal::Signal;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use std::path::Path;
use std::time::Duration;

fn settings(path: &Path) -> FileSettings {
    FileSettings {
        path: path.to_owned(),
        format: FileFormat::Json,
        is_compressed: false,
        creates_folder: false,
        rotation: None,
    }
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// Written by hand from the specification.
#[test]
fn a_span_is_written_as_otlp_json() {
    let list = ArrayValue { values: vec![AnyValue { value: Some(Value::DoubleValue(0.0)) }, AnyValue::default()] };
    let span = Span {
        trace_id: vec![0xab; 16],
        span_id: vec![1; 8],
        name: "GET \"/ä\"\n".to_owned(),
        kind: 2,
        start_time_unix_nano: 1_700_000_000_000_000_001,
        attributes: vec![
            attribute("n", Value::IntValue(-7)),
            attribute("empty", Value::StringValue(String::new())),
            attribute("b", Value::BytesValue(vec![0xff, 0])),
            attribute("list", Value::ArrayValue(list)),
        ],
        ..Span::default()
    };
    let resource = Resource { attributes: vec![attribute("ok", Value::BoolValue(false))], ..Resource::default() };
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }];
    let text = json::text(Signal::Traces, &ExportTraceServiceRequest { resource_spans }.encode_to_vec()).unwrap();
    assert_eq!(
        String::from_utf8(text).unwrap(),
        concat!(
            r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"ok","value":{"boolValue":false}}]},"scopeSpans":[{"spans":[{"#,
            r#""traceId":"abababababababababababababababab","spanId":"0101010101010101","name":"GET \"/ä\"\n","kind":2,"#,
            r#""startTimeUnixNano":"1700000000000000001","attributes":[{"key":"n","value":{"intValue":"-7"}},"#,
            r#"{"key":"empty","value":{"stringValue":""}},{"key":"b","value":{"bytesValue":"/wA="}},"#,
            r#"{"key":"list","value":{"arrayValue":{"values":[{"doubleValue":0.0},{}]}}}]}]}]}]}"#
        )
    );
}

#[test]
fn numbers_that_json_does_not_have_are_text() {
    let point = |number| NumberDataPoint { value: Some(Number::AsDouble(number)), ..NumberDataPoint::default() };
    let data_points = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e300].map(point).to_vec();
    let metric = Metric { data: Some(Data::Gauge(Gauge { data_points })), ..Metric::default() };
    let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
    let request = ExportMetricsServiceRequest { resource_metrics }.encode_to_vec();
    let text = String::from_utf8(json::text(Signal::Metrics, &request).unwrap()).unwrap();
    let points = r#"[{"asDouble":"NaN"},{"asDouble":"Infinity"},{"asDouble":"-Infinity"},{"asDouble":-0.0},{"asDouble":1e+300}]"#;
    assert_eq!(
        text,
        format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"gauge":{{"dataPoints":{points}}}}}]}}]}}]}}"#
        )
    );
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
}

#[test]
fn a_file_is_renamed_when_it_is_full_and_the_oldest_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("traces.json");
    let other = folder.path().join("traces-of-mine.json");
    std::fs::write(&other, "kept").unwrap();
    let rotation = Rotation { bytes_max: 10, age_max: Duration::ZERO, backups_max: 2 };
    let mut writer = Writer::open(&FileSettings { rotation: Some(rotation), ..settings(&path) }).unwrap();
    for request in ["11111", "22", "333", "4444444444444", "55555555"] {
        writer.write(request.as_bytes()).unwrap();
    }
    let found = names(folder.path());
    let (backups, rest) = found.split_at(2);
    assert_eq!(rest, ["traces-of-mine.json", "traces.json"]);
    let read = |name: &String| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(backups.iter().map(read).collect::<Vec<_>>(), ["333\n", "4444444444444\n"], "11111 and 22 are deleted");
    assert_eq!(read(&rest[1]), "55555555\n");
    // traces-2026-11-30T12-00-00.000.json
    assert!(
        backups.iter().all(|name| name.len() == "traces.json".len() + 24 && name.starts_with("traces-20")),
        "{backups:?}"
    );
    // Too old, by the time in its name.
    std::fs::write(folder.path().join("traces-2001-01-01T00-00-00.000.json"), "").unwrap();
    std::fs::write(folder.path().join("traces-2001-01-01T00-00-00.000-size.json"), "").unwrap();
    drop(writer);
    std::fs::write(&path, "{\"resourceSpans\":[]}\n").unwrap();
    let rotation = Rotation { bytes_max: 10, age_max: Duration::from_hours(24), backups_max: 0 };
    let mut writer = Writer::open(&FileSettings { rotation: Some(rotation), ..settings(&path) }).unwrap();
    writer.write(b"66").unwrap();
    assert_eq!(names(folder.path()).len(), 5, "three renamed files: {:?}", names(folder.path()));
}

#[test]
fn an_incomplete_request_at_the_end_is_removed_and_the_rest_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    for (lines, start, torn) in [
        (true, &b"{\"resourceSpans\":[]}\n"[..], &b"{\"resou"[..]),
        (true, b"", b"{\"resourceSpans\":[{"),
        (false, b"\0\0\0\x02\x0ab", b"\0\0\0\x09abc"),
        (false, b"\0\0\0\x02\x0ab", b"\0\0"),
        (false, b"", b"\0\0\0\x09\x0abc"),
    ] {
        let path = folder.path().join("file");
        std::fs::write(&path, [start, torn].concat()).unwrap();
        let format = if lines { FileFormat::Json } else { FileFormat::Proto };
        let settings = FileSettings { format, ..settings(&path) };
        let mut writer = Writer::open(&settings).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), start);
        let busy = Writer::open(&settings).err().expect("only one may write").to_string();
        assert_eq!(busy, "is locked by another exporter or process");
        writer.write(b"xyz").unwrap();
        let added: &[u8] = if lines { b"xyz\n" } else { b"\0\0\0\x03xyz" };
        assert_eq!(std::fs::read(&path).unwrap(), [start, added].concat());
    }
}

/// Nothing is removed from a file that is not of the format.
#[test]
fn a_file_of_another_format_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let lines = settings(&path);
    let protobuf = FileSettings { format: FileFormat::Proto, ..settings(&path) };
    let compressed = FileSettings { is_compressed: true, ..settings(&path) };
    for (content, settings) in [
        (&b"notes of mine"[..], &lines),
        (b"notes\nof mine\n", &lines),
        (b"{\"resourceSpans\":[]}\n", &protobuf),
        (b"{\"resourceSpans\":[]}\n", &compressed),
        (b"\0\0\0\x02\x0ab", &compressed),
        (b"\0\0\0\x02\x0ab", &lines),
    ] {
        std::fs::write(&path, content).unwrap();
        let error = Writer::open(settings).err().expect("another format").to_string();
        assert_eq!(error, "the file has data of another format; set another `path`");
        assert_eq!(std::fs::read(&path).unwrap(), content);
    }
}

/// If the file is gone, the next rotation begins a new one; if another one has its name, that is not renamed.
#[test]
fn a_rotation_renames_only_its_own_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let rotation = Rotation { bytes_max: 4, age_max: Duration::ZERO, backups_max: 0 };
    let mut writer = Writer::open(&FileSettings { rotation: Some(rotation), ..settings(&path) }).unwrap();
    writer.write(b"111").unwrap();
    std::fs::rename(&path, folder.path().join("renamed")).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(writer.write(b"222").is_err());
    assert_eq!(names(folder.path()), ["file", "renamed"]);
    std::fs::remove_dir(&path).unwrap();
    writer.write(b"222").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"222\n");
    assert_eq!(std::fs::read(folder.path().join("renamed")).unwrap(), b"111\n");
}

/// As logrotate does with `copytruncate`.
#[test]
fn a_file_that_was_emptied_begins_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let mut writer = Writer::open(&settings(&path)).unwrap();
    writer.write(b"111").unwrap();
    std::fs::write(&path, "").unwrap();
    writer.write(b"2").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"2\n");
}

#[test]
fn the_end_of_a_long_last_line_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let long = "x".repeat(200_000);
    std::fs::write(&path, format!("{{\"resource{long}\n{long}")).unwrap();
    let _writer = Writer::open(&settings(&path)).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 200_011);
}
