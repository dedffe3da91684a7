//! One outage in real time with default settings: reported while it lasts, resolved when it is over.

use crate::support::config::Setup;
use crate::support::now_unix_nano;
use crate::support::otlp::{int, route_span, send, span_at, traces};
use crate::support::server::Server;
use crate::support::webhook::WebhookReceiver;
use opentelemetry_proto::tonic::trace::v1::{Span, Status, status::StatusCode};
use serde_json::Value;
use std::time::{Duration, Instant};

/// How long all requests fail.
const OUTAGE: Duration = Duration::from_mins(12);
/// Twenty requests take 4 s, followed by a full window of 10 s and the tests' lag of 1 s; the rest is for a busy machine.
const TOLD_WITHIN: Duration = Duration::from_secs(90);
/// The window, the lag, `keep_firing_for` and two evaluations; the rest is for a busy machine.
const OVER_WITHIN: Duration = Duration::from_secs(300 + 10 + 60 + 2 + 60);
/// Requests per route and second.
const A_SECOND: u64 = 5;

/// Returns the requests of a second: one route fails from the start, the other works.
fn second(number: u64, fails: bool) -> Vec<Span> {
    let now = now_unix_nano();
    let mut spans = Vec::new();
    for n in 0..A_SECOND {
        let id = (number * A_SECOND + n) * 2;
        let mut new = route_span(id, "POST", "/pay", 20.0);
        if fails {
            new.attributes.retain(|attribute| attribute.key != "http.response.status_code");
            new.attributes.push(int("http.response.status_code", 503));
            new.status = Some(Status { code: StatusCode::Error.into(), message: "no connection".to_owned() });
        }
        spans.push(new);
        let mut old = span_at(now, id + 1, "GET /cart", crate::support::otlp::SERVER, 20.0);
        old.attributes = route_span(0, "GET", "/cart", 20.0).attributes;
        spans.push(old);
    }
    spans
}

/// Returns the finding of `error_rate` for the route.
async fn pay(server: &Server) -> Option<Value> {
    let findings = server.findings().await.expect("findings");
    let of = |finding: &&Value| finding["pipeline"] == "error_rate" && finding["key"]["operation"] == "POST /pay";
    findings.iter().find(of).cloned()
}

fn fires(finding: Option<&Value>) -> bool {
    finding.is_some_and(|finding| finding["state"] == "firing")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_twelve_minutes_is_told_of_for_as_long_as_it_lasts() {
    let webhook = WebhookReceiver::start().await;
    let server = Server::start(Setup::default().channel("webhook", &format!("url: {:?}", webhook.url()))).await;
    let began = Instant::now();
    let (mut told, mut over, mut too_early) = (None, None, 0);
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    for number in 0.. {
        ticks.tick().await;
        // Checked before sending, so that no request of the outage counts as later.
        let outage = began.elapsed() < OUTAGE;
        send(&server.http_url("/v1/traces"), &traces("shop", second(number, outage))).await;
        let finding = pay(&server).await;
        let elapsed = began.elapsed();
        match (fires(finding.as_ref()), told) {
            (true, None) => {
                let finding = finding.as_ref().expect("it fires");
                assert_eq!(finding["severity"], "critical", "{finding}");
                assert!(finding["value"].as_f64() > Some(99.9), "{finding}");
                told = Some(elapsed);
            }
            (false, Some(_)) if elapsed < OUTAGE => too_early += 1,
            (false, Some(_)) => {
                over = Some(elapsed.saturating_sub(OUTAGE));
                break;
            }
            _ => {}
        }
        assert!(told.is_some() || elapsed < TOLD_WITHIN, "not told of within {TOLD_WITHIN:?}: {finding:?}");
        assert!(elapsed < OUTAGE + OVER_WITHIN, "not over {OVER_WITHIN:?} after its end: {finding:?}");
    }
    let (told, over) = (told.expect("told"), over.expect("over"));
    println!(
        "one outage of {} s in real time: told after {told:.0?}, resolved too early {too_early} times, over {over:.0?} after its end",
        OUTAGE.as_secs()
    );
    assert_eq!(too_early, 0);

    // SQL agrees: one firing, at least as long as the outage, and no others for that route.
    let query = "SELECT pipeline, key['operation'] AS operation, ended > started + INTERVAL '11 minutes' AS lasted, worst FROM firings \
                 WHERE pipeline LIKE 'error%'";
    let firings = server.sql(query).await;
    let [firing] = &firings[..] else { panic!("one firing: {firings:#?}") };
    assert_eq!((&firing["pipeline"], &firing["operation"]), (&"error_rate".into(), &"POST /pay".into()));
    assert_eq!((&firing["lasted"], &firing["worst"]), (&true.into(), &100.0.into()));
    // The alerts agree: one notification when firing, one when resolved.
    crate::support::until("the alert to be resolved", Duration::from_secs(30), || async {
        let messages = webhook.told();
        let alerts = messages.iter().flat_map(|(_, body)| body["alerts"].as_array().cloned().unwrap_or_default());
        let of_pay = alerts.filter(|alert| alert["labels"]["operation"] == "POST /pay");
        let said: Vec<String> = of_pay
            .map(|alert| format!("{} {}", alert["labels"]["alertname"], alert["status"]).replace('"', ""))
            .filter(|said| said.starts_with("error"))
            .collect();
        if said == ["error_rate firing", "error_rate resolved"] { Ok(()) } else { Err(format!("{said:?}")) }
    })
    .await;
}
