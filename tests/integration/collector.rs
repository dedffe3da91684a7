//! A real Collector before and behind Spanwise, and beside it: what its span-metrics connector counts is the measure.

use crate::support::otlp::{Sender, request, span};
use crate::support::peers::{Collector, items};
use crate::support::server::Setup;
use crate::support::{free_port, peer, stdout, until};
use serde_json::json;
use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

const LONGEST: Duration = Duration::from_secs(60);

const BEHIND: &str = "
receivers: {otlp: {protocols: {grpc: {endpoint: '127.0.0.1:GRPC'}}}}
exporters: {file: {path: 'DIR/received.json', flush_interval: 200ms}}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    traces: {receivers: [otlp], exporters: [file]}
    metrics: {receivers: [otlp], exporters: [file]}
    logs: {receivers: [otlp], exporters: [file]}
";

fn before(spanwise: u16) -> String {
    format!(
        "
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:GRPC'}}}}}}}}
processors: {{batch: {{timeout: 200ms}}}}
exporters: {{otlp: {{endpoint: '127.0.0.1:{spanwise}', tls: {{insecure: true}}}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], processors: [batch], exporters: [otlp]}}
    metrics: {{receivers: [otlp], processors: [batch], exporters: [otlp]}}
    logs: {{receivers: [otlp], processors: [batch], exporters: [otlp]}}
"
    )
}

async fn telemetrygen(port: u16, arguments: &[&str]) {
    let mut command = Command::new(peer("SPANWISE_TELEMETRYGEN"));
    command.args(arguments).args(["--otlp-insecure", "--otlp-endpoint", &format!("127.0.0.1:{port}")]);
    stdout(command).await;
}

#[tokio::test]
async fn telemetrygen_through_a_collector_into_spanwise_and_on_to_a_collector() {
    let mut behind = Collector::new(BEHIND);
    behind.start().await;
    let endpoint = format!("127.0.0.1:{}", behind.port);
    let server = Setup::new().export("otlp", json!({"endpoint": endpoint, "tls": {"insecure": true}})).start().await;
    let mut front = Collector::new(&before(server.ports.grpc));
    front.start().await;
    // Two spans a trace.
    telemetrygen(front.port, &["traces", "--traces", "400", "--rate", "0"]).await;
    telemetrygen(front.port, &["metrics", "--metrics", "150", "--rate", "0"]).await;
    telemetrygen(front.port, &["logs", "--logs", "250", "--rate", "0"]).await;
    for (table, sent) in [("spans", 800), ("metrics", 150), ("logs", 250)] {
        server.reaches(&format!("SELECT count(*) FROM {table}"), f64::from(sent)).await;
        println!("telemetrygen -> Collector -> Spanwise: sent {sent} {table}, found {sent}");
    }
    until("the Collector behind has everything", LONGEST, || async {
        let lines = behind.lines("received.json");
        let spans = items(&lines, &["resourceSpans", "scopeSpans", "spans"]).len();
        let logs = items(&lines, &["resourceLogs", "scopeLogs", "logRecords"]).len();
        let metrics = items(&lines, &["resourceMetrics", "scopeMetrics", "metrics"]);
        let points: usize = metrics
            .iter()
            .filter_map(|metric| metric.as_object()?.values().find_map(|data| data["dataPoints"].as_array()))
            .map(Vec::len)
            .sum();
        if (spans, points, logs) == (800, 150, 250) { Ok(()) } else { Err((spans, points, logs)) }
    })
    .await;
    println!("Spanwise -> Collector: sent 800 spans, 150 points, 250 logs; found as many");
}

/// Series of the span metrics by their labels of interest.
fn series(text: &str) -> BTreeMap<String, f64> {
    let wanted = ["service_name", "span_name", "span_kind", "status_code", "le"];
    let mut found = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("traces_span_metrics_")) {
        let (name, rest) = line.split_once('{').expect("labels");
        let (labels, value) = rest.rsplit_once('}').expect("labels end");
        // No label of this test holds a comma or a quote.
        let mut labels: Vec<&str> = labels
            .split(',')
            .filter(|label| wanted.iter().any(|name| label.starts_with(&format!("{name}="))))
            .collect();
        labels.sort_unstable();
        let value = value.trim().split(' ').next().and_then(|value| value.parse().ok()).expect("a value");
        found.insert(format!("{name}{{{}}}", labels.join(",")), value);
    }
    found
}

