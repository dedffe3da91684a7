//! OTLP over gRPC. Requests are sent as the bytes that were received; nothing is decoded on the way.

use super::raw_codec::RawCodec;
use super::{OtlpSettings, wire};
use crate::delivery::settings::{Compression, Secret, TlsSettings};
use crate::delivery::{Exporter, Outcome, Payload};
use crate::model::signal::Signal;
use anyhow::{Context as _, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use http::uri::PathAndQuery;
use parking_lot::{Mutex, MutexGuard};
use std::time::Duration;
use tonic::client;
use tonic::codec::CompressionEncoding;
use tonic::metadata::{MetadataKey, MetadataMap, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A gRPC target.
pub(super) struct Grpc {
    endpoint: Endpoint,
    channel: Mutex<Channel>,
    headers: MetadataMap,
    compression: Option<CompressionEncoding>,
    timeout: Duration,
    denied: &'static str,
}

impl Grpc {
    /// # Errors
    /// When the address, a header or a file of `tls` cannot be used.
    pub(super) fn new(id: &str, settings: &OtlpSettings) -> anyhow::Result<Grpc> {
        let client = &settings.client;
        ensure!(
            !client.tls.insecure_skip_verify,
            "exporters.{id}.tls.insecure_skip_verify: over gRPC certificates are always verified; set the authority in ca_file"
        );
        let (url, tls) = url(&settings.endpoint, client.tls.insecure);
        let mut endpoint = Endpoint::from_shared(url)
            .with_context(|| {
                format!("exporters.{id}.endpoint: expected host:port or a URL, found {:?}", settings.endpoint)
            })?
            .connect_timeout(CONNECT_TIMEOUT);
        if tls {
            endpoint = endpoint.tls_config(tls_config(&client.tls).with_context(|| format!("exporters.{id}"))?)?;
        }
        let compression = match client.compression {
            Compression::None => None,
            Compression::Gzip => Some(CompressionEncoding::Gzip),
            Compression::Zstd => Some(CompressionEncoding::Zstd),
        };
        let headers = headers(id, &client.headers)?;
        let channel = Mutex::new(endpoint.connect_lazy());
        Ok(Grpc { endpoint, channel, headers, compression, timeout: client.timeout, denied: settings.denied })
    }

    fn channel(&self) -> MutexGuard<'_, Channel> {
        self.channel.lock()
    }

    async fn call(&self, signal: Signal, body: Bytes) -> Result<Bytes, Status> {
        // Servers respond with the compression of the request.
        let mut client = client::Grpc::new(self.channel().clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Zstd);
        if let Some(compression) = self.compression {
            client = client.send_compressed(compression);
        }
        client.ready().await.map_err(|error| Status::unavailable(chain(&error)))?;
        let mut request = Request::new(body);
        *request.metadata_mut() = self.headers.clone();
        request.set_timeout(self.timeout);
        let path = PathAndQuery::from_static(wire::method(signal));
        Ok(client.unary(request, path, RawCodec).await?.into_inner())
    }
}

#[async_trait]
impl Exporter for Grpc {
    async fn send(&self, payload: &Payload) -> Outcome {
        match tokio::time::timeout(self.timeout, self.call(payload.signal, payload.body.clone())).await {
            Ok(Ok(answer)) => wire::delivered(payload.signal, &answer),
            Ok(Err(status)) => judge(&status, self.denied),
            Err(_) => {
                // A half-open connection may never break by itself.
                *self.channel() = self.endpoint.connect_lazy();
                Outcome::Retry { after: None, reason: format!("no response within {:?}", self.timeout) }
            }
        }
    }
}

/// Returns the meaning of a status: <https://opentelemetry.io/docs/specs/otlp/#failures>.
fn judge(status: &Status, denied: &str) -> Outcome {
    let after = wire::retry_info(status.details());
    let source = std::error::Error::source(status);
    let reason = match source {
        Some(error) => format!("{:?}: {}: {}", status.code(), status.message(), chain(error)),
        None => format!("{:?}: {}", status.code(), status.message()),
    };
    // For example a proxy's page: the responder does not speak gRPC, so this is no verdict.
    let kind = status.metadata().get("content-type").and_then(|kind| kind.to_str().ok());
    let is_foreign = kind.is_some_and(|kind| !kind.starts_with("application/grpc"));
    if is_foreign || status.message().starts_with("grpc-status header missing") {
        let is_page = kind.is_some_and(|kind| kind.starts_with("text/html"));
        let what = if is_page { "an HTML page, not gRPC" } else { "no gRPC" };
        let reason = format!("{reason} (the response is {what}: is `endpoint` right?)");
        return Outcome::Retry { after, reason };
    }
    // A status with a source did not come from the target: the connection broke.
    if source.is_some() {
        return Outcome::Retry { after, reason };
    }
    match status.code() {
        // The message of tonic's own servers.
        Code::OutOfRange if speaks_of_size(status.message()) => Outcome::TooLarge(reason),
        // A wrong key can be fixed, and the log keeps the data until then.
        Code::Unauthenticated | Code::PermissionDenied => {
            Outcome::Retry { after, reason: format!("{reason} ({denied})") }
        }
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => Outcome::Retry { after, reason },
        Code::ResourceExhausted if after.is_some() => Outcome::Retry { after, reason },
        // Without a retry time it mostly means that the message is too large.
        Code::ResourceExhausted if speaks_of_size(status.message()) => Outcome::TooLarge(reason),
        Code::InvalidArgument => Outcome::Rejected(reason),
        _ => Outcome::PermanentError(reason),
    }
}

fn speaks_of_size(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["larger than", "too large", "exceeds"].iter().any(|words| message.contains(words))
}

/// Returns the address with its scheme, and whether to use TLS: as in the Collector, the default unless `insecure` is set.
fn url(endpoint: &str, insecure: bool) -> (String, bool) {
    match endpoint.split_once("://") {
        Some(("http", _)) => (endpoint.to_owned(), false),
        Some(("https", _)) => (endpoint.to_owned(), true),
        Some((_, rest)) => (format!("{}://{rest}", scheme(insecure)), !insecure),
        None => (format!("{}://{endpoint}", scheme(insecure)), !insecure),
    }
}

fn scheme(insecure: bool) -> &'static str {
    if insecure { "http" } else { "https" }
}

fn tls_config(tls: &TlsSettings) -> anyhow::Result<ClientTlsConfig> {
    let mut config = match tls.authorities()? {
        None => ClientTlsConfig::new().with_native_roots(),
        Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
    };
    if let Some((certificate, key)) = tls.identity()? {
        config = config.identity(Identity::from_pem(certificate, key));
    }
    if let Some(name) = &tls.server_name {
        config = config.domain_name(name);
    }
    Ok(config)
}

fn headers(id: &str, given: &[(String, Secret)]) -> anyhow::Result<MetadataMap> {
    let mut headers = MetadataMap::new();
    for (name, value) in given {
        let place = || format!("exporters.{id}.headers: {name}");
        let key = MetadataKey::from_bytes(name.to_ascii_lowercase().as_bytes()).with_context(place)?;
        let mut value: MetadataValue<_> = value.reveal().parse().with_context(place)?;
        value.set_sensitive(true);
        headers.insert(key, value);
    }
    Ok(headers)
}

/// Formats an error with its sources: transport errors say little by themselves.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
