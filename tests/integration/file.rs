//! The file exporter. A real Collector reads the files. It is not in the contract tests of all exporters, whose targets answer
//! over a network: here `kill -9`, a full disk and the format are tested.

use crate::support::config::Setup;
use crate::support::otlp::{post, route_span, send, span, text, traces};
use crate::support::peers::Collector;
use crate::support::server::Server;
use crate::support::until;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;
use rand::{Rng as _, SeedableRng as _};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const TIME: u64 = 1_796_000_000_000_000_001;

fn any(value: Any) -> AnyValue {
    AnyValue { value: Some(value) }
}

/// Attributes with values of all types, and their odd ones.
fn attributes() -> Vec<KeyValue> {
    let list = ArrayValue { values: vec![any(Any::IntValue(i64::MIN)), any(Any::StringValue(String::new()))] };
    let map = KeyValueList { values: vec![text("in", "side")] };
    let values = [
        Any::StringValue("tab\t \"quoted\" ü\u{2028}😀".to_owned()),
        Any::BoolValue(false),
        Any::IntValue(i64::MAX),
        Any::DoubleValue(0.1),
        Any::DoubleValue(f64::NAN),
        Any::DoubleValue(f64::NEG_INFINITY),
        Any::BytesValue(vec![0, 255, 62]),
        Any::ArrayValue(list),
        Any::KvlistValue(map),
    ];
    let attribute =
        |(number, value)| KeyValue { key: format!("k{number}"), value: Some(any(value)), ..KeyValue::default() };
    values.into_iter().enumerate().map(attribute).collect()
}

fn resource() -> Resource {
    Resource { attributes: attributes(), dropped_attributes_count: 3, ..Resource::default() }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "lib".into(),
        version: "1.2".into(),
        attributes: attributes(),
        dropped_attributes_count: 4,
    }
}

fn all_of_traces() -> ExportTraceServiceRequest {
    let (trace_id, span_id) = (vec![0xfe; 16], vec![1; 8]);
    let event = Event { time_unix_nano: TIME, name: "e".into(), attributes: attributes(), dropped_attributes_count: 1 };
    let link = Link {
        trace_id: trace_id.clone(),
        span_id: span_id.clone(),
        trace_state: "a=b".into(),
        attributes: attributes(),
        dropped_attributes_count: 2,
        flags: 1,
    };
    let whole = Span {
        trace_id: trace_id.clone(),
        span_id,
        trace_state: "x=y".into(),
        parent_span_id: vec![2; 8],
        flags: 257,
        name: "GET /ä".into(),
        kind: 2,
        start_time_unix_nano: TIME,
        end_time_unix_nano: TIME + 1,
        attributes: attributes(),
        dropped_attributes_count: 5,
        events: vec![event],
        dropped_events_count: 6,
        links: vec![link],
        dropped_links_count: 7,
        status: Some(Status { message: "no".into(), code: 2 }),
    };
    let least =
        Span { trace_id, span_id: vec![3; 8], start_time_unix_nano: 1, end_time_unix_nano: 2, ..Span::default() };
    let scope_spans =
        vec![ScopeSpans { scope: Some(scope()), spans: vec![whole, least], schema_url: "https://s".into() }];
    let resource_spans =
        vec![ResourceSpans { resource: Some(resource()), scope_spans, schema_url: "https://r".into() }];
    ExportTraceServiceRequest { resource_spans }
}

