//! What is sent, and when.

use super::*;
use std::collections::HashSet;
use std::time::Instant;

#[tokio::test]
async fn it_tells_once_and_when_it_is_over_also_across_restarts() {
    let mut bench = Bench::new(ChannelKind::Webhook).await;
    bench.now(vec![firing("a")]);
    let messages = bench.messages(1).await;
    assert_eq!(
        (&messages[0]["status"], &messages[0]["alerts"][0]["labels"]["alertname"]),
        (&"firing".into(), &"api_budget".into())
    );
    assert_eq!(messages[0]["alerts"][0]["startsAt"], "1970-01-01T00:00:02.000Z");
    assert_eq!(messages[0]["alerts"][0]["annotations"]["value"], "300 ms");
    assert_eq!(messages[0]["alerts"][0]["finding"]["key"], serde_json::json!({"service_name": "shop"}));
    bench.restart().await;
    bench.now(vec![firing("a")]);
    bench.messages(1).await;
    bench.now(vec![finding("a", FindingState::NoData, None)]);
    bench.messages(1).await;
    bench.now(vec![finding("a", FindingState::Ok, None)]);
    assert_eq!(bench.messages(2).await[1]["status"], "resolved");
    bench.restart().await;
    bench.now(vec![finding("a", FindingState::Ok, None)]);
    bench.messages(2).await;
}

#[tokio::test]
async fn what_gets_worse_is_told_again_and_another_incident_too() {
    let bench = Bench::new(ChannelKind::Webhook).await;
    bench.now(vec![firing("a")]);
    bench.messages(1).await;
    bench.now(vec![finding("a", FindingState::Firing, Some(Severity::Critical))]);
    bench.messages(2).await;
    bench.now(vec![firing("a")]);
    bench.messages(2).await;
    let again = Finding { firing_since_ms: Some(9000), ..firing("a") };
    bench.now(vec![again]);
    bench.messages(3).await;
    assert_eq!(bench.receiver.keys().into_iter().collect::<HashSet<_>>().len(), 3);
}

