//! Scrapes over real sockets.

use super::super::escape::Escaping;
use super::*;
use crate::model::scrape::{Attributes, Family, FamilyKind, Identity, Sample, SampleValue};
use std::io::Read as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

struct One(bool);

#[async_trait]
impl ScrapeSource for One {
    async fn scrape(&self) -> anyhow::Result<Scrape> {
        anyhow::ensure!(self.0, "the store is closed");
        let sample = Sample::plain(Identity::own(Attributes::new()), SampleValue::Number(1.0));
        let family = |kind| Family {
            name: "up.total".into(),
            unit: String::new(),
            description: String::new(),
            descriptions_differ: false,
            kind,
            samples: vec![sample.clone()],
        };
        Ok(Scrape { families: vec![family(FamilyKind::Gauge), family(FamilyKind::Counter)] })
    }
}

/// Returns the complete response to a request with these header lines.
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

#[tokio::test]
async fn the_protobuf_format_is_given_to_whoever_asks_for_it() {
    let wish = "accept: application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;\
                escaping=allow-utf-8\r\n";
    let settings = PrometheusSettings { translation: Translation::NoTranslation, ..PrometheusSettings::default() };
    let answer = ask(One(true), settings, wish).await;
    let (head, body) = split(&answer);
    let content_type = "content-type: application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
                        encoding=delimited; escaping=allow-utf-8";
    assert!(head.contains(content_type), "{head}");
    // 25 bytes: name, type and one metric with a gauge of 1.
    assert_eq!(body, b"\x19\x0a\x08up.total\x18\x01\x22\x0b\x12\x09\x09\0\0\0\0\0\0\xf0\x3f");
}

#[tokio::test]
async fn layouts_are_kept_by_what_is_asked_for_and_few_of_them() {
    let settings = PrometheusSettings::default();
    let endpoint = Endpoint {
        source: Arc::new(One(true)),
        naming: naming(&settings),
        layouts: Mutex::default(),
        scrapes: Semaphore::new(1),
        told: Mutex::default(),
        settings,
    };
    let scrape = endpoint.source.scrape().await.unwrap();
    let print = |format, escaping| endpoint.print(&scrape, Wish { format, escaping }, false).unwrap();
    let kept = || endpoint.layouts.lock().len();
    let first = print(Format::Text004, Escaping::Underscores);
    assert_eq!(print(Format::Text100, Escaping::Underscores), first);
    assert_eq!(kept(), 1);
    print(Format::Protobuf, Escaping::Underscores);
    print(Format::Text100, Escaping::Dots);
    print(Format::Text100, Escaping::AllowUtf8);
    assert_eq!(kept(), LAYOUTS_MAX);
    assert_eq!(print(Format::Text004, Escaping::Underscores), first);
    // The collision is logged once.
    assert_eq!(endpoint.told.lock().len(), 1);
}
