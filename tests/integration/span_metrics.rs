//! Compares span metrics with a real Collector's connector: the same spans yield the same counters and histograms, including
//! spans with sampling weights.

use crate::corpus::{Generator, Shape};
use crate::support::client::get;
use crate::support::config::Setup;
use crate::support::metrics::{lines, sum};
use crate::support::otlp::{send, span, text, traces};
use crate::support::peers::Collector;
use crate::support::process::tail;
use crate::support::server::Server;
use crate::support::{assert_near, free_port, heavy, now_unix_nano, until};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A Collector whose connector counts spans, and Spanwise.
struct Both {
    collector: Collector,
    scrape: String,
    server: Server,
}

impl Both {
    async fn start() -> Both {
        let scrape = free_port();
        let collector = Collector::start(|place| {
            format!(
                "receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{}'}}}}}}}}\n\
                 connectors: {{span_metrics: {{metrics_flush_interval: 500ms}}}}\nexporters: {{prometheus: {{endpoint: '127.0.0.1:{scrape}'}}}}\n\
                 extensions: {{health_check: {{endpoint: '127.0.0.1:{}'}}}}\nservice:\n  extensions: [health_check]\n  \
                 telemetry: {{metrics: {{level: none}}}}\n  pipelines:\n    traces: {{receivers: [otlp], exporters: [span_metrics]}}\n    \
                 metrics: {{receivers: [span_metrics], exporters: [prometheus]}}\n",
                place.http, place.health
            )
        })
        .await;
        let scrape = format!("http://127.0.0.1:{scrape}/metrics");
        Both { collector, scrape, server: Server::start(Setup::default()).await }
    }

    async fn send(&self, request: &ExportTraceServiceRequest) {
        send(&self.server.http_url("/v1/traces"), request).await;
        send(&format!("http://127.0.0.1:{}/v1/traces", self.collector.http), request).await;
    }

    /// Returns the series of both once they have counted `spans` spans.
    async fn settled(&self, spans: f64) -> (Series, Series) {
        (settled(&self.scrape, spans).await, settled(&self.server.scrape_url(), spans).await)
    }
}

/// Values of a scrape, by name and labels.
type Series = BTreeMap<(String, BTreeMap<String, String>), f64>;

/// Returns the connector's metrics once all spans are counted, without the labels that identify the counting process: the
/// connector's scope and the Collector's instance id. Spanwise has no scope, because no instrumentation made these metrics.
async fn settled(url: &str, spans: f64) -> Series {
    let text = until("all spans to be counted", Duration::from_secs(30), || async {
        let (_, text) = get(url).await?;
        let found = sum(&lines(&text), "traces_span_metrics_calls_total");
        if (found - spans).abs() < 0.5 { Ok(text) } else { Err(format!("{found} of {spans}")) }
    })
    .await;
    of_connector(&text)
}

fn of_connector(text: &str) -> Series {
    let own = lines(text).into_iter().filter(|line| line.name.starts_with("traces_span_metrics_"));
    own.map(|mut line| {
        line.labels.retain(|name, _| !name.starts_with("otel_scope_") && name != "collector_instance_id");
        ((line.name, line.labels), line.value)
    })
    .collect()
}

/// Asserts that both have the same series and values.
fn assert_same(theirs: &Series, ours: &Series) {
    let names = |series: &Series| series.keys().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>();
    assert_eq!(names(ours), names(theirs), "the same names");
    let labels =
        |series: &Series| series.keys().flat_map(|(_, labels)| labels.keys().cloned()).collect::<BTreeSet<String>>();
    assert_eq!(labels(ours), labels(theirs), "the same labels");
    let mut differing = Vec::new();
    for key in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
        let (one, other) = (ours.get(key), theirs.get(key));
        let same = match (one, other) {
            // Sums are added in a different order.
            (Some(one), Some(other)) if key.0.ends_with("_sum") => (one - other).abs() <= other.abs() * 1e-9,
            (one, other) => one == other,
        };
        if !same {
            differing.push(format!("{key:?}: {one:?}, the connector has {other:?}"));
        }
    }
    assert!(
        differing.is_empty(),
        "{} of {} series differ:\n{}",
        differing.len(),
        theirs.len(),
        tail(&differing.join("\n"), 20)
    );
}

/// Returns spans with durations on, between and beyond the bounds, of every kind and status.
fn edges(spans: std::ops::Range<u64>, state: impl Fn(u64) -> String) -> ExportTraceServiceRequest {
    let edge = |number: u64| {
        let milliseconds = [2.0, 2.0001, 3.5, 50.0, 99.9, 1400.0, 15_000.0, 20_000.0][(number % 8) as usize];
        let status = Some(Status { code: [0, 1, 2][(number % 3) as usize], ..Status::default() });
        let kind = [1, 2, 3, 4, 5][(number % 5) as usize];
        Span { status, trace_state: state(number), ..span(number, "edge", kind, milliseconds) }
    };
    let mut edges = traces("edges", spans.map(edge).collect());
    // With all attributes that job and instance are derived from.
    let resource = edges.resource_spans[0].resource.get_or_insert_default();
    resource.attributes.extend([text("service.namespace", "shop"), text("service.instance.id", "edges-1")]);
    edges
}

