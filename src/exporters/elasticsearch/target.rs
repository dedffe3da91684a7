//! The target: cluster nodes used in turn.

use super::answer::{FILTER, Whole};
use super::bulk::{Documents, sent};
use super::map;
use super::settings::{ElasticsearchSettings, Login};
use super::taking::Taking;
use crate::delivery::settings::{ClientSettings, Compression, Secret};
use crate::delivery::web;
use crate::delivery::{Exporter, Mapped, Outcome, Payload, Placed};
use crate::model::signal::Signal;
use anyhow::{Context as _, ensure};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flate2::write::GzEncoder;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use reqwest::{Client, Url};
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Maximum bytes of a response that are read: it has at least a status per document, in about 30 bytes.
const ANSWER_BYTES_MAX: usize = 32 << 20;

/// A cluster.
pub(super) struct Elasticsearch {
    settings: ElasticsearchSettings,
    nodes: Vec<(Client, Url)>,
    /// The next node to use.
    turn: AtomicUsize,
    taking: Taking,
}

impl Elasticsearch {
    /// # Errors
    /// When an address, a header, the proxy or a file of `tls` cannot be used.
    pub(super) fn new(id: &str, settings: &ElasticsearchSettings) -> anyhow::Result<Elasticsearch> {
        let client = ClientSettings { headers: headers(settings), ..settings.client.clone() };
        let place = format!("exporters.{id}");
        let node = |endpoint: &String| {
            let url = Url::parse(endpoint).ok();
            let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            let url = url.with_context(|| {
                format!("{place}.endpoints: expected a URL such as http://host:9200, found {endpoint:?}")
            })?;
            let mut url = web::below(&url, "/_bulk");
            url.query_pairs_mut().append_pair("filter_path", FILTER);
            if let Some(pipeline) = &settings.pipeline {
                url.query_pairs_mut().append_pair("pipeline", pipeline);
            }
            Ok((web::client(&place, &url, &client)?, url))
        };
        let nodes = settings.endpoints.iter().map(node).collect::<anyhow::Result<Vec<_>>>()?;
        ensure!(!nodes.is_empty(), "{place}.endpoints: expected at least one URL");
        Ok(Elasticsearch { settings: settings.clone(), nodes, turn: AtomicUsize::new(0), taking: Taking::default() })
    }

    /// Tries the nodes in turn until one can be reached.
    async fn post(&self, body: Bytes) -> Result<reqwest::Response, reqwest::Error> {
        let (body, encoding) = match self.settings.client.compression {
            Compression::None => (body, None),
            _ => gzip(&body).map_or((body, None), |body| (body, Some("gzip"))),
        };
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut left = self.nodes.len();
        loop {
            let (client, url) = &self.nodes[(first + self.nodes.len() - left) % self.nodes.len()];
            let mut request = client.post(url.clone()).header(CONTENT_TYPE, "application/x-ndjson").body(body.clone());
            if let Some(encoding) = encoding {
                request = request.header(CONTENT_ENCODING, encoding);
            }
            left -= 1;
            match request.send().await {
                Err(error) if error.is_connect() && left > 0 => {}
                answer => return answer,
            }
        }
    }
}

#[async_trait]
impl Exporter for Elasticsearch {
    fn map_placed(&self, signal: Signal, requests: &[Placed]) -> anyhow::Result<Mapped> {
        Ok(map::map(&self.settings, signal, requests))
    }

    fn split(&self, payload: &Payload) -> Option<(Payload, Payload)> {
        Documents::of(payload).halves()
    }

    async fn send(&self, payload: &Payload) -> Outcome {
        let mut answer = match self.post(sent(payload)).await {
            Ok(answer) => answer,
            Err(error) => return Outcome::Retry { after: None, reason: web::reason(error) },
        };
        let (status, headers) = (answer.status(), answer.headers().clone());
        let after = web::retry_after(&headers);
        let mut body = Vec::new();
        loop {
            match answer.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() <= ANSWER_BYTES_MAX => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Ok(Some(_)) => {
                    let reason = format!("{status}: a response of more than {ANSWER_BYTES_MAX} bytes");
                    return Outcome::Retry { after, reason };
                }
                // The response is unknown; documents that were accepted are recognized by their ids.
                Err(error) => {
                    let reason = format!("{status}: the response ended early: {}", web::reason(error));
                    return Outcome::Retry { after, reason };
                }
            }
        }
        let login = match self.settings.login {
            Login::ApiKey(_) => "`api_key`",
            Login::User(..) => "`user` and `password`",
            Login::None => "login (`api_key`, or `user` and `password`)",
        };
        Whole { web: web::Answer::read(status, &headers, body), login, taking: &self.taking }.judge(payload)
    }
}

fn headers(settings: &ElasticsearchSettings) -> Vec<(String, Secret)> {
    let authorization = match &settings.login {
        Login::None => None,
        Login::ApiKey(key) => Some(format!("ApiKey {}", key.reveal())),
        Login::User(user, password) => {
            Some(format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.reveal()))))
        }
    };
    let own = authorization.map(|value| ("Authorization".to_owned(), Secret::new(value)));
    settings.client.headers.iter().cloned().chain(own).collect()
}

fn gzip(body: &Bytes) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 8), flate2::Compression::fast());
    encoder.write_all(body).and_then(|()| encoder.finish()).ok().map(Bytes::from)
}
