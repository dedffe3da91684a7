//! A real Collector in front of Spanwise, behind it, and side by side with it.

use crate::support::client::get;
use crate::support::config::Setup;
use crate::support::metrics::{Line, lines};
use crate::support::peers::Collector;
use crate::support::process::{Process, run, tail};
use crate::support::server::{SPANWISE, Server};
use crate::support::{free_port, heavy, peer, until};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const TRACES: u64 = 200;
const POINTS: u64 = 300;
const RECORDS: u64 = 250;

async fn telemetrygen(port: u16, signal: &str, arguments: &[&str], folder: &Path) {
    let mut command = Command::new(peer("SPANWISE_TELEMETRYGEN"));
    command.arg(signal).args(["--otlp-insecure", "--otlp-endpoint", &format!("127.0.0.1:{port}"), "--rate", "1000"]);
    run("telemetrygen", command.args(arguments), folder, Duration::from_mins(1)).await;
}

/// telemetrygen, a Collector, Spanwise, a Collector: all three signals arrive complete at each.
#[tokio::test(flavor = "multi_thread")]
async fn between_two_collectors_nothing_is_lost() {
    let _turn = heavy().await;
    let mut behind = Collector::writing_files();
    behind.launch();
    behind.ready().await;
    let settings = format!("endpoint: 127.0.0.1:{}, tls: {{insecure: true}}, compression: gzip", behind.grpc);
    let server = Server::start(Setup::default().exporter("otlp_grpc/behind", &settings)).await;
    let to = server.ports.grpc;
    let before = Collector::start(|place| {
        format!(
            "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:{}'}}}}}}}}\nprocessors: {{batch: {{timeout: 200ms}}}}\n\
             exporters: {{otlp_grpc: {{endpoint: '127.0.0.1:{to}', tls: {{insecure: true}}}}}}\n\
             extensions: {{health_check: {{endpoint: '127.0.0.1:{}'}}}}\nservice:\n  extensions: [health_check]\n  \
             telemetry: {{metrics: {{level: none}}}}\n  pipelines:\n    \
             traces: {{receivers: [otlp], processors: [batch], exporters: [otlp_grpc]}}\n    \
             metrics: {{receivers: [otlp], processors: [batch], exporters: [otlp_grpc]}}\n    \
             logs: {{receivers: [otlp], processors: [batch], exporters: [otlp_grpc]}}\n",
            place.grpc, place.health
        )
    })
    .await;
    let folder = server.folder();
    telemetrygen(before.grpc, "traces", &["--traces", &TRACES.to_string()], folder).await;
    telemetrygen(before.grpc, "metrics", &["--metrics", &POINTS.to_string()], folder).await;
    telemetrygen(before.grpc, "logs", &["--logs", &RECORDS.to_string()], folder).await;

    // Each trace of telemetrygen has two spans.
    let wanted = (2 * TRACES, POINTS, RECORDS);
    let queries = ["SELECT count(*) FROM spans", "SELECT count(*) FROM metrics", "SELECT count(*) FROM logs"];
    #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
    for (query, expected) in queries.into_iter().zip([wanted.0 as f64, wanted.1 as f64, wanted.2 as f64]) {
        server.until_number(query, expected).await;
    }
    until("the Collector behind to have it all", Duration::from_secs(30), || async {
        let found = behind.counts();
        if found == wanted {
            Ok(())
        } else {
            Err(format!("{found:?} of {wanted:?}; {:?}", server.sql("SELECT * FROM exporters").await))
        }
    })
    .await;
    server.until_number("SELECT sum(sent_items) FROM exporters", 950.0).await;
    let refused = server.number("SELECT sum(dead_letters) FROM exporters").await;
    assert!(refused.abs() < 0.5, "the Collector took everything, but {refused} frames are dead letters");
    let (spans, points, records) = wanted;
    println!(
        "telemetrygen -> Collector -> Spanwise -> Collector: sent {spans} spans, {points} points, {records} records; found the same at both"
    );
    assert!(behind.spans().values().all(|times| *times == 1), "no span twice");
    assert!(!behind.log().contains("panic"), "{}", behind.log());
}