/// Compares the connector's series and Spanwise's for the same spans.
#[tokio::test(flavor = "multi_thread")]
async fn span_metrics_are_those_of_the_connector() {
    let _turn = heavy().await;
    let both = Both::start().await;
    let shape = Shape {
        seed: 5,
        spans_a_request: 500,
        end_unix_nano: now_unix_nano(),
        spans_a_second: 1000,
        requests: 4,
        variants: 1,
    };
    let mut generator = Generator::new(shape);
    for request in generator.by_ref() {
        both.send(&request).await;
    }
    both.send(&edges(0..480, |_| String::new())).await;
    // The clock jumped back: such spans count, with a duration of 0.
    let mut backwards = traces("backwards", (9000..9010).map(|number| span(number, "back", 2, 5.0)).collect());
    for span in &mut backwards.resource_spans[0].scope_spans[0].spans {
        span.end_time_unix_nano = span.start_time_unix_nano - 1000;
    }
    both.send(&backwards).await;
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let spans = (generator.truth().spans + 490) as f64;
    let (theirs, ours) = both.settled(spans).await;
    assert_same(&theirs, &ours);
    println!("span metrics: {spans} spans sent to both; {} series, names, labels and buckets equal", theirs.len());
}

/// Trace states with an integer weight, and the weight calculated by hand: 2^56 / (2^56 - threshold).
const WHOLE: [(&str, f64); 13] = [
    ("", 1.0),
    ("ot=th:0", 1.0),
    ("ot=th:8", 2.0),
    ("ot=th:c", 4.0),
    ("ot=th:e;rv:fedcba98765432", 8.0),
    ("vendor=1, ot=th:f", 16.0),
    ("ot=th:ff,other=2", 256.0),
    // Invalid, without threshold, or of older samplers: weight 1.
    ("ot=th:xyz", 1.0),
    ("ot=th:8;rv:1", 1.0),
    ("ot=th:8,Bad=1", 1.0),
    ("ot=rv:fedcba98765432", 1.0),
    ("ot=p:3;r:5", 1.0),
    ("a=b", 1.0),
];

/// Sampled spans: counters, buckets and sums of both represent all original spans, before and after a restart.
#[tokio::test(flavor = "multi_thread")]
async fn sampled_spans_count_as_they_do_in_the_connector() {
    let _turn = heavy().await;
    let mut both = Both::start().await;
    let of = |number: u64| WHOLE[usize::try_from(number % 13).expect("small")];
    let sent = 40 * 13 * 3;
    both.send(&edges(0..sent, |number| of(number).0.to_owned())).await;
    let estimated: f64 = (0..sent).map(|number| of(number).1).sum();
    let (theirs, ours) = both.settled(estimated).await;
    assert_same(&theirs, &ours);
    println!(
        "sampled span metrics: {sent} spans sent to both, {estimated} counted by both; {} series equal",
        theirs.len()
    );

    // The number of received spans is kept next to the number that they represent.
    let server = &both.server;
    #[expect(clippy::cast_precision_loss, reason = "a thousand")]
    let (seen, requests) = (sent as f64, (0..sent).filter(|number| [1, 4].contains(&(number % 5))));
    server.until_number("SELECT sum(calls) FROM span_metrics", seen).await;
    server.until_number("SELECT sum(calls_estimated) FROM span_metrics", estimated).await;
    server.until_number("SELECT sum(sampled_weight) FROM spans WHERE service_name = 'edges'", estimated).await;
    // Kinds 2 and 5 of `edges` are SERVER and CONSUMER.
    let requests: Vec<u64> = requests.collect();
    let of_requests = |wanted: &dyn Fn(u64) -> bool| -> f64 {
        requests.iter().filter(|number| wanted(**number)).map(|number| of(*number).1).sum()
    };
    server.until_number("SELECT sum(calls_estimated) FROM requests", of_requests(&|_| true)).await;
    let failed = of_requests(&|number| number % 3 == 2);
    server.until_number("SELECT sum(errors_estimated) FROM requests", failed).await;
    let slow = of_requests(&|number| number % 8 >= 5);
    server.until_number("SELECT sum(slow_calls_estimated) FROM requests", slow).await;
    both.server.kill9();
    both.server.start_again().await;
    assert_same(&theirs, &settled(&both.server.scrape_url(), estimated).await);
}

/// Both round fractional weights randomly, so both are close to the original number of spans.
#[tokio::test(flavor = "multi_thread")]
async fn fractions_of_weights_stay_true_as_in_the_connector() {
    let _turn = heavy().await;
    let both = Both::start().await;
    // 2^56 / (2^56 - threshold): 4/3, 16/11, and 10 to four digits.
    let of = |number: u64| {
        [("ot=th:4", 4.0 / 3.0), ("ot=th:5", 16.0 / 11.0), ("ot=th:e666", 65_536.0 / 6554.0)][(number % 3) as usize]
    };
    let sent = 6000;
    both.send(&edges(0..sent, |number| of(number).0.to_owned())).await;
    let estimated: f64 = (0..sent).map(|number| of(number).1).sum();
    let calls = "traces_span_metrics_calls_total";
    both.server.until_number("SELECT sum(calls) FROM span_metrics", 6000.0).await;
    for url in [both.server.scrape_url(), both.scrape.clone()] {
        let text = until("all spans to be counted", Duration::from_secs(30), || async {
            let (_, text) = get(&url).await?;
            let found = sum(&lines(&text), calls);
            if found > 0.9 * estimated { Ok(text) } else { Err(format!("{found} of {estimated}")) }
        })
        .await;
        let lines = lines(&text);
        // The standard deviation of 4,000 draws with a probability of about 0.4 is 31; the third weight adds next to nothing.
        assert_near(&url, sum(&lines, calls), estimated, 200.0 / estimated);
        let count = sum(&lines, "traces_span_metrics_duration_milliseconds_count");
        assert_near("one count for both", count, sum(&lines, calls), 0.0);
        println!("{url}: {} of {estimated:.0}", sum(&lines, calls));
    }
    let exact = both.server.number("SELECT sum(sampled_weight) FROM spans WHERE service_name = 'edges'").await;
    assert_near("exact in SQL", exact, estimated, 1e-9);
}
