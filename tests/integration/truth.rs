//! Compares results for the seeded corpus with its known truth, including late spans, errors and literals, before and after a
//! restart.

use crate::corpus::{Generator, Shape, Truth};
use crate::support::config::Setup;
use crate::support::otlp::{Grpc, send};
use crate::support::server::Server;
use crate::support::{assert_near, now_unix_nano, until};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn analyses_say_what_the_corpus_knows() {
    let mut server = Server::start(Setup::default()).await;
    let shape = Shape {
        seed: 11,
        spans_a_request: 500,
        end_unix_nano: now_unix_nano(),
        spans_a_second: 500,
        requests: 24,
        variants: 1,
    };
    let mut generator = Generator::new(shape);
    let grpc = Grpc::to(server.ports.grpc);
    while let Some(request) = generator.next() {
        // Half over each protocol, and each third request twice, like a sender that got no answer.
        if generator.truth().requests.is_multiple_of(2) {
            send(&server.http_url("/v1/traces"), &request).await;
        } else {
            assert_eq!(grpc.send(&request).await.expect("taken"), None);
        }
        if generator.truth().requests.is_multiple_of(3) {
            send(&server.http_url("/v1/traces"), &request).await;
        }
    }
    let truth = generator.truth();
    assert!(
        truth.late > 50 && truth.errors > 5,
        "the corpus has late spans and errors: {} {}",
        truth.late,
        truth.errors
    );
    holds(&server, truth).await;
    let (spans, operations, statements) = (truth.spans, truth.operations.len(), truth.statements.len());
    println!(
        "corpus: sent {spans} spans, found {spans}; {operations} operations and {statements} statements as counted"
    );

    server.kill9();
    server.start_again().await;
    holds(&server, truth).await;
    assert_eq!(server.terminate().await.code(), Some(0), "{}", server.log());
    server.start_again().await;
    holds(&server, truth).await;
    println!("corpus: the same after kill -9, and after SIGTERM");
}

#[expect(clippy::cast_precision_loss, reason = "some thousands")]
async fn holds(server: &Server, truth: &Truth) {
    server.until_number("SELECT count(*) FROM spans", truth.spans as f64).await;
    server.until_number("SELECT sum(calls) FROM span_metrics", truth.spans as f64).await;
    server.until_number("SELECT sum(errors) FROM requests", truth.errors as f64).await;
    let found = server
        .sql(
            "SELECT service_name, operation, sum(calls) AS calls, sum(errors) AS errors, max(duration_max_ms) AS longest, \
             sum(duration_sum_ms) AS total, quantile(duration_sketch, 0.5) AS p50, quantile(duration_sketch, 0.95) AS p95, \
             quantile(duration_sketch, 0.99) AS p99 FROM requests GROUP BY 1, 2 ORDER BY 1, 2",
        )
        .await;
    assert_eq!(found.len(), truth.operations.len(), "{found:?}");
    // Both are sorted by service and operation.
    for (row, ((service, operation), exact)) in found.iter().zip(&truth.operations) {
        assert_eq!(
            (row["service_name"].as_str(), row["operation"].as_str()),
            (Some(*service), Some(operation.as_str()))
        );
        let number = |name: &str| row[name].as_f64().unwrap_or_else(|| panic!("{name}: {row}"));
        let what = |name: &str| format!("{name} of {service} {operation}");
        assert_near(&what("calls"), number("calls"), exact.durations_ms.len() as f64, 0.0);
        assert_near(&what("errors"), number("errors"), exact.errors as f64, 0.0);
        assert_near(&what("longest"), number("longest"), exact.quantile(1.0), 0.0);
        assert_near(&what("total"), number("total"), exact.durations_ms.iter().sum(), 1e-9);
        for (name, quantile) in [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)] {
            assert_near(&what(name), number(name), exact.quantile(quantile), 0.01);
        }
    }
    for ((service, statement), calls) in &truth.statements {
        let query = format!(
            "SELECT sum(calls) FROM queries WHERE service_name = '{service}' AND db_fingerprint = '{statement}'"
        );
        assert_near(&query, server.number(&query).await, *calls as f64, 0.0);
    }
    windows(server).await;
}

/// Late spans count in the window in which they started, so each window has the calls of its spans.
async fn windows(server: &Server) {
    let differing = "SELECT count(*) FROM (SELECT window_start, sum(calls) AS calls FROM requests WHERE resolution = 10 GROUP BY 1) r \
                     FULL JOIN (SELECT date_bin(INTERVAL '10 seconds', start_time) AS window_start, count(*) AS calls FROM spans \
                     WHERE kind = 'SERVER' GROUP BY 1) s ON r.window_start = s.window_start \
                     WHERE r.calls IS NULL OR s.calls IS NULL OR r.calls <> s.calls";
    until("each window to have its calls", Duration::from_secs(20), || async {
        let found = server.try_number(differing).await?;
        if found < 0.5 { Ok(()) } else { Err(format!("{found} windows differ")) }
    })
    .await;
}
