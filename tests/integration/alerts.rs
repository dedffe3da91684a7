//! A finding reaches a webhook and Slack once, a restart neither repeats nor forgets it, and its end is told once.

use crate::support::otlp::{request, span};
use crate::support::server::{Server, Setup};
use crate::support::until;
use crate::support::webhook::Webhook;
use serde_json::{Value, json};
use std::time::Duration;

const LONGEST: Duration = Duration::from_secs(60);

async fn send(server: &Server, first: u64, duration_ms: f64) {
    let spans = (first..first + 40).map(|number| span(number, "/checkout", duration_ms)).collect();
    server.otlp().traces(request("shop", spans)).await.unwrap();
}

async fn messages(webhook: &Webhook, number: usize) -> Vec<Value> {
    until(&format!("{number} messages"), LONGEST, || async {
        let bodies = webhook.bodies();
        if bodies.len() >= number { Ok(bodies) } else { Err(bodies) }
    })
    .await
}

#[tokio::test]
async fn a_broken_budget_is_told_once_also_over_a_restart_and_its_end_too() {
    let (webhook, webhook_url) = Webhook::start().await;
    let (slack, slack_url) = Webhook::start().await;
    let mut server = Setup::new()
        .with(|config| {
            config["connectors"]["performance"] = json!({
                "interval": "1s", "lag": "1s",
                "budgets": {"api": {"checkout": {"match": "GET /checkout", "limit": "100ms"}}},
                "findings": {"api_budget": {"window": "12s"}, "slow_request": {"disabled": true}},
            });
            config["exporters"]["webhook"] = json!({ "url": webhook_url });
            config["exporters"]["slack"] = json!({ "url": "${env:SLACK_URL}" });
            config["service"]["pipelines"]["logs/alerts"] =
                json!({"receivers": ["performance"], "exporters": ["webhook", "slack"]});
        })
        .variable("SLACK_URL", &slack_url)
        .start()
        .await;
    send(&server, 0, 300.0).await;
    let told = messages(&webhook, 1).await;
    let alert = &told[0]["alerts"][0];
    assert_eq!((&told[0]["status"], &alert["labels"]["alertname"]), (&json!("firing"), &json!("api_budget")));
    assert_eq!(alert["labels"]["operation"], "GET /checkout");
    assert_eq!(alert["annotations"]["limit"], "100 ms");
    let text = messages(&slack, 1).await[0]["text"].as_str().unwrap().to_owned();
    assert!(text.contains("GET /checkout"), "{text}");
    assert!(!server.log().contains(&slack_url) && !server.log().contains(&webhook_url), "URLs are secrets");

    server.kill().await;
    server.restart().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!((webhook.bodies().len(), slack.bodies().len()), (1, 1), "a restart does not repeat");
    let alerts = server.sql("SELECT channel, status FROM alerts ORDER BY channel").await;
    assert_eq!(
        alerts,
        [json!({"channel": "slack", "status": "firing"}), json!({"channel": "webhook", "status": "firing"})]
    );

    // It is over when it was judged within its limit, which needs fast calls and the slow ones out of the window.
    let resolved = until("the end is told", Duration::from_secs(120), || async {
        send(&server, 1000 + u64::try_from(webhook.bodies().len()).unwrap(), 5.0).await;
        tokio::time::sleep(Duration::from_millis(900)).await;
        let bodies = webhook.bodies();
        if bodies.len() == 2 { Ok(bodies) } else { Err(server.findings().await) }
    })
    .await;
    assert_eq!(resolved[1]["status"], "resolved");
    assert_eq!(messages(&slack, 2).await.len(), 2);
    println!("alerts: webhook and Slack told once that it fires and once that it is over, with a kill between");
}
