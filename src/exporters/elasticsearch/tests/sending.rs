//! The target against servers on loopback.

use super::super::target::Elasticsearch;
use super::*;
use crate::delivery::settings::Secret;
use crate::delivery::{Exporter as _, Outcome};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use parking_lot::Mutex;
use std::io::Read as _;
use std::sync::Arc;

type Seen = Arc<Mutex<Vec<(Uri, HeaderMap, Bytes)>>>;

/// A node that responds that it created one document.
async fn node() -> (String, Seen) {
    let seen = Seen::default();
    let handler = async |State(seen): State<Seen>, uri: Uri, headers: HeaderMap, body: Bytes| {
        seen.lock().push((uri, headers, body));
        r#"{"errors":false,"items":[{"create":{"status":201}}]}"#
    };
    let router = Router::new().fallback(handler).with_state(seen.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}"), seen)
}

/// A node that sends these bytes for any request, and closes the connection.
async fn raw(answer: &'static [u8]) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _asked = stream.read(&mut [0; 4096]).await;
            let _answered = stream.write_all(answer).await;
        }
    });
    format!("http://{address}")
}

fn target(endpoints: &[&str], more: impl FnOnce(&mut ElasticsearchSettings)) -> Elasticsearch {
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    let mut settings = settings(Mode::Ecs);
    settings.endpoints = endpoints.iter().map(|endpoint| (*endpoint).to_owned()).collect();
    more(&mut settings);
    Elasticsearch::new("elasticsearch", &settings).unwrap()
}

fn payload() -> Payload {
    let request = logs(Vec::new(), vec![LogRecord::default()]);
    map(&settings(Mode::Ecs), Signal::Logs, &[placed(1, 0, &request)]).payloads.remove(0)
}

#[tokio::test]
async fn a_request_is_what_a_cluster_takes() {
    let (endpoint, seen) = node().await;
    let target = target(&[&format!("{endpoint}/behind/")], |settings| {
        settings.pipeline = Some("parse it".into());
        settings.login = Login::User("elastic".into(), Secret::new("pass"));
    });
    assert_eq!(target.send(&payload()).await, Outcome::delivered());
    let (uri, headers, body) = seen.lock().remove(0);
    assert_eq!(uri.path(), "/behind/_bulk");
    assert!(
        uri.query()
            .is_some_and(|query| query.starts_with("filter_path=errors%2C") && query.ends_with("&pipeline=parse+it"))
    );
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    assert_eq!((header("content-type"), header("content-encoding")), ("application/x-ndjson", "gzip"));
    // Base64 of `elastic:pass`, by another implementation.
    assert_eq!(header("authorization"), "Basic ZWxhc3RpYzpwYXNz");
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&*body).read_to_end(&mut plain).unwrap();
    assert_eq!(plain, sent(&payload()), "and nothing of the line that is ours");
}

#[tokio::test]
async fn nodes_take_turns_and_one_that_is_gone_costs_nothing() {
    let gone = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let ((first, by_first), (second, by_second)) = (node().await, node().await);
    let target = target(&[&first, &gone, &second], |settings| settings.login = Login::ApiKey(Secret::new("key")));
    for _ in 0..6 {
        assert_eq!(target.send(&payload()).await, Outcome::delivered());
    }
    // Of every three, the one for the missing node goes to the next.
    let counts = [&by_first, &by_second].map(|seen| seen.lock().len());
    assert_eq!(counts, [2, 4]);
    assert_eq!(by_first.lock()[0].1["authorization"], "ApiKey key");
    let alone = super::super::target::Elasticsearch::new(
        "elasticsearch",
        &ElasticsearchSettings { endpoints: vec![gone], ..settings(Mode::Ecs) },
    );
    assert!(matches!(alone.unwrap().send(&payload()).await, Outcome::Retry { .. }));
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_verdict() {
    let answers: [&'static [u8]; 4] = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"errors\":false,",
        b"HTTP/1.1 200 OK\r\n\r\n{\"errors\":false,",
        b"",
        b"nonsense\r\n\r\n",
    ];
    for answer in answers {
        let endpoint = raw(answer).await;
        let outcome = target(&[&endpoint], |_| {}).send(&payload()).await;
        assert!(matches!(outcome, Outcome::Retry { .. }), "{answer:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_key_that_is_wrong_is_named_and_not_shown() {
    let answer = b"HTTP/1.1 401 Unauthorized\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n";
    let endpoint = raw(answer).await;
    let target = target(&[&endpoint], |settings| settings.login = Login::ApiKey(Secret::new("s3cret")));
    let Outcome::Retry { after, reason } = target.send(&payload()).await else { panic!("expected a retry") };
    assert_eq!(after, Some(Duration::from_secs(7)));
    assert_eq!(reason, "401 Unauthorized (is its `api_key` right?)");
}

#[test]
fn what_is_no_url_is_a_fault() {
    for endpoint in ["a:b", "", "http://"] {
        let own = ElasticsearchSettings { endpoints: vec![endpoint.into()], ..settings(Mode::Ecs) };
        assert!(Elasticsearch::new("elasticsearch", &own).is_err(), "{endpoint}");
    }
}
