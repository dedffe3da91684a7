//! Datadog's intakes, used like the Agent does.

use super::events::{self, EVENTS};
use super::host_metadata::{METADATA, Reporter};
use super::metrics::{self, SERIES, SKETCHES};
use super::spans::{self, STATS, TRACES};
use super::{DatadogSettings, logs};
use crate::delivery::settings::{ClientSettings, Compression};
use crate::delivery::web;
use crate::delivery::{Exporter, Mapped, Outcome, Payload, StatefulStage};
use crate::exporters::temporality::ToDelta;
use crate::model::signal::Signal;
use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;
use flate2::write::{GzEncoder, ZlibEncoder};
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Url};
use std::io::Write as _;
use std::time::{Duration, SystemTime};

/// The default of zstd.
const ZSTD_LEVEL: i32 = 3;
/// Compressed limit of the series intake.
const SERIES_COMPRESSED_BYTES_MAX: usize = 512_000;

/// Hint for a rejected key.
pub(super) const KEY_DENIED: &str = "are `api.key` and `api.site` right?";

/// The intakes.
pub(super) struct Intake {
    settings: DatadogSettings,
    client: Client,
    metrics: Url,
    api: Url,
    logs: Url,
    traces: Url,
    hosts: Reporter,
}

/// Parses the address of an intake, configured in the section `of`.
pub(super) fn address(id: &str, of: &str, text: &str) -> anyhow::Result<Url> {
    Url::parse(text)
        .with_context(|| format!("exporters.{id}.{of}.endpoint: expected a URL such as https://host, found {text:?}"))
}

/// Returns client settings that send the key with each request.
pub(super) fn with_key(settings: &DatadogSettings) -> ClientSettings {
    let mut client = settings.client.clone();
    client.headers.push(("dd-api-key".to_owned(), settings.api_key.clone()));
    client
}

impl Intake {
    /// # Errors
    /// When an address, a header, the proxy or a file of `tls` cannot be used.
    pub(super) fn new(id: &str, settings: &DatadogSettings) -> anyhow::Result<Intake> {
        let metrics = address(id, "metrics", &settings.endpoints.metrics)?;
        let client = web::client(&format!("exporters.{id}"), &metrics, &with_key(settings))?;
        let logs = address(id, "logs", &settings.endpoints.logs)?;
        let traces = address(id, "traces", &settings.endpoints.traces)?;
        let api = address(id, "metrics", &settings.api.endpoint)?;
        let hosts = Reporter::new(id, &settings.host_metadata, &settings.metrics.hostname);
        Ok(Intake { settings: settings.clone(), client, metrics, api, logs, traces, hosts })
    }

    /// Returns the URL of an intake, its content type and the settings key of its address.
    fn intake(&self, route: &str) -> (Url, &'static str, &'static str) {
        let (base, kind, key) = match route {
            logs::LOGS => (&self.logs, "application/json", "logs.endpoint"),
            EVENTS | METADATA => (&self.api, "application/json", "metrics.endpoint"),
            TRACES => (&self.traces, "application/x-protobuf", "traces.endpoint"),
            STATS => (&self.traces, "application/msgpack", "traces.endpoint"),
            _ => (&self.metrics, "application/x-protobuf", "metrics.endpoint"),
        };
        (web::below(base, route), kind, key)
    }
}

#[async_trait]
impl Exporter for Intake {
    fn observe(&self, signal: Signal, request: &Bytes) {
        self.hosts.see(signal, request);
    }

    fn map(&self, signal: Signal, request: &Bytes) -> anyhow::Result<Mapped> {
        match signal {
            Signal::Metrics => metrics::map(&self.settings.metrics, request),
            Signal::Logs => logs::map(&self.settings.metrics.hostname, request),
            Signal::Traces => spans::map(&spans::INTAKE, &self.settings.traces, request),
        }
    }

