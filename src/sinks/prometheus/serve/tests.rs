//! Real sockets.

use super::*;
use crate::model::scrape::{Family, FamilyKind, Sample, SampleValue};
use std::io::Read as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

struct One(bool);

#[async_trait]
impl ScrapeSource for One {
    async fn scrape(&self) -> anyhow::Result<Scrape> {
        anyhow::ensure!(self.0, "the store is closed");
        let sample = Sample {
            attributes: BTreeMap::new(),
            resource: None,
            scope_name: String::new(),
            scope_version: String::new(),
            value: SampleValue::Number(1.0),
            time_ms: None,
        };
        let family = |kind| Family {
            name: "up.total".into(),
            unit: String::new(),
            description: String::new(),
            kind,
            samples: vec![sample.clone()],
        };
        Ok(Scrape { resources: Vec::new(), families: vec![family(FamilyKind::Gauge), family(FamilyKind::Counter)] })
    }
}

/// The whole answer to a request with these header lines.
async fn ask(source: One, settings: PrometheusSettings, head: &str) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let cancel = CancellationToken::new();
    let server = tokio::spawn(serve(listener, Arc::new(source), settings, cancel.clone()));
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    socket
        .write_all(format!("GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{head}\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    cancel.cancel();
    server.await.unwrap().unwrap();
    answer
}

fn split(answer: &[u8]) -> (String, &[u8]) {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    (String::from_utf8(answer[..end].to_vec()).unwrap(), &answer[end + 4..])
}

#[tokio::test]
async fn a_plain_scrape_gets_text_and_one_of_two_colliding_families() {
    let answer = ask(One(true), PrometheusSettings::default(), "").await;
    let (head, body) = split(&answer);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    assert_eq!(body, b"# TYPE up_total gauge\nup_total 1\n");
}

#[tokio::test]
async fn open_metrics_and_gzip_are_given_where_they_are_asked_for() {
    let wish = "accept: application/openmetrics-text;version=1.0.0\r\naccept-encoding: gzip\r\n";
    let settings = PrometheusSettings { enable_open_metrics: true, ..PrometheusSettings::default() };
    let answer = ask(One(true), settings, wish).await;
    let (head, body) = split(&answer);
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    assert!(head.contains("content-encoding: gzip"), "{head}");
    let mut text = String::new();
    flate2::read::GzDecoder::new(body).read_to_string(&mut text).unwrap();
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[tokio::test]
async fn open_metrics_is_given_to_nobody_unless_it_is_enabled() {
    let wish = "accept: application/openmetrics-text;version=1.0.0\r\n";
    let answer = ask(One(true), PrometheusSettings::default(), wish).await;
    assert!(split(&answer).0.contains("text/plain; version=0.0.4"));
}

#[tokio::test]
async fn a_source_that_fails_is_answered_503() {
    let answer = ask(One(false), PrometheusSettings::default(), "").await;
    assert!(split(&answer).0.starts_with("HTTP/1.1 503"));
}

#[tokio::test]
async fn a_token_is_asked_for_where_one_is_set() {
    let settings = PrometheusSettings { auth_token: Some(Secret::new("open")), ..PrometheusSettings::default() };
    assert!(split(&ask(One(true), settings.clone(), "").await).0.starts_with("HTTP/1.1 401"));
    let answer = ask(One(true), settings, "authorization: Bearer open\r\n").await;
    assert!(split(&answer).0.starts_with("HTTP/1.1 200"));
}