fn all_of_metrics() -> ExportMetricsServiceRequest {
    let exemplar = |value| Exemplar {
        filtered_attributes: attributes(),
        time_unix_nano: TIME,
        span_id: vec![1; 8],
        trace_id: vec![2; 16],
        value: Some(value),
    };
    let number = |value| NumberDataPoint {
        attributes: attributes(),
        start_time_unix_nano: TIME - 1,
        time_unix_nano: TIME,
        exemplars: vec![exemplar(exemplar::Value::AsDouble(0.5)), exemplar(exemplar::Value::AsInt(-3))],
        flags: 0,
        value: Some(value),
    };
    let numbers = [0.0, -0.0, 1e-300, f64::INFINITY].map(number_data_point::Value::AsDouble);
    let numbers = numbers.into_iter().chain([number_data_point::Value::AsInt(0)]).map(number);
    let gone = NumberDataPoint { time_unix_nano: TIME, flags: 1, ..NumberDataPoint::default() };
    let buckets = |offset| Some(Buckets { offset, bucket_counts: vec![0, 1, u64::from(u32::MAX) + 1] });
    let all = [
        Data::Gauge(Gauge { data_points: numbers.clone().chain([gone]).collect() }),
        Data::Sum(Sum { data_points: numbers.collect(), aggregation_temporality: 2, is_monotonic: true }),
        Data::Histogram(Histogram {
            data_points: vec![HistogramDataPoint {
                attributes: attributes(),
                time_unix_nano: TIME,
                count: 3,
                sum: Some(0.0),
                bucket_counts: vec![1, 0, 2],
                explicit_bounds: vec![0.0, 2.5],
                exemplars: vec![exemplar(exemplar::Value::AsDouble(0.0))],
                min: Some(-1.0),
                max: Some(3.0),
                ..HistogramDataPoint::default()
            }],
            aggregation_temporality: 1,
        }),
        Data::ExponentialHistogram(ExponentialHistogram {
            data_points: vec![ExponentialHistogramDataPoint {
                attributes: attributes(),
                time_unix_nano: TIME,
                count: u64::from(u32::MAX) + 4,
                sum: Some(9.5),
                scale: -2,
                zero_count: 2,
                positive: buckets(-3),
                negative: buckets(4),
                zero_threshold: 0.25,
                ..ExponentialHistogramDataPoint::default()
            }],
            aggregation_temporality: 2,
        }),
        Data::Summary(Summary {
            data_points: vec![SummaryDataPoint {
                attributes: attributes(),
                time_unix_nano: TIME,
                count: 2,
                sum: 4.5,
                quantile_values: vec![
                    ValueAtQuantile { quantile: 0.0, value: 1.0 },
                    ValueAtQuantile { quantile: 1.0, value: 3.5 },
                ],
                ..SummaryDataPoint::default()
            }],
        }),
    ];
    let metric = |(number, data)| Metric {
        name: format!("m{number}"),
        description: "what it is".into(),
        unit: "ms".into(),
        metadata: attributes(),
        data: Some(data),
    };
    let metrics = all.into_iter().enumerate().map(metric).collect();
    let scope_metrics = vec![ScopeMetrics { scope: Some(scope()), metrics, schema_url: "https://s".into() }];
    let resource_metrics =
        vec![ResourceMetrics { resource: Some(resource()), scope_metrics, schema_url: "https://r".into() }];
    ExportMetricsServiceRequest { resource_metrics }
}

fn all_of_logs() -> ExportLogsServiceRequest {
    let bodies = attributes().into_iter().map(|attribute| attribute.value).chain([None]);
    let record = |body| LogRecord {
        time_unix_nano: TIME,
        observed_time_unix_nano: TIME + 1,
        severity_number: 17,
        severity_text: "ERROR".into(),
        body,
        attributes: attributes(),
        dropped_attributes_count: 1,
        flags: 1,
        trace_id: vec![5; 16],
        span_id: vec![6; 8],
        event_name: "event".into(),
    };
    let scope_logs = vec![ScopeLogs {
        scope: Some(scope()),
        log_records: bodies.map(record).collect(),
        schema_url: "https://s".into(),
    }];
    let resource_logs = vec![ResourceLogs { resource: Some(resource()), scope_logs, schema_url: "https://r".into() }];
    ExportLogsServiceRequest { resource_logs }
}

fn lines(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    assert!(text.is_empty() || text.ends_with('\n'), "an incomplete line: {text:?}");
    text.lines().map(str::to_owned).collect()
}

/// A Collector gets each request twice: as it was sent, and the line of the file. What it makes of both is the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_reads_in_the_file_what_was_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("out.json");
    let server = Server::start(Setup::default().exporter("file", &format!("path: '{}'", file.display()))).await;
    let mut collector = Collector::writing_files();
    collector.launch();
    collector.ready().await;
    let all = [
        ("/v1/traces", all_of_traces().encode_to_vec()),
        ("/v1/metrics", all_of_metrics().encode_to_vec()),
        ("/v1/logs", all_of_logs().encode_to_vec()),
    ];
    for (count, (path, request)) in all.into_iter().enumerate() {
        let protobuf = [("content-type", "application/x-protobuf")];
        let answer = post(&server.http_url(path), &protobuf, request.clone()).await.expect("an answer");
        assert_eq!((answer.status, answer.text().as_str()), (200, ""), "{path}");
        let line = until("the request to be in the file", Duration::from_secs(30), || {
            let found = lines(&file);
            std::future::ready(if found.len() > count { Ok(found[count].clone()) } else { Err(format!("{found:?}")) })
        })
        .await;
        let to = format!("http://127.0.0.1:{}{path}", collector.http);
        for (kind, body) in [("application/x-protobuf", request), ("application/json", line.clone().into_bytes())] {
            let answer = post(&to, &[("content-type", kind)], body).await.expect("an answer");
            assert_eq!(answer.status, 200, "{path}: {kind}: {}: {line}", answer.text());
        }
        let both = until("the Collector to have both", Duration::from_secs(10), || {
            let written = collector.written();
            std::future::ready(if written.len() == 2 * (count + 1) { Ok(written) } else { Err(format!("{written:?}")) })
        })
        .await;
        assert_eq!(both[2 * count], both[2 * count + 1], "{path}: {line}");
    }
}