#[tokio::test]
async fn span_metrics_are_those_of_the_collectors_connector() {
    let http = free_port();
    let config = format!(
        "
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:GRPC'}}, http: {{endpoint: '127.0.0.1:{http}'}}}}}}}}
connectors: {{spanmetrics: {{metrics_flush_interval: 1s}}}}
exporters: {{prometheus: {{endpoint: '127.0.0.1:SCRAPE'}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [spanmetrics]}}
    metrics: {{receivers: [spanmetrics], exporters: [prometheus]}}
"
    );
    let mut beside = Collector::new(&config);
    beside.start().await;
    let server = Setup::new().start().await;
    let mut spans = Vec::new();
    for number in 0..500_u64 {
        // On the bounds, between them and beyond all of them.
        let duration_ms = [2.0, 2.0001, 3.5, 50.0, 99.9, 1400.0, 15_000.0, 20_000.0][(number % 8) as usize];
        let mut span = span(number, &format!("/route/{}", number % 3), duration_ms);
        span.kind = [2, 3, 1, 4, 5][(number % 5) as usize];
        span.status = Some(opentelemetry_proto::tonic::trace::v1::Status {
            code: [0, 1, 2][(number % 3) as usize],
            message: String::new(),
        });
        spans.push(span);
    }
    let body = request("shop", spans);
    Sender::new(http).traces(body.clone()).await.unwrap();
    server.otlp().traces(body).await.unwrap();
    server.reaches("SELECT sum(calls) FROM span_metrics", 500.0).await;
    let expected = until("the Collector's span metrics", LONGEST, || async {
        let series = series(&beside.scraped().await);
        let calls: f64 = series.iter().filter(|(name, _)| name.contains("_calls_total")).map(|(_, value)| value).sum();
        if (calls - 500.0).abs() < 1e-9 { Ok(series) } else { Err(calls) }
    })
    .await;
    let found = series(&server.scrape().await);
    let names = |series: &BTreeMap<String, f64>| series.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&expected));
    for (name, expected) in &expected {
        assert!(
            (found[name] - expected).abs() <= expected.abs() * 1e-6,
            "{name}: {}, the Collector says {expected}",
            found[name]
        );
    }
    println!("span metrics: {} series, names, labels and values as the Collector's", expected.len());
}

#[tokio::test]
async fn an_existing_collectors_file_runs_as_it_is() {
    let mut behind = Collector::new(BEHIND);
    behind.start().await;
    let setup = Setup::new();
    let data = setup.config["extensions"]["store"]["directory"].clone();
    let ports = setup.ports;
    let server = setup
        .with(|config| {
            *config = json!({
                "receivers": {"otlp": {"protocols": {
                    "grpc": {"endpoint": format!("127.0.0.1:{}", ports.grpc)},
                    "http": {"endpoint": format!("127.0.0.1:{}", ports.otlp_http)}}}},
                "processors": {"batch": {"timeout": "1s", "send_batch_size": 1000},
                               "memory_limiter": {"check_interval": "1s", "limit_mib": 4000, "spike_limit_mib": 800}},
                "exporters": {"otlp_grpc": {"endpoint": format!("127.0.0.1:{}", behind.port), "tls": {"insecure": true},
                                            "sending_queue": {"enabled": true, "num_consumers": 10, "queue_size": 5000},
                                            "retry_on_failure": {"enabled": true, "initial_interval": "5s"}},
                              "prometheus": {"endpoint": format!("127.0.0.1:{}", ports.scrape), "send_timestamps": true},
                              "debug": {"verbosity": "basic"}},
                "extensions": {"health_check": {"endpoint": format!("127.0.0.1:{}", ports.health)},
                               "store": {"directory": data},
                               "sql": {"http": {"endpoint": format!("127.0.0.1:{}", ports.http)}}},
                "service": {"extensions": ["health_check", "store", "sql"],
                    "pipelines": {
                        "traces": {"receivers": ["otlp"], "processors": ["memory_limiter", "batch"], "exporters": ["otlp_grpc", "debug"]},
                        "metrics": {"receivers": ["otlp"], "processors": ["memory_limiter", "batch"], "exporters": ["prometheus", "debug"]}}},
            });
        })
        .start()
        .await;
    telemetrygen(ports.grpc, &["traces", "--traces", "50", "--rate", "0"]).await;
    server.reaches("SELECT count(*) FROM spans WHERE service_name = 'telemetrygen'", 100.0).await;
    until("the Collector behind has everything", LONGEST, || async {
        let found = items(&behind.lines("received.json"), &["resourceSpans", "scopeSpans", "spans"]).len();
        if found == 100 { Ok(()) } else { Err(found) }
    })
    .await;
    assert!(server.log().contains("received"), "the debug exporter prints: {}", server.log());
}