/// Both the real Collector and Spanwise run the same unchanged Collector configuration.
#[tokio::test(flavor = "multi_thread")]
async fn an_existing_collector_configuration_runs_as_it_is() {
    let _turn = heavy().await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut behind = Collector::writing_files();
    behind.launch();
    behind.ready().await;
    let (grpc, http, scrape, health) = (free_port(), free_port(), free_port(), free_port());
    let text = existing_file((grpc, http), (behind.grpc, behind.http), scrape, health);
    let config = folder.path().join("collector.yaml");
    std::fs::write(&config, text).expect("written");
    let mut validate = Command::new(peer("SPANWISE_COLLECTOR"));
    validate.arg("validate").arg("--config").arg(&config).env("BACKEND", "127.0.0.1");
    run("validate", &mut validate, folder.path(), Duration::from_secs(30)).await;
    let mut check = Command::new(SPANWISE);
    check.arg("check").arg("--config").arg(&config).env("BACKEND", "127.0.0.1");
    let told = run("check", &mut check, folder.path(), Duration::from_secs(30)).await;
    assert!(told.contains("built in"), "check says what becomes of batch and memory_limiter: {told}");

    // A Collector configuration has no SQL endpoints, so the default ports apply.
    until("the usual ports of SQL to be free", Duration::from_mins(2), || async {
        let bound: Vec<_> = [4380, 15432].map(|port| TcpListener::bind(("127.0.0.1", port))).into_iter().collect();
        if bound.iter().all(Result::is_ok) { Ok(()) } else { Err(format!("{bound:?}")) }
    })
    .await;
    let mut command = Command::new(SPANWISE);
    command.arg("--config").arg(&config).env("BACKEND", "127.0.0.1").current_dir(folder.path());
    let mut process = Process::start("spanwise", &mut command, folder.path());
    until("Spanwise to be ready", Duration::from_secs(30), || {
        let (ended, text) = (process.ended(), process.text());
        async move {
            assert!(ended.is_none(), "Spanwise ended: {text}");
            match get(&format!("http://127.0.0.1:{health}/")).await? {
                (200, _) => Ok(()),
                (status, body) => Err(format!("{status}: {body}")),
            }
        }
    })
    .await;
    telemetrygen(grpc, "traces", &["--traces", "50"], folder.path()).await;
    telemetrygen(grpc, "metrics", &["--metrics", "60"], folder.path()).await;
    telemetrygen(grpc, "logs", &["--logs", "70"], folder.path()).await;
    // Spans go out through two exporters, the other signals through one.
    let wanted = (200, 60, 70);
    until("the backend to have it all", Duration::from_secs(30), || async {
        let found = behind.counts();
        if found == wanted { Ok(()) } else { Err(format!("{found:?} of {wanted:?}: {}", tail(&process.text(), 10))) }
    })
    .await;
    let scraped = get(&format!("http://127.0.0.1:{scrape}/metrics")).await.expect("the scrape").1;
    let of_shop: Vec<Line> = lines(&scraped).into_iter().filter(|line| line.name.starts_with("shop_")).collect();
    assert!(!of_shop.is_empty() && of_shop.iter().all(|line| line.label("team") == "web"), "{scraped}");
    println!("a Collector's file, unchanged: sent 100 spans, 60 points, 70 records; the backend has {wanted:?}");
}

/// A common configuration: receiver and backend on their gRPC and HTTP ports.
fn existing_file((grpc, http): (u16, u16), behind: (u16, u16), scrape: u16, health: u16) -> String {
    format!(
        r"# As many have it: taken in, limited, batched, sent on twice, and scraped.
receivers:
  otlp:
    protocols:
      grpc:
        endpoint: 127.0.0.1:{grpc}
        max_recv_msg_size_mib: 8
      http:
        endpoint: 127.0.0.1:{http}

processors:
  memory_limiter:
    check_interval: 1s
    limit_mib: 400
    spike_limit_mib: 100
  batch:
    timeout: 200ms
    send_batch_size: 512

exporters:
  otlp/first:
    endpoint: ${{env:BACKEND}}:{behind_grpc}
    tls:
      insecure: true
    sending_queue:
      enabled: true
      num_consumers: 2
      queue_size: 500
    retry_on_failure:
      enabled: true
      initial_interval: 1s
  otlphttp:
    endpoint: http://${{env:BACKEND:-localhost}}:{behind_http}
    compression: gzip
  prometheus:
    endpoint: 127.0.0.1:{scrape}
    namespace: shop
    const_labels:
      team: web
  debug:
    verbosity: basic

extensions:
  health_check:
    endpoint: 127.0.0.1:{health}

service:
  extensions: [health_check]
  pipelines:
    traces:
      receivers: [otlp]
      processors: [memory_limiter, batch]
      exporters: [otlp/first, otlphttp, debug]
    metrics:
      receivers: [otlp]
      processors: [memory_limiter, batch]
      exporters: [otlp/first, prometheus]
    logs:
      receivers: [otlp]
      processors: [memory_limiter, batch]
      exporters: [otlp/first]
",
        behind_grpc = behind.0,
        behind_http = behind.1
    )
}