#[tokio::test]
async fn a_channel_that_fails_is_tried_again_when_it_asks_for_it() {
    let bench = Bench::new(ChannelKind::Webhook).await;
    bench.receiver.answers.lock().extend([503, 429, 200]);
    let began = Instant::now();
    bench.now(vec![firing("a")]);
    bench.messages(3).await;
    assert!(began.elapsed() >= Duration::from_secs(1), "Retry-After: 1");
    let keys = bench.receiver.keys();
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    assert_eq!(bench.stats.sent_items.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn what_is_refused_is_told_again_only_when_there_is_news() {
    let bench = Bench::new(ChannelKind::Webhook).await;
    bench.receiver.answers.lock().extend([400]);
    bench.now(vec![firing("a")]);
    bench.messages(1).await;
    bench.now(vec![Finding { value: Some(301.0), ..firing("a") }]);
    bench.messages(1).await;
    assert_eq!(bench.stats.refused_items.load(Ordering::Relaxed), 1);
    assert!(bench.stats.standing().last_error.unwrap().contains("400 Bad Request"));
    assert_eq!(bench.sent().await, []);
    bench.now(vec![finding("a", FindingState::Firing, Some(Severity::Critical))]);
    bench.messages(2).await;
    bench.receiver.answers.lock().extend([415]);
    bench.now(vec![finding("a", FindingState::Firing, Some(Severity::Critical)), firing("b")]);
    bench.messages(3).await;
}

const LOGIN: &str = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>…</body></html>";

/// A proxy in front, or an expired link: with such responses nobody was notified.
#[tokio::test]
async fn a_page_or_a_redirection_has_delivered_nothing() {
    for kind in [ChannelKind::Webhook, ChannelKind::Slack] {
        let bench = Bench::new(kind).await;
        let pages =
            [("text/html; charset=utf-8", LOGIN), ("text/plain", LOGIN), ("text/html", "<p>Please sign in.</p>")];
        bench.receiver.bodies.lock().extend(pages);
        bench.now(vec![firing("a")]);
        bench.messages(4).await;
        assert_eq!((bench.sent().await.len(), bench.stats.refused_items.load(Ordering::Relaxed)), (1, 0));
        let said = bench.stats.standing().last_error.unwrap();
        assert!(said.starts_with("200 OK with an HTML page"), "{said}");
        bench.receiver.answers.lock().extend([302, 307, 407, 410, 421, 425, 500]);
        bench.now(vec![firing("a"), firing("b")]);
        bench.messages(4 + 8).await;
        assert_eq!((bench.sent().await.len(), bench.stats.refused_items.load(Ordering::Relaxed)), (2, 0));
    }
}

#[tokio::test]
async fn slack_has_taken_what_it_says_ok_to() {
    for (kind, body) in [
        ("text/html", "ok"),
        ("text/plain", "OK\n"),
        ("text/plain", ""),
        ("application/json", "{\"ok\": true}"),
        ("application/json", "{\"success\":true}"),
        ("application/json", "{\"result\":\"success\",\"msg\":\"\"}"),
    ] {
        let bench = Bench::new(ChannelKind::Slack).await;
        bench.receiver.bodies.lock().push_back((kind, body));
        bench.now(vec![firing("a")]);
        bench.messages(1).await;
        assert_eq!(bench.sent().await.len(), 1, "{body:?}");
    }
    for (kind, body) in [
        ("text/plain", "please sign in"),
        ("application/json", "{\"ok\": false, \"error\": \"no_team\"}"),
        ("application/json", "{}"),
    ] {
        let bench = Bench::new(ChannelKind::Slack).await;
        bench.receiver.bodies.lock().push_back((kind, body));
        bench.now(vec![firing("a")]);
        bench.messages(1).await;
        assert_eq!((bench.sent().await.len(), bench.stats.standing().state), (0, "refused"), "{body:?}");
        assert!(bench.stats.standing().last_error.unwrap().contains("where Slack answers \"ok\""));
    }
    // A custom receiver may respond with anything.
    let bench = Bench::new(ChannelKind::Webhook).await;
    bench.receiver.bodies.lock().push_back(("text/html; charset=utf-8", "Thank you"));
    bench.now(vec![firing("a")]);
    bench.messages(1).await;
    assert_eq!(bench.sent().await.len(), 1);
}

#[tokio::test]
async fn what_is_refused_is_tried_again_while_it_fires_and_a_dead_letter_until_it_is_taken() {
    let bench = Bench::with(ChannelKind::Webhook, |settings| {
        settings.retry.max_interval = Duration::from_millis(300);
    })
    .await;
    bench.receiver.answers.lock().extend([422, 422]);
    bench.now(vec![firing("a")]);
    bench.messages(1).await;
    assert_eq!(bench.stats.standing().state, "refused");
    assert!(bench.stats.standing().last_error.unwrap().contains("422"));
    let letters = bench.scratch.state.dead_letters().await.unwrap();
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!((letter.exporter.as_str(), letter.signal.as_str(), letter.letter.items), ("slack", "alerts", 1));
    // Nothing changed: retried after 0.3 s, and after 0.45 s more.
    let began = Instant::now();
    bench.messages(3).await;
    assert!(began.elapsed() > Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!(bench.stats.standing().state, "ok");
    assert!(bench.scratch.state.dead_letters().await.unwrap().is_empty());
    assert_eq!((bench.sent().await.len(), bench.stats.refused_items.load(Ordering::Relaxed)), (1, 1));
}

#[tokio::test]
async fn what_was_refused_and_is_over_is_not_told() {
    let bench = Bench::with(ChannelKind::Webhook, |settings| {
        settings.retry.max_interval = Duration::from_millis(200);
    })
    .await;
    bench.receiver.answers.lock().extend([400]);
    bench.now(vec![firing("a")]);
    bench.messages(1).await;
    bench.now(vec![finding("a", FindingState::Ok, None)]);
    tokio::time::sleep(Duration::from_millis(400)).await;
    bench.messages(1).await;
    assert_eq!(bench.stats.standing().state, "ok");
}

/// Otherwise the wait of a rejection that is no longer due would end without effect, over and over while the finding fires.
#[tokio::test]
async fn what_was_refused_and_is_told_already_waits_for_nothing() {
    let bench = Bench::new(ChannelKind::Webhook).await;
    bench.now(vec![firing("a")]);
    bench.messages(1).await;
    bench.receiver.answers.lock().extend([400]);
    bench.now(vec![finding("a", FindingState::Firing, Some(Severity::Critical))]);
    bench.messages(2).await;
    assert_eq!(bench.stats.standing().state, "refused");
    bench.now(vec![firing("a")]);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(bench.stats.standing().state, "ok", "the warning has been told");
}

#[tokio::test]
async fn a_wrong_url_or_token_is_no_verdict() {
    let bench = Bench::new(ChannelKind::Webhook).await;
    bench.receiver.answers.lock().extend([401, 403, 404, 405, 408]);
    bench.now(vec![firing("a")]);
    bench.messages(6).await;
    assert_eq!((bench.sent().await.len(), bench.stats.refused_items.load(Ordering::Relaxed)), (1, 0));
    assert!(bench.stats.standing().last_error.unwrap().contains("408"));
}

#[tokio::test]
async fn a_finding_that_is_gone_is_over_but_not_before_anything_was_judged() {
    let mut bench = Bench::new(ChannelKind::Webhook).await;
    bench.now(vec![firing("a"), firing("b")]);
    bench.messages(1).await;
    bench.kill();
    bench.now(Vec::new());
    bench.start();
    bench.messages(1).await;
    bench.now(vec![firing("b")]);
    let messages = bench.messages(2).await;
    assert_eq!(messages[1]["alerts"].as_array().unwrap().len(), 1);
    assert_eq!((&messages[1]["status"], &messages[1]["alerts"][0]["fingerprint"]), (&"resolved".into(), &"a".into()));
    // The state when it fired is not the current one.
    let told = &messages[1]["alerts"][0];
    assert_eq!((&told["finding"]["state"], &told["annotations"]["value"]), (&"ok".into(), &Value::Null));
    assert_eq!(told["annotations"]["summary"], firing("a").title);
}

#[tokio::test]
async fn what_could_not_be_told_before_a_restart_is_told_after_it() {
    let mut bench = Bench::new(ChannelKind::Webhook).await;
    bench.receiver.answers.lock().extend([503; 200]);
    bench.now(vec![firing("a")]);
    while bench.receiver.bodies().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    bench.kill();
    bench.receiver.answers.lock().clear();
    let before = bench.receiver.bodies().len();
    bench.start();
    bench.messages(before + 1).await;
    assert_eq!(bench.sent().await.len(), 1);
}

#[tokio::test]
async fn a_kill_between_sending_and_remembering_repeats_with_the_same_key() {
    let mut bench = Bench::new(ChannelKind::Webhook).await;
    bench.scratch.state.break_table("notifications").await;
    bench.now(vec![firing("a")]);
    bench.messages(1).await;
    bench.kill();
    bench.scratch.state.heal("notifications").await;
    bench.start();
    bench.messages(2).await;
    let keys = bench.receiver.keys();
    assert_eq!(keys[0], keys[1]);
}

#[tokio::test]
async fn a_memory_that_fails_neither_ends_the_channel_nor_makes_it_repeat() {
    let mut bench = Bench::new(ChannelKind::Webhook).await;
    bench.scratch.state.break_table("notifications").await;
    bench.now(vec![firing("a")]);
    bench.messages(1).await;
    assert!(bench.stats.standing().last_error.unwrap().contains("disk is full"));
    bench.now(vec![firing("a"), firing("b")]);
    assert_eq!(bench.messages(2).await[1]["alerts"][0]["fingerprint"], "b");
    bench.scratch.state.heal("notifications").await;
    bench.now(vec![firing("a"), firing("b")]);
    bench.messages(2).await;
    assert_eq!((bench.sent().await.len(), bench.stats.standing().state), (2, "ok"));
    bench.restart().await;
    bench.messages(2).await;
}

#[tokio::test]
async fn a_channel_hears_what_it_wants_to() {
    let bench = Bench::with(ChannelKind::Webhook, |settings| {
        settings.severity_min = Severity::Critical;
        settings.send_resolved = false;
    })
    .await;
    bench.now(vec![firing("a"), finding("b", FindingState::Firing, Some(Severity::Critical))]);
    let messages = bench.messages(1).await;
    assert_eq!(messages[0]["alerts"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&messages[0]["alerts"][0]["fingerprint"], &messages[0]["commonLabels"]["severity"]),
        (&"b".into(), &"critical".into())
    );
    bench.now(vec![finding("a", FindingState::Ok, None), finding("b", FindingState::Ok, None)]);
    bench.messages(1).await;
    assert_eq!(bench.sent().await, []);
}
