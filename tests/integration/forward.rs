//! OTLP forward to a real Collector that is down at first, is killed on the way, and returns.

use crate::support::otlp::{request, span};
use crate::support::peers::{Collector, items};
use crate::support::server::Setup;
use crate::support::until;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;

const LONGEST: Duration = Duration::from_secs(90);

fn names(lines: &[Value]) -> HashMap<String, usize> {
    let mut found = HashMap::new();
    for span in items(lines, &["resourceSpans", "scopeSpans", "spans"]) {
        *found.entry(span["spanId"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    found
}

async fn everything_arrives(exporter: &str, protocol: &str) {
    let config = format!(
        "
receivers: {{otlp: {{protocols: {{{protocol}: {{endpoint: '127.0.0.1:GRPC'}}}}}}}}
exporters: {{file: {{path: 'DIR/received.json', flush_interval: 100ms, append: true}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{traces: {{receivers: [otlp], exporters: [file]}}}}
"
    );
    let mut collector = Collector::new(&config);
    let scheme = if protocol == "http" { "http://" } else { "" };
    let settings = json!({
        "endpoint": format!("{scheme}127.0.0.1:{}", collector.port), "tls": {"insecure": true},
        "retry_on_failure": {"initial_interval": "200ms", "max_interval": "1s"},
    });
    let settings = if protocol == "http" {
        json!({"endpoint": settings["endpoint"], "retry_on_failure": settings["retry_on_failure"]})
    } else {
        settings
    };
    let mut server = Setup::new()
        .with(|config| {
            config["exporters"][exporter] = settings;
            config["service"]["pipelines"]["traces"]["exporters"].as_array_mut().unwrap().push(json!(exporter));
        })
        .start()
        .await;
    let mut sent = 0_u64;
    let mut send = async |server: &crate::support::server::Server, requests: u64| {
        for _ in 0..requests {
            let spans = (sent..sent + 50).map(|number| span(number, "/a", 1.0)).collect();
            server.otlp().traces(request("shop", spans)).await.unwrap();
            sent += 50;
        }
        sent
    };
    send(&server, 20).await;
    until("the exporter says that its target is down", LONGEST, || async {
        let rows = server.sql("SELECT state, lag_frames, last_error FROM sinks").await;
        if rows[0]["state"] == "retrying" { Ok(()) } else { Err(rows) }
    })
    .await;
    collector.start().await;
    send(&server, 20).await;
    // What it acknowledged it keeps in memory for a moment: killed before it writes, the loss would be its own.
    until("the Collector has written what came so far", LONGEST, || async {
        let found = names(&collector.lines("received.json")).len();
        if found == 2000 { Ok(()) } else { Err(found) }
    })
    .await;
    collector.kill();
    send(&server, 20).await;
    // The forwarder's own end, too: it goes on from its cursor.
    server.kill().await;
    server.restart().await;
    collector.start().await;
    let sent = send(&server, 20).await;
    until("everything has arrived", LONGEST, || async {
        let found = names(&collector.lines("received.json")).len() as u64;
        if found == sent {
            Ok(())
        } else {
            Err((
                found,
                sent,
                server.sql("SELECT * FROM sinks").await,
                server.sql("SELECT reason, count(*) FROM dead_letters GROUP BY 1").await,
            ))
        }
    })
    .await;
    let sinks = server.sql("SELECT refused_items, dead_letters FROM sinks").await;
    assert_eq!(sinks, [json!({"refused_items": 0, "dead_letters": 0})]);
    let found = names(&collector.lines("received.json"));
    let twice: usize = found.values().filter(|count| **count > 1).count();
    println!(
        "{exporter} -> Collector, killed on the way: sent {sent} spans, found {}, {twice} of them twice",
        found.len()
    );
    // What was sent in the second before a kill may be sent again, and no more.
    assert!(twice as u64 <= sent / 2, "{twice} of {sent} twice");
}

#[tokio::test]
async fn over_grpc_everything_arrives_at_a_collector_that_was_down() {
    everything_arrives("otlp_grpc", "grpc").await;
}

#[tokio::test]
async fn over_http_everything_arrives_at_a_collector_that_was_down() {
    everything_arrives("otlp_http", "http").await;
}