/// Counts the spans of all files of an exporter, by id.
fn spans(folder: &Path) -> BTreeMap<Vec<u8>, u64> {
    let mut seen = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("readable");
        let mut rest = &bytes[..];
        while let Some((length, more)) = rest.split_first_chunk::<4>() {
            let length = usize::try_from(u32::from_be_bytes(*length)).expect("a length");
            assert!(length <= more.len(), "an incomplete request: {length} bytes of {}", more.len());
            let request = zstd::decode_all(&more[..length]).expect("zstd");
            rest = &more[length..];
            let request = ExportTraceServiceRequest::decode(&*request).expect("protobuf");
            for span in request.resource_spans.into_iter().flat_map(|of| of.scope_spans).flat_map(|of| of.spans) {
                *seen.entry(span.span_id).or_default() += 1;
            }
        }
    }
    seen
}

/// Text that hardly compresses.
fn noise(seed: u64) -> String {
    let mut rng = rand::rngs::SmallRng::seed_from_u64(seed);
    (0..400).map(|_| char::from(b'0' + (rng.next_u32() % 64) as u8)).collect()
}

/// Killed while it writes, at any moment: every acknowledged span is in the files, and every request is whole. Only what was
/// written in the second before a kill may be there twice.
#[tokio::test(flavor = "multi_thread")]
async fn after_kills_everything_is_in_the_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = folder.path().join("files");
    let settings = format!(
        "path: '{}/spans', create_directory: true, format: proto, compression: zstd, rotation: {{max_megabytes: 1}}, \
         sending_queue: {{batch: {{flush_timeout: 10ms}}}}",
        files.display()
    );
    let mut server = Server::start(Setup::default().exporter("file", &settings)).await;
    let mut sent = 0_u64;
    for round in 0..4 {
        for _ in 0..40 {
            // A value that does not compress fills the files.
            let spans = (sent..sent + 50).map(|number| Span {
                attributes: vec![text("noise", &noise(number))],
                ..route_span(number, "GET", "/products/{id}", 1.0)
            });
            send(&server.http_url("/v1/traces"), &traces("shop", spans.collect())).await;
            sent += 50;
        }
        if round < 3 {
            tokio::time::sleep(Duration::from_millis(37 * round)).await;
            server.kill9();
            server.start_again().await;
        }
    }
    let seen = until("all spans to be in the files", Duration::from_mins(1), || {
        let seen = spans(&files);
        std::future::ready(if seen.len() as u64 == sent { Ok(seen) } else { Err(format!("{} of {sent}", seen.len())) })
    })
    .await;
    let twice = seen.values().filter(|times| **times > 1).count();
    let most = seen.values().max().copied().unwrap_or_default();
    let all = std::fs::read_dir(&files).expect("a folder").count();
    println!(
        "{sent} spans, three kills: {} arrived, {twice} of them more than once, at most {most} times, in {all} files",
        seen.len()
    );
    assert!(most <= 4, "once, and once more for each kill");
    assert!(all > 1, "the files are rotated");
}

/// A full disk: the exporter says so and retries, and the data stays in the log.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_an_error_of_the_exporter_and_nothing_is_dropped() {
    let server = Server::start(Setup::default().exporter("file", "path: /dev/full")).await;
    send(&server.http_url("/v1/traces"), &traces("shop", vec![span(1, "a", 2, 1.0)])).await;
    let row = until("the error", Duration::from_secs(30), || async {
        let rows = server.try_sql("SELECT * FROM exporters WHERE exporter = 'file' AND signal = 'traces'").await?;
        let row = rows.into_iter().next().unwrap_or_default();
        if row["last_error"].is_string() { Ok(row) } else { Err(row.to_string()) }
    })
    .await;
    assert_eq!(row["last_error"], "/dev/full: No space left on device (os error 28)", "{row}");
    assert_eq!((&row["state"], &row["dropped_items"]), (&"retrying".into(), &0.into()), "{row}");
}
