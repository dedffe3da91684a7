//! What a message contains, and what it must not contain.

use super::*;

#[tokio::test]
async fn the_end_names_the_incident_as_it_was_told() {
    let bench = Bench::new(ChannelKind::Webhook).await;
    bench.now(vec![firing("a")]);
    bench.messages(1).await;
    let over = Finding {
        title: "shop GET /a: p95 is 90 ms".into(),
        value: Some(90.0),
        state_since_ms: 62_000,
        ..finding("a", FindingState::Ok, None)
    };
    bench.now(vec![over]);
    let messages = bench.messages(2).await;
    let [told, over] = [&messages[0]["alerts"][0], &messages[1]["alerts"][0]];
    for field in ["labels", "startsAt", "fingerprint"] {
        assert_eq!(told[field], over[field], "{field}");
    }
    assert_eq!((&told["labels"]["severity"], &over["status"]), (&"warning".into(), &"resolved".into()));
    assert_eq!(over["endsAt"], "1970-01-01T00:01:02.000Z");
    assert_eq!(
        (&over["annotations"]["summary"], &over["annotations"]["value"]),
        (&firing("a").title.into(), &"90 ms".into())
    );
    assert_eq!(bench.sent().await, []);
}

#[tokio::test]
async fn what_is_told_while_it_recovers_says_so_and_its_end_does_not() {
    let bench = Bench::new(ChannelKind::Webhook).await;
    let recovering = Some(Recovering { since_ms: 5000, value: Some(90.0) });
    bench.now(vec![Finding { recovering, ..firing("a") }]);
    let told = bench.messages(1).await.remove(0)["alerts"][0].clone();
    let title = firing("a").title;
    assert_eq!(
        told["annotations"]["summary"],
        format!("{title} (recovering since 1970-01-01T00:00:05.000Z, 90 ms now)")
    );
    assert_eq!(told["finding"]["recovering"], serde_json::json!({"since_ms": 5000, "value": 90.0}));
    bench.now(vec![finding("a", FindingState::Ok, None)]);
    assert_eq!(bench.messages(2).await[1]["alerts"][0]["annotations"]["summary"], title);
}

#[tokio::test]
async fn many_findings_go_to_a_webhook_in_bodies_that_it_can_take() {
    let bench = Bench::new(ChannelKind::Webhook).await;
    bench.now((0..120).map(|n| firing(&format!("{n:03}"))).collect());
    let sizes: Vec<usize> =
        bench.messages(3).await.iter().map(|body| body["alerts"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [50, 50, 20]);
}

#[tokio::test]
async fn slack_gets_one_message_for_many_with_its_letters_escaped() {
    let bench = Bench::new(ChannelKind::Slack).await;
    bench.now((0..12).map(|n| firing(&n.to_string())).collect());
    let message = bench.messages(1).await.remove(0);
    assert_eq!(message["text"], "12 findings fire");
    let attachments = message["attachments"].as_array().unwrap();
    assert_eq!(attachments.len(), 11);
    let text = attachments[0]["blocks"][0]["text"]["text"].as_str().unwrap();
    assert!(
        text.contains("GET /a&lt;b&gt;: p95 is 300 ms &amp; more")
            && text.contains("300 ms, 50 % over the limit of 200 ms"),
        "{text}"
    );
    let evidence = &attachments[0]["blocks"][1]["text"]["text"];
    assert_eq!(evidence, "traces: `0af7`\n```SELECT 1```");
    assert!(attachments[10]["blocks"][0]["text"]["text"].as_str().unwrap().starts_with("and 2 more"));
}

#[tokio::test]
async fn slack_takes_3000_characters_a_section_and_50_blocks() {
    let bench = Bench::new(ChannelKind::Slack).await;
    let long = |sign: &str| sign.repeat(20_000);
    let huge = |n: usize| Finding {
        title: long("<"),
        impact: long("&"),
        advice: long(">").into(),
        unit: long("x"),
        evidence_sql: format!("SELECT '```' {}", long("<")).into(),
        trace_ids: vec![long("f"); 100].into(),
        ..firing(&n.to_string())
    };
    bench.now((0..30).map(huge).collect());
    let message = bench.messages(1).await.remove(0);
    let attachments = message["attachments"].as_array().unwrap();
    let blocks: Vec<&Value> = attachments.iter().flat_map(|one| one["blocks"].as_array().unwrap()).collect();
    assert!(blocks.len() <= 50, "{}", blocks.len());
    for block in blocks {
        let text = block["text"]["text"].as_str().unwrap();
        assert!(text.chars().count() <= 3000, "{}", text.chars().count());
        assert!(
            !text.contains(['<', '>'])
                && text.replace("&lt;", "").replace("&gt;", "").replace("&amp;", "").find('&').is_none()
        );
        assert_eq!(text.matches("```").count() % 2, 0, "{text}");
    }
}

#[tokio::test]
async fn slack_is_told_the_end_in_one_line() {
    let bench = Bench::new(ChannelKind::Slack).await;
    bench.now(vec![firing("a")]);
    bench.messages(1).await;
    bench.now(vec![Finding { value: Some(90.0), state_since_ms: 62_000, ..finding("a", FindingState::Ok, None) }]);
    let message = bench.messages(2).await.remove(1);
    let title = "shop GET /a&lt;b&gt;: p95 is 300 ms &amp; more";
    assert_eq!(message["text"], format!(":white_check_mark: over: {title}"));
    let blocks = message["attachments"][0]["blocks"].as_array().unwrap();
    let expected =
        format!("*:white_check_mark: over: {title}*\nnow 90 ms, 45 % of the limit of 200 ms · it lasted 60 s");
    assert_eq!((blocks.len(), &blocks[0]["text"]["text"]), (1, &expected.into()));
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn url_and_headers_are_secrets_though_the_target_repeats_them() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let bench = Bench::new(ChannelKind::Webhook).await;
    bench.receiver.answers.lock().extend([503, 400]);
    bench.now(vec![firing("a")]);
    bench.messages(2).await;
    let log = String::from_utf8(lines.0.lock().clone()).unwrap();
    assert!(!log.contains("s3cret") && !log.contains("t0ken"), "{log}");
    let ours: Vec<&str> = log.lines().filter(|line| line.contains("alerts")).collect();
    assert_eq!(ours.len(), 2, "{log}");
    assert!(ours.iter().all(|line| line.contains("Cannot POST")), "{ours:?}");
    let error = bench.stats.standing().last_error.unwrap();
    let settings = format!("{:?}", bench.settings);
    for text in ours.into_iter().chain([error.as_str(), settings.as_str()]) {
        assert!(!text.contains("s3cret") && !text.contains("t0ken"), "{text}");
    }
}

#[tokio::test]
async fn a_url_that_cannot_be_used_is_not_shown() {
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    let bench = Bench::new(ChannelKind::Webhook).await;
    let settings = ChannelSettings { url: Secret::new("no url s3cret"), ..bench.settings.clone() };
    let state = bench.scratch.state.clone();
    let failed = run(settings, bench.findings.subscribe(), state, Arc::default(), CancellationToken::new()).await;
    assert!(!format!("{:?}", failed.unwrap_err()).contains("s3cret"));
}
