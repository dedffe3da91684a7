//! Alert delivery: one notification when a finding fires, one when it resolves, and no repeats after a restart.

use crate::support::config::Setup;
use crate::support::otlp::{int, route_span, send, traces};
use crate::support::server::Server;
use crate::support::until;
use crate::support::webhook::WebhookReceiver;
use axum::http::HeaderMap;
use opentelemetry_proto::tonic::trace::v1::{Span, Status, status::StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

/// Time in which no further notification may arrive: three intervals, enough to reveal a duplicate.
const QUIET: Duration = Duration::from_secs(4);
/// Timeout of an evaluation on a busy machine.
const STATE_WITHIN: Duration = Duration::from_mins(1);

async fn visits(server: &Server, first: u64, number: u64, milliseconds: f64) {
    let spans = (first..first + number).map(|n| route_span(n, "GET", "/products/{id}", milliseconds)).collect();
    send(&server.http_url("/v1/traces"), &traces("shop", spans)).await;
}

async fn state(server: &Server, wanted: &str) {
    until(&format!("api_budget to be {wanted}"), STATE_WITHIN, || async {
        let findings = server.findings().await?;
        let of: Vec<&Value> = findings.iter().filter(|finding| finding["pipeline"] == "api_budget").collect();
        if of.iter().any(|finding| finding["state"] == wanted) { Ok(()) } else { Err(format!("{of:?}")) }
    })
    .await;
}

/// Asserts that a finding still firing shows why it fired, since when it has been recovering, and its current value.
async fn recovers(server: &Server) {
    let finding = until("api_budget to recover", STATE_WITHIN, || async {
        let findings = server.findings().await?;
        let of =
            findings.iter().find(|finding| finding["pipeline"] == "api_budget" && finding["recovering"].is_object());
        of.cloned().ok_or_else(|| format!("{findings:?}"))
    })
    .await;
    assert_eq!(finding["state"], "firing", "{finding}");
    assert_eq!(finding["key"]["operation"], "GET /products/{id}", "{finding}");
    assert!(finding["value"].as_f64().is_some_and(|value| value > 100.0), "{finding}");
    assert!(finding["title"].as_str().is_some_and(|title| title.contains("15")), "the title is of then: {finding}");
    let recovering = &finding["recovering"];
    assert!(recovering["value"].as_f64().is_some_and(|value| value < 10.0), "{finding}");
    assert!(recovering["since_ms"].as_i64() > finding["firing_since_ms"].as_i64(), "{finding}");
    let sql = "SELECT count(*) FROM findings WHERE pipeline = 'api_budget' AND recovering_since > to_timestamp(0) AND recovering_value < 10";
    assert_eq!(server.number(sql).await.to_string(), "1");
}

async fn told(receiver: &WebhookReceiver, messages: usize) -> Vec<(HeaderMap, Value)> {
    until(&format!("{messages} messages"), Duration::from_secs(20), || async {
        let told = receiver.told();
        if told.len() >= messages { Ok(()) } else { Err(format!("{told:?}")) }
    })
    .await;
    receiver.told()
}

/// Asserts that nothing more arrives during [`QUIET`].
async fn quiet(receivers: [&WebhookReceiver; 2], messages: usize) {
    tokio::time::sleep(QUIET).await;
    for receiver in receivers {
        let told = receiver.told();
        assert_eq!(told.len(), messages, "{told:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finding_is_told_once_and_its_end_once() {
    let (webhook, slack) = (WebhookReceiver::start().await, WebhookReceiver::start().await);
    let setup = Setup::default()
        .performance("budgets: {api: {detail: {match: \"GET /products/*\", limit: 100ms}}}")
        .performance("findings: {api_budget: {samples_min: 10, for: 0s, keep_firing_for: 10s}}")
        .channel("webhook", &format!("url: {:?}, headers: {{authorization: \"Bearer of-the-test\"}}", webhook.url()))
        .channel("slack", &format!("url: {:?}", slack.url()));
    let mut server = Server::start(setup).await;

    visits(&server, 0, 20, 150.0).await;
    state(&server, "firing").await;
    let (headers, body) = told(&webhook, 1).await.remove(0);
    assert_eq!(headers["authorization"], "Bearer of-the-test");
    webhook_is_well_formed(&body, "firing");
    slack_is_well_formed(&told(&slack, 1).await.remove(0).1);
    quiet([&webhook, &slack], 1).await;

    // Sent notifications are remembered after a crash.
    server.kill9();
    server.start_again().await;
    state(&server, "firing").await;
    quiet([&webhook, &slack], 1).await;
    let alerts = server.sql("SELECT channel, status FROM alerts ORDER BY 1").await;
    let expected = ["slack", "webhook"].map(|channel| json!({"channel": channel, "status": "firing"}));
    assert_eq!(alerts, expected);

    visits(&server, 1000, 2000, 5.0).await;
    recovers(&server).await;
    state(&server, "ok").await;
    webhook_is_well_formed(&told(&webhook, 2).await[1].1, "resolved");
    slack_is_well_formed(&told(&slack, 2).await[1].1);
    // A crash between sending a notification and recording it would repeat it, so wait until it is recorded.
    server.until_number("SELECT count(*) FROM alerts", 0.0).await;
    server.kill9();
    server.start_again().await;
    state(&server, "ok").await;
    quiet([&webhook, &slack], 2).await;

    let log = server.log();
    assert!(!log.contains("of-the-test"), "secrets are not logged: {log}");
    println!("alerts: fired once and resolved once over webhook and Slack, through two restarts");
}

/// Checks a message of Alertmanager's webhook, version 4.
fn webhook_is_well_formed(body: &Value, status: &str) {
    assert_eq!(body["version"], "4", "{body}");
    assert_eq!(body["status"], status, "{body}");
    for field in ["receiver", "groupKey"] {
        assert!(body[field].is_string(), "{field}: {body}");
    }
    for field in ["groupLabels", "commonLabels", "commonAnnotations"] {
        assert!(body[field].is_object(), "{field}: {body}");
    }
    let [alert] = &body["alerts"].as_array().expect("alerts")[..] else { panic!("one alert: {body}") };
    assert_eq!(alert["status"], status);
    assert_eq!(alert["labels"]["alertname"], "api_budget", "{alert}");
    assert!(alert["labels"]["severity"] == "warning" || alert["labels"]["severity"] == "critical", "{alert}");
    assert!(alert["labels"].to_string().contains("GET /products/{id}"), "it names the operation: {alert}");
    assert!(!alert["annotations"]["summary"].as_str().unwrap_or_default().is_empty(), "{alert}");
    assert_eq!(alert["finding"]["key"]["operation"], "GET /products/{id}", "{alert}");
    let time = |field: &str| {
        let text = alert[field].as_str().unwrap_or_default();
        assert!(text.len() >= 20 && text.ends_with('Z') && text.as_bytes()[10] == b'T', "{field}: {text:?}");
        text.to_owned()
    };
    let (starts, ends) = (time("startsAt"), time("endsAt"));
    assert_eq!(ends.starts_with("0001"), status == "firing", "an end where it is over: {ends}");
    assert!(status == "firing" || ends > starts, "{starts} {ends}");
}

/// Checks a message for Slack's incoming webhooks: a text, and blocks within Slack's limits.
fn slack_is_well_formed(body: &Value) {
    assert!(body["text"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    let attachments = body["attachments"].as_array().expect("attachments");
    assert!(!attachments.is_empty());
    for attachment in attachments {
        let blocks = attachment["blocks"].as_array().expect("blocks");
        assert!((1..=50).contains(&blocks.len()), "{attachment}");
        assert!(blocks[0].to_string().contains("GET /products/{id}"), "it names the operation: {attachment}");
        for block in blocks {
            assert_eq!(block["type"], "section", "{block}");
            assert_eq!(block["text"]["type"], "mrkdwn", "{block}");
            let text = block["text"]["text"].as_str().unwrap_or_default();
            assert!((1..=3000).contains(&text.chars().count()), "{block}");
        }
    }
}

/// Creates the span of a failed request.
fn failed(number: u64, method: &str, route: &str) -> Span {
    let mut span = route_span(number, method, route, 20.0);
    span.attributes.retain(|attribute| attribute.key != "http.response.status_code");
    span.attributes.push(int("http.response.status_code", 503));
    span.status = Some(Status { code: StatusCode::Error.into(), message: "no connection".to_owned() });
    span
}

/// Waits until a finding of the pipeline for the operation has the state.
async fn finding(server: &Server, pipeline: &str, operation: &str, state: &str) -> Value {
    until(&format!("{pipeline} of {operation} to be {state}"), STATE_WITHIN, || async {
        let findings = server.findings().await?;
        let of = |finding: &&Value| finding["pipeline"] == pipeline && finding["key"]["operation"] == operation;
        let found: Vec<Value> = findings.iter().filter(of).cloned().collect();
        found.iter().find(|finding| finding["state"] == state).cloned().ok_or_else(|| format!("{found:#?}"))
    })
    .await
}

/// Creates `number` requests, `slow` of which are slow.
fn mixed(first: u64, route: &str, number: u64, slow: u64) -> Vec<Span> {
    (0..number).map(|n| route_span(first + n, "GET", route, if n < slow { 1500.0 } else { 20.0 })).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn severity_follows_what_it_costs_and_quantiles_take_samples() {
    // The default budgets, such as 100 ms for GET of a single resource.
    let server = Server::start(Setup::default()).await;
    let mut spans: Vec<Span> = (0..40).map(|n| route_span(n, "GET", "/near/{id}", 105.0)).collect();
    spans.extend((100..140).map(|n| route_span(n, "GET", "/far/{id}", 250.0)));
    spans.extend((200..219).map(|n| route_span(n, "GET", "/few/{id}", 250.0)));
    spans.extend((300..340).map(|n| failed(n, "GET", "/down")));
    spans.extend((400..436).map(|n| route_span(n, "GET", "/worn", 20.0)));
    spans.extend((436..440).map(|n| failed(n, "GET", "/worn")));
    send(&server.http_url("/v1/traces"), &traces("shop", spans)).await;
    let near = finding(&server, "api_budget", "GET /near/{id}", "firing").await;
    assert_eq!(near["severity"], "warning", "{near}");
    let title = near["title"].as_str().unwrap_or_default();
    assert!(title.contains("over the default budget detail of 100 ms"), "{title}");
    assert!(!near["advice"].as_str().unwrap_or_default().contains("you set"), "{near}");
    assert_eq!(finding(&server, "api_budget", "GET /far/{id}", "firing").await["severity"], "critical");
    assert_eq!(finding(&server, "api_budget", "GET /few/{id}", "no_data").await["samples"], 19);
    let down = finding(&server, "error_rate", "GET /down", "firing").await;
    assert_eq!((&down["severity"], down["value"].as_f64()), (&"critical".into(), Some(100.0)), "{down}");
    assert_eq!(finding(&server, "error_rate", "GET /worn", "firing").await["severity"], "warning");
    println!("alerts: {title}; {}", down["title"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_slow_request_of_many_is_no_alert_unless_the_card_says_so() {
    let by_default = Server::start(Setup::default().performance("budgets: {}")).await;
    let card = "alerting: {slowRequest: {threshold: 1000, share: 0}, errorRate: {warning: 1, critical: 5, window: 5m}}";
    let by_card = Server::start(Setup::default().performance("budgets: {}").performance(card)).await;
    for server in [&by_default, &by_card] {
        let mut spans = mixed(0, "/one", 218, 1);
        spans.extend(mixed(1000, "/some", 218, 6));
        spans.extend((2000..2094).map(|n| route_span(n, "POST", "/pay", 20.0)));
        spans.extend((2094..2100).map(|n| failed(n, "POST", "/pay")));
        send(&server.http_url("/v1/traces"), &traces("shop", spans)).await;
    }
    finding(&by_default, "slow_request", "GET /some", "firing").await;
    finding(&by_default, "slow_request", "GET /one", "ok").await;
    assert_eq!(finding(&by_default, "error_rate", "POST /pay", "firing").await["severity"], "warning");
    // The first window in which it fires may contain only some of the requests.
    let title = "shop GET /one: 1 of 218 requests took longer than 1 s, the slowest 1.5 s";
    let mut one = finding(&by_card, "slow_request", "GET /one", "firing").await;
    for _ in 0..30 {
        if one["title"] == title {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        one = finding(&by_card, "slow_request", "GET /one", "firing").await;
    }
    assert_eq!(one["title"], title);
    assert_eq!(finding(&by_card, "error_rate", "POST /pay", "firing").await["severity"], "critical");
    // The service exceeds its limits, too; the finding of the operation explains it.
    let share = "SELECT count(*) FROM findings WHERE pipeline = 'error_share' AND state = 'ok' \
                 AND title LIKE '%explained by error_rate'";
    by_card.until_number(share, 1.0).await;
}
