//! Alerts as their receivers get them: once when a finding fires, once when it is over, and no more for a restart.

use crate::support::config::Setup;
use crate::support::otlp::{route_span, send, traces};
use crate::support::server::Server;
use crate::support::until;
use crate::support::webhook::WebhookReceiver;
use axum::http::HeaderMap;
use serde_json::{Value, json};
use std::time::Duration;

/// How long nothing more may come: three intervals, in which a doubled alert would.
const QUIET: Duration = Duration::from_secs(4);
/// As long as an evaluation may take on a busy machine.
const STATE_WITHIN: Duration = Duration::from_secs(60);

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

/// While it keeps firing it says what it fired for, that this is over since when, and how it stands now.
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

/// Nothing more comes in a while.
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

    // What was told is known after a crash.
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
    // A crash between sending and remembering repeats a message, so it is waited for that.
    server.until_number("SELECT count(*) FROM alerts", 0.0).await;
    server.kill9();
    server.start_again().await;
    state(&server, "ok").await;
    quiet([&webhook, &slack], 2).await;

    let log = server.log();
    assert!(!log.contains("of-the-test"), "secrets are not logged: {log}");
    println!("alerts: fired once and resolved once over webhook and Slack, through two restarts");
}

/// Alertmanager's webhook, version 4.
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

/// What Slack's incoming webhooks take: a text, and blocks within Slack's bounds.
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
