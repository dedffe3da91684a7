//! Load balancing over several targets, one of which is down at first.

use crate::support::config::Setup;
use crate::support::otlp::{route_span, send, traces};
use crate::support::peers::Collector;
use crate::support::server::Server;
use crate::support::{heavy, until};
use opentelemetry_proto::tonic::trace::v1::Span;
use std::collections::BTreeSet;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn targets_share_the_traces_and_one_that_is_down_holds_up_its_share_alone() {
    const TRACES: u64 = 120;
    let _turn = heavy().await;
    let mut targets = [Collector::writing_files(), Collector::writing_files()];
    targets[0].launch();
    targets[0].ready().await;
    let hosts: Vec<String> = targets.iter().map(|target| format!("\"127.0.0.1:{}\"", target.grpc)).collect();
    let settings = format!(
        "protocol: {{otlp: {{tls: {{insecure: true}}}}}}, resolver: {{static: {{hostnames: [{}]}}}}, \
         retry_on_failure: {{initial_interval: 100ms, max_interval: 200ms}}, sending_queue: {{batch: {{flush_timeout: 50ms}}}}",
        hosts.join(", ")
    );
    let setup = Setup::default()
        .exporter_aside("load_balancing", &settings)
        .pipeline("traces/on", "receivers: [otlp], exporters: [load_balancing]");
    let server = Server::start(setup).await;
    for number in 0..TRACES {
        // A trace of two spans, in separate requests.
        for half in 0..2 {
            let span = Span {
                span_id: (2 * number + half + 1).to_be_bytes().to_vec(),
                ..route_span(number, "GET", "/a", 1.0)
            };
            send(&server.http_url("/v1/traces"), &traces("shop", vec![span])).await;
        }
    }
    let own = until("the first target to have its share", Duration::from_secs(20), || async {
        // The lag comes first: everything processed by then is included in the other two.
        let lag = server.try_number("SELECT min(lag_frames) FROM exporters").await?;
        let sent = server.try_number("SELECT max(sent_items) FROM exporters").await?;
        let found = targets[0].spans().len() as u64;
        #[expect(clippy::cast_precision_loss, reason = "a few")]
        let is_all = found > 0 && (sent - found as f64).abs() < 0.5;
        if is_all && lag.abs() < 0.5 { Ok(found) } else { Err(format!("{found} spans, sent {sent}, lag {lag}")) }
    })
    .await;
    assert!((TRACES / 2..TRACES * 3 / 2).contains(&own), "a fair share of {} spans: {own}", 2 * TRACES);
    targets[1].launch();
    targets[1].ready().await;
    until("the other target to have the rest", Duration::from_secs(20), || async {
        let found = targets[1].spans().len() as u64;
        if found == 2 * TRACES - own { Ok(()) } else { Err(format!("{found} of {}", 2 * TRACES - own)) }
    })
    .await;
    let traces_of = |target: &Collector| target.spans().into_keys().map(|(trace, _)| trace).collect::<BTreeSet<_>>();
    assert!(traces_of(&targets[0]).is_disjoint(&traces_of(&targets[1])), "no trace is torn");
    println!("load balancing: {own} and {} of {} spans, no trace torn", 2 * TRACES - own, 2 * TRACES);
}
