//! A real Prometheus scrapes; what it stored is asked for through its own API.

use crate::support::otlp::{request, span};
use crate::support::peers::Prometheus;
use crate::support::server::Setup;
use crate::support::until;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

#[tokio::test]
async fn prometheus_scrapes_and_promtool_finds_no_fault() {
    let server = Setup::new().start().await;
    let spans = (0..300).map(|number| span(number, "/a", 12.5)).collect();
    server.otlp().traces(request("shop", spans)).await.unwrap();
    server.reaches("SELECT sum(calls) FROM span_metrics", 300.0).await;
    let prometheus = Prometheus::start(server.ports.scrape);
    let found = until("Prometheus has the counter", Duration::from_secs(60), || async {
        let query = "sum(traces_span_metrics_calls_total{service_name=\"shop\",span_kind=\"SPAN_KIND_SERVER\"})";
        let found = prometheus.number(query).await?;
        if (found - 300.0).abs() < 1e-9 { Ok(found) } else { Err(format!("{found}")) }
    })
    .await;
    println!("Prometheus: sent 300 calls, found {found}");
    assert!((prometheus.number("up{job=\"spanwise\"}").await.unwrap() - 1.0).abs() < 1e-9);
    let within = "sum(traces_span_metrics_duration_milliseconds_bucket{le=\"50\"}) - sum(traces_span_metrics_duration_milliseconds_bucket{le=\"10\"})";
    assert!((prometheus.number(within).await.unwrap() - 300.0).abs() < 1e-9);

    let text = server.scrape().await;
    let mut check = Command::new("promtool");
    check.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = check.spawn().expect("promtool comes with Debian's prometheus");
    running.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let checked = running.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&checked.stderr).into_owned() + &String::from_utf8_lossy(&checked.stdout);
    // It has opinions on names, too, which the Collector's do not meet: milliseconds, and no help.
    let faults: Vec<&str> = told
        .lines()
        .filter(|line| {
            !line.contains("no help text") && !line.contains("use base unit") && !line.contains("non-histogram")
        })
        .filter(|line| !line.trim().is_empty())
        .collect();
    assert!(faults.is_empty(), "promtool: {faults:?}\n{text}");
}