    fn stateful_stage(&self, signal: Signal) -> Option<Box<dyn StatefulStage>> {
        (signal == Signal::Metrics).then(|| Box::new(ToDelta::new(self.settings.rules(true))) as Box<dyn StatefulStage>)
    }

    fn split(&self, payload: &Payload) -> Option<(Payload, Payload)> {
        match payload.route {
            SERIES | SKETCHES => metrics::split(payload),
            logs::LOGS => logs::split(payload),
            TRACES => spans::split(payload),
            _ => None,
        }
    }

    async fn send(&self, payload: &Payload) -> Outcome {
        let (url, kind, endpoint_key) = self.intake(payload.route);
        let (body, encoding) = compress(payload.body.clone(), payload.route, self.settings.client.compression);
        if payload.route == SERIES && body.len() > SERIES_COMPRESSED_BYTES_MAX {
            let length = body.len();
            return Outcome::TooLarge(format!(
                "{length} bytes of series (compressed), the intake's limit is {SERIES_COMPRESSED_BYTES_MAX}"
            ));
        }
        let mut request = self.client.post(url).header(CONTENT_TYPE, kind).body(body);
        if let Some(encoding) = encoding {
            request = request.header(CONTENT_ENCODING, encoding);
        }
        let outcome = match request.send().await {
            Ok(answer) => {
                let elsewhere = format!("is `{endpoint_key}` right?");
                judged(answer, &web::Hints { denied: KEY_DENIED, elsewhere: &elsewhere }).await
            }
            Err(error) => Outcome::Retry { after: None, reason: web::reason(error) },
        };
        if payload.route == EVENTS { events::in_time(outcome, &payload.body, SystemTime::now()) } else { outcome }
    }

    async fn background(&self) {
        self.hosts.run(self).await;
    }
}

/// Returns the meaning of a response.
pub(super) async fn judged(answer: reqwest::Response, hints: &web::Hints<'_>) -> Outcome {
    let reset = reset(answer.headers());
    let mut answer = web::Answer::of(answer).await;
    answer.after = answer.after.or(reset);
    if let Some(outcome) = answer.verdict(&told(&answer.body), hints) {
        return outcome;
    }
    if let Some(errors) = errors(&answer.body) {
        // The intake accepted the request, but does not say which part is faulty.
        tracing::warn!(errors, "Datadog accepted a request but reports errors in it");
    }
    Outcome::delivered()
}

/// When Datadog's API accepts requests again, in seconds, from the header that it documents for its rate limits.
fn reset(headers: &HeaderMap) -> Option<Duration> {
    headers.get("x-ratelimit-reset")?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Returns the message of a response, if it is printable text.
fn told(body: &[u8]) -> String {
    String::from_utf8_lossy(body).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns the errors that an intake reports for an accepted request.
fn errors(body: &[u8]) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    let errors = answer.get("errors")?.as_array().filter(|errors| !errors.is_empty())?;
    Some(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}

/// Compresses as each intake accepts: sketches only in deflate and zstd, because the Agent sends no gzip there; statistics are
/// sent only in gzip, and so does the Collector's exporter with metadata. For events nothing is documented.
fn compress(body: Bytes, route: &str, compression: Compression) -> (Bytes, Option<&'static str>) {
    let encoding = match (compression, route) {
        (Compression::None, _) | (_, EVENTS) => return (body, None),
        (Compression::Gzip, SKETCHES) => "deflate",
        (Compression::Gzip, _) | (Compression::Zstd, STATS | METADATA) => "gzip",
        (Compression::Zstd, _) => "zstd",
    };
    let level = flate2::Compression::fast();
    let compressed = match encoding {
        "deflate" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(&body).and_then(|()| encoder.finish())
        }
        "gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), level);
            encoder.write_all(&body).and_then(|()| encoder.finish())
        }
        _ => zstd::encode_all(&*body, ZSTD_LEVEL),
    };
    match compressed {
        Ok(compressed) => (compressed.into(), Some(encoding)),
        Err(_) => (body, None),
    }
}
