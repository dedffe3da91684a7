//! OTLP over HTTP, in protobuf.

use super::{OtlpSettings, wire};
use crate::delivery::settings::Compression;
use crate::delivery::web;
use crate::delivery::{Exporter, Outcome, Payload};
use crate::model::signal::Signal;
use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;
use flate2::write::GzEncoder;
use prost::Message as _;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use reqwest::{Client, StatusCode, Url};
use std::io::Write as _;

/// The default of zstd.
const ZSTD_LEVEL: i32 = 3;

/// An HTTP target.
pub(super) struct Http {
    client: Client,
    traces: Url,
    metrics: Url,
    logs: Url,
    compression: Compression,
    hints: web::Hints<'static>,
}

impl Http {
    /// # Errors
    /// When an address, a header, the proxy or a file of `tls` cannot be used.
    pub(super) fn new(id: &str, settings: &OtlpSettings) -> anyhow::Result<Http> {
        let url = |own: &Option<String>, path: &str| {
            let text = match own {
                Some(own) => own.clone(),
                None => format!("{}{path}", settings.endpoint.trim_end_matches('/')),
            };
            Url::parse(&text).with_context(|| {
                format!("exporters.{id}.endpoint: expected a URL such as http://host:4318, found {text:?}")
            })
        };
        let traces = url(&settings.traces_endpoint, "/v1/traces")?;
        let client = web::client(&format!("exporters.{id}"), &traces, &settings.client)?;
        Ok(Http {
            client,
            traces,
            metrics: url(&settings.metrics_endpoint, "/v1/metrics")?,
            logs: url(&settings.logs_endpoint, "/v1/logs")?,
            compression: settings.client.compression,
            hints: web::Hints { denied: settings.denied, elsewhere: "is `endpoint` right?" },
        })
    }

    async fn post(&self, signal: Signal, body: Bytes) -> Result<reqwest::Response, reqwest::Error> {
        let url = match signal {
            Signal::Traces => &self.traces,
            Signal::Metrics => &self.metrics,
            Signal::Logs => &self.logs,
        };
        let (body, encoding) = compress(body, self.compression);
        let mut request = self.client.post(url.clone()).header(CONTENT_TYPE, "application/x-protobuf").body(body);
        if let Some(encoding) = encoding {
            request = request.header(CONTENT_ENCODING, encoding);
        }
        request.send().await
    }
}

#[async_trait]
impl Exporter for Http {
    async fn send(&self, payload: &Payload) -> Outcome {
        let answer = match self.post(payload.signal, payload.body.clone()).await {
            Ok(answer) => answer,
            Err(error) => return Outcome::Retry { after: None, reason: web::reason(error) },
        };
        let answer = web::Answer::of(answer).await;
        match answer.verdict(&told(&answer.body), &self.hints) {
            None => wire::delivered(payload.signal, &answer.body),
            Some(Outcome::Retry { reason, .. }) if is_final(&answer) => Outcome::PermanentError(reason),
            Some(outcome) => outcome,
        }
    }
}

/// Of the server errors, the specification retries only these three: <https://opentelemetry.io/docs/specs/otlp/#failures-1>.
fn is_final(answer: &web::Answer) -> bool {
    let again = [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
    answer.status.is_server_error() && !answer.is_page && !again.contains(&answer.status)
}

/// Returns the message in an error's body: a `google.rpc.Status`, or text.
fn told(body: &[u8]) -> String {
    match std::str::from_utf8(body) {
        Ok(text) if !text.trim().contains(char::is_control) => text.trim().to_owned(),
        _ => tonic_types::Status::decode(body).map(|status| status.message).unwrap_or_default(),
    }
}

fn compress(body: Bytes, compression: Compression) -> (Bytes, Option<&'static str>) {
    let compressed = match compression {
        Compression::None => return (body, None),
        Compression::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&body).and_then(|()| encoder.finish()).map(|body| (body, "gzip"))
        }
        Compression::Zstd => zstd::encode_all(&*body, ZSTD_LEVEL).map(|body| (body, "zstd")),
    };
    match compressed {
        Ok((compressed, encoding)) => (compressed.into(), Some(encoding)),
        Err(_) => (body, None),
    }
}
